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
  ops.function<&poisson_nll_loss>(
      "poisson_nll_loss(Tensor input, Tensor target, bool log_input=True, bool full=False, float eps=1e-08, "
      "str reduction='mean') -> Tensor");
  ops.function<&gaussian_nll_loss>(
      "gaussian_nll_loss(Tensor input, Tensor target, Number|Tensor var, bool full=False, float eps=1e-06, "
      "str reduction='mean') -> Tensor");
  ops.function<&soft_margin_loss>("soft_margin_loss(Tensor input, Tensor target, str reduction='mean') -> Tensor");
  ops.function<&hinge_embedding_loss>(
      "hinge_embedding_loss(Tensor input, Tensor target, float margin=1.0, str reduction='mean') -> Tensor");
  ops.function<&margin_ranking_loss>(
      "margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, str reduction='mean') -> "
      "Tensor");
  ops.function<&multi_margin_loss>(
      "multi_margin_loss(Tensor input, Tensor target, int p=1, float margin=1.0, Tensor? weight=None, "
      "str reduction='mean') -> Tensor");
  ops.function<&multilabel_margin_loss>(
      "multilabel_margin_loss(Tensor input, Tensor target, str reduction='mean') -> Tensor");
  ops.function<&multilabel_soft_margin_loss>(
      "multilabel_soft_margin_loss(Tensor input, Tensor target, Tensor? weight=None, str reduction='mean') -> Tensor");
  ops.function<&cosine_embedding_loss>(
      "cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, str reduction='mean') -> "
      "Tensor");
  ops.function<&triplet_margin_loss>(
      "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, float p=2.0, "
      "float eps=1e-06, bool swap=False, str reduction='mean') -> Tensor");
  ops.function<&ctc_loss>(
      "ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, "
      "str reduction='mean', bool zero_infinity=False) -> Tensor");
}

}  // namespace dlcore::bindings
