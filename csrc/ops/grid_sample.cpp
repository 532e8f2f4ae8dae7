#include "kernels/grid_sample.h"

#include "core/launch.h"
#include "dlcore/ops/image.h"
#include "kernels/registry.h"
#include "ops/layout.h"

namespace dlcore {
namespace {

using kernel::GridSample;
using kernel::Outside;
using kernel::Sampling;

Cost cost(const GridSample& g) {
  const double values = static_cast<double>(g.n * g.points) * static_cast<double>(g.channels);
  const double taps = g.sampling == Sampling::Nearest ? 1 : g.sampling == Sampling::Cubic ? 16 : g.dims == 3 ? 8 : 4;
  return {values * (taps + 1) * static_cast<double>(item_size(g.dtype)), 2 * values * taps};
}

void check_first_derivative() {
  DLCORE_CHECK(!is_grad_enabled(), NotImplementedError,
               "grid_sample: the gradient is not differentiable again; expected create_graph=False");
}

}  // namespace

Tensor grid_sample(const Tensor& input, const Tensor& points, const std::string& mode, const std::string& padding_mode,
                   bool align_corners) {
  const int64_t dims = input.dim() - 2;
  DLCORE_CHECK((dims == 2 || dims == 3) && points.dim() == input.dim(), RuntimeError,
               "grid_sample: input and grid must have shapes (N, C, H, W), (N, H', W', 2) or (N, C, D, H, W), "
               "(N, D', H', W', 3); got ",
               input.sizes(), " and ", points.sizes());
  DLCORE_CHECK(is_floating(input.dtype()) && input.dtype() == points.dtype(), RuntimeError,
               "grid_sample: input and grid must have the same floating point dtype, but got ", name(input.dtype()),
               " and ", name(points.dtype()));
  DLCORE_CHECK(points.size(0) == input.size(0), RuntimeError, "grid_sample: grid must have input's batch size; got ",
               input.sizes(), " and ", points.sizes());
  DLCORE_CHECK(points.size(-1) == dims, RuntimeError, "grid_sample: grid must have ", dims,
               " coordinates in its last dimension; got shape ", points.sizes());
  for (int64_t d = 2; d < input.dim(); ++d)
    DLCORE_CHECK(input.size(d) > 0, RuntimeError, "grid_sample: input must not be empty, but got shape ",
                 input.sizes());
  DLCORE_CHECK(mode == "bilinear" || mode == "nearest" || mode == "bicubic", ValueError,
               "grid_sample: mode must be bilinear, nearest or bicubic, but got ", mode);
  DLCORE_CHECK(padding_mode == "zeros" || padding_mode == "border" || padding_mode == "reflection", ValueError,
               "grid_sample: padding_mode must be zeros, border or reflection, but got ", padding_mode);
  DLCORE_CHECK(mode != "bicubic" || dims == 2, RuntimeError,
               "grid_sample: mode bicubic takes an input of 4 dimensions, but got shape ", input.sizes());
  if (is_half(input.dtype()))
    return to_dtype(grid_sample(to_dtype(input, DType::Float32), to_dtype(points, DType::Float32), mode, padding_mode,
                                align_corners),
                    input.dtype());
  const Tensor x = to_layout(input, Layout::ChannelsLast), grid = contiguous(points);
  Dims sizes{input.size(0), input.size(1)};
  for (int64_t d = 1; d <= dims; ++d) sizes.push_back(points.size(d));
  Tensor y = new_tensor(sizes, Layout::ChannelsLast, x.dtype());
  const int64_t n = x.size(0), outputs = sizes[1] * n;
  const GridSample g{x.dtype(),
                     n,
                     x.size(1),
                     outputs > 0 ? y.numel() / outputs : 0,
                     dims,
                     {dims == 3 ? x.size(2) : 1, x.size(-2), x.size(-1)},
                     mode == "nearest"   ? Sampling::Nearest
                     : mode == "bicubic" ? Sampling::Cubic
                                         : Sampling::Linear,
                     padding_mode == "border"       ? Outside::Border
                     : padding_mode == "reflection" ? Outside::Reflection
                                                    : Outside::Zeros,
                     align_corners};
  if (y.numel() > 0)
    launch("grid_sample", cost(g), [&] { kernels().grid_sample(g, x.raw_data(), grid.raw_data(), y.raw_data()); });
  record("grid_sample", y, {x, grid}, [x = Saved(x), grid = Saved(grid), g](Gradients& grads) {
    check_first_derivative();
    const Tensor dy = to_layout(grads.dy(), Layout::ChannelsLast);
    grads.set(0, [&] {
      Tensor dx = new_tensor(x.get().sizes(), Layout::ChannelsLast, g.dtype);
      if (dx.numel() > 0)
        launch("grid_sample_backward_input", cost(g),
               [&] { kernels().grid_sample_backward_input(g, dy.raw_data(), grid.get().raw_data(), dx.raw_data()); });
      return dx;
    });
    grads.set(1, [&] {
      Tensor dgrid = new_tensor(grid.get().sizes(), g.dtype);
      if (g.channels == 0) return zeros(grid.get().sizes(), g.dtype);
      if (dgrid.numel() > 0)
        launch("grid_sample_backward_grid", cost(g), [&] {
          kernels().grid_sample_backward_grid(g, dy.raw_data(), x.get().raw_data(), grid.get().raw_data(),
                                              dgrid.raw_data());
        });
      return dgrid;
    });
  });
  return to_layout(y, layout_of(input));
}

}  // namespace dlcore
