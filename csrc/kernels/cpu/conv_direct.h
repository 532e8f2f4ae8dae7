#pragma once
// Convolution's inner loops for few channels: both operands are read where they lie, because packing a block for the
// matrix engine would cost as much as these channels' arithmetic. How x, y and the offsets come about: conv.cpp.
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/window.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

#if defined(__AVX512F__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

// ---- y[m, p] = act(init[m] + sum_{c, r} w[c, r, m] x[c, p + offsets[r]]), p < n. Up to `lanes` elements more are
// touched.

template <class T>
struct DirectRows {
  const T* x;  // (channels, plane)
  int64_t plane, channels, taps;
  const int64_t* offsets;  // (taps)
  const T* w;              // (channels, taps, rows)
  const T* init;           // (rows), or null for zeros
  T* y;                    // (rows, y_plane)
  int64_t y_plane, n;
  Activation activation;
};

// At most this many rows of y at once, each as wide as the registers allow: M x V sums, V vectors of x, one weight.
constexpr int kDirectRows = kRegisters == 32 ? 8 : 6;
constexpr int direct_vectors(int rows) { return least(8, (kRegisters == 32 ? 24 : 12) / rows); }

template <class T, int M, int V>
DLCORE_INLINE void direct_tile(const DirectRows<T>& d, int64_t p) {
  using Vec = vec<T>;
  Vec sum[M][V];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[m][v] = Vec(d.init ? d.init[m] : T(0));
  const T* w = d.w;
  const T* x = d.x + p;
  for (int64_t c = 0; c < d.channels; ++c, x += d.plane) {
    for (int64_t r = 0; r < d.taps; ++r, w += M) {
      const T* at = x + d.offsets[r];
      Vec xv[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) xv[v] = Vec::load(at + v * Vec::size);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
        const Vec wv(w[m]);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sum[m][v] = fma(wv, xv[v], sum[m][v]);
      }
    }
  }
  const auto each = [&](const auto& f) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) f(sum[m][v], m * d.y_plane + p + v * Vec::size);
  };
  activate(d.activation, each);
  each([&](const Vec& y, int64_t at) { y.store(d.y + at); });
}

template <class T, int M = kDirectRows>
void direct_rows(const DirectRows<T>& d, int64_t rows) {
  if constexpr (M > 1) {
    if (rows < M) return direct_rows<T, M - 1>(d, rows);
  }
  constexpr int V = direct_vectors(M);
  constexpr int64_t lanes = kLanes<T>;
  int64_t p = 0;
  for (; p + (V - 1) * lanes < d.n; p += V * lanes) direct_tile<T, M, V>(d, p);
  for (; p < d.n; p += lanes) direct_tile<T, M, 1>(d, p);
}

// ---- dw[m, r] += sum_{i, p} dy[i, m, p] x[i, p + offsets[r]], p < n, a multiple of the lanes

template <class T>
struct DirectWeights {
  const T* x;   // images x_image apart
  const T* dy;  // (images, rows, dy_plane)
  int64_t images, x_image, dy_image, dy_plane, n;
  const int64_t* offsets;  // (taps)
  T* dw;                   // rows dw_row apart
  int64_t dw_row;
};

// M x R sums, M vectors of dy, one of x.
constexpr int kWeightRows = kRegisters == 32 ? 6 : 3, kWeightTaps = 4;

template <class T, int N>
DLCORE_INLINE T total(vec<T, N> x) {
  T lanes[N];
  x.store(lanes);
#pragma GCC unroll 4
  for (int half = N / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

template <class T, int M, int R>
void weight_tile(const DirectWeights<T>& d) {
  using Vec = vec<T>;
  Vec sum[M][R];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum[m][r] = Vec(T(0));
  for (int64_t i = 0; i < d.images; ++i) {
    const T* dy = d.dy + i * d.dy_image;
    const T* x[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) x[r] = d.x + i * d.x_image + d.offsets[r];
    for (int64_t p = 0; p < d.n; p += Vec::size) {
      Vec g[M];
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) g[m] = Vec::load(dy + m * d.dy_plane + p);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Vec xv = Vec::load(x[r] + p);
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) sum[m][r] = fma(g[m], xv, sum[m][r]);
      }
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) d.dw[m * d.dw_row + r] += total(sum[m][r]);
}

template <class T, int M = kWeightRows, int R = kWeightTaps>
void direct_weights(const DirectWeights<T>& d, int64_t rows, int64_t taps) {
  if constexpr (M > 1) {
    if (rows < M) return direct_weights<T, M - 1, R>(d, rows, taps);
  }
  if constexpr (R > 1) {
    if (taps < R) return direct_weights<T, M, R - 1>(d, rows, taps);
  }
  weight_tile<T, M, R>(d);
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
