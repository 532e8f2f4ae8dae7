#pragma once
// Turns a functor over vec<T, N> into a row (kernels/elementwise.h):
//   struct Add { template <class V> V operator()(V a, V b) const { return a + b; } };
// A functor with parameters has a constructor from const double*. One that is less work than the loop around it derives
// from Light.
#include "kernels/cpu/simd_lanes.h"
#include "kernels/elementwise.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// Rows of a Light functor take several vectors a turn: of a long row more loads are then under way at once.
struct Light {};
constexpr int kVectorsATurn = 4;

// An input read a turn at a time: vector k of a turn begins at at[(i & mask) + k N]. A single element (step 0) is
// repeated as often as a turn reads it. Plain values, so that they stay in registers.
template <class T>
struct RowInput {
  using Repeated = T[kVectorsATurn * kLanes<T>];
  const T* at;
  int64_t mask;

  DLCORE_INLINE RowInput(const void* x, int step, Repeated& repeated)
      : at(step ? static_cast<const T*>(x) : repeated), mask(step ? -1 : 0) {
    if (step) return;
    for (int k = 0; k < kVectorsATurn; ++k) vec<T>(*static_cast<const T*>(x)).store(repeated + k * kLanes<T>);
  }
  DLCORE_INLINE vec<T> load(int64_t i, int k = 0) const { return vec<T>::load(at + (i & mask) + k * kLanes<T>); }
  DLCORE_INLINE vec<T> load_first(int64_t i, int64_t n) const { return vec<T>::load(at + (i & mask), n); }
};

// Bytes 0 or 1, as a mask over the lanes of T.
template <class T>
struct BoolRowInput {
  static constexpr int N = kLanes<T>;
  using Repeated = uint8_t[kVectorsATurn * N];
  const uint8_t* at;
  int64_t mask;

  DLCORE_INLINE BoolRowInput(const void* x, int step, Repeated& repeated)
      : at(step ? static_cast<const uint8_t*>(x) : repeated), mask(step ? -1 : 0) {
    if (step) return;
    for (int i = 0; i < kVectorsATurn * N; ++i) repeated[i] = *static_cast<const uint8_t*>(x);
  }
  DLCORE_INLINE auto load(int64_t i, int k = 0) const { return load_mask<T, N>(at + (i & mask) + k * N); }
  DLCORE_INLINE auto load_first(int64_t i, int64_t n) const {
    uint8_t bytes[N] = {};
    for (int k = 0; k < n; ++k) bytes[k] = at[(i & mask) + k];
    return load_mask<T, N>(bytes);
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
DLCORE_INLINE void row_loop(const F& f, int64_t n, void* y, X... x) {
  constexpr int N = kLanes<T>;
  int64_t i = 0;
  // Stores that straddle cache lines cost more than loads that do: a long row starts with what aligns y.
  if constexpr (requires { f(x.load(0)...).v; }) {
    const int64_t ahead = -static_cast<int64_t>(reinterpret_cast<uintptr_t>(y) / sizeof(T)) & (N - 1);
    if (ahead && n >= 8 * N) {
      store_result(y, 0, f(x.load_first(0, ahead)...), ahead);
      i = ahead;
    }
  }
  if constexpr (__is_base_of(Light, F)) {
    for (; i + kVectorsATurn * N <= n; i += kVectorsATurn * N) {
#pragma GCC unroll 4
      for (int k = 0; k < kVectorsATurn; ++k) store_result(y, i + k * N, f(x.load(i, k)...));
    }
  }
  for (; i + N <= n; i += N) store_result(y, i, f(x.load(i)...));
  if (i < n) store_result(y, i, f(x.load_first(i, n - i)...), n - i);
}

template <class T, class F, bool BoolFirst, int... I>
DLCORE_INLINE void row_inputs(int64_t n, void* y, const void* const* x, const int* step, const double* params,
                              ints<I...>) {
  const F f = make_functor<F>(params);
  typename RowInput<T>::Repeated repeated[sizeof...(I)];
  if constexpr (BoolFirst) {
    typename BoolRowInput<T>::Repeated condition;
    row_loop<T>(f, n, y, BoolRowInput<T>(x[0], step[0], condition), RowInput<T>(x[1], step[1], repeated[1]),
                RowInput<T>(x[2], step[2], repeated[2]));
  } else {
    row_loop<T>(f, n, y, RowInput<T>(x[I], step[I], repeated[I])...);
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
