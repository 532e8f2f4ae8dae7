#pragma once
// Neighbours that belong to different vectors: even and odd elements taken apart, and put together again.
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T, int N>
struct Pair {
  vec<T, N> first, second;
};

template <class T, int N, int... I>
DLCORE_INLINE Pair<T, N> even_odd(vec<T, N> a, vec<T, N> b, ints<I...>) {
  return {shuffle<2 * I...>(a, b), shuffle<2 * I + 1 ...>(a, b)};
}
// a0 a1 a2 ... b0 b1 b2 ...  ->  a0 a2 ... b0 b2 ..., a1 a3 ... b1 b3 ...
template <class T, int N>
DLCORE_INLINE Pair<T, N> even_odd(vec<T, N> a, vec<T, N> b) {
  return even_odd(a, b, indices<N>());
}

template <class T, int N, int... I>
DLCORE_INLINE Pair<T, N> interleave(vec<T, N> a, vec<T, N> b, ints<I...>) {
  return {shuffle<(I / 2 + I % 2 * N)...>(a, b), shuffle<(N / 2 + I / 2 + I % 2 * N)...>(a, b)};
}
// The way back: a0 b0 a1 b1 ...
template <class T, int N>
DLCORE_INLINE Pair<T, N> interleave(vec<T, N> a, vec<T, N> b) {
  return interleave(a, b, indices<N>());
}

// The first n of 2N elements from memory, and to it; n >= 1. Never touches memory beyond p[n).
template <class T>
DLCORE_INLINE Pair<T, kLanes<T>> load_pair(const T* p, int64_t n) {
  constexpr int64_t N = kLanes<T>;
  return {vec<T>::load(p, n), n > N ? vec<T>::load(p + N, n - N) : vec<T>(T(0))};
}
template <class T>
DLCORE_INLINE void store_pair(Pair<T, kLanes<T>> x, T* p, int64_t n) {
  constexpr int64_t N = kLanes<T>;
  x.first.store(p, n);
  if (n > N) x.second.store(p + N, n - N);
}

// y[i] = x[2 i], 0 <= i < n
template <class T>
DLCORE_INLINE void take_even(T* y, const T* x, int64_t n) {
  constexpr int64_t N = kLanes<T>;
  int64_t i = 0;
  for (; i + N < n; i += N) even_odd(vec<T>::load(x + 2 * i), vec<T>::load(x + 2 * i + N)).first.store(y + i);
  if (i == n) return;
  const auto last = load_pair(x + 2 * i, 2 * (n - i) - 1);
  even_odd(last.first, last.second).first.store(y + i, n - i);
}

// y[2 i] = a[i], y[2 i + 1] = b[i], 0 <= i < n
template <class T>
DLCORE_INLINE void put_together(T* y, const T* a, const T* b, int64_t n) {
  constexpr int64_t N = kLanes<T>;
  int64_t i = 0;
  for (; i + N <= n; i += N) {
    const auto both = interleave(vec<T>::load(a + i), vec<T>::load(b + i));
    both.first.store(y + 2 * i);
    both.second.store(y + 2 * i + N);
  }
  if (i < n) store_pair(interleave(vec<T>::load(a + i, n - i), vec<T>::load(b + i, n - i)), y + 2 * i, 2 * (n - i));
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
