#pragma once
// The gamma function's logarithm and its derivative, lane by lane in double.
#include "kernels/cpu/math.h"
#include "kernels/cpu/simd_lanes.h"

extern "C" double lgamma_r(double x, int* sign) noexcept;

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// psi(x) = d log |gamma(x)| / dx: the asymptotic series from 10 on, psi(x) = psi(x + 1) - 1 / x below, and the
// reflection psi(x) = psi(1 - x) - pi / tan(pi x) for negative numbers.
DLCORE_INLINE double digamma_of(double x) {
  if (x == 0) return __builtin_copysign(__builtin_inf(), -x);
  double y = 0;
  if (x < 0) {
    if (x == __builtin_floor(x)) return __builtin_nan("");
    constexpr double pi = 3.141592653589793;
    y = -pi / __builtin_tan(pi * (x - __builtin_rint(x)));
    x = 1 - x;
  }
  for (; x < 10; x += 1) y -= 1 / x;
  const double r = 1 / (x * x);
  const double tail =
      r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r * (1.0 / 240 - r * (1.0 / 132 - r * 691.0 / 32760)))));
  return y + __builtin_log(x) - 0.5 / x - tail;
}
template <class T, int N>
DLCORE_INLINE vec<T, N> digamma(vec<T, N> x) {
  return each_lane(x, [](T a) { return static_cast<T>(digamma_of(static_cast<double>(a))); });
}

template <class T, int N>
DLCORE_INLINE vec<T, N> lgamma(vec<T, N> x) {
  return each_lane(x, [](T a) {
    int sign;
    return static_cast<T>(lgamma_r(static_cast<double>(a), &sign));
  });
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
