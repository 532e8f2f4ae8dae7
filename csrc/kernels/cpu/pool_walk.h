#pragma once
// Pooling with vectors over the channels. Forward and backward are one walk: each target (an output; in backward an
// element of dx) looks at a rectangle of sources (the elements of its window; in backward the windows that hold it),
// whose rows, columns and taps are arithmetic progressions. Nobody adds to another's place.
#include "kernels/cpu/pool_common.h"
#include "kernels/cpu/stream.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// What a target looks at along one axis: `count` sources from `first` on, the first of them by tap `tap`.
struct Reach {
  int64_t first, count, tap;
};

// One axis of the walk: the sources of a target are `step` apart, and their taps `tap_step`.
struct Side {
  int64_t targets, sources, step, tap_step;
  const Reach* reach;  // (targets)

  Side(const Axis& axis, bool backward, Arena& arena)
      : targets(backward ? axis.in : axis.out),
        sources(backward ? axis.out : axis.in),
        step(backward ? axis.dilation * axis.period / axis.stride : axis.dilation),
        tap_step(backward ? -axis.period : 1) {
    Reach* each = arena.take<Reach>(targets);
    for (int64_t t = 0; each && t < targets; ++t) each[t] = backward ? windows(axis, t) : elements(axis, t);
    reach = each;
  }

  // The sources in [first, last) that the targets in [from, to) look at.
  struct Extent {
    int64_t from, to, first, last;
  };
  Extent extent(int64_t from, int64_t to) const {
    Extent e{from, to, sources, 0};
    for (int64_t t = from; t < to; ++t) {
      if (reach[t].count == 0) continue;
      e.first = least(e.first, reach[t].first);
      e.last = most(e.last, reach[t].first + (reach[t].count - 1) * step + 1);
    }
    if (e.last == 0) e.first = 0;
    return e;
  }

 private:
  // An output's elements of x.
  static Reach elements(const Axis& a, int64_t o) {
    const int64_t from = o * a.stride - a.pad;
    const int64_t tap = from < 0 ? ceil_div(-from, a.dilation) : 0;
    const int64_t end = from < a.in ? least(a.taps, (a.in - 1 - from) / a.dilation + 1) : 0;
    return {from + tap * a.dilation, most(end - tap, 0), tap};
  }
  // The windows that hold element i, in ascending order: those of every period-th tap, from the largest down.
  Reach windows(const Axis& a, int64_t i) const {
    int64_t tap = a.dilation == 1 ? (i + a.pad) % a.stride : 0;  // the least
    while (tap < a.phases() && (i + a.pad - tap * a.dilation) % a.stride != 0) ++tap;
    const int64_t place = i + a.pad - tap * a.dilation;
    if (tap >= a.phases() || place < 0) return {0, 0, 0};
    const int64_t last = place / a.stride;
    const int64_t beyond = most(0, ceil_div(last - (a.out - 1), step));
    const int64_t before = least((a.taps - 1 - tap) / a.period, last / step);
    return {last - before * step, most(before - beyond + 1, 0), tap + before * a.period};
  }
};

// The rectangle of a target.
struct Look {
  int64_t rows, columns;
  int64_t at;      // where the channels of its first source begin
  int64_t target;  // where the target's channels begin
  int64_t tap;     // of the first source
  int64_t row_step, column_step, tap_row_step, tap_column_step;
  int64_t i, k;  // the target's row and column
  bool past;     // the targets are streamed

  DLCORE_INLINE int64_t source(int64_t u, int64_t v) const { return at + u * row_step + v * column_step; }
  DLCORE_INLINE int64_t tap_of(int64_t u, int64_t v) const { return tap + u * tap_row_step + v * tap_column_step; }
};

