#pragma once
// Images that are walked (kernels/cpu/pool_walk.h): channels-last ones as they are; channels-first planes block by
// block in scratch, turned so that as many planes as a vector has lanes are its channels.
#include "core/parallel.h"
#include "kernels/cpu/pool_walk.h"
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kGrainWork = 1 << 15;  // elements

// Elements that a walk reads and writes for a channel of a row of targets.
DLCORE_INLINE int64_t row_work(const Walk& walk, bool backward) {
  const Axis &h = walk.axis_h, &w = walk.axis_w;
  const int64_t looks = backward ? ceil_div(h.taps, h.stride) * ceil_div(w.taps, w.stride) : h.taps * w.taps;
  return walk.w.targets * (1 + looks);
}

template <class T, class K>
void walk_images(const Pool2d& g, bool backward, const Walk& walk, const T* target, const K& kernel) {
  constexpr int64_t kLeastRows = 32, kSlice = 4 * kLanes<T>;
  const int64_t rows = g.planes * walk.h.targets, slices = rows < kLeastRows ? ceil_div(g.inner, kSlice) : 1;
  const int64_t work = row_work(walk, backward) * ceil_div(g.inner, slices);
  const bool past =
      backward && whole_vectors(target, g.inner) && streams(rows * walk.w.targets * g.inner * int64_t{sizeof(T)});
  parallel_for(rows * slices, most(1, kGrainWork / work), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t image = item / slices / walk.h.targets, i = item / slices % walk.h.targets;
      const int64_t from = item % slices * kSlice, to = item % slices + 1 < slices ? from + kSlice : g.inner;
      const int64_t source_row = walk.w.sources * g.inner, target_row = walk.w.targets * g.inner;
      const Place place{image * walk.h.sources * source_row, source_row, image * walk.h.targets * target_row,
                        target_row, past};
      walk.template row<T>(kernel, place, i, 0, walk.w.targets, from, to);
    }
    if (past) stream_fence();
  });
}

// Groups of planes, cut into blocks of targets: of whole rows, unless these are long.
template <class T>
struct PlaneWalk {
  static constexpr int64_t L = kLanes<T>, kBlockElements = 1 << 14, kSlots = 32;
  using Tap = typename vec<T>::bits;

  struct Slot {
    T *sources, *targets;
    Tap* taps;  // of the outputs: the targets, or in backward the sources
  };
  struct Part {
    int64_t plane, planes;  // the first, and how many
    Side::Extent h, w;
  };

  const Pool2d& g;
  const Walk& walk;
  bool backward;
  int64_t groups, rows = 1, columns, row_blocks, column_blocks, items, sources, targets, grain, slot_bytes;
  char* slots;

  PlaneWalk(const Pool2d& g, const Walk& walk, bool backward, Arena& arena)
      : g(g), walk(walk), backward(backward), groups(ceil_div(g.planes, L)), columns(walk.w.targets) {
    const int64_t height = walk.h.targets, width = walk.w.targets;
    while (columns > L && sources_of(1, columns) > kBlockElements) columns = ceil_div(columns, 2);
    while (columns == width && rows < height && sources_of(2 * rows, columns) <= kBlockElements) rows *= 2;
    row_blocks = ceil_div(height, rows), column_blocks = ceil_div(width, columns);
    rows = ceil_div(height, row_blocks), columns = ceil_div(width, column_blocks);
    items = groups * row_blocks * column_blocks;
    sources = sources_of(rows, columns) + L * L;
    targets = rows * columns * L + L * L;
    grain = ceil_div(items, most(1, least(kSlots, groups * L * height * row_work(walk, backward) / kGrainWork)));
    Arena one{nullptr};
    take_slot(one);
    slot_bytes = one.used;
    slots = arena.take<char>(slot_bytes * ceil_div(items, grain));
  }
  Slot take_slot(Arena& a) const {
    return {a.take<T>(sources), a.take<T>(targets), a.take<Tap>(backward ? sources : targets)};
  }
  // Elements of the sources that a block looks at, at most.
  int64_t sources_of(int64_t rows, int64_t columns) const {
    const auto along = [&](const Axis& a, int64_t targets) {
      const int64_t reach = (a.taps - 1) * a.dilation;
      return backward ? least(a.out, (targets - 1 + reach) / a.stride + 1)
                      : least(a.in, (targets - 1) * a.stride + reach + 1);
    };
    return along(walk.axis_h, rows) * along(walk.axis_w, columns) * L;
  }

