#include "ops/optim.h"

#include <cmath>

#include "ops/sparse_rows.h"

namespace dlcore {
namespace {

using Factors = OptimRuns::Factors;

// Weight decay as a part of the gradient, or apart from it.
kernel::OptimPass options(double lr, double weight_decay, bool decoupled, bool maximize) {
  kernel::OptimPass pass{};
  pass.keep = decoupled ? 1 - lr * weight_decay : 1;
  pass.weight_decay = decoupled ? 0 : weight_decay;
  pass.maximize = maximize;
  return pass;
}

void check_steps(const char* op, IntSpan steps, const TensorList& params) {
  DLCORE_CHECK(steps.size() == static_cast<int64_t>(params.size()), ValueError, op,
               ": steps must have one number for each of the ", params.size(), " params but got ", steps.size());
  for (int64_t t : steps) DLCORE_CHECK(t >= 1, ValueError, op, ": steps are counted from 1, but got ", t);
}

// Calls f(t) for tensor i's step number t. Most tensors share theirs, so that the last result is kept.
template <class F>
auto of_step(IntSpan steps, const F& f) {
  return [steps, f, known = int64_t{0}, last = Factors{}](size_t i) mutable {
    const int64_t t = steps[static_cast<int64_t>(i)];
    if (t != known) {
      last = f(static_cast<double>(t));
      known = t;
    }
    return last;
  };
}

bool of_rows(const Tensor& g) { return g.defined() && rows_of(g); }

const TensorList* where(bool there, const TensorList& list) { return there ? &list : nullptr; }

}  // namespace

void sgd_step(const TensorList& params, const TensorList& grads, const TensorList& momentum_buffers, double lr,
              double momentum, double dampening, double weight_decay, bool nesterov, bool maximize, bool first_step) {
  const NoGrad no_grad;
  if (momentum == 0 && weight_decay == 0 && std::any_of(grads.begin(), grads.end(), of_rows)) {
    DLCORE_CHECK(params.size() == grads.size(), ValueError, "sgd_step: grads must have one tensor for each of the ",
                 params.size(), " params but got ", grads.size());
    TensorList others, their_grads;
    for (size_t i = 0; i < params.size(); ++i) {
      if (of_rows(grads[i])) {
        DLCORE_CHECK(params[i].defined() && params[i].sizes() == grads[i].sizes(), RuntimeError, "sgd_step: grads[", i,
                     "] must have the parameter's shape but got ", grads[i].sizes());
        add_(params[i], grads[i], maximize ? lr : -lr);
      } else {
        others.push_back(params[i]);
        their_grads.push_back(grads[i]);
      }
    }
    return sgd_step(others, their_grads, {}, lr, 0, 0, 0, false, maximize, false);
  }
  OptimRuns runs(
      "sgd_step",
      {{"params", &params}, {"grads", &grads}, {"momentum_buffers", where(momentum != 0, momentum_buffers)}});
  runs.pass(options(lr, weight_decay, false, maximize), [&](const kernel::OptimPass& pass) {
    kernels().sgd_step(pass, {lr, momentum, dampening, nesterov, first_step});
  });
}

void adam_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
               const TensorList& exp_avg_sqs, const TensorList& max_exp_avg_sqs, IntSpan steps, double lr, double beta1,
               double beta2, double eps, double weight_decay, bool decoupled, bool amsgrad, bool maximize) {
  check_steps("adam_step", steps, params);
  const NoGrad no_grad;
  OptimRuns runs("adam_step", {{"params", &params},
                               {"grads", &grads},
                               {"exp_avgs", &exp_avgs},
                               {"exp_avg_sqs", &exp_avg_sqs},
                               {"max_exp_avg_sqs", where(amsgrad, max_exp_avg_sqs)}});
  runs.pass(
      options(lr, weight_decay, decoupled, maximize),
      of_step(steps,
              [=](double t) { return Factors{lr / (1 - std::pow(beta1, t)), 1 / std::sqrt(1 - std::pow(beta2, t))}; }),
      [&](const kernel::OptimPass& pass) { kernels().adam_step(pass, {beta1, beta2, eps}); });
}

