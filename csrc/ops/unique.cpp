// Distinct elements and slices: sorted, equals are neighbours, and every run of them counts once.
#include "dlcore/ops/indexing.h"
#include "ops/internal.h"

namespace dlcore {
namespace {

// Starts of the runs of equal neighbours among the rows of x (n, ...), as a mask (n).
Tensor run_starts(const Tensor& x) {
  const int64_t n = x.size(0);
  Tensor starts = ones({n}, DType::Bool);
  if (n < 2) return starts;
  Tensor differs = ne(narrow(x, 0, 1, n - 1), narrow(x, 0, 0, n - 1));
  if (differs.dim() > 1) differs = any(reshape(differs, {n - 1, -1}), IntSpan({1}));
  copy_data(narrow(starts, 0, 1, n - 1), differs);
  return starts;
}

// From rows in which equals are neighbours. `order`: where each row was before it was sorted (undefined: nowhere else).
Unique collect(const Tensor& rows, const Tensor& order, bool return_inverse, bool return_counts) {
  const Tensor starts = run_starts(rows);
  const Tensor first = reshape(nonzero(starts), {-1});
  Unique u;
  u.values = index_select(rows, 0, first);
  if (return_inverse) {
    const Tensor run = cumsum(starts, 0) - 1;
    u.inverse = order.defined() ? scatter(empty({rows.size(0)}, DType::Int64), 0, order, run) : run;
  }
  if (return_counts) {
    const Tensor end =
        cat({narrow(first, 0, std::min<int64_t>(1, first.numel()), std::max<int64_t>(first.numel() - 1, 0)),
             full({std::min<int64_t>(1, first.numel())}, rows.size(0), DType::Int64)});
    u.counts = end - first;
  }
  return u;
}

// Order of the rows of x (n, m), contiguous, by their elements from left to right: sorted by the last element first,
// and stably by the others after.
Tensor lexicographic_order(const Tensor& x) {
  Tensor order = arange(0, x.size(0), 1, DType::Int64);
  for (int64_t j = x.size(1) - 1; j >= 0; --j)
    order = index_select(order, 0, argsort(index_select(select(x, 1, j), 0, order), 0, false, true));
  return order;
}

Unique unique_of(const char* op, const Tensor& x, bool sort_first, bool return_inverse, bool return_counts,
                 std::optional<int64_t> d) {
  const Tensor input = x.detach();
  NoGrad no_grad;
  if (!d) {
    const Tensor flat = reshape(input, {-1});
    Tensor order, rows = flat;
    if (sort_first) std::tie(rows, order) = sort(flat, 0);
    Unique u = collect(rows, order, return_inverse, return_counts);
    if (u.inverse.defined()) u.inverse = reshape(u.inverse, x.sizes());
    return u;
  }
  const int64_t dim = wrap_dim(op, *d, x.dim());
  const Tensor moved = x.dim() ? movedim(input, {dim}, {0}) : reshape(input, {1});
  const int64_t n = moved.size(0);
  DLCORE_CHECK(moved.numel() > 0 || n == 0, RuntimeError, op,
               ": dim must not be chosen where other dimensions are empty, got shape ", x.sizes());
  Tensor rows = contiguous(reshape(moved, {n, n ? -1 : 0})), order;
  if (sort_first && n) {
    order = lexicographic_order(rows);
    rows = index_select(rows, 0, order);
  }
  Unique u = collect(rows, order, return_inverse, return_counts);
  Dims sizes(moved.sizes());
  sizes[0] = u.values.size(0);
  u.values = reshape(u.values, sizes);
  if (x.dim()) u.values = contiguous(movedim(u.values, {0}, {dim}));
  return u;
}

}  // namespace

Unique unique(const Tensor& x, bool return_inverse, bool return_counts, std::optional<int64_t> dim) {
  return unique_of("unique", x, true, return_inverse, return_counts, dim);
}

Unique unique_consecutive(const Tensor& x, bool return_inverse, bool return_counts, std::optional<int64_t> dim) {
  return unique_of("unique_consecutive", x, false, return_inverse, return_counts, dim);
}

}  // namespace dlcore
