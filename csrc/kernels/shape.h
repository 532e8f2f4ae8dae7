#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Kernels that move elements without looking at them: an element is `item` bytes (1, 2, 4 or 8).
namespace dlcore::kernel {

// y[i] = the low `item` bytes of `bits`, i < n.
struct Fill {
  void* y;
  int64_t n;
  int64_t item;
  uint64_t bits;
};

// y[i] = start + i step                    for i < count_down_from,
//        end - (n - 1 - i) step            from there on, in double, rounded (towards zero for integers) once;
// integers without through_double: y[i] = int_start + i int_step.
struct Range {
  void* y;
  int64_t n;
  DType dtype;  // float32, float64, an integer
  double start, end, step;
  int64_t int_start, int_step;
  int64_t count_down_from;
  bool through_double;
};

// y (rows, row_bytes): each row is the rows of all parts, one after another. No part is empty.
struct JoinPart {
  const char* x;      // (rows, bytes)
  int64_t at, bytes;  // its place in y's row
};
struct Join {
  void* y;
  int64_t rows, row_bytes;
  JoinPart* parts;
  int64_t count;
};

// y[i_0, ..., i_last] = x[sum_d i_d steps[d]]: contiguous y from x walked with steps of any sign, in elements. ndim
// >= 1.
constexpr int kMaxDims = 64;
struct Walk {
  void* y;
  const void* x;  // the element that y[0, ..., 0] comes from
  int64_t item;
  int64_t ndim;
  int64_t sizes[kMaxDims], steps[kMaxDims];
};

// y[b, i, j] = x[b, i, j] where j <= i + diagonal (lower), j >= i + diagonal (not lower), else 0. x, y (batch, rows,
// cols).
struct Triangle {
  void* y;
  const void* x;
  int64_t item;
  int64_t batch, rows, cols;
  int64_t diagonal;
  bool lower;
};

}  // namespace dlcore::kernel
