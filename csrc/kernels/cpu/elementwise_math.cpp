#include "kernels/cpu/math_erf.h"
#include "kernels/cpu/math_gamma.h"
#include "kernels/cpu/math_trigonometric.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/simd_lanes.h"

// One functor an op of DLCORE_ELEMENTWISE_MATH; the functions themselves are in math.h.
namespace dlcore::kernel::DLCORE_TIER {
namespace {

struct Exp {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return exp(x);
  }
};
struct Expm1 {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return expm1(x);
  }
};
struct Log {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return log(x);
  }
};
struct Log1p {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return log1p(x);
  }
};
struct Log2 {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return log2(x);
  }
};
struct Log10 {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return log10(x);
  }
};
struct Sqrt {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return sqrt(x);
  }
};
struct Rsqrt {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return rsqrt(x);
  }
};
struct Sin {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return sin(x);
  }
};
struct Cos {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return cos(x);
  }
};
struct Tan {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return tan(x);
  }
};
struct Asin {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return asin(x);
  }
};
struct Acos {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return acos(x);
  }
};
struct Atan {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return atan(x);
  }
};
struct Sinh {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return sinh(x);
  }
};
struct Cosh {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return cosh(x);
  }
};
struct Tanh {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return tanh(x);
  }
};
struct Asinh {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return asinh(x);
  }
};
struct Acosh {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return acosh(x);
  }
};
struct Atanh {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return atanh(x);
  }
};
struct Sigmoid {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return sigmoid(x);
  }
};
struct Erf {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return erf(x);
  }
};
struct Erfc {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return erfc(x);
  }
};
struct Erfinv {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return erfinv(x);
  }
};
struct Lgamma {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return lgamma(x);
  }
};
struct Digamma {
  template <class V>
  DLCORE_INLINE V operator()(V x) const {
    return digamma(x);
  }
};
struct Atan2 {
  template <class V>
  DLCORE_INLINE V operator()(V y, V x) const {
    return atan2(y, x);
  }
};

struct Exp2 {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> x) const {
    return exp2(x);
  }
};

struct Logit {
  double eps;
  explicit Logit(const double* p) : eps(p[0]) {}
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> x) const {
    using V = vec<T, N>;
    const V low(static_cast<T>(eps)), one(T(1)), high = one - low;
    if (eps >= 0) x = select(x < low, low, select(x > high, high, x));
    return log(x / (one - x));
  }
};

// Integers by repeated squaring, wrapping; x^-n is 1 / x^n cut to a whole number.
template <class T>
DLCORE_INLINE T whole_power(T x, T n) {
  using U = typename unsigned_of<T>::type;
  if (n < 0) return x == 1 ? T{1} : x == -1 ? (n % 2 ? T{-1} : T{1}) : T{0};
  U y = 1, square = static_cast<U>(x);
  for (U k = static_cast<U>(n); k; k >>= 1) {
    if (k & 1) y *= square;
    square *= square;
  }
  return static_cast<T>(y);
}
struct Pow {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> x, vec<T, N> y) const {
    if constexpr (kIsFloat<T>)
      return pow(x, y);
    else
      return each_lane(x, y, [](T a, T n) { return whole_power(a, n); });
  }
};

struct Xlogy {  // x log(y); 0 where x = 0 and y is not NaN
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> x, vec<T, N> y) const {
    const vec<T, N> zero(T(0));
    return select((x == zero) & ~is_nan(y), zero, x * log(y));
  }
};
struct LogAddExp {  // log(exp(a) + exp(b))
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> a, vec<T, N> b) const {
    using V = vec<T, N>;
    const V infinity(kInfinity<T>);
    return select((abs(a) == infinity) & (a == b), a, select(a > b, a, b) + log1p(exp(-abs(a - b))));
  }
};

}  // namespace

Row math_row(ElementwiseOp op, DType compute) {
  switch (op) {
    DLCORE_ELEMENTWISE_MATH(DLCORE_ROW_CASE)
    default:
      return nullptr;
  }
}

}  // namespace dlcore::kernel::DLCORE_TIER
