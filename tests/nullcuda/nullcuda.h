// What the three files share.
#pragma once
#include <stddef.h>

#include "cuda_runtime_api.h"

enum { OLD_DRIVER_VERSION = 12040 };

// Small, so that a leak ends as out of memory and not with the machine's own memory.
#define DEVICE_BYTES ((size_t)8 << 30)

#define EXPORT __attribute__((visibility("default")))

// A kernel that something asks to run on `stream`: counted, checked, and not executed.
cudaError_t launch(cudaStream_t stream);
