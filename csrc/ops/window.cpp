#include "ops/window.h"

namespace dlcore {
namespace {

// One number for all dimensions, or one each.
int64_t number(const PoolArguments& a, const char* what, IntSpan values, int64_t dims, int64_t i) {
  DLCORE_CHECK(values.size() == 1 || values.size() == dims, RuntimeError, a.op, ": ", what, " must be one number or ",
               dims, ", but got ", values);
  return values.size() == 1 ? values[0] : values[i];
}

// Outputs along one axis.
int64_t out_size(const Window& w, bool ceil_mode) {
  const int64_t space = w.in + 2 * w.pad - w.dilation * (w.taps - 1) - 1;
  if (space < 0) return ceil_mode && -space < w.stride ? 1 : 0;
  const int64_t out = space / w.stride + (ceil_mode && space % w.stride != 0 ? 1 : 0) + 1;
  return ceil_mode && (out - 1) * w.stride >= w.in + w.pad ? out - 1 : out;  // every window begins inside or in front
}

size_t axis(const Tensor& x, int64_t i) { return static_cast<size_t>(5 - x.dim() + i); }

}  // namespace

Window Window::adapted(int64_t in, int64_t out) {
  if (out > 0 && in % out == 0) return {in, out, in / out, in / out};
  return {in, out, 0, 1, 1, 0, true};
}

int64_t Window::count(int64_t o, bool with_padding) const {
  int64_t count = 0;
  if (with_padding && !adaptive) {
    const int64_t from = o * stride - pad;
    return std::min(from + taps, in + pad) - from;
  }
  each(o, [&](int64_t, int64_t) { ++count; });
  return count;
}

Windows pool_windows(const Tensor& x, const PoolArguments& a) {
  Windows windows;
  const int64_t dims = x.dim() - 2;
  const IntSpan stride = a.stride && !a.stride->empty() ? *a.stride : a.kernel_size;
  constexpr int64_t kMost = int64_t{1} << 31;  // so that nothing below overflows
  for (int64_t i = 0; i < dims; ++i) {
    Window& w = windows[axis(x, i)];
    w.in = x.size(2 + i);
    w.taps = number(a, "kernel_size", a.kernel_size, dims, i), w.stride = number(a, "stride", stride, dims, i);
    w.pad = number(a, "padding", a.padding, dims, i), w.dilation = number(a, "dilation", a.dilation, dims, i);
    const auto positive = [&](const char* what, int64_t value, IntSpan given) {
      DLCORE_CHECK(value > 0, RuntimeError, a.op, ": ", what, " must be positive, but got ", given);
      DLCORE_CHECK(value <= kMost, RuntimeError, a.op, ": ", what, " must be below 2^31, but got ", given);
    };
    positive("kernel_size", w.taps, a.kernel_size);
    positive("stride", w.stride, stride);
    positive("dilation", w.dilation, a.dilation);
    DLCORE_CHECK(w.pad >= 0, RuntimeError, a.op, ": padding must be non-negative, but got ", a.padding);
    DLCORE_CHECK(w.pad <= ((w.taps - 1) * w.dilation + 1) / 2, RuntimeError, a.op,
                 ": padding must be at most half of the (dilated) kernel, but got padding ", a.padding,
                 " for kernel_size ", a.kernel_size);
    w.out = out_size(w, a.ceil_mode);
  }
  for (const Window& w : windows)
    DLCORE_CHECK(w.out > 0, RuntimeError, a.op, ": the output must not be empty; input of shape ", x.sizes(),
                 " with kernel_size ", a.kernel_size, " gives ", pooled_sizes(x, windows));
  return windows;
}

Windows adaptive_windows(const char* op, const Tensor& x, IntSpan output_size) {
  Windows windows;
  const int64_t dims = x.dim() - 2;
  DLCORE_CHECK(output_size.size() == dims, RuntimeError, op, ": output_size must have ", dims,
               " numbers, one a dimension, but got ", output_size);
  for (int64_t i = 0; i < dims; ++i) {
    DLCORE_CHECK(output_size[i] >= 0, RuntimeError, op, ": output_size must be non-negative, but got ", output_size);
    windows[axis(x, i)] = Window::adapted(x.size(2 + i), output_size[i]);
  }
  return windows;
}

void check_pool_input(const char* op, const Tensor& x, int64_t spatial, bool channels) {
  DLCORE_CHECK(x.dim() == spatial + 1 || x.dim() == spatial + 2, RuntimeError, op, ": input must have ", spatial + 1,
               " or ", spatial + 2, " dimensions, (C, ...) or (N, C, ...); got shape ", x.sizes());
  for (int64_t dim = x.dim() - spatial - (channels ? 0 : 1); dim < x.dim(); ++dim)
    DLCORE_CHECK(x.size(dim) > 0, RuntimeError, op, ": only the batch of input may be empty, but got shape ",
                 x.sizes());
  DLCORE_CHECK(x.dtype() != DType::Bool, NotImplementedError, op, ": input must hold numbers, but got bool");
}

Dims pooled_sizes(const Tensor& x, const Windows& windows) {
  Dims sizes(x.sizes());
  for (int64_t i = 0; i < x.dim() - 2; ++i) sizes[2 + i] = windows[axis(x, i)].out;
  return sizes;
}

bool is_regular(const Windows& windows) {
  const Window& d = windows[0];
  return d.in == 1 && d.taps == 1 && d.out == 1 && !windows[1].adaptive && !windows[2].adaptive;
}

kernel::Pool2d pool_of(const Tensor& x, const Windows& windows, Layout layout) {
  const Window &h = windows[1], &w = windows[2];
  kernel::Pool2d g{};
  g.dtype = x.dtype();
  g.inner = layout == Layout::ChannelsLast ? x.size(1) : 1;
  g.planes = layout == Layout::ChannelsLast ? x.size(0) : x.size(0) * x.size(1);
  g.h = h.in, g.w = w.in, g.oh = h.out, g.ow = w.out;
  g.kh = h.taps, g.kw = w.taps, g.stride_h = h.stride, g.stride_w = w.stride;
  g.pad_h = h.pad, g.pad_w = w.pad, g.dilation_h = h.dilation, g.dilation_w = w.dilation;
  g.argmax = kernel::argmax_dtype(h.taps * w.taps);
  return g;
}

Cost pool_cost(const Tensor& x, const Windows& windows) {
  double planes = static_cast<double>(x.size(0) * x.size(1)), inputs = planes, outputs = planes, taps = 1;
  for (const Window& w : windows) {
    inputs *= static_cast<double>(w.in), outputs *= static_cast<double>(w.out);
    taps *= static_cast<double>(std::max<int64_t>(w.taps, 1));
  }
  return {(inputs + outputs) * static_cast<double>(item_size(x.dtype())), outputs * taps};
}

}  // namespace dlcore
