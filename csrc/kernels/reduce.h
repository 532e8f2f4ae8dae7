#pragma once
#include <cstdint>

#include "dlcore/dtype.h"
#include "dlcore/shape.h"

// Reductions: y[kept] = fold over the reduced dimensions of x[kept, reduced].
namespace dlcore::kernel {

enum class ReduceOp : uint8_t { Sum, Prod, Max, Min };

// One loop of a nest; steps in elements. y's step is 0 in a reduced loop.
struct Loop {
  int64_t size, x, y;
};

// Any shape, strides and set of reduced dimensions brought to two nests of loops, outermost first, with neighbours that
// lie in one line merged and the smallest steps innermost. Each nest has at least one loop.
struct ReduceLoops {
  static constexpr int kMax = 64;
  Loop kept[kMax], reduced[kMax];
  int kept_dims = 0, reduced_dims = 0;
  int64_t outputs = 1;  // product of the kept sizes
  int64_t count = 1;    // product of the reduced sizes
  bool columns = false;  // the innermost loop of all is a kept one: rows of outputs are accumulated side by side

  // y_strides has one entry a dimension of x; bit d of `mask` says that dimension d is reduced.
  ReduceLoops(IntSpan sizes, IntSpan x_strides, IntSpan y_strides, uint64_t mask);
};

// How the work is cut, from the shape alone. A task reduces `width` neighbouring outputs over one chunk of the reduced
// range; where there are several chunks, their results wait in the workspace and are combined in chunk order.
struct ReducePlan {
  int64_t width, chunk, chunks;
  int64_t grain;  // tasks that one thread takes at a time

  explicit ReducePlan(const ReduceLoops& l, int64_t max_width = kMaxWidth);
  // Bytes of scratch for results of `item` bytes.
  int64_t workspace(const ReduceLoops& l, int64_t item) const { return chunks > 1 ? chunks * l.outputs * item : 0; }

  static constexpr int64_t kMaxWidth = 512;
};

struct Reduce {
  ReduceOp op;
  DType x_dtype, y_dtype;
  const void* x;
  void* y;
  const ReduceLoops& loops;
  const ReducePlan& plan;
  void* workspace;   // plan.workspace(loops, 8)
  double scale = 1;  // y = scale * sum
};

}  // namespace dlcore::kernel
