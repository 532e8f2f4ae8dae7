#include <atomic>
#include <cstdlib>

#include "core/allocator.h"
#include "core/launch.h"
#include "dlcore/backends.h"
#include "kernels/registry.h"
#include "ops/layout.h"

namespace dlcore {
namespace {

using kernel::Conv2d;
using kernel::ConvPass;

Cost cost(const Conv2d& g) {
  const auto x = static_cast<double>(g.n * g.c * g.h * g.w), y = static_cast<double>(g.n * g.oc * g.oh * g.ow);
  const auto taps = static_cast<double>(g.c / g.groups * g.kh * g.kw);
  return {(x + y + taps * static_cast<double>(g.oc)) * static_cast<double>(item_size(g.dtype)), 2 * y * taps};
}

Layout layout_of(const Conv2d& g) { return g.channels_last ? Layout::ChannelsLast : Layout::ChannelsFirst; }

// The three products of a convolution, each linear in both of its tensors, so that their gradients are each other:
//
//   y = conv(x, w)         dx = conv_data(dy, w)   dw = conv_weight(x, dy)
//   dx = conv_data(dy, w)  d(dy) = conv(ddx, w)    dw = conv_weight(ddx, dy)
//   dw = conv_weight(x, dy)  dx = conv_data(dy, ddw)  d(dy) = conv(x, ddw)
Tensor conv(const Tensor& x, const Tensor& w, const Tensor& b, const Conv2d& g);
Tensor conv_data(const Tensor& dy, const Tensor& w, const Conv2d& g);
Tensor conv_weight(const Tensor& x, const Tensor& dy, const Conv2d& g);

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

Tensor conv(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2d& g) {
  const Tensor x = to_layout(input, layout_of(g)), w = contiguous(weight), b = bias.defined() ? contiguous(bias) : bias;
  Tensor y = new_tensor({g.n, g.oc, g.oh, g.ow}, layout_of(g), g.dtype);
  launch("conv2d", cost(g), [&] {
    const Workspace scratch(kernels().conv2d_workspace(g, ConvPass::Forward));
    kernels().conv2d_forward(g, x.raw_data(), w.raw_data(), b.defined() ? b.raw_data() : nullptr, y.raw_data(),
                             scratch.data());
  });
  record("conv2d", y, {x, w, b}, [x = Saved(x), w = Saved(w), g](Gradients& grads) {
    const Tensor dy = to_layout(grads.dy(), layout_of(g));
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

Tensor conv_data(const Tensor& output, const Tensor& weight, const Conv2d& g) {
  const Tensor dy = to_layout(output, layout_of(g)), w = contiguous(weight);
  Tensor dx = new_tensor({g.n, g.c, g.h, g.w}, layout_of(g), g.dtype);
  launch("conv2d_backward_data", cost(g), [&] {
    const Workspace scratch(kernels().conv2d_workspace(g, ConvPass::BackwardData));
    kernels().conv2d_backward_data(g, dy.raw_data(), w.raw_data(), dx.raw_data(), scratch.data());
  });
  record("conv2d_backward_data", dx, {dy, w}, [dy = Saved(dy), w = Saved(w), g](Gradients& grads) {
    const Tensor ddx = grads.dy();
    grads.set(0, [&] { return conv(ddx, w(), {}, g); });
    grads.set(1, [&] { return conv_weight(ddx, dy(), g); });
  });
  return dx;
}

Tensor conv_weight(const Tensor& input, const Tensor& output, const Conv2d& g) {
  const Tensor x = to_layout(input, layout_of(g)), dy = to_layout(output, layout_of(g));
  Tensor dw = weight_gradient(x, dy, g, nullptr);
  record("conv2d_backward_weight", dw, {x, dy}, [x = Saved(x), dy = Saved(dy), g](Gradients& grads) {
    const Tensor ddw = grads.dy();
    grads.set(0, [&] { return conv_data(dy(), ddw, g); });
    grads.set(1, [&] { return conv(x(), ddw, {}, g); });
  });
  return dw;
}

// ---- arguments

struct Pair {
  int64_t h, w;
};
Pair pair(const char* what, IntSpan values, int64_t least) {
  DLCORE_CHECK(values.size() == 1 || values.size() == 2, RuntimeError, "conv2d: ", what,
               " must be one number or two (height, width), but got ", values);
  const Pair p{values[0], values.back()};
  DLCORE_CHECK(p.h >= least && p.w >= least, RuntimeError, "conv2d: ", what, " must be ",
               least == 0 ? "non-negative" : "positive", ", but got ", values);
  return p;
}

// Extent of a dilated window, or -1 where it overflows.
int64_t extent(int64_t taps, int64_t dilation) {
  int64_t e;
  return __builtin_mul_overflow(taps - 1, dilation, &e) || __builtin_add_overflow(e, 1, &e) ? -1 : e;
}

// One axis: what the kernels need to know, from the padding in front and in all.
struct Geometry {
  int64_t out, stride, dilation;
};
Geometry axis(int64_t in, int64_t taps, int64_t stride, int64_t padding, int64_t dilation, const Tensor& x,
              const Tensor& w) {
  int64_t padded;
  const bool fits = !__builtin_add_overflow(in, padding, &padded);
  const int64_t window = extent(taps, dilation);
  DLCORE_CHECK(fits && window >= 0 && window <= padded, RuntimeError,
               "conv2d: the kernel must not be larger than the padded input; kernel ", sizes_of(w), " with dilation ",
               dilation, " on input ", sizes_of(x), " with ", padding, " of padding in all");
  // A stride beyond the input and the dilation of a single tap make no difference; small, they cannot overflow.
  return {(padded - window) / stride + 1, std::min(stride, padded), taps == 1 ? 1 : dilation};
}

// `front`: padding above and to the left; `total`: with that below and to the right.
Tensor convolve(const Tensor& input, const Tensor& weight, const Tensor& bias, Pair stride, Pair front, Pair total,
                Pair dilation, int64_t groups) {
  if (input.dim() == 3) {
    return squeeze(convolve(unsqueeze(input, 0), weight, bias, stride, front, total, dilation, groups), IntSpan{0});
  }
  if (is_half(input.dtype())) {
    const auto wide = [](const Tensor& t) { return t.defined() ? to_dtype(t, DType::Float32) : t; };
    return to_dtype(convolve(wide(input), wide(weight), wide(bias), stride, front, total, dilation, groups),
                    input.dtype());
  }
  Conv2d g{};
  g.dtype = input.dtype();
  g.n = input.size(0), g.c = input.size(1), g.h = input.size(2), g.w = input.size(3);
  g.oc = weight.size(0), g.kh = weight.size(2), g.kw = weight.size(3);
  g.groups = groups;
  g.winograd = winograd_enabled();
  g.pad_h = front.h, g.pad_w = front.w;
  const Geometry h = axis(g.h, g.kh, stride.h, total.h, dilation.h, input, weight);
  const Geometry w = axis(g.w, g.kw, stride.w, total.w, dilation.w, input, weight);
  g.oh = h.out, g.stride_h = h.stride, g.dilation_h = h.dilation;
  g.ow = w.out, g.stride_w = w.stride, g.dilation_w = w.dilation;
  g.channels_last = kernel::conv2d_prefers_channels_last(g);
  return conv(input, weight, bias, g);
}

void check_tensors(const Tensor& input, const Tensor& weight, const Tensor& bias, int64_t groups) {
  DLCORE_CHECK(is_floating(input.dtype()), NotImplementedError,
               "conv2d: input must be a floating point tensor, but got ", name(input.dtype()));
  DLCORE_CHECK(input.dim() == 3 || input.dim() == 4, RuntimeError,
               "conv2d: input must have shape (N, C, H, W) or (C, H, W); expected 3 or 4 dimensions but got shape ",
               input.sizes());
  DLCORE_CHECK(
      weight.dim() == 4, RuntimeError,
      "conv2d: weight must have shape (out_channels, in_channels/groups, kH, kW); expected 4 dimensions but got "
      "shape ",
      weight.sizes());
  DLCORE_CHECK(weight.dtype() == input.dtype(), RuntimeError, "conv2d: weight must have the input's dtype; expected ",
               name(input.dtype()), " but got ", name(weight.dtype()));
  DLCORE_CHECK(groups > 0, RuntimeError, "conv2d: groups must be positive, but got ", groups);
  const int64_t channels = input.size(-3), rows = weight.size(0);
  DLCORE_CHECK(rows > 0 && rows % groups == 0, RuntimeError,
               "conv2d: weight's out_channels must be a positive multiple of groups; expected a multiple of ", groups,
               " but got weight of shape ", weight.sizes());
  DLCORE_CHECK(
      channels == weight.size(1) * groups, RuntimeError,
      "conv2d: weight must have shape (out_channels, in_channels/groups, kH, kW); expected in_channels/groups = ",
      channels, groups == 1 ? "" : "/" + std::to_string(groups), " but got weight of shape ", weight.sizes());
  DLCORE_CHECK(weight.size(2) > 0 && weight.size(3) > 0, RuntimeError,
               "conv2d: weight must have a kernel of at least one element, but got weight of shape ", weight.sizes());
  DLCORE_CHECK(input.size(-2) > 0 && input.size(-1) > 0, RuntimeError,
               "conv2d: only the batch and the channels of input may be empty, but got shape ", input.sizes());
  if (!bias.defined()) return;
  DLCORE_CHECK(bias.dim() == 1 && bias.size(0) == rows, RuntimeError,
               "conv2d: bias must have shape (out_channels); expected (", rows, ",) but got ", bias.sizes());
  DLCORE_CHECK(bias.dtype() == input.dtype(), RuntimeError, "conv2d: bias must have the input's dtype; expected ",
               name(input.dtype()), " but got ", name(bias.dtype()));
}

std::atomic<bool>& winograd_flag() {
  static std::atomic<bool> enabled = [] {
    const char* text = std::getenv("DLCORE_WINOGRAD");
    return !text || std::string(text) != "0";
  }();
  return enabled;
}

}  // namespace

bool winograd_enabled() { return winograd_flag().load(std::memory_order_relaxed); }
void set_winograd_enabled(bool enabled) { winograd_flag() = enabled; }

Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, IntSpan padding,
              IntSpan dilation, int64_t groups) {
  check_tensors(input, weight, bias, groups);
  const Pair s = pair("stride", stride, 1), p = pair("padding", padding, 0), d = pair("dilation", dilation, 1);
  constexpr int64_t kMost = int64_t{1} << 61;
  DLCORE_CHECK(p.h <= kMost && p.w <= kMost, RuntimeError, "conv2d: padding is too large, got ", padding);
  return convolve(input, weight, bias, s, p, {2 * p.h, 2 * p.w}, d, groups);
}

Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, IntSpan stride, const std::string& padding,
              IntSpan dilation, int64_t groups) {
  DLCORE_CHECK(padding == "same" || padding == "valid", RuntimeError,
               "conv2d: padding must be 'same', 'valid', a number or two; got '", padding, "'");
  check_tensors(input, weight, bias, groups);
  const Pair s = pair("stride", stride, 1), d = pair("dilation", dilation, 1);
  if (padding == "valid") return convolve(input, weight, bias, s, {0, 0}, {0, 0}, d, groups);
  DLCORE_CHECK(s.h == 1 && s.w == 1, RuntimeError, "conv2d: padding 'same' needs stride 1, but got ", stride);
  const Pair total{extent(weight.size(2), d.h) - 1, extent(weight.size(3), d.w) - 1};
  DLCORE_CHECK(total.h >= 0 && total.w >= 0, RuntimeError, "conv2d: dilation is too large, got ", dilation);
  return convolve(input, weight, bias, s, {total.h / 2, total.w / 2}, total, d, groups);
}

}  // namespace dlcore
