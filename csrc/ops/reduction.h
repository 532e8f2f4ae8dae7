#pragma once
// What reductions share: which dimensions go, what the result looks like, and the way back.
#include "core/allocator.h"
#include "core/launch.h"
#include "kernels/reduce.h"
#include "ops/internal.h"

namespace dlcore {

// Bit d for each dimension d that `dim` names; all where there is no list, or an empty one. Throws on one out of range
// or named twice.
uint64_t dim_mask(const char* op, const Tensor& x, DimList dim);
uint64_t dim_mask(const char* op, const Tensor& x, Dim dim);

// A set of dimensions of x, and the shape that is left.
struct Reduced {
  uint64_t mask = 0;
  int64_t count = 1;  // elements that make one output
  Dims kept;          // the other sizes
  Dims keepdim;       // x's sizes with 1 for the reduced ones

  Reduced(const Tensor& x, uint64_t mask);
  bool has(int64_t d) const { return mask >> d & 1; }
  const Dims& sizes(bool keep) const { return keep ? keepdim : kept; }
  // y's stride for every dimension of x, y being contiguous over the kept ones.
  Dims output_strides() const;
};

// The kernel's arguments, ready to run: loops over x (and a contiguous y), their cut into tasks, and scratch.
struct FoldArguments {
  kernel::ReduceLoops loops;
  kernel::ReducePlan plan;
  Workspace scratch;
  Cost cost;
  FoldArguments(const Tensor& x, const Reduced& r, int64_t max_width = kernel::ReducePlan::kMaxWidth);
};

// y = f(scale * fold of x over r), without history.
struct Fold {
  const char* name;
  kernel::ReduceOp op;
  double scale = 1, p = 2;
  kernel::ReduceFinish finish = kernel::ReduceFinish::None;
};
Tensor fold(const Fold& f, const Tensor& x, const Reduced& r, const Dims& sizes, DType dtype);

// The differentiable sum and mean over r, as a tensor of the given sizes.
Tensor sum_over(const Tensor& x, const Reduced& r, const Dims& sizes);
Tensor mean_over(const Tensor& x, const Reduced& r, const Dims& sizes);
// dy, of a reduction's result, as a view of x's shape: each element repeated over the dimensions that were reduced.
Tensor spread(const Tensor& dy, const Dims& x_sizes, const Reduced& r);
// dy shared evenly by the elements of x for which mask holds, of those that made one output.
Tensor share_evenly(const Tensor& dy, const Tensor& mask, const Reduced& r);
// Zeros of x's shape, but dy where the index along dim says.
Tensor select_backward(const Tensor& dy, const Tensor& indices, const Dims& x_sizes, int64_t dim, bool keepdim);

}  // namespace dlcore
