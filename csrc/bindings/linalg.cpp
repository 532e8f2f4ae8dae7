#include "bindings/twin.h"

namespace dlcore::bindings {

void bind_linalg(Ops& ops) {
  ops.op<&matmul>("matmul(Tensor input, Tensor other) -> Tensor");
  ops.method<&matmul>("__matmul__(Tensor input, Tensor other) -> Tensor");
  ops.op<&mm>("mm(Tensor input, Tensor mat2) -> Tensor");
  ops.op<&bmm>("bmm(Tensor input, Tensor mat2) -> Tensor");
  ops.op<&mv>("mv(Tensor input, Tensor vec) -> Tensor");
  ops.op<&dot>("dot(Tensor input, Tensor tensor) -> Tensor");
  ops.op<&dot>("vdot(Tensor input, Tensor other) -> Tensor");
  ops.op<&inner>("inner(Tensor input, Tensor other) -> Tensor");
  ops.op<&outer>("outer(Tensor input, Tensor vec2) -> Tensor");
  ops.same("ger", "outer");
  ops.op<&addmm>("addmm(Tensor input, Tensor mat1, Tensor mat2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.op<&addmv>("addmv(Tensor input, Tensor mat, Tensor vec, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.op<&addr>("addr(Tensor input, Tensor vec1, Tensor vec2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.op<&baddbmm>("baddbmm(Tensor input, Tensor batch1, Tensor batch2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.op<&addbmm>("addbmm(Tensor input, Tensor batch1, Tensor batch2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.method<twin<"addmm_", &addmm>>(
      "addmm_(Tensor input, Tensor mat1, Tensor mat2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.op<twin<"addmv_", &addmv>>(
      "addmv_(Tensor input, Tensor mat, Tensor vec, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.method<twin<"addr_", &addr>>(
      "addr_(Tensor input, Tensor vec1, Tensor vec2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.method<twin<"baddbmm_", &baddbmm>>(
      "baddbmm_(Tensor input, Tensor batch1, Tensor batch2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.method<twin<"addbmm_", &addbmm>>(
      "addbmm_(Tensor input, Tensor batch1, Tensor batch2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.function<&linear>("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor");
}

}  // namespace dlcore::bindings
