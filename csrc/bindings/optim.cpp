#include "dlcore/optim.h"

#include "bindings/op.h"

namespace dlcore::bindings {

void bind_optim(Ops& ops) {
  ops.function<&sgd_step>(
      "_sgd_step(Tensor[] params, Tensor[] grads, Tensor[] momentum_buffers, float lr, float momentum, float "
      "dampening, "
      "float weight_decay, bool nesterov, bool maximize, bool first_step) -> None");
  ops.function<&adam_step>(
      "_adam_step(Tensor[] params, Tensor[] grads, Tensor[] exp_avgs, Tensor[] exp_avg_sqs, Tensor[] max_exp_avg_sqs, "
      "int[] steps, float lr, float beta1, float beta2, float eps, float weight_decay, bool decoupled, bool amsgrad, "
      "bool maximize) -> None");
}

}  // namespace dlcore::bindings
