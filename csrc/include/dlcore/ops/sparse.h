#pragma once
#include "dlcore/tensor.h"

// Tensors of few rows: x = sum_k e_{indices_k} (x) values_k, with indices (n) and values (n, d...) for x of shape
// (rows, d...). The gradients of embeddings with sparse=true are such tensors. They are dense in meaning: any op takes
// them, and makes all their elements, zeros included, when it first looks at them; from then on they are dense ones.
// The sum of gradients, add_ to a dense tensor, clone, zero_, mul_ by a number and what stands here know rows, and make
// nothing.
namespace dlcore {

DLCORE_API bool is_sparse(const Tensor& x);
// The same tensor with all its elements; x itself where it has them.
DLCORE_API Tensor to_dense(const Tensor& x);

// The rest is for tensors of rows; a RuntimeError for others.

// The same tensor with rising indices, each once: rows of one index are summed, in their order. Itself where it is so.
DLCORE_API Tensor coalesce(const Tensor& x);
DLCORE_API bool is_coalesced(const Tensor& x);
// indices: (1, n), a copy. values: (n, d...), x's own memory. A RuntimeError where x is not coalesced, unless `any`.
DLCORE_API Tensor sparse_indices(const Tensor& x, bool any = false);
DLCORE_API Tensor sparse_values(const Tensor& x, bool any = false);
DLCORE_API int64_t sparse_nnz(const Tensor& x);  // n
// Dimensions that indices name, and those that values have: 1 and x.dim() - 1; 0 and x.dim() for a dense tensor.
DLCORE_API int64_t sparse_dim(const Tensor& x);
DLCORE_API int64_t dense_dim(const Tensor& x);

}  // namespace dlcore
