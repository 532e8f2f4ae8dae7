#pragma once
// The average of whole planes (kernels/pool.h: one window that is the plane), which is the sum of a run of neighbours.
#include "core/parallel.h"
#include "kernels/cpu/pool_common.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

DLCORE_INLINE bool is_whole(const Pool2d& g) {
  return g.inner == 1 && g.oh == 1 && g.ow == 1 && g.kh == g.h && g.kw == g.w && g.pad_h == 0 && g.pad_w == 0;
}

// use(plane, elements of a plane) for every plane.
template <class F>
DLCORE_INLINE void each_plane(const Pool2d& g, const F& use) {
  const int64_t n = g.h * g.w;
  parallel_for(g.planes, most(1, (int64_t{1} << 15) / n), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) use(p, n);
  });
}

template <class T>
void avg_whole(const Pool2d& g, const T* x, T* y) {
  constexpr int64_t L = kLanes<T>;
  const T count = static_cast<T>(g.divisor ? g.divisor : g.h * g.w);
  each_plane(g, [&](int64_t p, int64_t n) {
    const T* from = x + p * n;
    vec<T> sum[4] = {T(0), T(0), T(0), T(0)};
    int64_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L)
      for (int b = 0; b < 4; ++b) sum[b] += vec<T>::load(from + i + b * L);
    for (; i < n; i += L) sum[0] += vec<T>::load(from + i, n - i);
    y[p] = sum_lanes((sum[0] + sum[1]) + (sum[2] + sum[3])) / count;
  });
}

template <class T>
void avg_whole_backward(const Pool2d& g, const T* dy, T* dx) {
  const T factor = T(1) / static_cast<T>(g.divisor ? g.divisor : g.h * g.w);
  each_plane(g, [&](int64_t p, int64_t n) { fill(dx + p * n, n, dy[p] * factor); });
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
