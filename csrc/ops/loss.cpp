#include "ops/loss.h"

#include <cmath>

#include "kernels/registry.h"
#include "ops/reduction.h"

// Losses of samples with a class each. Backward reads the logits again: only z = log sum exp of each sample is kept.
namespace dlcore {

using kernel::LossReduction;

LossReduction loss_reduction(const char* op, const std::string& name) {
  if (name == "none") return LossReduction::None;
  if (name == "sum") return LossReduction::Sum;
  DLCORE_CHECK(name == "mean", ValueError, op, ": reduction must be 'none', 'mean' or 'sum'; got '", name, "'");
  return LossReduction::Mean;
}

Tensor reduced(const Tensor& losses, LossReduction reduction) {
  if (reduction == LossReduction::None) return losses;
  return reduction == LossReduction::Mean ? mean(losses) : sum(losses);
}

Tensor clamped_copy(const Tensor& x, double low) {
  Tensor y = clone(x);
  NoGrad no_grad;
  copy_data(y, clamp_min(x, number(low)));
  return y;
}

namespace {

struct EntropyLoss {
  const char *op, *backward_op;
  bool logits;  // else log-probabilities
  int64_t ignore;
  double smoothing;
  LossReduction reduction;
  Reduced classes;  // the dimension of the classes

