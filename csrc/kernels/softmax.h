#pragma once
#include "kernels/reduce.h"

// Exponentials along a dimension, shifted by its largest element m so that they cannot overflow.
namespace dlcore::kernel {

// y = log sum exp(x) = m + log(sum exp(x - m)); m alone where that is infinite
struct LogSumExp {
  DType dtype;
  const void* x;
  void* y;
  const ReduceLoops& loops;
  const ReducePlan& plan;
  void* workspace;
};

// A dimension that stays in the cache is one task's, and read from memory once. A longer one is first folded to m and s
// = sum exp(x - m), in chunks, and read again for the result.
struct SoftmaxPlan {
  bool whole;
  ReducePlan cut;
  explicit SoftmaxPlan(const ReduceLoops& l);
  int64_t workspace(const ReduceLoops& l) const {
    return whole ? 0 : cut.workspace() + 2 * l.outputs * static_cast<int64_t>(sizeof(double));
  }
};
constexpr int64_t kSoftmaxTile = 1 << 13;  // the longest row that a task may hold in a buffer of its own

// y = exp(x - m) / s, or its logarithm (x - m) - log(s)
struct Softmax {
  bool log;
  DType dtype;
  const void* x;
  void* y;
  const ReduceLoops& loops;  // the dimension is the only reduced one; y's steps are those of y
  const SoftmaxPlan& plan;
  void* workspace;
};

// dx = y (dy - sum y dy); of the logarithm: dy - exp(y) sum dy
struct SoftmaxBackward {
  bool log;
  DType dtype;
  const void *y, *dy;  // both in the loops' x steps
  void* dx;            // in their y steps
  const ReduceLoops& loops;
  const SoftmaxPlan& plan;
  void* workspace;
};

}  // namespace dlcore::kernel
