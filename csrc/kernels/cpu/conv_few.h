#pragma once
// Backward by data to few channels, as those of an image, where the channels of dx would fill only a part of a vector.
// Instead the products of a position of dy with all of the filters' elements fill vectors, and are added where they
// belong:
//
//   z[p, (u, v, c)] = sum_k dy[p, k] w[k, c, u, v],      dx[at(p) + row(u) + (v, c)] += z[p, (u, v, c)]
//
// dy and dx lie channels-last (dx also in planes); the rows of dx that are not complete yet stay in cache.
#include "core/parallel.h"
#include "kernels/conv.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/planes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T>
class FewChannels {
  static constexpr int64_t W = kTileCols<T>, kChunks = 16;

 public:
  FewChannels(const Conv2d& g, void* workspace)
      : g_(g),
        run_(g.kw * g.c),
        panels_(ceil_div(g.kh * run_, W)),
        reach_((g.kh - 1) * g.dilation_h),
        ring_(reach_ + g.stride_h),
        row_((most(g.w + g.pad_w, (g.ow - 1) * g.stride_w + g.kw)) * g.c + kLanes<T>),
        arena_{static_cast<char*>(workspace)} {
    // Neighbouring bands both compute the rows of dy whose windows reach into both.
    const int64_t wanted = g.n >= 8 ? 1 : ceil_div(8, g.n);
    band_ = most(ceil_div(g.h, wanted), least(g.h, 8 * reach_ + 1));
    bands_ = ceil_div(g.h, band_);
    items_ = g.n * bands_;
    grain_ = ceil_div(items_, kChunks);
    weights_ = arena_.take<T>(panels_ * g.oc * W);
    Arena one{nullptr};
    take_slot(one);
    slot_bytes_ = one.used;
    slots_ = arena_.take<char>(slot_bytes_ * ceil_div(items_, grain_));
  }

  int64_t bytes() const { return arena_.used; }

  void run(const T* dy, const T* w, const T*, T* dx) const {
    pack(w);
    parallel_for(items_, grain_, [&](int64_t begin, int64_t end) {
      Arena arena{slots_ + begin / grain_ * slot_bytes_};
      const Slot slot = take_slot(arena);
      for (int64_t item = begin; item < end; ++item)
        band(dy + item / bands_ * g_.oh * g_.ow * g_.oc, item % bands_ * band_, slot,
             dx + item / bands_ * g_.h * g_.w * g_.c);
    });
  }

 private:
  struct Slot {
    T* ring;  // (ring, row): rows of dx, padded to the left
    T* z;     // (tile rows, panels W)
  };

  Slot take_slot(Arena& arena) const { return {arena.take<T>(ring_ * row_), arena.take<T>(kTileRows * panels_ * W)}; }

  // (panels, oc, W): element (u, v, c) of a filter is column (u kw + v) c_all + c
  void pack(const T* w) const {
    for (int64_t k = 0; k < g_.oc; ++k)
      for (int64_t c = 0; c < g_.c; ++c)
        for (int64_t tap = 0; tap < g_.kh * g_.kw; ++tap) {
          const int64_t column = tap * g_.c + c;
          weights_[(column / W * g_.oc + k) * W + column % W] = *w++;
        }
    const int64_t used = g_.kh * run_ - (panels_ - 1) * W;
    for (int64_t k = 0; k < g_.oc; ++k) fill(weights_ + ((panels_ - 1) * g_.oc + k) * W + used, W - used, T(0));
  }

  // Rows first ... first + band - 1 of an image of dx.
  void band(const T* dy, int64_t first, const Slot& slot, T* dx) const {
    const int64_t end = least(first + band_, g_.h);
    const int64_t begin_dy = most(0, ceil_div(most(0, first + g_.pad_h - reach_), g_.stride_h));
    const int64_t end_dy = least(g_.oh, (end - 1 + g_.pad_h) / g_.stride_h + 1);
    fill(slot.ring, ring_ * row_, T(0));
    int64_t done = first;
    const auto finish = [&](int64_t until) {
      for (; done < least(until, end); ++done) {
        T* row = slot.ring + (done + g_.pad_h) % ring_ * row_;
        store_row(row + g_.pad_w * g_.c, dx, done);
        fill(row, row_, T(0));
      }
    };
    for (int64_t i = begin_dy; i < end_dy; ++i) {
      for (int64_t j = 0; j < g_.ow; j += kTileRows) {
        const int64_t count = least(kTileRows, g_.ow - j);
        multiply(dy + (i * g_.ow + j) * g_.oc, count, slot.z);
        add(i, j, count, first, end, slot);
      }
      finish((i + 1) * g_.stride_h - g_.pad_h);
    }
    finish(end);
  }

  void multiply(const T* dy, int64_t count, T* z) const {
    TileArgs<T> t{};
    t.reduce = 1, t.k = g_.oc;
    t.a = {dy, g_.oc};
    t.c_row = panels_ * W;
    t.b_panel = g_.oc * W;
    for (int64_t k = 0; k < panels_ * W; k += t.cols) {
      const TileShape shape = tile_shape<T>(ARows::Strided, panels_ * W - k);
      t.b = {weights_ + k * g_.oc, W};
      t.cols = shape.vectors * kLanes<T>;
      each_piece(count, shape.rows, [&](int64_t i, int64_t rows) {
        t.a.data = dy + i * g_.oc;
        t.c = z + i * t.c_row + k;
        tile_fn<T>(ARows::Strided, rows, shape.vectors)(t);
      });
    }
  }

  void add(int64_t i, int64_t j, int64_t count, int64_t first, int64_t end, const Slot& slot) const {
    using V = vec<T>;
    constexpr int64_t L = V::size;
    const int64_t step = g_.stride_w * g_.c, apart = ceil_div(ceil_div(run_, L) * L, step);
    for (int64_t u = 0; u < g_.kh; ++u) {
      const int64_t padded = i * g_.stride_h + u * g_.dilation_h, a = padded - g_.pad_h;
      if (a < first || a >= end) continue;
      T* row = slot.ring + padded % ring_ * row_ + j * step;
      // Vectors at neighbouring positions overlap, and what was just written is slow to read: they take turns.
      for (int64_t turn = 0; turn < apart; ++turn)
        for (int64_t p = turn; p < count; p += apart) {
          T* to = row + p * step;
          const T* z = slot.z + p * panels_ * W + u * run_;
          int64_t e = 0;
          for (; e + L <= run_; e += L) (V::load(to + e) + V::load(z + e)).store(to + e);
          if (e < run_) (V::load(to + e, run_ - e) + V::load(z + e, run_ - e)).store(to + e, run_ - e);
        }
    }
  }

  void store_row(const T* pixels, T* dx, int64_t row) const {
    if (g_.planes)
      pixels_to_planes(pixels, g_.c, g_.w, dx + row * g_.w, g_.h * g_.w);
    else
      copy(dx + row * g_.w * g_.c, pixels, g_.w * g_.c);
  }

  const Conv2d& g_;
  int64_t run_, panels_;        // elements of a filter's row, panels of W columns of a filter
  int64_t reach_, ring_, row_;  // rows of dx under a filter but one, kept at a time; elements of a row
  int64_t band_, bands_, items_, grain_;
  T* weights_;
  char* slots_;
  int64_t slot_bytes_;
  Arena arena_;
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
