#pragma once
// What the convolutions of images whose channels lie last go over: positions of the target and the taps that exist for
// them, cut into blocks, and what a block reads of the source.
#include "kernels/conv.h"
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/planes.h"
#include "kernels/cpu/window.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// One axis of a correlation: position q of the target reads the source at q step - pad + t gap for taps t, and lies at
// q out_step + out_first.
struct Sweep {
  int64_t in;            // extent of the source
  int64_t first, count;  // positions
  int64_t step, pad;
  int64_t taps, gap;
  int64_t tap_first, tap_step;  // t is the kernel's tap tap_first + t tap_step
  int64_t out_step, out_first;

  // Which of the taps is the kernel's tap `kernel_tap`; -1 if none.
  int64_t position(int64_t kernel_tap) const {
    const int64_t t = (kernel_tap - tap_first) / tap_step;
    return t >= 0 && t < taps && tap_first + t * tap_step == kernel_tap ? t : -1;
  }
  int64_t source(int64_t q) const { return q * step - pad; }
  int64_t extent(int64_t positions) const { return (positions - 1) * step + (taps - 1) * gap + 1; }
  bool inside() const { return source(first) >= 0 && source(first) + extent(count) <= in; }
};

// Taps, or positions: [from, to).
struct Range {
  int64_t from, to;

  int64_t size() const { return to - from; }
  bool operator==(const Range&) const = default;
};

// The taps of a sweep whose element exists for position q.
inline Range taps_inside(const Sweep& s, int64_t q) {
  const int64_t at = s.source(q);
  const int64_t from = at < 0 ? least(s.taps, ceil_div(-at, s.gap)) : 0;
  return {from, most(from, least(s.taps, at < s.in ? ceil_div(s.in - at, s.gap) : 0))};
}

// The positions, counted from the first, for which a tap's element exists.
inline Range positions_inside(const Sweep& s, int64_t tap) {
  const int64_t at = s.source(s.first) + tap * s.gap;
  const int64_t from = at < 0 ? least(s.count, ceil_div(-at, s.step)) : 0;
  return {from, most(from, least(s.count, at < s.in ? ceil_div(s.in - at, s.step) : 0))};
}

// The same for all taps.
inline Range positions_inside(const Sweep& s) {
  const Range first = positions_inside(s, 0), last = positions_inside(s, s.taps - 1);
  const int64_t from = most(first.from, last.from);
  return {from, most(from, least(first.to, last.to))};
}

// f(positions, taps) for the positions in `all`, counted from the first: those next to each other for which the same
// taps exist, or, not `apart`, all of them with all taps.
template <class F>
void each_run(const Sweep& s, Range all, bool apart, const F& f) {
  if (!apart) return f(all, Range{0, s.taps});
  for (int64_t i = all.from, end; i < all.to; i = end) {
    const Range taps = taps_inside(s, s.first + i);
    for (end = i + 1; end < all.to && taps_inside(s, s.first + end) == taps;) ++end;
    f(Range{i, end}, taps);
  }
}

inline Sweep forward_sweep(const Axis& a) { return {a.in, 0, a.out, a.stride, a.pad, a.taps, a.dilation, 0, 1, 1, 0}; }

// The elements q stride + phase - pad of dx. Tap u reads dy at q - (u dilation - phase) / stride, where that is whole.
inline Sweep backward_sweep(const Axis& a, int64_t phase) {
  int64_t tap = 0;
  while (tap < a.phases() && a.remainder(tap) != phase) ++tap;
  const int64_t taps = tap < a.phases() ? a.taps_of(tap) : 0, last_tap = tap + (taps - 1) * a.period;
  const int64_t first = a.pad > phase ? ceil_div(a.pad - phase, a.stride) : 0;
  const int64_t end = a.in + a.pad - phase;  // q stride < end
  const int64_t reach = taps ? (last_tap * a.dilation - phase) / a.stride : 0;
  return {a.out,
          first,
          most(0, (end > 0 ? ceil_div(end, a.stride) : 0) - first),
          1,
          reach,
          taps,
          a.period * a.dilation / a.stride,
          last_tap,
          -a.period,
          a.stride,
          phase - a.pad};
}

