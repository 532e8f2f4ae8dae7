#include "core/allocator.h"
#include "core/launch.h"
#include "kernels/registry.h"
#include "ops/loss.h"

// Losses of pairs of elements (x, t).
namespace dlcore {

using kernel::LossReduction;
using kernel::PairLossOp;

namespace {

struct PairLoss {
  const char *op, *backward_op;
  PairLossOp kind;
  LossReduction reduction;
  double p = 0;
  double divisor = 1;  // of the sum
};

// d/dt of Stirling's log(t!), which counts where t > 1
Tensor log_factorial_slope(const Tensor& t) {
  const Tensor few = le(t, number(1)), one = number(1);
  const Tensor many = masked_fill(t, few, one);
  return masked_fill(log(many) + 0.5 / many, few, number(0));
}

// dl/dx and dl/dt in plain ops, for second derivatives; q is the weight of positives. The kernels compute the same.
Tensor slope_of_x(const PairLoss& l, const Tensor& x, const Tensor& t, const Tensor& q) {
  switch (l.kind) {
    case PairLossOp::Square:
      return (x - t) * 2;
    case PairLossOp::Abs:
      return sign(x - t);
    case PairLossOp::SmoothAbs:
      return clamp((x - t) / l.p, -1, 1);
    case PairLossOp::Huber:
      return clamp(x - t, -l.p, l.p);
    case PairLossOp::Bernoulli:
      return (x - t) / clamp_min((1 - x) * x, number(1e-12));
    case PairLossOp::BernoulliLogits:
      return (1 - t) - (q.defined() ? (q - 1) * t + 1 : t * 0 + 1) * sigmoid(-x);
    case PairLossOp::KlDivergence:
      return -t;
    case PairLossOp::KlDivergenceLog:
      return -exp(t);
    case PairLossOp::Poisson:
    case PairLossOp::PoissonFull:
      return 1 - t / (x + l.p);
    case PairLossOp::PoissonLog:
    case PairLossOp::PoissonLogFull:
      return exp(x) - t;
    case PairLossOp::SoftMargin:
      return -t * sigmoid(-t * x);
    case PairLossOp::HingeEmbedding: {
      const Tensor one = number(1);
      return to_dtype(ne(t, -one), x.dtype()) - to_dtype(logical_and(ne(t, one), le(x, number(l.p))), x.dtype());
    }
  }
  return {};
}
Tensor slope_of_t(const PairLoss& l, const Tensor& x, const Tensor& t, const Tensor& q) {
  switch (l.kind) {
    case PairLossOp::Bernoulli:
      return log1p(-x) - log(x);
    case PairLossOp::BernoulliLogits:
      return q.defined() ? (1 - q) * log(sigmoid(x)) - x : -x;
    case PairLossOp::KlDivergence:
      return log(t) + 1 - x;
    case PairLossOp::KlDivergenceLog:
      return exp(t) * (t - x + 1);
    case PairLossOp::Poisson:
      return -log(x + l.p);
    case PairLossOp::PoissonFull:
      return log_factorial_slope(t) - log(x + l.p);
    case PairLossOp::PoissonLog:
      return -x;
    case PairLossOp::PoissonLogFull:
      return log_factorial_slope(t) - x;
    case PairLossOp::SoftMargin:
      return -x * sigmoid(-t * x);
    case PairLossOp::HingeEmbedding:
      return zeros(t.sizes(), t.dtype());
    default:
      return -slope_of_x(l, x, t, q);
  }
}

// All in x's order in memory; weight and positive may be undefined.
struct PairInputs {
  Tensor x, t, weight, positive;
};

void* data_of(const Tensor& t) { return t.defined() ? t.raw_data() : nullptr; }

Tensor run_forward(const PairLoss& l, const PairInputs& in) {
  const bool total = l.reduction != LossReduction::None;
  const int64_t n = in.x.numel();
  Tensor y = total ? new_tensor({}, in.x.dtype()) : new_tensor(in.x.sizes(), in.x.strides(), in.x.dtype());
  const Workspace partial(total ? 8 * kernel::pair_loss_chunks(n) : 0);
  launch(l.op, {2 * static_cast<double>(n * item_size(in.x.dtype())), 4 * static_cast<double>(n)}, [&] {
    kernels().pair_loss({l.kind, in.x.dtype(), n, in.x.raw_data(), in.t.raw_data(), data_of(in.weight),
                         data_of(in.positive), l.p, 1 / l.divisor, y.raw_data(), total,
                         static_cast<double*>(partial.data())});
  });
  return y;
}

void run_backward(const PairLoss& l, const PairInputs& in, Gradients& g) {
  const auto like_x = [&](bool want) {
    return want ? new_tensor(in.x.sizes(), in.x.strides(), in.x.dtype()) : Tensor();
  };
  const Tensor dx = like_x(g.needs(0)), dt = like_x(g.needs(1));
  const bool total = l.reduction != LossReduction::None;
  const Tensor& dy = g.dy();
  const Tensor each = total || IntSpan(dy.strides()) == in.x.strides() ? dy : clone_like(dy, in.x.strides());
  const int64_t n = in.x.numel();
  launch(l.backward_op, {3 * static_cast<double>(n * item_size(in.x.dtype())), 4 * static_cast<double>(n)}, [&] {
    kernels().pair_loss_backward({l.kind, in.x.dtype(), n, in.x.raw_data(), in.t.raw_data(), data_of(in.weight),
                                  data_of(in.positive), each.raw_data(), l.p, 1 / l.divisor, total, data_of(dx),
                                  data_of(dt)});
  });
  g.set(0, [&] { return dx; });
  g.set(1, [&] { return dt; });
}

void composed_backward(const PairLoss& l, const PairInputs& in, Gradients& g) {
  Tensor scale = l.divisor == 1 ? g.dy() : g.dy() / l.divisor;
  if (in.weight.defined()) scale = scale * in.weight;
  g.set(0, [&] { return scale * slope_of_x(l, in.x, in.t, in.positive); });
  g.set(1, [&] { return scale * slope_of_t(l, in.x, in.t, in.positive); });
}

Tensor pair_loss(PairLoss l, const Tensor& input, const Tensor& target, const Tensor& weight = {},
                 const Tensor& positive = {}) {
  const DType dtype = result_type(input, target);
  DLCORE_CHECK(is_floating(dtype), NotImplementedError, l.op, ": input must be floating point; got ", name(dtype));
  DLCORE_CHECK(!requires_grad(weight) && !requires_grad(positive), NotImplementedError, l.op,
               ": weights that require gradients are not supported");
  const Dims sizes = broadcast_shapes(l.op, input.sizes(), target.sizes());
  const auto fit = [&](const Tensor& t) {
    const Tensor typed = to_dtype(t, dtype);
    return typed.sizes() == IntSpan(sizes) ? typed : expand(typed, sizes);
  };
  PairInputs in{fit(input), fit(target), {}, {}};
  if (!is_dense(*in.x.impl())) in.x = contiguous(in.x);
  const auto as_x = [&](const Tensor& t) {
    return IntSpan(t.strides()) == in.x.strides() ? t : clone_like(t, in.x.strides());
  };
  in.t = as_x(in.t);
  if (weight.defined()) in.weight = as_x(fit(weight));
  if (positive.defined()) in.positive = as_x(fit(positive));
  if (l.reduction == LossReduction::Mean) l.divisor = static_cast<double>(in.x.numel());
  Tensor y = run_forward(l, in);
  record(l.op, y, {in.x, in.t},
         [l, x = Saved(in.x), t = Saved(in.t), w = Saved(in.weight), q = Saved(in.positive)](Gradients& g) {
           const PairInputs in{x(), t(), w(), q()};
           is_grad_enabled() ? composed_backward(l, in, g) : run_backward(l, in, g);
         });
  return y;
}

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, const std::string& reduction) {
  return pair_loss({"mse_loss", "mse_loss_backward", PairLossOp::Square, loss_reduction("mse_loss", reduction)}, input,
                   target);
}
Tensor l1_loss(const Tensor& input, const Tensor& target, const std::string& reduction) {
  return pair_loss({"l1_loss", "l1_loss_backward", PairLossOp::Abs, loss_reduction("l1_loss", reduction)}, input,
                   target);
}
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const std::string& reduction, double beta) {
  DLCORE_CHECK(beta >= 0, RuntimeError, "smooth_l1_loss: beta must not be negative; got ", beta);
  return pair_loss({"smooth_l1_loss", "smooth_l1_loss_backward", beta == 0 ? PairLossOp::Abs : PairLossOp::SmoothAbs,
                    loss_reduction("smooth_l1_loss", reduction), beta},
                   input, target);
}
Tensor huber_loss(const Tensor& input, const Tensor& target, const std::string& reduction, double delta) {
  DLCORE_CHECK(delta > 0, RuntimeError, "huber_loss: delta must be positive; got ", delta);
  return pair_loss(
      {"huber_loss", "huber_loss_backward", PairLossOp::Huber, loss_reduction("huber_loss", reduction), delta}, input,
      target);
}

