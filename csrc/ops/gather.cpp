// Reading and writing along one dimension: gather and scatter take an index per element, index_select and its kin an
// index per slice. The gradient of a read is an accumulating write, and the other way round.
#include "dlcore/ops/indexing.h"

#include "ops/indexed.h"

namespace dlcore {
using kernel::IndexWrite;

// ---- an index per element

namespace {

// x[.., index[c], ..] <-> y[c] with c over the shape of index.
IndexSpace element_space(const char* op, const Tensor& x, int64_t dim, const Tensor& index, IntSpan y_strides) {
  IndexSpace s{op, at_least_1d(index.sizes()), at_least_1d(x.strides()), at_least_1d(y_strides), {}};
  s.operands.push_back({index, at_least_1d(index.strides()), dim, at_least_1d(x.sizes())[dim], s.x_strides[dim]});
  s.x_strides[dim] = 0;
  return s;
}

}  // namespace

int64_t check_gather(const char* op, const Tensor& x, int64_t dim, const Tensor& index) {
  dim = wrap_dim(op, dim, x.dim());
  check_index_dtype(op, index);
  if (index.numel() == 0) return dim;
  const Dims sizes = at_least_1d(x.sizes()), index_sizes = at_least_1d(index.sizes());
  DLCORE_CHECK(sizes.size() == index_sizes.size(), RuntimeError, op,
               ": index must have as many dimensions as input; expected ", sizes.size(), " but got ",
               index_sizes.size());
  for (int64_t d = 0; d < sizes.size(); ++d)
    DLCORE_CHECK(d == dim || index_sizes[d] <= sizes[d], RuntimeError, op, ": index of shape ", index.sizes(),
                 " must not exceed input of shape ", x.sizes(), " outside dimension ", dim);
  return dim;
}

int64_t check_scatter(const char* op, const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src) {
  dim = check_gather(op, x, dim, index);
  if (!src.defined()) return dim;
  DLCORE_CHECK(src.dtype() == x.dtype(), RuntimeError, op, ": src must have input's dtype; expected ", name(x.dtype()),
               " but got ", name(src.dtype()));
  if (index.numel() == 0) return dim;
  const Dims sizes = at_least_1d(src.sizes()), index_sizes = at_least_1d(index.sizes());
  DLCORE_CHECK(sizes.size() == index_sizes.size(), RuntimeError, op,
               ": index must have as many dimensions as src; expected ", sizes.size(), " but got ", index_sizes.size());
  for (int64_t d = 0; d < sizes.size(); ++d)
    DLCORE_CHECK(index_sizes[d] <= sizes[d], RuntimeError, op, ": index of shape ", index.sizes(),
                 " must not exceed src of shape ", src.sizes());
  return dim;
}

void scatter_into(const char* op, IndexWrite how, const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src,
                  bool one_value) {
  if (index.numel() == 0) return;
  const Tensor values = share_memory(x, src) ? fresh_copy(src) : src;
  const Tensor at = share_memory(x, index) ? fresh_copy(index) : index;
  const auto go = [&](const Tensor& x, const Tensor& y) {
    element_space(op, x, dim, at, one_value ? IntSpan(Dims(at.dim(), 0)) : y.strides()).write(how, x, y);
  };
  if (how == IndexWrite::Copy)
    go(x, values);
  else
    accumulate_wide(x, values, go);
}

Tensor src_gradient(const Tensor& dy, int64_t dim, const Tensor& index, const Dims& src_sizes) {
  const Tensor d = gather(dy, dim, index);
  if (d.sizes() == IntSpan(src_sizes)) return d;
  const Dims strides = contiguous_strides(src_sizes);
  return as_strided_scatter(d, src_sizes, strides, 0, strides, 0);
}

namespace {

Tensor scatter_src(const char* op, bool in_place, const Tensor& x, int64_t d, const Tensor& index, const Tensor& src) {
  const int64_t dim = check_scatter(op, x, d, index, src);
  return written(
      op, in_place, x, {src}, [&](const Tensor& y) { scatter_into(op, IndexWrite::Copy, y, dim, index, src); },
      [dim, index = Saved(index), src_sizes = sizes_of(src)](Gradients& g) {
        g.set(0, [&] { return scatter(g.dy(), dim, index(), Scalar(0)); });
        g.set(1, [&] { return src_gradient(g.dy(), dim, index(), src_sizes); });
      });
}

Tensor scatter_value(const char* op, bool in_place, const Tensor& x, int64_t d, const Tensor& index, Scalar value) {
  const int64_t dim = check_scatter(op, x, d, index, {});
  return written(
      op, in_place, x, {},
      [&](const Tensor& y) { scatter_into(op, IndexWrite::Copy, y, dim, index, full({}, value, x.dtype()), true); },
      [dim, index = Saved(index)](Gradients& g) {
        g.set(0, [&] { return scatter(g.dy(), dim, index(), Scalar(0)); });
      });
}

Tensor scatter_sum(const char* op, bool in_place, const Tensor& x, int64_t d, const Tensor& index, const Tensor& src) {
  const int64_t dim = check_scatter(op, x, d, index, src);
  return written(
      op, in_place, x, {src}, [&](const Tensor& y) { scatter_into(op, IndexWrite::Add, y, dim, index, src); },
      [dim, index = Saved(index), src_sizes = sizes_of(src)](Gradients& g) {
        g.set(0, [&] { return g.dy(); });
        g.set(1, [&] { return src_gradient(g.dy(), dim, index(), src_sizes); });
      });
}

// ---- an index per slice

// x[.., index[i], ..] <-> y[.., i, ..]: the shape of y is that of x with the length of index along dim.
IndexSpace slice_space(const char* op, const Tensor& x, int64_t dim, const Tensor& index, IntSpan y_strides) {
  IndexSpace s{op, at_least_1d(x.sizes()), at_least_1d(x.strides()), at_least_1d(y_strides), {}};
  IndexOperand o{index, Dims(s.sizes.size(), 0), dim, s.sizes[dim], s.x_strides[dim]};
  o.strides[dim] = index.dim() ? index.strides()[0] : 0;
  s.operands.push_back(std::move(o));
  s.sizes[dim] = index.numel();
  s.x_strides[dim] = 0;
  return s;
}

int64_t check_slices(const char* op, const Tensor& x, int64_t dim, const Tensor& index) {
  dim = wrap_dim(op, dim, x.dim());
  check_index_dtype(op, index);
  DLCORE_CHECK(index.dim() <= 1, IndexError, op, ": index must have at most one dimension but got shape ",
               index.sizes());
  DLCORE_CHECK(x.dim() > 0 || index.numel() == 1, RuntimeError, op,
               ": index must have one element where input has no dimensions; got ", index.numel());
  return dim;
}

int64_t check_source(const char* op, const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source) {
  dim = check_slices(op, x, dim, index);
  DLCORE_CHECK(source.dtype() == x.dtype(), RuntimeError, op, ": source must have input's dtype; expected ",
               name(x.dtype()), " but got ", name(source.dtype()));
  Dims expected = at_least_1d(x.sizes());
  expected[dim] = index.numel();
  DLCORE_CHECK(at_least_1d(source.sizes()) == expected, IndexError, op,
               ": source must have input's shape with the length of index along dim ", dim, "; expected ", expected,
               " but got ", source.sizes());
  return dim;
}

// With `fill` a zero-dimensional source stands for all elements, and negative indices count from the end.
void write_slices(const char* op, IndexWrite how, const Tensor& x, int64_t dim, const Tensor& index,
                  const Tensor& source, bool fill = false) {
  const Tensor values = share_memory(x, source) ? fresh_copy(source) : source;
  const Tensor at = share_memory(x, index) ? fresh_copy(index) : index;
  const auto go = [&](const Tensor& x, const Tensor& y) {
    IndexSpace s = slice_space(op, x, dim, at, fill ? IntSpan(Dims(x.dim(), 0)) : y.strides());
    s.negative = fill;
    s.write(how, x, y);
  };
  if (how == IndexWrite::Copy)
    go(x, values);
  else
    accumulate_wide(x, values, go);
}

Tensor add_slices(const char* op, bool in_place, const Tensor& x, int64_t d, const Tensor& index, const Tensor& source,
                  Scalar alpha) {
  const int64_t dim = check_source(op, x, d, index, source);
  const bool scaled = alpha.is_floating() || alpha.to_int() != 1;
  DLCORE_CHECK(!alpha.is_floating() || is_floating(x.dtype()), RuntimeError, op,
               ": alpha must be an integer for integral input, got ", alpha.to_double());
  return written(
      op, in_place, x, {source},
      [&](const Tensor& y) {
        NoGrad no_grad;
        const Tensor values = scaled ? mul(source, number(alpha)) : source;
        write_slices(op, IndexWrite::Add, y, dim, index, values);
      },
      [=, index = Saved(index), sizes = sizes_of(source)](Gradients& g) {
        g.set(0, [&] { return g.dy(); });
        g.set(1, [&] {
          const Tensor d = reshape(index_select(g.dy(), dim, index()), sizes);
          return scaled ? mul(d, number(alpha)) : d;
        });
      });
}

Tensor copy_slices(const char* op, bool in_place, const Tensor& x, int64_t d, const Tensor& index,
                   const Tensor& source) {
  const int64_t dim = check_source(op, x, d, index, source);
  return written(
      op, in_place, x, {source}, [&](const Tensor& y) { write_slices(op, IndexWrite::Copy, y, dim, index, source); },
      [dim, index = Saved(index), sizes = sizes_of(source)](Gradients& g) {
        g.set(0, [&] { return index_fill(g.dy(), dim, index(), number(0)); });
        g.set(1, [&] { return reshape(index_select(g.dy(), dim, index()), sizes); });
      });
}

Tensor fill_slices(const char* op, bool in_place, const Tensor& x, int64_t d, const Tensor& index,
                   const Tensor& value) {
  const int64_t dim = check_slices(op, x, d, index);
  DLCORE_CHECK(value.dim() == 0, RuntimeError, op, ": value must have no dimensions but got shape ", value.sizes());
  return written(
      op, in_place, x, {value},
      [&](const Tensor& y) {
        NoGrad no_grad;
        write_slices(op, IndexWrite::Copy, y, dim, index, to_dtype(value, y.dtype()), true);
      },
      [dim, index = Saved(index)](Gradients& g) {
        g.set(0, [&] { return index_fill(g.dy(), dim, index(), number(0)); });
        g.set(1, [&] { return sum(index_select(g.dy(), dim, index())); });
      });
}

}  // namespace

// ---- gather

Tensor gather(const Tensor& x, int64_t d, const Tensor& index) {
  const int64_t dim = check_gather("gather", x, d, index);
  Tensor y = new_tensor(index.sizes(), x.dtype());
  if (y.numel()) element_space("gather", x, dim, index, y.strides()).read(x, y);
  record("gather", y, {x}, [dim, index = Saved(index), sizes = sizes_of(x)](Gradients& g) {
    g.set(0, [&] { return scatter_add_(zeros(sizes, g.dy().dtype()), dim, index(), g.dy()); });
  });
  return y;
}

Tensor take_along_dim(const Tensor& x, const Tensor& index, std::optional<int64_t> d) {
  if (!d) return gather(reshape(x, {-1}), 0, reshape(index, {-1}));
  const int64_t dim = wrap_dim("take_along_dim", *d, x.dim());
  DLCORE_CHECK(x.dim() == index.dim(), RuntimeError,
               "take_along_dim: indices must have as many dimensions as input; expected ", x.dim(), " but got ",
               index.dim());
  if (x.dim() == 0) return gather(x, dim, index);
  Dims x_sizes(x.sizes()), index_sizes(index.sizes());
  x_sizes[dim] = index_sizes[dim] = 1;
  const Dims common = broadcast_shapes("take_along_dim", x_sizes, index_sizes);
  x_sizes = common;
  index_sizes = common;
  x_sizes[dim] = x.size(dim);
  index_sizes[dim] = index.size(dim);
  return gather(expand(x, x_sizes), dim, expand(index, index_sizes));
}

// ---- scatter

Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src) {
  return scatter_src("scatter", false, x, dim, index, src);
}
Tensor scatter_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src) {
  return scatter_src("scatter_", true, x, dim, index, src);
}
Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, Scalar value) {
  return scatter_value("scatter", false, x, dim, index, value);
}
Tensor scatter_(const Tensor& x, int64_t dim, const Tensor& index, Scalar value) {
  return scatter_value("scatter_", true, x, dim, index, value);
}
Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src) {
  return scatter_sum("scatter_add", false, x, dim, index, src);
}
Tensor scatter_add_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src) {
  return scatter_sum("scatter_add_", true, x, dim, index, src);
}
// ---- slices

