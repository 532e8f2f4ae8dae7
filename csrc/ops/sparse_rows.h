#pragma once
// What tensors of few rows (dlcore/ops/sparse.h) are made of. The rows hang on the storage, so that whatever shares it
// has them too, until one of these looks at an element and Storage::elements() makes them all.
#include "ops/internal.h"

namespace dlcore {

struct SparseRows {
  Dims sizes;              // of the whole tensor, which is contiguous
  Tensor indices;          // (n), int64, in memory of its own
  Tensor values;           // (n, sizes[1:])
  bool coalesced = false;  // the indices rise
};
using Rows = std::shared_ptr<const SparseRows>;

Tensor tensor_of_rows(SparseRows rows);

Rows find_rows(const TensorImpl& x);
// x's rows; null where x has elements, or is only a part of what the rows describe, or has a history.
inline Rows rows_of(const Tensor& x) { return x.impl()->storage->data ? Rows{} : find_rows(*x.impl()); }

// a + b in new memory, where one or both are of rows; of rows where both are.
Tensor add_rows(const Tensor& a, const Tensor& b);
// x += rows, without history.
void add_rows_into(const Tensor& x, const SparseRows& rows);
// x = f(rows of x), in place: SparseRows f(const SparseRows&).
template <class F>
Tensor change_rows(const char* op, const Tensor& x, const SparseRows& rows, const F& f) {
  check_inplace(op, x);
  const NoGrad no_grad;
  x.impl()->storage->rows = std::make_shared<const SparseRows>(f(rows));
  finish_inplace(x, {});
  return x;
}

}  // namespace dlcore