namespace {

void check_same_shape(const char* op, const Tensor& input, const Tensor& target) {
  DLCORE_CHECK(input.sizes() == target.sizes(), ValueError, op, ": target must have input's shape ", input.sizes(),
               "; got ", target.sizes());
}

}  // namespace

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight,
                            const std::string& reduction) {
  check_same_shape("binary_cross_entropy", input, target);
  if (input.numel() > 0) {
    NoGrad no_grad;
    const auto [least, most] = aminmax(input);
    DLCORE_CHECK(least.item().to_double() >= 0 && most.item().to_double() <= 1, RuntimeError,
                 "binary_cross_entropy: input must be between 0 and 1; got values from ", least.item().to_double(),
                 " to ", most.item().to_double());
  }
  return pair_loss({"binary_cross_entropy", "binary_cross_entropy_backward", PairLossOp::Bernoulli,
                    loss_reduction("binary_cross_entropy", reduction)},
                   input, target, weight);
}

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight,
                                        const Tensor& pos_weight, const std::string& reduction) {
  check_same_shape("binary_cross_entropy_with_logits", input, target);
  return pair_loss({"binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits_backward",
                    PairLossOp::BernoulliLogits, loss_reduction("binary_cross_entropy_with_logits", reduction)},
                   input, target, weight, pos_weight);
}

