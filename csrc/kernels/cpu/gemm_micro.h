#pragma once
// The micro-kernel: one MR x (NV vectors) tile of C in registers, as a template that each tier gives its constants.
#include "kernels/cpu/simd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// Registers: MR * NV accumulators, NV vectors of B and one broadcast of A.
#if defined(__AVX512F__)
constexpr int kTileRows = 14;  // 28 + 2 + 1 of 32
#elif defined(__AVX__)
constexpr int kTileRows = 6;  // 12 + 2 + 1 of 16, and one for the mask of a partial load
#else
constexpr int kTileRows = 6;  // 12 + 2 + 1 of 16
#endif
constexpr int kTileVectors = 2;
template <class T>
constexpr int64_t kTileCols = kTileVectors * kLanes<T>;

// What becomes of a tile's sum: c = act(alpha * sum + beta * c + bias_col[j] + bias_row[i]).
template <class T>
struct Epilogue {
  T alpha = 1, beta = 0;
  const T* bias_col = nullptr;
  const T* bias_row = nullptr;
  bool relu = false;
};

// One operand's share of a tile: block r starts at data + (offsets ? offsets[r] : r * step).
template <class T>
struct TileSide {
  const T* data;
  int64_t stride;  // B and column-major A: from one k to the next; row-major A: from one row to the next
  int64_t step = 0;
  const int64_t* offsets = nullptr;

  DLCORE_INLINE const T* block(int64_t r) const { return data + (offsets ? offsets[r] : r * step); }
};

template <class T>
struct TileArgs {
  TileSide<T> a, b;
  int64_t reduce, k;  // sum over r < reduce, p < k
  int64_t cols;       // columns of B that may be read, in (lanes * (NV - 1), lanes * NV]
  T* c;               // the whole MR x (NV * lanes) tile is written here, rows c_row apart, columns adjacent
  int64_t c_row;
  const Epilogue<T>* epilogue;
};

// ByRows: A[i, p] = a[i * stride + p]; otherwise A[i, p] = a[p * stride + i], which is also the packed panel.
template <class T, int MR, int NV, bool ByRows>
void tile(const TileArgs<T>& t) {
  using V = vec<T>;
  V acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) acc[i][v] = V(T(0));

  const int64_t last = t.cols - (NV - 1) * V::size;
  const int64_t a_stride = t.a.stride, b_stride = t.b.stride;
  const auto step = [&](const T* a, const T* b) __attribute__((always_inline)) {
    V bv[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV - 1; ++v) bv[v] = V::load(b + v * V::size);
    bv[NV - 1] = V::load(b + (NV - 1) * V::size, last);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const V x(ByRows ? a[i * a_stride] : a[i]);
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) acc[i][v] = fma(x, bv[v], acc[i][v]);
    }
  };
  for (int64_t r = 0; r < t.reduce; ++r) {
    const T* a = t.a.block(r);
    const T* b = t.b.block(r);
    for (int64_t p = 0; p < t.k; ++p) {
      step(a, b);
      a += ByRows ? 1 : a_stride;
      b += b_stride;
    }
  }

  const Epilogue<T>& e = *t.epilogue;
  const auto each = [&](auto&& f) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) f(acc[i][v], i, v * V::size);
  };
  if (e.alpha != 1) each([&](V& x, int, int) { x *= V(e.alpha); });
  if (e.beta != 0) each([&](V& x, int i, int j) { x = fma(V(e.beta), V::load(t.c + i * t.c_row + j), x); });
  if (e.bias_col) each([&](V& x, int, int j) { x += V::load(e.bias_col + j); });
  if (e.bias_row) each([&](V& x, int i, int) { x += V(e.bias_row[i]); });
  if (e.relu) each([&](V& x, int, int) { x = select(V(T(0)) > x, V(T(0)), x); });
  each([&](V& x, int i, int j) { x.store(t.c + i * t.c_row + j); });
}

template <class T>
using TileFn = void (*)(const TileArgs<T>&);

template <class T, class Rows = decltype(indices<kTileRows>())>
struct TileTable;
template <class T, int... I>
struct TileTable<T, ints<I...>> {
  static_assert(kTileVectors == 2);
  static DLCORE_INLINE TileFn<T> get(bool by_rows, int64_t rows, int64_t vectors) {
    constexpr static TileFn<T> table[2][kTileRows][kTileVectors] = {
        {{tile<T, I + 1, 1, false>, tile<T, I + 1, 2, false>}...},
        {{tile<T, I + 1, 1, true>, tile<T, I + 1, 2, true>}...}};
    return table[by_rows][rows - 1][vectors - 1];
  }
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