// How the positions of a sweep over images are cut: blocks of rows of an image, or of several whole images, and, where
// there are few, the target's channels (in panels of a tile's width) into parts.
struct BlockCut {
  int64_t images, together = 1, rows = 1, bands = 1, blocks = 0, parts = 1, part_panels = 1;

  BlockCut() = default;
  BlockCut(int64_t images, const Sweep& h, const Sweep& w, int64_t wanted, int64_t panels) : images(images) {
    constexpr int64_t enough = 8;  // pieces of work that keep the threads even
    const int64_t fit = wanted / (h.count * w.count);
    together = most(1, least(panels >= enough ? images : ceil_div(images, 2), fit));
    together = ceil_div(images, ceil_div(images, together));
    bands = together > 1 ? 1 : ceil_div(h.count, most(1, least(h.count, wanted / w.count)));
    rows = ceil_div(h.count, bands);
    bands = ceil_div(h.count, rows);
    blocks = ceil_div(images, together) * bands;
    part_panels = ceil_div(panels, blocks >= enough ? 1 : least(panels, ceil_div(enough, blocks)));
    parts = ceil_div(panels, part_panels);
  }

  struct Block {
    int64_t image, images, row, rows;
  };
  Block block(int64_t i, const Sweep& h) const {
    const int64_t image = i / bands * together, row = i % bands * rows;
    return {image, least(together, images - image), row, least(rows, h.count - row)};
  }
};

// Positions in a block: what they read stays in L2 next to the weights.
template <class T>
int64_t wanted_positions(int64_t channels) {
  const int64_t fits = (int64_t{160} << 10) / (channels * static_cast<int64_t>(sizeof(T)));
  return most(8 * kTileRows, least(fits, 32 * kTileRows));
}

// What a block of positions reads: the images themselves, or a padded copy. Images in planes are always copied.
template <class T>
struct SourceBlock {
  const T* data;
  int64_t origin, image, row, pixel;

  int64_t at(int64_t l, int64_t i, int64_t j) const { return origin + l * image + i * row + j * pixel; }
};

inline int64_t padded_elements(const Sweep& h, const Sweep& w, const BlockCut& cut, int64_t c) {
  return cut.together * h.extent(cut.rows) * w.extent(w.count) * c;
}

template <class T>
SourceBlock<T> source_block(const T* x, const Sweep& h, const Sweep& w, const BlockCut::Block& b, int64_t c,
                            bool planes, T* padded) {
  const int64_t y = h.source(h.first + b.row), left = w.source(w.first);
  x += b.image * h.in * w.in * c;
  if (!padded) return {x, (y * w.in + left) * c, h.in * w.in * c, w.in * c, c};
  const int64_t rows = h.extent(b.rows), cols = w.extent(w.count);
  const int64_t blank = least(cols, most(0, -left)), width = most(0, least(w.in, left + cols) - most(0, left));
  T* to = padded;
  for (int64_t l = 0; l < b.images; ++l)
    for (int64_t i = y; i < y + rows; ++i, to += cols * c) {
      const int64_t inside = i >= 0 && i < h.in ? width : 0;
      fill(to, blank * c, T(0));
      if (planes)
        planes_to_pixels(x + (l * c * h.in + i) * w.in + most(0, left), h.in * w.in, c, inside, to + blank * c);
      else
        copy(to + blank * c, x + ((l * h.in + i) * w.in + most(0, left)) * c, inside * c);
      fill(to + (blank + inside) * c, (cols - blank - inside) * c, T(0));
    }
  return {padded, 0, rows * cols * c, cols * c, c};
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
