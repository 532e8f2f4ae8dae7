#include "dlcore/ops/norm.h"

#include "bindings/op.h"

namespace dlcore::bindings {

void bind_norm(Ops& ops) {
  ops.function<&batch_norm>(
      "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
      "bool training=False, float momentum=0.1, float eps=1e-05) -> Tensor");
  ops.function<&batch_norm_act>(
      "batch_norm_act(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
      "bool training=False, float momentum=0.1, float eps=1e-05, Tensor? residual=None, "
      "str activation=\"relu\") -> Tensor");
  ops.function<&instance_norm>(
      "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, "
      "bool use_input_stats=True, float momentum=0.1, float eps=1e-05) -> Tensor");
  ops.function<&group_norm>(
      "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05) -> Tensor");
  ops.function<&layer_norm>(
      "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05) "
      "-> Tensor");
  ops.function<&rms_norm>(
      "rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor");
  ops.function<&local_response_norm>(
      "local_response_norm(Tensor input, int size, float alpha=0.0001, float beta=0.75, float k=1.0) -> Tensor");
}

}  // namespace dlcore::bindings
