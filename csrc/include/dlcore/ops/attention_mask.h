#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// Masks of attention as structure. A mask is a program that is run on a stack of masks; each instruction is its code
// and numbers, of which tensors are places in `data`:
//
//   Band low high            query i attends to keys from i + low to i + high
//   Strided step             ... to keys j where i - j is a multiple of step
//   Global tokens            ... to all keys if i is one of the tokens (int64), and to keys that are
//   KeyPadding lengths       ... to keys below the length of its batch (int64, one for each of query's first size)
//   BlockSparse size blocks  ... to keys j where blocks[i / size, j / size] (bool) holds
//   And, Or                  the last two masks become their intersection, or their union
enum class MaskCode : int64_t { Band, Strided, Global, KeyPadding, BlockSparse, And, Or };

// scaled_dot_product_attention under such a mask. Blocks of pairs that it excludes cost neither time nor memory.
DLCORE_API Tensor structured_attention(const Tensor& query, const Tensor& key, const Tensor& value, IntSpan program,
                                       const TensorList& data, double dropout_p = 0, std::optional<double> scale = {},
                                       bool enable_gqa = false);
// The mask itself, bool: (queries, keys), or (batch, queries, keys) where batches differ.
DLCORE_API Tensor structured_pairs(int64_t queries, int64_t keys, int64_t batch, IntSpan program,
                                   const TensorList& data);

}  // namespace dlcore