Tensor index_select(const Tensor& x, int64_t d, const Tensor& index) {
  const int64_t dim = check_slices("index_select", x, d, index);
  Dims sizes(x.sizes());
  if (x.dim()) sizes[dim] = index.numel();
  Tensor y = new_tensor(sizes, x.dtype());
  slice_space("index_select", x, dim, index, y.strides()).read(x, y);
  record("index_select", y, {x}, [dim, index = Saved(index), sizes = sizes_of(x)](Gradients& g) {
    g.set(0, [&] { return index_add_(zeros(sizes, g.dy().dtype()), dim, index(), g.dy()); });
  });
  return y;
}

Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha) {
  return add_slices("index_add", false, x, dim, index, source, alpha);
}
Tensor index_add_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha) {
  return add_slices("index_add_", true, x, dim, index, source, alpha);
}
Tensor index_copy(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source) {
  return copy_slices("index_copy", false, x, dim, index, source);
}
Tensor index_copy_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source) {
  return copy_slices("index_copy_", true, x, dim, index, source);
}
Tensor index_fill(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& value) {
  return fill_slices("index_fill", false, x, dim, index, value);
}
Tensor index_fill_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& value) {
  return fill_slices("index_fill_", true, x, dim, index, value);
}

}  // namespace dlcore
