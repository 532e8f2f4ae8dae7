#pragma once
#include <string>

#include "dlcore/tensor.h"

namespace dlcore {

// Whether float32 convolutions of 3x3 and stride 1 may use Winograd's tiles (docs/convolution.md), which round more
// coarsely; DLCORE_WINOGRAD=0 in the environment starts with no.
DLCORE_API bool winograd_enabled();
DLCORE_API void set_winograd_enabled(bool enabled);

// In words, how conv2d with these arguments runs: its cost, the order of the images in memory and the kernels
// of forward and of both gradients.
DLCORE_API std::string explain_conv2d(const Tensor& input, const Tensor& weight, IntSpan stride = {1},
                                      IntSpan padding = {0}, IntSpan dilation = {1}, int64_t groups = 1);
DLCORE_API std::string explain_conv2d(const Tensor& input, const Tensor& weight, IntSpan stride,
                                      const std::string& padding, IntSpan dilation = {1}, int64_t groups = 1);

}  // namespace dlcore
