#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// ---- padding (ops/pad.cpp)

// pad: (before, after) of the last dimension, then of the one before, and so on; negative numbers take elements away.
// mode "constant": the new elements are `value`, 0 unless given. x: any shape.
// mode "reflect" (mirrored at the border's elements), "replicate" (the border's element), "circular" (from the other
// side): of the spatial dimensions of x (N, C, spatial...) or (C, spatial...), all of them.
DLCORE_API Tensor pad(const Tensor& x, IntSpan pad, const std::string& mode = "constant",
                      std::optional<Scalar> value = {});

// ---- resampling of x (N, C, spatial...) to other spatial sizes (ops/interpolate.cpp)
//
// Target o looks at the source place s = (o + 1/2) in / out - 1/2, or with align_corners o (in - 1) / (out - 1). mode
// "nearest": floor(o in / out). "nearest-exact": the element nearest to s. "linear": the two around s. "cubic": the
// four around s, with Keys' kernel, a = -3/4. scales, where given and not 0, stand in for out / in. antialias ("linear"
// and "cubic"): where the image shrinks the kernel widens as much (and a = -1/2).
DLCORE_API Tensor interpolate(const Tensor& x, IntSpan output_size, const std::string& mode, bool align_corners = false,
                              const std::vector<double>& scales = {}, bool antialias = false);

// ---- an image at points between its elements (ops/grid_sample.cpp; formula: csrc/kernels/grid_sample.h)

// x (N, C, H, W), grid (N, H', W', 2): y (N, C, H', W'); x (N, C, D, H, W), grid (N, D', H', W', 3): y (N, C, D', H',
// W'). mode: "bilinear", "nearest", "bicubic" (4 dimensions only); padding_mode: "zeros", "border", "reflection".
DLCORE_API Tensor grid_sample(const Tensor& x, const Tensor& grid, const std::string& mode = "bilinear",
                              const std::string& padding_mode = "zeros", bool align_corners = false);

// ---- windows as columns, for x (N, C, H, W) or (C, H, W) (ops/fold.cpp)

// y (N, C kh kw, windows): y[n, (c, u, v), (i, j)] = x[n, c, i s + u d - p, j s + v d - p], zero in the padding.
DLCORE_API Tensor im2col(const Tensor& x, IntSpan kernel_size, IntSpan dilation = {1}, IntSpan padding = {0},
                         IntSpan stride = {1});
// The transposed map: columns are added up at their places in an image of output_size.
DLCORE_API Tensor col2im(const Tensor& x, IntSpan output_size, IntSpan kernel_size, IntSpan dilation = {1},
                         IntSpan padding = {0}, IntSpan stride = {1});

}  // namespace dlcore
