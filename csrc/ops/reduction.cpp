#include "ops/reduction.h"

#include <cmath>

#include "kernels/registry.h"

namespace dlcore {

using kernel::ReduceOp;

// ---- which dimensions

uint64_t dim_mask(const char* op, const Tensor& x, DimList dim) {
  if (!dim || dim->empty()) return ~uint64_t{0};
  uint64_t mask = 0;
  for (int64_t d : *dim) {
    const uint64_t bit = uint64_t{1} << wrap_dim(op, d, x.dim());
    DLCORE_CHECK(!(mask & bit), RuntimeError, op, ": dim must not name a dimension twice, got ", *dim);
    mask |= bit;
  }
  return mask;
}

uint64_t dim_mask(const char* op, const Tensor& x, Dim dim) {
  return dim ? uint64_t{1} << wrap_dim(op, *dim, x.dim()) : ~uint64_t{0};
}

Reduced::Reduced(const Tensor& x, uint64_t set) : mask(set), keepdim(x.sizes()) {
  for (int64_t d = 0; d < x.dim(); ++d) {
    if (has(d)) {
      count *= keepdim[d];
      keepdim[d] = 1;
    } else {
      kept.push_back(keepdim[d]);
    }
  }
}

Dims Reduced::output_strides() const {
  Dims strides(keepdim.size(), 0);
  int64_t step = 1;
  for (int64_t d = keepdim.size() - 1; d >= 0; --d) {
    if (has(d)) continue;
    strides[d] = step;
    step *= keepdim[d];
  }
  return strides;
}

// ---- the kernel and the way back

FoldArguments::FoldArguments(const Tensor& x, const Reduced& r, int64_t max_width)
    : loops(x.sizes(), x.strides(), r.output_strides(), r.mask), plan(loops, max_width), scratch(plan.workspace()) {
  const double n = static_cast<double>(x.numel());
  cost = {n * static_cast<double>(item_size(x.dtype())), n};
}

Tensor fold(const Fold& f, const Tensor& x, const Reduced& r, const Dims& sizes, DType dtype) {
  Tensor y = new_tensor(sizes, dtype);
  if (y.numel() == 0) return y;
  const FoldArguments a(x, r);
  launch(f.name, a.cost, [&] {
    kernels().reduce({f.op, x.dtype(), dtype, x.raw_data(), y.raw_data(), a.loops, a.plan, a.scratch.data(), f.scale,
                      f.p, f.finish});
  });
  return y;
}

// dy has the kept dimensions alone, or is aligned with x at its last one.
Tensor spread(const Tensor& dy, const Dims& x_sizes, const Reduced& r) {
  const bool aligned = dy.dim() != r.kept.size();
  Dims strides(x_sizes.size(), 0);
  for (int64_t d = x_sizes.size() - 1, k = dy.dim() - 1; d >= 0; --d) {
    if (!r.has(d)) strides[d] = dy.strides()[k];
    if (aligned || !r.has(d)) --k;
  }
  return make_view("expand", dy, x_sizes, strides, dy.storage_offset(),
                   [r, sizes = sizes_of(dy)](const Tensor& g) { return sum_over(g, r, sizes); });
}

Tensor share_evenly(const Tensor& dy, const Tensor& mask, const Reduced& r) {
  const Tensor count = fold({"count_nonzero", ReduceOp::Count}, mask, r, sizes_of(dy), dy.dtype());
  return spread(dy / count, sizes_of(mask), r) * mask;
}

// ---- sums

Tensor sum_over(const Tensor& x, const Reduced& r, const Dims& sizes) {
  Tensor y = fold({"sum", ReduceOp::Sum}, x, r, sizes, is_floating(x.dtype()) ? x.dtype() : DType::Int64);
  if (needs_graph(x))
    record("sum", y, {x},
           [r, x_sizes = sizes_of(x)](Gradients& g) { g.set(0, [&] { return spread(g.dy(), x_sizes, r); }); });
  return y;
}

Tensor mean_over(const Tensor& x, const Reduced& r, const Dims& sizes) {
  const double n = static_cast<double>(r.count);  // where it is 0, the mean is 0 * infinity: NaN
  Tensor y = fold({"mean", ReduceOp::Sum, 1 / n}, x, r, sizes, x.dtype());
  if (needs_graph(x))
    record("mean", y, {x},
           [r, n, x_sizes = sizes_of(x)](Gradients& g) { g.set(0, [&] { return spread(g.dy() / n, x_sizes, r); }); });
  return y;
}

Tensor sum(const Tensor& x, DimList dim, bool keepdim, OptionalDType dtype) {
  if (dtype && *dtype != DType::Int64 && *dtype != x.dtype()) return sum(to_dtype(x, *dtype), dim, keepdim, dtype);
  const Reduced r(x, dim_mask("sum", x, dim));
  const Tensor y = sum_over(is_floating(x.dtype()) && dtype ? to_dtype(x, *dtype) : x, r, r.sizes(keepdim));
  return dtype ? to_dtype(y, *dtype) : y;
}

Tensor mean(const Tensor& x, DimList dim, bool keepdim, OptionalDType dtype) {
  DLCORE_CHECK(is_floating(dtype.value_or(x.dtype())), RuntimeError,
               "mean: input must be floating point, or dtype say so; got ", name(dtype.value_or(x.dtype())));
  const Reduced r(x, dim_mask("mean", x, dim));
  return mean_over(dtype ? to_dtype(x, *dtype) : x, r, r.sizes(keepdim));
}

Tensor nansum(const Tensor& x, DimList dim, bool keepdim, OptionalDType dtype) {
  if (!is_floating(x.dtype())) return sum(x, dim, keepdim, dtype);
  const Tensor t = dtype ? to_dtype(x, *dtype) : x;
  if (!is_floating(t.dtype())) return sum(t, dim, keepdim, dtype);
  const Reduced r(t, dim_mask("nansum", t, dim));
  Tensor y = fold({"nansum", ReduceOp::NanSum}, t, r, r.sizes(keepdim), t.dtype());
  record("nansum", y, {t}, [r, t = Saved(t)](Gradients& g) {
    g.set(0, [&] { return spread(g.dy(), sizes_of(t()), r) * eq(t(), t()); });
  });
  return y;
}

Tensor sum_to(const Tensor& x, IntSpan sizes) {
  const int64_t extra = x.dim() - sizes.size();
  uint64_t mask = 0;
  for (int64_t d = 0; d < x.dim(); ++d)
    if (d < extra || (sizes[d - extra] == 1 && x.sizes()[d] != 1)) mask |= uint64_t{1} << d;
  return mask ? sum_over(x, Reduced(x, mask), Dims(sizes)) : x;
}

Tensor count_nonzero(const Tensor& x, DimList dim) {
  const Reduced r(x, dim_mask("count_nonzero", x, dim));
  return fold({"count_nonzero", ReduceOp::Count}, x, r, r.kept, DType::Int64);
}

// ---- products

namespace {

// prod_j!=i x_j = (product before i) * (product after i): safe where some x is 0.
Tensor product_of_others(const Tensor& x, int64_t dim) {
  const int64_t n = x.size(dim);
  Dims one(x.sizes());
  one[wrap_dim("prod", dim, x.dim())] = 1;
  const Tensor unit = ones(one, x.dtype());
  const Tensor before = cumprod(cat({unit, narrow(x, dim, 0, n - 1)}, dim), dim);
  const Tensor after = flip(cumprod(cat({unit, narrow(flip(x, {dim}), dim, 0, n - 1)}, dim), dim), {dim});
  return before * after;
}

// dx_i = dy prod_j!=i x_j
Tensor prod_backward(const Tensor& dy, const Tensor& x, const Tensor& y, Dim dim, const Reduced& r) {
  const bool zeros = !all(x).item().to_bool();
  if (!zeros) return spread(dy * y, sizes_of(x), r) / x;
  if (dim) return spread(dy, sizes_of(x), r) * product_of_others(x, *dim);
  return spread(dy, sizes_of(x), r) * reshape(product_of_others(reshape(x, {-1}), 0), x.sizes());
}

}  // namespace

Tensor prod(const Tensor& x, Dim dim, bool keepdim, OptionalDType dtype) {
  if (dtype && *dtype != x.dtype()) return prod(to_dtype(x, *dtype), dim, keepdim, dtype);
  const Reduced r(x, dim_mask("prod", x, dim));
  Tensor y = fold({"prod", ReduceOp::Prod}, x, r, r.sizes(keepdim),
                  dtype                    ? *dtype
                  : is_floating(x.dtype()) ? x.dtype()
                                           : DType::Int64);
  record("prod", y, {x}, [x = Saved(x), y = Saved::output(y), dim, r](Gradients& g) {
    g.set(0, [&] { return prod_backward(g.dy(), x(), y.get(g), dim, r); });
  });
  return y;
}

// ---- extremes

namespace {

// Over no elements there is no extreme; that is the shape's fault, or the dim's where one was named.
void check_not_empty(const char* op, const Tensor& x, const Reduced& r, bool named) {
  if (r.count > 0) return;
  DLCORE_CHECK(named, RuntimeError, op, ": expected a dim to be named for an empty tensor, got shape ", x.sizes());
  fail<IndexError>(op, ": expected a dim of non-zero size, got shape ", x.sizes());
}

Tensor extreme(const char* op, ReduceOp kind, const Tensor& x, DimList dim, bool keepdim) {
  const Reduced r(x, dim_mask(op, x, dim));
  check_not_empty(op, x, r, dim && !dim->empty());
  Tensor y = fold({op, kind}, x, r, r.sizes(keepdim), x.dtype());
  record(op, y, {x}, [x = Saved(x), y = Saved::output(y), r](Gradients& g) {
    g.set(0, [&] {
      const Tensor extremes = spread(y(), sizes_of(x()), r);
      const Tensor mask = logical_or(eq(x(), extremes), logical_and(ne(x(), x()), ne(extremes, extremes)));
      return share_evenly(g.dy(), mask, r);
    });
  });
  return y;
}

std::tuple<Tensor, Tensor> run_arg(const char* op, bool largest, const Tensor& x, const Reduced& r, bool keepdim,
                                   bool want_values) {
  Tensor values = want_values ? new_tensor(r.sizes(keepdim), x.dtype()) : Tensor();
  Tensor indices = new_tensor(r.sizes(keepdim), DType::Int64);
  if (indices.numel() > 0) {
    const FoldArguments a(x, r);
    launch(op, a.cost, [&] {
      kernels().reduce_arg({largest, x.dtype(), x.raw_data(), want_values ? values.raw_data() : nullptr,
                            indices.data<int64_t>(), a.loops, a.plan, a.scratch.data()});
    });
  }
  return {values, indices};
}

std::tuple<Tensor, Tensor> extreme_dim(const char* op, bool largest, const Tensor& x, int64_t dim, bool keepdim) {
  const Reduced r(x, dim_mask(op, x, Dim(dim)));
  check_not_empty(op, x, r, true);
  auto [values, indices] = run_arg(op, largest, x, r, keepdim, true);
  record(op, values, {x}, [indices, dim, keepdim, sizes = sizes_of(x)](Gradients& g) {
    g.set(0, [&] { return select_backward(g.dy(), indices, sizes, dim, keepdim); });
  });
  return {values, indices};
}

Tensor arg(const char* op, bool largest, const Tensor& x, Dim dim, bool keepdim) {
  DLCORE_CHECK(x.dtype() != DType::Bool, RuntimeError, op, ": bool tensors are not supported");
  const Reduced r(x, dim_mask(op, x, dim));
  check_not_empty(op, x, r, true);
  // An index into the flattened tensor counts in its logical order.
  return std::get<1>(run_arg(op, largest, dim ? x : contiguous(x.detach()), r, keepdim, false));
}

}  // namespace

// dx = 0, but dy where the index along dim says.
Tensor select_backward(const Tensor& dy, const Tensor& indices, const Dims& x_sizes, int64_t dim, bool keepdim) {
  const Tensor zero = zeros(x_sizes, dy.dtype());
  if (x_sizes.empty()) return dy;
  return keepdim ? scatter(zero, dim, indices, dy) : scatter(zero, dim, unsqueeze(indices, dim), unsqueeze(dy, dim));
}

Tensor amax(const Tensor& x, DimList dim, bool keepdim) { return extreme("amax", ReduceOp::Max, x, dim, keepdim); }
Tensor amin(const Tensor& x, DimList dim, bool keepdim) { return extreme("amin", ReduceOp::Min, x, dim, keepdim); }
std::tuple<Tensor, Tensor> aminmax(const Tensor& x, Dim dim, bool keepdim) {
  const int64_t d = dim.value_or(0);
  const DimList dims = dim ? DimList(IntSpan(&d, 1)) : std::nullopt;
  return {extreme("aminmax", ReduceOp::Min, x, dims, keepdim), extreme("aminmax", ReduceOp::Max, x, dims, keepdim)};
}
Tensor max_all(const Tensor& x) { return extreme("max", ReduceOp::Max, x, {}, false); }
Tensor min_all(const Tensor& x) { return extreme("min", ReduceOp::Min, x, {}, false); }
std::tuple<Tensor, Tensor> max_dim(const Tensor& x, int64_t dim, bool keepdim) {
  return extreme_dim("max", true, x, dim, keepdim);
}
std::tuple<Tensor, Tensor> min_dim(const Tensor& x, int64_t dim, bool keepdim) {
  return extreme_dim("min", false, x, dim, keepdim);
}
Tensor argmax(const Tensor& x, Dim dim, bool keepdim) { return arg("argmax", true, x, dim, keepdim); }
Tensor argmin(const Tensor& x, Dim dim, bool keepdim) { return arg("argmin", false, x, dim, keepdim); }

// ---- median

std::tuple<Tensor, Tensor> median_dim(const Tensor& x, int64_t dim, bool keepdim) {
  const Reduced r(x, dim_mask("median", x, Dim(dim)));
  check_not_empty("median", x, r, true);
  auto [values, indices] = kthvalue(x, (r.count + 1) / 2, dim, keepdim);
  if (!is_floating(x.dtype())) return {values, indices};
  // A NaN is the largest of all, and the median where there is one.
  const auto [most, place] = max_dim(x, dim, keepdim);
  const Tensor nan = ne(most, most);
  return {where(nan, most, values), where(nan, place, indices)};
}

Tensor median_all(const Tensor& x) {
  if (x.numel() == 0) return full({}, is_floating(x.dtype()) ? Scalar(NAN) : Scalar(INT64_MIN), x.dtype());
  return std::get<0>(median_dim(reshape(x, {-1}), 0, false));
}

// ---- truth

namespace {

Tensor truth(const char* op, ReduceOp kind, const Tensor& x, DimList dim, bool keepdim) {
  const Reduced r(x, dim && dim->empty() ? 0 : dim_mask(op, x, dim));
  return fold({op, kind}, x, r, r.sizes(keepdim), x.dtype() == DType::UInt8 ? DType::UInt8 : DType::Bool);
}

}  // namespace

Tensor all(const Tensor& x, DimList dim, bool keepdim) { return truth("all", ReduceOp::All, x, dim, keepdim); }
Tensor any(const Tensor& x, DimList dim, bool keepdim) { return truth("any", ReduceOp::Any, x, dim, keepdim); }

}  // namespace dlcore
