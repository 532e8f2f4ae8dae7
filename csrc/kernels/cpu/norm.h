#pragma once
// What normalization kernels share: moments that are joined without losing accuracy, and loops over vectors.
#include "core/parallel.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/bounds.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/norm.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T>
DLCORE_INLINE T least(T a, T b) {
  return a < b ? a : b;
}
template <class T>
DLCORE_INLINE T most(T a, T b) {
  return a > b ? a : b;
}

template <bool B>
struct flag {
  static constexpr bool value = B;
};
// f(flag) with a run-time flag made a compile-time one.
template <class F>
DLCORE_INLINE void choose(bool on, const F& f) {
  on ? f(flag<true>{}) : f(flag<false>{});
}

// f(u, i, lanes) for all vectors of n elements; neighbours have different u < 4, so that sums need not wait. Each u is
// a constant, so that what it counts stays in registers.
template <int L, class F>
DLCORE_INLINE void vectors4(int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) {
    f(0, i, L);
    f(1, i + L, L);
    f(2, i + 2 * L, L);
    f(3, i + 3 * L, L);
  }
  if (i + 2 * L <= n) {
    f(0, i, L);
    f(1, i + L, L);
    i += 2 * L;
  }
  if (i + L <= n) {
    f(2, i, L);
    i += L;
  }
  if (i < n) f(3, i, n - i);
}

// f(i, lanes) for all vectors of n elements.
template <int L, class F>
DLCORE_INLINE void each_vector(int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + L <= n; i += L) f(i, L);
  if (i < n) f(i, n - i);
}

// use(ints<U>, i, lanes) for n elements: U vectors at a time, then single ones, of which the last may be partial.
template <int U, int L, class F>
DLCORE_INLINE void each_columns(int64_t n, const F& use) {
  int64_t i = 0;
  for (; i + U * L <= n; i += U * L) use(ints<U>{}, i, L);
  if constexpr (U > 1)
    for (; i + L <= n; i += L) use(ints<1>{}, i, L);
  if (i < n) use(ints<1>{}, i, n - i);
}

template <class V>
DLCORE_INLINE double sum4(const V (&s)[4]) {
  return static_cast<double>(sum_lanes((s[0] + s[1]) + (s[2] + s[3])));
}

// ---- in float64, between whose additions are as many elements of a run, or rows

constexpr int64_t kNormBlock = 1 << 11, kNormRows = 64;

using Wide = vec<double>;
constexpr int kWideLanes = kLanes<double>;

// Part h of v, kWideLanes of its lanes.
template <int N>
DLCORE_INLINE Wide widened(vec<float, N> v, int h) {
  return convert<double>(h ? upper(v) : lower(v));
}
template <int N>
DLCORE_INLINE Wide widened(vec<double, N> v, int) {
  return v;
}

// to[i] += v[i], i < lanes
template <class V>
DLCORE_INLINE void add_widened(double* to, V v, int64_t lanes) {
  for (int h = 0; h < V::size / kWideLanes; ++h) {
    const int64_t n = lanes - h * kWideLanes;
    if (n > 0) (Wide::load(to + h * kWideLanes, n) + widened(v, h)).store(to + h * kWideLanes, n);
  }
}

// Mean and sum of squared deviations of na elements take in those of nb more, by Chan, Golub and LeVeque, "Updating
// formulae and a pairwise algorithm for computing sample variances" (1979).
template <class V>
DLCORE_INLINE void join_moments(V& mean, V& m2, V mean_b, V m2_b, int64_t na, int64_t nb) {
  const double share = static_cast<double>(nb) / static_cast<double>(na + nb);
  const V delta = mean_b - mean;
  mean = mean + delta * V(share);
  m2 = m2 + (m2_b + delta * delta * V(static_cast<double>(na) * share));
}

// The same for arrays.
DLCORE_INLINE void join_moments(double* mean, double* m2, const double* mean_b, const double* m2_b, int64_t n,
                                int64_t na, int64_t nb) {
  for (int64_t i = 0; i < n; i += kWideLanes) {
    Wide m = Wide::load(mean + i, n - i), q = Wide::load(m2 + i, n - i);
    join_moments(m, q, Wide::load(mean_b + i, n - i), Wide::load(m2_b + i, n - i), na, nb);
    m.store(mean + i, n - i);
    q.store(m2 + i, n - i);
  }
}

// Mean and sum of squared deviations of `count` elements take in those of x that each_run(use) names by use(at, n), by
// two passes over them: few enough to stay in the innermost cache and to be summed in T. What rounding left in the
// first pass's mean comes out of the second.
template <class T, class EachRun>
DLCORE_INLINE void join_runs(double& mean, double& m2, int64_t count, const T* x, int64_t added,
                             const EachRun& each_run) {
  using V = vec<T>;
  constexpr int L = V::size;
  V s[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))}, q[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
  each_run([&](int64_t at, int64_t n) {
    vectors4<L>(n, [&](int u, int64_t i, int64_t lanes) { s[u] += V::load(x + at + i, lanes); });
  });
  const double n = static_cast<double>(added);
  const T center = static_cast<T>(sum4(s) / n);
  for (V& v : s) v = V(T(0));
  each_run([&](int64_t at, int64_t run) {
    vectors4<L>(run, [&](int u, int64_t i, int64_t lanes) {
      const V d = V::load(x + at + i, lanes, center) - V(center);
      s[u] += d;
      q[u] = fma(d, d, q[u]);
    });
  });
  const double shift = sum4(s) / n;
  join_moments(mean, m2, static_cast<double>(center) + shift, sum4(q) - n * shift * shift, count, added);
}

template <class T>
DLCORE_INLINE double value(const void* x, int64_t i, double otherwise) {
  return x ? static_cast<double>(static_cast<const T*>(x)[i]) : otherwise;
}

DLCORE_INLINE double inverse_root(double var, double eps) { return 1 / __builtin_sqrt(var + eps); }

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