Tensor kl_div(const Tensor& input, const Tensor& target, const std::string& reduction, bool log_target) {
  const bool by_batch = reduction == "batchmean";
  PairLoss l{"kl_div", "kl_div_backward", log_target ? PairLossOp::KlDivergenceLog : PairLossOp::KlDivergence,
             by_batch ? LossReduction::Sum : loss_reduction("kl_div", reduction)};
  if (by_batch && input.dim() > 0) l.divisor = static_cast<double>(input.size(0));
  return pair_loss(l, input, target);
}

Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, bool log_input, bool full, double eps,
                        const std::string& reduction) {
  const PairLossOp kind = log_input ? (full ? PairLossOp::PoissonLogFull : PairLossOp::PoissonLog)
                                    : (full ? PairLossOp::PoissonFull : PairLossOp::Poisson);
  return pair_loss(
      {"poisson_nll_loss", "poisson_nll_loss_backward", kind, loss_reduction("poisson_nll_loss", reduction), eps},
      input, target);
}

Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const std::string& reduction) {
  return pair_loss({"soft_margin_loss", "soft_margin_loss_backward", PairLossOp::SoftMargin,
                    loss_reduction("soft_margin_loss", reduction)},
                   input, to_dtype(target, input.dtype()));
}

Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin, const std::string& reduction) {
  return pair_loss({"hinge_embedding_loss", "hinge_embedding_loss_backward", PairLossOp::HingeEmbedding,
                    loss_reduction("hinge_embedding_loss", reduction), margin},
                   input, to_dtype(target, input.dtype()));
}

// The mean over classes of each sample's losses: of means the mean over everything, of sums the sum by C.
Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
                                   const std::string& reduction) {
  const char* op = "multilabel_soft_margin_loss";
  DLCORE_CHECK(input.dim() >= 1, IndexError, op, ": input must have a dimension of classes; got shape ", input.sizes());
  PairLoss l{op, "multilabel_soft_margin_loss_backward", PairLossOp::BernoulliLogits, loss_reduction(op, reduction)};
  if (l.reduction == LossReduction::Sum) l.divisor = static_cast<double>(input.size(-1));
  const Tensor losses = pair_loss(l, input, target, weight);
  return l.reduction == LossReduction::None ? mean(losses, IntSpan({-1})) : losses;
}

}  // namespace dlcore
