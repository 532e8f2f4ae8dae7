#pragma once
// The panel layout: `width` neighbouring rows of A (or columns of B) with k running slowest, so that the micro-kernel
// reads both operands front to back. One routine serves both: it sees an operand as x[i * along + p * depth].
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// A panel to be written: to[p * width + i] = from[i * along + p * depth] for i < rows, p < k. Lanes from rows up to the
// next whole vector are zero as far as width reaches; what is beyond is left as it was.
template <class T>
struct Strip {
  T* to;
  const T* from;
  int64_t width, rows;
};

// A vector at lane i of row p. One that is longer than the row runs into the next row, which is written later; only at
// the panel's end it is cut.
template <class T>
DLCORE_INLINE void store_lanes(vec<T> x, const Strip<T>& s, int64_t k, int64_t p, int64_t i) {
  const int64_t at = p * s.width + i;
  at + vec<T>::size <= k* s.width ? x.store(s.to + at) : x.store(s.to + at, s.width - i);
}

// depth == 1: squares of lanes x lanes are transposed in registers.
template <class T>
void pack_transposed(const Strip<T>& s, int64_t k, int64_t along) {
  using V = vec<T>;
  constexpr int L = V::size;
  // The last vector of each row first, so that what it writes too far is overwritten.
  for (int64_t i0 = (s.rows - 1) / L * L; i0 >= 0; i0 -= L) {
    const T* from = s.from + i0 * along;
    const int64_t rows = s.rows - i0;
    for (int64_t p = 0; p < k; p += L) {
      V x[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) x[i] = i < rows ? V::load(from + i * along + p, k - p) : V(T(0));
      transpose(x);
      if (p + L < k) {
#pragma GCC unroll 16
        for (int u = 0; u < L; ++u) store_lanes(x[u], s, k, p + u, i0);
      } else {
#pragma GCC unroll 16
        for (int u = 0; u < L; ++u)
          if (p + u < k) store_lanes(x[u], s, k, p + u, i0);
      }
    }
  }
}

// Neighbouring panels; together they read src in the order in which it lies in memory.
template <class T>
void pack_strips(const Strip<T>* strips, int count, int64_t k, int64_t along, int64_t depth) {
  using V = vec<T>;
  constexpr int64_t kAhead = 8;  // rows on their way: they lie too far apart for the hardware to see them coming
  if (along == 1) {
    for (int64_t p = 0; p < k; ++p)
      for (int s = 0; s < count; ++s)
        for (int64_t i = 0; i < strips[s].rows; i += V::size) {
          __builtin_prefetch(strips[s].from + (p + kAhead) * depth + i);
          store_lanes(V::load(strips[s].from + p * depth + i, strips[s].rows - i), strips[s], k, p, i);
        }
  } else if (depth == 1) {
    for (int s = 0; s < count; ++s) pack_transposed(strips[s], k, along);
  } else {
    for (int s = 0; s < count; ++s)
      for (int64_t p = 0; p < k; ++p) {
        const Strip<T>& x = strips[s];
        T* to = x.to + p * x.width;
        int64_t i = 0;
        for (; i < x.rows; ++i) to[i] = x.from[i * along + p * depth];
        for (; i < x.width && i % V::size; ++i) to[i] = T(0);
      }
  }
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
