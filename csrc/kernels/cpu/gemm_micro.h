#pragma once
// The micro-kernel: one tile of C, up to `kTileRows` x (`kTileVectors` registers), or fewer rows and two panels of B.
// gemm_micro.cpp has the tiles, once for all that multiply.
#include "kernels/cpu/stream.h"
#include "kernels/gemm.h"

namespace dlcore::kernel::DLCORE_TIER {

// Rows x Vectors accumulators, Vectors registers of B, one broadcast of A.
#if defined(__AVX512F__)
constexpr int kTileRows = 14;  // 28 + 2 + 1 of 32
constexpr int kWideRows = 6;   // 24 + 4 + 1
constexpr bool kMaskedMoves = true;
#elif defined(__AVX__)
constexpr int kTileRows = 6;  // 12 + 2 + 1 of 16, and one for the mask of a partial load
constexpr int kWideRows = 0;
constexpr bool kMaskedMoves = false;
#else
constexpr int kTileRows = 6;  // 12 + 2 + 1 of 16
constexpr int kWideRows = 0;
constexpr bool kMaskedMoves = false;
#endif
constexpr int kTileVectors = 2, kWideVectors = 2 * kTileVectors;
template <class T>
constexpr int64_t kTileCols = kTileVectors * kLanes<T>;  // a panel

// What becomes of a sum: c[i, j] = act(alpha * sum + beta * c[i, j] + bias_col[j] + bias_row[i]).
template <class T>
struct Epilogue {
  T alpha = 1, beta = 0;
  const T* bias_col = nullptr;
  const T* bias_row = nullptr;
  Activation activation = Activation::None;