void nadam_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                const TensorList& exp_avg_sqs, const TensorList& mu_products, IntSpan steps, double lr, double beta1,
                double beta2, double eps, double weight_decay, double momentum_decay, bool decoupled, bool maximize) {
  check_steps("nadam_step", steps, params);
  DLCORE_CHECK(mu_products.size() == params.size(), ValueError,
               "nadam_step: mu_products must have one tensor for each of the ", params.size(), " params but got ",
               mu_products.size());
  const NoGrad no_grad;
  OptimRuns runs("nadam_step",
                 {{"params", &params}, {"grads", &grads}, {"exp_avgs", &exp_avgs}, {"exp_avg_sqs", &exp_avg_sqs}});
  const auto mu = [&](double t) { return beta1 * (1 - 0.5 * std::pow(0.96, t * momentum_decay)); };
  std::vector<Factors> factors;
  for (size_t i = 0; i < params.size(); ++i) {
    const auto t = static_cast<double>(steps[static_cast<int64_t>(i)]);
    const double now = mu(t), next = mu(t + 1);
    const double product = mul_(mu_products[i], number(now)).item().to_double();
    factors.push_back(
        {lr * (1 - now) / (1 - product), lr * next / (1 - product * next), 1 / std::sqrt(1 - std::pow(beta2, t))});
  }
  runs.pass(
      options(lr, weight_decay, decoupled, maximize), [&](size_t i) { return factors[i]; },
      [&](const kernel::OptimPass& pass) { kernels().nadam_step(pass, {beta1, beta2, eps}); });
}

void radam_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                const TensorList& exp_avg_sqs, IntSpan steps, double lr, double beta1, double beta2, double eps,
                double weight_decay, bool decoupled, bool maximize) {
  check_steps("radam_step", steps, params);
  const NoGrad no_grad;
  OptimRuns runs("radam_step",
                 {{"params", &params}, {"grads", &grads}, {"exp_avgs", &exp_avgs}, {"exp_avg_sqs", &exp_avg_sqs}});
  const double longest = 2 / (1 - beta2) - 1;  // rho_inf: the length of the average after many steps
  runs.pass(options(lr, weight_decay, decoupled, maximize),
            of_step(steps,
                    [=](double t) {
                      const double bias2 = 1 - std::pow(beta2, t), rho = longest - 2 * t * (1 - bias2) / bias2;
                      const double r =
                          rho <= 5 ? 0
                                   : std::sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho));
                      return Factors{lr / (1 - std::pow(beta1, t)), r * std::sqrt(bias2)};
                    }),
            [&](const kernel::OptimPass& pass) { kernels().radam_step(pass, {beta1, beta2, eps}); });
}

void adamax_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                 const TensorList& exp_infs, IntSpan steps, double lr, double beta1, double beta2, double eps,
                 double weight_decay, bool maximize) {
  check_steps("adamax_step", steps, params);
  const NoGrad no_grad;
  OptimRuns runs("adamax_step",
                 {{"params", &params}, {"grads", &grads}, {"exp_avgs", &exp_avgs}, {"exp_infs", &exp_infs}});
  runs.pass(options(lr, weight_decay, false, maximize),
            of_step(steps, [=](double t) { return Factors{lr / (1 - std::pow(beta1, t))}; }),
            [&](const kernel::OptimPass& pass) { kernels().adamax_step(pass, {beta1, beta2, eps}); });
}

void adagrad_step(const TensorList& params, const TensorList& grads, const TensorList& sums, IntSpan steps, double lr,
                  double lr_decay, double eps, double weight_decay, bool maximize) {
  check_steps("adagrad_step", steps, params);
  const NoGrad no_grad;
  OptimRuns runs("adagrad_step", {{"params", &params}, {"grads", &grads}, {"sums", &sums}});
  runs.pass(options(lr, weight_decay, false, maximize),
            of_step(steps, [=](double t) { return Factors{lr / (1 + (t - 1) * lr_decay)}; }),
            [&](const kernel::OptimPass& pass) { kernels().adagrad_step(pass, {eps}); });
}

