#include "kernels/cpu/gemm_micro.h"

#include "kernels/cpu/fetch.h"
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// Products that are summed one after the other, at least; of a longer sum these parts are added to a total, so that
// its error is little more than theirs.
constexpr int64_t kRun = 256;
constexpr int64_t kLongSum = 128;
constexpr int64_t kAhead = 16;  // depths, 2 KiB of a panel: what a fetching tile has on its way

template <class T, int Rows, int Vectors, ARows Form, bool Fetch = false>
void tile(const TileArgs<T>& t) {
  using V = vec<T>;
  V acc[Rows][Vectors];
  const auto each = [&](auto&& f) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) f(acc[i][v], i, v * V::size);
  };
  each([](V& x, int, int) { x = V(T(0)); });

  const Epilogue<T>& e = t.epilogue;
  const auto c_at = [&](int i) __attribute__((always_inline)) {
    return t.c + (Form == ARows::Placed ? t.c_places[i] : i * t.c_row);
  };
  // C is on its way meanwhile, unless the sum is too short for that.
  if (e.beta != 0)
    each([&](V&, int i, int j) { fetch(c_at(i) + j); });
  else if (!t.past && t.reduce * t.k >= kLongSum)
    each([&](V&, int i, int j) { fetch_to_write(c_at(i) + j); });

  // Only the last vector of a tile is ever partial.
  const int64_t last = t.cols - (Vectors - 1) * V::size;
  const auto load = [&](const T* p, int j, bool whole) __attribute__((always_inline)) {
    return whole || j < (Vectors - 1) * V::size ? V::load(p + j) : V::load(p + j, last);
  };
  alignas(64) T total[Rows * Vectors * V::size];
  bool totalled = false;
  const auto add_total = [&](V& x, int i, int j) __attribute__((always_inline)) {
    if (totalled) x += V::load(total + i * Vectors * V::size + j);
  };
  const int64_t a_stride = t.a.stride, b_stride = t.b.stride;
  const auto sum = [&](bool whole) __attribute__((always_inline)) {
    int64_t run = 0;
    for (int64_t r = 0; r < t.reduce; ++r) {
      const T* a = t.a.block(r);
      const T* b = t.b.block(r);
      for (int64_t p = 0; p < t.k;) {
        if (run >= kRun) {
          each([&](V& x, int i, int j) {
            add_total(x, i, j);
            x.store(total + i * Vectors * V::size + j);
            x = V(T(0));
          });
          totalled = true, run = 0;
        }
        const int64_t end = t.k - p < kRun ? t.k : p + kRun;
        run += end - p;
        for (; p < end; ++p) {
          if constexpr (Fetch) {
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) fetch(b + kAhead * b_stride + v * V::size);
          }
          V bv[Vectors];
#pragma GCC unroll 4
          for (int v = 0; v < Vectors; ++v)
            bv[v] = load(b + v / kTileVectors * (t.b_panel - kTileCols<T>), v * V::size, whole);
#pragma GCC unroll 16
          for (int i = 0; i < Rows; ++i) {
            const V x(a[Form == ARows::Panel ? i : Form == ARows::Strided ? i * a_stride : t.a_places[i]]);
#pragma GCC unroll 4
            for (int v = 0; v < Vectors; ++v) acc[i][v] = fma(x, bv[v], acc[i][v]);
          }
          a += Form == ARows::Panel ? a_stride : 1;
          b += b_stride;
        }
      }
    }
  };
  const bool whole = last == V::size;
  whole ? sum(true) : sum(false);
  each(add_total);

  const bool direct = !kMaskedMoves;  // without masked moves C is whole: see tile_through_buffer
  if (e.alpha != 1) each([&](V& x, int, int) { x *= V(e.alpha); });
  if (e.beta != 0) each([&](V& x, int i, int j) { x = fma(V(e.beta), load(c_at(i), j, direct), x); });
  if (e.bias_col) each([&](V& x, int, int j) { x += load(e.bias_col, j, direct); });
  if (e.bias_row) each([&](V& x, int i, int) { x += V(e.bias_row[i]); });
  activate(e.activation, each);
  if (t.past) return each([&](V& x, int i, int j) { stream(c_at(i) + j, x); });
  each([&](V& x, int i, int j) {
    T* c = c_at(i) + j;
    direct || j < (Vectors - 1) * V::size ? x.store(c) : x.store(c, last);
  });
}

template <class T, ARows Form, int... I, int... J>
constexpr TileTable<T> tiles(ints<I...>, ints<J...>) {
  TileTable<T> table = {{{tile<T, I + 1, 1, Form>, tile<T, I + 1, 2, Form>}...}, {}, {}};
  if constexpr (Form != ARows::Panel) ((table.wide[J + 1] = tile<T, J + 1, kWideVectors, Form>), ...);
  if constexpr (Form != ARows::Placed) ((table.fetching[I] = tile<T, I + 1, kTileVectors, Form, true>), ...);
  return table;
}
template <class T, ARows Form>
constexpr TileTable<T> kTiles = tiles<T, Form>(indices<kTileRows>(), indices<kWideRows>());

}  // namespace

constinit const TileTable<float> float_tiles[] = {kTiles<float, ARows::Panel>, kTiles<float, ARows::Strided>,
                                                  kTiles<float, ARows::Placed>};
constinit const TileTable<double> double_tiles[] = {kTiles<double, ARows::Panel>, kTiles<double, ARows::Strided>,
                                                    kTiles<double, ARows::Placed>};

}  // namespace dlcore::kernel::DLCORE_TIER
