#pragma once
// Elementary functions over vec<float, N> and vec<double, N>. Errors in units in the last place are those that
// tests/cpp/test_math.cpp checks on every tier. Infinities, NaN, subnormal numbers and signed zeros are handled
// everywhere.
//
// The polynomials are minimax fits (Remez) of the function named beside them on the interval named beside them.
// Argument reductions follow Cody and Waite: constants are split so that n * high part is exact without FMA too.
#include "kernels/cpu/simd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// c[0] + c[1] x + ... by Horner's rule; from seven terms on by two of them in x^2, which wait for each other half as
// long.
template <class T, int N, int Terms>
DLCORE_INLINE vec<T, N> polynomial(vec<T, N> x, const T (&c)[Terms]) {
  using V = vec<T, N>;
  if constexpr (Terms < 7) {
    V y(c[Terms - 1]);
#pragma GCC unroll 8
    for (int i = Terms - 2; i >= 0; --i) y = fma(y, x, V(c[i]));
    return y;
  } else {
    const V z = x * x;
    V y(c[Terms - 1]), w(c[Terms - 2]);  // y: the powers of the last term's parity
#pragma GCC unroll 16
    for (int i = Terms - 3; i >= 1; i -= 2) {
      y = fma(y, z, V(c[i]));
      w = fma(w, z, V(c[i - 1]));
    }
    if constexpr (Terms % 2 == 0) return fma(y, x, w);
    return fma(fma(y, x, w), x, V(c[0]));
  }
}

template <class T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());
template <class T>
constexpr T kLn2 = T(0x1.62e42fefa39efp-1);
template <class T>
constexpr T kNaN = static_cast<T>(__builtin_nan(""));

template <class T, int N>
DLCORE_INLINE mask<T, N> is_nan(vec<T, N> x) {
  return x != x;
}

// f in double on both halves of float lanes: where float arithmetic would need tricks to stay accurate.
template <int N, class F>
DLCORE_INLINE vec<float, N> in_double(vec<float, N> x, F f) {
  return join(convert<float>(f(convert<double>(lower(x)))), convert<float>(f(convert<double>(upper(x)))));
}
template <int N, class F>
DLCORE_INLINE vec<float, N> in_double(vec<float, N> x, vec<float, N> y, F f) {
  return join(convert<float>(f(convert<double>(lower(x)), convert<double>(lower(y)))),
              convert<float>(f(convert<double>(upper(x)), convert<double>(upper(y)))));
}

// ---- exp: x = n ln2 + r, exp(x) = 2^n exp(r)

// (exp(r) - 1 - r) / r^2 on [-ln2 / 2, ln2 / 2]
template <int N>
DLCORE_INLINE vec<float, N> exp_tail(vec<float, N> r) {
  constexpr float c[] = {0.49999997f, 0.16666539f, 0.041667223f, 0.00836718176f, 0.00138823618f};
  return polynomial(r, c);
}
template <int N>
DLCORE_INLINE vec<double, N> exp_tail(vec<double, N> r) {
  constexpr double c[] = {0.50000000000000056,    0.16666666666666582,    0.04166666666656943,    0.0083333333333941665,
                          0.0013888888934151229,  0.00019841269711550684, 2.4801501988408705e-05, 2.755741110312982e-06,
                          2.7627401945989399e-07, 2.5053804992862766e-08};
  return polynomial(r, c);
}

template <class T>
struct exp_constants;
template <>
struct exp_constants<float> {
  static constexpr float lowest = -104.f, highest = 90.f;  // beyond: 0 and infinity
  static constexpr float log2e = 0x1.715476p+0f, ln2_high = 0x1.62cp-1f, ln2_low = 0x1.217f7dp-12f;
};
template <>
struct exp_constants<double> {
  static constexpr double lowest = -746, highest = 711;
  static constexpr double log2e = 0x1.71547652b82fep+0, ln2_high = 0x1.62e42fefp-1, ln2_low = 0x1.473de6af278edp-34;
};

