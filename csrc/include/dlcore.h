/* dlcore's C interface: tensors, running saved models, reading errors (docs/embedding.md).
 *
 * A function that can fail returns a status: 0, or the kind of the error, whose message dlcore_last_error() then gives.
 * Where it fails it changes nothing, and what `out` points to is left alone. No call aborts or throws. Handles may be
 * used by one thread at a time, a model that runs by any number of them.
 */
#ifndef DLCORE_H
#define DLCORE_H

#include <stddef.h>
#include <stdint.h>

#include "dlcore/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t dlcore_status;
enum {
  DLCORE_OK = 0,
  DLCORE_RUNTIME_ERROR = 1,
  DLCORE_VALUE_ERROR = 2,
  DLCORE_TYPE_ERROR = 3,
  DLCORE_INDEX_ERROR = 4,
  DLCORE_NOT_IMPLEMENTED = 5,
  DLCORE_OUT_OF_MEMORY = 6,
};

typedef int32_t dlcore_dtype;
enum {
  DLCORE_FLOAT32 = 0,
  DLCORE_FLOAT64 = 1,
  DLCORE_BFLOAT16 = 2,
  DLCORE_FLOAT16 = 3,
  DLCORE_INT8 = 4,
  DLCORE_INT16 = 5,
  DLCORE_INT32 = 6,
  DLCORE_INT64 = 7,
  DLCORE_UINT8 = 8,
  DLCORE_BOOL = 9, /* a byte, 0 or 1 */
};

typedef struct dlcore_tensor dlcore_tensor;
typedef struct dlcore_model dlcore_model;

/* "0.1.0" */
DLCORE_API const char* dlcore_version(void);
/* What went wrong in this thread's last call that failed; "" before. Valid until its next call that fails. */
DLCORE_API const char* dlcore_last_error(void);
/* Threads that computation uses. Results do not depend on it. */
DLCORE_API dlcore_status dlcore_set_num_threads(int32_t n);

/* ---- tensors */

/* A tensor of `ndim` sizes with a copy of the elements at `data`, the last dimension's next to each other; of zeros
 * where `data` is NULL. */
DLCORE_API dlcore_status dlcore_tensor_create(dlcore_dtype dtype, int32_t ndim, const int64_t* shape, const void* data,
                                              dlcore_tensor** out);
DLCORE_API void dlcore_tensor_release(dlcore_tensor* tensor); /* NULL is fine */

DLCORE_API dlcore_status dlcore_tensor_dtype(const dlcore_tensor* tensor, dlcore_dtype* out);
DLCORE_API dlcore_status dlcore_tensor_ndim(const dlcore_tensor* tensor, int32_t* out);
/* Its sizes; `ndim` says for how many there is room at `out`, and must be the tensor's. */
DLCORE_API dlcore_status dlcore_tensor_shape(const dlcore_tensor* tensor, int32_t ndim, int64_t* out);
/* The size of all elements in bytes. */
DLCORE_API dlcore_status dlcore_tensor_bytes(const dlcore_tensor* tensor, size_t* out);
/* A copy of the elements; `bytes` must be the size of all. */
DLCORE_API dlcore_status dlcore_tensor_read(const dlcore_tensor* tensor, void* data, size_t bytes);

/* ---- models */

/* A model that dlcore.export in Python, or nn::Sequential::save in C++, has written. */
DLCORE_API dlcore_status dlcore_model_load(const char* path, dlcore_model** out);
/* Its output for an input, which the caller releases. */
DLCORE_API dlcore_status dlcore_model_run(const dlcore_model* model, const dlcore_tensor* input, dlcore_tensor** out);
DLCORE_API void dlcore_model_release(dlcore_model* model); /* NULL is fine */

#ifdef __cplusplus
}
#endif

#endif
