#pragma once
// Two-dimensional convolution without its checks: what all convolutions are made of (ops/conv.cpp, conv_nd.cpp).
#include "ops/internal.h"

namespace dlcore {

// A number for the height and one for the width.
struct ConvAxes {
  int64_t h, w;
};

// x (n, c, h, w), weight (k, c / groups, kh, kw). `front`: padding above and to the left; `total`: with that below and
// to the right. `relu`: of the result.
Tensor convolve(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, ConvAxes stride,
                ConvAxes front, ConvAxes total, ConvAxes dilation, int64_t groups, bool relu = false);
// In words: its size, the order in memory and the kernels that run forward and backward.
std::string explain_convolution(const char* op, const Tensor& x, const Tensor& weight, ConvAxes stride, ConvAxes front,
                                ConvAxes total, ConvAxes dilation, int64_t groups);
// x (n, c, h, w), weight (c, k / groups, kh, kw)
Tensor convolve_transposed(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, ConvAxes stride,
                           ConvAxes padding, ConvAxes output_padding, ConvAxes dilation, int64_t groups);

}  // namespace dlcore
