#include "core/allocator.h"
#include "core/launch.h"
#include "kernels/registry.h"
#include "ops/internal.h"

namespace dlcore {
namespace {

using kernel::Pool2d;

struct Pair {
  int64_t h, w;
};
Pair pair(const char* op, const char* what, IntSpan values) {
  DLCORE_CHECK(values.size() == 1 || values.size() == 2, RuntimeError, op, ": ", what,
               " must be one number or two (height, width), but got ", values);
  return {values[0], values.back()};
}

// Outputs along one axis of `in` elements.
int64_t out_size(int64_t in, int64_t taps, int64_t stride, int64_t pad, int64_t dilation, bool ceil_mode) {
  const int64_t space = in + 2 * pad - dilation * (taps - 1) - 1;
  if (space < 0) return ceil_mode && -space < stride ? 1 : 0;
  const int64_t out = space / stride + (ceil_mode && space % stride != 0 ? 1 : 0) + 1;
  return ceil_mode && (out - 1) * stride >= in + pad ? out - 1 : out;  // every window begins inside or in front
}

struct Arguments {
  const char* op;
  IntSpan kernel_size, stride, padding, dilation;
  bool ceil_mode;
};

// What the kernels need to know of x (n, c, h, w).
Pool2d geometry(const Tensor& x, const Arguments& a) {
  const Pair k = pair(a.op, "kernel_size", a.kernel_size), p = pair(a.op, "padding", a.padding);
  const Pair s = a.stride.empty() ? k : pair(a.op, "stride", a.stride), d = pair(a.op, "dilation", a.dilation);
  DLCORE_CHECK(k.h > 0 && k.w > 0, RuntimeError, a.op, ": kernel_size must be positive, but got ", a.kernel_size);
  DLCORE_CHECK(s.h > 0 && s.w > 0, RuntimeError, a.op, ": stride must be positive, but got ", a.stride);
  DLCORE_CHECK(d.h > 0 && d.w > 0, RuntimeError, a.op, ": dilation must be positive, but got ", a.dilation);
  DLCORE_CHECK(p.h >= 0 && p.w >= 0, RuntimeError, a.op, ": padding must be non-negative, but got ", a.padding);
  Pool2d g{};
  g.dtype = x.dtype();
  g.planes = x.size(0) * x.size(1), g.h = x.size(2), g.w = x.size(3);
  g.kh = k.h, g.kw = k.w, g.stride_h = s.h, g.stride_w = s.w;
  g.pad_h = p.h, g.pad_w = p.w, g.dilation_h = d.h, g.dilation_w = d.w;
  constexpr int64_t kMost = int64_t{1} << 31;  // so that nothing below overflows
  for (const int64_t v : {k.h, k.w, s.h, s.w, d.h, d.w})
    DLCORE_CHECK(v <= kMost, RuntimeError, a.op, ": kernel_size, stride and dilation must be below 2^31, but got ", v);
  const auto half = [](int64_t taps, int64_t dilation) { return ((taps - 1) * dilation + 1) / 2; };
  DLCORE_CHECK(p.h <= half(k.h, d.h) && p.w <= half(k.w, d.w), RuntimeError, a.op,
               ": padding must be at most half of the (dilated) kernel, but got padding ", a.padding,
               " for kernel_size ", a.kernel_size);
  g.oh = out_size(g.h, k.h, s.h, p.h, d.h, a.ceil_mode);
  g.ow = out_size(g.w, k.w, s.w, p.w, d.w, a.ceil_mode);
  DLCORE_CHECK(g.oh > 0 && g.ow > 0, RuntimeError, a.op, ": the output must not be empty; input of shape ", sizes_of(x),
               " with kernel_size ", a.kernel_size, " gives ", g.oh, " x ", g.ow);
  g.argmax = kernel::argmax_dtype(g.kh * g.kw);
  return g;
}

void check_input(const char* op, const Tensor& x) {
  DLCORE_CHECK(x.dim() == 3 || x.dim() == 4, RuntimeError, op,
               ": input must have shape (N, C, H, W) or (C, H, W); expected 3 or 4 dimensions but got shape ",
               x.sizes());
  for (int64_t dim = x.dim() - 3; dim < x.dim(); ++dim)
    DLCORE_CHECK(x.size(dim) > 0, RuntimeError, op, ": only the batch of input may be empty, but got shape ",
                 x.sizes());
  DLCORE_CHECK(x.dtype() != DType::Bool, NotImplementedError, op, ": input must hold numbers, but got bool");
}

// Integers are pooled as int64, 16-bit floating point as float32.
DType pooling_dtype(DType t) { return is_floating(t) ? compute_dtype(t) : DType::Int64; }

// f on x as (n, c, h, w) in a dtype that the kernels know; its result in x's form.
template <class F>
Tensor on_planes(const Tensor& x, const F& f) {
  const Tensor batch = x.dim() == 3 ? unsqueeze(x, 0) : x;
  const Tensor y = to_dtype(f(contiguous(to_dtype(batch, pooling_dtype(x.dtype())))), x.dtype());
  return x.dim() == 3 ? squeeze(y, IntSpan{0}) : y;
}

Dims output_sizes(const Tensor& x, const Pool2d& g) { return {x.size(0), x.size(1), g.oh, g.ow}; }

Cost cost(const Pool2d& g) {
  const auto planes = static_cast<double>(g.planes), inputs = static_cast<double>(g.h * g.w);
  const auto outputs = static_cast<double>(g.oh * g.ow), taps = static_cast<double>(g.kh * g.kw);
  return {planes * (inputs + outputs) * static_cast<double>(item_size(g.dtype)), planes * outputs * taps};
}

// ---- max: reading the chosen elements, and writing to their places, are each other's gradients

Tensor choose(const Tensor& x, const Tensor& argmax, const Pool2d& g);

Tensor put(const Tensor& dy, const Tensor& argmax, const Pool2d& g) {
  const Tensor from = contiguous(dy);
  Tensor dx = new_tensor({dy.size(0), dy.size(1), g.h, g.w}, g.dtype);
  launch("max_pool2d_backward", cost(g), [&] {
    const Workspace scratch(kernels().pool2d_workspace(g, true));
    kernels().max_pool2d_backward(g, from.raw_data(), argmax.raw_data(), dx.raw_data(), scratch.data());
  });
  record("max_pool2d_backward", dx, {dy},
         [argmax, g](Gradients& grads) { grads.set(0, [&] { return choose(grads.dy(), argmax, g); }); });
  return dx;
}

Tensor choose(const Tensor& x, const Tensor& argmax, const Pool2d& g) {
  const Tensor from = contiguous(x);
  Tensor y = new_tensor(output_sizes(x, g), g.dtype);
  launch("max_pool2d_gather", cost(g),
         [&] { kernels().max_pool2d_gather(g, from.raw_data(), argmax.raw_data(), y.raw_data()); });
  record("max_pool2d_gather", y, {x},
         [argmax, g](Gradients& grads) { grads.set(0, [&] { return put(grads.dy(), argmax, g); }); });
  return y;
}

// argmax, if asked for, is what the window's choice was, in g.argmax's dtype.
Tensor max_planes(const Tensor& x, const Pool2d& g, Tensor* argmax) {
  Tensor y = new_tensor(output_sizes(x, g), g.dtype);
  const bool keep = argmax || needs_graph(x);
  const Tensor choice = keep ? new_tensor(output_sizes(x, g), g.argmax) : Tensor();
  launch("max_pool2d", cost(g), [&] {
    const Workspace scratch(kernels().pool2d_workspace(g, false));
    kernels().max_pool2d_forward(g, x.raw_data(), y.raw_data(), keep ? choice.raw_data() : nullptr, scratch.data());
  });
  record("max_pool2d", y, {x},
         [choice, g](Gradients& grads) { grads.set(0, [&] { return put(grads.dy(), choice, g); }); });
  if (argmax) *argmax = choice;
  return y;
}

// ---- average: summing over windows, and handing out to them, are each other's gradients

Tensor average(const Tensor& x, const Pool2d& g);

Tensor spread(const Tensor& dy, const Pool2d& g) {
  const Tensor from = contiguous(dy);
  Tensor dx = new_tensor({dy.size(0), dy.size(1), g.h, g.w}, g.dtype);
  launch("avg_pool2d_backward", cost(g), [&] {
    const Workspace scratch(kernels().pool2d_workspace(g, true));
    kernels().avg_pool2d_backward(g, from.raw_data(), dx.raw_data(), scratch.data());
  });
  record("avg_pool2d_backward", dx, {dy},
         [g](Gradients& grads) { grads.set(0, [&] { return average(grads.dy(), g); }); });
  return dx;
}

Tensor average(const Tensor& x, const Pool2d& g) {
  const Tensor from = contiguous(x);
  Tensor y = new_tensor(output_sizes(x, g), g.dtype);
  launch("avg_pool2d", cost(g), [&] {
    const Workspace scratch(kernels().pool2d_workspace(g, false));
    kernels().avg_pool2d_forward(g, from.raw_data(), y.raw_data(), scratch.data());
  });
  record("avg_pool2d", y, {x}, [g](Gradients& grads) { grads.set(0, [&] { return spread(grads.dy(), g); }); });
  return y;
}

}  // namespace

Tensor max_pool2d(const Tensor& input, IntSpan kernel_size, std::optional<IntSpan> stride, IntSpan padding,
                  IntSpan dilation, bool ceil_mode) {
  check_input("max_pool2d", input);
  return on_planes(input, [&](const Tensor& x) {
    return max_planes(
        x, geometry(x, {"max_pool2d", kernel_size, stride.value_or(IntSpan()), padding, dilation, ceil_mode}), nullptr);
  });
}

std::tuple<Tensor, Tensor> max_pool2d_with_indices(const Tensor& input, IntSpan kernel_size,
                                                   std::optional<IntSpan> stride, IntSpan padding, IntSpan dilation,
                                                   bool ceil_mode) {
  check_input("max_pool2d", input);
  Tensor indices;
  Tensor y = on_planes(input, [&](const Tensor& x) {
    const Pool2d g = geometry(x, {"max_pool2d", kernel_size, stride.value_or(IntSpan()), padding, dilation, ceil_mode});
    Tensor argmax;
    Tensor largest = max_planes(x, g, &argmax);
    indices = new_tensor(sizes_of(argmax), DType::Int64);
    launch("max_pool2d_indices", cost(g),
           [&] { kernels().max_pool2d_indices(g, argmax.raw_data(), indices.data<int64_t>()); });
    return largest;
  });
  if (input.dim() == 3) indices = squeeze(indices, IntSpan{0});
  return {y, indices};
}

Tensor avg_pool2d(const Tensor& input, IntSpan kernel_size, std::optional<IntSpan> stride, IntSpan padding,
                  bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override) {
  check_input("avg_pool2d", input);
  DLCORE_CHECK(divisor_override != int64_t{0}, RuntimeError, "avg_pool2d: divisor_override must not be zero");
  return on_planes(input, [&](const Tensor& x) {
    Pool2d g = geometry(x, {"avg_pool2d", kernel_size, stride.value_or(IntSpan()), padding, {1}, ceil_mode});
    g.divisor = divisor_override.value_or(0);
    g.count_include_pad = count_include_pad;
    return average(x, g);
  });
}

}  // namespace dlcore
