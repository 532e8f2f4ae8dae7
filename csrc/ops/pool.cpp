#include "dlcore/ops/pool.h"
#include "core/allocator.h"
#include "core/launch.h"
#include "kernels/registry.h"
#include "ops/window.h"

namespace dlcore {
namespace {

// Integers are pooled as int64, 16-bit floating point as float32.
DType pooling_dtype(DType t) { return is_floating(t) ? compute_dtype(t) : DType::Int64; }

// f on x as (N, C, spatial...) in a dtype that the kernels know; its result in x's form.
template <class F>
Tensor pooled(const Tensor& x, int64_t spatial, const F& f) {
  return to_dtype(on_batch(to_dtype(x, pooling_dtype(x.dtype())), spatial, f), x.dtype());
}

// Regular windows of one or two dimensions have kernels of their own; everything else goes by lists.
struct Plan {
  Windows windows;
  Layout layout;
  bool regular;

  Plan(const Tensor& x, const Windows& windows)
      : windows(windows), layout(layout_of(x)), regular(is_regular(windows)) {}
};

// ---- max: reading the chosen elements, and writing to their places, are each other's gradients

struct MaxPlan : Plan {
  int64_t taps_h, taps_w;
  DType argmax;

  MaxPlan(const Tensor& x, const Windows& windows) : Plan(x, windows) {
    const auto taps = [](const Window& w) { return w.adaptive ? w.in / std::max<int64_t>(w.out, 1) + 2 : w.taps; };
    taps_h = taps(windows[1]), taps_w = taps(windows[2]);
    argmax = kernel::argmax_dtype(taps(windows[0]) * taps_h * taps_w);
  }
  Axes axes() const { return {windows[0].list(), windows[1].list(), windows[2].list()}; }
  kernel::MaxWindows lists(const Tensor& x, const Axes& axes) const {
    return {image_of(x, axes, layout), taps_h, taps_w, argmax};
  }
};

// The maxima's places in their image: int64, in y's sizes and layout.
Tensor places(const Tensor& x, const Tensor& argmax, const MaxPlan& plan) {
  Tensor place = new_tensor(argmax.sizes(), plan.layout, DType::Int64);
  if (place.numel() == 0) return place;
  const Axes axes = plan.axes();
  const kernel::MaxWindows lists = plan.lists(x, axes);
  launch("max_pool_places", pool_cost(x, plan.windows), [&] {
    const Workspace scratch(kernels().max_windows_workspace(lists));
    kernels().max_windows_places(lists, argmax.raw_data(), place.data<int64_t>(), scratch.data());
  });
  return place;
}

// dx (sizes) from dy and the choice of each window.
Tensor put(const Tensor& dy, const Tensor& argmax, const Dims& sizes, const MaxPlan& plan) {
  const Tensor from = to_layout(dy, plan.layout);
  Tensor dx = new_tensor(sizes, plan.layout, dy.dtype());
  if (dx.numel() == 0) return dx;
  launch("max_pool_backward", pool_cost(dx, plan.windows), [&] {
    if (plan.regular) {
      const kernel::Pool2d g = pool_of(dx, plan.windows, plan.layout);
      const Workspace scratch(kernels().pool2d_workspace(g, true));
      kernels().max_pool2d_backward(g, from.raw_data(), argmax.raw_data(), dx.raw_data(), scratch.data());
    } else {
      const Axes axes = transposed(plan.axes());
      const kernel::MaxWindows lists = plan.lists(dx, axes);
      const Workspace scratch(kernels().max_windows_workspace(lists));
      kernels().max_windows_backward(lists, from.raw_data(), argmax.raw_data(), dx.raw_data(), scratch.data());
    }
  });
  record("max_pool_backward", dx, {dy}, [=](Gradients& grads) {
    grads.set(0, [&] {
      const Tensor& x = grads.dy();
      const Tensor place = places(x, argmax, plan);
      return reshape(gather(flatten(x, 2), 2, flatten(place, 2)), place.sizes());
    });
  });
  return dx;
}

// x (N, C, spatial...). places, if asked for, get where the maxima are.
Tensor max_pool(const Tensor& x, const Windows& windows, Tensor* indices) {
  const MaxPlan plan(x, windows);
  const Tensor from = to_layout(x, plan.layout);
  Tensor y = new_tensor(pooled_sizes(x, windows), plan.layout, x.dtype());
  const bool keep = indices || needs_graph(x);
  const Tensor argmax = keep ? new_tensor(y.sizes(), plan.layout, plan.argmax) : Tensor();
  if (y.numel() > 0)
    launch("max_pool", pool_cost(x, windows), [&] {
      void* choice = keep ? argmax.raw_data() : nullptr;
      if (plan.regular) {
        const kernel::Pool2d g = pool_of(x, windows, plan.layout);
        const Workspace scratch(kernels().pool2d_workspace(g, false));
        kernels().max_pool2d_forward(g, from.raw_data(), y.raw_data(), choice, scratch.data());
      } else {
        const Axes axes = plan.axes();
        const kernel::MaxWindows lists = plan.lists(x, axes);
        const Workspace scratch(kernels().max_windows_workspace(lists));
        kernels().max_windows(lists, from.raw_data(), y.raw_data(), choice, scratch.data());
      }
    });
  record("max_pool", y, {x}, [argmax, sizes = Dims(x.sizes()), plan](Gradients& grads) {
    grads.set(0, [&] { return put(grads.dy(), argmax, sizes, plan); });
  });
  if (indices) *indices = places(x, argmax, plan);
  return y;
}

template <class F>
std::tuple<Tensor, Tensor> with_indices(const Tensor& x, int64_t spatial, const F& windows) {
  Tensor indices;
  Tensor y = pooled(x, spatial, [&](const Tensor& batch) { return max_pool(batch, windows(batch), &indices); });
  return {y, x.dim() == spatial + 1 ? squeeze(indices, IntSpan{0}) : indices};
}

// ---- average: a linear map of each axis, or for regular windows a kernel of its own; it and its transpose are each
// other's gradients

Tensor average_regular(const Tensor& x, const Dims& sizes, const kernel::Pool2d& g, Layout layout, bool backward) {
  const Tensor from = to_layout(x, layout);
  Tensor y = new_tensor(sizes, layout, x.dtype());
  if (y.numel() > 0)
    launch(backward ? "avg_pool_backward" : "avg_pool",
           {static_cast<double>((x.numel() + y.numel()) * item_size(x.dtype()))}, [&] {
             const Workspace scratch(kernels().pool2d_workspace(g, backward));
             (backward ? kernels().avg_pool2d_backward : kernels().avg_pool2d_forward)(g, from.raw_data(), y.raw_data(),
                                                                                       scratch.data());
           });
  record("avg_pool", y, {x}, [g, layout, backward, back = Dims(x.sizes())](Gradients& grads) {
    grads.set(0, [&] { return average_regular(grads.dy(), back, g, layout, !backward); });
  });
  return y;
}

// divisor 0: the number of a window's elements, with or without those in the padding.
Tensor average(const char* op, const Tensor& x, const Windows& windows, int64_t divisor, bool count_include_pad) {
  const Plan plan(x, windows);
  if (plan.regular) {
    kernel::Pool2d g = pool_of(x, windows, plan.layout);
    g.divisor = divisor;
    g.count_include_pad = count_include_pad;
    return average_regular(x, pooled_sizes(x, windows), g, plan.layout, false);
  }
  DLCORE_CHECK(is_floating(x.dtype()), NotImplementedError, op, ": input must be floating point, but got ",
               name(x.dtype()));
  const auto list = [&](const Window& w, double share) {
    return w.list([&](int64_t o) { return share / static_cast<double>(divisor ? 1 : w.count(o, count_include_pad)); });
  };
  const double share = divisor ? 1 / static_cast<double>(divisor) : 1;
  // Sums go over whole vectors of channels where there are enough of them, or along rows that are a vector or two.
  const bool narrow = windows[2].in <= 16 && windows[2].out <= 16;
  const Layout inside = x.size(1) < 8 || narrow ? plan.layout : Layout::ChannelsLast;
  return resample(op, x, {list(windows[0], 1), list(windows[1], 1), list(windows[2], share)}, plan.layout, inside);
}

}  // namespace

Tensor max_pool(const char* op, int64_t spatial, const Tensor& input, IntSpan kernel_size,
                std::optional<IntSpan> stride, IntSpan padding, IntSpan dilation, bool ceil_mode) {
  check_pool_input(op, input, spatial);
  return pooled(input, spatial, [&](const Tensor& x) {
    return max_pool(x, pool_windows(x, {op, kernel_size, stride, padding, dilation, ceil_mode}), nullptr);
  });
}

std::tuple<Tensor, Tensor> max_pool_with_indices(const char* op, int64_t spatial, const Tensor& input,
                                                 IntSpan kernel_size, std::optional<IntSpan> stride, IntSpan padding,
                                                 IntSpan dilation, bool ceil_mode) {
  check_pool_input(op, input, spatial);
  return with_indices(input, spatial, [&](const Tensor& x) {
    return pool_windows(x, {op, kernel_size, stride, padding, dilation, ceil_mode});
  });
}

Tensor avg_pool(const char* op, int64_t spatial, const Tensor& input, IntSpan kernel_size,
                std::optional<IntSpan> stride, IntSpan padding, bool ceil_mode, bool count_include_pad,
                std::optional<int64_t> divisor_override) {
  check_pool_input(op, input, spatial);
  DLCORE_CHECK(divisor_override != int64_t{0}, RuntimeError, op, ": divisor_override must not be zero");
  return pooled(input, spatial, [&](const Tensor& x) {
    const Windows windows = pool_windows(x, {op, kernel_size, stride, padding, {1}, ceil_mode});
    for (const Window& w : windows)  // as in PyTorch, whose other averages take that
      DLCORE_CHECK(spatial < 3 || w.taps <= w.in, RuntimeError, op,
                   ": kernel_size must be at most the input's size, but", " got ", kernel_size, " for input of shape ",
                   input.sizes());
    return average(op, x, windows, divisor_override.value_or(0), count_include_pad);
  });
}

Tensor adaptive_avg_pool(const char* op, int64_t spatial, const Tensor& input, IntSpan output_size) {
  check_pool_input(op, input, spatial, true);
  DLCORE_CHECK(is_floating(input.dtype()), NotImplementedError, op, ": input must be floating point, but got ",
               name(input.dtype()));
  return pooled(input, spatial, [&](const Tensor& x) {
    const Windows windows = adaptive_windows(op, x, output_size);
    const bool one = std::all_of(output_size.begin(), output_size.end(), [](int64_t n) { return n == 1; });
    if (!one || is_regular(windows) || layout_of(x) == Layout::ChannelsLast) return average(op, x, windows, 0, false);
    Dims dims;
    for (int64_t d = 2; d < x.dim(); ++d) dims.push_back(d);
    return mean(x, dims, true);
  });
}

std::tuple<Tensor, Tensor> adaptive_max_pool(const char* op, int64_t spatial, const Tensor& input,
                                             IntSpan output_size) {
  check_pool_input(op, input, spatial, input.dim() == spatial + 1);  // as in PyTorch: all but the first dimension
  DLCORE_CHECK(is_floating(input.dtype()), NotImplementedError, op, ": input must be floating point, but got ",
               name(input.dtype()));
  return with_indices(input, spatial, [&](const Tensor& x) { return adaptive_windows(op, x, output_size); });
}

}  // namespace dlcore
