// Normalization over images: batch, instance and group.
#include "ops/norm.h"

#include "core/allocator.h"
#include "core/launch.h"
#include "kernels/registry.h"
#include "ops/layout.h"

namespace dlcore {

void check_norm_input(const char* op, const Tensor& input) {
  DLCORE_CHECK(is_floating(input.dtype()), NotImplementedError, op, ": input must be a floating point tensor, but got ",
               name(input.dtype()));
}

void check_norm_dtype(const char* op, const char* what, const Tensor& t, const Tensor& input) {
  const bool fits = t.dtype() == input.dtype() || (is_half(input.dtype()) && t.dtype() == DType::Float32);
  DLCORE_CHECK(fits, RuntimeError, op, ": ", what, " must have the input's dtype; expected ", name(input.dtype()),
               " but got ", name(t.dtype()));
}

namespace {

using kernel::Activation;
using kernel::ChannelNorm;

// One normalization: its geometry and statistics, (stats) in float64.
struct Norm {
  const char *name, *backward_name;
  ChannelNorm g;
  Tensor mean, var;
};

// What backward needs of its operands; the result only where it alone tells what the activation let through, behind a
// residual.
struct Kept {
  Saved x, weight, bias, y;
};

Cost cost(const ChannelNorm& g, int passes) {
  const double n = static_cast<double>(g.numel());
  return {passes * n * static_cast<double>(item_size(g.dtype)), 3.0 * passes * n};
}

Layout layout(const ChannelNorm& g) { return g.channels_last ? Layout::ChannelsLast : Layout::ChannelsFirst; }

// In ops that are differentiable again, on x as (images, groups, channels of a group, places).
void composed_backward(const Norm& n, const Kept& kept, Gradients& grads) {
  const ChannelNorm& g = n.g;
  const Dims shape{g.images, g.channels / g.group, g.group, g.places}, channels{1, shape[1], g.group, 1};
  const Dims over = g.per_image ? Dims{2, 3} : Dims{0, 2, 3}, others{0, 3};
  const auto average = [&](const Tensor& t) { return mean(t, IntSpan(over), true); };
  const auto constant = [&](const Tensor& t) { return reshape(to_dtype(t, g.dtype), channels); };
  const auto parameter = [&](const Saved& t) { return reshape(t(), channels); };

  const Tensor x = reshape(kept.x(), shape), d = x - (g.given ? constant(n.mean) : average(x));
  const Tensor rstd = rsqrt((g.given ? constant(n.var) : average(d * d)) + g.eps), normal = d * rstd;
  Tensor dy = reshape(grads.dy(), shape);
  if (g.activation != Activation::None) {
    Tensor y = kept.y.defined() ? reshape(kept.y(), shape) : normal;
    if (!kept.y.defined() && kept.weight.defined()) y = y * parameter(kept.weight);
    if (!kept.y.defined() && kept.bias.defined()) y = y + parameter(kept.bias);
    dy = where(le(y, number(0)), number(0), dy);
    if (g.activation == Activation::Relu6) dy = where(ge(y, number(6)), number(0), dy);
  }
  const Tensor scaled = kept.weight.defined() ? dy * parameter(kept.weight) : dy;
  grads.set(0, [&] {
    const Tensor dx = g.given ? scaled * rstd : rstd * (scaled - average(scaled) - normal * average(scaled * normal));
    return reshape(dx, kept.x().sizes());
  });
  grads.set(1, [&] { return reshape(sum(dy * normal, IntSpan(others)), {g.channels}); });
  grads.set(2, [&] { return reshape(sum(dy, IntSpan(others)), {g.channels}); });
  grads.set(3, [&] { return reshape(dy, kept.x().sizes()); });
}

void fused_backward(const Norm& n, const Kept& kept, Gradients& grads) {
  const ChannelNorm& g = n.g;
  const Tensor& x = kept.x();
  const Tensor dy = to_layout(grads.dy(), layout(g));
  const auto like_x = [&] { return new_tensor(x.sizes(), layout(g), g.dtype); };
  const auto per_channel = [&] { return new_tensor({g.channels}, g.dtype); };
  const bool masked = kept.y.defined();
  grads.set(0, like_x);
  grads.set(1, per_channel);
  grads.set(2, per_channel);
  grads.set(3, [&] { return masked ? like_x() : dy; });
  const TensorList& to = grads.results();
  const kernel::ChannelNormBackward a{.x = x.raw_data(),
                                      .dy = dy.raw_data(),
                                      .weight = data_or_null(kept.weight()),
                                      .bias = data_or_null(kept.bias()),
                                      .y = data_or_null(kept.y()),
                                      .mean = n.mean.data<double>(),
                                      .var = n.var.data<double>(),
                                      .dx = data_or_null(to[0]),
                                      .dresidual = masked ? data_or_null(to[3]) : nullptr,
                                      .dweight = data_or_null(to[1]),
                                      .dbias = data_or_null(to[2])};
  const Workspace scratch(kernels().channel_norm_workspace(g, true));
  launch(n.backward_name, cost(g, 5), [&] { kernels().channel_norm_backward(g, a, scratch.data()); });
}

// The operands have the kernel's dtype; n.mean and n.var are filled unless they are given.
Tensor normalize(Norm& n, const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& other = {}) {
  const ChannelNorm& g = n.g;
  const Tensor x = to_layout(input, layout(g)), residual = other.defined() ? to_layout(other, layout(g)) : other;
  if (!g.given) {
    n.mean = new_tensor({g.stats()}, DType::Float64);
    n.var = new_tensor({g.stats()}, DType::Float64);
  }
  Tensor y = new_tensor(x.sizes(), layout(g), g.dtype);
  const kernel::ChannelNormForward a{.x = x.raw_data(),
                                     .weight = data_or_null(weight),
                                     .bias = data_or_null(bias),
                                     .residual = data_or_null(residual),
                                     .y = y.raw_data(),
                                     .mean = n.mean.data<double>(),
                                     .var = n.var.data<double>()};
  const Workspace scratch(kernels().channel_norm_workspace(g, false));
  launch(n.name, cost(g, g.given ? 2 : 3), [&] { kernels().channel_norm_forward(g, a, scratch.data()); });
  if (needs_graph(x, weight, bias, residual)) {
    const Saved result = g.activation != Activation::None && residual.defined() ? Saved::output(y) : Saved();
    record(n.name, y, {x, weight, bias, residual},
           [n, kept = Kept{Saved(x), Saved(weight), Saved(bias), result}](Gradients& grads) {
             is_grad_enabled() ? composed_backward(n, kept, grads) : fused_backward(n, kept, grads);
           });
  }
  return y;
}

// Without elements there is nothing to normalize; weight and bias still get their gradients, of zeros.
Tensor normalize_nothing(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Dims channels(x.dim(), 1);
  channels[1] = x.size(1);
  Tensor y = clone(x);
  if (weight.defined()) y = y * reshape(weight, channels);
  if (bias.defined()) y = y + reshape(bias, channels);
  return y;
}

// ---- batch and instance normalization

struct Running {
  Tensor mean, var;
  double momentum;
};

ChannelNorm geometry(const Tensor& x, double eps) {
  ChannelNorm g{};
  g.dtype = x.dtype();
  g.images = x.size(0);
  g.channels = x.size(1);
  g.places = 1;
  for (int64_t d = 2; d < x.dim(); ++d) g.places *= x.size(d);
  // Where both orders are one, rows of channels make the longer vectors, unless there is one channel.
  g.channels_last = g.channels > 1 && (g.places == 1 || layout_of(x) == Layout::ChannelsLast);
  g.eps = eps;
  return g;
}

// The running statistics take in those of n.
void update_running(const Norm& n, const Running& running) {
  const NoGrad no_grad;
  const ChannelNorm& g = n.g;
  const auto writable = [&](const Tensor& t) {
    return t.defined() ? contiguous(to_dtype(t.detach(), compute_dtype(t.dtype()))) : t;
  };
  const Tensor mean = writable(running.mean), var = writable(running.var);
  const double count = static_cast<double>(g.count());
  const kernel::RunningStatistics a{.dtype = mean.dtype(),
                                    .images = g.entries() / g.channels,
                                    .channels = g.channels,
                                    .mean = n.mean.data<double>(),
                                    .var = n.var.data<double>(),
                                    .momentum = running.momentum,
                                    .unbias = count / (count - 1),
                                    .running_mean = mean.raw_data(),
                                    .running_var = var.raw_data()};
  const double entries = static_cast<double>(g.entries());
  launch("running_statistics", {16 * entries, 4 * entries}, [&] { kernels().running_statistics(a); });
  for (const auto& [from, to] : {std::pair(mean, running.mean), std::pair(var, running.var)})
    from.raw_data() == to.raw_data() ? to.impl()->bump_version() : copy_data(to, from);
}

void check_channels(const char* op, const char* what, const Tensor& t, const Tensor& input) {
  if (!t.defined()) return;
  DLCORE_CHECK(t.numel() == input.size(1), RuntimeError, op, ": ", what, " must have an element a channel; expected ",
               input.size(1), " but got shape ", t.sizes());
  check_norm_dtype(op, what, t, input);
}

// ---- all of them: 16-bit input becomes float32 first

Tensor norm_of_channels(Norm n, const Tensor& input, const Tensor& weight, const Tensor& bias, const Running& running,
                        const Tensor& residual) {
  const DType t = compute_dtype(input.dtype());
  const auto flat = [&](const Tensor& p) { return p.defined() ? reshape(contiguous(to_dtype(p, t)), {p.numel()}) : p; };
  const Tensor x = to_dtype(input, t), w = flat(weight), b = flat(bias);
  Tensor y;
  if (x.numel() == 0) {
    y = normalize_nothing(x, w, b);
  } else {
    const ChannelNorm made = geometry(x, n.g.eps);
    n.g.dtype = made.dtype, n.g.channels_last = made.channels_last;
    n.g.images = made.images, n.g.channels = made.channels, n.g.places = made.places;
    if (n.g.given) {
      n.mean = contiguous(to_dtype(running.mean.detach(), DType::Float64));
      n.var = contiguous(to_dtype(running.var.detach(), DType::Float64));
    }
    y = normalize(n, x, w, b, residual.defined() ? to_dtype(residual, t) : residual);
    if (!n.g.given && running.mean.defined()) update_running(n, running);
  }
  return to_dtype(y, input.dtype());
}

void check_image_norm(const char* op, const Tensor& input, const Tensor& weight, const Tensor& bias,
                      const Running& running, bool from_input, const char* flag) {
  check_norm_input(op, input);
  DLCORE_CHECK(input.dim() >= 2, RuntimeError, op,
               ": input must have shape (N, C, ...); expected at least 2 dimensions but got shape ", input.sizes());
  DLCORE_CHECK(from_input || (running.mean.defined() && running.var.defined()), RuntimeError, op,
               ": running_mean and running_var must be given where ", flag, " is False");
  DLCORE_CHECK(running.mean.defined() == running.var.defined(), ValueError, op,
               ": running_mean and running_var must be both given or neither");
  check_channels(op, "running_mean", running.mean, input);
  check_channels(op, "running_var", running.var, input);
  check_channels(op, "weight", weight, input);
  check_channels(op, "bias", bias, input);
}

Tensor batch_norm_as(Norm n, const Tensor& input, const Tensor& weight, const Tensor& bias, const Running& running,
                     bool training, double eps, const Tensor& residual) {
  check_image_norm(n.name, input, weight, bias, running, training, "training");
  DLCORE_CHECK(!training || eps > 0, ValueError, n.name, ": eps must be positive in training, but got ", eps);
  DLCORE_CHECK(!training || input.numel() != input.size(1) || input.numel() == 0, ValueError, n.name,
               ": input must have more than one value a channel in training, but got shape ", input.sizes());
  n.g.given = !training;
  n.g.eps = eps;
  return norm_of_channels(n, input, weight, bias, running, residual);
}

}  // namespace

Tensor batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, bool training, double momentum, double eps) {
  return batch_norm_as({"batch_norm", "batch_norm_backward", {}, {}, {}}, input, weight, bias,
                       {running_mean, running_var, momentum}, training, eps, {});
}