// What a kernel does at once: so many vectors of channels, whole ones or the first `lanes` of one, and rectangles of so
// many rows and columns, or of any (0).
template <int Vectors, bool Whole, int Rows = 0, int Columns = 0>
struct Block {
  static constexpr int vectors = Vectors, rows = Rows, columns = Columns;
  static constexpr bool whole = Whole;
  template <int R, int C>
  using of = Block<Vectors, Whole, R, C>;
  static DLCORE_INLINE int64_t rows_of(const Look& look) { return Rows ? Rows : look.rows; }
  static DLCORE_INLINE int64_t columns_of(const Look& look) { return Columns ? Columns : look.columns; }
};
template <bool Whole, class T>
DLCORE_INLINE vec<T> load(const T* p, int64_t lanes) {
  return Whole ? vec<T>::load(p) : vec<T>::load(p, lanes);
}
template <bool Whole, class T>
DLCORE_INLINE void store(vec<T> v, T* p, int64_t lanes) {
  Whole ? v.store(p) : v.store(p, lanes);
}

// dx, larger than y, is streamed where it is large.
template <bool Whole, class T>
DLCORE_INLINE void store_gradient(vec<T> v, T* p, int64_t lanes, bool past) {
  past ? stream(p, v) : store<Whole>(v, p, lanes);
}

// Where an image lies: the channels of its element (r, c) at sources + r source_row + c channels; so its targets.
struct Place {
  int64_t sources, source_row, targets, target_row;
  bool past;  // the targets are streamed
};

struct Walk {
  int64_t channels, kernel_w;
  Axis axis_h, axis_w;
  Side h, w;

  Walk(const Pool2d& g, int64_t channels, bool backward, Arena& arena)
      : channels(channels),
        kernel_w(g.kw),
        axis_h(g.h, g.oh, g.kh, g.stride_h, g.dilation_h, g.pad_h),
        axis_w(g.w, g.ow, g.kw, g.stride_w, g.dilation_w, g.pad_w),
        h(axis_h, backward, arena),
        w(axis_w, backward, arena) {}

  // kernel(block, look, c, lanes) for the channels in [from, to) of the targets in columns [left, right) of row i. The
  // last vector may overlap the one before it.
  template <class T, class K>
  DLCORE_INLINE void row(const K kernel, const Place& place, int64_t i, int64_t left, int64_t right, int64_t from,
                         int64_t to) const {
    constexpr int64_t L = kLanes<T>;
    const Reach up = h.reach[i];
    const Reach* const across = w.reach;
    const int64_t step = channels;
    Look look{up.count,
              0,
              0,
              place.targets + i * place.target_row + left * step,
              0,
              h.step * place.source_row,
              w.step * step,
              h.tap_step * kernel_w,
              w.tap_step,
              i,
              0,
              place.past};
    const int64_t sources = place.sources + up.first * place.source_row, taps = up.tap * kernel_w;
    for (int64_t k = left; k < right; ++k, look.target += step) {
      look.columns = across[k].count, look.at = sources + across[k].first * step, look.tap = taps + across[k].tap;
      look.k = k;
      int64_t c = from;
      for (; c + 4 * L <= to; c += 4 * L) counted(kernel, Block<4, true>{}, look, c, L);
      if (to - from < L) {
        kernel(Block<1, false>{}, look, c, to - from);
      } else {
        for (; c < to; c += L) counted(kernel, Block<1, true>{}, look, least(c, to - L), L);
      }
    }
  }
  // Usual rectangles have code of their own, in kernels that say so.
  template <class K, class B>
  static DLCORE_INLINE void counted(const K& kernel, B block, const Look& look, int64_t c, int64_t lanes) {
    if constexpr (K::common) {
      if (look.rows == 2 && look.columns == 2) return kernel(typename B::template of<2, 2>{}, look, c, lanes);
      if (look.rows == 3 && look.columns == 3) return kernel(typename B::template of<3, 3>{}, look, c, lanes);
      if (look.rows == 1 && look.columns == 1) return kernel(typename B::template of<1, 1>{}, look, c, lanes);
    }
    kernel(block, look, c, lanes);
  }
};

// ---- max

template <class T, class I>
struct MaxForward {
  static constexpr bool common = __is_same(T, float);
  const T* x;
  T* y;
  I* argmax;

