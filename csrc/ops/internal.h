#pragma once
// What ops share among themselves: dtype rules, the in-place twin of any op, and the few data movers that autograd
// needs.
#include "autograd/node.h"
#include "dlcore/ops.h"
#include "kernels/activation.h"

namespace dlcore {

// ---- dtypes (ops/promotion.cpp)

DLCORE_API DType default_dtype();
DLCORE_API void set_default_dtype(DType t);  // a floating point type
DLCORE_API DType promote_types(DType a, DType b);
// PyTorch's rule: dimensions win over zero-dimensional tensors, which win over Python numbers, within one category.
DLCORE_API DType result_type(const Tensor& a, const Tensor& b);
DLCORE_API DType result_type(const TensorList& list);
DLCORE_API bool can_cast(DType from, DType to);
// Integers become the default dtype, floating point stays.
inline DType to_floating(DType t) { return is_floating(t) ? t : default_dtype(); }
// bfloat16 and float16 are computed in float32.
inline DType compute_dtype(DType t) { return is_half(t) ? DType::Float32 : t; }

// ---- geometry (creation, view)

Dims dense_strides_like(const TensorImpl& x);  // x's order of dimensions in memory, without gaps
inline Dims dense_strides_like(const Tensor& x) { return dense_strides_like(*x.impl()); }
// Strides of "contiguous_format", "channels_last" or "channels_last_3d".
Dims strides_of_format(const char* op, IntSpan sizes, const std::string& format);
// Elements from the first to the last one of a strided tensor; throws where a stride is negative or they reach too far.
int64_t strided_extent(const char* op, IntSpan sizes, IntSpan strides);
// Strides that read the same elements in the same order with other sizes; none where only a copy can do that.
std::optional<Dims> view_strides(IntSpan sizes, IntSpan strides, IntSpan new_sizes);

// ---- data movers without history

DLCORE_API void copy_data(const Tensor& to,
                          const Tensor& from);  // broadcasts and casts; `to` is written in place (elementwise)
DLCORE_API void add_into(const Tensor& sum, const Tensor& g);  // sum += g (elementwise)
DLCORE_API Tensor clone_like(const Tensor& x,
                             IntSpan strides);  // clone with these dense strides, keeps history (elementwise)

// ---- differentiable helpers

DLCORE_API Tensor sum_to(const Tensor& x, IntSpan sizes);  // sums the dimensions that broadcasting added (reduction)
kernel::Activation activation_of(const char* op, const std::string& name);  // throws ValueError (activation)
Tensor relu_gradient(const Tensor& dy, const Tensor& y);   // dy where y = relu(.) is positive (activation)
Tensor relu6_gradient(const Tensor& dy, const Tensor& y);  // dy where y = relu6(.) is between 0 and 6
// Place of a strided view inside a base: both geometries are in elements of one storage (shape).
// gather: the view's elements out of a tensor shaped like the base. scatter: zeros shaped like the base with dy added
// there.
Tensor as_strided_gather(const Tensor& x, IntSpan base_sizes, IntSpan base_strides, int64_t base_offset, IntSpan sizes,
                         IntSpan strides, int64_t offset);
Tensor as_strided_scatter(const Tensor& dy, IntSpan base_sizes, IntSpan base_strides, int64_t base_offset,
                          IntSpan strides, int64_t offset);

// ---- the in-place twin of any op (autograd/inplace.cpp)

// A second tensor object over x's memory with x's history: what an op reads when its result will overwrite x.
DLCORE_API Tensor shadow(const Tensor& x);
// Writes y over x, and gives x the history of y. `old` is the shadow that y was computed from: if the graph kept it for
// backward, it gets its own copy of the elements first.
DLCORE_API void overwrite(const char* op, const Tensor& x, const Tensor& y, Tensor old);

// inplace("exp_", x, [](const Tensor& x) { return exp(x); })
template <class F>
Tensor inplace(const char* op, const Tensor& x, const F& f) {
  check_inplace(op, x);
  Tensor old = shadow(x);
  Tensor y = f(old);
  overwrite(op, x, y, std::move(old));
  return x;
}

}  // namespace dlcore
