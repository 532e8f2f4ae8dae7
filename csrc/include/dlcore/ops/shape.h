#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// Ops on the shape of a tensor. A dimension may be negative: it then counts from the end.

// ---- views: they share x's memory, and a write to one is seen, also by autograd, in the other (ops/view.cpp)

// x as a tensor of other sizes, one of which may be -1 (what remains). view never copies: where the order of the
// elements in memory forbids that, it is an error. reshape copies then.
DLCORE_API Tensor view(const Tensor& x, IntSpan sizes);
DLCORE_API Tensor reshape(const Tensor& x, IntSpan sizes);
// The same bytes read as another dtype; the last dimension shrinks or grows where the sizes of the dtypes differ.
DLCORE_API Tensor view_dtype(const Tensor& x, DType dtype);
DLCORE_API Tensor flatten(const Tensor& x, int64_t start_dim = 0, int64_t end_dim = -1);
DLCORE_API Tensor unflatten(const Tensor& x, int64_t dim, IntSpan sizes);
DLCORE_API Tensor ravel(const Tensor& x);  // x in one dimension

// Drops dimensions of size 1: all, or those named.
DLCORE_API Tensor squeeze(const Tensor& x, std::optional<IntSpan> dim = {});
DLCORE_API Tensor unsqueeze(const Tensor& x, int64_t dim);  // a dimension of size 1 more, at dim

DLCORE_API Tensor permute(const Tensor& x, IntSpan dims);                  // dimension i of the result is dims[i] of x
DLCORE_API Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1);  // two dimensions change places
DLCORE_API Tensor t(const Tensor& x);                                      // at most two dimensions
DLCORE_API Tensor numpy_t(const Tensor& x);                                // all dimensions reversed: x.T
DLCORE_API Tensor mT(const Tensor& x);                                     // the last two swapped
DLCORE_API Tensor movedim(const Tensor& x, IntSpan source, IntSpan destination);

DLCORE_API Tensor matrix_t(const Tensor& x);  // a matrix transposed, and only a matrix: x.H

// Dimensions of size 1, and new ones in front, are repeated without copying; -1 keeps a size.
DLCORE_API Tensor expand(const Tensor& x, IntSpan sizes);
DLCORE_API Tensor expand_as(const Tensor& x, const Tensor& other);
DLCORE_API Tensor broadcast_to(const Tensor& x, IntSpan sizes);
DLCORE_API TensorList broadcast_tensors(const TensorList& tensors);
DLCORE_API std::vector<int64_t> broadcast_shapes(const std::vector<std::vector<int64_t>>& shapes);

DLCORE_API Tensor select(const Tensor& x, int64_t dim, int64_t index);
// x[start:end:step] along dim, as Python slices: bounds are clamped; step > 0.
DLCORE_API Tensor slice(const Tensor& x, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end,
                        int64_t step = 1);
DLCORE_API Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length);
DLCORE_API TensorList unbind(const Tensor& x, int64_t dim = 0);               // x[0], x[1], ... along dim
DLCORE_API TensorList split(const Tensor& x, int64_t size, int64_t dim = 0);  // the last may be smaller
DLCORE_API TensorList split_with_sizes(const Tensor& x, IntSpan sizes, int64_t dim = 0);
DLCORE_API TensorList chunk(const Tensor& x, int64_t chunks, int64_t dim = 0);
DLCORE_API TensorList tensor_split(const Tensor& x, int64_t sections, int64_t dim = 0);
DLCORE_API TensorList tensor_split_at(const Tensor& x, IntSpan indices, int64_t dim = 0);
// The same number of equal sections, or cuts, along the second dimension (the first for vectors), the first, the third.
DLCORE_API TensorList hsplit(const Tensor& x, int64_t sections);
DLCORE_API TensorList vsplit(const Tensor& x, int64_t sections);
DLCORE_API TensorList dsplit(const Tensor& x, int64_t sections);
DLCORE_API TensorList hsplit_at(const Tensor& x, IntSpan indices);
DLCORE_API TensorList vsplit_at(const Tensor& x, IntSpan indices);
DLCORE_API TensorList dsplit_at(const Tensor& x, IntSpan indices);

DLCORE_API Tensor diagonal(const Tensor& x, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);
// Windows of `size` along dim, `step` apart: y[..., i, ..., j] = x[..., i step + j, ...], the window is the last
// dimension.
DLCORE_API Tensor unfold(const Tensor& x, int64_t dim, int64_t size, int64_t step);
// Any geometry inside x's memory, in elements.
DLCORE_API Tensor as_strided(const Tensor& x, IntSpan sizes, IntSpan strides, std::optional<int64_t> offset = {});

