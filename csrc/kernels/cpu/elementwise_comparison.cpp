#include "kernels/cpu/rows.h"
#include "kernels/cpu/simd_lanes.h"

// One functor an op of DLCORE_ELEMENTWISE_COMPARISON: they give masks, which rows store as bytes.
namespace dlcore::kernel::DLCORE_TIER {
namespace {

struct Eq {
  template <class V>
  DLCORE_INLINE auto operator()(V a, V b) const {
    return a == b;
  }
};
struct Ne {
  template <class V>
  DLCORE_INLINE auto operator()(V a, V b) const {
    return a != b;
  }
};
struct Lt {
  template <class V>
  DLCORE_INLINE auto operator()(V a, V b) const {
    return a < b;
  }
};
struct Le {
  template <class V>
  DLCORE_INLINE auto operator()(V a, V b) const {
    return a <= b;
  }
};
struct Gt {
  template <class V>
  DLCORE_INLINE auto operator()(V a, V b) const {
    return a > b;
  }
};
struct Ge {
  template <class V>
  DLCORE_INLINE auto operator()(V a, V b) const {
    return a >= b;
  }
};

template <class T, int N>
DLCORE_INLINE mask<T, N> truth(vec<T, N> a) {
  return a != vec<T, N>(T(0));
}
struct LogicalAnd {
  template <class V>
  DLCORE_INLINE auto operator()(V a, V b) const {
    return truth(a) & truth(b);
  }
};
struct LogicalOr {
  template <class V>
  DLCORE_INLINE auto operator()(V a, V b) const {
    return truth(a) | truth(b);
  }
};
struct LogicalXor {
  template <class V>
  DLCORE_INLINE auto operator()(V a, V b) const {
    return truth(a) != truth(b);
  }
};
struct LogicalNot {
  template <class V>
  DLCORE_INLINE auto operator()(V a) const {
    return ~truth(a);
  }
};

template <class T, int N>
DLCORE_INLINE vec<T, N> infinity_like(vec<T, N>) {
  return {static_cast<T>(__builtin_inf())};
}
struct IsNan {
  template <class V>
  DLCORE_INLINE auto operator()(V a) const {
    return a != a;
  }
};
struct IsInf {
  template <class V>
  DLCORE_INLINE auto operator()(V a) const {
    return abs(a) == infinity_like(a);
  }
};
struct IsFinite {
  template <class V>
  DLCORE_INLINE auto operator()(V a) const {
    return abs(a) < infinity_like(a);
  }
};

// a = b, or |a - b| <= absolute + relative |b| with a and b finite, or both NaN where that counts as equal
struct IsClose {
  double relative, absolute;
  bool equal_nan;
  explicit IsClose(const double* p) : relative(p[0]), absolute(p[1]), equal_nan(p[2] != 0) {}
  template <class T, int N>
  DLCORE_INLINE mask<T, N> operator()(vec<T, N> a, vec<T, N> b) const {
    using V = vec<T, N>;
    if constexpr (kIsFloat<T>) {
      const V allowed = V(static_cast<T>(absolute)) + abs(V(static_cast<T>(relative)) * b);
      const mask<T, N> close = (a == b) | ((abs(a - b) <= allowed) & (abs(b) < infinity_like(b)));
      const mask<T, N> nans = (a != a) & (b != b);
      return equal_nan ? close | nans : close;
    } else {
      T lanes[N];
      each_lane(a, b, [&](T x, T y) {
        const double difference = static_cast<double>(x) - static_cast<double>(y);
        const double allowed = absolute + __builtin_fabs(relative * static_cast<double>(y));
        return static_cast<T>(x == y || __builtin_fabs(difference) <= allowed);
      }).store(lanes);
      return truth(V::load(lanes));
    }
  }
};

struct Where : Light {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(mask<T, N> condition, vec<T, N> a, vec<T, N> b) const {
    return select(condition, a, b);
  }
};

struct MaskedScale : Light {
  template <class T, int N>
  DLCORE_INLINE vec<T, N> operator()(mask<T, N> kept, vec<T, N> x, vec<T, N> s) const {
    return x * select(kept, s, vec<T, N>(T(0)));
  }
};

}  // namespace

Row comparison_row(ElementwiseOp op, DType compute) {
  switch (op) {
    DLCORE_ELEMENTWISE_COMPARISON(DLCORE_ROW_CASE)
    default:
      return nullptr;
  }
}

}  // namespace dlcore::kernel::DLCORE_TIER
