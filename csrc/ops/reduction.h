#pragma once
// What reductions share: which dimensions go, what the result looks like, and the way back.
#include "kernels/reduce.h"
#include "ops/internal.h"

namespace dlcore {

// Bit d for each dimension d that `dim` names; all where there is no list, or an empty one. Throws on one out of range or
// named twice.
uint64_t dim_mask(const char* op, const Tensor& x, std::optional<IntSpan> dim);

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

// y (r.kept or r.keepdim, contiguous) = scale * fold of x. x must not be reduced over nothing where op has no identity.
void run_reduce(const char* name, kernel::ReduceOp op, const Tensor& x, const Reduced& r, const Tensor& y,
                double scale = 1);

// The differentiable sum over r, as a tensor of the given sizes.
Tensor sum_over(const Tensor& x, const Reduced& r, const Dims& sizes);
// dy, of a reduction's result, as a view of x's shape: each element repeated over the dimensions that were reduced.
Tensor spread(const Tensor& dy, const Dims& x_sizes, const Reduced& r);

}  // namespace dlcore
