#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Reading and writing by index: indexing, gather, scatter, index_select, index_add, embedding and their kin are all
// index_read or index_write over one description of where the elements lie.
namespace dlcore::kernel {

inline constexpr int kIndexDims = 64;
inline constexpr int kIndexTensors = 64;

struct IndexTensor {
  const void* data;
  DType dtype;             // Int64 or Int32
  const int64_t* strides;  // in elements of data, one a dimension of the space; 0 where it does not vary
  int64_t size;            // indices lie in [0, size), or in [-size, size) with Indexed::negative
  int64_t step;            // elements of x from one index to the next
};

// A space of coordinates c, walked in row-major order, and for each of them an element of x and one of y:
//   x[ sum_d c_d x_strides[d] + sum_k index_k[c] step_k ]    <->    y[ sum_d c_d y_strides[d] ]
struct Indexed {
  int ndim = 0;
  const int64_t* sizes = nullptr;
  const int64_t* x_strides = nullptr;
  const int64_t* y_strides = nullptr;
  int indices = 0;
  const IndexTensor* index = nullptr;
  bool negative = false;  // negative indices count from the end
};

enum class IndexWrite : uint8_t { Copy, Add, Multiply, Min, Max };

// The elements of a contiguous array that a mask names, counted chunk by chunk so that chunks can work side by side.
struct Masked {
  const uint8_t* mask;  // n, each 0 or 1
  int64_t n;
  int64_t chunk;         // elements a chunk
  const int64_t* first;  // how many are named before each chunk: ceil(n / chunk)
  int64_t named;         // how many in all
};

// y = mask ? value : x over a space of coordinates; y may be x.
struct MaskedFill {
  int ndim;
  const int64_t* sizes;
  void* y;
  const int64_t* y_strides;
  const void* x;
  const int64_t* x_strides;
  const uint8_t* mask;
  const int64_t* mask_strides;
  const void* value;  // one element
};

}  // namespace dlcore::kernel
