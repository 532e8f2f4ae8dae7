#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Order: sorting, selection and binary search along contiguous rows. NaN is larger than every number and -0 equals 0,
// as in PyTorch.
namespace dlcore::kernel {

struct Sort {
  DType dtype;
  int64_t rows, n;  // n < 2^32
  bool descending = false;
};

struct TopK {
  DType dtype;
  int64_t rows, n, k;  // 0 < k <= n
  bool largest = true, sorted = true;
};

struct Search {
  DType dtype;  // Float32, Float64, Int32 or Int64
  int64_t rows, n, m;
  const void* boundaries;  // (rows or 1, n), ascending
  const void* values;      // (rows, m)
  int64_t* y;              // (rows, m)
  bool shared = true;      // one row of boundaries for all
  bool right = false;      // first boundary above the value, rather than the first not below it
};

}  // namespace dlcore::kernel
