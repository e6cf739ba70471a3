// What the three files share.
#pragma once
#include <stddef.h>
#include <stdlib.h>

#include "cuda_runtime_api.h"

enum { OLD_DRIVER_VERSION = 12040 };

// Small, so that a leak ends as out of memory and not with the machine's own memory.
#define DEVICE_BYTES ((size_t)8 << 30)

#define EXPORT __attribute__((visibility("default")))

// Devices that a process sees. CUDA_VISIBLE_DEVICES can hide all of them, and no single one.
static inline int visible_devices(void) {
    const char *wanted = getenv("NULLCUDA_DEVICES"), *shown = getenv("CUDA_VISIBLE_DEVICES");
    if (shown && !*shown)
        return 0;
    return wanted ? atoi(wanted) : 1;
}

// A kernel that something asks to run on `stream`: counted, checked, and not executed.
cudaError_t launch(cudaStream_t stream);
