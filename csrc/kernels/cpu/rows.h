#pragma once
// Turns a functor over vec<T, N> into a row (kernels/elementwise.h):
//   struct Add { template <class V> V operator()(V a, V b) const { return a + b; } };
// A functor with parameters has a constructor from const double*.
#include "kernels/cpu/simd.h"
#include "kernels/elementwise.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// An input walked a vector at a time; a single element (step 0) becomes a vector that is read again and again.
template <class T>
struct RowInput {
  using V = vec<T>;
  const T* at;
  int64_t advance;
  T repeated[V::size];

  DLCORE_INLINE void start(const void* x, int step) {
    at = static_cast<const T*>(x);
    advance = step ? V::size : 0;
    if (!step) {
      V(*at).store(repeated);
      at = repeated;
    }
  }
  DLCORE_INLINE V next() {
    const V v = V::load(at);
    at += advance;
    return v;
  }
  DLCORE_INLINE V last(int64_t n) const { return V::load(at, n); }
  DLCORE_INLINE V first(int64_t n) {
    const V v = V::load(at, n);
    if (advance) at += n;
    return v;
  }
};

// Bytes 0 or 1, as a mask over the lanes of T.
template <class T>
struct BoolRowInput {
  static constexpr int N = kLanes<T>;
  const uint8_t* at;
  int64_t advance;
  uint8_t repeated[N];

  DLCORE_INLINE void start(const void* x, int step) {
    at = static_cast<const uint8_t*>(x);
    advance = step ? N : 0;
    if (!step) {
      for (int i = 0; i < N; ++i) repeated[i] = *at;
      at = repeated;
    }
  }
  DLCORE_INLINE mask<T, N> next() {
    const mask<T, N> m = load_mask<T, N>(at);
    at += advance;
    return m;
  }
  DLCORE_INLINE mask<T, N> last(int64_t n) const {
    uint8_t bytes[N] = {};
    for (int i = 0; i < n; ++i) bytes[i] = at[i];
    return load_mask<T, N>(bytes);
  }
  DLCORE_INLINE mask<T, N> first(int64_t n) {
    const mask<T, N> m = last(n);
    if (advance) at += n;
    return m;
  }
};

template <class T, int N>
DLCORE_INLINE void store_result(void* y, int64_t i, vec<T, N> v) {
  v.store(static_cast<T*>(y) + i);
}
template <class T, int N>
DLCORE_INLINE void store_result(void* y, int64_t i, vec<T, N> v, int64_t n) {
  v.store(static_cast<T*>(y) + i, n);
}
template <class T, int N>
DLCORE_INLINE void store_result(void* y, int64_t i, mask<T, N> m) {
  store_mask(static_cast<uint8_t*>(y) + i, m);
}
template <class T, int N>
DLCORE_INLINE void store_result(void* y, int64_t i, mask<T, N> m, int64_t n) {
  uint8_t bytes[N];
  store_mask(bytes, m);
  for (int k = 0; k < n; ++k) static_cast<uint8_t*>(y)[i + k] = bytes[k];
}

template <class F>
DLCORE_INLINE F make_functor(const double* params) {
  if constexpr (requires { F(params); })
    return F(params);
  else
    return F{};
}

template <class T, class F, class... X>
DLCORE_INLINE void row_loop(const F& f, int64_t n, void* y, X&... x) {
  constexpr int N = kLanes<T>;
  int64_t i = 0;
  // Stores that straddle cache lines cost more than loads that do: a long row starts with what aligns y.
  if constexpr (requires { f(x.next()...).v; }) {
    const int64_t ahead = -static_cast<int64_t>(reinterpret_cast<uintptr_t>(y) / sizeof(T)) & (N - 1);
    if (ahead && n >= 8 * N) {
      store_result(y, 0, f(x.first(ahead)...), ahead);
      i = ahead;
    }
  }
  for (; i + N <= n; i += N) store_result(y, i, f(x.next()...));
  if (i < n) store_result(y, i, f(x.last(n - i)...), n - i);
}

template <class T, class F, bool BoolFirst, int... I>
DLCORE_INLINE void row_inputs(int64_t n, void* y, const void* const* x, const int* step, const double* params,
                              ints<I...>) {
  const F f = make_functor<F>(params);
  if constexpr (BoolFirst) {
    BoolRowInput<T> condition;
    RowInput<T> a, b;
    condition.start(x[0], step[0]);
    a.start(x[1], step[1]);
    b.start(x[2], step[2]);
    row_loop<T>(f, n, y, condition, a, b);
  } else {
    RowInput<T> in[sizeof...(I)];
    (in[I].start(x[I], step[I]), ...);
    row_loop<T>(f, n, y, in[I]...);
  }
}

template <class T, class F, int Inputs, bool BoolFirst>
void row(int64_t n, void* y, const void* const* x, const int* step, const double* params) {
  row_inputs<T, F, BoolFirst>(n, y, x, step, params, indices<Inputs>());
}

template <class F, int Inputs, int Types, int Flags>
Row row_for(DType compute) {
  constexpr bool bool_first = (Flags & kBoolFirstInput) != 0;
  if constexpr ((Types & kFloat) != 0)
    if (compute == DType::Float32) return row<float, F, Inputs, bool_first>;
  if constexpr ((Types & kDouble) != 0)
    if (compute == DType::Float64) return row<double, F, Inputs, bool_first>;
  if constexpr ((Types & kInt32) != 0)
    if (compute == DType::Int32) return row<int32_t, F, Inputs, bool_first>;
  if constexpr ((Types & kInt64) != 0)
    if (compute == DType::Int64) return row<int64_t, F, Inputs, bool_first>;
  if constexpr ((Types & kBytes) != 0)
    if (compute == DType::Bool) return row<uint8_t, F, Inputs, bool_first>;
  return nullptr;
}

// A family's lookup: switch (op) { DLCORE_ELEMENTWISE_X(DLCORE_ROW_CASE) default: return nullptr; }
#define DLCORE_ROW_CASE(name, inputs, types, flags) \
  case ElementwiseOp::name:                         \
    return row_for<name, inputs, types, flags>(compute);

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
