#pragma once
// What the random ops share.
#include "core/launch.h"
#include "dlcore/ops/random.h"
#include "kernels/registry.h"
#include "ops/internal.h"

namespace dlcore {

// A distribution and its parameters: kernels/random.h.
struct Law {
  kernel::Distribution distribution;
  double a = 0, b = 0;
  int64_t low = 0;
  uint64_t range = 0;
};

// Fills contiguous y.
Tensor drawn(const char* op, const Tensor& y, const Law& law, Generator* generator);
// What is drawn does not depend smoothly on anything: the inputs' gradients are zero.
Tensor without_gradient(const char* op, Tensor y, const TensorList& inputs);

// Overwrites x with what `fill` writes to a contiguous tensor.
template <class Fill>
Tensor redraw(const char* op, const Tensor& x, const Fill& fill) {
  check_inplace(op, x);
  Tensor y = x.detach();
  if (x.is_contiguous()) {
    fill(y);
  } else {
    const Tensor dense = new_tensor(x.sizes(), x.dtype());
    fill(dense);
    copy_data(x, dense);
  }
  finish_inplace(x, without_gradient(op, y, {x}));
  return x;
}

inline void check_floating(const char* op, DType t) {
  DLCORE_CHECK(is_floating(t), NotImplementedError, op, ": dtype must be floating point but got ", name(t));
}
inline void check_std(const char* op, double std) {
  DLCORE_CHECK(std >= 0, RuntimeError, op, ": std must not be negative, got ", std);
}
inline void check_probability(const char* op, double p) {
  DLCORE_CHECK(p >= 0 && p <= 1, RuntimeError, op, ": p must be in [0, 1] but got ", p);
}

}  // namespace dlcore
