#include "kernels/cpu/rows.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

struct Add { template <class V> DLCORE_INLINE V operator()(V a, V b) const { return a + b; } };
struct Sub { template <class V> DLCORE_INLINE V operator()(V a, V b) const { return a - b; } };
struct Mul { template <class V> DLCORE_INLINE V operator()(V a, V b) const { return a * b; } };
struct Div { template <class V> DLCORE_INLINE V operator()(V a, V b) const { return a / b; } };
struct Neg { template <class V> DLCORE_INLINE V operator()(V a) const { return -a; } };
struct AddScaled { template <class V> DLCORE_INLINE V operator()(V a, V b, V s) const { return fma(s, b, a); } };

}  // namespace

Row arithmetic_row(ElementwiseOp op, DType compute) {
  switch (op) {
    DLCORE_ELEMENTWISE_ARITHMETIC(DLCORE_ROW_CASE)
    default: return nullptr;
  }
}

void fill_elementwise(KernelTable& t) {
  t.elementwise_row = arithmetic_row;
}

}  // namespace dlcore::kernel::DLCORE_TIER