template <class T, int N>
struct ReducedExp {
  vec<T, N> n, expm1;  // exp(x) = 2^n (1 + expm1)
};
template <class T, int N>
DLCORE_INLINE ReducedExp<T, N> reduce_exp(vec<T, N> x) {
  using C = exp_constants<T>;
  using V = vec<T, N>;
  x = max(V(C::lowest), min(V(C::highest), x));  // this order lets NaN through
  const V n = round_even(x * V(C::log2e));
  const V high = fma(n, V(-C::ln2_high), x), low = n * V(-C::ln2_low), r = high + low;
  return {n, high + fma(r * r, exp_tail(r), low)};
}

// 2^shift exp(x), without overflow in between; 1 ulp
template <class T, int N>
DLCORE_INLINE vec<T, N> exp_scaled(vec<T, N> x, T shift) {
  const auto [n, y] = reduce_exp(x);
  return scale(y + vec<T, N>(T(1)), n + vec<T, N>(shift));
}
template <class T, int N>
DLCORE_INLINE vec<T, N> exp(vec<T, N> x) {
  return exp_scaled(x, T(0));
}

template <class T, int N>
DLCORE_INLINE vec<T, N> exp2(vec<T, N> x) {  // 1 ulp
  using V = vec<T, N>;
  constexpr T limit = float_format<T>::bias + float_format<T>::mantissa + 3;
  x = max(V(-limit), min(V(limit), x));
  const V n = round_even(x), r = (x - n) * V(kLn2<T>);
  return scale(fma(r * r, exp_tail(r), r) + V(T(1)), n);
}

// exp(x) - 1 = 2 (2^(n-1) (exp(r) - 1) + (2^(n-1) - 1/2)); 2 ulp
template <class T, int N>
DLCORE_INLINE vec<T, N> expm1(vec<T, N> x) {
  using V = vec<T, N>;
  const auto [n, y] = reduce_exp(max(V(T(-60)), min(V(float_format<T>::bias == 127 ? T(89) : T(710)), x)));
  const V s = power_of_2(n - V(T(1)));
  constexpr T tiny = sizeof(T) == 4 ? T(1e-10) : T(1e-20);  // exp(x) - 1 = x; keeps -0 and subnormals
  return select(abs(x) < V(tiny), x, V(T(2)) * fma(s, y, s - V(T(0.5))));
}

// ---- log: x = 2^e (1 + f), 1 + f in [sqrt(1/2), sqrt(2)]

// log(1 + f) + e ln2 + correction; 1 ulp
template <int N>
DLCORE_INLINE vec<float, N> log_sum(vec<float, N> e, vec<float, N> f, vec<float, N> correction) {
  using V = vec<float, N>;
  // (log(1 + f) - f + f^2 / 2) / f^3
  constexpr float c[] = {0.333333135f,  -0.250000089f, 0.200020984f,  -0.166679725f, 0.142194435f,
                         -0.124054007f, 0.118911281f,  -0.116815127f, 0.0674562752f};
  const V z = f * f;
  V y = f * z * polynomial(f, c);
  y = fma(e, V(exp_constants<float>::ln2_low), y) + correction;
  y = fma(z, V(-0.5f), y);
  return fma(e, V(exp_constants<float>::ln2_high), f + y);
}
template <int N>
DLCORE_INLINE vec<double, N> log_sum(vec<double, N> e, vec<double, N> f, vec<double, N> correction) {
  using V = vec<double, N>;
  // With s = f / (2 + f): log(1 + f) = 2 atanh(s) = f - f^2 / 2 + s (f^2 / 2 + R(s^2)); R(z) / z:
  constexpr double c[] = {0.66666666666667163, 0.3999999999949535,  0.28571428729713488, 0.22222199502402365,
                          0.18183530534868023, 0.15314619483931191, 0.14792712230070856};
  const V s = f / (V(2.0) + f), z = s * s, half = f * f * V(0.5);
  const V low = fma(s, fma(z, polynomial(z, c), half), fma(e, V(exp_constants<double>::ln2_low), correction));
  return fma(e, V(exp_constants<double>::ln2_high), f - (half - low));
}

