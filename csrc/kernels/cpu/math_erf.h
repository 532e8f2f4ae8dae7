#pragma once
// The error function, its complement and its inverse (see math.h).
#include "kernels/cpu/math.h"
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

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

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
