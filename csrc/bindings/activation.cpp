// Comparisons, activations, and the ops of three operands.
#include "bindings/op.h"
#include "ops/internal.h"

namespace dlcore::bindings {
namespace {

template <auto F>
Tensor in_place(const Tensor& x) {
  return inplace("in-place op", x, [](const Tensor& t) { return F(t); });
}
template <auto F>
Tensor in_place2(const Tensor& x, const Tensor& other) {
  return inplace("in-place op", x, [&](const Tensor& t) { return F(t, other); });
}

void bind_comparison(Ops& ops) {
  ops.op<&eq>("eq(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&ne>("ne(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&lt>("lt(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&le>("le(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&gt>("gt(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&ge>("ge(Number|Tensor input, Number|Tensor other) -> Tensor");
  for (auto [alias, name] :
       {std::pair{"not_equal", "ne"}, {"less", "lt"}, {"less_equal", "le"}, {"greater", "gt"}, {"greater_equal", "ge"}})
    ops.same(alias, name);
  ops.method<&in_place2<&eq>>("eq_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&in_place2<&ne>>("ne_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&in_place2<&lt>>("lt_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&in_place2<&le>>("le_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&in_place2<&gt>>("gt_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&in_place2<&ge>>("ge_(Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&logical_and>("logical_and(Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&logical_or>("logical_or(Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&logical_xor>("logical_xor(Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&logical_not>("logical_not(Tensor input) -> Tensor");
  ops.method<&in_place2<&logical_and>>("logical_and_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&in_place2<&logical_or>>("logical_or_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&in_place2<&logical_xor>>("logical_xor_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&in_place<&logical_not>>("logical_not_(Tensor input) -> Tensor");
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
  ops.method<&in_place2<&bitwise_and>>("bitwise_and_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&in_place2<&bitwise_or>>("bitwise_or_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&in_place2<&bitwise_xor>>("bitwise_xor_(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&in_place<&bitwise_not>>("bitwise_not_(Tensor input) -> Tensor");
}

void bind_ternary(Ops& ops) {
  ops.function<&where, [](const Tensor& condition) { return nonzero_tuple(condition); }>(
      "where",
      {"(Tensor condition, Number|Tensor input, Number|Tensor other) -> Tensor", "(Tensor condition) -> Tensor[]"});
  ops.method<[](const Tensor& x, const Tensor& condition, const Tensor& other) { return where(condition, x, other); }>(
      "where(Tensor input, Tensor condition, Number|Tensor other) -> Tensor");
  ops.op<&lerp>("lerp(Tensor input, Tensor end, Number|Tensor weight) -> Tensor");
  ops.method<[](const Tensor& x, const Tensor& end, const Tensor& weight) {
    return inplace("lerp_", x, [&](const Tensor& t) { return lerp(t, end, weight); });
  }>("lerp_(Tensor input, Tensor end, Number|Tensor weight) -> Tensor");
  ops.op<&addcmul>("addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1) -> Tensor");
  ops.op<&addcdiv>("addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1) -> Tensor");
  ops.method<[](const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
    return inplace("addcmul_", x, [&](const Tensor& t) { return addcmul(t, a, b, value); });
  }>("addcmul_(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1) -> Tensor");
  ops.method<[](const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
    return inplace("addcdiv_", x, [&](const Tensor& t) { return addcdiv(t, a, b, value); });
  }>("addcdiv_(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1) -> Tensor");
  for (const char* name : {"clamp", "clip"})
    ops.op<&clamp, &clamp_tensor>(name, {"(Tensor input, Number? min=None, Number? max=None) -> Tensor",
                                         "(Tensor input, Tensor? min=None, Tensor? max=None) -> Tensor"});
  constexpr auto clamp_number_ = [](const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high) {
    return inplace("clamp_", x, [&](const Tensor& t) { return clamp(t, low, high); });
  };
  constexpr auto clamp_tensor_ = [](const Tensor& x, const Tensor& low, const Tensor& high) {
    return inplace("clamp_", x, [&](const Tensor& t) { return clamp_tensor(t, low, high); });
  };
  for (const char* name : {"clamp_", "clip_"})
    ops.method<clamp_number_, clamp_tensor_>(name, {"(Tensor input, Number? min=None, Number? max=None) -> Tensor",
                                                    "(Tensor input, Tensor? min=None, Tensor? max=None) -> Tensor"});
  ops.op<[](const Tensor& x, Scalar low) { return clamp(x, low); },
         [](const Tensor& x, const Tensor& low) { return clamp_tensor(x, low); }>(
      "clamp_min", {"(Tensor input, Number min) -> Tensor", "(Tensor input, Tensor min) -> Tensor"});
  ops.op<[](const Tensor& x, Scalar high) { return clamp(x, {}, high); },
         [](const Tensor& x, const Tensor& high) { return clamp_tensor(x, {}, high); }>(
      "clamp_max", {"(Tensor input, Number max) -> Tensor", "(Tensor input, Tensor max) -> Tensor"});
  ops.method<[](const Tensor& x, Scalar low) {
    return inplace("clamp_min_", x, [&](const Tensor& t) { return clamp(t, low); });
  }>("clamp_min_(Tensor input, Number min) -> Tensor");
  ops.method<[](const Tensor& x, Scalar high) {
    return inplace("clamp_max_", x, [&](const Tensor& t) { return clamp(t, {}, high); });
  }>("clamp_max_(Tensor input, Number max) -> Tensor");
  ops.op<&nan_to_num>("nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor");
  ops.method<[](const Tensor& x, std::optional<double> nan, std::optional<double> posinf,
                std::optional<double> neginf) {
    return inplace("nan_to_num_", x, [&](const Tensor& t) { return nan_to_num(t, nan, posinf, neginf); });
  }>("nan_to_num_(Tensor input, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor");
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
  ops.function<&dropout>("dropout(Tensor input, float p=0.5, bool training=True, Generator? generator=None) -> Tensor");
}

}  // namespace

void bind_activations(Ops& ops) {
  bind_comparison(ops);
  bind_ternary(ops);
  bind_activation(ops);
}

}  // namespace dlcore::bindings
