#include "ops/elementwise.h"

// Ops with bool results, and the bitwise ops. Nothing here has a gradient.
namespace dlcore {
namespace {

Tensor order(const char* name, ElementwiseOp op, const Tensor& a, const Tensor& b) {
  const DType t = result_type(a, b);
  return compute({name, op, row_dtype(t), DType::Bool}, {narrowed(a, t), narrowed(b, t)});
}

// eq, ne and the logical ops, which have rows for bools as they are
Tensor truth(const char* name, ElementwiseOp op, const Tensor& a, const Tensor& b) {
  const DType t = result_type(a, b);
  return compute({name, op, truth_row_dtype(t), DType::Bool}, {narrowed(a, t), narrowed(b, t)});
}

Tensor bitwise(const char* op_name, ElementwiseOp op, const Tensor& a, const Tensor& b, bool shifts = false) {
  const DType t = result_type(a, b);
  DLCORE_CHECK(!is_floating(t) && !(shifts && t == DType::Bool), NotImplementedError, op_name, ": not defined for ",
               name(a.dtype()), " and ", name(b.dtype()));
  return compute({op_name, op, shifts ? row_dtype(t) : truth_row_dtype(t), t}, {narrowed(a, t), narrowed(b, t)});
}

Tensor test(const char* name, ElementwiseOp op, const Tensor& x) {
  return compute({name, op, truth_row_dtype(x.dtype()), DType::Bool}, {x});
}

}  // namespace

Tensor eq(const Tensor& a, const Tensor& b) { return truth("eq", ElementwiseOp::Eq, a, b); }
Tensor ne(const Tensor& a, const Tensor& b) { return truth("ne", ElementwiseOp::Ne, a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return order("lt", ElementwiseOp::Lt, a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return order("le", ElementwiseOp::Le, a, b); }
Tensor gt(const Tensor& a, const Tensor& b) { return order("gt", ElementwiseOp::Gt, a, b); }
Tensor ge(const Tensor& a, const Tensor& b) { return order("ge", ElementwiseOp::Ge, a, b); }
Tensor logical_and(const Tensor& a, const Tensor& b) { return truth("logical_and", ElementwiseOp::LogicalAnd, a, b); }
Tensor logical_or(const Tensor& a, const Tensor& b) { return truth("logical_or", ElementwiseOp::LogicalOr, a, b); }
Tensor logical_xor(const Tensor& a, const Tensor& b) { return truth("logical_xor", ElementwiseOp::LogicalXor, a, b); }
Tensor logical_not(const Tensor& x) { return test("logical_not", ElementwiseOp::LogicalNot, x); }

// An integer is neither NaN nor infinite.
Tensor isnan(const Tensor& x) {
  return is_floating(x.dtype()) ? test("isnan", ElementwiseOp::IsNan, x) : full(x.sizes(), false, DType::Bool);
}
Tensor isinf(const Tensor& x) {
  return is_floating(x.dtype()) ? test("isinf", ElementwiseOp::IsInf, x) : full(x.sizes(), false, DType::Bool);
}
Tensor isfinite(const Tensor& x) {
  return is_floating(x.dtype()) ? test("isfinite", ElementwiseOp::IsFinite, x) : full(x.sizes(), true, DType::Bool);
}

Tensor isclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  DLCORE_CHECK(a.dtype() == b.dtype(), RuntimeError, "isclose: expected tensors of the same dtype but got ",
               name(a.dtype()), " and ", name(b.dtype()));
  DLCORE_CHECK(rtol >= 0 && atol >= 0, RuntimeError, "isclose: rtol and atol must be at least 0, got ", rtol, " and ",
               atol);
  return compute(
      {"isclose", ElementwiseOp::IsClose, row_dtype(a.dtype()), DType::Bool, {rtol, atol, equal_nan ? 1.0 : 0.0}},
      {a, b});
}

bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  return all(isclose(a, b, rtol, atol, equal_nan)).item().to_bool();
}

bool equal(const Tensor& a, const Tensor& b) {
  DLCORE_CHECK(a.dtype() == b.dtype(), RuntimeError, "equal: expected tensors of the same dtype but got ",
               name(a.dtype()), " and ", name(b.dtype()));
  return a.sizes() == b.sizes() && all(eq(a, b)).item().to_bool();
}

Tensor isin(const Tensor& elements, const Tensor& test_elements, bool, bool invert) {
  DLCORE_CHECK(elements.dtype() != DType::Bool && test_elements.dtype() != DType::Bool, RuntimeError,
               "isin: not defined for bool tensors");
  if (test_elements.numel() == 0) return full(elements.sizes(), invert, DType::Bool);
  // The place in the sorted test elements where each element would go, and whether it is there already.
  const DType t = result_type(elements, test_elements);
  const Tensor values = to_dtype(elements.detach(), t);
  const Tensor sorted = std::get<0>(sort(reshape(to_dtype(test_elements.detach(), t), {-1})));
  const Tensor at = clamp(searchsorted(sorted, values), Scalar(0), Scalar(sorted.numel() - 1));
  const Tensor found = eq(reshape(index_select(sorted, 0, reshape(at, {-1})), values.sizes()), values);
  return invert ? logical_not(found) : found;
}

Tensor bitwise_and(const Tensor& a, const Tensor& b) { return bitwise("bitwise_and", ElementwiseOp::BitwiseAnd, a, b); }
Tensor bitwise_or(const Tensor& a, const Tensor& b) { return bitwise("bitwise_or", ElementwiseOp::BitwiseOr, a, b); }
Tensor bitwise_xor(const Tensor& a, const Tensor& b) { return bitwise("bitwise_xor", ElementwiseOp::BitwiseXor, a, b); }
Tensor bitwise_left_shift(const Tensor& a, const Tensor& b) {
  return bitwise("bitwise_left_shift", ElementwiseOp::ShiftLeft, a, b, true);
}
Tensor bitwise_right_shift(const Tensor& a, const Tensor& b) {
  return bitwise("bitwise_right_shift", ElementwiseOp::ShiftRight, a, b, true);
}

Tensor bitwise_not(const Tensor& x) {
  if (x.dtype() == DType::Bool) return logical_not(x);
  DLCORE_CHECK(!is_floating(x.dtype()), NotImplementedError, "bitwise_not: not defined for ", name(x.dtype()));
  return compute({"bitwise_not", ElementwiseOp::BitwiseNot, row_dtype(x.dtype()), x.dtype()}, {x});
}

}  // namespace dlcore
