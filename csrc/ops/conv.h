#pragma once
// Two-dimensional convolution without its checks: what all convolutions are made of (ops/conv.cpp, conv_nd.cpp).
#include "core/launch.h"
#include "kernels/gemm.h"
#include "ops/internal.h"

namespace dlcore {

// A number for the height and one for the width.
struct ConvAxes {
  int64_t h, w;
};

// x (n, c, h, w), weight (k, c / groups, kh, kw). `front`: padding above and to the left; `total`: with that below and
// to the right. `act`: of the result.
Tensor convolve(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, ConvAxes stride,
                ConvAxes front, ConvAxes total, ConvAxes dilation, int64_t groups,
                kernel::Activation act = kernel::Activation::None);
// x (n, c, h, w), weight (c, k / groups, kh, kw)
Tensor convolve_transposed(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, ConvAxes stride,
                           ConvAxes padding, ConvAxes output_padding, ConvAxes dilation, int64_t groups);

// What they run: the convolution of x by weight to y, or its gradient by x where it is transposed.
struct ConvPlan {
  DType dtype;
  Dims x, weight, y;
  Cost cost;
  std::string kernels;  // in words: the order in memory, and the kernels of forward and of both gradients
};
ConvPlan plan_convolution(const char* op, DType dtype, IntSpan x, IntSpan weight, ConvAxes stride, ConvAxes front,
                          ConvAxes total, ConvAxes dilation, int64_t groups);
ConvPlan plan_transposed(const char* op, DType dtype, IntSpan x, IntSpan weight, ConvAxes stride, ConvAxes padding,
                         ConvAxes output_padding, ConvAxes dilation, int64_t groups);

}  // namespace dlcore