  template <class Block>
  DLCORE_INLINE void operator()(Block block, const Look& look, int64_t c, int64_t lanes) const {
    if constexpr (Block::rows > 1)
      if (largest_first(block, look, c)) return;
    one_by_one(block, look, c, lanes);
  }

  template <class Block>
  DLCORE_INLINE void one_by_one(Block, const Look& look, int64_t c, int64_t lanes) const {
    constexpr int B = Block::vectors, L = kLanes<T>;
    const int64_t rows = Block::rows_of(look), columns = Block::columns_of(look);
    const bool none = rows == 0 || columns == 0;
    vec<T> largest[B];
    Bits<T> taps[B];
    for (int b = 0; b < B; ++b) {
      largest[b] = none ? vec<T>(kLowest<T>) : load<Block::whole>(x + look.at + c + b * L, lanes);
      taps[b] = Bits<T>{} + static_cast<typename vec<T>::bits>(none ? 0 : look.tap);
    }
    for (int64_t u = 0; u < rows; ++u)
      for (int64_t v = u == 0 ? 1 : 0; v < columns; ++v)
        for (int b = 0; b < B; ++b)
          take_larger<I>(load<Block::whole>(x + look.source(u, v) + c + b * L, lanes), look.tap_of(u, v), largest[b],
                         taps[b]);
    for (int b = 0; b < B; ++b) {
      store<Block::whole>(largest[b], y + look.target + c + b * L, lanes);
      if constexpr (!__is_same(I, void))
        Block::whole ? store_narrow<T>(taps[b], argmax + look.target + c + b * L)
                     : store_narrow<T>(taps[b], argmax + look.target + c, lanes);
    }
  }

  // The same in fewer and less dependent steps for whole windows of a few taps: the maximum, and then which element it
  // is. Not where some element may not be a number, or the window is cut off; returns whether it was done.
  template <class Block>
  DLCORE_INLINE bool largest_first(Block, const Look& look, int64_t c) const {
    constexpr int B = Block::vectors, L = kLanes<T>, columns = Block::columns, count = Block::rows * columns;
    const auto element = [&](int tap, int b) __attribute__((always_inline)) {
      return vec<T>::load(x + look.source(tap / columns, tap % columns) + c + b * L);
    };
    vec<T> largest[B], sum[B];
#pragma GCC unroll 9
    for (int tap = 0; tap < count; ++tap)
      for (int b = 0; b < B; ++b) {
        const vec<T> v = element(tap, b);
        largest[b] = tap == 0 ? v : max(v, largest[b]);
        sum[b] = tap == 0 ? v : sum[b] + v;
      }
    for (int b = 1; b < B; ++b) sum[0] += sum[b];
    if (any(sum[0] != sum[0])) return false;
    if constexpr (!__is_same(I, void)) {
      if (look.tap != 0 || look.tap_row_step != columns) return false;
      Bits<T> taps[B];
      for (int b = 0; b < B; ++b) taps[b] = Bits<T>{} + (count - 1);
#pragma GCC unroll 8
      for (int tap = count - 2; tap >= 0; --tap)
        for (int b = 0; b < B; ++b) taps[b] = element(tap, b).v == largest[b].v ? Bits<T>{} + tap : taps[b];
      for (int b = 0; b < B; ++b) store_narrow<T>(taps[b], argmax + look.target + c + b * L);
    }
    for (int b = 0; b < B; ++b) largest[b].store(y + look.target + c + b * L);
    return true;
  }
};

template <class T, class I>
struct MaxBackward {
  static constexpr bool common = __is_same(T, float);
  const T* dy;
  const I* argmax;
  T* dx;

