// A CUDA runtime without a GPU. Device memory is host memory and no kernel is executed, but streams,
// events and captures follow CUDA's rules, so that what CUDA forbids fails here too.
//
// Preloaded in place of libcudart. Environment:
//   NULLCUDA_DEVICES       number of devices (default 1)
//   NULLCUDA_LIMIT_MIB     memory of a device (default 8 GiB)
//   NULLCUDA_OLD_DRIVER    the driver is too old for this runtime
//   NULLCUDA_CONTEXT_FULL  no stream can be made: out of memory
//   NULLCUDA_BLAS_FULL     no cuBLAS handle can be made: out of memory
//   NULLCUDA_VERBOSE       say on stderr what a capture forbids
// Through ctypes: nullcuda_counts, nullcuda_break, nullcuda_limit.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nullcuda.h"
// The headers rename these to versions; torch asks for the plain names, too.
#undef cudaGetDeviceProperties
#undef cudaStreamGetCaptureInfo
#undef cudaGetDriverEntryPointByVersion

enum { GUARD = 512 };

typedef struct {
    int capture; // number of the capture it is part of, 0 if of none
} Stream;

typedef struct {
    int recorded;
    int capture; // as of the stream on which it was recorded
} Event;

typedef struct {
    int number; // of the capture under way, 0 if there is none
    int invalid;
    enum cudaStreamCaptureMode mode;
    long kernels; // that were recorded
} Capture;

static Stream legacy_stream;
static Capture capture;
static int captures_begun;
static __thread enum cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;
static __thread cudaError_t last_error;
static __thread int current_device;

static long launches, outside, syncs, allocations, graphs, replays;
static size_t used, limit = DEVICE_BYTES;
static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
static cudaError_t broken; // an error that stays, as after an assertion in a kernel

static cudaError_t fail(cudaError_t error) {
    last_error = error;
    return error;
}

static Stream *stream_of(cudaStream_t handle) {
    int is_legacy = handle == NULL || handle == cudaStreamLegacy || handle == cudaStreamPerThread;
    return is_legacy ? &legacy_stream : (Stream *)handle;
}

static void note(const char *what) {
    if (getenv("NULLCUDA_VERBOSE"))
        fprintf(stderr, "[null device] %s (capture %d)\n", what, capture.number);
}

static cudaError_t invalidate(cudaError_t error, const char *what) {
    capture.invalid = 1;
    note(what);
    return fail(error);
}

// What every call gives that uses the device: the error that stays, if there is one.
static cudaError_t ready(void) {
    return broken ? fail(broken) : cudaSuccess;
}

// The same for a call that no capture in global mode allows, on whatever stream.
static cudaError_t ready_outside_capture(const char *call) {
    int relaxed = thread_mode == cudaStreamCaptureModeRelaxed ||
                  capture.mode == cudaStreamCaptureModeRelaxed;
    if (capture.number && !relaxed)
        return invalidate(cudaErrorStreamCaptureUnsupported, call);
    return ready();
}

// Control from a test

EXPORT void nullcuda_counts(long *values) {
    long now[] = {launches, outside, syncs, allocations, graphs, replays, (long)used};
    memcpy(values, now, sizeof now);
}

EXPORT void nullcuda_break(int error) {
    broken = error;
}

EXPORT void nullcuda_limit(size_t bytes) {
    limit = bytes;
}

__attribute__((constructor)) static void read_environment(void) {
    const char *mebibytes = getenv("NULLCUDA_LIMIT_MIB");
    if (mebibytes)
        limit = (size_t)atol(mebibytes) << 20;
}

// Devices and errors

EXPORT cudaError_t cudaGetDeviceCount(int *count) {
    *count = 0;
    if (getenv("NULLCUDA_OLD_DRIVER"))
        return fail(cudaErrorInsufficientDriver);
    *count = visible_devices();
    return *count ? cudaSuccess : fail(cudaErrorNoDevice);
}

EXPORT cudaError_t cudaGetDevice(int *device) {
    *device = current_device;
    return cudaSuccess;
}

EXPORT cudaError_t cudaSetDevice(int device) {
    current_device = device;
    return cudaSuccess;
}

