#pragma once
// Elements of any dtype and stride as a contiguous run of the type that a kernel computes in: float for the 16-bit
// types, int64_t for integers, uint8_t for truth values; float and double as they are.
#include "kernels/cpu/simd.h"
#include "kernels/cpu/tiles.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T>
constexpr DType compute_dtype = DType::Float32;
template <>
constexpr DType compute_dtype<double> = DType::Float64;
template <>
constexpr DType compute_dtype<int64_t> = DType::Int64;
template <>
constexpr DType compute_dtype<uint8_t> = DType::Bool;

template <class T>
DLCORE_INLINE bool holds(DType dtype) {
  return dtype == compute_dtype<T> || (sizeof(T) == 1 && dtype == DType::UInt8);
}

template <class T>
struct Input {
  const char* data;
  int64_t item;
  LoadTile load;  // null where memory holds T itself

  Input(DType dtype, const void* x)
      : data(static_cast<const char*>(x)),
        item(item_size(dtype)),
        load(holds<T>(dtype) ? nullptr : elementwise_load(dtype, compute_dtype<T>)) {}

  DLCORE_INLINE const T* at(int64_t offset) const { return reinterpret_cast<const T*>(data + offset * item); }
  // Elements offset, offset + step, ...: where they are, if that is a run of T, else copied to buffer.
  DLCORE_INLINE const T* read(int64_t offset, int64_t step, int64_t n, T* buffer) const {
    if (!load && (step == 1 || n == 1)) return at(offset);
    copy(offset, step, n, 0, 1, buffer);
    return buffer;
  }
  // `rows` such runs, each `row_step` after the one before, to buffer[row][i].
  void copy(int64_t offset, int64_t step, int64_t n, int64_t row_step, int64_t rows, T* buffer) const {
    const LoadTile f = load ? load : elementwise_load(compute_dtype<T>, compute_dtype<T>);
    f(buffer, data + offset * item, Tile{n, rows, step * item, row_step * item});
  }
};

template <class T, int K>
struct Inputs {
  Input<T> in[K];
};

// The way back: n values of T become y[offset], y[offset + step], ... in y's dtype.
template <class T>
DLCORE_INLINE void write(DType dtype, void* y, int64_t offset, int64_t step, int64_t n, const T* values) {
  const int64_t item = item_size(dtype);
  elementwise_store(compute_dtype<T>, dtype)(static_cast<char*>(y) + offset * item, values, Tile{n, 1, step * item, 0});
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
