#pragma once
// Between images in planes, (c, positions), and in pixels, (positions, c): three colours, or any number of channels.
#include "kernels/cpu/simd_lanes.h"
#include "kernels/cpu/window.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// to[j c + k] = x[k plane + j], 0 <= j < n, k < c.
template <class T, int N, int Part, int... I>
DLCORE_INLINE vec<T, N> three_planes(vec<T, N> a, vec<T, N> b, vec<T, N> c, ints<I...>) {
  // element Part N + I is of channel (Part N + I) % 3
  const vec<T, N> two = shuffle<((Part * N + I) % 3 == 1 ? N : 0) + (Part * N + I) / 3 ...>(a, b);
  return shuffle<((Part * N + I) % 3 == 2 ? N + (Part * N + I) / 3 : I)...>(two, c);
}
template <class T>
void planes_to_pixels(const T* x, int64_t plane, int64_t c, int64_t n, T* to) {
  constexpr int N = kLanes<T>;
  int64_t j = 0;
  for (; c == 3 && j + N <= n; j += N) {
    const auto a = vec<T>::load(x + j), b = vec<T>::load(x + plane + j), third = vec<T>::load(x + 2 * plane + j);
    three_planes<T, N, 0>(a, b, third, indices<N>()).store(to + 3 * j);
    three_planes<T, N, 1>(a, b, third, indices<N>()).store(to + 3 * j + N);
    three_planes<T, N, 2>(a, b, third, indices<N>()).store(to + 3 * j + 2 * N);
  }
  for (; j < n; ++j)
    for (int64_t k = 0; k < c; ++k) to[j * c + k] = x[k * plane + j];
}

// The other way: y[k plane + j] = x[j c + k].
template <class T, int N, int K, int... I>
DLCORE_INLINE vec<T, N> plane_of_three(vec<T, N> a, vec<T, N> b, vec<T, N> c, ints<I...>) {
  // element I is the pixels' element 3 I + K
  const vec<T, N> two = shuffle<(3 * I + K < 2 * N ? 3 * I + K : 0)...>(a, b);
  return shuffle<(3 * I + K < 2 * N ? I : 3 * I + K - N)...>(two, c);
}
template <class T>
void pixels_to_planes(const T* x, int64_t c, int64_t n, T* y, int64_t plane) {
  constexpr int N = kLanes<T>;
  int64_t j = 0;
  for (; c == 3 && j + N <= n; j += N) {
    const auto a = vec<T>::load(x + 3 * j), b = vec<T>::load(x + 3 * j + N), third = vec<T>::load(x + 3 * j + 2 * N);
    plane_of_three<T, N, 0>(a, b, third, indices<N>()).store(y + j);
    plane_of_three<T, N, 1>(a, b, third, indices<N>()).store(y + plane + j);
    plane_of_three<T, N, 2>(a, b, third, indices<N>()).store(y + 2 * plane + j);
  }
  for (; j < n; ++j)
    for (int64_t k = 0; k < c; ++k) y[k * plane + j] = x[j * c + k];
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
