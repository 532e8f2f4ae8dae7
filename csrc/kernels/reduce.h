#pragma once
#include <cstdint>

#include "dlcore/dtype.h"
#include "dlcore/shape.h"

// Reductions: y[kept] = fold over the reduced dimensions of x[kept, reduced].
namespace dlcore::kernel {

// One loop of a nest; steps in elements.
struct Loop {
  int64_t size, x, y;
};

// Any shape, strides and set of reduced dimensions brought to two nests of loops, outermost first, with neighbours that
// lie in one line merged and the smallest steps innermost. Each nest has at least one loop.
struct ReduceLoops {
  static constexpr int kMax = 64;
  Loop kept[kMax], reduced[kMax];
  int kept_dims = 0, reduced_dims = 0;
  int64_t outputs = 1;   // product of the kept sizes
  int64_t count = 1;     // product of the reduced sizes
  bool columns = false;  // outputs are neighbours in memory, or the rows are short: many are accumulated side by side

  // y_strides has one entry a dimension of x, 0 for one that y does not have; bit d of `mask` says that d is reduced.
  ReduceLoops(IntSpan sizes, IntSpan x_strides, IntSpan y_strides, uint64_t mask);
};

// How the work is cut, from the shape alone. A task reduces `width` neighbouring outputs over one chunk of the reduced
// range; where there are several chunks, their results wait in the workspace and are combined in chunk order.
struct ReducePlan {
  static constexpr int64_t kMaxWidth = 512;
  static constexpr int64_t kAccBytes = 16;  // what a kernel may keep an output

  int64_t width, chunk, chunks;
  int64_t line_blocks, blocks;  // groups of `width` outputs in the innermost kept loop, and in all
  int64_t grain;                // tasks that one thread takes at a time

  // `cut`: the reduced range may be cut into chunks.
  explicit ReducePlan(const ReduceLoops& l, int64_t max_width = kMaxWidth, bool cut = true);
  // Bytes of scratch.
  int64_t workspace() const { return chunks > 1 ? blocks * chunks * kMaxWidth * kAccBytes : 0; }
};

enum class ReduceOp : uint8_t {
  Sum,        // sum x
  NanSum,     // sum of x that are not NaN
  AbsSum,     // sum |x|
  SquareSum,  // sum x^2
  PowerSum,   // sum |x|^p
  Count,      // number of x != 0
  Prod,
  Max,
  Min,
  AbsMax,
  AbsMin,
  Any,
  All,
};
enum class ReduceFinish : uint8_t { None, Sqrt, Root };  // y = f, sqrt(f), f^(1/p)

// y = finish(scale * fold of x). A NaN among the elements makes Max and Min NaN. Integers and bool are summed in int64,
// floats in float32 within a block of a few thousand elements and in float64 across blocks.
struct Reduce {
  ReduceOp op;
  DType x_dtype, y_dtype;
  const void* x;
  void* y;
  const ReduceLoops& loops;
  const ReducePlan& plan;
  void* workspace;
  double scale = 1, p = 2;
  ReduceFinish finish = ReduceFinish::None;
};

// Largest or smallest element and its index in the reduced range: the first one of equals, NaN before all.
struct ReduceArg {
  bool largest;
  DType dtype;
  const void* x;
  void* values;              // x's dtype; may be null
  int64_t* indices;          // both in y's geometry
  const ReduceLoops& loops;  // the reduced dimensions must be in order of the index that is wanted
  const ReducePlan& plan;
  void* workspace;
};

// mean = sum x / n, var = sum (x - mean)^2 / max(n - correction, 0), or its square root. Sums run in float64, and
// deviations are taken from the mean of each block before blocks are combined, so that a large mean costs no accuracy.
struct ReduceMoments {
  DType dtype;
  const void* x;
  void *mean, *var;  // either may be null
  double correction;
  bool root;
  const ReduceLoops& loops;
  const ReducePlan& plan;  // of width at most kMomentsWidth
  void* workspace;
};
constexpr int64_t kMomentsWidth = 256;

}  // namespace dlcore::kernel
