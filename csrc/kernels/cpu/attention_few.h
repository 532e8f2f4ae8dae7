#pragma once
// The products of attention where a plane has few queries, as in decoding token by token: keys and values are read
// once, where they lie, because packing them would cost more than the products.
#include "kernels/cpu/fetch.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/cpu/window.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kFewQueries = 4;

// s (queries, keys) = q k^T, for q (queries, depth) and k (keys, depth); s has room for whole vectors.
template <class T>
void few_scores(int64_t queries, int64_t keys, int64_t depth, const T* q, int64_t q_row, const T* k, int64_t k_row,
                T* s, int64_t s_row) {
  constexpr int64_t L = kLanes<T>;
  using V = vec<T>;
  for (int64_t j = 0; j < keys; j += L) {
    for (int64_t i = 0; i < queries; ++i) {
      V sums[L];
#pragma GCC unroll 16
      for (int64_t u = 0; u < L; ++u) sums[u] = V(T(0));
      for (int64_t d = 0; d < depth; d += L) {
        const int64_t lanes = least(L, depth - d);
        const V x = V::load(q + i * q_row + d, lanes);
#pragma GCC unroll 16
        for (int64_t u = 0; u < L; ++u) {
          const T* row = k + least(j + u, keys - 1) * k_row + d;
          fetch(row + L * k_row);
          sums[u] = fma(x, V::load(row, lanes), sums[u]);
        }
      }
      lane_sums(sums).store(s + i * s_row + j);
    }
  }
}

// o (queries, width) += s v, for s (queries, keys) and v (keys, width); o has room for whole vectors.
template <class T>
void few_sums(int64_t queries, int64_t keys, int64_t width, const T* s, int64_t s_row, const T* v, int64_t v_row, T* o,
              int64_t o_row) {
  constexpr int64_t L = kLanes<T>, kVectors = 4;
  using V = vec<T>;
  const auto columns = [&]<int B>(int64_t c, int64_t last) {
    for (int64_t i = 0; i < queries; ++i) {
      V sums[B];
#pragma GCC unroll 4
      for (int b = 0; b < B; ++b) sums[b] = V::load(o + i * o_row + c + b * L);
      for (int64_t j = 0; j < keys; ++j) {
        const V x(s[i * s_row + j]);
        const T* row = v + j * v_row + c;
#pragma GCC unroll 4
        for (int b = 0; b < B; ++b) fetch(row + 16 * v_row + b * L);
#pragma GCC unroll 4
        for (int b = 0; b < B; ++b)
          sums[b] = fma(x, b < B - 1 ? V::load(row + b * L) : V::load(row + b * L, last), sums[b]);
      }
#pragma GCC unroll 4
      for (int b = 0; b < B; ++b) sums[b].store(o + i * o_row + c + b * L);
    }
  };
  int64_t c = 0;
  for (; c + kVectors * L <= width; c += kVectors * L) columns.template operator()<kVectors>(c, L);
  for (; c < width; c += L) columns.template operator()<1>(c, least(L, width - c));
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
