#include "bindings/op.h"
#include "ops/internal.h"

namespace dlcore::bindings {

void bind_elementwise(Ops& ops) {
  ops.op<&add>("add(Number|Tensor input, Number|Tensor other, *, Number alpha=1) -> Tensor");
  ops.op<&sub>("sub(Number|Tensor input, Number|Tensor other, *, Number alpha=1) -> Tensor");
  ops.op<&mul>("mul(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&div>("div(Number|Tensor input, Number|Tensor other) -> Tensor");
  ops.op<&neg>("neg(Tensor input) -> Tensor");
}

}  // namespace dlcore::bindings
