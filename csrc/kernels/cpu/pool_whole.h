#pragma once
// The average of whole planes (kernels/pool.h: one window that is the plane), which is the sum of a run of neighbours.
#include "core/parallel.h"
#include "kernels/cpu/pool_common.h"
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

DLCORE_INLINE bool is_whole(const Pool2d& g) {
  return g.inner == 1 && g.oh == 1 && g.ow == 1 && g.kh == g.h && g.kw == g.w && g.pad_h == 0 && g.pad_w == 0;
}

// use(first plane, end, elements of a plane) for parts of the planes.
template <class F>
DLCORE_INLINE void each_part(const Pool2d& g, const F& use) {
  const int64_t n = g.h * g.w;
  parallel_for(g.planes, most(1, (int64_t{1} << 15) / n), [&](int64_t begin, int64_t end) { use(begin, end, n); });
}

// Lanes that add up to the sum of x.
template <class T>
DLCORE_INLINE vec<T> partial_sums(const T* x, int64_t n) {
  constexpr int64_t L = kLanes<T>;
  vec<T> sum(T(0));
  int64_t i = 0;
  if (n >= 4 * L) {
    vec<T> s[4] = {T(0), T(0), T(0), T(0)};
    for (; i + 4 * L <= n; i += 4 * L)
      for (int b = 0; b < 4; ++b) s[b] += vec<T>::load(x + i + b * L);
    sum = (s[0] + s[1]) + (s[2] + s[3]);
  }
  for (; i + L <= n; i += L) sum += vec<T>::load(x + i);
  return i < n ? sum + vec<T>::load(x + i, n - i) : sum;
}

template <class T>
void avg_whole(const Pool2d& g, const T* x, T* y) {
  constexpr int64_t L = kLanes<T>;
  const vec<T> count(static_cast<T>(g.divisor ? g.divisor : g.h * g.w));
  each_part(g, [&](int64_t begin, int64_t end, int64_t n) {
    for (int64_t p = begin; p < end; p += L) {
      vec<T> sums[L];
      for (int64_t q = 0; q < L; ++q) sums[q] = partial_sums(x + least(p + q, end - 1) * n, n);
      (lane_sums(sums) / count).store(y + p, least(L, end - p));
    }
  });
}

template <class T>
void avg_whole_backward(const Pool2d& g, const T* dy, T* dx) {
  const T factor = T(1) / static_cast<T>(g.divisor ? g.divisor : g.h * g.w);
  each_part(g, [&](int64_t begin, int64_t end, int64_t n) {
    for (int64_t p = begin; p < end; ++p) fill(dx + p * n, n, dy[p] * factor);
  });
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
