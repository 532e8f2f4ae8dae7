// Vector math on every tier against the C library in higher precision: errors in units in the last place over samples
// of all bit patterns and of the range where the function does its work, and special values.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/registry.h"

namespace dlcore {
namespace {

using kernel::ElementwiseOp;
using Exact = long double (*)(long double);
using Exact2 = long double (*)(long double, long double);

struct Function {
  const char* name;
  ElementwiseOp op;
  Exact exact;
  double low, high;     // where it does its work
  double ulp_f, ulp_d;  // largest error allowed
};

long double sigmoid_exact(long double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
long double rsqrt_exact(long double x) { return 1 / std::sqrt(x); }
// Bisection on erf or erfc: the C library has no inverse.
long double erfinv_exact(long double y) {
  const long double a = std::fabs(y);
  if (!(a < 1)) return a == 1 ? y * INFINITY : NAN;
  long double x = 0;
  for (long double step = 4; step > 1e-21L; step /= 2)
    if (a < 0.5L ? std::erf(x + step) <= a : std::erfc(x + step) >= 1 - a) x += step;
  if (a < 1e-4L) {  // the series of erfinv
    const long double pi = M_PIl, z = a * a;
    x = std::sqrt(pi) / 2 * a * (1 + pi / 12 * z * (1 + 7 * pi / 40 * z));
  }
  return std::copysign(x, y);
}

const Function functions[] = {
    {"exp", ElementwiseOp::Exp, std::exp, -110, 100, 1.1, 1.1},
    {"exp2", ElementwiseOp::Exp2, std::exp2, -155, 130, 1.1, 1.1},
    {"expm1", ElementwiseOp::Expm1, std::expm1, -20, 90, 2, 2},
    {"log", ElementwiseOp::Log, std::log, 0, 3, 1, 1},
    {"log1p", ElementwiseOp::Log1p, std::log1p, -1, 3, 2.1, 2.1},
    {"log2", ElementwiseOp::Log2, std::log2, 0, 3, 2, 2},
    {"log10", ElementwiseOp::Log10, std::log10, 0, 3, 1, 2},
    {"sqrt", ElementwiseOp::Sqrt, std::sqrt, 0, 3, 0.5, 0.51},
    {"rsqrt", ElementwiseOp::Rsqrt, rsqrt_exact, 0, 3, 1.5, 1.5},
    {"sin", ElementwiseOp::Sin, std::sin, -30, 30, 1, 2},
    {"cos", ElementwiseOp::Cos, std::cos, -30, 30, 1, 2},
    {"tan", ElementwiseOp::Tan, std::tan, -30, 30, 1, 3},
    {"asin", ElementwiseOp::Asin, std::asin, -1.01, 1.01, 2.3, 2.3},
    {"acos", ElementwiseOp::Acos, std::acos, -1.01, 1.01, 2, 2},
    {"atan", ElementwiseOp::Atan, std::atan, -5, 5, 2.2, 2.2},
    {"sinh", ElementwiseOp::Sinh, std::sinh, -92, 92, 3, 3},
    {"cosh", ElementwiseOp::Cosh, std::cosh, -92, 92, 2, 2},
    {"tanh", ElementwiseOp::Tanh, std::tanh, -10, 10, 2, 2},
    {"asinh", ElementwiseOp::Asinh, std::asinh, -10, 10, 3, 3},
    {"acosh", ElementwiseOp::Acosh, std::acosh, 0.9, 10, 3, 3},
    {"atanh", ElementwiseOp::Atanh, std::atanh, -1.01, 1.01, 3, 3},
    {"sigmoid", ElementwiseOp::Sigmoid, sigmoid_exact, -110, 40, 2.2, 2.2},
    {"erf", ElementwiseOp::Erf, std::erf, -7, 7, 2, 2},
    {"erfc", ElementwiseOp::Erfc, std::erfc, -7, 12, 1, 4},
    {"erfinv", ElementwiseOp::Erfinv, erfinv_exact, -1.01, 1.01, 2, 3},
};

// Distance in units in the last place of `exact`, as type T counts them.
template <class T>
double ulps(T got, long double exact) {
  if (std::isnan(exact)) return std::isnan(got) ? 0 : INFINITY;
  if (std::isnan(got)) return INFINITY;
  const T rounded = static_cast<T>(exact);
  if (got == rounded) {
    if (got == 0 && exact == 0 && std::signbit(got) != std::signbit(exact)) return INFINITY;
    if (std::isinf(got)) return 0;
  }
  if (std::isinf(rounded) || std::isinf(got)) {
    // Around the largest number the rounding to infinity may go either way.
    const T large = std::isinf(got) ? rounded : got;
    return std::signbit(got) == std::signbit(rounded) && std::fabs(large) > std::numeric_limits<T>::max() * T(0.9999999)
               ? 1
               : INFINITY;
  }
  const int exponent = std::max(exact == 0 ? -10000 : std::ilogb(exact), std::numeric_limits<T>::min_exponent - 1);
  return static_cast<double>(std::fabs(got - exact) / std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits + 1));
}

template <class T>
std::vector<T> samples(double low, double high) {
  using B = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  std::vector<T> x{0,
                   -T(0),
                   1,
                   -1,
                   T(0.5),
                   INFINITY,
                   -INFINITY,
                   NAN,
                   std::numeric_limits<T>::denorm_min(),
                   std::numeric_limits<T>::min(),
                   std::numeric_limits<T>::max(),
                   std::numeric_limits<T>::lowest(),
                   std::numeric_limits<T>::epsilon(),
                   T(2),
                   T(10),
                   T(100),
                   T(1000),
                   T(1) - std::numeric_limits<T>::epsilon() / 2,
                   T(1) + std::numeric_limits<T>::epsilon(),
                   T(M_PI),
                   T(M_PI_2),
                   T(1e6),
                   T(1e6) + 1,
                   T(0.625),
                   T(0.875)};
  std::mt19937_64 random(7);
  const int n = sizeof(T) == 4 ? 150000 : 40000;
  for (int i = 0; i < n; ++i) {
    const B bits = static_cast<B>(random());
    T t;
    std::memcpy(&t, &bits, sizeof t);
    x.push_back(t);
    x.push_back(static_cast<T>(std::uniform_real_distribution<double>(low, high)(random)));
  }
  return x;
}

template <class T>
void check_function(const std::string& tier, const Function& f) {
  const DType dtype = sizeof(T) == 4 ? DType::Float32 : DType::Float64;
  const kernel::Row row = kernels(tier).elementwise_row(f.op, dtype);
  ASSERT_NE(row, nullptr) << f.name;
  const std::vector<T> x = samples<T>(f.low, f.high);
  std::vector<T> y(x.size());
  const void* in[] = {x.data()};
  const int step[] = {1};
  const double params[] = {-1};
  row(static_cast<int64_t>(x.size()), y.data(), in, step, params);
  const double allowed = sizeof(T) == 4 ? f.ulp_f : f.ulp_d;
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double e = ulps(y[i], f.exact(x[i]));
    if (e > worst) {
      worst = e;
      at = i;
    }
  }
  EXPECT_LE(worst, allowed) << tier << ' ' << f.name << ' ' << name(dtype) << "(" << std::hexfloat << x[at] << " = "
                            << std::defaultfloat << x[at] << ") = " << y[at] << ", exactly "
                            << static_cast<double>(f.exact(x[at]));
  if (std::getenv("DLCORE_TEST_VERBOSE"))
    std::printf("%-9s %-8s %-8s %.3f ulp\n", tier.c_str(), f.name, name(dtype), worst);
}

TEST(Math, UlpErrorsOfOneArgument) {
  for (const std::string& tier : available_tiers())
    for (const Function& f : functions) {
      check_function<float>(tier, f);
      check_function<double>(tier, f);
    }
}

struct Function2 {
  const char* name;
  ElementwiseOp op;
  Exact2 exact;
  double low, high;
  double ulp_f, ulp_d;
};
long double remainder_exact(long double a, long double b) {
  const long double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
long double xlogy_exact(long double x, long double y) { return x == 0 && !std::isnan(y) ? 0 : x * std::log(y); }

const Function2 functions2[] = {
    {"atan2", ElementwiseOp::Atan2, std::atan2, -3, 3, 3, 3},
    {"pow", ElementwiseOp::Pow, std::pow, -20, 20, 1, 1},
    {"fmod", ElementwiseOp::Fmod, std::fmod, -20, 20, 0, 0},
    {"remainder", ElementwiseOp::Remainder, remainder_exact, -20, 20, 0.5, 0.5},
    {"xlogy", ElementwiseOp::Xlogy, xlogy_exact, 0, 3, 2, 2},
};

template <class T>
void check_function2(const std::string& tier, const Function2& f) {
  const DType dtype = sizeof(T) == 4 ? DType::Float32 : DType::Float64;
  const kernel::Row row = kernels(tier).elementwise_row(f.op, dtype);
  std::vector<T> a, b;
  const T special[] = {0,
                       -T(0),
                       1,
                       -1,
                       T(0.5),
                       T(-0.5),
                       2,
                       -2,
                       3,
                       -3,
                       INFINITY,
                       -INFINITY,
                       NAN,
                       std::numeric_limits<T>::denorm_min(),
                       std::numeric_limits<T>::max(),
                       std::numeric_limits<T>::lowest(),
                       T(1e30),
                       T(7.25)};
  for (T x : special)
    for (T y : special) {
      a.push_back(x);
      b.push_back(y);
    }
  const std::vector<T> values = samples<T>(f.low, f.high);
  for (size_t i = 0; i + 1 < values.size(); ++i) {
    a.push_back(values[i]);
    b.push_back(values[(i + 2) % values.size()]);
  }
  std::vector<T> y(a.size());
  const void* in[] = {a.data(), b.data()};
  const int step[] = {1, 1};
  row(static_cast<int64_t>(a.size()), y.data(), in, step, nullptr);
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double e = ulps(y[i], f.exact(a[i], b[i]));
    if (e > worst) {
      worst = e;
      at = i;
    }
  }
  EXPECT_LE(worst, sizeof(T) == 4 ? f.ulp_f : f.ulp_d)
      << tier << ' ' << f.name << ' ' << name(dtype) << "(" << a[at] << ", " << b[at] << ") = " << y[at] << ", exactly "
      << static_cast<double>(f.exact(a[at], b[at]));
  if (std::getenv("DLCORE_TEST_VERBOSE"))
    std::printf("%-9s %-8s %-8s %.3f ulp\n", tier.c_str(), f.name, name(dtype), worst);
}

TEST(Math, UlpErrorsOfTwoArguments) {
  for (const std::string& tier : available_tiers())
    for (const Function2& f : functions2) {
      check_function2<float>(tier, f);
      check_function2<double>(tier, f);
    }
}

// 10^k and 2^k have whole logarithms, and people compare them so.
TEST(Math, WholeLogarithms) {
  for (const std::string& tier : available_tiers()) {
    std::vector<double> x, y(20);
    for (int k = 0; k < 20; ++k) x.push_back(std::pow(10.0, k));
    const void* in[] = {x.data()};
    const int step[] = {1};
    kernels(tier).elementwise_row(ElementwiseOp::Log10, DType::Float64)(20, y.data(), in, step, nullptr);
    for (int k = 0; k < 20; ++k) EXPECT_EQ(y[static_cast<size_t>(k)], k) << tier;
    for (int k = 0; k < 20; ++k) x[static_cast<size_t>(k)] = std::ldexp(1.0, 50 * k - 500);
    kernels(tier).elementwise_row(ElementwiseOp::Log2, DType::Float64)(20, y.data(), in, step, nullptr);
    for (int k = 0; k < 20; ++k) EXPECT_EQ(y[static_cast<size_t>(k)], 50 * k - 500) << tier;
  }
}

}  // namespace
}  // namespace dlcore