  template <class Block>
  DLCORE_INLINE void operator()(Block, const Look& look, int64_t c, int64_t lanes) const {
    constexpr int B = Block::vectors, L = kLanes<T>;
    const int64_t rows = Block::rows_of(look), columns = Block::columns_of(look);
    vec<T> sum[B];
    for (int b = 0; b < B; ++b) sum[b] = vec<T>(T(0));
#pragma GCC unroll 3
    for (int64_t u = 0; u < rows; ++u)
#pragma GCC unroll 3
      for (int64_t v = 0; v < columns; ++v) {
        const int64_t at = look.source(u, v) + c;
        const Bits<T> tap = Bits<T>{} + static_cast<typename vec<T>::bits>(look.tap_of(u, v));
        for (int b = 0; b < B; ++b) {
          const I* chosen = argmax + at + b * L;
          const Bits<T> here = (Block::whole ? load_narrow<T>(chosen) : load_narrow<T>(chosen, lanes)) == tap;
          const vec<T> value = load<Block::whole>(dy + at + b * L, lanes);
          sum[b] += vec<T>(here ? value.v : vec<T>(T(0)).v);
        }
      }
    for (int b = 0; b < B; ++b) store_gradient<Block::whole>(sum[b], dx + look.target + c + b * L, lanes, look.past);
  }
};

// ---- average

// sum[b] of what load(u, v, b) gives: each row by itself, and then the rows.
template <class Block, int B, class V, class F>
DLCORE_INLINE void sum_rectangle(V (&sum)[B], const Look& look, const F& load) {
  using T = typename V::scalar;
  const int64_t rows = Block::rows_of(look), columns = Block::columns_of(look);
  for (int b = 0; b < B; ++b) sum[b] = V(T(0));
#pragma GCC unroll 3
  for (int64_t u = 0; u < rows; ++u) {
    V row[B];
    for (int b = 0; b < B; ++b) row[b] = V(T(0));
#pragma GCC unroll 3
    for (int64_t v = 0; v < columns; ++v)
      for (int b = 0; b < B; ++b) row[b] += load(u, v, b);
    for (int b = 0; b < B; ++b) sum[b] += row[b];
  }
}

template <class T>
struct AvgForward {
  static constexpr bool common = __is_same(T, float);
  const Divisor& divisor;
  const T* x;
  T* y;
  T factor = divisor.common ? divisor.template factor<T>(0, 0) : T(0);

  template <class Block>
  DLCORE_INLINE void operator()(Block, const Look& look, int64_t c, int64_t lanes) const {
    constexpr int B = Block::vectors, L = kLanes<T>;
    vec<T> sum[B];
    sum_rectangle<Block>(sum, look, [&](int64_t u, int64_t v, int b) __attribute__((always_inline)) {
      return load<Block::whole>(x + look.source(u, v) + c + b * L, lanes);
    });
    const T by = factor != 0 ? factor : divisor.template factor<T>(look.i, look.k);
    for (int b = 0; b < B; ++b) store<Block::whole>(Divisor::divide(sum[b], by), y + look.target + c + b * L, lanes);
  }
};

// Common: all outputs have one divisor.
template <class T, bool Common>
struct AvgBackward {
  static constexpr bool common = Common && __is_same(T, float);
  const Divisor& divisor;
  const T* dy;
  T* dx;
  const Walk& walk;
  T factor = Common ? divisor.template factor<T>(0, 0) : T(1);

  template <class Block>
  DLCORE_INLINE void operator()(Block, const Look& look, int64_t c, int64_t lanes) const {
    constexpr int B = Block::vectors, L = kLanes<T>;
    vec<T> sum[B];
    sum_rectangle<Block>(sum, look, [&](int64_t u, int64_t v, int b) __attribute__((always_inline)) {
      const vec<T> y = load<Block::whole>(dy + look.source(u, v) + c + b * L, lanes);
      if constexpr (Common) return y;
      return y * vec<T>(divisor.template factor<T>(walk.h.reach[look.i].first + u * walk.h.step,
                                                   walk.w.reach[look.k].first + v * walk.w.step));
    });
    for (int b = 0; b < B; ++b)
      store_gradient<Block::whole>(sum[b] * vec<T>(factor), dx + look.target + c + b * L, lanes, look.past);
  }
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
