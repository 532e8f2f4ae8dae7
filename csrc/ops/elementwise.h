#pragma once
// How elementwise ops reach their kernels.
#include <initializer_list>

#include "kernels/elementwise.h"
#include "ops/internal.h"

namespace dlcore {

using kernel::ElementwiseOp;

// {a, b, number(2)} as an argument.
struct TensorArg {
  const Tensor* tensor;
  TensorArg(const Tensor& t) : tensor(&t) {}
  operator const Tensor&() const { return *tensor; }
};
using TensorArgs = std::initializer_list<TensorArg>;

// The type that results of type t are computed in: float, double, int32 or int64.
constexpr DType row_dtype(DType t) {
  switch (t) {
    case DType::Float64:
    case DType::Int64:
      return t;
    case DType::Float32:
    case DType::BFloat16:
    case DType::Float16:
      return DType::Float32;
    default:
      return DType::Int32;
  }
}

// The same for ops on truth values, which take bools as they are.
constexpr DType truth_row_dtype(DType t) { return t == DType::Bool ? t : row_dtype(t); }

// A number or zero-dimensional integer of a wider type than the result's wraps to it before it takes part.
Tensor narrowed(const Tensor& x, DType t);

struct Elementwise {
  const char* name;  // in messages and profiles
  ElementwiseOp op;
  DType compute;  // float, double, int32 or int64
  DType result;
  double params[4] = {};
};

// op over the inputs broadcast together. The result keeps the inputs' order in memory. No history.
Tensor compute(const Elementwise& e, TensorArgs inputs);
// The same into `out`, to whose shape the inputs broadcast; inputs that overlap it are read first.
void compute_into(const Tensor& out, const Elementwise& e, TensorArgs inputs);

// The in-place twin of an op that is one kernel: written straight into x where nothing is recorded, else through
// `out_of_place`, which gets x as it was.
template <class F>
Tensor inplace_op(const char* name, const Tensor& x, Elementwise e, TensorArgs inputs, bool recorded,
                  const F& out_of_place) {
  if (recorded) return inplace(name, x, out_of_place);
  check_inplace(name, x);
  DLCORE_CHECK(can_cast(e.result, x.dtype()), RuntimeError, name, ": result type ", dlcore::name(e.result),
               " can't be cast to the tensor's type ", dlcore::name(x.dtype()));
  e.name = name;
  compute_into(x, e, inputs);
  finish_inplace(x, {});
  return x;
}

}  // namespace dlcore
