// Comparisons, activations, and the ops of three operands.
#include "bindings/twin.h"

namespace dlcore::bindings {
namespace {

void bind_comparison(Ops& ops) {
  ops.op<&eq>("eq(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&ne>("ne(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&lt>("lt(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&le>("le(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&gt>("gt(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&ge>("ge(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"eq_", &eq>>("eq_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"ne_", &ne>>("ne_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"lt_", &lt>>("lt_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"le_", &le>>("le_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"gt_", &gt>>("gt_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"ge_", &ge>>("ge_(Tensor input, Number|Tensor other) -> Tensor");
  for (auto [alias, name] : {std::pair{"not_equal", "ne"},
                             {"less", "lt"},
                             {"less_equal", "le"},
                             {"greater", "gt"},
                             {"greater_equal", "ge"}}) {
    ops.same(alias, name);
    ops.same((alias + std::string("_")).c_str(), (name + std::string("_")).c_str());
  }
  ops.op<&logical_and>("logical_and(Tensor input, Tensor other) -> Tensor");
  ops.op<&logical_or>("logical_or(Tensor input, Tensor other) -> Tensor");
  ops.op<&logical_xor>("logical_xor(Tensor input, Tensor other) -> Tensor");
  ops.op<&logical_not>("logical_not(Tensor input) -> Tensor");
  ops.method<twin<"logical_and_", &logical_and>>("logical_and_(Tensor input, Tensor other) -> Tensor");
  ops.method<twin<"logical_or_", &logical_or>>("logical_or_(Tensor input, Tensor other) -> Tensor");
  ops.method<twin<"logical_xor_", &logical_xor>>("logical_xor_(Tensor input, Tensor other) -> Tensor");
  ops.method<twin<"logical_not_", &logical_not>>("logical_not_(Tensor input) -> Tensor");
  ops.op<&isnan>("isnan(Tensor input) -> Tensor");
  ops.op<&isinf>("isinf(Tensor input) -> Tensor");
  ops.op<&isfinite>("isfinite(Tensor input) -> Tensor");
  ops.op<&isclose>(
      "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor");
  ops.op<&allclose>(
      "allclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool");
  ops.op<&equal>("equal(Tensor input, Tensor other) -> bool");
  ops.function<&isin>(
      "isin(Number|Tensor elements, Number|Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> "
      "Tensor");

  ops.op<&bitwise_and>("bitwise_and(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&bitwise_or>("bitwise_or(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&bitwise_xor>("bitwise_xor(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&bitwise_not>("bitwise_not(Tensor input) -> Tensor");
  ops.op<&bitwise_left_shift>("bitwise_left_shift(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&bitwise_right_shift>("bitwise_right_shift(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"bitwise_and_", &bitwise_and>>("bitwise_and_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"bitwise_or_", &bitwise_or>>("bitwise_or_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"bitwise_xor_", &bitwise_xor>>("bitwise_xor_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"bitwise_left_shift_", &bitwise_left_shift>>(
      "bitwise_left_shift_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"bitwise_right_shift_", &bitwise_right_shift>>(
      "bitwise_right_shift_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<twin<"bitwise_not_", &bitwise_not>>("bitwise_not_(Tensor input) -> Tensor");
}

void bind_ternary(Ops& ops) {
  ops.function<&where, [](const Tensor& condition) { return nonzero_tuple(condition); }>(
      "where",
      {"(Tensor condition, Number|Tensor input, Number|Tensor other) -> Tensor", "(Tensor condition) -> Tensor[]"});
  ops.method<[](const Tensor& x, const Tensor& condition, const Tensor& other) { return where(condition, x, other); }>(
      "where(Tensor input, Tensor condition, Number|Tensor other) -> Tensor");
  ops.op<&lerp>("lerp(Tensor input, Tensor end, Number|Tensor weight) -> Tensor");
  ops.method<twin<"lerp_", &lerp>>("lerp_(Tensor input, Tensor end, Number|Tensor weight) -> Tensor");
  ops.op<&addcmul>("addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1) -> Tensor");
  ops.op<&addcdiv>("addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1) -> Tensor");
  ops.method<twin<"addcmul_", &addcmul>>(
      "addcmul_(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1) -> Tensor");
  ops.method<twin<"addcdiv_", &addcdiv>>(
      "addcdiv_(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1) -> Tensor");
  constexpr auto at_least = [](const Tensor& x, Scalar low) { return clamp(x, low); };
  constexpr auto at_most = [](const Tensor& x, Scalar high) { return clamp(x, {}, high); };
  constexpr auto at_least_tensor = [](const Tensor& x, const Tensor& low) { return clamp_tensor(x, low); };
  constexpr auto at_most_tensor = [](const Tensor& x, const Tensor& high) { return clamp_tensor(x, {}, high); };
  const Ops::Signatures both = {"(Tensor input, Number? min=None, Number? max=None) -> Tensor",
                                "(Tensor input, Tensor? min=None, Tensor? max=None) -> Tensor"};
  const Ops::Signatures low = {"(Tensor input, Number min) -> Tensor", "(Tensor input, Tensor min) -> Tensor"};
  const Ops::Signatures high = {"(Tensor input, Number max) -> Tensor", "(Tensor input, Tensor max) -> Tensor"};
  ops.op<&clamp, &clamp_tensor>("clamp", both);
  ops.op<twin<"clamp_", &clamp>, twin<"clamp_", &clamp_tensor>>("clamp_", both);
  ops.same("clip", "clamp");
  ops.same("clip_", "clamp_");
  ops.op<at_least, at_least_tensor>("clamp_min", low);
  ops.op<twin<"clamp_min_", at_least>, twin<"clamp_min_", at_least_tensor>>("clamp_min_", low);
  ops.op<at_most, at_most_tensor>("clamp_max", high);
  ops.op<twin<"clamp_max_", at_most>, twin<"clamp_max_", at_most_tensor>>("clamp_max_", high);
  ops.op<&nan_to_num>("nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor");
  ops.op<twin<"nan_to_num_", &nan_to_num>>(
      "nan_to_num_(Tensor input, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor");
}

void bind_activation(Ops& ops) {
  ops.op<&relu>("relu(Tensor input) -> Tensor");
  ops.op<&relu_>("relu_(Tensor input) -> Tensor");
  ops.function<&relu6>("relu6(Tensor input) -> Tensor");
  ops.function<&leaky_relu>("leaky_relu(Tensor input, float negative_slope=0.01) -> Tensor");
  ops.function<&rrelu>(
      "rrelu(Tensor input, float lower=0.125, float upper=0.3333333333333333, bool training=False, Generator? "
      "generator=None) -> Tensor");
  ops.op<&prelu>("prelu(Tensor input, Tensor weight) -> Tensor");
  ops.function<&elu>("elu(Tensor input, float alpha=1.0) -> Tensor");
  ops.function<&celu>("celu(Tensor input, float alpha=1.0) -> Tensor");
  ops.function<&selu>("selu(Tensor input) -> Tensor");
  ops.function<&gelu>("gelu(Tensor input, str approximate='none') -> Tensor");
  ops.function<&silu>("silu(Tensor input) -> Tensor");
  ops.function<&mish>("mish(Tensor input) -> Tensor");
  ops.function<&softplus>("softplus(Tensor input, float beta=1.0, float threshold=20.0) -> Tensor");
  ops.function<&softsign>("softsign(Tensor input) -> Tensor");
  ops.function<&logsigmoid>("logsigmoid(Tensor input) -> Tensor");
  ops.function<&hardtanh>("hardtanh(Tensor input, float min_val=-1.0, float max_val=1.0) -> Tensor");
  ops.function<&hardswish>("hardswish(Tensor input) -> Tensor");
  ops.function<&hardsigmoid>("hardsigmoid(Tensor input) -> Tensor");
  ops.op<&hardshrink>("hardshrink(Tensor input, float lambd=0.5) -> Tensor");
  ops.function<&softshrink>("softshrink(Tensor input, float lambd=0.5) -> Tensor");
  ops.function<&tanhshrink>("tanhshrink(Tensor input) -> Tensor");
  ops.function<&threshold>("threshold(Tensor input, float threshold, float value) -> Tensor");
  ops.function<&glu>("glu(Tensor input, int dim=-1) -> Tensor");
  ops.function<&dropout>("dropout(Tensor input, float p, bool train, Generator? generator=None) -> Tensor");

  // What inplace=True of nn.functional calls.
  ops.function<twin<"relu6_", &relu6>>("relu6_(Tensor input) -> Tensor");
  ops.function<twin<"leaky_relu_", &leaky_relu>>("leaky_relu_(Tensor input, float negative_slope=0.01) -> Tensor");
  ops.function<twin<"elu_", &elu>>("elu_(Tensor input, float alpha=1.0) -> Tensor");
  ops.function<twin<"celu_", &celu>>("celu_(Tensor input, float alpha=1.0) -> Tensor");
  ops.function<twin<"selu_", &selu>>("selu_(Tensor input) -> Tensor");
  ops.function<twin<"silu_", &silu>>("silu_(Tensor input) -> Tensor");
  ops.function<twin<"mish_", &mish>>("mish_(Tensor input) -> Tensor");
  ops.function<twin<"hardtanh_", &hardtanh>>(
      "hardtanh_(Tensor input, float min_val=-1.0, float max_val=1.0) -> Tensor");
  ops.function<twin<"hardswish_", &hardswish>>("hardswish_(Tensor input) -> Tensor");
  ops.function<twin<"hardsigmoid_", &hardsigmoid>>("hardsigmoid_(Tensor input) -> Tensor");
  ops.function<twin<"threshold_", &threshold>>("threshold_(Tensor input, float threshold, float value) -> Tensor");
  ops.function<twin<"rrelu_", &rrelu>>(
      "rrelu_(Tensor input, float lower=0.125, float upper=0.3333333333333333, bool training=False, Generator? "
      "generator=None) -> Tensor");
  ops.function<twin<"dropout_", &dropout>>(
      "dropout_(Tensor input, float p, bool train, Generator? generator=None) -> Tensor");
}

}  // namespace

void bind_activations(Ops& ops) {
  bind_comparison(ops);
  bind_ternary(ops);
  bind_activation(ops);
}

}  // namespace dlcore::bindings
