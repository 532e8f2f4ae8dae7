#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// Scaled dot product attention (formulas: csrc/kernels/attention.h, docs/attention.md), forward and backward in blocks:
// memory is O(queries + keys).
//
//   y = dropout(softmax(scale query key^T + attn_mask)) value
//
// query: (..., heads, L, E); key: (..., heads, S, E); value: (..., heads, S, Ev); y: (..., heads, L, Ev). What stands
// in front of the last two dimensions broadcasts. With `enable_gqa` key and value may have fewer heads, each for as
// many neighbouring heads of query. A query that attends to no key gives zeros.
//
//   attn_mask  broadcasts to (..., heads, L, S): bool, true where the pair takes part, or floating point, to be added
//   dropout_p  probability with which a weight is zeroed; the others are divided by 1 - dropout_p
//   is_causal  query i attends to keys up to i; excludes attn_mask
//   scale      1 / sqrt(E) by default
//
// 16-bit floating point is computed in float32. Throws where shapes or dtypes do not fit together.
DLCORE_API Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                               const Tensor& attn_mask = {}, double dropout_p = 0,
                                               bool is_causal = false, std::optional<double> scale = {},
                                               bool enable_gqa = false);

}  // namespace dlcore
