#pragma once
#include "kernels/reduce.h"

// Running results along one dimension: y_i = fold of x_0 ... x_i.
namespace dlcore::kernel {

enum class ScanOp : uint8_t { Sum, Prod, LogSumExp, Max, Min };

// Floats accumulate in float64, integers in int64. Max and Min also tell where the value in force comes from: the last
// of equals, and NaN before all.
struct Scan {
  ScanOp op;
  DType x_dtype, y_dtype;
  const void* x;
  void* y;
  int64_t* indices;          // Max and Min: in y's geometry; else null
  const ReduceLoops& loops;  // of which the dimension is the only reduced one; y's steps are those of y
  const ReducePlan& plan;    // one chunk, but for Sum and Prod
  void* workspace;
};

}  // namespace dlcore::kernel
