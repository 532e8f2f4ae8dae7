#include <atomic>
#include <cmath>
#include <cstdlib>

#include "core/allocator.h"
#include "core/launch.h"
#include "core/packed.h"
#include "dlcore/backends.h"
#include "kernels/registry.h"
#include "ops/conv.h"
#include "ops/layout.h"

namespace dlcore {
namespace {

using kernel::Activation;
using kernel::Conv2d;
using kernel::ConvPass;

Cost cost(const Conv2d& g) {
  const auto volume = [&](int64_t c, int64_t h, int64_t w) {
    return static_cast<double>(g.n) * static_cast<double>(c) * static_cast<double>(h) * static_cast<double>(w);
  };
  const double x = volume(g.c, g.h, g.w), y = volume(g.oc, g.oh, g.ow);
  const auto taps = static_cast<double>(g.c / g.groups * g.kh * g.kw);
  return {(x + y + taps * static_cast<double>(g.oc)) * static_cast<double>(item_size(g.dtype)), 2 * y * taps};
}

Layout layout_of(const Conv2d& g) { return g.channels_last ? Layout::ChannelsLast : Layout::ChannelsFirst; }

// x as the kernels read it, which g then says.
Tensor source(const Tensor& x, Conv2d& g) {
  g.planes = kernel::conv2d_may_read_planes(g) && x.is_contiguous();
  return g.planes ? x : to_layout(x, layout_of(g));
}

struct PackedKey {
  Conv2d g;
  ConvPass pass;
  const KernelTable* tier;
  bool operator==(const PackedKey&) const = default;
};

// use(g, w's elements), which are packed where they are kept so.
template <class F>
void with_weights(const Tensor& w, bool keep, Conv2d g, ConvPass pass, const F& use) {
  const KernelTable& table = kernels();
  const int64_t bytes = table.conv2d_packed_size(g, pass);
  const auto pack = [&](void* to) { table.conv2d_pack(g, pass, contiguous(w).raw_data(), to); };
  const auto form = bytes ? kept_packed(w, keep, PackedKey{g, pass, &table}, bytes, pack) : nullptr;
  g.packed = form != nullptr;
  use(g, form ? form->data() : contiguous(w).raw_data());
}

// The three products of a convolution, each linear in both of its tensors, so that their gradients are each other:
//
//   y = conv(x, w)         dx = conv_data(dy, w)   dw = conv_weight(x, dy)
//   dx = conv_data(dy, w)  d(dy) = conv(ddx, w)    dw = conv_weight(ddx, dy)
//   dw = conv_weight(x, dy)  dx = conv_data(dy, ddw)  d(dy) = conv(x, ddw)
Tensor conv(const Tensor& x, const Tensor& w, const Tensor& b, Conv2d g, Activation act = Activation::None);
Tensor conv_data(const Tensor& dy, const Tensor& w, const Conv2d& g, bool keep = false);
Tensor conv_weight(const Tensor& x, const Tensor& dy, Conv2d g);

// dw and, where asked for, db, without history.
Tensor weight_gradient(const Tensor& x, const Tensor& dy, const Conv2d& g, Tensor* db) {
  Tensor dw = new_tensor({g.oc, g.c / g.groups, g.kh, g.kw}, g.dtype);
  if (db) *db = new_tensor({g.oc}, g.dtype);
  launch("conv2d_backward_weight", cost(g), [&] {
    const Workspace scratch(kernels().conv2d_workspace(g, ConvPass::BackwardWeight));
    kernels().conv2d_backward_weight(g, x.raw_data(), dy.raw_data(), dw.raw_data(), db ? db->raw_data() : nullptr,
                                     scratch.data());
  });
  return dw;
}

// dy where y = act(.) lets it through.
Tensor activation_gradient(Activation act, const Tensor& dy, const Saved& y) {
  switch (act) {
    case Activation::None:
      return dy;
    case Activation::Relu:
      return relu_gradient(dy, y());
    case Activation::Relu6:
      return relu6_gradient(dy, y());
  }
  return {};
}

Tensor conv(const Tensor& input, const Tensor& weight, const Tensor& bias, Conv2d g, Activation act) {
  const Tensor x = source(input, g), b = bias.defined() ? contiguous(bias) : bias;
  const bool graph = needs_graph(x, weight, b);
  const Tensor w = graph ? contiguous(weight) : weight;
  Tensor y = new_tensor({g.n, g.oc, g.oh, g.ow}, layout_of(g), g.dtype);
  launch("conv2d", cost(g), [&] {
    with_weights(w, !graph, g, ConvPass::Forward, [&](Conv2d g, const void* filters) {
      g.activation = act;
      const Workspace scratch(kernels().conv2d_workspace(g, ConvPass::Forward));
      kernels().conv2d_forward(g, x.raw_data(), filters, b.defined() ? b.raw_data() : nullptr, y.raw_data(),
                               scratch.data());
    });
  });
  record(
      "conv2d", y, {x, w, b},
      [x = Saved(x), w = Saved(w), y = act == Activation::None ? Saved() : Saved::output(y), act, g](Gradients& grads) {
        const Tensor dy = to_layout(activation_gradient(act, grads.dy(), y), layout_of(g));
        const bool fused = !is_grad_enabled() && grads.needs(1);  // the loop over dy gives db too
        Tensor db;
        grads.set(0, [&] { return conv_data(dy, w(), g); });
        grads.set(1, [&] {
          return fused ? weight_gradient(x(), dy, g, grads.needs(2) ? &db : nullptr) : conv_weight(x(), dy, g);
        });
        grads.set(2, [&] { return fused ? db : sum(dy, IntSpan{0, 2, 3}); });
      });
  return y;
}

Tensor conv_data(const Tensor& output, const Tensor& weight, const Conv2d& g, bool keep) {
  const Tensor dy = to_layout(output, layout_of(g)), w = keep ? weight : contiguous(weight);
  const bool planes = g.planes && kernel::conv2d_few_channels(g);
  Tensor dx = new_tensor({g.n, g.c, g.h, g.w}, planes ? Layout::ChannelsFirst : layout_of(g), g.dtype);
  launch("conv2d_backward_data", cost(g), [&] {
    with_weights(w, keep, g, ConvPass::BackwardData, [&](const Conv2d& g, const void* filters) {
      const Workspace scratch(kernels().conv2d_workspace(g, ConvPass::BackwardData));
      kernels().conv2d_backward_data(g, dy.raw_data(), filters, dx.raw_data(), scratch.data());
    });
  });
  record("conv2d_backward_data", dx, {dy, w}, [dy = Saved(dy), w = Saved(w), g](Gradients& grads) {
    const Tensor ddx = grads.dy();
    grads.set(0, [&] { return conv(ddx, w(), {}, g); });
    grads.set(1, [&] { return conv_weight(ddx, dy(), g); });
  });
  return dx;
}

Tensor conv_weight(const Tensor& input, const Tensor& output, Conv2d g) {
  const Tensor x = source(input, g), dy = to_layout(output, layout_of(g));
  Tensor dw = weight_gradient(x, dy, g, nullptr);
  record("conv2d_backward_weight", dw, {x, dy}, [x = Saved(x), dy = Saved(dy), g](Gradients& grads) {
    const Tensor ddw = grads.dy();
    grads.set(0, [&] { return conv_data(dy(), ddw, g); });
    grads.set(1, [&] { return conv(x(), ddw, {}, g); });
  });
  return dw;
}

// ---- arguments

// Extent of a dilated window, or -1 where it overflows.
int64_t extent(int64_t taps, int64_t dilation) {
  int64_t e;
  return __builtin_mul_overflow(taps - 1, dilation, &e) || __builtin_add_overflow(e, 1, &e) ? -1 : e;
}

// One axis: what the kernels need to know, from the padding in front and in all.
struct Geometry {
  int64_t out, stride, dilation;
};
Geometry axis(const char* op, int64_t in, int64_t taps, int64_t stride, int64_t padding, int64_t dilation, IntSpan x,
              IntSpan w) {
  int64_t padded;
  const bool fits = !__builtin_add_overflow(in, padding, &padded);
  const int64_t window = extent(taps, dilation);
  DLCORE_CHECK(fits && window >= 0 && window <= padded, RuntimeError, op,
               ": the kernel must not be larger than the padded input; kernel ", w, " with dilation ", dilation,
               " on input ", x, " with ", padding, " of padding in all");
  // A stride beyond the input and the dilation of a single tap make no difference; small, they cannot overflow.
  return {(padded - window) / stride + 1, std::min(stride, padded), taps == 1 ? 1 : dilation};
}

// Runs f on tensors that the kernels know: half precision is computed in float32.
template <class F>
Tensor in_compute_dtype(const Tensor& input, const Tensor& weight, const Tensor& bias, const F& f) {
  if (!is_half(input.dtype())) return f(input, weight, bias);
  const auto wide = [](const Tensor& t) { return t.defined() ? to_dtype(t, DType::Float32) : t; };
  return to_dtype(f(wide(input), wide(weight), wide(bias)), input.dtype());
}

// The side of Winograd's tiles by the setting, or 0.
int winograd_tile(const Conv2d& g) {
  const int setting = winograd_enabled(), chosen = setting ? kernel::conv2d_winograd_tile(g) : 0;
  return chosen && setting > 1 ? setting : chosen;
}

Conv2d geometry(const char* op, DType dtype, IntSpan x, IntSpan weight, ConvAxes stride, ConvAxes front, ConvAxes total,
                ConvAxes dilation, int64_t groups) {
  Conv2d g{};
  g.dtype = compute_dtype(dtype);
  g.n = x[0], g.c = x[1], g.h = x[2], g.w = x[3];
  g.oc = weight[0], g.kh = weight[2], g.kw = weight[3];
  g.groups = groups;
  g.pad_h = front.h, g.pad_w = front.w;
  const Geometry h = axis(op, g.h, g.kh, stride.h, total.h, dilation.h, x, weight);
  const Geometry w = axis(op, g.w, g.kw, stride.w, total.w, dilation.w, x, weight);
  g.oh = h.out, g.stride_h = h.stride, g.dilation_h = h.dilation;
  g.ow = w.out, g.stride_w = w.stride, g.dilation_w = w.dilation;
  g.winograd = winograd_tile(g);
  g.channels_last = kernel::conv2d_prefers_channels_last(g);
  return g;
}

// Of the gradient of a convolution by its data, whose geometry is the other way round: y is what that one reads.
Conv2d transposed_geometry(const char* op, DType dtype, IntSpan x, IntSpan weight, ConvAxes stride, ConvAxes padding,
                           ConvAxes output_padding, ConvAxes dilation, int64_t groups) {
  const auto out_size = [&](int64_t in, int64_t taps, int64_t s, int64_t p, int64_t more, int64_t d) {
    int64_t size;
    const int64_t window = extent(taps, d);
    const bool fits =
        window >= 0 && !__builtin_mul_overflow(in - 1, s, &size) && !__builtin_add_overflow(size, window + more, &size);
    DLCORE_CHECK(fits && size - 2 * p > 0, RuntimeError, op,
                 ": the output must not be empty or too large; input of shape ", x, " with kernel ", weight,
                 ", stride ", s, ", padding ", p, " and dilation ", d);
    return size - 2 * p;
  };
  Conv2d g{};
  g.dtype = compute_dtype(dtype);
  g.n = x[0], g.oc = x[1], g.oh = x[2], g.ow = x[3];
  g.c = weight[1] * groups, g.kh = weight[2], g.kw = weight[3];
  g.groups = groups;
  g.stride_h = stride.h, g.stride_w = stride.w, g.pad_h = padding.h, g.pad_w = padding.w;
  g.dilation_h = dilation.h, g.dilation_w = dilation.w;
  g.h = out_size(g.oh, g.kh, stride.h, padding.h, output_padding.h, dilation.h);
  g.w = out_size(g.ow, g.kw, stride.w, padding.w, output_padding.w, dilation.w);
  g.winograd = winograd_tile(g);
  g.channels_last = kernel::conv2d_prefers_channels_last(g);
  return g;
}

const char* describe(const Conv2d& g, ConvPass pass) {
  switch (kernel::conv2d_path(g)) {
    case kernel::ConvPath::Winograd:
      return g.winograd == 4 ? "Winograd F(4x4, 3x3)" : "Winograd F(2x2, 3x3)";
    case kernel::ConvPath::Depthwise:
      return "vectors of channels, one filter each";
    case kernel::ConvPath::ChannelsLast:
      return pass == ConvPass::BackwardData && kernel::conv2d_few_channels(g)
                 ? "products of positions with whole filters"
                 : "products of matrices, read in place";
    case kernel::ConvPath::Product:
      return "one product of matrices an image";
    case kernel::ConvPath::Blocks:
      return "sums over padded blocks of the image";
  }
  return "";
}

}  // namespace

Tensor convolve(const char* op, const Tensor& input, const Tensor& weight, const Tensor& bias, ConvAxes stride,
                ConvAxes front, ConvAxes total, ConvAxes dilation, int64_t groups, Activation act) {
  return in_compute_dtype(input, weight, bias, [&](const Tensor& x, const Tensor& kernel, const Tensor& b) {
    const Conv2d g = geometry(op, x.dtype(), x.sizes(), kernel.sizes(), stride, front, total, dilation, groups);
    return conv(x, kernel, b, g, act);
  });
}

Tensor convolve_transposed(const char* op, const Tensor& input, const Tensor& weight, const Tensor& bias,
                           ConvAxes stride, ConvAxes padding, ConvAxes output_padding, ConvAxes dilation,
                           int64_t groups) {
  return in_compute_dtype(input, weight, bias, [&](const Tensor& x, const Tensor& kernel, const Tensor& b) {
    const Conv2d g = transposed_geometry(op, x.dtype(), x.sizes(), kernel.sizes(), stride, padding, output_padding,
                                         dilation, groups);
    const Tensor y = conv_data(x, kernel, g, !needs_graph(x, kernel));
    return b.defined() ? y + reshape(b, {-1, 1, 1}) : y;
  });
}

namespace {

ConvPlan plan(const Conv2d& g, bool transposed) {
  ConvPlan p;
  p.dtype = g.dtype, p.cost = cost(g);
  p.x = {g.n, g.c, g.h, g.w}, p.weight = {g.oc, g.c / g.groups, g.kh, g.kw}, p.y = {g.n, g.oc, g.oh, g.ow};
  const char *forward = describe(g, ConvPass::Forward), *by_data = describe(g, ConvPass::BackwardData);
  p.kernels =
      format("order in memory: ", g.channels_last ? "channels last" : "channels first",
             "\nforward: ", transposed ? by_data : forward, "\ngradient of input: ", transposed ? forward : by_data,
             "\ngradient of weight: ", describe(g, ConvPass::BackwardWeight));
  return p;
}

}  // namespace

ConvPlan plan_convolution(const char* op, DType dtype, IntSpan x, IntSpan weight, ConvAxes stride, ConvAxes front,
                          ConvAxes total, ConvAxes dilation, int64_t groups) {
  return plan(geometry(op, dtype, x, weight, stride, front, total, dilation, groups), false);
}
ConvPlan plan_transposed(const char* op, DType dtype, IntSpan x, IntSpan weight, ConvAxes stride, ConvAxes padding,
                         ConvAxes output_padding, ConvAxes dilation, int64_t groups) {
  return plan(transposed_geometry(op, dtype, x, weight, stride, padding, output_padding, dilation, groups), true);
}

namespace {

bool is_winograd_setting(int value) { return value == 0 || value == 1 || value == 2 || value == 4; }

std::atomic<int>& winograd_setting() {
  static std::atomic<int> setting = [] {
    const char* variable = std::getenv("DLCORE_WINOGRAD");
    const std::string text = variable && *variable ? variable : "1";
    const int value = text[0] - '0';
    DLCORE_CHECK(text.size() == 1 && is_winograd_setting(value), ValueError,
                 "DLCORE_WINOGRAD: expected 0 (off), 1 (on), or 2 or 4 (only tiles of this size), got ", text);
    return value;
  }();
  return setting;
}

}  // namespace

int winograd_enabled() { return winograd_setting().load(std::memory_order_relaxed); }
void set_winograd_enabled(int enabled) {
  DLCORE_CHECK(is_winograd_setting(enabled), ValueError,
               "set_winograd_enabled: enabled must be True, False, or a tile size of 2 or 4, got ", enabled);
  winograd_setting() = enabled;
}

}  // namespace dlcore