  // use(slot, part) for every block.
  template <class F>
  void each_part(const F& use) const {
    parallel_for(items, grain, [&](int64_t begin, int64_t end) {
      Arena scratch{slots + begin / grain * slot_bytes};
      const Slot slot = take_slot(scratch);
      for (int64_t item = begin; item < end; ++item) {
        const int64_t plane = item / column_blocks / row_blocks * L;
        const int64_t top = item / column_blocks % row_blocks * rows, left = item % column_blocks * columns;
        use(slot, Part{plane, least(L, g.planes - plane), walk.h.extent(top, least(top + rows, walk.h.targets)),
                       walk.w.extent(left, least(left + columns, walk.w.targets))});
      }
    });
  }

  template <class K>
  [[gnu::noinline]] void run(const K& kernel, const Part& part) const {
    const int64_t source_row = (part.w.last - part.w.first) * L, target_row = (part.w.to - part.w.from) * L;
    const Place place{-part.h.first * source_row - part.w.first * L, source_row,
                      -part.h.from * target_row - part.w.from * L, target_row, false};
    for (int64_t i = part.h.from; i < part.h.to; ++i)
      walk.template row<T>(kernel, place, i, part.w.from, part.w.to, 0, L);
  }

  // The sources of a part, elements or taps, to scratch: turned[place L + plane].
  template <class E, class Turned>
  [[gnu::noinline]] void turn_in(const Part& part, const E* planes, Turned* turned) const {
    const E* from[L];
    for (int64_t p = 0; p < L; ++p)
      from[p] = planes + (part.plane + least(p, part.planes - 1)) * walk.h.sources * walk.w.sources;
    each_run(walk.w.sources, part.h.first, part.h.last, part.w.first, part.w.last, [&](int64_t start, int64_t n) {
      each_vector(n, [&](int64_t at, int64_t lanes) __attribute__((always_inline)) {
        vec<Turned> x[L];
#pragma GCC unroll 16
        for (int p = 0; p < L; ++p) {
          if constexpr (__is_same(E, T))
            x[p] = vec<T>::load(from[p] + start + at, lanes);
          else
            x[p] = {load_narrow<T>(from[p] + start + at, lanes)};
        }
        transpose(x);
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) x[i].store(turned + (at + i) * L);
      });
      turned += n * L;
    });
  }
  // The targets of a part from there to their planes.
  template <class E, class Turned>
  [[gnu::noinline]] void turn_out(const Part& part, const Turned* turned, E* planes) const {
    const int64_t size = walk.h.targets * walk.w.targets;
    const bool past = size % L == 0 && streams(g.planes * size * int64_t{sizeof(E)});
    each_run(walk.w.targets, part.h.from, part.h.to, part.w.from, part.w.to, [&](int64_t start, int64_t n) {
      E* to = planes + part.plane * size + start;
      each_vector(n, [&](int64_t at, int64_t lanes) __attribute__((always_inline)) {
        [[maybe_unused]] const bool streamed = past && lanes == L && whole_vectors(to + at, L);
        vec<Turned> x[L];
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) x[i] = vec<Turned>::load(turned + (at + i) * L);
        transpose(x);
#pragma GCC unroll 16
        for (int p = 0; p < L; ++p) {
          if (p >= part.planes) continue;
          if constexpr (__is_same(E, T))
            streamed ? stream(to + p * size + at, x[p]) : x[p].store(to + p * size + at, lanes);
          else
            store_narrow<T>(x[p].v, to + p * size + at, lanes);
        }
      });
      turned += n * L;
    });
    if (past) stream_fence();
  }
  // use(start, elements) for the runs of neighbours in rows [top, bottom), columns [left, right) of a plane.
  template <class F>
  static void each_run(int64_t width, int64_t top, int64_t bottom, int64_t left, int64_t right, const F& use) {
    if (right - left == width) return use(top * width, (bottom - top) * width);
    for (int64_t r = top; r < bottom; ++r) use(r * width + left, right - left);
  }
  // use(at, elements) for n of them; the last vector may overlap the one before it.
  template <class F>
  static DLCORE_INLINE void each_vector(int64_t n, const F& use) {
    if (n < L) return n > 0 ? use(0, n) : void();
    for (int64_t i = 0; i < n; i += L) use(least(i, n - L), L);
  }
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
