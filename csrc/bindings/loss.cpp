#include "bindings/op.h"

namespace dlcore::bindings {

void bind_loss(Ops& ops) {
  ops.function<&cross_entropy>(
      "cross_entropy(Tensor input, Tensor target, Tensor? weight=None, int ignore_index=-100, str reduction='mean', "
      "float label_smoothing=0.0) -> Tensor");
  ops.function<&nll_loss>(
      "nll_loss(Tensor input, Tensor target, Tensor? weight=None, int ignore_index=-100, str reduction='mean') -> "
      "Tensor");
  ops.function<&mse_loss>("mse_loss(Tensor input, Tensor target, str reduction='mean') -> Tensor");
  ops.function<&l1_loss>("l1_loss(Tensor input, Tensor target, str reduction='mean') -> Tensor");
  ops.function<&smooth_l1_loss>(
      "smooth_l1_loss(Tensor input, Tensor target, str reduction='mean', float beta=1.0) -> Tensor");
  ops.function<&huber_loss>("huber_loss(Tensor input, Tensor target, str reduction='mean', float delta=1.0) -> Tensor");
  ops.function<&binary_cross_entropy>(
      "binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, str reduction='mean') -> Tensor");
  ops.function<&binary_cross_entropy_with_logits>(
      "binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, "
      "str reduction='mean') -> Tensor");
  ops.function<&kl_div>("kl_div(Tensor input, Tensor target, str reduction='mean', bool log_target=False) -> Tensor");
}

}  // namespace dlcore::bindings
