#pragma once
// Sine, cosine, tangent and their inverses (see math.h).
#include "kernels/cpu/math.h"
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// ---- sin, cos, tan: x = n pi/2 + r

template <int N>
struct Quadrant {
  vec<double, N> r;   // in [-pi/4, pi/4]
  vec<int64_t, N> n;  // its low two bits say which quarter of the circle
};
constexpr double kLargestAngle = 1e6;  // beyond, and for infinities, lanes go to the C library one by one

template <int N>
DLCORE_INLINE Quadrant<N> reduce_angle(vec<double, N> x) {
  using V = vec<double, N>;
  const V k = x * V(0x1.45f306dc9c883p-1) + V(0x1.8p52), n = k - V(0x1.8p52);
  V r = fma(n, V(-0x1.921fb544p+0), x);
  r = fma(n, V(-0x1.0b4611a6p-34), r);
  r = fma(n, V(-0x1.3198a2e037073p-69), r);
  return {r, to_bits(k)};
}

// sin and cos of r in [-pi/4, pi/4]; the short ones are good for float results
template <bool Short, int N>
DLCORE_INLINE vec<double, N> sin_reduced(vec<double, N> r) {
  const vec<double, N> z = r * r;
  if constexpr (Short) {
    constexpr double c[] = {-0.16666666640591377, 0.0083333292807002395, -0.00019839304437643885,
                            2.7180464964718835e-06};
    return fma(r * z, polynomial(z, c), r);
  } else {
    constexpr double c[] = {-0.16666666666666638,   0.0083333333333233464,   -0.00019841269830341178,
                            2.7557313831852141e-06, -2.5050775277446411e-08, 1.5897592852997064e-10};
    return fma(r * z, polynomial(z, c), r);
  }
}
template <bool Short, int N>
DLCORE_INLINE vec<double, N> cos_reduced(vec<double, N> r) {
  using V = vec<double, N>;
  const V z = r * r, half = z * V(0.5), one(1.0);
  if constexpr (Short) {
    constexpr double c[] = {0.041666666647289324, -0.0013888885423645862, 2.4799883973088621e-05,
                            -2.7235802672237582e-07};
    return fma(z * z, polynomial(z, c), one - half);
  } else {
    constexpr double c[] = {0.041666666666666657,    -0.0013888888888882495, 2.4801587293980851e-05,
                            -2.7557315496524617e-07, 2.0875862534129338e-09, -1.1366188293423654e-11};
    const V w = one - half;
    return w + fma(z * z, polynomial(z, c), (one - w) - half);
  }
}

// sin(x + shift pi/2)
template <bool Short, int N>
DLCORE_INLINE vec<double, N> sine(vec<double, N> x, int64_t shift) {
  using V = vec<double, N>;
  using I = vec<int64_t, N>;
  const auto [r, k] = reduce_angle(x);
  const I n = k + I(shift);
  const mask<double, N> odd{(n & I(int64_t{1})).v != 0};
  const V y = select(odd, cos_reduced<Short>(r), sin_reduced<Short>(r));
  return from_bits<double>(to_bits(y) ^ ((n & I(int64_t{2})) << 62));
}
template <int N>
DLCORE_INLINE vec<double, N> tangent(vec<double, N> x) {
  using I = vec<int64_t, N>;
  const auto [r, n] = reduce_angle(x);
  const vec<double, N> s = sin_reduced<false>(r), c = cos_reduced<false>(r);
  const mask<double, N> odd{(n & I(int64_t{1})).v != 0};
  return select(odd, -c, s) / select(odd, s, c);
}

// fast(x), but the C library's `exact` for the lanes whose angle is out of its range
template <class T, int N, class Fast, class Exact>
DLCORE_INLINE vec<T, N> of_angle(vec<T, N> x, Fast fast, Exact exact) {
  using V = vec<T, N>;
  const mask<T, N> inside = abs(x) <= V(static_cast<T>(kLargestAngle));
  V y;
  if constexpr (sizeof(T) == 4)
    y = in_double(x, fast);
  else
    y = fast(x);
  if (__builtin_expect(any(~inside), 0))
    y = select(inside, y, each_lane(select(inside, V(T(0)), x), [&](T a) {
                 return static_cast<T>(exact(static_cast<double>(a)));
               }));
  return select(x == V(T(0)), x, y);
}
template <class T, int N>
DLCORE_INLINE vec<T, N> sin(vec<T, N> x) {  // 2 ulp
  return of_angle(x, [](auto a) { return sine<sizeof(T) == 4>(a, 0); }, [](double a) { return __builtin_sin(a); });
}
template <class T, int N>
DLCORE_INLINE vec<T, N> cos(vec<T, N> x) {  // 2 ulp
  const vec<T, N> y =
      of_angle(x, [](auto a) { return sine<sizeof(T) == 4>(a, 1); }, [](double a) { return __builtin_cos(a); });
  return select(x == vec<T, N>(T(0)), vec<T, N>(T(1)), y);
}
template <class T, int N>
DLCORE_INLINE vec<T, N> tan(vec<T, N> x) {  // 3 ulp
  return of_angle(x, [](auto a) { return tangent(a); }, [](double a) { return __builtin_tan(a); });
}