DLCORE_API Tensor atleast_1d(const Tensor& x);  // one dimension where there is none
DLCORE_API Tensor atleast_2d(const Tensor& x);  // dimensions of size 1 in front, up to two
DLCORE_API Tensor atleast_3d(const Tensor& x);  // (1, n, 1) of (n), (m, n, 1) of (m, n)

// ---- joining (ops/join.cpp)

// One after another along dim; dtypes are promoted. A tensor of shape (0,) joins anything.
DLCORE_API Tensor cat(const TensorList& tensors, int64_t dim = 0);
// One after another along a new dimension.
DLCORE_API Tensor stack(const TensorList& tensors, int64_t dim = 0);
// cat along the second dimension (the first for one dimension), the first, the third; columns side by side.
DLCORE_API Tensor hstack(const TensorList& tensors);
DLCORE_API Tensor vstack(const TensorList& tensors);
DLCORE_API Tensor dstack(const TensorList& tensors);
DLCORE_API Tensor column_stack(const TensorList& tensors);
// Matrices along the diagonal of a larger one.
DLCORE_API Tensor block_diag(const TensorList& tensors);
// Coordinate grids of one-dimensional tensors; indexing "ij", or "xy" where the first two dimensions change places.
DLCORE_API TensorList meshgrid(const TensorList& tensors, const std::string& indexing = "ij");
// All tuples of one element from each, one a row.
DLCORE_API Tensor cartesian_prod(const TensorList& tensors);

// ---- copies in another arrangement (ops/shape.cpp)

// x, repeats[i] times along dimension i; repeats may name new dimensions in front. tile: missing leading repeats are 1.
DLCORE_API Tensor repeat(const Tensor& x, IntSpan repeats);
DLCORE_API Tensor tile(const Tensor& x, IntSpan dims);
// Each element (along dim; without it, of the flattened tensor) repeated: the same number of times, or as often as a
// tensor of int32 or int64 says.
DLCORE_API Tensor repeat_interleave(const Tensor& x, int64_t repeats, std::optional<int64_t> dim = {},
                                    std::optional<int64_t> output_size = {});
DLCORE_API Tensor repeat_interleave(const Tensor& x, const Tensor& repeats, std::optional<int64_t> dim = {},
                                    std::optional<int64_t> output_size = {});
// 0 repeats[0] times, 1 repeats[1] times, ...
DLCORE_API Tensor repeat_interleave(const Tensor& repeats, std::optional<int64_t> output_size = {});

DLCORE_API Tensor flip(const Tensor& x, IntSpan dims);  // the order along these dimensions reversed
DLCORE_API Tensor fliplr(const Tensor& x);              // flip along the second dimension
DLCORE_API Tensor flipud(const Tensor& x);              // flip along the first dimension
// y[(i + shift) mod n] = x[i]; without dims the flattened tensor is rolled.
DLCORE_API Tensor roll(const Tensor& x, IntSpan shifts, IntSpan dims = {});
// k quarter turns from dims[0] towards dims[1].
DLCORE_API Tensor rot90(const Tensor& x, int64_t k = 1, IntSpan dims = {0, 1});

// Elements (i, j) with j <= i + diagonal (tril), j >= i + diagonal (triu); zeros elsewhere.
DLCORE_API Tensor tril(const Tensor& x, int64_t diagonal = 0);
DLCORE_API Tensor triu(const Tensor& x, int64_t diagonal = 0);
// A vector as a diagonal matrix; a matrix's diagonal as a vector.
DLCORE_API Tensor diag(const Tensor& x, int64_t diagonal = 0);
DLCORE_API Tensor diagflat(const Tensor& x, int64_t offset = 0);
// The last dimension becomes the offset-th diagonal of the new dimensions dim1, dim2.
DLCORE_API Tensor diag_embed(const Tensor& x, int64_t offset = 0, int64_t dim1 = -2, int64_t dim2 = -1);

// In memory as `format` says: "contiguous_format", "channels_last", "channels_last_3d", and for clone
// "preserve_format".
DLCORE_API Tensor contiguous(const Tensor& x, const std::string& format);
DLCORE_API Tensor contiguous(const Tensor& x);  // x itself where it is contiguous
DLCORE_API bool is_contiguous(const Tensor& x, const std::string& format);
DLCORE_API Tensor clone(const Tensor& x, const std::string& format);

// ---- x itself gets the shape of a view of it (ops/shape.cpp)

DLCORE_API Tensor squeeze_(const Tensor& x, std::optional<IntSpan> dim = {});
DLCORE_API Tensor unsqueeze_(const Tensor& x, int64_t dim);
DLCORE_API Tensor transpose_(const Tensor& x, int64_t dim0, int64_t dim1);
DLCORE_API Tensor t_(const Tensor& x);
DLCORE_API Tensor as_strided_(const Tensor& x, IntSpan sizes, IntSpan strides, std::optional<int64_t> offset = {});

}  // namespace dlcore
