#include "bindings/op.h"
#include "ops/internal.h"

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
  ops.method<[](const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
    return inplace("addmm_", c, [&](const Tensor& x) { return addmm(x, a, b, beta, alpha); });
  }>("addmm_(Tensor input, Tensor mat1, Tensor mat2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.method<[](const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
    return inplace("addmv_", c, [&](const Tensor& x) { return addmv(x, a, b, beta, alpha); });
  }>("addmv_(Tensor input, Tensor mat, Tensor vec, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.method<[](const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
    return inplace("addr_", c, [&](const Tensor& x) { return addr(x, a, b, beta, alpha); });
  }>("addr_(Tensor input, Tensor vec1, Tensor vec2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.method<[](const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
    return inplace("baddbmm_", c, [&](const Tensor& x) { return baddbmm(x, a, b, beta, alpha); });
  }>("baddbmm_(Tensor input, Tensor batch1, Tensor batch2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.method<[](const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
    return inplace("addbmm_", c, [&](const Tensor& x) { return addbmm(x, a, b, beta, alpha); });
  }>("addbmm_(Tensor input, Tensor batch1, Tensor batch2, *, Number beta=1, Number alpha=1) -> Tensor");
  ops.function<&linear>("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor");
}

}  // namespace dlcore::bindings
