#pragma once
// The product of one step, h_{t-1} W_hh^T: few rows against weights that are the same in every step and lie packed in
// the cache. A tile of sums is finished where it was computed, by the cell's arithmetic. Each sum runs over k in one
// fixed order for a given number of rows in a tile, so it doesn't matter who computes it.
#include "core/parallel.h"
#include "kernels/cpu/bounds.h"
#include "kernels/cpu/fetch.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// A panel is up to kPanelVectors vectors of sums for all rows, a tile the rows of it that are summed in registers: rows
// * vectors accumulators, vectors registers of weights, one broadcast. Few rows and all vectors run faster than many
// rows and two vectors, although weights are read more often: each row is a stream of its own.
constexpr int kPanelVectors = 4;
constexpr int tile_rows(int64_t vectors) {
  return static_cast<int>(kVectorBytes == 64 ? 24 / most(2, vectors) : vectors == 4 ? 2 : 12 / most(2, vectors));
}
constexpr int kTileRows = tile_rows(2);

// Weights (k, columns), a vector of columns after the other: strip s holds columns s L ... as (k, L), zeros beyond.
template <class T>
struct Strips {
  T* data;
  int64_t k;

  static int64_t strips(int64_t columns) { return ceil_div(columns, kLanes<T>); }
  DLCORE_INLINE const T* at(int64_t strip) const { return data + strip * k * kLanes<T>; }

  // From w[column * along + p * depth].
  [[gnu::noinline]] void pack(int64_t first, int64_t columns, const T* w, int64_t along, int64_t depth) const {
    constexpr int kGroup = 8;
    const int64_t n = strips(columns);
    const int64_t grain = most(1, (int64_t{1} << 15) / (kGroup * kLanes<T> * most(1, k)));
    parallel_for(ceil_div(n, kGroup), grain, [&](int64_t begin, int64_t end) {
      for (int64_t group = begin; group < end; ++group) {
        Strip<T> to[kGroup];
        const int64_t s0 = group * kGroup, size = least(kGroup, n - s0);
        for (int64_t i = 0; i < size; ++i) {
          const int64_t column = (s0 + i) * kLanes<T>;
          to[i] = {const_cast<T*>(at(first + s0 + i)), w + column * along, kLanes<T>,
                   least(kLanes<T>, columns - column)};
        }
        pack_strips(to, static_cast<int>(size), k, along, depth);
      }
    });
  }
};

// sums[i * kPanelVectors + v][lane] = sum_p a[i * a_row + p] * b[v * b_vector + p * L + lane]. A small tile sums p = 0,
// u, 2 u, ...; 1, u + 1, ... apart, so that one addition need not wait for another.
template <class T, int Rows, int Vectors>
void sum_tile(int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_vector, T* sums) {
  using V = vec<T>;
  constexpr int L = V::size, kApart = Rows * Vectors >= 8 ? 1 : Rows * Vectors >= 4 ? 2 : 4;
  V acc[kApart][Rows][Vectors];
  const auto each = [&](auto&& f) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) f(i, v);
  };
#pragma GCC unroll 4
  for (int u = 0; u < kApart; ++u) each([&](int i, int v) { acc[u][i][v] = V(T(0)); });
  const auto add = [&](int64_t p, int u) __attribute__((always_inline)) {
    V w[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) w[v] = V::load(b + v * b_vector + p * L);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const V x(a[i * a_row + p]);
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) acc[u][i][v] = fma(x, w[v], acc[u][i][v]);
    }
  };
  int64_t p = 0;
  for (; p + kApart <= k; p += kApart)
#pragma GCC unroll 4
    for (int u = 0; u < kApart; ++u) add(p + u, u);
  for (; p < k; ++p) add(p, 0);
#pragma GCC unroll 4
  for (int u = 1; u < kApart; ++u) each([&](int i, int v) { acc[0][i][v] += acc[u][i][v]; });
  each([&](int i, int v) { acc[0][i][v].store(sums + (i * kPanelVectors + v) * L); });
}

template <class T>
using SumTile = void (*)(int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_vector, T* sums);

template <class T, int Vectors, class Rows = decltype(indices<tile_rows(Vectors)>())>
struct SumTiles;
template <class T, int Vectors, int... I>
struct SumTiles<T, Vectors, ints<I...>> {
  static DLCORE_INLINE SumTile<T> get(int64_t rows) {
    constexpr static SumTile<T> table[] = {sum_tile<T, I + 1, Vectors>...};
    return table[rows - 1];
  }
};
template <class T>
SumTile<T> tile_function(int64_t rows, int64_t vectors) {
  switch (vectors) {
    case 1:
      return SumTiles<T, 1>::get(rows);
    case 2:
      return SumTiles<T, 2>::get(rows);
    case 3:
      return SumTiles<T, 3>::get(rows);
    default:
      return SumTiles<T, 4>::get(rows);
  }
}

// Rows of a product's left side: row b is at data + b * stride; null data: zeros.
template <class T>
struct Rows {
  const T* data;
  int64_t stride;
};

// Panels of the result: with Gates of several, a panel is one vector of units and has a strip in each gate's strips;
// with one gate it is kPanelVectors neighbouring vectors of units.
template <int Gates>
DLCORE_INLINE int64_t panels_of(int64_t strips) {
  return Gates > 1 ? strips : ceil_div(strips, kPanelVectors);
}

// For rows b0 ... b1 - 1 and the units of panels j0 ... j1 - 1, of which there are `units`, and each vector of units:
//
//   ahead(row, unit)                before the tile is summed, to fetch what finish will read and write
//   finish(row, unit, count, sums)  a vector of sums of each gate, L apart
template <int Gates, class T, class A, class F>
DLCORE_INLINE void multiply(const Strips<T>& w, const Rows<T>& a, int64_t units, int64_t b0, int64_t b1, int64_t j0,
                            int64_t j1, const A& ahead, const F& finish) {
  constexpr int64_t L = kLanes<T>;
  if (b0 >= b1 || j0 >= j1) return;
  alignas(64) T sums[kTileRows * kPanelVectors * L];
  if (!a.data) __builtin_memset(sums, 0, sizeof sums);
  const int64_t strips = Strips<T>::strips(units), apart = (Gates > 1 ? strips : 1) * w.k * L;
  for (int64_t j = j0; j < j1; ++j) {
    const int64_t first = Gates > 1 ? j : j * kPanelVectors;
    const int64_t vectors = Gates > 1 ? Gates : least(kPanelVectors, strips - first);
    const int64_t tiles = ceil_div(b1 - b0, tile_rows(vectors));
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t row = b0 + (b1 - b0) * tile / tiles, end = b0 + (b1 - b0) * (tile + 1) / tiles;
      const auto each = [&](const auto& f) __attribute__((always_inline)) {
        for (int64_t b = row; b < end; ++b)
          for (int64_t v = 0; v < vectors; v += Gates) f(b, (first + v / Gates) * L, (b - row) * kPanelVectors + v);
      };
      if (a.data) {
        each([&](int64_t b, int64_t unit, int64_t) { ahead(b, unit); });
        tile_function<T>(end - row, vectors)(w.k, a.data + row * a.stride, a.stride, w.at(first), apart, sums);
      }
      each([&](int64_t b, int64_t unit, int64_t at) { finish(b, unit, least(L, units - unit), sums + at * L); });
    }
  }
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
