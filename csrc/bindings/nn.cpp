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
}

}  // namespace dlcore::bindings
