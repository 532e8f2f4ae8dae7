#include "ops/elementwise.h"

namespace dlcore {

Tensor neg(const Tensor& x) {
  DLCORE_CHECK(x.dtype() != DType::Bool, RuntimeError, "neg: a bool tensor has no negative; use logical_not");
  Tensor y = compute({"neg", ElementwiseOp::Neg, row_dtype(x.dtype()), x.dtype()}, {x});
  record("neg", y, {x}, [](Gradients& g) { g.set(0, [&] { return neg(g.dy()); }); });
  return y;
}

}  // namespace dlcore