  int64_t dim() const { return classes.keepdim.size() > 1 ? 1 : 0; }
};

// The kernels' view of a loss: loops over the logits whose y steps number the samples.
struct EntropyLoops {
  kernel::ReduceLoops loops;
  kernel::ReducePlan plan;
  EntropyLoops(const Tensor& x, const Reduced& r)
      : loops(x.sizes(), x.strides(), r.output_strides(), r.mask), plan(loops, kernel::ReducePlan::kMaxWidth, false) {}
};

struct EntropyResult {
  Tensor loss, z;
  double divisor = 0;
};

void check_target(const EntropyLoss& e, const Tensor& x, const Tensor& target) {
  const Dims& expected = e.classes.kept;
  DLCORE_CHECK(is_integral(target.dtype(), false), RuntimeError, e.op,
               ": target must hold class numbers, or probabilities in ", "input's shape ", x.sizes(), "; got ",
               name(target.dtype()), " of shape ", target.sizes());
  if (target.sizes() == IntSpan(expected)) return;
  DLCORE_CHECK(target.dim() == 0 || expected.empty() || target.size(0) == expected[0], ValueError, e.op,
               ": target must have a class for each of the ", expected.empty() ? 1 : expected[0],
               " samples; got shape ", target.sizes());
  fail<RuntimeError>(e.op, ": target must have shape ", expected, " for input of shape ", x.sizes(), "; got ",
                     target.sizes());
}

// target: int64 classes, or probabilities in x's strides.
EntropyResult run_forward(const EntropyLoss& e, const Tensor& x, const Tensor& target, const Tensor& weight) {
  const bool soft = is_floating(target.dtype());
  const Dims& samples = e.classes.kept;
  EntropyResult result{new_tensor(e.reduction == LossReduction::None ? samples : Dims(), x.dtype()),
                       new_tensor({checked_numel(e.op, samples), soft ? 2 : 1}, DType::Float64)};
  const EntropyLoops l(x, e.classes);
  const bool empty = result.z.numel() == 0;
  const int64_t blocks = empty ? 0 : l.plan.blocks;
  const Workspace partial(blocks * 16), bad(blocks * 8);
  const double n = static_cast<double>(x.numel());
  if (empty && e.reduction == LossReduction::None) return result;
  if (empty) {
    copy_data(result.loss, number(e.reduction == LossReduction::Mean ? NAN : 0.0));
    return result;
  }
  launch(e.op, {n * static_cast<double>(item_size(x.dtype())), 16 * n}, [&] {
    kernels().cross_entropy({x.dtype(), x.raw_data(), e.logits, soft ? nullptr : target.data<int64_t>(),
                             soft ? target.raw_data() : nullptr, weight.defined() ? weight.raw_data() : nullptr,
                             e.ignore, e.smoothing, e.reduction, l.loops, l.plan, result.loss.raw_data(),
                             result.z.data<double>(), &result.divisor, static_cast<double*>(partial.data()),
                             static_cast<int64_t*>(bad.data())});
  });
  int64_t first = -1;
  for (int64_t b = 0; b < blocks; ++b)
    if (const int64_t i = static_cast<const int64_t*>(bad.data())[b]; i >= 0 && (first < 0 || i < first)) first = i;
  DLCORE_CHECK(first < 0, IndexError, e.op, ": target ", target.data<int64_t>()[first], " of sample ", first,
               " is out of range; there are ", x.sizes()[e.dim()], " classes");
  return result;
}

struct EntropyGradients {
  Tensor dx, dq;
};

EntropyGradients run_backward(const EntropyLoss& e, const Tensor& dy, const Tensor& x, const Tensor& target,
                              const Tensor& weight, const EntropyResult& forward, bool want_dx, bool want_dq) {
  const bool soft = is_floating(target.dtype());
  const auto like = [&](bool want) { return want ? new_tensor(x.sizes(), x.strides(), x.dtype()) : Tensor(); };
  EntropyGradients result{like(want_dx), like(want_dq)};
  if (x.numel() == 0) return result;
  const EntropyLoops l(x, e.classes);
  const Tensor each = contiguous(dy);
  const double n = static_cast<double>(x.numel());
  const double scale = e.reduction == LossReduction::Mean ? 1 / forward.divisor : 1;
  launch(e.backward_op, {2 * n * static_cast<double>(item_size(x.dtype())), 16 * n}, [&] {
    kernels().cross_entropy_backward(
        {x.dtype(), x.raw_data(), e.logits, soft ? nullptr : target.data<int64_t>(), soft ? target.raw_data() : nullptr,
         weight.defined() ? weight.raw_data() : nullptr, e.ignore, e.smoothing, l.loops, l.plan,
         forward.z.data<double>(), each.raw_data(), e.reduction == LossReduction::None, scale,
         want_dx ? result.dx.raw_data() : nullptr, want_dq ? result.dq.raw_data() : nullptr});
  });
  return result;
}

// The same in plain ops, for second derivatives: u_c is what (z - x_c) counts in a sample's loss.
EntropyGradients composed_backward(const EntropyLoss& e, const Tensor& dy, const Tensor& x, const Tensor& target,
                                   const Tensor& weight, double divisor) {
  const int64_t dim = e.dim(), dims[] = {dim};
  Dims along(x.dim(), 1);
  along[dim] = x.size(dim);
  const bool soft = is_floating(target.dtype());
  Tensor q = target, counted;
  if (!soft) {
    const Tensor classes = view(target, e.classes.keepdim);
    counted = to_dtype(ne(classes, number(e.ignore)), x.dtype());
    q = scatter(zeros(x.sizes(), x.dtype()), dim, clamp_min(classes * to_dtype(counted, DType::Int64), number(0)),
                expand(counted, e.classes.keepdim));
  }
  Tensor w = weight.defined() ? view(to_dtype(weight, x.dtype()), along) : ones(along, x.dtype());
  Tensor u = (q * (1 - e.smoothing) + e.smoothing / static_cast<double>(x.size(dim))) * w;
  if (!soft) u = u * counted;
  Tensor g = e.reduction == LossReduction::None ? view(contiguous(dy), e.classes.keepdim) : dy;
  if (e.reduction == LossReduction::Mean) g = g / divisor;
  const Tensor dx = e.logits ? softmax(x, dim) * sum(u, IntSpan(dims, 1), true) - u : -u;
  return {g * dx, soft ? g * w * log_softmax(x, dim) * (e.smoothing - 1) : Tensor()};
}

Tensor entropy_loss(EntropyLoss e, const Tensor& input, const Tensor& target, const Tensor& weight) {
  DLCORE_CHECK(is_floating(input.dtype()), NotImplementedError, e.op, ": input must be floating point; got ",
               name(input.dtype()));
  DLCORE_CHECK(input.dim() >= 1, RuntimeError, e.op, ": input must have a dimension of classes; got shape ",
               input.sizes());
  e.classes = Reduced(input, uint64_t{1} << (input.dim() > 1 ? 1 : 0));
  const int64_t count = input.size(e.dim());
  DLCORE_CHECK(!weight.defined() || (weight.dim() == 1 && weight.numel() == count), RuntimeError, e.op,
               ": weight must have one element for each of the ", count, " classes; got shape ", weight.sizes());
  const bool soft = e.logits && is_floating(target.dtype()) && target.sizes() == input.sizes();
  DLCORE_CHECK(!soft || e.ignore < 0, RuntimeError, e.op,
               ": ignore_index must not be given with probabilities as target; got ", e.ignore);
  if (!soft) check_target(e, input, target);

  const Tensor x = is_dense(*input.impl()) ? input : contiguous(input);
  const Tensor w = weight.defined() ? contiguous(to_dtype(weight, compute_dtype(x.dtype()))).detach() : Tensor();
  Tensor q = target;
  if (soft) {
    q = to_dtype(target, x.dtype());
    if (IntSpan(q.strides()) != x.strides()) q = clone_like(q, x.strides());
  } else {
    q = contiguous(to_dtype(target, DType::Int64));
  }
  EntropyResult result = run_forward(e, x, q, w);
  Tensor loss = result.loss;
  result.loss = {};
  record(e.op, loss, {x, q}, [e, x = Saved(x), q = Saved(q), w, result](Gradients& g) {
    const EntropyGradients d = is_grad_enabled() ? composed_backward(e, g.dy(), x(), q(), w, result.divisor)
                                                 : run_backward(e, g.dy(), x(), q(), w, result, g.needs(0), g.needs(1));
    g.set(0, [&] { return d.dx; });
    g.set(1, [&] { return d.dq; });
  });
  return loss;
}

}  // namespace

Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t ignore_index,
                     const std::string& reduction, double label_smoothing) {
  DLCORE_CHECK(label_smoothing >= 0 && label_smoothing <= 1, RuntimeError,
               "cross_entropy: label_smoothing must be between 0 and 1; got ", label_smoothing);
  return entropy_loss({"cross_entropy", "cross_entropy_backward", true, ignore_index, label_smoothing,
                       loss_reduction("cross_entropy", reduction), Reduced(input, 0)},
                      input, target, weight);
}

Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t ignore_index,
                const std::string& reduction) {
  return entropy_loss({"nll_loss", "nll_loss_backward", false, ignore_index, 0, loss_reduction("nll_loss", reduction),
                       Reduced(input, 0)},
                      input, target, weight);
}

}  // namespace dlcore
