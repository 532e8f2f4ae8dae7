#pragma once
// Elementary functions over vec<float, N> and vec<double, N>. Errors in units in the last place are those that
// tests/cpp/test_math.cpp checks on every tier. Infinities, NaN, subnormal numbers and signed zeros are handled
// everywhere.
//
// The polynomials are minimax fits (Remez) of the function named beside them on the interval named beside them.
// Argument reductions follow Cody and Waite: constants are split so that n * high part is exact without FMA too.
#include "kernels/cpu/simd_lanes.h"

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
// For x in [lowest, highest].
template <class T, int N>
DLCORE_INLINE ReducedExp<T, N> reduce_exp(vec<T, N> x) {
  using C = exp_constants<T>;
  using V = vec<T, N>;
  const V shifter(float_format<T>::shifter);
  const V n = fma(x, V(C::log2e), shifter) - shifter;  // rounded
  const V high = fma(n, V(-C::ln2_high), x), low = n * V(-C::ln2_low), r = high + low;
  return {n, high + fma(r * r, exp_tail(r), low)};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> at_least(T lowest, vec<T, N> x) {  // NaN stays
  return max(vec<T, N>(lowest), x);
}
template <class T, int N>
DLCORE_INLINE vec<T, N> at_most(T highest, vec<T, N> x) {
  return min(vec<T, N>(highest), x);
}

// 2^shift exp(x), without overflow in between; 1 ulp. Where it is 0, as in masked attention, nothing is computed: some
// processors take a hundred cycles for a result that underflows.
template <class T, int N>
DLCORE_INLINE vec<T, N> exp_scaled(vec<T, N> x, T shift) {
  using V = vec<T, N>;
  const auto none = V(exp_constants<T>::lowest) > x;  // not for NaN
  const auto [n, y] = reduce_exp(select(none, V(T(0)), at_most(exp_constants<T>::highest, x)));
  return select(none, V(T(0)), scale(y + V(T(1)), n + V(shift)));
}
template <class T, int N>
DLCORE_INLINE vec<T, N> exp(vec<T, N> x) {
  return exp_scaled(x, T(0));
}
// exp(-|x|)
template <class T, int N>
DLCORE_INLINE vec<T, N> exp_down(vec<T, N> x) {
  const auto [n, y] = reduce_exp(at_least(exp_constants<T>::lowest, -abs(x)));
  return scale(y + vec<T, N>(T(1)), n);
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
  const auto [n, y] = reduce_exp(at_least(T(-60), at_most(float_format<T>::bias == 127 ? T(89) : T(710), x)));
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

// a / b, 0.6 ulp, where b and a / b are far from overflow and underflow: the instruction takes three times as long.
template <class T, int N>
DLCORE_INLINE vec<T, N> quotient(vec<T, N> a, vec<T, N> b) {
#ifdef __AVX512F__
  if constexpr (sizeof(T) == 4 && N == 16) {
    using V = vec<T, N>;
    const V inverse = {(typename V::native)_mm512_rcp14_ps((__m512)b.v)}, q = a * inverse;
    return fma(fma(-b, q, a), inverse, q);
  }
#endif
  return a / b;
}

template <class T, int N>
DLCORE_INLINE vec<T, N> tanh(vec<T, N> x) {  // 2 ulp
  using V = vec<T, N>;
  constexpr auto& c = tanh_constants<T>::c;
  const V a = abs(x), z = x * x, one(T(1));
  const V small = fma(x * z, polynomial(z, c), x);
  const auto [n, y] = reduce_exp(at_most(T(40), a + a));  // tanh(20) = 1
  const V large = one - quotient(V(T(2)), scale(y + one, n) + one);
  return copysign(select(a < V(T(0.625)), small, large), x);
}

// 1 / (1 + exp(-x)), with t = exp(-|x|), which cannot overflow; 2.2 ulp
template <class T, int N>
DLCORE_INLINE vec<T, N> sigmoid(vec<T, N> x) {
  using V = vec<T, N>;
  const V one(T(1)), t = exp_down(x);
  return quotient(select(x < V(T(0)), t, one), one + t);
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
