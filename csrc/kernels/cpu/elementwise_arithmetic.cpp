#include "kernels/cpu/math.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/simd_lanes.h"

// One functor an op of DLCORE_ELEMENTWISE_ARITHMETIC, over vectors of any compute type.
namespace dlcore::kernel::DLCORE_TIER {
namespace {

struct Add : Light {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b) const {
    return a + b;
  }
};
struct Sub : Light {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b) const {
    return a - b;
  }
};
struct Mul : Light {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b) const {
    return a * b;
  }
};
struct Div : Light {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b) const {
    return a / b;
  }
};
struct AddScaled : Light {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b, V s) const {
    return fma(s, b, a);
  }
};
struct AddCMul : Light {
  template <class V>
  DLCORE_INLINE V operator()(V x, V a, V b, V v) const {
    return x + v * a * b;
  }
};
struct AddCDiv {
  template <class V>
  DLCORE_INLINE V operator()(V x, V a, V b, V v) const {
    return x + v * a / b;
  }
};

// From the nearer end, so that w = 0 and w = 1 are exact.
struct Lerp {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> a, vec<T, N> b, vec<T, N> w) const {
    using V = vec<T, N>;
    const V d = b - a;
    return select(abs(w) < V(T(0.5)), fma(w, d, a), b - d * (V(T(1)) - w));
  }
};

// ---- division with whole quotients

// Integers; a zero divisor is the caller's to refuse, here it only must not trap. Wraps like the other ops: -2^31 / -1.
template <class T>
DLCORE_INLINE T quotient(T a, T b) {
  if (b == -1) return static_cast<T>(-static_cast<typename unsigned_of<T>::type>(a));
  return b == 0 ? T{0} : a / b;
}
template <int N>
DLCORE_INLINE vec<int64_t, N> quotient(vec<int64_t, N> a, vec<int64_t, N> b) {
  return each_lane(a, b, [](int64_t x, int64_t y) { return quotient(x, y); });
}
// A double holds a 32-bit quotient well enough to cut it; the conversion's value for 2^31 and infinity is -2^31.
template <int N>
DLCORE_INLINE vec<int32_t, N> quotient(vec<int32_t, N> a, vec<int32_t, N> b) {
  const auto half = [](auto x, auto y) { return convert<int32_t>(trunc(convert<double>(x) / convert<double>(y))); };
  return join(half(lower(a), lower(b)), half(upper(a), upper(b)));
}

// a - b trunc(a / b), exactly. Where the quotient fits into a double's 53 bits with room for b (float), or FMA keeps
// the product exact (double), it is at most one off; other lanes go to the C library.
template <int N>
DLCORE_INLINE vec<double, N> rest_near(vec<double, N> a, vec<double, N> b, vec<double, N> q) {
  using V = vec<double, N>;
  const V r = fma(-q, b, a), zero(0.0);
  const V back = copysign(b, a);
  const V fixed = select((r != zero) & ((r < zero) != (a < zero)), r + back, select(abs(r) >= abs(b), r - back, r));
  return copysign(fixed, a);
}
template <class T, int N>
DLCORE_INLINE vec<T, N> rest(vec<T, N> a, vec<T, N> b) {
  using V = vec<T, N>;
  constexpr double limit = sizeof(T) == 4 ? 0x1p28 : 0x1p51;
#if defined(__FMA__)
  constexpr bool vectors = true;
#else
  constexpr bool vectors = sizeof(T) == 4;
#endif
  const V q = trunc(a / b);
  const mask<T, N> inside = (abs(q) < V(static_cast<T>(limit))) & (abs(b) < V(static_cast<T>(__builtin_inf())));
  if (!vectors || any(~inside))
    return each_lane(a, b, [](T x, T y) {
      if constexpr (sizeof(T) == 4)
        return __builtin_fmodf(x, y);
      else
        return __builtin_fmod(x, y);
    });
  if constexpr (sizeof(T) == 4)
    return in_double(a, b, [](auto x, auto y) { return rest_near(x, y, trunc(x / y)); });
  else
    return rest_near(a, b, q);
}

// Python's %: the sign of the divisor.
template <class T, int N>
DLCORE_INLINE vec<T, N> floor_rest(vec<T, N> a, vec<T, N> b) {
  const vec<T, N> r = rest(a, b), zero(T(0));
  return select((r != zero) & ((r < zero) != (b < zero)), r + b, r);
}

