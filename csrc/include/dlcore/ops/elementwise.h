#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// Elementwise ops broadcast their inputs and follow PyTorch's type promotion.
DLCORE_API Tensor add(const Tensor& a, const Tensor& b, Scalar alpha = 1);  // a + alpha b
DLCORE_API Tensor sub(const Tensor& a, const Tensor& b, Scalar alpha = 1);  // a - alpha b
DLCORE_API Tensor mul(const Tensor& a, const Tensor& b);                    // a b
DLCORE_API Tensor div(const Tensor& a, const Tensor& b);   // a / b; integers and bools give floating point
DLCORE_API Tensor neg(const Tensor& x);                    // -x
DLCORE_API Tensor clone(const Tensor& x);                  // a copy, which gradients go through
DLCORE_API Tensor to_dtype(const Tensor& x, DType dtype);  // x itself where it has that dtype
// A tensor that stands for a number, weak in type promotion: mul(x, number(2)).
DLCORE_API Tensor number(Scalar value);

// ---- one tensor (ops/unary.cpp). The name with _ writes the result over x.

DLCORE_API Tensor abs(const Tensor& x);  // |x|
DLCORE_API Tensor abs_(const Tensor& x);
DLCORE_API Tensor sign(const Tensor& x);  // -1, 0 or 1
DLCORE_API Tensor sign_(const Tensor& x);
DLCORE_API Tensor floor(const Tensor& x);  // the largest integer <= x
DLCORE_API Tensor floor_(const Tensor& x);
DLCORE_API Tensor ceil(const Tensor& x);  // the smallest integer >= x
DLCORE_API Tensor ceil_(const Tensor& x);
DLCORE_API Tensor trunc(const Tensor& x);  // x without its fraction
DLCORE_API Tensor trunc_(const Tensor& x);
DLCORE_API Tensor square(const Tensor& x);  // x^2
DLCORE_API Tensor square_(const Tensor& x);
DLCORE_API Tensor reciprocal(const Tensor& x);  // 1 / x
DLCORE_API Tensor reciprocal_(const Tensor& x);
DLCORE_API Tensor exp(const Tensor& x);  // e^x
DLCORE_API Tensor exp_(const Tensor& x);
DLCORE_API Tensor exp2(const Tensor& x);  // 2^x
DLCORE_API Tensor exp2_(const Tensor& x);
DLCORE_API Tensor expm1(const Tensor& x);  // e^x - 1, also near 0
DLCORE_API Tensor expm1_(const Tensor& x);
DLCORE_API Tensor log(const Tensor& x);  // log x
DLCORE_API Tensor log_(const Tensor& x);
DLCORE_API Tensor log1p(const Tensor& x);  // log(1 + x), also near 0
DLCORE_API Tensor log1p_(const Tensor& x);
DLCORE_API Tensor log2(const Tensor& x);  // log x / log 2
DLCORE_API Tensor log2_(const Tensor& x);
DLCORE_API Tensor log10(const Tensor& x);  // log x / log 10
DLCORE_API Tensor log10_(const Tensor& x);
DLCORE_API Tensor sqrt(const Tensor& x);  // the square root
DLCORE_API Tensor sqrt_(const Tensor& x);
DLCORE_API Tensor rsqrt(const Tensor& x);  // 1 / sqrt(x)
DLCORE_API Tensor rsqrt_(const Tensor& x);
DLCORE_API Tensor sin(const Tensor& x);  // the sine
DLCORE_API Tensor sin_(const Tensor& x);
DLCORE_API Tensor cos(const Tensor& x);  // the cosine
DLCORE_API Tensor cos_(const Tensor& x);
DLCORE_API Tensor tan(const Tensor& x);  // sin x / cos x
DLCORE_API Tensor tan_(const Tensor& x);
DLCORE_API Tensor asin(const Tensor& x);  // the inverse of sin, in [-pi/2, pi/2]
DLCORE_API Tensor asin_(const Tensor& x);
DLCORE_API Tensor acos(const Tensor& x);  // the inverse of cos, in [0, pi]
DLCORE_API Tensor acos_(const Tensor& x);
DLCORE_API Tensor atan(const Tensor& x);  // the inverse of tan, in (-pi/2, pi/2)
DLCORE_API Tensor atan_(const Tensor& x);
DLCORE_API Tensor sinh(const Tensor& x);  // (e^x - e^-x) / 2
DLCORE_API Tensor sinh_(const Tensor& x);
DLCORE_API Tensor cosh(const Tensor& x);  // (e^x + e^-x) / 2
DLCORE_API Tensor cosh_(const Tensor& x);
DLCORE_API Tensor tanh(const Tensor& x);  // (e^x - e^-x) / (e^x + e^-x)
DLCORE_API Tensor tanh_(const Tensor& x);
DLCORE_API Tensor asinh(const Tensor& x);  // log(x + sqrt(x^2 + 1))
DLCORE_API Tensor asinh_(const Tensor& x);
DLCORE_API Tensor acosh(const Tensor& x);  // log(x + sqrt(x^2 - 1))
DLCORE_API Tensor acosh_(const Tensor& x);
DLCORE_API Tensor atanh(const Tensor& x);  // log((1 + x) / (1 - x)) / 2
DLCORE_API Tensor atanh_(const Tensor& x);
DLCORE_API Tensor sigmoid(const Tensor& x);  // 1 / (1 + e^-x)
DLCORE_API Tensor sigmoid_(const Tensor& x);
DLCORE_API Tensor erf(const Tensor& x);  // 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x
DLCORE_API Tensor erf_(const Tensor& x);
DLCORE_API Tensor erfc(const Tensor& x);  // 1 - erf(x)
DLCORE_API Tensor erfc_(const Tensor& x);
DLCORE_API Tensor erfinv(const Tensor& x);  // the inverse of erf
DLCORE_API Tensor erfinv_(const Tensor& x);
DLCORE_API Tensor lgamma(const Tensor& x);  // log |gamma(x)|
DLCORE_API Tensor lgamma_(const Tensor& x);
DLCORE_API Tensor digamma(const Tensor& x);  // the derivative of lgamma; has none itself
DLCORE_API Tensor digamma_(const Tensor& x);
DLCORE_API Tensor neg_(const Tensor& x);
DLCORE_API Tensor frac(const Tensor& x);  // x - trunc(x)
DLCORE_API Tensor frac_(const Tensor& x);
DLCORE_API Tensor round(const Tensor& x, int64_t decimals = 0);  // half to even
DLCORE_API Tensor round_(const Tensor& x, int64_t decimals = 0);
DLCORE_API Tensor logit(const Tensor& x,
                        std::optional<double> eps = {});  // log(x / (1 - x)), x clamped to [eps, 1 - eps]
