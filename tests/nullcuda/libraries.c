// The entry points of cuBLAS and cuFFT that PyTorch calls: each product or transform counts as one
// kernel on its stream and computes nothing. Where C allows it, arguments are left out.
#include <stdlib.h>
#include <string.h>

#include "nullcuda.h"

enum { SUCCESS = 0, BLAS_ALLOC_FAILED = 3 };

static __thread cudaStream_t blas_stream;
static __thread cudaStream_t fft_stream;

#define DOES_NOTHING(name)                                                                         \
    EXPORT int name() {                                                                            \
        return SUCCESS;                                                                            \
    }
#define PRODUCT(name)                                                                              \
    EXPORT int name() {                                                                            \
        launch(blas_stream);                                                                       \
        return SUCCESS;                                                                            \
    }
#define TRANSFORM(name)                                                                            \
    EXPORT int name() {                                                                            \
        launch(fft_stream);                                                                        \
        return SUCCESS;                                                                            \
    }
#define MAKES_AN_OBJECT(name)                                                                      \
    EXPORT int name(void **object) {                                                               \
        *object = calloc(1, 64);                                                                   \
        return SUCCESS;                                                                            \
    }
#define FREES_IT(name)                                                                             \
    EXPORT int name(void *object) {                                                                \
        free(object);                                                                              \
        return SUCCESS;                                                                            \
    }
#define GIVES_ZERO(name)                                                                           \
    EXPORT int name(void *handle, int *value) {                                                    \
        *value = 0;                                                                                \
        return SUCCESS;                                                                            \
    }

EXPORT int cublasCreate_v2(void **handle) {
    if (getenv("NULLCUDA_BLAS_FULL"))
        return BLAS_ALLOC_FAILED;
    *handle = calloc(1, 64);
    return SUCCESS;
}

EXPORT int cublasSetStream_v2(void *handle, cudaStream_t stream) {
    blas_stream = stream;
    return SUCCESS;
}

FREES_IT(cublasDestroy_v2)
DOES_NOTHING(cublasSetWorkspace_v2)
DOES_NOTHING(cublasSetMathMode)
DOES_NOTHING(cublasSetPointerMode_v2)
GIVES_ZERO(cublasGetMathMode)
GIVES_ZERO(cublasGetPointerMode_v2)

PRODUCT(cublasSgemm_v2)
PRODUCT(cublasDgemm_v2)
PRODUCT(cublasSgemmEx)
PRODUCT(cublasGemmEx)
PRODUCT(cublasSgemv_v2)
PRODUCT(cublasDgemv_v2)
PRODUCT(cublasSdot_v2)
PRODUCT(cublasDdot_v2)
PRODUCT(cublasDotEx)
PRODUCT(cublasSgemmStridedBatched)
PRODUCT(cublasDgemmStridedBatched)
PRODUCT(cublasGemmStridedBatchedEx)

MAKES_AN_OBJECT(cublasLtMatmulDescCreate)
MAKES_AN_OBJECT(cublasLtMatmulPreferenceCreate)
MAKES_AN_OBJECT(cublasLtMatrixLayoutCreate)
FREES_IT(cublasLtMatmulDescDestroy)
FREES_IT(cublasLtMatmulPreferenceDestroy)
FREES_IT(cublasLtMatrixLayoutDestroy)
DOES_NOTHING(cublasLtMatmulDescSetAttribute)
DOES_NOTHING(cublasLtMatmulPreferenceSetAttribute)
DOES_NOTHING(cublasLtMatrixLayoutSetAttribute)

EXPORT int cublasLtMatmul(void *handle, void *matmul, void *alpha, void *a, void *a_layout, void *b,
                          void *b_layout, void *beta, void *c, void *c_layout, void *d,
                          void *d_layout, void *algorithm, void *workspace, size_t size,
                          cudaStream_t stream) {
    launch(stream);
    return SUCCESS;
}

enum { HEURISTIC_RESULT_BYTES = 96 };

EXPORT int cublasLtMatmulAlgoGetHeuristic(void *handle, void *matmul, void *a, void *b, void *c,
                                          void *d, void *preference, int wanted, void *results,
                                          int *count) {
    memset(results, 0, HEURISTIC_RESULT_BYTES);
    *count = 1;
    return SUCCESS;
}

EXPORT int cufftCreate(int *plan) {
    static int plans;
    *plan = ++plans;
    return SUCCESS;
}

EXPORT int cufftSetStream(int plan, cudaStream_t stream) {
    fft_stream = stream;
    return SUCCESS;
}

EXPORT int cufftXtMakePlanMany(int plan, int rank, long long *n, long long *in_embed,
                               long long in_stride, long long in_distance, int in_type,
                               long long *out_embed, long long out_stride, long long out_distance,
                               int out_type, long long batch, size_t *workspace, int type) {
    *workspace = 0;
    return SUCCESS;
}

EXPORT int cufftGetVersion(int *version) {
    *version = 12000;
    return SUCCESS;
}

DOES_NOTHING(cufftDestroy)
DOES_NOTHING(cufftSetAutoAllocation)
DOES_NOTHING(cufftSetWorkArea)
TRANSFORM(cufftXtExec)
TRANSFORM(cufftExecR2C)
TRANSFORM(cufftExecC2C)
