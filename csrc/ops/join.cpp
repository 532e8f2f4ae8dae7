// Joining tensors: cat, stack and their relatives.
#include "core/allocator.h"
#include "core/launch.h"
#include "kernels/registry.h"
#include "ops/internal.h"

namespace dlcore {
namespace {

// A one-dimensional tensor of no elements joins anything, as in PyTorch.
bool skipped(const Tensor& x) { return x.dim() == 1 && x.numel() == 0; }

// x with its channels last, (n, c, ...) -> (n, ..., c), where that is how it lies in memory.
Tensor channels_last(const Tensor& x) {
  Dims sizes{x.sizes()[0]}, strides{x.strides()[0]};
  for (int64_t i = 2; i <= x.dim(); ++i) {
    const int64_t d = i < x.dim() ? i : 1;
    sizes.push_back(x.sizes()[d]);
    strides.push_back(x.strides()[d]);
  }
  return alias(x, sizes, strides, x.storage_offset());
}
bool is_channels_last(const Tensor& x) {
  return (x.dim() == 4 || x.dim() == 5) && !x.is_contiguous() && channels_last(x).is_contiguous();
}

// y, whose dimension `dim` is the sum of the inputs', from contiguous inputs of y's dtype.
void join_contiguous(const char* op, const Tensor& y, const TensorList& inputs, int64_t dim) {
  int64_t rows = 1;
  for (int64_t i = 0; i < dim; ++i) rows *= y.sizes()[i];
  const int64_t bytes = y.numel() * item_size(y.dtype());
  if (bytes == 0) return;
  Workspace parts(static_cast<int64_t>(sizeof(kernel::JoinPart) * inputs.size()));
  kernel::Join j{y.raw_data(), rows, bytes / rows, static_cast<kernel::JoinPart*>(parts.data()), 0};
  int64_t at = 0;
  for (const Tensor& x : inputs) {
    const int64_t n = x.numel() * item_size(x.dtype()) / rows;
    if (n == 0) continue;
    j.parts[j.count++] = {static_cast<const char*>(x.raw_data()), at, n};
    at += n;
  }
  launch(op, {2.0 * double(bytes)}, [&] { kernels().join(j); });
}

// The joined tensor without history. `inputs` hold nothing to skip.
Tensor join(const char* op, const TensorList& inputs, int64_t dim, DType dtype) {
  const Tensor& first = inputs.front();
  Dims sizes = sizes_of(first);
  sizes[dim] = 0;
  bool plain = true, last = true;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& x = inputs[i];
    DLCORE_CHECK(x.dim() == first.dim(), RuntimeError, op,
                 ": tensors must have the same number of dimensions; expected ", first.dim(), " but got ", x.dim(),
                 " (tensor ", i, ")");
    for (int64_t d = 0; d < x.dim(); ++d)
      DLCORE_CHECK(d == dim || x.sizes()[d] == first.sizes()[d], RuntimeError, op,
                   ": sizes of tensors must match except in dimension ", dim, "; expected size ", first.sizes()[d],
                   " but got ", x.sizes()[d], " in dimension ", d, " of tensor ", i);
    DLCORE_CHECK(!__builtin_add_overflow(sizes[dim], x.sizes()[dim], &sizes[dim]), RuntimeError, op,
                 ": too many elements");
    plain &= x.dtype() == dtype && x.is_contiguous();
    last &= is_channels_last(x);
  }
  if (last) {  // keeps that order
    TensorList turned;
    bool same = true;
    for (const Tensor& x : inputs) {
      turned.push_back(channels_last(x));
      same &= x.dtype() == dtype;
    }
    if (same) {
      const Tensor z = join(op, turned, dim == 0 ? 0 : dim == 1 ? first.dim() - 1 : dim - 1, dtype);
      Dims strides{z.strides()[0], z.strides().back()};
      for (int64_t d = 1; d + 1 < z.dim(); ++d) strides.push_back(z.strides()[d]);
      return alias(z, sizes, strides, 0);
    }
  }
  Tensor y = new_tensor(sizes, dtype);
  if (plain) {
    join_contiguous(op, y, inputs, dim);
    return y;
  }
  int64_t at = 0;
  for (const Tensor& x : inputs) {
    if (x.numel() > 0) copy_data(alias(y, x.sizes(), y.strides(), at * y.strides()[dim]), x);
    at += x.sizes()[dim];
  }
  return y;
}

}  // namespace

Tensor cat(const TensorList& tensors, int64_t dim) {
  DLCORE_CHECK(!tensors.empty(), ValueError, "cat: expected a non-empty list of tensors");
  TensorList inputs;
  for (size_t i = 0; i < tensors.size(); ++i) {
    DLCORE_CHECK(tensors[i].dim() > 0, RuntimeError, "cat: a tensor with no dimensions (tensor ", i,
                 ") cannot be joined");
    if (!skipped(tensors[i])) inputs.push_back(tensors[i]);
  }
  const DType dtype = result_type(tensors);
  if (inputs.empty()) inputs.push_back(tensors.front());
  const int64_t d = wrap_dim("cat", dim, inputs.front().dim());
  Tensor y = join("cat", inputs, d, dtype);
  if (!needs_graph(tensors)) return y;
  std::vector<int64_t> lengths;
  for (const Tensor& x : tensors) lengths.push_back(skipped(x) ? -1 : x.sizes()[d]);
  record("cat", y, tensors, [d, lengths](Gradients& g) {
    int64_t at = 0;
    for (size_t i = 0; i < lengths.size(); ++i) {
      g.set(i, [&] { return lengths[i] < 0 ? zeros({0}, g.dy().dtype()) : narrow(g.dy(), d, at, lengths[i]); });
      at += std::max<int64_t>(lengths[i], 0);
    }
  });
  return y;
}