// An H100, as far as PyTorch asks.
EXPORT cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device) {
    memset(p, 0, sizeof *p);
    strcpy(p->name, "Null CUDA device");
    p->totalGlobalMem = limit;
    p->sharedMemPerBlock = 49152;
    p->sharedMemPerBlockOptin = 232448;
    p->sharedMemPerMultiprocessor = 233472;
    p->reservedSharedMemPerBlock = 1024;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 2147483647;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->maxThreadsPerMultiProcessor = 2048;
    p->maxBlocksPerMultiProcessor = 32;
    p->multiProcessorCount = 132;
    p->major = 9;
    p->l2CacheSize = 50 << 20;
    p->memoryBusWidth = 5120;
    p->textureAlignment = 512;
    p->unifiedAddressing = p->concurrentKernels = p->cooperativeLaunch = 1;
    return cudaSuccess;
}

EXPORT cudaError_t cudaGetDeviceProperties_v2(struct cudaDeviceProp *p, int device) {
    return cudaGetDeviceProperties(p, device);
}

EXPORT cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr name, int device) {
    struct cudaDeviceProp p;
    cudaGetDeviceProperties(&p, device);
    switch (name) {
    case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
    case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
    case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
    case cudaDevAttrWarpSize: *value = p.warpSize; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = p.sharedMemPerBlock; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = p.sharedMemPerBlockOptin; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = p.sharedMemPerMultiprocessor; break;
    case cudaDevAttrMaxGridDimX: *value = p.maxGridSize[0]; break;
    case cudaDevAttrMaxGridDimY: *value = p.maxGridSize[1]; break;
    case cudaDevAttrMaxGridDimZ: *value = p.maxGridSize[2]; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = p.maxThreadsPerMultiProcessor; break;
    case cudaDevAttrMaxBlocksPerMultiprocessor: *value = p.maxBlocksPerMultiProcessor; break;
    case cudaDevAttrL2CacheSize: *value = p.l2CacheSize; break;
    default: *value = 0;
    }
    return cudaSuccess;
}

EXPORT cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
    *least = 0;
    *greatest = -5;
    return cudaSuccess;
}

EXPORT cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer) {
    *can = 0;
    return cudaSuccess;
}

EXPORT cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int device) {
    snprintf(text, size, "0000:%02x:00.0", device);
    return cudaSuccess;
}

EXPORT cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device) {
    *pool = NULL;
    return cudaSuccess;
}

EXPORT cudaError_t cudaDriverGetVersion(int *version) {
    *version = getenv("NULLCUDA_OLD_DRIVER") ? OLD_DRIVER_VERSION : CUDART_VERSION;
    return cudaSuccess;
}

EXPORT cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}

EXPORT cudaError_t cudaDeviceSynchronize(void) {
    syncs++;
    return ready_outside_capture("cudaDeviceSynchronize");
}

EXPORT cudaError_t cudaGetLastError(void) {
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

EXPORT cudaError_t cudaPeekAtLastError(void) {
    return last_error;
}

typedef struct {
    cudaError_t error;
    const char *name, *text;
} ErrorText;

static const ErrorText error_texts[] = {
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorAssert, "cudaErrorAssert", "device-side assert triggered"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream"},
};

static const ErrorText *text_of(cudaError_t error) {
    static const ErrorText other = {cudaErrorUnknown, "cudaError", "error of the null device"};
    for (size_t i = 0; i < sizeof error_texts / sizeof *error_texts; i++)
        if (error_texts[i].error == error)
            return &error_texts[i];
    return &other;
}

EXPORT const char *cudaGetErrorName(cudaError_t error) {
    return text_of(error)->name;
}

EXPORT const char *cudaGetErrorString(cudaError_t error) {
    return text_of(error)->text;
}

// Memory: what freeing needs to know lies in the guard before an allocation

typedef struct {
    size_t size;
    void *start;
} Block;

EXPORT cudaError_t cudaMallocAsync(void **pointer, size_t size, cudaStream_t stream) {
    if (ready())
        return broken;
    pthread_mutex_lock(&memory_lock);
    // calloc touches no page of large blocks: workspaces that nothing writes to cost no memory.
    char *start = used + size <= limit ? calloc(1, size + 2 * GUARD) : NULL;
    if (start) {
        used += size;
        allocations++;
    }
    pthread_mutex_unlock(&memory_lock);
    if (!start)
        return fail(cudaErrorMemoryAllocation);
    char *aligned = start + 2 * GUARD - (uintptr_t)start % GUARD;
    *(Block *)(aligned - GUARD) = (Block){size, start};
    *pointer = aligned;
    return cudaSuccess;
}

EXPORT cudaError_t cudaMalloc(void **pointer, size_t size) {
    cudaError_t error = ready_outside_capture("cudaMalloc");
    return error ? error : cudaMallocAsync(pointer, size, NULL);
}

EXPORT cudaError_t cudaFreeAsync(void *pointer, cudaStream_t stream) {
    if (pointer == NULL)
        return cudaSuccess;
    Block block = *(Block *)((char *)pointer - GUARD);
    pthread_mutex_lock(&memory_lock);
    used -= block.size;
    pthread_mutex_unlock(&memory_lock);
    free(block.start);
    return cudaSuccess;
}

EXPORT cudaError_t cudaFree(void *pointer) {
    cudaError_t error = ready_outside_capture("cudaFree");
    return error ? error : cudaFreeAsync(pointer, NULL);
}

EXPORT cudaError_t cudaHostAlloc(void **pointer, size_t size, unsigned flags) {
    cudaError_t error = ready_outside_capture("cudaHostAlloc");
    if (error)
        return error;
    *pointer = aligned_alloc(4096, (size / 4096 + 1) * 4096);
    memset(*pointer, 0, size);
    return cudaSuccess;
}

EXPORT cudaError_t cudaFreeHost(void *pointer) {
    free(pointer);
    return cudaSuccess;
}

EXPORT cudaError_t cudaHostRegister(void *pointer, size_t size, unsigned flags) {
    return cudaSuccess;
}

EXPORT cudaError_t cudaHostUnregister(void *pointer) {
    return cudaSuccess;
}

EXPORT cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
    *total_bytes = limit;
    *free_bytes = used < limit ? limit - used : 0;
    return cudaSuccess;
}

