#pragma once
// The fold of elements x to m, the largest, and s = sum exp(x - m): what softmax, log sum exp and cross entropy are
// made of.
#include "kernels/cpu/fold.h"
#include "kernels/cpu/math.h"
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kWidth = ReducePlan::kMaxWidth;

struct Largest {
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return select((x > a) | (x != x), x, a);
  }
  template <class V>
  static DLCORE_INLINE V merge(V a, V b) {
    return step(a, b);
  }
  static constexpr float identity = -__builtin_inff();
};
// Of the elements that are numbers: enough where a NaN shows in the sum anyway.
struct LargestNumber {
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return max(x, a);  // a where x is NaN
  }
  template <class V>
  static DLCORE_INLINE V merge(V a, V b) {
    return max(a, b);
  }
  static constexpr float identity = -__builtin_inff();
};
struct Plus {
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return a + x;
  }
  template <class V>
  static DLCORE_INLINE V merge(V a, V b) {
    return a + b;
  }
  static constexpr float identity = 0;
};

// What exponents are shifted by: the largest element, but for -infinity, where all exponentials are to be 0 anyway.
template <class T>
DLCORE_INLINE T shift_of(T m) {
  return m == lowest<T> ? T(0) : m;
}
template <class T, int N>
DLCORE_INLINE vec<T, N> shift_of(vec<T, N> m) {
  return select(m == vec<T, N>(lowest<T>), vec<T, N>(T(0)), m);
}

// f(i, n) for the vectors of [0, n): of n lanes, at i
template <class T, class F>
DLCORE_INLINE void vectors(int64_t n, const F& f) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) f(i, L);
  if (i < n) f(i, n - i);
}

// sum over [0, n) of f(i, lanes), where f is 0 in lanes past the end: in T within a block, in double across blocks
template <class T, class F>
DLCORE_INLINE double sum_vectors(int64_t n, const F& f) {
  constexpr int L = kLanes<T>;
  double total = 0;
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t end = min(n, start + kBlock);
    vec<T> s[2] = {vec<T>(T(0)), vec<T>(T(0))};
    int64_t i = start;
    for (; i + 2 * L <= end; i += 2 * L) {
      s[0] += f(i, L);
      s[1] += f(i + L, L);
    }
    for (; i < end; i += L) s[0] += f(i, min(L, end - i));
    total += static_cast<double>(fold_lanes<Plus>(s[0] + s[1]));
  }
  return total;
}

// sum exp(x - shift); the exponentials go to e where there is one
template <class T>
DLCORE_INLINE double sum_exp(const T* x, T shift, int64_t n, T* e = nullptr) {
  const vec<T> c(shift);
  return sum_vectors<T>(n, [&](int64_t i, int64_t lanes) {
    const vec<T> v = exp(vec<T>::load(x + i, lanes, lowest<T>) - c);
    if (e) v.store(e + i, lanes);
    return v;
  });
}

template <class T>
struct ExpSum {
  static constexpr int inputs = 1;
  struct Accs {
    double m[kWidth], s[kWidth];

    DLCORE_INLINE void join(int64_t o, double m2, double s2) {
      const double largest = Largest::step(m[o], m2), shift = shift_of(largest);
      if (s[o] == 0)
        s[o] = s2;  // most often the first
      else
        s[o] = s[o] * __builtin_exp(m[o] - shift) + s2 * __builtin_exp(m2 - shift);
      m[o] = largest;
    }
  };
  const ReduceLoops& loops;
  const Input<T> in[1];

  void start(Accs& accs, int64_t width) const {
    for (int64_t o = 0; o < width; ++o) accs.m[o] = lowest<double>, accs.s[o] = 0;
  }
  void merge(Accs& accs, const Accs& b, int64_t width, int64_t, int64_t) const {
    for (int64_t o = 0; o < width; ++o) accs.join(o, b.m[o], b.s[o]);
  }

  void rows(const Task& t, Accs& accs) const {
    walk_rows<T>(loops, in, t, [&](int64_t o, const T* const* x, int64_t n, int64_t) {
      const T m = fold_run<Largest>(x[0], n);
      accs.join(o, static_cast<double>(m), sum_exp<T>(x[0], shift_of(m), n));
    });
  }

  void columns(const Task& t, Accs& accs) const {
    constexpr int kRows = 16;
    T m[kWidth], scale[kWidth], sum[kWidth];
    for (int64_t j = 0; j < t.width; ++j) m[j] = lowest<T>;
    walk_columns<T, kRows>(loops, in, t, [&](const T* const(*x)[kRows], int64_t rows, int64_t) {
      vectors<T>(t.width, [&](int64_t j, int64_t lanes) {
        const vec<T> old = vec<T>::load(m + j, lanes);
        vec<T> most = old, s(T(0));
        for (int64_t r = 0; r < rows; ++r) most = Largest::step(most, vec<T>::load(x[0][r] + j, lanes));
        const vec<T> shift = shift_of(most);
        for (int64_t r = 0; r < rows; ++r) s += exp(vec<T>::load(x[0][r] + j, lanes) - shift);
        most.store(m + j, lanes);
        s.store(sum + j, lanes);
        exp(old - shift).store(scale + j, lanes);
      });
      for (int64_t j = 0; j < t.width; ++j)
        accs.s[j] = accs.s[j] * static_cast<double>(scale[j]) + static_cast<double>(sum[j]);
    });
    for (int64_t j = 0; j < t.width; ++j) accs.m[j] = static_cast<double>(m[j]);
  }
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