template <class T, int N>
struct LogParts {
  vec<T, N> e, f;
};
// For positive finite x.
template <class T, int N>
DLCORE_INLINE LogParts<T, N> split_log(vec<T, N> x) {
  using V = vec<T, N>;
  using I = bits_of<T, N>;
  using F = float_format<T>;
  using B = typename V::bits;
  constexpr B sqrt_half = F::mantissa == 23 ? static_cast<B>(0x3f3504f3) : static_cast<B>(0x3fe6a09e667f3bcd);
  constexpr int up = F::mantissa + 2;  // brings subnormal numbers into range
  const mask<T, N> small = x < V(F::smallest_normal);
  x = select(small, x * V(T(int64_t{1} << up)), x);
  const I bits = to_bits(x) - I(sqrt_half);
  // The exponent as a number: shifted down, it is added to the bits of the shifter.
  const I k = bits >> F::mantissa;
  const V e = from_bits<T>(k + to_bits(V(F::shifter))) - V(F::shifter);
  const I m = to_bits(x) - (k << F::mantissa);
  return {select(small, e - V(T(up)), e), from_bits<T>(m) - V(T(1))};
}

// y where x is positive and finite; log's values of 0, negative numbers, infinity and NaN elsewhere.
template <class T, int N>
DLCORE_INLINE vec<T, N> log_special(vec<T, N> x, vec<T, N> y) {
  using V = vec<T, N>;
  const V zero(T(0)), infinity(kInfinity<T>);
  const V other = select(x == zero, -infinity, select(x < zero, V(kNaN<T>), x));
  return select((x > zero) & (x < infinity), y, other);
}

template <class T, int N>
DLCORE_INLINE vec<T, N> log(vec<T, N> x) {  // 1 ulp
  const auto [e, f] = split_log(x);
  return log_special(x, log_sum(e, f, vec<T, N>(T(0))));
}

// log(u) + c / u with u = fl(1 + x) and c what the rounding of u lost; 2.1 ulp
template <class T, int N>
DLCORE_INLINE vec<T, N> log1p(vec<T, N> x) {
  using V = vec<T, N>;
  const V one(T(1)), u = one + x;
  const auto [e, f] = split_log(u);
  const mask<T, N> near = e == V(T(0));
  const V lost = select(u > one, one - (u - x), x - (u - one)) / u;
  const V y = log_sum(e, select(near, x, f), select(near, V(T(0)), lost));
  return select(x == V(T(0)), x, log_special(u, y));
}

template <class T, int N>
DLCORE_INLINE vec<T, N> log2(vec<T, N> x) {  // 2 ulp; exact for powers of 2
  using V = vec<T, N>;
  const auto [e, f] = split_log(x);
  return log_special(x, fma(log_sum(V(T(0)), f, V(T(0))), V(exp_constants<T>::log2e), e));
}

template <int N>
DLCORE_INLINE vec<double, N> log10(vec<double, N> x) {  // 2 ulp
  using V = vec<double, N>;
  const auto [e, f] = split_log(x);
  const V low = fma(e, V(0x1.ef3fde623e256p-35), log_sum(V(0.0), f, V(0.0)) * V(0x1.bcb7b1526e50ep-2));
  return log_special(x, fma(e, V(0x1.34413509p-2), low));
}
template <int N>
DLCORE_INLINE vec<float, N> log10(vec<float, N> x) {
  return in_double(x, [](auto d) { return log10(d); });
}

// ---- tanh, sigmoid, the hyperbolic functions