EXPORT cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *found, const void *p) {
    memset(found, 0, sizeof *found);
    found->type = cudaMemoryTypeUnregistered;
    return cudaSuccess;
}

EXPORT cudaError_t cudaMemcpy(void *to, const void *from, size_t size, enum cudaMemcpyKind kind) {
    cudaError_t error = ready_outside_capture("cudaMemcpy");
    if (error)
        return error;
    syncs++;
    memcpy(to, from, size);
    return cudaSuccess;
}

EXPORT cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size,
                                   enum cudaMemcpyKind kind, cudaStream_t stream) {
    if (ready())
        return broken;
    if (!stream_of(stream)->capture)
        memcpy(to, from, size);
    else if (kind != cudaMemcpyDeviceToDevice)
        note("copy between host and device in a capture");
    return cudaSuccess;
}

EXPORT cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                                     size_t width, size_t height, enum cudaMemcpyKind kind,
                                     cudaStream_t stream) {
    if (ready())
        return broken;
    for (size_t row = 0; row < height; row++)
        memcpy((char *)to + row * to_pitch, (const char *)from + row * from_pitch, width);
    return cudaSuccess;
}

EXPORT cudaError_t cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device,
                                       size_t size, cudaStream_t stream) {
    return cudaMemcpyAsync(to, from, size, cudaMemcpyDeviceToDevice, stream);
}

EXPORT cudaError_t cudaMemset(void *pointer, int value, size_t size) {
    memset(pointer, value, size);
    return ready();
}

EXPORT cudaError_t cudaMemsetAsync(void *pointer, int value, size_t size, cudaStream_t stream) {
    if (!stream_of(stream)->capture)
        memset(pointer, value, size);
    return ready();
}

EXPORT cudaError_t cudaMemcpyToSymbol(const void *symbol, const void *from, size_t size,
                                      size_t offset, enum cudaMemcpyKind kind) {
    return ready();
}

EXPORT cudaError_t cudaGetSymbolAddress(void **pointer, const void *symbol) {
    static char nothing[4096];
    *pointer = nothing;
    return cudaSuccess;
}

// Streams and events

EXPORT cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int level) {
    if (getenv("NULLCUDA_CONTEXT_FULL"))
        return fail(cudaErrorMemoryAllocation);
    *stream = calloc(1, sizeof(Stream));
    return ready();
}

EXPORT cudaError_t cudaStreamCreate(cudaStream_t *stream) {
    return cudaStreamCreateWithPriority(stream, 0, 0);
}

EXPORT cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    return cudaSuccess;
}

EXPORT cudaError_t cudaStreamGetPriority(cudaStream_t stream, int *level) {
    *level = 0;
    return cudaSuccess;
}

EXPORT cudaError_t cudaStreamQuery(cudaStream_t stream) {
    if (stream_of(stream)->capture)
        return invalidate(cudaErrorStreamCaptureUnsupported, "cudaStreamQuery");
    return ready_outside_capture("cudaStreamQuery");
}

EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    syncs++;
    if (ready())
        return broken;
    if (stream_of(stream)->capture)
        return invalidate(cudaErrorStreamCaptureUnsupported, "cudaStreamSynchronize");
    return cudaSuccess;
}

