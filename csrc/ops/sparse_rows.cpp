#include "ops/sparse_rows.h"

#include "dlcore/ops/sparse.h"

namespace dlcore {
namespace {

Tensor elements_of(const SparseRows& rows) {
  const NoGrad no_grad;
  return index_add_(zeros(rows.sizes, rows.values.dtype()), 0, rows.indices, rows.values);
}

// Rows of one index summed, in their order; the indices rise.
SparseRows merged(const SparseRows& rows) {
  const NoGrad no_grad;
  const Unique u = unique(rows.indices, true);
  Dims sizes = rows.sizes;
  sizes[0] = u.values.numel();
  return {rows.sizes, u.values, index_add_(zeros(sizes, rows.values.dtype()), 0, u.inverse, rows.values), true};
}

// a's rows and then b's. More of them than the tensor has are merged, so that no sum takes more memory than it.
SparseRows joined(const SparseRows& a, const SparseRows& b) {
  DLCORE_CHECK(a.sizes == b.sizes, RuntimeError, "add: gradients of rows must have one shape; expected ", a.sizes,
               " but got ", b.sizes);
  const NoGrad no_grad;
  SparseRows sum{a.sizes, cat({a.indices, b.indices}, 0), cat({a.values, b.values}, 0), false};
  return sum.indices.numel() > sum.sizes[0] ? merged(sum) : sum;
}

Rows rows_for(const char* op, const Tensor& x) {
  Rows rows = rows_of(x);
  DLCORE_CHECK(rows, RuntimeError, op, ": expected a tensor of layout sparse_coo but got a strided one of shape ",
               x.sizes());
  return rows;
}

Rows coalesced_rows_for(const char* op, const Tensor& x, bool any) {
  Rows rows = rows_for(op, x);
  DLCORE_CHECK(any || rows->coalesced, RuntimeError, op, ": the tensor is not coalesced; call coalesce() first");
  return rows;
}

}  // namespace

// Threads that come here at once each make the elements, and the first one's stay: nobody waits.
void* Storage::make_elements() {
  if (const Rows known = rows.load()) {
    const Tensor x = elements_of(*known);
    void *none = nullptr, *&made = x.impl()->storage->data;
    if (std::atomic_ref(data).compare_exchange_strong(none, made)) made = nullptr;
    rows.store(nullptr);
  }
  return std::atomic_ref(data).load();
}

Tensor tensor_of_rows(SparseRows rows) {
  Tensor x = new_tensor({0}, rows.values.dtype());
  TensorImpl& t = *x.impl();
  t.sizes = rows.sizes;
  t.strides = contiguous_strides(rows.sizes);
  refresh_geometry(t);
  t.storage->bytes = checked_numel("sparse", rows.sizes) * item_size(t.dtype);
  t.storage->rows = std::make_shared<const SparseRows>(std::move(rows));
  return x;
}

Rows find_rows(const TensorImpl& x) {
  Rows rows = x.storage->rows.load();
  const bool whole = rows && x.sizes == rows->sizes && x.contiguous && x.offset == 0 && x.dtype == rows->values.dtype();
  return whole && !requires_grad(x) ? rows : Rows{};
}

void add_rows_into(const Tensor& x, const SparseRows& rows) {
  const NoGrad no_grad;
  if (const Rows own = rows_of(x))
    x.impl()->storage->rows = std::make_shared<const SparseRows>(joined(*own, rows));
  else
    index_add_(x, 0, rows.indices, rows.values);
}

Tensor add_rows(const Tensor& a, const Tensor& b) {
  const Rows x = rows_of(a), y = rows_of(b);
  if (x && y) return tensor_of_rows(joined(*x, *y));
  Tensor sum = clone(x ? b : a);
  add_rows_into(sum.detach(), x ? *x : *y);
  return sum;
}

bool is_sparse(const Tensor& x) { return rows_of(x) != nullptr; }
bool is_coalesced(const Tensor& x) { return rows_for("is_coalesced", x)->coalesced; }

Tensor to_dense(const Tensor& x) {
  const Rows rows = rows_of(x);
  return rows ? elements_of(*rows) : x;
}

Tensor coalesce(const Tensor& x) {
  const Rows rows = rows_for("coalesce", x);
  return rows->coalesced ? x : tensor_of_rows(merged(*rows));
}

Tensor sparse_indices(const Tensor& x, bool any) {
  const Rows rows = coalesced_rows_for("indices", x, any);
  return clone(unsqueeze(rows->indices, 0)).detach();
}

Tensor sparse_values(const Tensor& x, bool any) { return coalesced_rows_for("values", x, any)->values.detach(); }
int64_t sparse_nnz(const Tensor& x) { return rows_for("_nnz", x)->indices.numel(); }
int64_t sparse_dim(const Tensor& x) { return is_sparse(x) ? 1 : 0; }
int64_t dense_dim(const Tensor& x) { return x.dim() - sparse_dim(x); }

}  // namespace dlcore
