#pragma once
#include <string>

#include "dlcore/tensor.h"

namespace dlcore {

// Whether float32 convolutions of 3x3 and stride 1 may use Winograd's tiles (docs/convolution.md), which round more
// coarsely: 0 no, 1 where and in the size that the library chooses, 2 or 4 where it chooses but in this size.
// ValueError for others. DLCORE_WINOGRAD in the environment is what it starts with, else 1.
DLCORE_API int winograd_enabled();
DLCORE_API void set_winograd_enabled(int enabled);

// In words, how a convolution of 1, 2 or 3 dimensions (as weight has) with these arguments runs: its cost, the
// two-dimensional ones that it is made of, the order of the images in memory and the kernels of forward and of both
// gradients. The arguments, and what they may be, are those of conv1d ... conv_transpose3d.
DLCORE_API std::string explain_convolution(const Tensor& input, const Tensor& weight, IntSpan stride = {1},
                                           IntSpan padding = {0}, IntSpan dilation = {1}, int64_t groups = 1);
DLCORE_API std::string explain_convolution(const Tensor& input, const Tensor& weight, IntSpan stride,
                                           const std::string& padding, IntSpan dilation = {1}, int64_t groups = 1);
DLCORE_API std::string explain_transposed_convolution(const Tensor& input, const Tensor& weight, IntSpan stride = {1},
                                                      IntSpan padding = {0}, IntSpan output_padding = {0},
                                                      int64_t groups = 1, IntSpan dilation = {1});

}  // namespace dlcore
