#include "dlcore/optimizer.h"

#include "core/check.h"
#include "core/dims.h"
#include "dlcore/autograd.h"
#include "dlcore/ops/creation.h"
#include "dlcore/optim.h"

namespace dlcore {
namespace {

void not_negative(const char* optimizer, const char* argument, double value) {
  DLCORE_CHECK(value >= 0, ValueError, optimizer, ": ", argument, " must not be negative, but got ", value);
}

}  // namespace

Optimizer::Optimizer(TensorList parameters, double lr) : lr(lr), parameters_(std::move(parameters)) {
  not_negative("Optimizer", "lr", lr);
  DLCORE_CHECK(!parameters_.empty(), ValueError, "Optimizer: got an empty list of parameters");
  for (const Tensor& p : parameters_)
    DLCORE_CHECK(p.defined() && p.is_leaf() && is_floating(p.dtype()), ValueError,
                 "Optimizer: every parameter must be a floating point leaf");
}

Optimizer::~Optimizer() = default;

void Optimizer::zero_grad() {
  for (const Tensor& p : parameters_) p.set_grad({});
}

// ---- SGD

SGD::SGD(TensorList parameters, double lr, const SGDOptions& o)
    : Optimizer(std::move(parameters), lr), options_(o), buffers_(parameters_.size()) {
  not_negative("SGD", "momentum", o.momentum);
  not_negative("SGD", "weight_decay", o.weight_decay);
  DLCORE_CHECK(!o.nesterov || (o.momentum > 0 && o.dampening == 0), ValueError,
               "SGD: nesterov needs a momentum and no dampening");
}

void SGD::step() {
  NoGrad no_grad;
  struct Pass {
    TensorList params, grads, buffers;
  } first, later;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor &p = parameters_[i], grad = p.grad();
    if (!grad.defined()) continue;
    Pass& pass = options_.momentum == 0 || buffers_[i].defined() ? later : first;
    pass.params.push_back(p);
    pass.grads.push_back(grad);
    if (options_.momentum == 0) continue;
    if (!buffers_[i].defined()) buffers_[i] = zeros_like(p.detach());
    pass.buffers.push_back(buffers_[i]);
  }
  for (const Pass* pass : {&first, &later})
    if (!pass->params.empty())
      sgd_step(pass->params, pass->grads, pass->buffers, lr, options_.momentum, options_.dampening,
               options_.weight_decay, options_.nesterov, options_.maximize, pass == &first);
}

// ---- Adam, AdamW

Adam::Adam(TensorList parameters, double lr, const AdamOptions& options)
    : Adam(std::move(parameters), lr, options, false) {}

Adam::Adam(TensorList parameters, double lr, const AdamOptions& o, bool decoupled)
    : Optimizer(std::move(parameters), lr),
      options_(o),
      decoupled_(decoupled),
      means_(parameters_.size()),
      squares_(parameters_.size()),
      largest_(parameters_.size()),
      steps_(parameters_.size()) {
  for (const double beta : {o.beta1, o.beta2})
    DLCORE_CHECK(beta >= 0 && beta < 1, ValueError, "Adam: beta1 and beta2 must be in [0, 1), but got ", beta);
  not_negative("Adam", "eps", o.eps);
  not_negative("Adam", "weight_decay", o.weight_decay);
}

void Adam::step() {
  NoGrad no_grad;
  TensorList params, grads, means, squares, largest;
  std::vector<int64_t> steps;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor &p = parameters_[i], grad = p.grad();
    if (!grad.defined()) continue;
    if (!means_[i].defined()) {
      means_[i] = zeros_like(p.detach());
      squares_[i] = zeros_like(p.detach());
      if (options_.amsgrad) largest_[i] = zeros_like(p.detach());
    }
    params.push_back(p);
    grads.push_back(grad);
    means.push_back(means_[i]);
    squares.push_back(squares_[i]);
    if (options_.amsgrad) largest.push_back(largest_[i]);
    steps.push_back(++steps_[i]);
  }
  if (!params.empty())
    adam_step(params, grads, means, squares, largest, steps, lr, options_.beta1, options_.beta2, options_.eps,
              options_.weight_decay, decoupled_, options_.amsgrad, options_.maximize);
}

}  // namespace dlcore