template <class T>
struct tanh_constants;
template <>
struct tanh_constants<float> {
  // (tanh(x) - x) / x^3 in x^2, |x| <= 0.625
  static constexpr float c[] = {-0.333332837f, 0.133314639f, -0.0537411422f, 0.0206429996f, -0.00570878712f};
};
template <>
struct tanh_constants<double> {
  static constexpr double c[] = {-0.33333333333333326,   0.13333333333331507,     -0.053968253966813672,
                                 0.021869488485608251,   -0.0088632345389921194,  0.003592115948210961,
                                 -0.0014557370985931377, 0.00058949472243167197,  -0.00023712159769364314,
                                 9.1737727526514435e-05, -3.0356106704624129e-05, 6.1123232026632082e-06};
};

template <class T, int N>
DLCORE_INLINE vec<T, N> tanh(vec<T, N> x) {  // 2 ulp
  using V = vec<T, N>;
  constexpr auto& c = tanh_constants<T>::c;
  const V a = abs(x), z = x * x;
  const V small = fma(x * z, polynomial(z, c), x);
  const V large = V(T(1)) - V(T(2)) / (exp(a + a) + V(T(1)));
  return copysign(select(a < V(T(0.625)), small, large), x);
}

// 1 / (1 + exp(-x)), with t = exp(-|x|), which cannot overflow; 2.2 ulp
template <class T, int N>
DLCORE_INLINE vec<T, N> sigmoid(vec<T, N> x) {
  using V = vec<T, N>;
  const V one(T(1)), t = exp(-abs(x));
  return select(x < V(T(0)), t, one) / (one + t);
}

template <class T, int N>
DLCORE_INLINE vec<T, N> sinh(vec<T, N> x) {  // 3 ulp
  using V = vec<T, N>;
  const V a = abs(x), t = expm1(min(V(T(1)), a)), h = exp_scaled(a, T(-1));  // h = exp(a) / 2
  const V small = V(T(0.5)) * (t + t / (t + V(T(1))));
  return select(a < V(T(1)), copysign(small, x), copysign(h - V(T(0.25)) / h, x));
}
template <class T, int N>
DLCORE_INLINE vec<T, N> cosh(vec<T, N> x) {  // 2 ulp
  const vec<T, N> h = exp_scaled(abs(x), T(-1));
  return h + vec<T, N>(T(0.25)) / h;
}

template <class T>
constexpr T kHuge = float_format<T>::mantissa == 23 ? T(0x1p14) : T(0x1p28);  // x^2 + 1 = x^2 from here on

template <class T, int N>
DLCORE_INLINE vec<T, N> asinh(vec<T, N> x) {  // 3 ulp
  using V = vec<T, N>;
  const V a = abs(x), b = min(V(kHuge<T>), a), z = b * b, one(T(1));
  const mask<T, N> huge = a > V(kHuge<T>);
  const V t = log1p(select(huge, a - one, b + z / (one + sqrt(one + z))));
  return select(is_nan(x), x, copysign(select(huge, t + V(kLn2<T>), t), x));
}
template <class T, int N>
DLCORE_INLINE vec<T, N> acosh(vec<T, N> x) {  // 3 ulp
  using V = vec<T, N>;
  const V t = x - V(T(1));
  const mask<T, N> huge = x > V(kHuge<T>);
  const V y = log1p(select(huge, t, t + sqrt(fma(t, t, t + t))));
  return select(x < V(T(1)), V(kNaN<T>), select(huge, y + V(kLn2<T>), y));
}
template <class T, int N>
DLCORE_INLINE vec<T, N> atanh(vec<T, N> x) {  // 3 ulp
  using V = vec<T, N>;
  const V a = abs(x), y = V(T(0.5)) * log1p((a + a) / (V(T(1)) - a));
  return select(is_nan(y), y, copysign(y, x));
}

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

// ---- the error function: near 0 a polynomial, further out 1 - exp(log(erfc(|x|))) with a polynomial in the exponent