Tensor batch_norm_act(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                      const Tensor& running_var, bool training, double momentum, double eps, const Tensor& residual,
                      const std::string& activation) {
  if (residual.defined()) {
    DLCORE_CHECK(residual.sizes() == input.sizes() && residual.dtype() == input.dtype(), RuntimeError,
                 "batch_norm_act: residual must have the input's shape and dtype; expected ", input.sizes(), " ",
                 name(input.dtype()), " but got ", residual.sizes(), " ", name(residual.dtype()));
  }
  Norm n{"batch_norm_act", "batch_norm_act_backward", {}, {}, {}};
  n.g.activation = activation_of(n.name, activation);
  return batch_norm_as(n, input, weight, bias, {running_mean, running_var, momentum}, training, eps, residual);
}

Tensor instance_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                     const Tensor& running_var, bool use_input_stats, double momentum, double eps) {
  const Running running{running_mean, running_var, momentum};
  Norm n{"instance_norm", "instance_norm_backward", {}, {}, {}};
  check_image_norm(n.name, input, weight, bias, running, use_input_stats, "use_input_stats");
  DLCORE_CHECK(!use_input_stats || input.numel() != input.size(0) * input.size(1) || input.numel() == 0, ValueError,
               "instance_norm: input must have more than one element a channel where use_input_stats, but got shape ",
               input.sizes());
  n.g.given = !use_input_stats;
  n.g.per_image = use_input_stats;
  n.g.eps = eps;
  return norm_of_channels(n, input, weight, bias, running, {});
}

