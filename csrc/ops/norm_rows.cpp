// Normalization of rows (layer, root mean square) and over neighbouring channels.
#include <algorithm>

#include "core/allocator.h"
#include "core/launch.h"
#include "kernels/registry.h"
#include "ops/layout.h"
#include "ops/norm.h"

namespace dlcore {
namespace {

using kernel::LocalNorm;
using kernel::RowNorm;

// ---- rows

struct Rows {
  const char *name, *backward_name;
  RowNorm g;
  Tensor mean, rstd;  // (rows), float64, where backward will need them
};

Cost cost(const RowNorm& g, int passes) {
  const double n = static_cast<double>(g.rows * g.n);
  return {passes * n * static_cast<double>(item_size(g.dtype)), 4.0 * passes * n};
}

struct KeptRows {
  Saved x, weight, bias;
};

// In ops that are differentiable again.
void composed_backward(const Rows& r, const KeptRows& kept, Gradients& grads) {
  const Dims shape{r.g.rows, r.g.n};
  const auto average = [&](const Tensor& t) { return mean(t, IntSpan{1}, true); };
  const Tensor x = reshape(kept.x(), shape), d = r.g.centered ? x - average(x) : x;
  const Tensor rstd = rsqrt(average(d * d) + r.g.eps), normal = d * rstd, dy = reshape(grads.dy(), shape);
  grads.set(0, [&] {
    const Tensor g = kept.weight.defined() ? dy * reshape(kept.weight(), {r.g.n}) : dy;
    const Tensor free = g - normal * average(g * normal);
    return reshape(rstd * (r.g.centered ? free - average(g) : free), kept.x().sizes());
  });
  grads.set(1, [&] { return reshape(sum(dy * normal, IntSpan{0}), kept.weight().sizes()); });
  grads.set(2, [&] { return reshape(sum(dy, IntSpan{0}), kept.bias().sizes()); });
}

void fused_backward(const Rows& r, const KeptRows& kept, Gradients& grads) {
  const Tensor dy = contiguous(grads.dy());
  grads.set(0, [&] { return new_tensor(kept.x().sizes(), r.g.dtype); });
  grads.set(1, [&] { return new_tensor(kept.weight().sizes(), r.g.dtype); });
  grads.set(2, [&] { return new_tensor(kept.bias().sizes(), r.g.dtype); });
  const TensorList& to = grads.results();
  const kernel::RowNormBackward a{.x = kept.x().raw_data(),
                                  .dy = dy.raw_data(),
                                  .weight = data_or_null(kept.weight()),
                                  .mean = r.mean.data<double>(),
                                  .rstd = r.rstd.data<double>(),
                                  .dx = data_or_null(to[0]),
                                  .dweight = data_or_null(to[1]),
                                  .dbias = data_or_null(to[2])};
  const Workspace scratch(kernels().row_norm_workspace(r.g));
  launch(r.backward_name, cost(r.g, 3), [&] { kernels().row_norm_backward(r.g, a, scratch.data()); });
}

Tensor normalize_rows(Rows& r, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const bool keep = needs_graph(x, weight, bias);
  if (keep) {
    r.mean = new_tensor({r.g.rows}, DType::Float64);
    r.rstd = new_tensor({r.g.rows}, DType::Float64);
  }
  Tensor y = new_tensor(x.sizes(), r.g.dtype);
  const kernel::RowNormForward a{.x = x.raw_data(),
                                 .weight = data_or_null(weight),
                                 .bias = data_or_null(bias),
                                 .y = y.raw_data(),
                                 .mean = keep ? r.mean.data<double>() : nullptr,
                                 .rstd = keep ? r.rstd.data<double>() : nullptr};
  launch(r.name, cost(r.g, 2), [&] { kernels().row_norm_forward(r.g, a); });
  if (keep)
    record(r.name, y, {x, weight, bias}, [r, kept = KeptRows{Saved(x), Saved(weight), Saved(bias)}](Gradients& grads) {
      is_grad_enabled() ? composed_backward(r, kept, grads) : fused_backward(r, kept, grads);
    });
  return y;
}

Tensor norm_of_rows(Rows r, const Tensor& input, IntSpan shape, const Tensor& weight, const Tensor& bias) {
  const char* op = r.name;
  check_norm_input(op, input);
  const int64_t dims = shape.size(), kept = input.dim() - dims;
  DLCORE_CHECK(dims > 0, RuntimeError, op, ": normalized_shape must have at least one dimension, but got ", shape);
  DLCORE_CHECK(kept >= 0 && std::equal(shape.begin(), shape.end(), input.sizes().begin() + std::max<int64_t>(kept, 0)),
               RuntimeError, op, ": normalized_shape must be the input's last sizes; expected ", shape,
               " but got input of shape ", input.sizes());
  for (const auto& [what, t] : {std::pair("weight", weight), std::pair("bias", bias)}) {
    if (!t.defined()) continue;
    DLCORE_CHECK(t.sizes() == shape, RuntimeError, op, ": ", what, " must have normalized_shape; expected ", shape,
                 " but got ", t.sizes());
    check_norm_dtype(op, what, t, input);
  }
  const DType t = compute_dtype(input.dtype());
  const auto operand = [&](const Tensor& p) { return p.defined() ? contiguous(to_dtype(p, t)) : p; };
  const Tensor x = operand(input), w = operand(weight), b = operand(bias);
  r.g.dtype = t;
  r.g.n = 1;
  for (const int64_t size : shape) r.g.n *= size;
  Tensor y;
  if (x.numel() == 0) {  // nothing to normalize; weight and bias still get their gradients
    y = w.defined() ? x * w : clone(x);
    if (b.defined()) y = y + b;
  } else {
    r.g.rows = x.numel() / r.g.n;
    y = normalize_rows(r, x, w, b);
  }
  return to_dtype(y, input.dtype());
}

// The distance from 1 to the next number.
double epsilon(DType t) {
  switch (t) {
    case DType::Float64:
      return 0x1p-52;
    case DType::Float16:
      return 0x1p-10;
    case DType::BFloat16:
      return 0x1p-7;
    default:
      return 0x1p-23;
  }
}

// ---- neighbouring channels

Cost cost(const LocalNorm& g, int passes) {
  const double n = static_cast<double>(g.images * g.channels * g.places);
  return {passes * n * static_cast<double>(item_size(g.dtype)), passes * n * static_cast<double>(g.size + 10)};
}

// For each channel the sum over `front` channels in front of it, itself, and `behind` behind it.
Tensor window_sum(const Tensor& x, int64_t front, int64_t behind) {
  Dims sizes(x.sizes());
  const auto zero_channels = [&](int64_t n) {
    sizes[1] = n;
    return zeros(sizes, x.dtype());
  };
  const Tensor padded = cat(TensorList{zero_channels(front), x, zero_channels(behind)}, 1);
  Tensor total = x;
  for (int64_t j = 0; j < front + 1 + behind; ++j)
    if (j != front) total = total + narrow(padded, 1, j, x.size(1));
  return total;
}

// In ops that are differentiable again.
Tensor composed_backward(const LocalNorm& g, const Tensor& x, const Tensor& dy) {
  const int64_t before = std::min(g.size / 2, g.channels), after = std::min((g.size - 1) / 2, g.channels);
  const double share = g.alpha / static_cast<double>(g.size);
  const Tensor d = window_sum(x * x, before, after) * share + g.k;
  return dy * pow(d, number(-g.beta)) -
         x * window_sum(dy * x * pow(d, number(-g.beta - 1)), after, before) * (2 * share * g.beta);
}

Tensor fused_backward(const LocalNorm& g, Layout layout, const Tensor& x, const Tensor& grad) {
  const Tensor dy = to_layout(grad, layout);
  Tensor dx = new_tensor(x.sizes(), layout, g.dtype);
  const Workspace scratch(kernels().local_norm_workspace(g));
  launch("local_response_norm_backward", cost(g, 3),
         [&] { kernels().local_norm_backward(g, x.raw_data(), dy.raw_data(), dx.raw_data(), scratch.data()); });
  return dx;
}

}  // namespace

Tensor layer_norm(const Tensor& input, IntSpan normalized_shape, const Tensor& weight, const Tensor& bias, double eps) {
  return norm_of_rows({"layer_norm", "layer_norm_backward", {.centered = true, .eps = eps}, {}, {}}, input,
                      normalized_shape, weight, bias);
}

Tensor rms_norm(const Tensor& input, IntSpan normalized_shape, const Tensor& weight, std::optional<double> eps) {
  return norm_of_rows(
      {"rms_norm", "rms_norm_backward", {.centered = false, .eps = eps.value_or(epsilon(input.dtype()))}, {}, {}},
      input, normalized_shape, weight, {});
}

Tensor local_response_norm(const Tensor& input, int64_t size, double alpha, double beta, double k) {
  check_norm_input("local_response_norm", input);
  DLCORE_CHECK(input.dim() >= 3, ValueError,
               "local_response_norm: input must have shape (N, C, ...); expected at least 3 dimensions but got shape ",
               input.sizes());
  DLCORE_CHECK(size > 0, RuntimeError, "local_response_norm: size must be positive, but got ", size);
  if (input.numel() == 0) return clone(input);
  const DType t = compute_dtype(input.dtype());
  const Tensor cast = to_dtype(input, t);
  const Layout layout = layout_of(cast);
  const Tensor x = to_layout(cast, layout);
  const int64_t images = x.size(0), channels = x.size(1);
  const LocalNorm g{.dtype = t,
                    .channels_last = layout == Layout::ChannelsLast,
                    .images = images,
                    .channels = channels,
                    .places = x.numel() / (images * channels),
                    .size = size,
                    .alpha = alpha,
                    .beta = beta,
                    .k = k};
  Tensor y = new_tensor(x.sizes(), layout, t);
  const Workspace scratch(kernels().local_norm_workspace(g));
  launch("local_response_norm", cost(g, 2),
         [&] { kernels().local_norm_forward(g, x.raw_data(), y.raw_data(), scratch.data()); });
  record("local_response_norm", y, {x}, [x = Saved(x), g, layout](Gradients& grads) {
    grads.set(0, [&] {
      return is_grad_enabled() ? composed_backward(g, x(), grads.dy()) : fused_backward(g, layout, x(), grads.dy());
    });
  });
  return to_dtype(y, input.dtype());
}

}  // namespace dlcore