template <int N>
DLCORE_INLINE vec<float, N> erf_near(vec<float, N> x) {
  constexpr float c[] = {0.128379166f,  -0.376126349f,    0.112837367f,   -0.0268617738f,
                         0.0052072187f, -0.000821654103f, 8.69893993e-05f};  // erf(x) / x - 1 in x^2
  return fma(x, polynomial(x * x, c), x);
}
template <int N>
DLCORE_INLINE vec<double, N> erf_near(vec<double, N> x) {
  constexpr double c[] = {0.12837916709551259,     -0.37612638903183743,   0.11283791670954368,
                          -0.02686617064494554,    0.0052239776230901796,  -0.00085483268475626507,
                          0.00012055324632814616,  -1.492538893610055e-05, 1.6456634772469844e-06,
                          -1.6289506996314366e-07, 1.412423127758508e-08,  -8.6697278381091666e-10};
  return fma(x, polynomial(x * x, c), x);
}
// erfc(a) for a in [0.875, 4] (float) or [0.875, 6] (double), to the accuracy that 1 - erfc(a) needs
template <int N>
DLCORE_INLINE vec<float, N> erfc_far(vec<float, N> a) {
  constexpr float c[] = {0.000253677164f, -1.1299423f,     -0.632364392f,    -0.109531924f,  0.0260851867f,
                         -0.00463266298f, 0.000567897689f, -4.24232385e-05f, 1.44353112e-06f};
  return exp(polynomial(min(vec<float, N>(4.f), a), c));
}
template <int N>
DLCORE_INLINE vec<double, N> erfc_far(vec<double, N> a) {
  constexpr double c[] = {
      -1.8496055099332482,     -2.6389675142347904,     -0.84310725635848405,    -0.041561098046657058,
      0.010033825434544529,    -0.0019779030150683767,  0.00023732467534264402,  2.6270380860198757e-05,
      -2.7140674510803827e-05, 9.5754602730328889e-06,  -2.0143149964343353e-06, 9.6027688378366915e-08,
      1.3441123821998196e-07,  -7.425245530710117e-08,  2.5153032327434288e-08,  -6.4584349531561353e-09,
      1.3201030107890755e-09,  -2.167274631706266e-10,  2.8328229942436827e-11,  -2.8845126110124022e-12,
      2.2052473043462906e-13,  -1.1900154402634048e-14, 4.0380347467181877e-16,  -6.4746516085897648e-18};
  using V = vec<double, N>;
  return exp(polynomial(min(V(6.0), a) - V(1.0), c));
}
template <class T>
constexpr T kErfBorder = T(0.875);
template <class T>
constexpr T kErfEnd = sizeof(T) == 4 ? T(4) : T(6);  // erf is 1 from here on

template <class T, int N>
DLCORE_INLINE vec<T, N> erf(vec<T, N> x) {  // 2 ulp
  using V = vec<T, N>;
  const V a = abs(x);
  return select(a < V(kErfBorder<T>), erf_near(x), copysign(V(T(1)) - erfc_far(a), x));
}

// erfc for a float result: log(erfc(a)) on [0, 10.2], beyond which erfc is 0; 1 ulp
template <int N>
DLCORE_INLINE vec<float, N> erfc(vec<float, N> x) {
  constexpr double c[] = {
      -8.2230585196577527e-09, -1.1283784393046676,    -0.6366304922379874,     -0.1027096923383661,
      0.018932035040784809,    0.00058652576994273453, -0.0021819042401079731,  0.001030996487204029,
      -0.00031517656260365108, 7.1681823485817277e-05, -1.260047291659363e-05,  1.729315702498612e-06,
      -1.8481299894021313e-07, 1.5200970909202709e-08, -9.4176430602013942e-10, 4.2411503789345501e-11,
      -1.3069773007431184e-12, 2.457697675233389e-14,  -2.1197323871899942e-16};
  return in_double(x, [&](auto d) {
    using V = decltype(d);
    const V y = exp(polynomial(min(V(10.2), abs(d)), c));
    return select(d < V(0.0), V(2.0) - y, y);
  });
}
template <int N>
DLCORE_INLINE vec<double, N> erfc(vec<double, N> x) {  // what the C library gives
  return each_lane(x, [](double a) { return __builtin_erfc(a); });
}

