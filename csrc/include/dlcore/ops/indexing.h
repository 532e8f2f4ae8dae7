#pragma once
#include <string>
#include <tuple>

#include "dlcore/tensor.h"

namespace dlcore {

// Reading and writing by position. Index tensors are int64 or int32. Where two indices name the same element, writes
// happen in the order of the indices, for any number of threads. An index out of range is an IndexError that names it.

// ---- x[...] (ops/index.cpp)

// One item of an index expression.
struct Index {
  enum class Kind : uint8_t { Integer, Slice, NewAxis, Ellipsis, Bool, Tensor };
  Kind kind = Kind::Ellipsis;
  std::optional<int64_t> start, stop;  // of a slice; start also holds an integer, or a bool
  int64_t step = 1;
  Tensor tensor;  // positions, or a mask that stands for as many dimensions as it has

  static Index integer(int64_t i) { return {Kind::Integer, i, {}, 1, {}}; }
  static Index slice(std::optional<int64_t> start = {}, std::optional<int64_t> stop = {}, int64_t step = 1) {
    return {Kind::Slice, start, stop, step, {}};
  }
  static Index new_axis() { return {Kind::NewAxis, {}, {}, 1, {}}; }
  static Index ellipsis() { return {Kind::Ellipsis, {}, {}, 1, {}}; }
  static Index boolean(bool b) { return {Kind::Bool, b, {}, 1, {}}; }
  static Index at(const Tensor& t) { return {Kind::Tensor, {}, {}, 1, t}; }
};

// x[indices]: a view where no item is a tensor, else a copy.
DLCORE_API Tensor index(const Tensor& x, const std::vector<Index>& indices);
// x[indices] = value, broadcast.
DLCORE_API void index_assign(const Tensor& x, const std::vector<Index>& indices, const Tensor& value);

// x[indices[0], indices[1], ...]; an undefined tensor stands for a whole dimension.
DLCORE_API Tensor index_tensors(const Tensor& x, const TensorList& indices);
// x with x[indices] = values, or += where `accumulate`.
DLCORE_API Tensor index_put(const Tensor& x, const TensorList& indices, const Tensor& values, bool accumulate = false);
DLCORE_API Tensor index_put_(const Tensor& x, const TensorList& indices, const Tensor& values, bool accumulate = false);
// y[i] = x.flatten()[index[i]]
DLCORE_API Tensor take(const Tensor& x, const Tensor& index);
// x with x.flatten()[index[i]] = source[i], or += where `accumulate`.
DLCORE_API Tensor put(const Tensor& x, const Tensor& index, const Tensor& source, bool accumulate = false);
DLCORE_API Tensor put_(const Tensor& x, const Tensor& index, const Tensor& source, bool accumulate = false);
// Rows of weight (v, d): y[i, :] = weight[input[i], :]. The row padding_idx gets no gradient. sparse: weight's gradient
// is a tensor of rows (dlcore/ops/sparse.h), unless it is to be differentiated again.
DLCORE_API Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx = {},
                            bool sparse = false);

// ---- along a dimension (ops/gather.cpp)

// y[i, j, k] = x[index[i, j, k], j, k] for dim = 0.
DLCORE_API Tensor gather(const Tensor& x, int64_t dim, const Tensor& index);
// gather after x and index are broadcast to each other outside dim; no dim: x and index as one dimension.
DLCORE_API Tensor take_along_dim(const Tensor& x, const Tensor& index, std::optional<int64_t> dim = {});
// x with x[index[i, j, k], j, k] = src[i, j, k] for dim = 0.
DLCORE_API Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src);
DLCORE_API Tensor scatter_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src);
DLCORE_API Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, Scalar value);
DLCORE_API Tensor scatter_(const Tensor& x, int64_t dim, const Tensor& index, Scalar value);
DLCORE_API Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src);
DLCORE_API Tensor scatter_add_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src);
// reduce: "sum", "prod", "mean", "amax" or "amin" of the elements that meet, x's own among them where include_self.
DLCORE_API Tensor scatter_reduce(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src,
                                 const std::string& reduce, bool include_self = true);
DLCORE_API Tensor scatter_reduce_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src,
                                  const std::string& reduce, bool include_self = true);

// Slices of x along dim, by a one-dimensional index: y[i, :, :] = x[index[i], :, :] for dim = 0.
DLCORE_API Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index);
// x with x[index[i], :, :] += alpha source[i, :, :]
DLCORE_API Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha = 1);
DLCORE_API Tensor index_add_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, Scalar alpha = 1);
DLCORE_API Tensor index_copy(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source);
DLCORE_API Tensor index_copy_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source);
// value: a zero-dimensional tensor
DLCORE_API Tensor index_fill(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& value);
DLCORE_API Tensor index_fill_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& value);

// ---- by mask (ops/mask.cpp)

// mask ? value : x, broadcast; value: a zero-dimensional tensor
DLCORE_API Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value);
DLCORE_API Tensor masked_fill_(const Tensor& x, const Tensor& mask, const Tensor& value);
// The elements of x where mask is true, in order, as one dimension.
DLCORE_API Tensor masked_select(const Tensor& x, const Tensor& mask);
// x with the elements where mask is true replaced by those of source, in order.
DLCORE_API Tensor masked_scatter(const Tensor& x, const Tensor& mask, const Tensor& source);
DLCORE_API Tensor masked_scatter_(const Tensor& x, const Tensor& mask, const Tensor& source);
// Coordinates of the elements that are not zero, (count, x.dim()); nonzero_tuple gives one tensor a dimension.
DLCORE_API Tensor nonzero(const Tensor& x);
DLCORE_API TensorList nonzero_tuple(const Tensor& x);
DLCORE_API Tensor argwhere(const Tensor& x);  // the same as nonzero

// ---- order (ops/sort.cpp): NaN is larger than every number

// Sorts are always stable; `stable` is there for PyTorch's signature.
DLCORE_API std::tuple<Tensor, Tensor> sort(const Tensor& x, int64_t dim = -1, bool descending = false,
                                           bool stable = true);
DLCORE_API Tensor argsort(const Tensor& x, int64_t dim = -1, bool descending = false, bool stable = true);
DLCORE_API Tensor msort(const Tensor& x);  // sorted along the first dimension
DLCORE_API std::tuple<Tensor, Tensor> topk(const Tensor& x, int64_t k, int64_t dim = -1, bool largest = true,
                                           bool sorted = true);
// The k-th smallest along dim, k from 1.
DLCORE_API std::tuple<Tensor, Tensor> kthvalue(const Tensor& x, int64_t k, int64_t dim = -1, bool keepdim = false);

struct Unique {
  Tensor values, inverse, counts;  // inverse, counts: undefined unless asked for
};
// The distinct elements (or slices along dim), sorted; where each element went; how often each occurs.
DLCORE_API Unique unique(const Tensor& x, bool return_inverse = false, bool return_counts = false,
                         std::optional<int64_t> dim = {});
// Runs of equal neighbours count once.
DLCORE_API Unique unique_consecutive(const Tensor& x, bool return_inverse = false, bool return_counts = false,
                                     std::optional<int64_t> dim = {});

// Where each value would go in the last dimension of sorted_sequence: the first place that is not below it, or with
// `right` the first above it.
DLCORE_API Tensor searchsorted(const Tensor& sorted_sequence, const Tensor& values, bool out_int32 = false,
                               bool right = false, std::optional<std::string> side = {}, const Tensor& sorter = {});
DLCORE_API Tensor bucketize(const Tensor& x, const Tensor& boundaries, bool out_int32 = false, bool right = false);

}  // namespace dlcore
