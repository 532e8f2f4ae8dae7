// Sorting, selection and binary search. Kernels work on contiguous rows: a dimension that is not the last is moved
// there and back.
#include "core/allocator.h"
#include "core/launch.h"
#include "dlcore/ops/indexing.h"
#include "kernels/registry.h"
#include "ops/internal.h"

namespace dlcore {
namespace {

struct Rows {
  Tensor x;  // contiguous, the dimension last
  int64_t dim, rows, n;
  Rows(const char* op, const Tensor& input, int64_t d) : dim(wrap_dim(op, d, input.dim())) {
    NoGrad no_grad;
    x = contiguous(dim == input.dim() - 1 || input.dim() == 0 ? input : movedim(input, {dim}, {-1}));
    n = x.dim() ? x.sizes().back() : 1;
    rows = n ? x.numel() / n : 0;
    DLCORE_CHECK(n < (int64_t{1} << 32), NotImplementedError, op, ": at most 2^32 - 1 elements along dim, got ", n);
  }
  // The shape of a result with k elements a row.
  Tensor result(int64_t k, DType dtype) const {
    Dims sizes(x.sizes());
    if (x.dim()) sizes[x.dim() - 1] = k;
    return new_tensor(sizes, dtype);
  }
  Tensor restore(const Tensor& y) const {
    NoGrad no_grad;
    return dim == y.dim() - 1 || y.dim() == 0 ? y : contiguous(movedim(y, {-1}, {dim}));
  }
};

double log2_of(int64_t n) { return n > 1 ? static_cast<double>(64 - __builtin_clzll(static_cast<uint64_t>(n))) : 1; }

// Positions, and values where wanted.
std::tuple<Tensor, Tensor> sort_rows(const char* op, const Tensor& x, int64_t d, bool descending, bool values) {
  const Rows r(op, x, d);
  Tensor y = values ? r.result(r.n, x.dtype()) : Tensor(), index = r.result(r.n, DType::Int64);
  if (index.numel()) {
    const kernel::Sort s{x.dtype(), r.rows, r.n, descending};
    const Workspace scratch(kernels().sort_workspace(s));
    const double count = static_cast<double>(x.numel());
    launch(op, {count * 16, count * log2_of(r.n)}, [&] {
      kernels().sort(s, r.x.raw_data(), values ? y.raw_data() : nullptr, index.data<int64_t>(), scratch.data());
    });
  }
  return {values ? r.restore(y) : y, r.restore(index)};
}

// y took x's elements at `index` along dim, each at most once.
void record_selection(const char* op, Tensor& y, const Tensor& x, int64_t dim, const Tensor& index,
                      bool keepdim = true) {
  record(op, y, {x}, [=, index = Saved(index), sizes = sizes_of(x)](Gradients& g) {
    g.set(0, [&] {
      const bool squeezed = !keepdim && !sizes.empty();
      const Tensor dy = squeezed ? unsqueeze(g.dy(), dim) : g.dy(), at = squeezed ? unsqueeze(index(), dim) : index();
      return scatter_add_(zeros(sizes, dy.dtype()), dim, at, dy);
    });
  });
}

}  // namespace

// ---- sort

std::tuple<Tensor, Tensor> sort(const Tensor& x, int64_t dim, bool descending, bool) {
  auto [y, index] = sort_rows("sort", x, dim, descending, true);
  record_selection("sort", y, x, wrap_dim("sort", dim, x.dim()), index);
  return {y, index};
}

Tensor argsort(const Tensor& x, int64_t dim, bool descending, bool) {
  return std::get<1>(sort_rows("argsort", x, dim, descending, false));
}

Tensor msort(const Tensor& x) { return std::get<0>(sort(x, 0)); }

// ---- selection

std::tuple<Tensor, Tensor> topk(const Tensor& x, int64_t k, int64_t d, bool largest, bool sorted) {
  const Rows r("topk", x, d);
  DLCORE_CHECK(k >= 0 && k <= r.n, RuntimeError, "topk: k must be in [0, ", r.n, "], the size of dim ", r.dim,
               ", but got ", k);
  Tensor y, index;
  if (k > 256 && k > r.n / 8) {
    // So many of them: sorting all is quicker than selecting.
    std::tie(y, index) = sort_rows("topk", x, d, largest, true);
    NoGrad no_grad;
    y = contiguous(narrow(y, r.dim, 0, k));
    index = contiguous(narrow(index, r.dim, 0, k));
  } else {
    y = r.result(k, x.dtype());
    index = r.result(k, DType::Int64);
    if (y.numel()) {
      const kernel::TopK s{x.dtype(), r.rows, r.n, k, largest, sorted};
      const Workspace scratch(kernels().topk_workspace(s));
      const double count = static_cast<double>(x.numel());
      launch("topk", {count * static_cast<double>(item_size(x.dtype())), count},
             [&] { kernels().topk(s, r.x.raw_data(), y.raw_data(), index.data<int64_t>(), scratch.data()); });
    }
    y = r.restore(y);
    index = r.restore(index);
  }
  record_selection("topk", y, x, r.dim, index);
  return {y, index};
}

std::tuple<Tensor, Tensor> kthvalue(const Tensor& x, int64_t k, int64_t d, bool keepdim) {
  const Rows r("kthvalue", x, d);
  DLCORE_CHECK(k >= 1 && k <= r.n, RuntimeError, "kthvalue: k must be in [1, ", r.n, "], the size of dim ", r.dim,
               ", but got ", k);
  Tensor y = r.result(1, x.dtype()), index = r.result(1, DType::Int64);
  if (y.numel())
    launch("kthvalue", {static_cast<double>(x.numel() * item_size(x.dtype())), static_cast<double>(x.numel())}, [&] {
      kernels().kthvalue({x.dtype(), r.rows, r.n}, k, r.x.raw_data(), y.raw_data(), index.data<int64_t>());
    });
  const auto shaped = [&](const Tensor& t) {
    NoGrad no_grad;
    const Tensor full = r.restore(t);
    return keepdim || x.dim() == 0 ? full : squeeze(full, IntSpan({r.dim})).detach();
  };
  y = shaped(y);
  index = shaped(index);
  record_selection("kthvalue", y, x, r.dim, index, keepdim);
  return {y, index};
}

// ---- binary search

Tensor searchsorted(const Tensor& sequence, const Tensor& values, bool out_int32, bool right,
                    std::optional<std::string> side, const Tensor& sorter) {
  constexpr const char* op = "searchsorted";
  DLCORE_CHECK(!side || *side == "left" || *side == "right", RuntimeError, op, ": side must be left or right, got ",
               *side);
  DLCORE_CHECK(!side || !right || *side == "right", RuntimeError, op, ": side and right contradict each other");
  DLCORE_CHECK(sequence.dim() > 0, RuntimeError, op, ": sorted_sequence must have at least one dimension");
  const bool weak = values.impl()->wrapped_number;
  DLCORE_CHECK(weak || values.dtype() == sequence.dtype(), RuntimeError, op,
               ": input must have the dtype of sorted_sequence; expected ", name(sequence.dtype()), " but got ",
               name(values.dtype()));
  const bool shared = sequence.dim() == 1;
  if (!shared) {
    bool same = values.dim() == sequence.dim();
    for (int64_t d = 0; same && d < values.dim() - 1; ++d) same = values.sizes()[d] == sequence.sizes()[d];
    DLCORE_CHECK(same, RuntimeError, op,
                 ": input must have the shape of sorted_sequence but for its last dimension; got ", values.sizes(),
                 " and ", sequence.sizes());
  }
  NoGrad no_grad;
  Tensor from = sequence;
  if (sorter.defined()) {
    DLCORE_CHECK(sorter.sizes() == sequence.sizes(), RuntimeError, op,
                 ": sorter must have the shape of sorted_sequence; expected ", sequence.sizes(), " but got ",
                 sorter.sizes());
    DLCORE_CHECK(sorter.dtype() == DType::Int64, RuntimeError, op, ": sorter must be int64 but got ",
                 name(sorter.dtype()));
    from = gather(sequence, -1, sorter);
  }
  // A number is compared as what it is: 2.5 among integers too.
  const bool mixed = weak && is_floating(values.dtype()) && !is_floating(sequence.dtype());
  const DType common = mixed ? DType::Float64 : sequence.dtype();
  const DType dtype = common == DType::Float64 || common == DType::Int64 ? common
                      : is_floating(common)                              ? DType::Float32
                                                                         : DType::Int32;
  from = contiguous(to_dtype(from, dtype));
  const Tensor wanted = contiguous(to_dtype(values, dtype));
  Tensor y = new_tensor(values.sizes(), DType::Int64);
  if (y.numel()) {
    const int64_t n = from.sizes().back(), m = shared ? wanted.numel() : wanted.sizes().back();
    const bool upper = right || (side && *side == "right");
    const kernel::Search s{
        dtype, shared ? 1 : wanted.numel() / m, n, m, from.raw_data(), wanted.raw_data(), y.data<int64_t>(), shared,
        upper};
    const double count = static_cast<double>(y.numel());
    launch(op, {count * 16, count * log2_of(n)}, [&] { kernels().searchsorted(s); });
  }
  return out_int32 ? to_dtype(y, DType::Int32) : y;
}

Tensor bucketize(const Tensor& x, const Tensor& boundaries, bool out_int32, bool right) {
  DLCORE_CHECK(boundaries.dim() == 1, RuntimeError, "bucketize: boundaries must have one dimension but got shape ",
               boundaries.sizes());
  return searchsorted(boundaries, x, out_int32, right);
}

}  // namespace dlcore