DLCORE_API Tensor logit_(const Tensor& x, std::optional<double> eps = {});

// ---- two tensors (ops/binary.cpp)

DLCORE_API Tensor add_(const Tensor& x, const Tensor& b, Scalar alpha = 1);
DLCORE_API Tensor sub_(const Tensor& x, const Tensor& b, Scalar alpha = 1);
DLCORE_API Tensor mul_(const Tensor& x, const Tensor& b);
DLCORE_API Tensor div_(const Tensor& x, const Tensor& b);
DLCORE_API Tensor rsub(const Tensor& a, const Tensor& b, Scalar alpha = 1);  // b - alpha a
// rounding_mode: "trunc" towards zero, "floor" towards minus infinity.
DLCORE_API Tensor div(const Tensor& a, const Tensor& b, std::optional<std::string> rounding_mode);
DLCORE_API Tensor div_(const Tensor& x, const Tensor& b, std::optional<std::string> rounding_mode);
DLCORE_API Tensor floor_divide(const Tensor& a, const Tensor& b);  // floor(a / b)
DLCORE_API Tensor floor_divide_(const Tensor& x, const Tensor& b);
DLCORE_API Tensor fmod(const Tensor& a, const Tensor& b);  // the sign of a
DLCORE_API Tensor fmod_(const Tensor& x, const Tensor& b);
DLCORE_API Tensor remainder(const Tensor& a, const Tensor& b);  // the sign of b
DLCORE_API Tensor remainder_(const Tensor& x, const Tensor& b);
DLCORE_API Tensor pow(const Tensor& a, const Tensor& b);  // a^b
DLCORE_API Tensor pow_(const Tensor& x, const Tensor& b);
DLCORE_API Tensor float_power(const Tensor& a, const Tensor& b);   // in float64
DLCORE_API Tensor float_power_(const Tensor& x, const Tensor& b);  // x must be float64
DLCORE_API Tensor atan2(const Tensor& a, const Tensor& b);         // the angle of the point (b, a), in [-pi, pi]
DLCORE_API Tensor atan2_(const Tensor& x, const Tensor& b);
DLCORE_API Tensor maximum(const Tensor& a, const Tensor& b);  // NaN where either is
DLCORE_API Tensor minimum(const Tensor& a, const Tensor& b);  // NaN where either is
DLCORE_API Tensor fmax(const Tensor& a, const Tensor& b);     // the other where one is NaN
DLCORE_API Tensor fmin(const Tensor& a, const Tensor& b);     // the other where one is NaN
DLCORE_API Tensor xlogy(const Tensor& a, const Tensor& b);    // a log(b), 0 where a = 0
DLCORE_API Tensor xlogy_(const Tensor& x, const Tensor& b);
DLCORE_API Tensor logaddexp(const Tensor& a, const Tensor& b);  // log(e^a + e^b), without overflow

// ---- writing (ops/copy.cpp)

DLCORE_API Tensor copy_(const Tensor& x, const Tensor& source);  // source, broadcast and converted
DLCORE_API Tensor fill_(const Tensor& x, const Tensor& value);   // value: zero-dimensional
DLCORE_API Tensor zero_(const Tensor& x);                        // zeros

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator+(const Tensor& a, Scalar b) { return add(a, number(b)); }
inline Tensor operator-(const Tensor& a, Scalar b) { return sub(a, number(b)); }
inline Tensor operator*(const Tensor& a, Scalar b) { return mul(a, number(b)); }
inline Tensor operator/(const Tensor& a, Scalar b) { return div(a, number(b)); }
inline Tensor operator-(Scalar a, const Tensor& b) { return sub(number(a), b); }
inline Tensor operator/(Scalar a, const Tensor& b) { return div(number(a), b); }
inline Tensor operator*(Scalar a, const Tensor& b) { return mul(b, number(a)); }
inline Tensor operator-(const Tensor& a) { return neg(a); }

}  // namespace dlcore
