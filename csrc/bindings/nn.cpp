#include "dlcore/ops/nn.h"
#include "bindings/op.h"

namespace dlcore::bindings {

void bind_nn(Ops& ops) {
  using Numbers = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, IntSpan, IntSpan, IntSpan, int64_t);
  using Named = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, IntSpan, const std::string&, IntSpan, int64_t);
  ops.function<static_cast<Numbers>(&conv2d), static_cast<Named>(&conv2d)>(
      "conv2d",
      {"(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, int[2] dilation=1, "
       "int groups=1) -> Tensor",
       "(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, str padding=\"valid\", int[2] dilation=1, "
       "int groups=1) -> Tensor"});
  ops.function<&max_pool2d>(
      "max_pool2d(Tensor input, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, int[2] dilation=1, "
      "bool ceil_mode=False) -> Tensor");
  ops.function<&max_pool2d_with_indices>(
      "max_pool2d_with_indices(Tensor input, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, "
      "int[2] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)");
  ops.function<&avg_pool2d>(
      "avg_pool2d(Tensor input, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, bool ceil_mode=False, "
      "bool count_include_pad=True, int? divisor_override=None) -> Tensor");
}

}  // namespace dlcore::bindings
