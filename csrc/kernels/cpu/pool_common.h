#pragma once
// What the kernels of pooling share (kernels/pool.h): how a maximum is chosen, and what a sum is divided by.
#include "kernels/cpu/arena.h"
#include "kernels/cpu/narrow.h"
#include "kernels/cpu/window.h"
#include "kernels/pool.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// Whether windows have at most 256 taps, by the type of their numbers (void: not asked for).
template <class I>
constexpr bool kFewTaps = __is_same(I, void) || __is_same(I, uint8_t);

// Where v is larger, or not a number, it is taken, and its tap; I is void where taps are not asked for.
template <class I, class T>
DLCORE_INLINE void take_larger(vec<T> v, int64_t tap, vec<T>& largest, Bits<T>& taps) {
  const Bits<T> take = (v.v > largest.v) | (v.v != v.v);
  largest = {take ? v.v : largest.v};
  if constexpr (!__is_same(I, void)) taps = take ? Bits<T>{} + static_cast<typename vec<T>::bits>(tap) : taps;
}

// What average pooling divides by.
struct Divisor {
  int64_t common;                              // of all outputs, or 0 where they differ
  double *rows = nullptr, *columns = nullptr;  // then the elements of their windows along each axis

  __attribute__((noinline)) Divisor(const Pool2d& g, const Axis& h, const Axis& w, Arena& arena) : common(g.divisor) {
    if (common == 0 && all_whole(g, h) && all_whole(g, w)) common = h.taps * w.taps;
    if (common != 0) return;
    rows = count_all(g, h, arena);
    columns = count_all(g, w, arena);
  }

  // For output (i, j): the number to multiply the sum by, or for integers to divide it by.
  template <class T>
  T factor(int64_t i, int64_t j) const {
    const double count = common != 0 ? static_cast<double>(common) : rows[i] * columns[j];
    return static_cast<T>(kIsFloat<T> ? 1 / count : count);
  }
  template <class T>
  static DLCORE_INLINE vec<T> divide(vec<T> sum, T factor) {
    if constexpr (kIsFloat<T>)
      return sum * vec<T>(factor);
    else
      return sum / vec<T>(factor);
  }

 private:
  static int64_t count(const Pool2d& g, const Axis& a, int64_t o) {
    const int64_t from = o * a.stride - a.pad, to = least(from + a.taps, a.in + a.pad);
    return g.count_include_pad ? to - from : least(to, a.in) - most(from, 0);
  }
  static bool all_whole(const Pool2d& g, const Axis& a) {
    return count(g, a, 0) == a.taps && count(g, a, a.out - 1) == a.taps;
  }
  static double* count_all(const Pool2d& g, const Axis& a, Arena& arena) {
    double* counts = arena.take<double>(a.out);
    for (int64_t o = 0; counts && o < a.out; ++o) counts[o] = static_cast<double>(count(g, a, o));
    return counts;
  }
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