// The x with erf(x) = y: Giles' approximation (GPU Computing Gems 2, 2011), then Halley's method on erf or erfc.
DLCORE_INLINE double inverse_erf(double y) {
  const double a = __builtin_fabs(y);
  if (!(a < 1)) return a == 1 ? y * __builtin_inf() : __builtin_nan("");
  const double w = -__builtin_log((1 - a) * (1 + a));
  double x;
  if (w > 16) {  // erfc(x) ~ exp(-x^2) / (x sqrt(pi))
    x = __builtin_sqrt(w + 0.6931471805599453 - 0.5 * __builtin_log(3.141592653589793 * w));
  } else if (w < 5) {
    constexpr double c[] = {1.50140941,      0.246640727,    -0.00417768164, -0.00125372503, 0.00021858087,
                            -4.39150654e-06, -3.5233877e-06, 3.43273939e-07, 2.81022636e-08};
    x = c[8];
    for (int i = 7; i >= 0; --i) x = x * (w - 2.5) + c[i];
  } else {
    constexpr double c[] = {2.83297682,     1.00167406,    0.00943887047,  -0.0076224613,  0.00573950773,
                            -0.00367342844, 0.00134934322, 0.000100950558, -0.000200214257};
    const double s = __builtin_sqrt(w) - 3;
    x = c[8];
    for (int i = 7; i >= 0; --i) x = x * s + c[i];
  }
  if (w <= 16) x *= a;
  for (int i = 0; i < 3; ++i) {
    const double error = a < 0.5 ? __builtin_erf(x) - a : (1 - a) - __builtin_erfc(x);
    const double step = error / (1.1283791670955126 * __builtin_exp(-x * x));
    x -= step / (1 + x * step);
  }
  return __builtin_copysign(x, y);
}
template <class T, int N>
DLCORE_INLINE vec<T, N> erfinv(vec<T, N> x) {  // 3 ulp
  return each_lane(x, [](T a) { return static_cast<T>(inverse_erf(static_cast<double>(a))); });
}

// ---- powers

template <class T, int N>
DLCORE_INLINE vec<T, N> rsqrt(vec<T, N> x) {
  return vec<T, N>(T(1)) / sqrt(x);
}  // 1.5 ulp

// exp(y log|x|) in double is exact enough for float; then the rules for signs and limits.
template <int N>
DLCORE_INLINE vec<double, N> pow_in_double(vec<double, N> x, vec<double, N> y) {
  using V = vec<double, N>;
  const V zero(0.0), one(1.0), infinity(kInfinity<double>);
  const V a = abs(x), half = y * V(0.5);
  const mask<double, N> whole = trunc(y) == y, odd = whole & (trunc(half) != half);
  V r = exp(y * log(a));
  r = select((a == one) & ~is_nan(y) & (whole | (x > zero)), one, r);  // 1^inf; (-1)^+-inf
  r = select((x < zero) & (a < infinity) & ~whole, V(kNaN<double>), r);
  r = select(odd, from_bits<double>(to_bits(r) ^ sign_bit(x)), r);
  return select((y == zero) | (x == one), one, r);
}
template <int N>
DLCORE_INLINE vec<float, N> pow(vec<float, N> x, vec<float, N> y) {  // 1 ulp
  return in_double(x, y, [](auto a, auto b) { return pow_in_double(a, b); });
}
template <int N>
DLCORE_INLINE vec<double, N> pow(vec<double, N> x, vec<double, N> y) {  // 1 ulp
  return each_lane(x, y, [](double a, double b) { return __builtin_pow(a, b); });
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
