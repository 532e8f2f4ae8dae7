#pragma once
// Planes pooled two by two (kernels/pool.h): windows of 1x2 or 2x2 that lie next to each other. A vector of outputs is
// two vectors of each row of its windows, taken apart into left and right elements.
#include "core/parallel.h"
#include "kernels/cpu/pairs.h"
#include "kernels/cpu/pool_common.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

DLCORE_INLINE bool is_pairs(const Pool2d& g) {
  return g.inner == 1 && g.kh <= 2 && g.kh == g.stride_h && g.dilation_h == 1 && g.pad_h == 0 && g.h >= g.kh * g.oh &&
         g.kw == 2 && g.stride_w == 2 && g.dilation_w == 1 && g.pad_w == 0 && g.w >= 2 * g.ow;
}

// use(its first element in x, its first output, outputs) for every vector of outputs of every row.
template <class T, class F>
DLCORE_INLINE void each_pair(const Pool2d& g, const F& use) {
  constexpr int64_t kGrainWork = 1 << 15, N = kLanes<T>;
  // Planes without a row of their own behind the windows are one plane.
  const int64_t rows = g.planes * g.oh, oh = g.h == g.kh * g.oh ? rows : g.oh, step = g.kh * g.w;
  const int64_t tail = g.ow % N, whole = g.ow - tail;
  parallel_for(rows, most(1, kGrainWork / (2 * step)), [&](int64_t begin, int64_t end) {
    int64_t from = begin / oh * g.h * g.w + begin % oh * step, left = oh - begin % oh;
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t j = 0; j < whole; j += N) use(from + 2 * j, r * g.ow + j, N);
      if (tail) use(from + 2 * whole, r * g.ow + whole, tail);
      from += step;
      if (--left == 0) from += g.h * g.w - oh * step, left = oh;
    }
  });
}

// What no window holds: the last column, and the last row of a plane.
template <class T>
void clear_rest(const Pool2d& g, T* dx) {
  const int64_t rows = g.kh * g.oh;
  if (g.w == 2 * g.ow && g.h == rows) return;
  for (int64_t p = 0; p < g.planes; ++p, dx += g.h * g.w) {
    for (int64_t r = 0; r < rows; ++r) fill(dx + r * g.w + 2 * g.ow, g.w - 2 * g.ow, T(0));
    fill(dx + rows * g.w, (g.h - rows) * g.w, T(0));
  }
}

template <int Rows, class T, class I>
void max_pairs(const Pool2d& g, const T* x, T* y, I* argmax) {
  each_pair<T>(g, [&](int64_t from, int64_t to, int64_t n) __attribute__((always_inline)) {
    vec<T> largest;
    Bits<T> taps{};
    for (int u = 0; u < Rows; ++u) {
      const auto both = load_pair(x + from + u * g.w, 2 * n);
      const auto split = even_odd(both.first, both.second);
      if (u == 0)
        largest = split.first;
      else
        take_larger<I>(split.first, 2 * u, largest, taps);
      take_larger<I>(split.second, 2 * u + 1, largest, taps);
    }
    largest.store(y + to, n);
    if constexpr (!__is_same(I, void)) store_narrow<T>(taps, argmax + to, n);
  });
}

template <int Rows, class T, class I>
void max_pairs_backward(const Pool2d& g, const T* dy, const I* argmax, T* dx) {
  each_pair<T>(g, [&](int64_t to, int64_t from, int64_t n) __attribute__((always_inline)) {
    const vec<T> v = vec<T>::load(dy + from, n), zero(T(0));
    const Bits<T> taps = load_narrow<T>(argmax + from, n);
    const auto chosen = [&](int tap) { return vec<T>(taps == Bits<T>{} + tap ? v.v : zero.v); };
    for (int u = 0; u < Rows; ++u) store_pair(interleave(chosen(2 * u), chosen(2 * u + 1)), dx + to + u * g.w, 2 * n);
  });
  clear_rest(g, dx);
}

template <int Rows, class T>
void avg_pairs(const Pool2d& g, const T* x, T* y) {
  const int64_t count = g.divisor ? g.divisor : 2 * Rows;
  const T factor = kIsFloat<T> ? T(1) / static_cast<T>(count) : static_cast<T>(count);
  each_pair<T>(g, [&](int64_t from, int64_t to, int64_t n) __attribute__((always_inline)) {
    Pair<T, kLanes<T>> sum = load_pair(x + from, 2 * n);
    for (int u = 1; u < Rows; ++u) {
      const auto row = load_pair(x + from + u * g.w, 2 * n);
      sum = {sum.first + row.first, sum.second + row.second};
    }
    const auto split = even_odd(sum.first, sum.second);
    Divisor::divide(split.first + split.second, factor).store(y + to, n);
  });
}

template <int Rows, class T>
void avg_pairs_backward(const Pool2d& g, const T* dy, T* dx) {
  const T factor = T(1) / static_cast<T>(g.divisor ? g.divisor : 2 * Rows);
  each_pair<T>(g, [&](int64_t to, int64_t from, int64_t n) __attribute__((always_inline)) {
    const vec<T> v = vec<T>::load(dy + from, n) * vec<T>(factor);
    for (int u = 0; u < Rows; ++u) store_pair(interleave(v, v), dx + to + u * g.w, 2 * n);
  });
  clear_rest(g, dx);
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
