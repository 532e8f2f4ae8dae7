#include "ops/elementwise.h"

namespace dlcore {
namespace {

// a + alpha b in the type that a and b promote to.
Tensor add_scaled(const char* op, const Tensor& a, const Tensor& b, Scalar alpha) {
  const DType t = result_type(a, b);
  if (alpha.kind() == Scalar::Kind::Int && alpha.to_int() == 1)
    return compute({op, ElementwiseOp::Add, row_dtype(t), t}, {a, b});
  DLCORE_CHECK(is_floating(t) || !alpha.is_floating(), RuntimeError, op,
               ": alpha must be an integer where the inputs are integers, got ", alpha.to_double());
  DLCORE_CHECK(t == DType::Bool || alpha.kind() != Scalar::Kind::Bool, RuntimeError, op,
               ": alpha may be a bool only where the result is bool, got a result of type ", name(t));
  return compute({op, ElementwiseOp::AddScaled, row_dtype(t), t}, {a, b, number(alpha)});
}

Scalar negative(Scalar s) { return s.is_floating() ? Scalar(-s.to_double()) : Scalar(-s.to_int()); }

Tensor scaled(const Tensor& x, Scalar alpha) { return alpha.to_double() == 1 ? x : mul(x, number(alpha)); }

}  // namespace

Tensor number(Scalar value) { return wrapped_number(value); }

Tensor add(const Tensor& a, const Tensor& b, Scalar alpha) {
  Tensor y = add_scaled("add", a, b, alpha);
  if (needs_graph(a, b))
    record("add", y, {a, b}, [alpha](Gradients& g) {
      g.set(0, [&] { return g.dy(); });
      g.set(1, [&] { return scaled(g.dy(), alpha); });
    });
  return y;
}

Tensor sub(const Tensor& a, const Tensor& b, Scalar alpha) {
  DLCORE_CHECK(a.dtype() != DType::Bool || b.dtype() != DType::Bool, RuntimeError,
               "sub: two bool tensors have no difference; use logical_xor or bitwise_xor");
  const bool plain = alpha.kind() == Scalar::Kind::Int && alpha.to_int() == 1;
  const DType t = result_type(a, b);
  Tensor y = plain ? compute({"sub", ElementwiseOp::Sub, row_dtype(t), t}, {a, b}) : add_scaled("sub", a, b, negative(alpha));
  if (needs_graph(a, b))
    record("sub", y, {a, b}, [alpha](Gradients& g) {
      g.set(0, [&] { return g.dy(); });
      g.set(1, [&] { return scaled(g.dy(), negative(alpha)); });
    });
  return y;
}

Tensor mul(const Tensor& a, const Tensor& b) {
  const DType t = result_type(a, b);
  Tensor y = compute({"mul", ElementwiseOp::Mul, row_dtype(t), t}, {a, b});
  if (needs_graph(a, b))
    record("mul", y, {a, b}, [a = Saved(requires_grad(b) ? a : Tensor{}), b = Saved(requires_grad(a) ? b : Tensor{})](Gradients& g) {
      g.set(0, [&] { return mul(g.dy(), b()); });
      g.set(1, [&] { return mul(g.dy(), a()); });
    });
  return y;
}

Tensor div(const Tensor& a, const Tensor& b) {
  const DType t = to_floating(result_type(a, b));
  Tensor y = compute({"div", ElementwiseOp::Div, row_dtype(t), t}, {a, b});
  if (needs_graph(a, b))
    record("div", y, {a, b}, [a = Saved(requires_grad(b) ? a : Tensor{}), b = Saved(b)](Gradients& g) {
      g.set(0, [&] { return div(g.dy(), b()); });
      g.set(1, [&] { return neg(mul(g.dy(), div(div(a(), b()), b()))); });
    });
  return y;
}

void add_into(const Tensor& sum, const Tensor& g) {
  compute_into(sum, {"add_", ElementwiseOp::Add, row_dtype(sum.dtype()), sum.dtype()}, {sum, g});
}

}  // namespace dlcore
