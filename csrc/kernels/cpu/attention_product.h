#pragma once
// The products that attention is made of: small matrices that lie in the cache, on the micro-kernel of gemm_micro.h.
// B comes in panels of a tile's width, rows one after the other, zeros beyond its columns; C has room for whole
// vectors.
#include "kernels/cpu/fetch.h"
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/window.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T>
DLCORE_INLINE int64_t panels(int64_t columns) {
  return ceil_div(columns, kTileCols<T>);
}

// C (rows, columns) = or += sum over p < k of A[i, p] B[p, j], with A[i, p] = a[i * a_stride + p] (ARows::Strided) or
// a[p * a_stride + i] (ARows::Panel), and B's panels b_panel apart.
template <ARows Form, class T>
void product(int64_t rows, int64_t columns, int64_t k, const T* a, int64_t a_stride, const T* b, int64_t b_panel, T* c,
             int64_t c_row, bool add) {
  constexpr int64_t W = kTileCols<T>, L = kLanes<T>;
  TileArgs<T> t{};
  t.reduce = 1, t.k = k, t.c_row = c_row;
  t.a.stride = a_stride, t.b.stride = W;
  t.epilogue.beta = add ? T(1) : T(0);
  t.b_panel = b_panel;
  for (int64_t j = 0; j < columns; j += t.cols) {
    const TileShape shape = tile_shape<T>(Form, columns - j);
    t.cols = shape.vectors * L;
    t.b.data = b + j / W * b_panel;
    each_piece(rows, shape.rows, [&](int64_t i, int64_t count) {
      t.a.data = Form == ARows::Panel ? a + i : a + i * a_stride;
      t.c = c + i * c_row + j;
      tile_fn<T>(Form, count, shape.vectors)(t);
    });
  }
}

// Panels of B = x^T, for x (rows, k): panel u holds rows u W ... as (k, W), and lies at to + u k W.
template <class T>
void pack_across(const T* x, int64_t x_row, int64_t rows, int64_t k, T* to) {
  constexpr int64_t W = kTileCols<T>;
  for (int64_t i = 0; i < rows; i += W) {
    const Strip<T> s{to + i * k, x + i * x_row, W, least(W, rows - i)};
    pack_strips(&s, 1, k, x_row, 1);
  }
}

// Panels of B = x (k, columns): panel u holds columns u W ... as (k, W), and lies at to + u apart.
template <class T>
void pack_along(const T* x, int64_t x_row, int64_t k, int64_t columns, T* to, int64_t apart) {
  constexpr int64_t W = kTileCols<T>;
  for (int64_t j = 0; j < columns; j += W, to += apart) {
    const Strip<T> s{to, x + j, W, least(W, columns - j)};
    pack_strips(&s, 1, k, 1, x_row);
  }
}

// y[i, j] = factor x[i, j] for j < columns
template <class T>
void scale_rows(const T* x, int64_t x_row, int64_t rows, int64_t columns, T factor, T* y, int64_t y_row) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; i < rows; ++i, x += x_row, y += y_row) {
    int64_t j = 0;
    for (; j + L <= columns; j += L) {
      fetch(x + 4 * x_row + j);
      (vec<T>::load(x + j) * vec<T>(factor)).store(y + j);
    }
    if (j < columns) (vec<T>::load(x + j, columns - j) * vec<T>(factor)).store(y + j, columns - j);
  }
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
