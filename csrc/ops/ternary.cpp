#include "ops/elementwise.h"

#include <limits>

namespace dlcore {
namespace {

DType result_type3(const Tensor& a, const Tensor& b, const Tensor& c) { return result_type(TensorList{a, b, c}); }

Tensor scaled(const Tensor& x, Scalar s) { return s.to_double() == 1 ? x : mul(x, number(s)); }

// A clamp's bound in x's row type: out-of-range bounds of small integers must not wrap.
Tensor bound(Scalar s) { return number(s); }

}  // namespace

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  DLCORE_CHECK(condition.dtype() == DType::Bool || condition.dtype() == DType::UInt8, RuntimeError,
               "where: condition must be a bool tensor, got ", name(condition.dtype()));
  const DType t = result_type(a, b);
  Tensor y = compute({"where", ElementwiseOp::Where, row_dtype(t), t}, {condition, a, b});
  if (needs_graph(a, b))
    record("where", y, {condition, a, b}, [condition = Saved(condition)](Gradients& g) {
      const Tensor zero = zeros({}, g.dy().dtype());
      g.set(1, [&] { return where(condition(), g.dy(), zero); });
      g.set(2, [&] { return where(condition(), zero, g.dy()); });
    });
  return y;
}

Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight) {
  const DType t = result_type3(a, b, weight);
  DLCORE_CHECK(is_floating(t), RuntimeError, "lerp: expected floating point tensors but got ", name(a.dtype()));
  Tensor y = compute({"lerp", ElementwiseOp::Lerp, row_dtype(t), t}, {a, b, weight});
  if (needs_graph(a, b, weight))
    record("lerp", y, {a, b, weight}, [a = Saved(a), b = Saved(b), w = Saved(weight)](Gradients& g) {
      g.set(0, [&] { return sub(g.dy(), mul(g.dy(), w())); });
      g.set(1, [&] { return mul(g.dy(), w()); });
      g.set(2, [&] { return mul(g.dy(), sub(b(), a())); });
    });
  return y;
}

Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
  const DType t = result_type3(x, a, b);
  Tensor y = compute({"addcmul", ElementwiseOp::AddCMul, row_dtype(t), t}, {x, a, b, number(value)});
  if (needs_graph(x, a, b))
    record("addcmul", y, {x, a, b}, [a = Saved(a), b = Saved(b), value](Gradients& g) {
      g.set(0, [&] { return g.dy(); });
      g.set(1, [&] { return scaled(mul(g.dy(), b()), value); });
      g.set(2, [&] { return scaled(mul(g.dy(), a()), value); });
    });
  return y;
}

Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value) {
  const DType t = result_type3(x, a, b);
  DLCORE_CHECK(is_floating(t), RuntimeError,
               "addcdiv: integer division is not supported here; convert to floating point first");
  Tensor y = compute({"addcdiv", ElementwiseOp::AddCDiv, row_dtype(t), t}, {x, a, b, number(value)});
  if (needs_graph(x, a, b))
    record("addcdiv", y, {x, a, b}, [a = Saved(a), b = Saved(b), value](Gradients& g) {
      g.set(0, [&] { return g.dy(); });
      g.set(1, [&] { return scaled(div(g.dy(), b()), value); });
      g.set(2, [&] { return neg(scaled(mul(g.dy(), div(div(a(), b()), b())), value)); });
    });
  return y;
}

Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high) {
  DLCORE_CHECK(low || high, RuntimeError, "clamp: at least one of min and max must be given");
  const bool floats = (low && low->is_floating()) || (high && high->is_floating());
  DLCORE_CHECK(x.dtype() != DType::Bool, RuntimeError, "clamp: not defined for bool tensors");
  const DType t = floats ? to_floating(x.dtype()) : x.dtype();
  constexpr double inf = std::numeric_limits<double>::infinity();
  const bool integers = !is_floating(t);
  const Scalar lowest = integers ? Scalar(std::numeric_limits<int64_t>::min()) : Scalar(-inf);
  const Scalar highest = integers ? Scalar(std::numeric_limits<int64_t>::max()) : Scalar(inf);
  const DType row = integers ? DType::Int64 : row_dtype(t);
  Tensor y =
      compute({"clamp", ElementwiseOp::Clamp, row, t}, {x, bound(low.value_or(lowest)), bound(high.value_or(highest))});
  if (needs_graph(x))
    record("clamp", y, {x},
           [low = low.value_or(lowest).to_double(), high = high.value_or(highest).to_double(),
            x = Saved(x)](Gradients& g) {
             g.set(0, [&] {
               if (is_grad_enabled()) {
                 const Tensor inside = logical_and(ge(x(), number(low)), le(x(), number(high)));
                 return mul(g.dy(), inside);
               }
               return compute({"clamp_backward",
                               ElementwiseOp::ClampBackward,
                               row_dtype(g.dy().dtype()),
                               g.dy().dtype(),
                               {low, high}},
                              {g.dy(), x()});
             });
           });
  return y;
}

Tensor clamp_tensor(const Tensor& x, const Tensor& low, const Tensor& high) {
  DLCORE_CHECK(low.defined() || high.defined(), RuntimeError, "clamp: at least one of min and max must be given");
  // Ties go to x, as its gradient does.
  Tensor y = x;
  if (low.defined()) y = where(lt(y, low), low, y);
  if (high.defined()) y = where(gt(y, high), high, y);
  return y;
}

Tensor clamp_min(const Tensor& x, const Tensor& low) { return clamp_tensor(x, low); }

Tensor nan_to_num(const Tensor& x, std::optional<double> nan, std::optional<double> posinf,
                  std::optional<double> neginf) {
  if (!is_floating(x.dtype())) return clone(x);
  constexpr double largest[] = {0x1.fffffep127, std::numeric_limits<double>::max(), 0x1.fep127, 65504.0};
  const double limit = largest[static_cast<int>(x.dtype())];
  Tensor y = compute({"nan_to_num",
                      ElementwiseOp::NanToNum,
                      row_dtype(x.dtype()),
                      x.dtype(),
                      {nan.value_or(0), posinf.value_or(limit), neginf.value_or(-limit)}},
                     {x});
  if (needs_graph(x))
    record("nan_to_num", y, {x},
           [x = Saved(x)](Gradients& g) { g.set(0, [&] { return mul(g.dy(), isfinite(x())); }); });
  return y;
}

}  // namespace dlcore
