#pragma once
// Between rows in memory and columns in registers: weights as users hold them, (oc, c, kh, kw), and as kernels do.
#include "kernels/cpu/simd_lanes.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/window.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// use(e, column e) for the columns of a matrix whose rows, at most a vector's lanes of them, lie `step` apart.
template <class T, class F>
DLCORE_INLINE void each_column(const T* from, int64_t step, int64_t rows, int64_t columns, const F& use) {
  constexpr int64_t L = kLanes<T>;
  if (step == 1) {
    for (int64_t e = 0; e < columns; ++e) use(e, vec<T>::load(from + e, rows));
    return;
  }
  for (int64_t first = 0; first < columns; first += L) {
    const int64_t count = least(L, columns - first);
    vec<T> x[L];
    for (int64_t l = 0; l < L; ++l) x[l] = l < rows ? vec<T>::load(from + l * step + first, count) : vec<T>(T(0));
    transpose(x);
    for (int64_t l = 0; l < count; ++l) use(first + l, x[l]);
  }
}

// The other way: rows of memory from column(e); past: they are streamed, all vectors being whole.
template <class T, class F>
DLCORE_INLINE void store_columns(T* to, int64_t step, int64_t rows, int64_t columns, bool past, const F& column) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t first = 0; first < columns; first += L) {
    const int64_t count = least(L, columns - first);
    vec<T> x[L];
    for (int64_t l = 0; l < L; ++l) x[l] = l < count ? column(first + l) : vec<T>(T(0));
    transpose(x);
    for (int64_t l = 0; l < least(L, rows); ++l)
      past ? stream(to + l * step + first, x[l]) : x[l].store(to + l * step + first, count);
  }
}

// The place (c, tap) of element c taps + tap, counted along.
struct TapCounter {
  int64_t taps, c = 0, tap = 0;
  DLCORE_INLINE void next() {
    if (++tap == taps) tap = 0, ++c;
  }
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
