// Functions of one tensor: each line names the kernel, what dtypes it takes, and the gradient, with v what backward
// keeps.
#include <cmath>
#include <cstdlib>

#include "ops/elementwise.h"

namespace dlcore {
namespace {

enum class Takes : uint8_t {
  Floats,   // integers become the default floating point type
  Numbers,  // any dtype but bool
  Whole,    // as Numbers; integers are their own result
  Power,    // as Numbers; bool becomes int64
  Any,
};
enum class Keeps : uint8_t { Nothing, Input, Result };

struct Unary {
  const char* name;
  ElementwiseOp op;
  Takes takes;
  Keeps keeps;
  Tensor (*dx)(const Tensor& dy, const Tensor& v);
};

Elementwise plan(const Unary& u, const Tensor& x) {
  const DType t = x.dtype();
  DLCORE_CHECK(t != DType::Bool || (u.takes != Takes::Numbers && u.takes != Takes::Whole), NotImplementedError, u.name,
               ": input must be a number, but its dtype is bool");
  const bool counts = u.takes == Takes::Power && t == DType::Bool;
  const DType result = u.takes == Takes::Floats ? to_floating(t) : counts ? DType::Int64 : t;
  return {u.name, u.takes == Takes::Whole && !is_floating(t) ? ElementwiseOp::Copy : u.op, row_dtype(result), result};
}

Tensor unary(const Unary& u, const Tensor& x) {
  Tensor y = compute(plan(u, x), {x});
  if (needs_graph(x)) {
    const bool result = u.keeps == Keeps::Result;
    Saved v = result ? Saved::output(y) : u.keeps == Keeps::Input ? Saved(x) : Saved();
    record(u.name, y, {x}, [dx = u.dx, v = std::move(v), result](Gradients& g) {
      g.set(0, [&] { return dx(g.dy(), result ? v.get(g) : v.get()); });
    });
  }
  return y;
}

Tensor unary_(const Unary& u, const char* name, const Tensor& x) {
  return inplace_op(name, x, plan(u, x), {x}, needs_graph(x), [&](const Tensor& old) { return unary(u, old); });
}

Tensor zeros_like_dy(const Tensor& dy) {
  return mul(dy.detach(), number(0));  // of dy's own order in memory
}
Tensor plus(const Tensor& x, double c) { return add(x, number(c)); }
Tensor times(const Tensor& x, double c) { return mul(x, number(c)); }
Tensor no_trigamma() { fail<NotImplementedError>("digamma: its gradient, the trigamma function, is not there"); }
// Where the backward row is faster, but its formula must be differentiable again.
Tensor fused(const char* name, ElementwiseOp op, const Tensor& dy, const Tensor& v) {
  return compute({name, op, row_dtype(dy.dtype()), dy.dtype()}, {dy, v});
}

}  // namespace

#define DLCORE_UNARY(name, op, takes, keeps, formula)                                       \
  static constexpr Unary name##_unary{#name, ElementwiseOp::op, Takes::takes, Keeps::keeps, \
                                      +[](const Tensor& dy, const Tensor& v) -> Tensor {    \
                                        (void)v;                                            \
                                        return formula;                                     \
                                      }};                                                   \
  Tensor name(const Tensor& x) { return unary(name##_unary, x); }                           \
  Tensor name##_(const Tensor& x) { return unary_(name##_unary, #name "_", x); }

DLCORE_UNARY(abs, Abs, Numbers, Input, mul(dy, sign(v)))
DLCORE_UNARY(sign, Sign, Any, Nothing, zeros_like_dy(dy))
DLCORE_UNARY(floor, Floor, Whole, Nothing, zeros_like_dy(dy))
DLCORE_UNARY(ceil, Ceil, Whole, Nothing, zeros_like_dy(dy))
DLCORE_UNARY(trunc, Trunc, Whole, Nothing, zeros_like_dy(dy))
static constexpr Unary round_unary{"round", ElementwiseOp::Round, Takes::Whole, Keeps::Nothing,
                                   +[](const Tensor& dy, const Tensor&) { return zeros_like_dy(dy); }};
DLCORE_UNARY(square, Square, Power, Input, mul(dy, times(v, 2)))
DLCORE_UNARY(reciprocal, Reciprocal, Floats, Result, neg(mul(dy, mul(v, v))))

DLCORE_UNARY(exp, Exp, Floats, Result, mul(dy, v))
DLCORE_UNARY(exp2, Exp2, Floats, Result, mul(dy, times(v, 0.6931471805599453)))
DLCORE_UNARY(expm1, Expm1, Floats, Result, mul(dy, plus(v, 1)))
DLCORE_UNARY(log, Log, Floats, Input, div(dy, v))
DLCORE_UNARY(log1p, Log1p, Floats, Input, div(dy, plus(v, 1)))
DLCORE_UNARY(log2, Log2, Floats, Input, div(dy, times(v, 0.6931471805599453)))
DLCORE_UNARY(log10, Log10, Floats, Input, div(dy, times(v, 2.302585092994046)))
DLCORE_UNARY(sqrt, Sqrt, Floats, Result, div(dy, times(v, 2)))
DLCORE_UNARY(rsqrt, Rsqrt, Floats, Result, times(mul(dy, mul(v, mul(v, v))), -0.5))

DLCORE_UNARY(sin, Sin, Floats, Input, mul(dy, cos(v)))
DLCORE_UNARY(cos, Cos, Floats, Input, neg(mul(dy, sin(v))))
DLCORE_UNARY(tan, Tan, Floats, Result, mul(dy, plus(mul(v, v), 1)))
DLCORE_UNARY(asin, Asin, Floats, Input, mul(dy, rsqrt(sub(number(1), mul(v, v)))))
DLCORE_UNARY(acos, Acos, Floats, Input, neg(mul(dy, rsqrt(sub(number(1), mul(v, v))))))
DLCORE_UNARY(atan, Atan, Floats, Input, div(dy, plus(mul(v, v), 1)))
DLCORE_UNARY(sinh, Sinh, Floats, Input, mul(dy, cosh(v)))
DLCORE_UNARY(cosh, Cosh, Floats, Input, mul(dy, sinh(v)))
DLCORE_UNARY(tanh, Tanh, Floats, Result,
             is_grad_enabled() ? mul(dy, sub(number(1), mul(v, v)))
                               : fused("tanh_backward", ElementwiseOp::TanhBackward, dy, v))
DLCORE_UNARY(asinh, Asinh, Floats, Input, mul(dy, rsqrt(plus(mul(v, v), 1))))
DLCORE_UNARY(acosh, Acosh, Floats, Input, mul(dy, rsqrt(plus(mul(v, v), -1))))
DLCORE_UNARY(atanh, Atanh, Floats, Input, div(dy, sub(number(1), mul(v, v))))

DLCORE_UNARY(sigmoid, Sigmoid, Floats, Result,
             is_grad_enabled() ? mul(dy, mul(v, sub(number(1), v)))
                               : fused("sigmoid_backward", ElementwiseOp::SigmoidBackward, dy, v))
DLCORE_UNARY(erf, Erf, Floats, Input, mul(dy, times(exp(neg(mul(v, v))), 1.1283791670955126)))
DLCORE_UNARY(erfc, Erfc, Floats, Input, mul(dy, times(exp(neg(mul(v, v))), -1.1283791670955126)))
DLCORE_UNARY(erfinv, Erfinv, Floats, Result, mul(dy, times(exp(mul(v, v)), 0.886226925452758)))
DLCORE_UNARY(lgamma, Lgamma, Floats, Input, mul(dy, digamma(v)))
DLCORE_UNARY(digamma, Digamma, Floats, Input, no_trigamma())

#undef DLCORE_UNARY

static constexpr Unary neg_unary{"neg", ElementwiseOp::Neg, Takes::Numbers, Keeps::Nothing,
                                 +[](const Tensor& dy, const Tensor&) { return neg(dy); }};
static void check_negatable(const Tensor& x) {
  DLCORE_CHECK(x.dtype() != DType::Bool, RuntimeError, "neg: a bool tensor has no negative; use logical_not");
}
Tensor neg(const Tensor& x) {
  check_negatable(x);
  return unary(neg_unary, x);
}
Tensor neg_(const Tensor& x) {
  check_negatable(x);
  return unary_(neg_unary, "neg_", x);
}

Tensor frac(const Tensor& x) {
  DLCORE_CHECK(is_floating(x.dtype()), NotImplementedError, "frac: input must be floating point, got ",
               name(x.dtype()));
  return sub(x, trunc(x));
}
Tensor frac_(const Tensor& x) {
  return inplace("frac_", x, [](const Tensor& old) { return frac(old); });
}

Tensor round(const Tensor& x, int64_t decimals) {
  if (decimals == 0) return unary(round_unary, x);
  DLCORE_CHECK(is_floating(x.dtype()), NotImplementedError, "round: decimals is for floating point tensors, got ",
               name(x.dtype()));
  // Scaled by the positive power of ten, which is exact, so that 0.5 at any place is still half.
  const Tensor power = number(std::pow(10.0, static_cast<double>(std::llabs(decimals))));
  return decimals > 0 ? div(unary(round_unary, mul(x, power)), power) : mul(unary(round_unary, div(x, power)), power);
}
Tensor round_(const Tensor& x, int64_t decimals) {
  if (decimals == 0) return unary_(round_unary, "round_", x);
  return inplace("round_", x, [&](const Tensor& old) { return round(old, decimals); });
}

Tensor logit(const Tensor& x, std::optional<double> eps) {
  const DType t = to_floating(x.dtype());
  const double e = eps.value_or(-1);
  Tensor y = compute({"logit", ElementwiseOp::Logit, row_dtype(t), t, {e}}, {x});
  if (needs_graph(x))
    record("logit", y, {x}, [x = Saved(x), e](Gradients& g) {
      g.set(0, [&] {
        const Tensor& v = x();
        const Tensor d = div(g.dy(), mul(v, sub(number(1), v)));
        if (e < 0) return d;
        const Tensor inside =
            compute({"logit", ElementwiseOp::ClampBackward, row_dtype(v.dtype()), v.dtype(), {e, 1 - e}},
                    {number(1), v.detach()});
        return mul(d, inside);
      });
    });
  return y;
}
Tensor logit_(const Tensor& x, std::optional<double> eps) {
  return inplace("logit_", x, [&](const Tensor& old) { return logit(old, eps); });
}

}  // namespace dlcore
