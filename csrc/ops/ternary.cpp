#include "ops/elementwise.h"

#include <limits>

namespace dlcore {
namespace {

DType result_type3(const Tensor& a, const Tensor& b, const Tensor& c) { return result_type(TensorList{a, b, c}); }

Tensor scaled(const Tensor& x, Scalar s) { return s.to_double() == 1 ? x : mul(x, number(s)); }

void check_floating(const char* op, DType t) {
  DLCORE_CHECK(is_floating(t), NotImplementedError, op, ": not defined for ", name(t));
}

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
  DLCORE_CHECK(a.dtype() == b.dtype() && (weight.impl()->wrapped_number || weight.dtype() == a.dtype()), RuntimeError,
               "lerp: input, end and weight must have one dtype; got ", name(a.dtype()), ", ", name(b.dtype()), " and ",
               name(weight.dtype()));
  const DType t = a.dtype();
  check_floating("lerp", t);
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
  DLCORE_CHECK(t != DType::Bool, NotImplementedError, "addcmul: not defined for bool tensors");
  DLCORE_CHECK(is_floating(t) || !value.is_floating(), RuntimeError,
               "addcmul: value must be an integer where the inputs are, got ", value.to_double());
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
  DLCORE_CHECK(is_floating(a.dtype()) || is_floating(b.dtype()), RuntimeError,
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
  DType t = x.dtype();
  for (const auto& bound : {low, high})
    if (bound) t = promote_types(t, result_type(x, number(*bound)));
  DLCORE_CHECK(t != DType::Bool, NotImplementedError, "clamp: not defined for bool tensors");
  const auto bound = [&](Scalar s) {
    DLCORE_CHECK(is_floating(t) || t == DType::UInt8 || to_dtype(number(s), t).item().to_int() == s.to_int(),
                 RuntimeError, "clamp: the bound ", s.to_int(), " does not fit into ", name(t));
    return narrowed(number(s), t);
  };
  Tensor y = low && high ? compute({"clamp", ElementwiseOp::Clamp, row_dtype(t), t}, {x, bound(*low), bound(*high)})
             : low       ? compute({"clamp", ElementwiseOp::Maximum, row_dtype(t), t}, {x, bound(*low)})
                         : compute({"clamp", ElementwiseOp::Minimum, row_dtype(t), t}, {x, bound(*high)});
  if (needs_graph(x)) {
    constexpr double inf = std::numeric_limits<double>::infinity();
    record("clamp", y, {x},
           [low = low ? low->to_double() : -inf, high = high ? high->to_double() : inf, x = Saved(x)](Gradients& g) {
             g.set(0, [&] {
               if (is_grad_enabled()) return mul(g.dy(), logical_and(ge(x(), number(low)), le(x(), number(high))));
               return compute({"clamp_backward",
                               ElementwiseOp::ClampBackward,
                               row_dtype(g.dy().dtype()),
                               g.dy().dtype(),
                               {low, high}},
                              {g.dy(), x()});
             });
           });
  }
  return y;
}

namespace {

// max(x, low), or min(x, high) with the comparisons the other way round. Ties go to x, as does its gradient.
Tensor one_sided(ElementwiseOp op, const Tensor& x, const Tensor& bound, Tensor (*inside)(const Tensor&, const Tensor&),
                 Tensor (*outside)(const Tensor&, const Tensor&)) {
  const DType t = result_type(x, bound);
  DLCORE_CHECK(t != DType::Bool, NotImplementedError, "clamp: not defined for bool tensors");
  Tensor y = compute({"clamp", op, row_dtype(t), t}, {x, narrowed(bound, t)});
  if (needs_graph(x, bound))
    record("clamp", y, {x, bound}, [x = Saved(x), bound = Saved(bound), inside, outside](Gradients& g) {
      g.set(0, [&] { return mul(g.dy(), inside(x(), bound())); });
      g.set(1, [&] { return mul(g.dy(), outside(x(), bound())); });
    });
  return y;
}

}  // namespace

Tensor clamp_tensor(const Tensor& x, const Tensor& low, const Tensor& high) {
  DLCORE_CHECK(low.defined() || high.defined(), RuntimeError, "clamp: at least one of min and max must be given");
  const Tensor y = low.defined() ? one_sided(ElementwiseOp::Maximum, x, low, ge, lt) : x;
  return high.defined() ? one_sided(ElementwiseOp::Minimum, y, high, le, gt) : y;
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
