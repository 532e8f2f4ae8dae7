#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {

// Each family of rows is a file of its own.
Row arithmetic_row(ElementwiseOp op, DType compute);
Row comparison_row(ElementwiseOp op, DType compute);
Row math_row(ElementwiseOp op, DType compute);
Row activation_row(ElementwiseOp op, DType compute);

namespace {

Row elementwise_row(ElementwiseOp op, DType compute) {
  if (op < ElementwiseOp::Eq) return arithmetic_row(op, compute);
  if (op < ElementwiseOp::Exp) return comparison_row(op, compute);
  if (op < ElementwiseOp::Relu) return math_row(op, compute);
  return activation_row(op, compute);
}

}  // namespace

void fill_elementwise(KernelTable& t) { t.elementwise_row = elementwise_row; }

}  // namespace dlcore::kernel::DLCORE_TIER
