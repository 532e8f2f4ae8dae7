#include "kernels/ref/elementwise.h"

#include <cmath>
#include <limits>

namespace dlcore::kernel::ref {
namespace {

using Op = ElementwiseOp;
using Real = long double;
constexpr Real kPi = 3.14159265358979323846264338327950288L;

Real sigmoid(Real x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
Real normal_cdf(Real x) { return std::erfc(-x / std::sqrt(Real(2))) / 2; }
Real normal_pdf(Real x) { return std::exp(-x * x / 2) / std::sqrt(2 * kPi); }
Real gelu_u(Real x) { return std::sqrt(2 / kPi) * (x + Real(0.044715) * x * x * x); }
Real softplus(Real x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
Real larger(Real a, Real b) { return std::isnan(a) ? a : std::isnan(b) ? b : a > b ? a : b; }
Real smaller(Real a, Real b) { return -larger(-a, -b); }
Real modulo(Real a, Real b) {
  const Real r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
// The x with erf(x) = y, by bisection.
Real erfinv(Real y) {
  const Real a = std::fabs(y);
  if (!(a < 1)) return a == 1 ? y * std::numeric_limits<Real>::infinity() : std::numeric_limits<Real>::quiet_NaN();
  Real x = 0;
  for (Real step = 4; step > 1e-20L; step /= 2)
    if (std::erf(x + step) <= a) x += step;
  return std::copysign(x, y);
}

// The derivative of log |gamma(x)| for x > 0: its series far out, stepped back.
Real digamma(Real x) {
  Real y = 0;
  for (; x < 1000; x += 1) y -= 1 / x;
  return y + std::log(x) - 1 / (2 * x) - 1 / (12 * x * x) + 1 / (120 * x * x * x * x);
}

}  // namespace

Real elementwise(ElementwiseOp op, const Real* v, const double* p) {
  const Real x = v[0];
  const auto a = [&](int i) { return v[i]; };
  const Real dy = x;
  switch (op) {
    case Op::Add:
      return x + a(1);
    case Op::Sub:
      return x - a(1);
    case Op::Mul:
      return x * a(1);
    case Op::Div:
      return x / a(1);
    case Op::AddScaled:
      return x + a(2) * a(1);
    case Op::AddCMul:
      return x + a(3) * a(1) * a(2);
    case Op::AddCDiv:
      return x + a(3) * a(1) / a(2);
    case Op::Lerp:
      return x + a(2) * (a(1) - x);
    case Op::FloorDivide:
      return std::floor(x / a(1));
    case Op::TruncDivide:
      return std::trunc(x / a(1));
    case Op::Fmod:
      return std::fmod(x, a(1));
    case Op::Remainder:
      return modulo(x, a(1));
    case Op::Maximum:
      return larger(x, a(1));
    case Op::Minimum:
      return smaller(x, a(1));
    case Op::FMax:
      return std::fmax(x, a(1));
    case Op::FMin:
      return std::fmin(x, a(1));
    case Op::Clamp:
      return smaller(larger(x, a(1)), a(2));
    case Op::Neg:
      return -x;
    case Op::Abs:
      return std::fabs(x);
    case Op::Sign:
      return x > 0 ? 1 : x < 0 ? -1 : 0;
    case Op::Square:
      return x * x;
    case Op::Cube:
      return x * x * x;
    case Op::Reciprocal:
      return 1 / x;
    case Op::Floor:
      return std::floor(x);
    case Op::Ceil:
      return std::ceil(x);
    case Op::Round:
      return std::nearbyint(x);
    case Op::Trunc:
      return std::trunc(x);
    case Op::NanToNum:
      return std::isnan(x) ? p[0] : std::isinf(x) ? (x > 0 ? p[1] : p[2]) : x;

    case Op::Eq:
      return x == a(1);
    case Op::Ne:
      return x != a(1);
    case Op::Lt:
      return x < a(1);
    case Op::Le:
      return x <= a(1);
    case Op::Gt:
      return x > a(1);
    case Op::Ge:
      return x >= a(1);
    case Op::LogicalAnd:
      return x != 0 && a(1) != 0;
    case Op::LogicalOr:
      return x != 0 || a(1) != 0;
    case Op::LogicalXor:
      return (x != 0) != (a(1) != 0);
    case Op::LogicalNot:
      return x == 0;
    case Op::IsNan:
      return std::isnan(x);
    case Op::IsInf:
      return std::isinf(x);
    case Op::IsFinite:
      return std::isfinite(x);
    case Op::IsClose:
      return x == a(1) || (std::isfinite(a(1)) && std::fabs(x - a(1)) <= p[1] + std::fabs(p[0] * a(1))) ||
             (p[2] != 0 && std::isnan(x) && std::isnan(a(1)));
    case Op::Where:
      return x != 0 ? a(1) : a(2);
    case Op::MaskedScale:
      return x != 0 ? a(1) * a(2) : 0;

    case Op::Exp:
      return std::exp(x);
    case Op::Exp2:
      return std::exp2(x);
    case Op::Expm1:
      return std::expm1(x);
    case Op::Log:
      return std::log(x);
    case Op::Log1p:
      return std::log1p(x);
    case Op::Log2:
      return std::log2(x);
    case Op::Log10:
      return std::log10(x);
    case Op::Sqrt:
      return std::sqrt(x);
    case Op::Rsqrt:
      return 1 / std::sqrt(x);
    case Op::Sin:
      return std::sin(x);
    case Op::Cos:
      return std::cos(x);
    case Op::Tan:
      return std::tan(x);
    case Op::Asin:
      return std::asin(x);
    case Op::Acos:
      return std::acos(x);
    case Op::Atan:
      return std::atan(x);
    case Op::Sinh:
      return std::sinh(x);
    case Op::Cosh:
      return std::cosh(x);
    case Op::Tanh:
      return std::tanh(x);
    case Op::Asinh:
      return std::asinh(x);
    case Op::Acosh:
      return std::acosh(x);
    case Op::Atanh:
      return std::atanh(x);
    case Op::Sigmoid:
      return sigmoid(x);
    case Op::Logit: {
      const Real z = p[0] < 0 ? x : x < p[0] ? p[0] : x > 1 - p[0] ? 1 - p[0] : x;
      return std::log(z / (1 - z));
    }
    case Op::Erf:
      return std::erf(x);
    case Op::Erfc:
      return std::erfc(x);
    case Op::Erfinv:
      return erfinv(x);
    case Op::Lgamma:
      return std::lgamma(x);
    case Op::Digamma:
      return digamma(x);
    case Op::Atan2:
      return std::atan2(x, a(1));
    case Op::Pow:
      return std::pow(x, a(1));
    case Op::Xlogy:
      return x == 0 && !std::isnan(a(1)) ? 0 : x * std::log(a(1));
    case Op::LogAddExp:
      return larger(x, a(1)) + std::log1p(std::exp(-std::fabs(x - a(1))));

    case Op::Relu:
      return x < 0 ? 0 : x;
    case Op::LeakyRelu:
      return x > 0 ? x : p[0] * x;
    case Op::Prelu:
      return x > 0 ? x : a(1) * x;
    case Op::Elu:
      return x > 0 ? p[1] * x : p[0] * std::expm1(p[2] * x);
    case Op::Gelu:
      return x * normal_cdf(x);
    case Op::GeluTanh:
      return x / 2 * (1 + std::tanh(gelu_u(x)));
    case Op::Silu:
      return x * sigmoid(x);
    case Op::Mish:
      return x * std::tanh(softplus(x));
    case Op::Softplus:
      return p[0] * x > p[1] ? x : softplus(p[0] * x) / p[0];
    case Op::Softsign:
      return x / (1 + std::fabs(x));
    case Op::LogSigmoid:
      return -softplus(-x);
    case Op::Hardswish:
      return x * smaller(larger(x + 3, 0), 6) / 6;
    case Op::Hardsigmoid:
      return smaller(larger(x + 3, 0), 6) / 6;
    case Op::Hardshrink:
      return std::fabs(x) <= p[0] ? 0 : x;
    case Op::Softshrink:
      return std::fabs(x) <= p[0] ? 0 : x - std::copysign(Real(p[0]), x);
    case Op::Tanhshrink:
      return x - std::tanh(x);
    case Op::Threshold:
      return x <= p[0] ? p[1] : x;
    case Op::ReluBackward:
      return a(1) <= p[0] ? 0 : dy;
    case Op::LeakyReluBackward:
      return a(1) > 0 ? dy : dy * p[0];
    case Op::EluBackward:
      return a(1) > 0 ? dy * p[1] : dy * p[0] * p[2] * std::exp(p[2] * a(1));
    case Op::GeluBackward:
      return dy * (normal_cdf(a(1)) + a(1) * normal_pdf(a(1)));
    case Op::GeluTanhBackward: {
      const Real t = std::tanh(gelu_u(a(1))), slope = std::sqrt(2 / kPi) * (1 + 3 * Real(0.044715) * a(1) * a(1));
      return dy * ((1 + t) / 2 + a(1) / 2 * (1 - t * t) * slope);
    }
    case Op::SiluBackward:
      return dy * sigmoid(a(1)) * (1 + a(1) * (1 - sigmoid(a(1))));
    case Op::MishBackward: {
      const Real t = std::tanh(softplus(a(1)));
      return dy * (t + a(1) * (1 - t * t) * sigmoid(a(1)));
    }
    case Op::SoftplusBackward:
      return p[0] * a(1) > p[1] ? dy : dy * sigmoid(p[0] * a(1));
    case Op::LogSigmoidBackward:
      return dy * sigmoid(-a(1));
    case Op::SigmoidBackward:
      return dy * a(1) * (1 - a(1));
    case Op::TanhBackward:
      return dy * (1 - a(1) * a(1));
    case Op::HardswishBackward:
      return a(1) <= -3 ? 0 : a(1) < 3 ? dy * (a(1) / 3 + Real(0.5)) : dy;
    case Op::ClampBackward:
      return a(1) >= p[0] && a(1) <= p[1] ? dy : 0;
    case Op::InsideBackward:
      return a(1) <= p[0] || a(1) >= p[1] ? 0 : dy;
    case Op::OutsideBackward:
      return a(1) >= p[0] && a(1) <= p[1] ? 0 : dy;
    default:
      return std::numeric_limits<Real>::quiet_NaN();
  }
}

int64_t elementwise(ElementwiseOp op, const int64_t* x, const double* p) {
  const auto u = [&](int i) { return static_cast<uint64_t>(x[i]); };
  const auto whole = [](uint64_t v) { return static_cast<int64_t>(v); };
  switch (op) {
    case Op::Add:
      return whole(u(0) + u(1));
    case Op::Sub:
      return whole(u(0) - u(1));
    case Op::Mul:
      return whole(u(0) * u(1));
    case Op::AddScaled:
      return whole(u(0) + u(2) * u(1));
    case Op::AddCMul:
      return whole(u(0) + u(3) * u(1) * u(2));
    case Op::Neg:
      return whole(-u(0));
    case Op::Square:
      return whole(u(0) * u(0));
    case Op::Cube:
      return whole(u(0) * u(0) * u(0));
    case Op::BitwiseAnd:
      return x[0] & x[1];
    case Op::BitwiseOr:
      return x[0] | x[1];
    case Op::BitwiseXor:
      return x[0] ^ x[1];
    case Op::BitwiseNot:
      return ~x[0];
    case Op::ShiftLeft:
      return whole(u(0) << x[1]);
    case Op::ShiftRight:
      return x[0] >> x[1];
    default: {  // small enough for long double
      const Real v[] = {static_cast<Real>(x[0]), static_cast<Real>(x[1]), static_cast<Real>(x[2]),
                        static_cast<Real>(x[3])};
      return static_cast<int64_t>(elementwise(op, v, p));
    }
  }
}

}  // namespace dlcore::kernel::ref
