#pragma once
// Between the lanes of vectors: shuffles, halves, sums over lanes, transposition.
#include "kernels/cpu/simd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// Lanes of a (0 ... N - 1) and b (N ... 2N - 1) by compile-time index.
template <int... I, class T, int N>
DLCORE_INLINE vec<T, N> shuffle(vec<T, N> a, vec<T, N> b) {
#if defined(__clang__) || __GNUC__ >= 12
  return {__builtin_shufflevector(a.v, b.v, I...)};
#else
  return {__builtin_shuffle(a.v, b.v, typename vec<T, N>::mask_native{I...})};
#endif
}

// The same by indices at run time: lane i is lane place[i] of a, or of a and b.
template <class T, int N>
DLCORE_INLINE vec<T, N> permute(vec<T, N> a, typename vec<T, N>::mask_native place) {
#if defined(__clang__)
  vec<T, N> y;
  for (int i = 0; i < N; ++i) y.v[i] = a.v[place[i]];
  return y;
#else
  return {__builtin_shuffle(a.v, place)};
#endif
}
template <class T, int N>
DLCORE_INLINE vec<T, N> permute(vec<T, N> a, vec<T, N> b, typename vec<T, N>::mask_native place) {
#if defined(__clang__)
  vec<T, N> y;
  for (int i = 0; i < N; ++i) y.v[i] = place[i] < N ? a.v[place[i]] : b.v[place[i] - N];
  return y;
#else
  return {__builtin_shuffle(a.v, b.v, place)};
#endif
}

// A compile-time list 0, 1, ... N - 1.
template <int... I>
struct ints {};
template <int N, int... I>
constexpr auto indices() {
  if constexpr (N == 0)
    return ints<I...>{};
  else
    return indices<N - 1, N - 1, I...>();
}

// 0, 1, ... N - 1. (An array filled and loaded here would wait for its own stores.)
template <class T, int N, int... I>
DLCORE_INLINE vec<T, N> lane_numbers(ints<I...>) {
  return {typename vec<T, N>::native{T(I)...}};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> lane_numbers() {
  return lane_numbers<T, N>(indices<N>());
}

template <int D, class T, int N, int... I>
DLCORE_INLINE void swap_blocks(vec<T, N>& a, vec<T, N>& b, ints<I...>) {
  const vec<T, N> x = a;
  a = shuffle<(I & D ? N + I - D : I)...>(x, b);
  b = shuffle<(I & D ? N + I : I + D)...>(x, b);
}

// The sum of all lanes, by halves.
template <int D, class T, int N, int... I>
DLCORE_INLINE vec<T, N> add_upper(vec<T, N> x, ints<I...>) {
  return {x.v + shuffle<(I + D) % N...>(x, x).v};
}
template <class T, int N, int D = N / 2>
DLCORE_INLINE T sum_lanes(vec<T, N> x) {
  if constexpr (D >= 1)
    return sum_lanes<T, N, D / 2>(add_upper<D>(x, indices<N>()));
  else
    return x[0];
}

// x[i][j] <-> x[j][i]: at each level the off-diagonal blocks of size D swap places.
template <class T, int N, int D = N / 2>
DLCORE_INLINE void transpose(vec<T, N> (&x)[N]) {
  if constexpr (D >= 1) {
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) {
      if (i & D) continue;
      swap_blocks<D>(x[i], x[i + D], indices<N>());
    }
    transpose<T, N, D / 2>(x);
  }
}

// Lane i: the sum of all lanes of x[i]. Much less than a sum_lanes for each; x is used up.
template <class T, int N, int D = N / 2>
DLCORE_INLINE vec<T, N> lane_sums(vec<T, N> (&x)[N]) {
  if constexpr (D == 0) {
    return x[0];
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < D; ++i) {
      swap_blocks<D>(x[i], x[i + D], indices<N>());
      x[i] = x[i] + x[i + D];
    }
    return lane_sums<T, N, D / 2>(x);
  }
}

template <class T, int N>
DLCORE_INLINE vec<T, N / 2> lower(vec<T, N> a) {
  vec<T, N / 2> r;
  std::memcpy(&r.v, &a.v, sizeof r.v);
  return r;
}
template <class T, int N>
DLCORE_INLINE vec<T, N / 2> upper(vec<T, N> a) {
  vec<T, N / 2> r;
  std::memcpy(&r.v, reinterpret_cast<const char*>(&a.v) + sizeof r.v, sizeof r.v);
  return r;
}
template <class T, int N>
DLCORE_INLINE vec<T, 2 * N> join(vec<T, N> a, vec<T, N> b) {
  vec<T, 2 * N> r;
  std::memcpy(&r.v, &a.v, sizeof a.v);
  std::memcpy(reinterpret_cast<char*>(&r.v) + sizeof a.v, &b.v, sizeof b.v);
  return r;
}

// f(a[i]) lane by lane, where a vector version is not worth its code.
template <class T, int N, class F>
DLCORE_INLINE vec<T, N> each_lane(vec<T, N> a, F f) {
  T lanes[N];
  a.store(lanes);
  for (int i = 0; i < N; ++i) lanes[i] = f(lanes[i]);
  return vec<T, N>::load(lanes);
}
template <class T, int N, class F>
DLCORE_INLINE vec<T, N> each_lane(vec<T, N> a, vec<T, N> b, F f) {
  T x[N], y[N];
  a.store(x);
  b.store(y);
  for (int i = 0; i < N; ++i) x[i] = f(x[i], y[i]);
  return vec<T, N>::load(x);
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