// ---- inverse trigonometric functions

template <class T>
struct arc_constants;
template <>
struct arc_constants<float> {
  // (asin(x) - x) / x^3 in x^2, |x| <= 1/2; (atan(x) - x) / x^3 in x^2, |x| <= 1
  static constexpr float asin[] = {0.166666612f,  0.0750047341f, 0.0445217714f,
                                   0.0317733884f, 0.0145530533f, 0.0373716801f};
  static constexpr float atan[] = {-0.333333313f, 0.199998111f,   -0.142814547f, 0.110679194f,    -0.0884481892f,
                                   0.0681384206f, -0.0456565022f, 0.023327047f,  -0.00767496787f, 0.00118293043f};
};
template <>
struct arc_constants<double> {
  static constexpr double asin[] = {
      0.16666666666666688,  0.074999999999855085,  0.044642857163090376, 0.030381943182624552, 0.022372203160672077,
      0.017351803582864745, 0.013978719412902248,  0.0114148175846253,   0.010697039916827352, 0.0040019224685190211,
      0.021027377042077931, -0.020084172740283394, 0.0320823823536215};
  static constexpr double atan[] = {
      -0.33333333333333309,   0.19999999999986348,    -0.14285714284346337,    0.11111111053586697,
      -0.090909077499155652,  0.076922878483581841,   -0.066664648238030214,   0.05880866655677109,
      -0.05254943693367721,   0.047269236620940985,   -0.042307128251809295,   0.036867657463230549,
      -0.030249113470689128,  0.022395519167787203,   -0.014276224065100632,   0.0074555395680392638,
      -0.0030150876099256812, 0.00087628966296023373, -0.00016170565441028776, 1.4163238001292819e-05};
};
template <class T>
constexpr T kPi = T(0x1.921fb54442d18p+1);
template <class T>
constexpr T kHalfPi = T(0x1.921fb54442d18p+0);
// pi/2 - kHalfPi
template <class T>
constexpr T kHalfPiLow = sizeof(T) == 4 ? T(-0x1.777a5cp-25) : T(0x1.1a62633145c07p-54);

template <class T, int N>
struct ArcSine {
  vec<T, N> a, y;      // |x|; asin of a, or of sqrt((1 - a) / 2)
  mask<T, N> central;  // which
};
template <class T, int N>
DLCORE_INLINE ArcSine<T, N> arc_sine(vec<T, N> x) {
  using V = vec<T, N>;
  constexpr auto& c = arc_constants<T>::asin;
  const V a = abs(x);
  const mask<T, N> central = a <= V(T(0.5));
  const V outer = (V(T(1)) - a) * V(T(0.5));
  const V z = select(central, a * a, outer), s = select(central, a, sqrt(outer));
  return {a, fma(s * z, polynomial(z, c), s), central};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> asin(vec<T, N> x) {  // 2.3 ulp
  using V = vec<T, N>;
  const auto [a, y, central] = arc_sine(x);
  const V far = V(kHalfPi<T>) - (y + y - V(kHalfPiLow<T>));
  return copysign(select(central, y, far), x);
}
template <class T, int N>
DLCORE_INLINE vec<T, N> acos(vec<T, N> x) {  // 2 ulp
  using V = vec<T, N>;
  const auto [a, y, central] = arc_sine(x);
  const V near = V(kHalfPi<T>) - (copysign(y, x) - V(kHalfPiLow<T>));
  const V far = select(x > V(T(0)), y + y, V(kPi<T>) - (y + y - V(T(2) * kHalfPiLow<T>)));
  return select(central, near, far);
}
template <class T, int N>
DLCORE_INLINE vec<T, N> atan(vec<T, N> x) {  // 2.2 ulp
  using V = vec<T, N>;
  constexpr auto& c = arc_constants<T>::atan;
  const V a = abs(x), one(T(1));
  const mask<T, N> far = a > one;
  const V t = select(far, one / a, a), z = t * t;
  const V y = fma(t * z, polynomial(z, c), t);
  return copysign(select(far, V(kHalfPi<T>) - (y - V(kHalfPiLow<T>)), y), x);
}
template <class T, int N>
DLCORE_INLINE vec<T, N> atan2(vec<T, N> y, vec<T, N> x) {  // 3 ulp
  using V = vec<T, N>;
  constexpr auto& c = arc_constants<T>::atan;
  const V ay = abs(y), ax = abs(x), zero(T(0)), infinity(kInfinity<T>);
  const mask<T, N> steep = ay > ax;
  V t = select(steep, ax, ay) / select(steep, ay, ax);
  t = select((ax == infinity) & (ay == infinity), V(T(1)), select((ax == zero) & (ay == zero), zero, t));
  const V z = t * t;
  V r = fma(t * z, polynomial(z, c), t);
  r = select(steep, V(kHalfPi<T>) - (r - V(kHalfPiLow<T>)), r);
  const mask<T, N> left{sign_bit(x).v != 0};
  r = select(left, V(kPi<T>) - (r - V(T(2) * kHalfPiLow<T>)), r);
  return select(is_nan(x) | is_nan(y), x + y, copysign(r, y));
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
