#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// ---- pooling of x (N, C, spatial...) or (C, spatial...) with 1, 2 or 3 spatial dimensions
//
// Window o of an axis holds the elements o s + k d - p, 0 <= k < kernel_size; there are
// floor((in + 2 p - d (kernel_size - 1) - 1) / s) + 1 of them; ceil_mode rounds up, but no window begins behind the
// elements. Every number may be one for all axes or one each; no stride, or an empty one, is the kernel_size. The
// result has the input's order in memory. `op` is the name in messages.

// The maximum of each window; NaN wins. Padding does not take part.
DLCORE_API Tensor max_pool(const char* op, int64_t spatial, const Tensor& input, IntSpan kernel_size,
                           std::optional<IntSpan> stride = {}, IntSpan padding = {0}, IntSpan dilation = {1},
                           bool ceil_mode = false);
// And its place in the image, (depth * height + row) * width + column.
DLCORE_API std::tuple<Tensor, Tensor> max_pool_with_indices(const char* op, int64_t spatial, const Tensor& input,
                                                            IntSpan kernel_size, std::optional<IntSpan> stride = {},
                                                            IntSpan padding = {0}, IntSpan dilation = {1},
                                                            bool ceil_mode = false);
// The sum of each window over divisor_override or, without one, the number of its elements, of which those in the
// padding count or not.
DLCORE_API Tensor avg_pool(const char* op, int64_t spatial, const Tensor& input, IntSpan kernel_size,
                           std::optional<IntSpan> stride = {}, IntSpan padding = {0}, bool ceil_mode = false,
                           bool count_include_pad = true, std::optional<int64_t> divisor_override = {});

// Window o of an axis goes from floor(o in / out) to ceil((o + 1) in / out): its mean; its maximum and the place of
// that.
DLCORE_API Tensor adaptive_avg_pool(const char* op, int64_t spatial, const Tensor& input, IntSpan output_size);
DLCORE_API std::tuple<Tensor, Tensor> adaptive_max_pool(const char* op, int64_t spatial, const Tensor& input,
                                                        IntSpan output_size);

inline Tensor max_pool2d(const Tensor& input, IntSpan kernel_size, std::optional<IntSpan> stride = {},
                         IntSpan padding = {0}, IntSpan dilation = {1}, bool ceil_mode = false) {
  return max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode);
}
inline Tensor avg_pool2d(const Tensor& input, IntSpan kernel_size, std::optional<IntSpan> stride = {},
                         IntSpan padding = {0}, bool ceil_mode = false, bool count_include_pad = true,
                         std::optional<int64_t> divisor_override = {}) {
  return avg_pool("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);
}
inline Tensor adaptive_avg_pool2d(const Tensor& input, IntSpan output_size) {
  return adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size);
}

}  // namespace dlcore