struct FloorDivide {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> a, vec<T, N> b) const {
    using V = vec<T, N>;
    const V zero(T(0)), one(T(1));
    if constexpr (kIsFloat<T>) {
      // (a - a mod b) / b is whole but for its rounding.
      const V q = a / b, d = (a - floor_rest(a, b)) / b, whole = floor(d);
      const V up = select(d - whole > V(T(0.5)), whole + one, whole);
      return select(b == zero, q, select(d == zero, copysign(zero, q), up));
    } else {
      const V q = quotient(a, b), r = a - q * b;
      return select((r != zero) & ((r < zero) != (b < zero)), q - one, q);
    }
  }
};
struct TruncDivide {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> a, vec<T, N> b) const {
    if constexpr (kIsFloat<T>)
      return trunc(a / b);
    else
      return quotient(a, b);
  }
};
struct Fmod {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> a, vec<T, N> b) const {
    if constexpr (kIsFloat<T>)
      return rest(a, b);
    else
      return a - quotient(a, b) * b;
  }
};
struct Remainder {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> a, vec<T, N> b) const {
    if constexpr (kIsFloat<T>) {
      return floor_rest(a, b);
    } else {
      const vec<T, N> r = a - quotient(a, b) * b, zero(T(0));
      return select((r != zero) & ((r < zero) != (b < zero)), r + b, r);
    }
  }
};

// ---- order

// The hardware's max gives b where either is NaN: with a's NaN put back, either one's comes through.
struct Maximum : Light {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b) const {
    return select(a != a, a, max(a, b));
  }
};
struct Minimum : Light {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b) const {
    return select(a != a, a, min(a, b));
  }
};
struct FMax {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b) const {
    return select(b != b, a, max(a, b));
  }
};
struct FMin {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b) const {
    return select(b != b, a, min(a, b));
  }
};
struct Clamp : Light {
  template <class V>
  DLCORE_INLINE V operator()(V x, V low, V high) const {
    return Minimum{}(Maximum{}(x, low), high);
  }
};

// ---- one input

struct Neg : Light {
  template <class V>
  DLCORE_INLINE V operator()(V a) const {
    return -a;
  }
};
struct Abs : Light {
  template <class V>
  DLCORE_INLINE V operator()(V a) const {
    return abs(a);
  }
};
struct Square : Light {
  template <class V>
  DLCORE_INLINE V operator()(V a) const {
    return a * a;
  }
};
struct Cube : Light {
  template <class V>
  DLCORE_INLINE V operator()(V a) const {
    return a * a * a;
  }
};
struct Floor {
  template <class V>
  DLCORE_INLINE V operator()(V a) const {
    return floor(a);
  }
};
struct Ceil {
  template <class V>
  DLCORE_INLINE V operator()(V a) const {
    return ceil(a);
  }
};
struct Round {
  template <class V>
  DLCORE_INLINE V operator()(V a) const {
    return round_even(a);
  }
};
struct Trunc {
  template <class V>
  DLCORE_INLINE V operator()(V a) const {
    return trunc(a);
  }
};
struct Reciprocal {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> a) const {
    return vec<T, N>(T(1)) / a;
  }
};
struct Sign {  // 0 for NaN
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> a) const {
    const vec<T, N> zero(T(0)), one(T(1));
    return select(a > zero, one, select(a < zero, -one, zero));
  }
};
struct NanToNum {
  const double* p;
  explicit NanToNum(const double* params) : p(params) {}
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> a) const {
    using V = vec<T, N>;
    const V infinity(static_cast<T>(__builtin_inf()));
    const auto value = [&](int i) { return V(static_cast<T>(p[i])); };
    return select(a != a, value(0), select(a == infinity, value(1), select(a == -infinity, value(2), a)));
  }
};

// ---- bits

struct BitwiseAnd {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b) const {
    return a & b;
  }
};
struct BitwiseOr {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b) const {
    return a | b;
  }
};
struct BitwiseXor {
  template <class V>
  DLCORE_INLINE V operator()(V a, V b) const {
    return a ^ b;
  }
};
struct BitwiseNot {
  template <class V>
  DLCORE_INLINE V operator()(V a) const {
    return ~a;
  }
};
// A count outside of [0, bits) shifts everything out.
struct ShiftLeft {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> a, vec<T, N> n) const {
    return each_lane(a, n, [](T x, T k) {
      constexpr T bits = 8 * sizeof(T);
      using U = typename unsigned_of<T>::type;
      return k < 0 || k >= bits ? T{0} : static_cast<T>(static_cast<U>(x) << k);
    });
  }
};
struct ShiftRight {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(vec<T, N> a, vec<T, N> n) const {
    return each_lane(a, n, [](T x, T k) {
      constexpr T bits = 8 * sizeof(T);
      return static_cast<T>(x >> (k < 0 || k >= bits ? bits - 1 : k));
    });
  }
};

}  // namespace

Row arithmetic_row(ElementwiseOp op, DType compute) {
  switch (op) {
    DLCORE_ELEMENTWISE_ARITHMETIC(DLCORE_ROW_CASE)
    default:
      return nullptr;
  }
}

}  // namespace dlcore::kernel::DLCORE_TIER