  DLCORE_INLINE Epilogue at(int64_t i, int64_t j) const {
    Epilogue e = *this;
    if (e.bias_row) e.bias_row += i;
    if (e.bias_col) e.bias_col += j;
    return e;
  }
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
  int64_t reduce, k;  // the sum is over r < reduce, p < k
  int64_t cols;       // columns of B and C, in (lanes * (Vectors - 1), lanes * Vectors]
  T* c;               // rows are c_row apart, columns adjacent
  int64_t c_row;
  Epilogue<T> epilogue;
  int64_t b_panel = 0;                // from one panel of B to the next, for a tile of two
  bool past = false;                  // C is streamed: not read, its rows aligned, all vectors whole
  const int64_t* a_places = nullptr;  // ARows::Placed: of the rows of A, and of C
  const int64_t* c_places = nullptr;
};

// Where A[i, p] is: a[p * stride + i] in a packed panel, a[i * stride + p] in rows, a[a_places[i] + p] in rows
// anywhere.
enum class ARows { Panel, Strided, Placed };

template <class T>
using TileFn = void (*)(const TileArgs<T>&);

template <class T>
struct TileTable {
  TileFn<T> of[kTileRows][kTileVectors];  // [rows - 1][vectors - 1]
  TileFn<T> wide[kWideRows + 1];          // [rows], kWideVectors; not of ARows::Panel
  TileFn<T> fetching[kTileRows];          // [rows - 1], kTileVectors, for a panel of B not in the caches; not Placed
};
extern const TileTable<float> float_tiles[];  // [form]
extern const TileTable<double> double_tiles[];

namespace {

template <class T>
DLCORE_INLINE TileFn<T> tile_fn(ARows form, int64_t rows, int64_t vectors, bool fetching = false) {
  const TileTable<T>* tables;
  if constexpr (sizeof(T) == 4)
    tables = float_tiles;
  else
    tables = double_tiles;
  const TileTable<T>& table = tables[static_cast<int>(form)];
  if (vectors > kTileVectors) return table.wide[rows];
  return fetching && vectors == kTileVectors ? table.fetching[rows - 1] : table.of[rows - 1][vectors - 1];
}

// The tile for the next of so many columns: its vectors, and the most rows. Rows of A that are not packed are streams,
// each with an address of its own: fewer of them, with two panels of B, run a tenth faster.
struct TileShape {
  int64_t rows, vectors;
};
template <class T>
DLCORE_INLINE TileShape tile_shape(ARows form, int64_t columns) {
  if (kWideRows > 0 && form != ARows::Panel && columns > (kWideVectors - 1) * kLanes<T>)
    return {kWideRows, kWideVectors};
  return {kTileRows, columns > kLanes<T> ? kTileVectors : 1};
}

// f(i, count) for pieces of at most so many neighbouring rows, all of one size or one row less.
template <class F>
DLCORE_INLINE void each_piece(int64_t rows, int64_t most_rows, const F& f) {
  if (rows <= 0) return;
  const int64_t pieces = (rows + most_rows - 1) / most_rows, size = rows / pieces, larger = rows % pieces;
  for (int64_t piece = 0, i = 0, count; piece < pieces; ++piece, i += count) {
    count = size + (piece < larger);
    f(i, count);
  }
}

// each(f) calls f on all vectors, which become act of themselves; NaN stays.
template <class Each>
DLCORE_INLINE void activate(Activation act, const Each& each) {
  if (act == Activation::None) return;
  each([]<class T, int N>(vec<T, N>& x, auto...) { x = select(vec<T, N>(T(0)) > x, vec<T, N>(T(0)), x); });
  if (act == Activation::Relu6)
    each([]<class T, int N>(vec<T, N>& x, auto...) { x = select(vec<T, N>(T(6)) < x, vec<T, N>(T(6)), x); });
}
template <class T, int N>
DLCORE_INLINE vec<T, N> activated(Activation act, vec<T, N> x) {
  activate(act, [&](const auto& f) { f(x); });
  return x;
}

// A tile that the registers cannot write: columns of C apart, or fewer than the registers hold and no masked moves.
template <class T>
[[gnu::noinline]] void tile_through_buffer(TileFn<T> fn, TileArgs<T> t, int64_t rows, int64_t c_col) {
  constexpr int64_t W = kTileCols<T>;
  alignas(64) T buffer[kTileRows * W] = {};
  alignas(64) T bias[W] = {};
  int64_t places[kTileRows];
  for (int64_t i = 0; i < rows; ++i) places[i] = t.c_places ? t.c_places[i] : i * t.c_row;
  T* c = t.c;
  const int64_t cols = t.cols;
  if (t.epilogue.beta != 0)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j) buffer[i * W + j] = c[places[i] + j * c_col];
  if (t.epilogue.bias_col) {
    for (int64_t j = 0; j < cols; ++j) bias[j] = t.epilogue.bias_col[j];
    t.epilogue.bias_col = bias;
  }
  int64_t rows_of_buffer[kTileRows];
  for (int64_t i = 0; i < rows; ++i) rows_of_buffer[i] = i * W;
  t.c = buffer;
  t.c_row = W;
  t.c_places = rows_of_buffer;
  fn(t);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) c[places[i] + j * c_col] = buffer[i * W + j];
}

// C[i, j ... j + n) of one row from `parts` arrays of sums, `stride` apart.
template <class T>
void finish_row(const Epilogue<T>& e, const T* sums, int64_t parts, int64_t stride, int64_t n, T* c, int64_t c_col) {
  using V = vec<T>;
  for (int64_t j = 0; j < n; j += V::size) {
    const int64_t count = n - j < V::size ? n - j : V::size;
    T spread[V::size];
    V x(T(0));
    for (int64_t s = 0; s < parts; ++s) x += V::load(sums + s * stride + j, count);
    x *= V(e.alpha);
    if (e.beta != 0) {
      for (int64_t l = 0; l < count && c_col != 1; ++l) spread[l] = c[(j + l) * c_col];
      x = fma(V(e.beta), c_col == 1 ? V::load(c + j, count) : V::load(spread, count), x);
    }
    if (e.bias_col) x += V::load(e.bias_col + j, count);
    if (e.bias_row) x += V(*e.bias_row);
    x = activated(e.activation, x);
    if (c_col == 1) {
      x.store(c + j, count);
    } else {
      x.store(spread, count);
      for (int64_t l = 0; l < count; ++l) c[(j + l) * c_col] = spread[l];
    }
  }
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
