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
DLCORE_API Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias = {}, IntSpan stride = {1},
                         IntSpan padding = {0}, IntSpan dilation = {1}, int64_t groups = 1);
DLCORE_API Tensor conv3d(const Tensor& input, const Tensor& weight, const Tensor& bias = {}, IntSpan stride = {1},
                         IntSpan padding = {0}, IntSpan dilation = {1}, int64_t groups = 1);
// padding "valid": none; "same": an output of the input's size, with the odd row or column below or to the right.
DLCORE_API Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                         const std::string& padding, IntSpan dilation = {1}, int64_t groups = 1);
DLCORE_API Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                         const std::string& padding, IntSpan dilation = {1}, int64_t groups = 1);
DLCORE_API Tensor conv3d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                         const std::string& padding, IntSpan dilation = {1}, int64_t groups = 1);
// activation(conv2d(...)) in one pass over memory; activation is "relu", "relu6" or "none".
DLCORE_API Tensor conv2d_act(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride,
                             IntSpan padding, IntSpan dilation = {1}, int64_t groups = 1,
                             const std::string& activation = "relu");
// The transposed convolution, which is the gradient of a convolution by its input:
//
// y[n, k, a, b] = bias[k] + sum_{c, i, j, u, v} x[n, c, i, j] w[c, k, u, v]   where i s + u d - p = a, j s + v d - p =
// b
//
// x (n, c, h, w) or (c, h, w), weight (c, k / groups, kh, kw), y (n, k, oh, ow) or (k, oh, ow) with
// oh = (h - 1) s - 2 p + d (kh - 1) + output_padding + 1.
DLCORE_API Tensor conv_transpose1d(const Tensor& input, const Tensor& weight, const Tensor& bias = {},
                                   IntSpan stride = {1}, IntSpan padding = {0}, IntSpan output_padding = {0},
                                   int64_t groups = 1, IntSpan dilation = {1});
DLCORE_API Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias = {},
                                   IntSpan stride = {1}, IntSpan padding = {0}, IntSpan output_padding = {0},
                                   int64_t groups = 1, IntSpan dilation = {1});
DLCORE_API Tensor conv_transpose3d(const Tensor& input, const Tensor& weight, const Tensor& bias = {},
                                   IntSpan stride = {1}, IntSpan padding = {0}, IntSpan output_padding = {0},
                                   int64_t groups = 1, IntSpan dilation = {1});

}  // namespace dlcore
