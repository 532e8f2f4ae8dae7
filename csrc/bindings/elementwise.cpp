#include "bindings/twin.h"

namespace dlcore::bindings {
namespace {

void bind_unary(Ops& ops) {
  ops.op<&abs>("abs(Tensor input) -> Tensor");
  ops.op<&abs_>("abs_(Tensor input) -> Tensor");
  ops.op<&sign>("sign(Tensor input) -> Tensor");
  ops.method<&sign_>("sign_(Tensor input) -> Tensor");
  ops.op<&floor>("floor(Tensor input) -> Tensor");
  ops.op<&floor_>("floor_(Tensor input) -> Tensor");
  ops.op<&ceil>("ceil(Tensor input) -> Tensor");
  ops.op<&ceil_>("ceil_(Tensor input) -> Tensor");
  ops.op<&trunc>("trunc(Tensor input) -> Tensor");
  ops.op<&trunc_>("trunc_(Tensor input) -> Tensor");
  ops.op<&square>("square(Tensor input) -> Tensor");
  ops.op<&square_>("square_(Tensor input) -> Tensor");
  ops.op<&reciprocal>("reciprocal(Tensor input) -> Tensor");
  ops.op<&reciprocal_>("reciprocal_(Tensor input) -> Tensor");
  ops.op<&exp>("exp(Tensor input) -> Tensor");
  ops.op<&exp_>("exp_(Tensor input) -> Tensor");
  ops.op<&exp2>("exp2(Tensor input) -> Tensor");
  ops.op<&exp2_>("exp2_(Tensor input) -> Tensor");
  ops.op<&expm1>("expm1(Tensor input) -> Tensor");
  ops.op<&expm1_>("expm1_(Tensor input) -> Tensor");
  ops.op<&log>("log(Tensor input) -> Tensor");
  ops.op<&log_>("log_(Tensor input) -> Tensor");
  ops.op<&log1p>("log1p(Tensor input) -> Tensor");
  ops.op<&log1p_>("log1p_(Tensor input) -> Tensor");
  ops.op<&log2>("log2(Tensor input) -> Tensor");
  ops.op<&log2_>("log2_(Tensor input) -> Tensor");
  ops.op<&log10>("log10(Tensor input) -> Tensor");
  ops.op<&log10_>("log10_(Tensor input) -> Tensor");
  ops.op<&sqrt>("sqrt(Tensor input) -> Tensor");
  ops.op<&sqrt_>("sqrt_(Tensor input) -> Tensor");
  ops.op<&rsqrt>("rsqrt(Tensor input) -> Tensor");
  ops.op<&rsqrt_>("rsqrt_(Tensor input) -> Tensor");
  ops.op<&sin>("sin(Tensor input) -> Tensor");
  ops.op<&sin_>("sin_(Tensor input) -> Tensor");
  ops.op<&cos>("cos(Tensor input) -> Tensor");
  ops.op<&cos_>("cos_(Tensor input) -> Tensor");
  ops.op<&tan>("tan(Tensor input) -> Tensor");
  ops.op<&tan_>("tan_(Tensor input) -> Tensor");
  ops.op<&asin>("asin(Tensor input) -> Tensor");
  ops.op<&asin_>("asin_(Tensor input) -> Tensor");
  ops.op<&acos>("acos(Tensor input) -> Tensor");
  ops.op<&acos_>("acos_(Tensor input) -> Tensor");
  ops.op<&atan>("atan(Tensor input) -> Tensor");
  ops.op<&atan_>("atan_(Tensor input) -> Tensor");
  ops.op<&sinh>("sinh(Tensor input) -> Tensor");
  ops.op<&sinh_>("sinh_(Tensor input) -> Tensor");
  ops.op<&cosh>("cosh(Tensor input) -> Tensor");
  ops.op<&cosh_>("cosh_(Tensor input) -> Tensor");
  ops.op<&tanh>("tanh(Tensor input) -> Tensor");
  ops.op<&tanh_>("tanh_(Tensor input) -> Tensor");
  ops.op<&asinh>("asinh(Tensor input) -> Tensor");
  ops.op<&asinh_>("asinh_(Tensor input) -> Tensor");
  ops.op<&acosh>("acosh(Tensor input) -> Tensor");
  ops.op<&acosh_>("acosh_(Tensor input) -> Tensor");
  ops.op<&atanh>("atanh(Tensor input) -> Tensor");
  ops.op<&atanh_>("atanh_(Tensor input) -> Tensor");
  ops.op<&sigmoid>("sigmoid(Tensor input) -> Tensor");
  ops.op<&sigmoid_>("sigmoid_(Tensor input) -> Tensor");
  ops.op<&erf>("erf(Tensor input) -> Tensor");
  ops.op<&erf_>("erf_(Tensor input) -> Tensor");
  ops.op<&erfc>("erfc(Tensor input) -> Tensor");
  ops.op<&erfc_>("erfc_(Tensor input) -> Tensor");
  ops.op<&erfinv>("erfinv(Tensor input) -> Tensor");
  ops.method<&erfinv_>("erfinv_(Tensor input) -> Tensor");
  ops.op<&lgamma>("lgamma(Tensor input) -> Tensor");
  ops.method<&lgamma_>("lgamma_(Tensor input) -> Tensor");
  ops.op<&digamma>("digamma(Tensor input) -> Tensor");
  ops.method<&digamma_>("digamma_(Tensor input) -> Tensor");
  ops.op<&neg>("neg(Tensor input) -> Tensor");
  ops.op<&neg_>("neg_(Tensor input) -> Tensor");
  ops.op<[](const Tensor& x) {
    DLCORE_CHECK(x.dtype() != DType::Bool, RuntimeError, "positive: not defined for bool tensors");
    return x;
  }>("positive(Tensor input) -> Tensor");
  ops.op<&frac>("frac(Tensor input) -> Tensor");
  ops.op<&frac_>("frac_(Tensor input) -> Tensor");
  ops.same("absolute", "abs");
  ops.same("absolute_", "abs_");
  ops.same("negative", "neg");
  ops.same("negative_", "neg_");
  ops.same("fix", "trunc");
  ops.same("fix_", "trunc_");
  ops.same("arcsin", "asin");
  ops.same("arcsin_", "asin_");
  ops.same("arccos", "acos");
  ops.same("arccos_", "acos_");
  ops.same("arctan", "atan");
  ops.same("arctan_", "atan_");
  ops.same("arcsinh", "asinh");
  ops.same("arcsinh_", "asinh_");
  ops.same("arccosh", "acosh");
  ops.same("arccosh_", "acosh_");
  ops.same("arctanh", "atanh");
  ops.same("arctanh_", "atanh_");
  ops.same("sgn", "sign");
  ops.same("sgn_", "sign_");
  ops.op<&round>("round(Tensor input, *, int decimals=0) -> Tensor");
  ops.op<&round_>("round_(Tensor input, *, int decimals=0) -> Tensor");
  ops.op<&logit>("logit(Tensor input, float? eps=None) -> Tensor");
  ops.op<&logit_>("logit_(Tensor input, float? eps=None) -> Tensor");
}

using Mode = std::optional<std::string>;

void bind_binary(Ops& ops) {
  ops.op<&add>("add(Number|Tensor input, Number|Tensor other, *, Number alpha=1) -> Tensor");
  ops.method<&add_>("add_(Tensor input, Number|Tensor other, *, Number alpha=1) -> Tensor");
  ops.op<&sub>("sub(Number|Tensor input, Number|Tensor other, *, Number alpha=1) -> Tensor");
  ops.method<&sub_>("sub_(Tensor input, Number|Tensor other, *, Number alpha=1) -> Tensor");
  ops.function<&rsub>("rsub(Tensor input, Number|Tensor other, *, Number alpha=1) -> Tensor");
  ops.op<&mul>("mul(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&mul_>("mul_(Tensor input, Number|Tensor other) -> Tensor");
  ops.op<static_cast<Tensor (*)(const Tensor&, const Tensor&, Mode)>(&div)>(
      "div(Number|Tensor input, Number|Tensor other, *, str? rounding_mode=None) -> Tensor");
  ops.method<static_cast<Tensor (*)(const Tensor&, const Tensor&, Mode)>(&div_)>(
      "div_(Tensor input, Number|Tensor other, *, str? rounding_mode=None) -> Tensor");
  ops.op<&floor_divide>("floor_divide(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&floor_divide_>("floor_divide_(Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&fmod>("fmod(Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&fmod_>("fmod_(Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&remainder>("remainder(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.method<&remainder_>("remainder_(Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&pow>("pow(Number|Tensor input, Number|Tensor exponent) -> Tensor");
  ops.method<&pow_>("pow_(Tensor input, Number|Tensor exponent) -> Tensor");
  ops.op<&float_power>("float_power(Number|Tensor input, Number|Tensor exponent) -> Tensor");
  ops.method<&float_power_>("float_power_(Tensor input, Number|Tensor exponent) -> Tensor");
  ops.op<&atan2>("atan2(Tensor input, Tensor other) -> Tensor");
  ops.method<&atan2_>("atan2_(Tensor input, Tensor other) -> Tensor");
  ops.op<&maximum>("maximum(Tensor input, Tensor other) -> Tensor");
  ops.op<&minimum>("minimum(Tensor input, Tensor other) -> Tensor");
  ops.op<&fmax>("fmax(Tensor input, Tensor other) -> Tensor");
  ops.op<&fmin>("fmin(Tensor input, Tensor other) -> Tensor");
  ops.op<&xlogy>("xlogy(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&xlogy_>("xlogy_(Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&logaddexp>("logaddexp(Tensor input, Tensor other) -> Tensor");
  ops.same("subtract", "sub");
  ops.same("subtract_", "sub_");
  ops.same("multiply", "mul");
  ops.same("multiply_", "mul_");
  ops.same("divide", "div");
  ops.same("divide_", "div_");
  ops.same("true_divide", "div");
  ops.same("true_divide_", "div_");
  ops.same("arctan2", "atan2");
  ops.same("arctan2_", "atan2_");
}

}  // namespace

void bind_elementwise(Ops& ops) {
  bind_unary(ops);
  bind_binary(ops);
  ops.method<[](const Tensor& x, const Tensor& src, bool) { return copy_(x, src); }>(
      "copy_(Tensor input, Number|Tensor src, bool non_blocking=False) -> Tensor");
  ops.op<&fill_>("fill_(Tensor input, Number|Tensor value) -> Tensor");
  ops.op<&zero_>("zero_(Tensor input) -> Tensor");
}

}  // namespace dlcore::bindings