// ---- group normalization

Tensor group_norm(const Tensor& input, int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps) {
  check_norm_input("group_norm", input);
  DLCORE_CHECK(input.dim() >= 2, RuntimeError,
               "group_norm: input must have shape (N, C, ...); expected at least 2 dimensions but got shape ",
               input.sizes());
  DLCORE_CHECK(num_groups > 0, RuntimeError, "group_norm: num_groups must be positive, but got ", num_groups);
  DLCORE_CHECK(input.size(1) % num_groups == 0, RuntimeError,
               "group_norm: input's channels must be divisible by num_groups; expected a multiple of ", num_groups,
               " but got shape ", input.sizes());
  DLCORE_CHECK(input.numel() != num_groups, ValueError,
               "group_norm: input must have more than one value a group, but got shape ", input.sizes(), " for ",
               num_groups, " groups");
  for (const auto& [what, t] : {std::pair("weight", weight), std::pair("bias", bias)}) {
    if (!t.defined()) continue;
    DLCORE_CHECK(t.dim() == 1, RuntimeError, "group_norm: ", what, " must have one dimension, but got shape ",
                 t.sizes());
    check_channels("group_norm", what, t, input);
  }
  Norm n{"group_norm", "group_norm_backward", {}, {}, {}};
  n.g.per_image = true;
  n.g.group = std::max<int64_t>(input.size(1) / num_groups, 1);
  n.g.eps = eps;
  return norm_of_channels(n, input, weight, bias, {}, {});
}

}  // namespace dlcore
