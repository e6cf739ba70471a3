// The CUDA driver, libcuda.so.1, as far as PyTorch and `has_cuda` ask it: there are devices, and
// every call succeeds and does nothing. NULLCUDA_DEVICES and NULLCUDA_OLD_DRIVER as in runtime.c.
#include <string.h>

#include "nullcuda.h"

enum { NO_DEVICE = 100 };

EXPORT int cuInit(unsigned flags) {
    return visible_devices() ? 0 : NO_DEVICE;
}

EXPORT int cuDriverGetVersion(int *version) {
    *version = getenv("NULLCUDA_OLD_DRIVER") ? OLD_DRIVER_VERSION : CUDART_VERSION;
    return 0;
}

EXPORT int cuDeviceGetCount(int *count) {
    *count = visible_devices();
    return 0;
}

EXPORT int cuDeviceGet(int *device, int number) {
    *device = number;
    return 0;
}

EXPORT int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, "Null CUDA device", size);
    return 0;
}

EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    *bytes = DEVICE_BYTES;
    return 0;
}

EXPORT int cuGetErrorString(int error, const char **text) {
    *text = "error of the null device";
    return 0;
}

EXPORT int cuGetErrorName(int error, const char **name) {
    return cuGetErrorString(error, name);
}

EXPORT int cuCtxGetCurrent(void **context) {
    static int there;
    *context = &there;
    return 0;
}

EXPORT int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    *flags = 0;
    *active = 1;
    return 0;
}

#define SUCCEEDS(name)                                                                             \
    EXPORT int name() {                                                                                   \
        return 0;                                                                                  \
    }

SUCCEEDS(cuCtxFromGreenCtx)
SUCCEEDS(cuCtxPopCurrent)
SUCCEEDS(cuCtxPushCurrent)
SUCCEEDS(cuCtxSetCurrent)
SUCCEEDS(cuDevResourceGenerateDesc)
SUCCEEDS(cuDevSmResourceSplitByCount)
SUCCEEDS(cuDeviceGetAttribute)
SUCCEEDS(cuDeviceGetDevResource)
SUCCEEDS(cuDeviceGetUuid)
SUCCEEDS(cuDevicePrimaryCtxRetain)
SUCCEEDS(cuFuncSetCacheConfig)
SUCCEEDS(cuGreenCtxCreate)
SUCCEEDS(cuGreenCtxDestroy)
SUCCEEDS(cuGreenCtxStreamCreate)
SUCCEEDS(cuLaunchCooperativeKernel)
SUCCEEDS(cuLinkAddData_v2)
SUCCEEDS(cuMemAddressFree)
SUCCEEDS(cuMemAddressReserve)
SUCCEEDS(cuMemCreate)
SUCCEEDS(cuMemExportToShareableHandle)
SUCCEEDS(cuMemGetAddressRange_v2)
SUCCEEDS(cuMemGetAllocationGranularity)
SUCCEEDS(cuMemGetAllocationPropertiesFromHandle)
SUCCEEDS(cuMemImportFromShareableHandle)
SUCCEEDS(cuMemMap)
SUCCEEDS(cuMemRelease)
SUCCEEDS(cuMemRetainAllocationHandle)
SUCCEEDS(cuMemSetAccess)
SUCCEEDS(cuMemUnmap)
SUCCEEDS(cuMemsetD32Async)
SUCCEEDS(cuMulticastAddDevice)
SUCCEEDS(cuMulticastBindMem)
SUCCEEDS(cuMulticastCreate)
SUCCEEDS(cuMulticastUnbind)
SUCCEEDS(cuOccupancyMaxActiveBlocksPerMultiprocessor)
SUCCEEDS(cuPointerGetAttribute)
SUCCEEDS(cuStreamWriteValue32)
SUCCEEDS(cuTensorMapEncodeTiled)