EXPORT cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned flags) {
    Stream *stream = stream_of(handle);
    Event *awaited = (Event *)event;
    if (awaited->capture && awaited->capture == capture.number) {
        if (stream == &legacy_stream)
            return invalidate(cudaErrorStreamCaptureImplicit, "the legacy stream waits for it");
        if (stream->capture && stream->capture != capture.number)
            return fail(cudaErrorStreamCaptureMerge);
        stream->capture = capture.number; // it joins the capture
    } else if (stream->capture && awaited->recorded && !awaited->capture) {
        return invalidate(cudaErrorStreamCaptureIsolation, "it waits for an event from outside");
    }
    return ready();
}

EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
    *event = calloc(1, sizeof(Event));
    return cudaSuccess;
}

EXPORT cudaError_t cudaEventCreate(cudaEvent_t *event) {
    return cudaEventCreateWithFlags(event, 0);
}

EXPORT cudaError_t cudaEventDestroy(cudaEvent_t event) {
    free(event);
    return cudaSuccess;
}

EXPORT cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    *(Event *)event = (Event){.recorded = 1, .capture = stream_of(stream)->capture};
    return ready();
}

EXPORT cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned f) {
    return cudaEventRecord(event, stream);
}

EXPORT cudaError_t cudaEventQuery(cudaEvent_t event) {
    int captured = ((Event *)event)->capture;
    if (captured && captured == capture.number)
        return invalidate(cudaErrorCapturedEvent, "cudaEventQuery");
    return ready_outside_capture("cudaEventQuery");
}

EXPORT cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    syncs++;
    return ready_outside_capture("cudaEventSynchronize");
}

EXPORT cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to) {
    *milliseconds = 1;
    return cudaSuccess;
}

EXPORT cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) {
    if (!stream_of(stream)->capture)
        function(data);
    return ready();
}

// Captures and graphs: a graph is the number of its kernels

EXPORT cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode) {
    enum cudaStreamCaptureMode before = thread_mode;
    thread_mode = *mode;
    *mode = before;
    return cudaSuccess;
}

EXPORT cudaError_t cudaStreamBeginCapture(cudaStream_t handle, enum cudaStreamCaptureMode mode) {
    Stream *stream = stream_of(handle);
    if (stream == &legacy_stream)
        return fail(cudaErrorStreamCaptureUnsupported);
    if (capture.number)
        return fail(cudaErrorStreamCaptureUnmatched);
    capture = (Capture){.number = ++captures_begun, .mode = mode};
    stream->capture = capture.number;
    return ready();
}

static long *kernel_count(long kernels) {
    long *count = malloc(sizeof *count);
    *count = kernels;
    return count;
}

EXPORT cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph) {
    Stream *stream = stream_of(handle);
    if (!stream->capture)
        return fail(cudaErrorIllegalState);
    Capture ended = capture;
    capture = (Capture){0};
    stream->capture = 0;
    *graph = NULL;
    if (ended.invalid)
        return fail(cudaErrorStreamCaptureInvalidated);
    *graph = (cudaGraph_t)kernel_count(ended.kernels);
    graphs++;
    return ready();
}

static enum cudaStreamCaptureStatus status_of(const Stream *stream) {
    if (!stream->capture || stream->capture != capture.number)
        return cudaStreamCaptureStatusNone;
    return capture.invalid ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
}

EXPORT cudaError_t cudaStreamIsCapturing(cudaStream_t stream,
                                         enum cudaStreamCaptureStatus *status) {
    *status = status_of(stream_of(stream));
    return cudaSuccess;
}

EXPORT cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream,
                                            enum cudaStreamCaptureStatus *status,
                                            unsigned long long *id, cudaGraph_t *graph,
                                            const cudaGraphNode_t **nodes,
                                            const cudaGraphEdgeData **edges, size_t *count) {
    *status = status_of(stream_of(stream));
    if (id)
        *id = stream_of(stream)->capture;
    if (graph)
        *graph = NULL;
    if (count)
        *count = 0;
    return cudaSuccess;
}

EXPORT cudaError_t cudaStreamGetCaptureInfo_v2(cudaStream_t stream,
                                               enum cudaStreamCaptureStatus *status,
                                               unsigned long long *id, cudaGraph_t *graph,
                                               const cudaGraphNode_t **nodes, size_t *count) {
    return cudaStreamGetCaptureInfo(stream, status, id, graph, nodes, NULL, count);
}