void rmsprop_step(const TensorList& params, const TensorList& grads, const TensorList& square_avgs,
                  const TensorList& momentum_buffers, const TensorList& grad_avgs, double lr, double alpha, double eps,
                  double weight_decay, double momentum, bool centered, bool maximize) {
  const NoGrad no_grad;
  OptimRuns runs("rmsprop_step", {{"params", &params},
                                  {"grads", &grads},
                                  {"square_avgs", &square_avgs},
                                  {"momentum_buffers", where(momentum > 0, momentum_buffers)},
                                  {"grad_avgs", where(centered, grad_avgs)}});
  runs.pass(options(lr, weight_decay, false, maximize),
            [&](const kernel::OptimPass& pass) { kernels().rmsprop_step(pass, {lr, alpha, eps, momentum}); });
}

void adadelta_step(const TensorList& params, const TensorList& grads, const TensorList& square_avgs,
                   const TensorList& acc_deltas, double lr, double rho, double eps, double weight_decay,
                   bool maximize) {
  const NoGrad no_grad;
  OptimRuns runs("adadelta_step",
                 {{"params", &params}, {"grads", &grads}, {"square_avgs", &square_avgs}, {"acc_deltas", &acc_deltas}});
  runs.pass(options(lr, weight_decay, false, maximize),
            [&](const kernel::OptimPass& pass) { kernels().adadelta_step(pass, {lr, rho, eps}); });
}

void lion_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs, double lr, double beta1,
               double beta2, double weight_decay, bool maximize) {
  const NoGrad no_grad;
  OptimRuns runs("lion_step", {{"params", &params}, {"grads", &grads}, {"exp_avgs", &exp_avgs}});
  runs.pass(options(lr, weight_decay, true, maximize),
            [&](const kernel::OptimPass& pass) { kernels().lion_step(pass, {lr, beta1, beta2}); });
}

// ---- gradient clipping

Tensor total_norm(const TensorList& tensors, double p) {
  const bool largest = std::isinf(p) && p > 0;
  DLCORE_CHECK(p == 1 || p == 2 || largest, ValueError, "total_norm: p must be 1, 2 or infinity, but got ", p);
  const NoGrad no_grad;
  OptimRuns runs("total_norm", {{"params", nullptr}, {"tensors", &tensors}});
  const kernel::Norm norm = largest ? kernel::Norm::Max : p == 2 ? kernel::Norm::Two : kernel::Norm::One;
  double total = 0;
  runs.pass({}, [&](const kernel::OptimPass& pass) {
    std::vector<double> of_chunk(static_cast<size_t>(pass.num_chunks));
    kernels().norm_of_chunks(pass, norm, of_chunk.data());
    for (const double x : of_chunk) total = !largest ? total + x : x > total || std::isnan(x) ? x : total;
  });
  DType dtype = tensors.empty() ? default_dtype() : tensors[0].dtype();
  for (const Tensor& x : tensors) dtype = promote_types(dtype, x.dtype());
  return full({}, p == 2 ? std::sqrt(total) : total, dtype);
}

void scale_all_(const TensorList& tensors, double factor) {
  const NoGrad no_grad;
  OptimRuns("scale_all_", {{"tensors", &tensors}}).pass({}, [&](const kernel::OptimPass& pass) {
    kernels().scale_all(pass, {factor});
  });
}

void clamp_all_(const TensorList& tensors, double low, double high) {
  const NoGrad no_grad;
  OptimRuns("clamp_all_", {{"tensors", &tensors}}).pass({}, [&](const kernel::OptimPass& pass) {
    kernels().clamp_all(pass, {low, high});
  });
}

}  // namespace dlcore
