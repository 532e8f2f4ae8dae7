#include "dlcore/ops/nn.h"
#include "bindings/op.h"
#include "dlcore/backends.h"

namespace dlcore::bindings {

void bind_nn(Ops& ops) {
  using Numbers = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, IntSpan, IntSpan, IntSpan, int64_t);
  using Named = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, IntSpan, const std::string&, IntSpan, int64_t);
  ops.function<static_cast<Numbers>(&conv1d), static_cast<Named>(&conv1d)>(
      "conv1d",
      {"(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] padding=0, int[1] dilation=1, "
       "int groups=1) -> Tensor",
       "(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, str padding=\"valid\", int[1] dilation=1, "
       "int groups=1) -> Tensor"});
  ops.function<static_cast<Numbers>(&conv2d), static_cast<Named>(&conv2d)>(
      "conv2d",
      {"(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, int[2] dilation=1, "
       "int groups=1) -> Tensor",
       "(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, str padding=\"valid\", int[2] dilation=1, "
       "int groups=1) -> Tensor"});
  ops.function<static_cast<Numbers>(&conv3d), static_cast<Named>(&conv3d)>(
      "conv3d",
      {"(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] padding=0, int[3] dilation=1, "
       "int groups=1) -> Tensor",
       "(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, str padding=\"valid\", int[3] dilation=1, "
       "int groups=1) -> Tensor"});
  ops.function<&conv2d_act>(
      "conv2d_act(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, "
      "int[2] dilation=1, int groups=1, str activation=\"relu\") -> Tensor");
  using Sides = std::string (*)(const Tensor&, const Tensor&, IntSpan, IntSpan, IntSpan, int64_t);
  using NamedSides = std::string (*)(const Tensor&, const Tensor&, IntSpan, const std::string&, IntSpan, int64_t);
  ops.function<static_cast<Sides>(&explain_convolution), static_cast<NamedSides>(&explain_convolution)>(
      "_explain_convolution",
      {"(Tensor input, Tensor weight, int[] stride, int[] padding, int[] dilation, int groups) -> str",
       "(Tensor input, Tensor weight, int[] stride, str padding, int[] dilation, int groups) -> str"});
  ops.function<&explain_transposed_convolution>(
      "_explain_transposed_convolution(Tensor input, Tensor weight, int[] stride, int[] padding, int[] output_padding, "
      "int groups, int[] dilation) -> str");
  ops.function<&conv_transpose1d>(
      "conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, int[1] stride=1, int[1] padding=0, "
      "int[1] output_padding=0, int groups=1, int[1] dilation=1) -> Tensor");
  ops.function<&conv_transpose2d>(
      "conv_transpose2d(Tensor input, Tensor weight, Tensor? bias=None, int[2] stride=1, int[2] padding=0, "
      "int[2] output_padding=0, int groups=1, int[2] dilation=1) -> Tensor");
  ops.function<&conv_transpose3d>(
      "conv_transpose3d(Tensor input, Tensor weight, Tensor? bias=None, int[3] stride=1, int[3] padding=0, "
      "int[3] output_padding=0, int groups=1, int[3] dilation=1) -> Tensor");
}

}  // namespace dlcore::bindings
