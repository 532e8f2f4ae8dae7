#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// ---- convolution (formulas: docs and csrc/kernels/conv.h)
//
// y[n, k, i, j] = bias[k] + sum_{c, u, v} x[n, c, i s + u d - p, j s + v d - p] w[k, c, u, v]
//
// x (n, c, h, w) or (c, h, w), weight (k, c / groups, kh, kw), bias (k) or undefined, y (n, k, oh, ow) or (k, oh, ow)
// with oh = floor((h + 2 p - d (kh - 1) - 1) / s) + 1. stride, padding and dilation are one number or one a dimension.
DLCORE_API Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias = {}, IntSpan stride = {1},
                         IntSpan padding = {0}, IntSpan dilation = {1}, int64_t groups = 1);
// padding "valid": none; "same": an output of the input's size, with the odd row or column below or to the right.
DLCORE_API Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                         const std::string& padding, IntSpan dilation = {1}, int64_t groups = 1);

// ---- pooling of x (n, c, h, w) or (c, h, w); no stride, or an empty one, is the kernel_size
//
// The output's size is floor((h + 2 p - d (k - 1) - 1) / s) + 1; ceil_mode rounds up, but no window begins outside.

// The maximum of each window; NaN wins. Padding does not take part.
DLCORE_API Tensor max_pool2d(const Tensor& input, IntSpan kernel_size, std::optional<IntSpan> stride = {},
                             IntSpan padding = {0}, IntSpan dilation = {1}, bool ceil_mode = false);
// And its place in the plane, row * w + column.
DLCORE_API std::tuple<Tensor, Tensor> max_pool2d_with_indices(const Tensor& input, IntSpan kernel_size,
                                                              std::optional<IntSpan> stride = {}, IntSpan padding = {0},
                                                              IntSpan dilation = {1}, bool ceil_mode = false);
// The sum of each window over divisor_override or, without one, the number of its elements, of which those in the
// padding count or not.
DLCORE_API Tensor avg_pool2d(const Tensor& input, IntSpan kernel_size, std::optional<IntSpan> stride = {},
                             IntSpan padding = {0}, bool ceil_mode = false, bool count_include_pad = true,
                             std::optional<int64_t> divisor_override = {});

}  // namespace dlcore
