#include "dlcore/ops/sparse.h"

#include "bindings/op.h"
#include "ops/internal.h"

namespace dlcore::bindings {

void bind_sparse(Ops& ops) {
  ops.method<[](const Tensor& x, std::optional<DType> dtype, std::optional<bool>) {
    const Tensor y = to_dense(x);
    return dtype ? to_dtype(y, *dtype) : y;
  }>("to_dense(Tensor input, dtype? dtype=None, *, bool? masked_grad=None) -> Tensor");
  ops.method<&coalesce>("coalesce(Tensor input) -> Tensor");
  ops.method<&is_coalesced>("is_coalesced(Tensor input) -> bool");
  ops.method<[](const Tensor& x) { return sparse_indices(x); }>("indices(Tensor input) -> Tensor");
  ops.method<[](const Tensor& x) { return sparse_values(x); }>("values(Tensor input) -> Tensor");
  ops.method<[](const Tensor& x) { return sparse_indices(x, true); }>("_indices(Tensor input) -> Tensor");
  ops.method<[](const Tensor& x) { return sparse_values(x, true); }>("_values(Tensor input) -> Tensor");
  ops.method<&sparse_nnz>("_nnz(Tensor input) -> int");
  ops.method<&sparse_dim>("sparse_dim(Tensor input) -> int");
  ops.method<&dense_dim>("dense_dim(Tensor input) -> int");
}

}  // namespace dlcore::bindings