Tensor stack(const TensorList& tensors, int64_t dim) {
  DLCORE_CHECK(!tensors.empty(), RuntimeError, "stack: expected a non-empty list of tensors");
  const Tensor& first = tensors.front();
  const int64_t d = wrap_dim("stack", dim, first.dim() + 1);
  TensorList inputs;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    DLCORE_CHECK(x.sizes() == first.sizes(), RuntimeError, "stack: tensors must be of equal size; expected ",
                 first.sizes(), " but got ", x.sizes(), " (tensor ", i, ")");
    Dims sizes = sizes_of(x), strides(x.strides());
    strides.insert(d, d < x.dim() ? sizes[d] * strides[d] : 1);
    sizes.insert(d, 1);
    inputs.push_back(alias(x, sizes, strides, x.storage_offset()));
  }
  Tensor y = join("stack", inputs, d, result_type(tensors));
  record("stack", y, tensors, [d, n = tensors.size()](Gradients& g) {
    for (size_t i = 0; i < n; ++i) g.set(i, [&] { return select(g.dy(), d, static_cast<int64_t>(i)); });
  });
  return y;
}

namespace {

template <class F>
TensorList each(const char* op, const TensorList& tensors, const F& f) {
  DLCORE_CHECK(!tensors.empty(), RuntimeError, op, ": expected a non-empty list of tensors");
  TensorList result;
  for (const Tensor& x : tensors) result.push_back(f(x));
  return result;
}

}  // namespace

Tensor hstack(const TensorList& tensors) {
  const TensorList inputs = each("hstack", tensors, atleast_1d);
  return cat(inputs, inputs.front().dim() == 1 ? 0 : 1);
}
Tensor vstack(const TensorList& tensors) { return cat(each("vstack", tensors, atleast_2d), 0); }
Tensor dstack(const TensorList& tensors) { return cat(each("dstack", tensors, atleast_3d), 2); }
Tensor column_stack(const TensorList& tensors) {
  return hstack(each("column_stack", tensors, [](const Tensor& x) { return x.dim() <= 1 ? reshape(x, {-1, 1}) : x; }));
}

Tensor block_diag(const TensorList& tensors) {
  if (tensors.empty()) return empty({1, 0});
  struct Block {
    Dims sizes;
    int64_t row, column, rows, columns;
  };
  std::vector<Block> blocks;
  int64_t rows = 0, columns = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    DLCORE_CHECK(x.dim() <= 2, RuntimeError,
                 "block_diag: tensors must have at most 2 dimensions; expected that but got shape ", x.sizes(),
                 " (tensor ", i, ")");
    const int64_t n = x.dim() == 2 ? x.sizes()[0] : 1, m = x.dim() > 0 ? x.sizes()[x.dim() - 1] : 1;
    blocks.push_back({sizes_of(x), rows, columns, n, m});
    rows += n;
    columns += m;
  }
  const auto block = [](const Tensor& y, const Block& b) {
    return reshape(slice(slice(y, 0, b.row, b.row + b.rows), 1, b.column, b.column + b.columns), b.sizes);
  };
  Tensor y;
  {
    NoGrad no_grad;
    y = zeros({rows, columns}, result_type(tensors));
    for (size_t i = 0; i < tensors.size(); ++i) copy_data(block(y, blocks[i]), tensors[i]);
  }
  record("block_diag", y, tensors, [blocks, block](Gradients& g) {
    for (size_t i = 0; i < blocks.size(); ++i) g.set(i, [&] { return block(g.dy(), blocks[i]); });
  });
  return y;
}

TensorList meshgrid(const TensorList& tensors, const std::string& indexing) {
  DLCORE_CHECK(!tensors.empty(), RuntimeError, "meshgrid: expected a non-empty list of tensors");
  DLCORE_CHECK(indexing == "ij" || indexing == "xy", RuntimeError, "meshgrid: indexing must be 'ij' or 'xy' but got '",
               indexing, "'");
  const int64_t n = static_cast<int64_t>(tensors.size());
  const auto place = [&](int64_t i) {
    return indexing == "xy" && n >= 2 && i < 2 ? 1 - i : i;
  };  // of tensor i's dimension
  Dims shape(n, 1);
  for (int64_t i = 0; i < n; ++i) {
    const Tensor& x = tensors[static_cast<size_t>(i)];
    DLCORE_CHECK(x.dim() <= 1, RuntimeError, "meshgrid: tensors must have at most 1 dimension but got shape ",
                 x.sizes(), " (tensor ", i, ")");
    DLCORE_CHECK(x.dtype() == tensors.front().dtype(), RuntimeError,
                 "meshgrid: tensors must have the same dtype; expected ", name(tensors.front().dtype()), " but got ",
                 name(x.dtype()), " (tensor ", i, ")");
    shape[place(i)] = x.numel();
  }
  TensorList grids;
  for (int64_t i = 0; i < n; ++i) {
    Dims line(n, 1);
    line[place(i)] = shape[place(i)];
    grids.push_back(expand(reshape(tensors[static_cast<size_t>(i)], line), shape));
  }
  return grids;
}

Tensor cartesian_prod(const TensorList& tensors) {
  for (const Tensor& x : tensors)
    DLCORE_CHECK(x.dim() == 1, RuntimeError, "cartesian_prod: expected vectors but got shape ", x.sizes());
  if (tensors.size() == 1) return tensors.front();
  return stack(each("cartesian_prod", meshgrid(tensors), ravel), 1);
}

}  // namespace dlcore
