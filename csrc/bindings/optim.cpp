#include "dlcore/optim.h"

#include "bindings/op.h"

namespace dlcore::bindings {

void bind_optim(Ops& ops) {
  ops.function<&sgd_step>(
      "_sgd_step(Tensor[] params, Tensor[] grads, Tensor[] momentum_buffers, float lr, float momentum, float "
      "dampening, float weight_decay, bool nesterov, bool maximize, bool first_step) -> None");
  ops.function<&adam_step>(
      "_adam_step(Tensor[] params, Tensor[] grads, Tensor[] exp_avgs, Tensor[] exp_avg_sqs, Tensor[] max_exp_avg_sqs, "
      "int[] steps, float lr, float beta1, float beta2, float eps, float weight_decay, bool decoupled, bool amsgrad, "
      "bool maximize) -> None");
  ops.function<&nadam_step>(
      "_nadam_step(Tensor[] params, Tensor[] grads, Tensor[] exp_avgs, Tensor[] exp_avg_sqs, Tensor[] mu_products, "
      "int[] steps, float lr, float beta1, float beta2, float eps, float weight_decay, float momentum_decay, bool "
      "decoupled, bool maximize) -> None");
  ops.function<&radam_step>(
      "_radam_step(Tensor[] params, Tensor[] grads, Tensor[] exp_avgs, Tensor[] exp_avg_sqs, int[] steps, float lr, "
      "float beta1, float beta2, float eps, float weight_decay, bool decoupled, bool maximize) -> None");
  ops.function<&adamax_step>(
      "_adamax_step(Tensor[] params, Tensor[] grads, Tensor[] exp_avgs, Tensor[] exp_infs, int[] steps, float lr, "
      "float beta1, float beta2, float eps, float weight_decay, bool maximize) -> None");
  ops.function<&adagrad_step>(
      "_adagrad_step(Tensor[] params, Tensor[] grads, Tensor[] sums, int[] steps, float lr, float lr_decay, float eps, "
      "float weight_decay, bool maximize) -> None");
  ops.function<&rmsprop_step>(
      "_rmsprop_step(Tensor[] params, Tensor[] grads, Tensor[] square_avgs, Tensor[] momentum_buffers, Tensor[] "
      "grad_avgs, float lr, float alpha, float eps, float weight_decay, float momentum, bool centered, bool maximize) "
      "-> None");
  ops.function<&adadelta_step>(
      "_adadelta_step(Tensor[] params, Tensor[] grads, Tensor[] square_avgs, Tensor[] acc_deltas, float lr, float rho, "
      "float eps, float weight_decay, bool maximize) -> None");
  ops.function<&lion_step>(
      "_lion_step(Tensor[] params, Tensor[] grads, Tensor[] exp_avgs, float lr, float beta1, float beta2, float "
      "weight_decay, bool maximize) -> None");
  ops.function<&total_norm>("_total_norm(Tensor[] tensors, float p) -> Tensor");
  ops.function<&scale_all_>("_scale_all_(Tensor[] tensors, float factor) -> None");
  ops.function<&clamp_all_>("_clamp_all_(Tensor[] tensors, float low, float high) -> None");
}

}  // namespace dlcore::bindings