EXPORT cudaError_t cudaStreamGetCaptureInfo_v3(cudaStream_t stream,
                                               enum cudaStreamCaptureStatus *status,
                                               unsigned long long *id, cudaGraph_t *graph,
                                               const cudaGraphNode_t **nodes,
                                               const cudaGraphEdgeData **edges, size_t *count) {
    return cudaStreamGetCaptureInfo(stream, status, id, graph, nodes, edges, count);
}

EXPORT cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) {
    *count = *(long *)graph;
    return cudaSuccess;
}

EXPORT cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *ready_graph, cudaGraph_t graph,
                                                 unsigned long long flags) {
    *ready_graph = (cudaGraphExec_t)kernel_count(*(long *)graph);
    return ready();
}

EXPORT cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    free(graph);
    return cudaSuccess;
}

EXPORT cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
    free(graph);
    return cudaSuccess;
}

EXPORT cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
    replays++;
    if (stream_of(stream)->capture)
        return invalidate(cudaErrorStreamCaptureUnsupported, "cudaGraphLaunch");
    return ready();
}

EXPORT cudaError_t cudaGraphDebugDotPrint(cudaGraph_t graph, const char *path, unsigned flags) {
    return cudaSuccess;
}

// Kernels

cudaError_t launch(cudaStream_t stream) {
    launches++;
    if (ready())
        return broken;
    if (!capture.number)
        return cudaSuccess;
    if (stream_of(stream)->capture == capture.number) {
        capture.kernels++;
    } else {
        outside++;
        note("a kernel outside the capture while one is under way");
    }
    return cudaSuccess;
}

typedef struct {
    dim3 grid, block;
    size_t shared;
    cudaStream_t stream;
} Configuration;

static __thread Configuration configuration; // between the two halves of <<<...>>>

EXPORT unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared,
                                            struct CUstream_st *stream) {
    configuration = (Configuration){grid, block, shared, stream};
    return 0;
}

EXPORT cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared,
                                              void *stream) {
    *grid = configuration.grid;
    *block = configuration.block;
    *shared = configuration.shared;
    *(cudaStream_t *)stream = configuration.stream;
    return cudaSuccess;
}

EXPORT cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **arguments,
                                    size_t shared, cudaStream_t stream) {
    return launch(stream);
}

EXPORT cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **arguments,
                                      size_t shared, cudaStream_t stream) {
    return launch(stream);
}

EXPORT cudaError_t cudaLaunchCooperativeKernel(const void *kernel, dim3 grid, dim3 block,
                                               void **arguments, size_t shared,
                                               cudaStream_t stream) {
    return launch(stream);
}

EXPORT cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *kernel,
                                       void **arguments) {
    return launch(config->stream);
}

EXPORT cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *found, const void *kernel) {
    memset(found, 0, sizeof *found);
    found->maxThreadsPerBlock = 1024;
    found->numRegs = 32;
    found->ptxVersion = found->binaryVersion = 90;
    found->maxDynamicSharedSizeBytes = 232448;
    return cudaSuccess;
}

EXPORT cudaError_t cudaFuncSetAttribute(const void *kernel, enum cudaFuncAttribute name, int v) {
    return cudaSuccess;
}

EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *kernel,
                                                                 int size, size_t shared) {
    *blocks = 2;
    return cudaSuccess;
}

EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int *blocks, const void *kernel, int size, size_t shared, unsigned flags) {
    *blocks = 2;
    return cudaSuccess;
}

EXPORT cudaError_t __cudaGetKernel(cudaKernel_t *found, const void *kernel) {
    *found = (cudaKernel_t)kernel;
    return cudaSuccess;
}

// What compiled CUDA code calls when it is loaded; there is no code for any device to register.

EXPORT void **__cudaRegisterFatBinary(void *binary) {
    static void *handle;
    return &handle;
}

EXPORT void __cudaRegisterFatBinaryEnd(void **handle) {
}

EXPORT void __cudaUnregisterFatBinary(void **handle) {
}

EXPORT void __cudaRegisterFunction(void) {
}

EXPORT void __cudaRegisterVar(void) {
}

EXPORT char __cudaInitModule(void **handle) {
    return 0;
}

EXPORT cudaError_t cudaGetDriverEntryPointByVersion(
    const char *name, void **function, unsigned version, unsigned long long flags,
    enum cudaDriverEntryPointQueryResult *result) {
    if (function)
        *function = NULL;
    if (result)
        *result = cudaDriverEntryPointSymbolNotFound;
    return cudaSuccess;
}

EXPORT cudaError_t cudaProfilerStart(void) {
    return cudaSuccess;
}

EXPORT cudaError_t cudaProfilerStop(void) {
    return cudaSuccess;
}
