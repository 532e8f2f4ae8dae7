#pragma once
// Products with at most kFewRows rows of A: matrix times vector and its near relatives. Each element of B is used so
// few times that reading it is the work; nothing is packed, and B is read once, in the order in which it lies in
// memory.
#include "kernels/cpu/fetch.h"
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int kFewRows = 4;
constexpr int64_t kStrip = 4096;  // sums that a chunk keeps: 16 KiB of float32
template <int N>
struct constant {
  static constexpr int value = N;
};
constexpr bool kManyRegisters = kVectorBytes == 64;

// B's columns are adjacent: sums[i * stride + j] = sum_{p < k} a[i * along + p * depth] * b[p * b_row + j], j < width.
// Several rows of B at a time are added to sums, which stay in L1.
template <class T, int Rows>
void sum_columns(int64_t k, int64_t width, const T* a, int64_t along, int64_t depth, const T* b, int64_t b_row,
                 int64_t stride, T* sums) {
  using V = vec<T>;
  constexpr int P = Rows == 1 ? 8 : Rows == 2 || kManyRegisters ? 4 : 2;  // Rows * P broadcasts stay in registers
  for (int i = 0; i < Rows; ++i)
    for (int64_t j = 0; j < width; ++j) sums[i * stride + j] = T(0);
  const auto add = [&](int64_t p, auto rows_of_b) __attribute__((always_inline)) {
    constexpr int N = decltype(rows_of_b)::value;
    V x[Rows][N];
#pragma GCC unroll 4
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 8
      for (int u = 0; u < N; ++u) x[i][u] = V(a[i * along + (p + u) * depth]);
    const auto vector = [&](int64_t j, int64_t count) __attribute__((always_inline)) {
      V acc[Rows];
#pragma GCC unroll 4
      for (int i = 0; i < Rows; ++i) acc[i] = V::load(sums + i * stride + j, count);
#pragma GCC unroll 8
      for (int u = 0; u < N; ++u) {
        const V y = V::load(b + (p + u) * b_row + j, count);
#pragma GCC unroll 4
        for (int i = 0; i < Rows; ++i) acc[i] = fma(x[i][u], y, acc[i]);
      }
#pragma GCC unroll 4
      for (int i = 0; i < Rows; ++i) acc[i].store(sums + i * stride + j, count);
    };
    int64_t j = 0;
    for (; j + V::size <= width; j += V::size) vector(j, V::size);
    if (j < width) vector(j, width - j);
  };
  int64_t p = 0;
  for (; p + P <= k; p += P) add(p, constant<P>());
  for (; p < k; ++p) add(p, constant<1>());
}

// B's rows are adjacent, and A's columns: sums[i * stride + j] = sum_{p < k} a[i * along + p] * b[j * b_col + p].
template <class T, int Rows>
void sum_dots(int64_t k, int64_t width, const T* a, int64_t along, const T* b, int64_t b_col, int64_t stride, T* sums) {
  using V = vec<T>;
  constexpr int N = Rows == 1 ? 8 : Rows == 2 || kManyRegisters ? 4 : 2;  // Rows * N accumulators
  const auto dots = [&](int64_t j, auto columns) __attribute__((always_inline)) {
    constexpr int C = decltype(columns)::value;
    V acc[Rows][C];
#pragma GCC unroll 4
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) acc[i][c] = V(T(0));
    const auto step = [&](int64_t p, int64_t count) __attribute__((always_inline)) {
      V x[Rows];
#pragma GCC unroll 4
      for (int i = 0; i < Rows; ++i) x[i] = V::load(a + i * along + p, count);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        const T* at = b + (j + c) * b_col + p;
        fetch(at + C * b_col);
        const V y = V::load(at, count);
#pragma GCC unroll 4
        for (int i = 0; i < Rows; ++i) acc[i][c] = fma(x[i], y, acc[i][c]);
      }
    };
    int64_t p = 0;
    for (; p + V::size <= k; p += V::size) step(p, V::size);
    if (p < k) step(p, k - p);
#pragma GCC unroll 4
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sums[i * stride + j + c] = sum_lanes(acc[i][c]);
  };
  int64_t j = 0;
  for (; j + N <= width; j += N) dots(j, constant<N>());
  for (; j < width; ++j) dots(j, constant<1>());
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
