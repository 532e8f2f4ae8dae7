#include "ops/reduction.h"

#include "core/allocator.h"
#include "core/launch.h"
#include "kernels/registry.h"

namespace dlcore {

using kernel::ReduceOp;

// ---- which dimensions

uint64_t dim_mask(const char* op, const Tensor& x, std::optional<IntSpan> dim) {
  if (!dim || dim->empty()) return ~uint64_t{0};
  uint64_t mask = 0;
  for (int64_t d : *dim) {
    const uint64_t bit = uint64_t{1} << wrap_dim(op, d, x.dim());
    DLCORE_CHECK(!(mask & bit), RuntimeError, op, ": dim must not name a dimension twice, got ", *dim);
    mask |= bit;
  }
  return mask;
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

void run_reduce(const char* name, ReduceOp op, const Tensor& x, const Reduced& r, const Tensor& y, double scale) {
  if (y.numel() == 0) return;
  const TensorImpl& t = *x.impl();
  const kernel::ReduceLoops loops(t.sizes, t.strides, r.output_strides(), r.mask);
  const kernel::ReducePlan plan(loops);
  const Workspace scratch(plan.workspace(loops, 8));
  const double n = static_cast<double>(t.numel);
  launch(name, {n * static_cast<double>(item_size(t.dtype)), n}, [&] {
    kernel::Reduce a{op, t.dtype, y.dtype(), x.raw_data(), y.raw_data(), loops, plan, scratch.data(), scale};
    kernels().reduce(a);
  });
}

// ---- sum

Tensor sum_over(const Tensor& x, const Reduced& r, const Dims& sizes) {
  const DType dtype = is_floating(x.dtype()) ? x.dtype() : DType::Int64;
  Tensor y = new_tensor(sizes, dtype);
  run_reduce("sum", ReduceOp::Sum, x, r, y);
  record("sum", y, {x}, [r, x_sizes = sizes_of(x)](Gradients& g) { g.set(0, [&] { return spread(g.dy(), x_sizes, r); }); });
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

Tensor sum(const Tensor& x, std::optional<IntSpan> dim, bool keepdim, std::optional<DType> dtype) {
  const Reduced r(x, dim_mask("sum", x, dim));
  const Tensor y = sum_over(dtype && is_floating(*dtype) ? to_dtype(x, *dtype) : x, r, r.sizes(keepdim));
  return dtype ? to_dtype(y, *dtype) : y;
}

Tensor sum_to(const Tensor& x, IntSpan sizes) {
  const int64_t extra = x.dim() - sizes.size();
  uint64_t mask = 0;
  for (int64_t d = 0; d < x.dim(); ++d)
    if (d < extra || (sizes[d - extra] == 1 && x.sizes()[d] != 1)) mask |= uint64_t{1} << d;
  return mask ? sum_over(x, Reduced(x, mask), Dims(sizes)) : x;
}

}  // namespace dlcore
