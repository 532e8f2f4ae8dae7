#pragma once
// Convolutions of images whose channels lie last. A row of a kernel reads kw c neighbouring elements, so that all three
// passes are sums of products of matrices that are read where they lie, over positions p = (n, i, j):
//
//   forward          y[p, k]  = b[k] + sum_u sum_(v, c)  x[at(p) + row(u) + (v, c)] w[u][(v, c), k]
//   backward_data    dx[p, c] =        sum_u sum_(v, k)  dy[at(p) - row(u) - (v, k)] w[u][(v, k), c]
//   backward_weight  dw[u][(v, c), k] = sum_p  x[at(p) + row(u) + (v, c)] dy[p, k]
//
// backward_data takes the positions of dx apart into the phases (a + pad) mod stride; each is read by taps of its own,
// next to each other in dy. Where windows reach beyond the image, positions for which the same taps exist are taken
// together, without the other taps; where that makes too small pieces, a padded copy of the rows that a block of
// positions reads takes the image's place.
#include "core/parallel.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/columns.h"
#include "kernels/cpu/conv_sweep.h"
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// Sums that take less time than reading what their results replace: that is fetched ahead, or not read at all.
constexpr int64_t kShortSum = 64;

// ---- forward and backward by data

template <class T>
class ChannelsConv {
  static constexpr int64_t W = kTileCols<T>, kChunks = 16;

 public:
  ChannelsConv(const Conv2d& g, bool backward, void* workspace)
      : g_(g),
        backward_(backward),
        planes_(g.planes && !backward),
        c_(backward ? g.oc : g.c),
        k_(backward ? g.c : g.oc),
        panels_(g.groups * ceil_div(k_ / g.groups, W)),
        arena_{static_cast<char*>(workspace)} {
    const Axis h(g.h, g.oh, g.kh, g.stride_h, g.dilation_h, g.pad_h);
    const Axis w(g.w, g.ow, g.kw, g.stride_w, g.dilation_w, g.pad_w);
    int64_t packed = 0, padded = 0, places = 0;
    for (int64_t phase = 0; phase < (backward ? g.stride_h * g.stride_w : 1); ++phase) {
      Filter& f = filters_[count_];
      f.h = backward ? backward_sweep(h, phase / g.stride_w) : forward_sweep(h);
      f.w = backward ? backward_sweep(w, phase % g.stride_w) : forward_sweep(w);
      if (f.h.count == 0 || f.w.count == 0) continue;
      f.adjacent = g.groups == 1 && f.w.gap == 1;
      f.cut = BlockCut(g.n, f.h, f.w, wanted_positions<T>(c_), panels_);
      if (!planes_) take_apart(f);
      f.copied = planes_ || !(f.h.inside() || f.apart_h) || !(f.w.inside() || f.apart_w);
      f.first_item = items_, f.packed = packed;
      items_ += f.cut.blocks * f.cut.parts;
      packed += panels_ * panel_size(f);
      if (f.copied) padded = most(padded, padded_elements(f.h, f.w, f.cut, c_));
      places = most(places, f.cut.together * f.cut.rows * f.w.count);
      taps_ = most(taps_, f.h.taps * f.w.taps);
      int64_t runs = 0;
      runs_of(f, {0, f.h.count}, [&](auto...) { ++runs; });
      runs_ = most(runs_, runs);
      ++count_;
    }
    grain_ = most(1, ceil_div(items_, kChunks));
    for (int64_t f = 0; f < count_; ++f) {
      panel_ = most(panel_, panel_size(filters_[f]));
      one_by_one_ &= filters_[f].cut.blocks == 1;
    }
    packed_ = packed, padded_ = padded, places_ = places;
    one_by_one_ &= !g.packed;
    own_packed_ = arena_.take<T>(g.packed || one_by_one_ ? 0 : packed);
    Arena one{nullptr};
    take_slot(one);
    slot_bytes_ = one.used;
    slots_ = arena_.take<char>(slot_bytes_ * ceil_div(items_, grain_));
  }

  int64_t bytes() const { return arena_.used; }
  int64_t packed_bytes() const { return packed_ * static_cast<int64_t>(sizeof(T)); }

  void pack(const T* weights, T* packed) const {
    for (int64_t f = 0; f < count_; ++f) {
      const int64_t size = panel_size(filters_[f]);
      parallel_for(panels_, most(1, (1 << 14) / most(1, size)), [&](int64_t begin, int64_t end) {
        for (int64_t panel = begin; panel < end; ++panel)
          pack_panel(filters_[f], panel, weights, packed + filters_[f].packed + panel * size);
      });
    }
  }

  void run(const T* source, const T* weights, const T* bias, T* target) const {
    if (own_packed_ && !one_by_one_ && !g_.packed) pack(weights, own_packed_);
    const T* filters = g_.packed || one_by_one_ ? weights : own_packed_;
    parallel_for(items_, grain_, [&](int64_t begin, int64_t end) {
      Arena arena{slots_ + begin / grain_ * slot_bytes_};
      const Slot slot = take_slot(arena);
      for (int64_t item = begin; item < end; ++item) {
        int64_t f = count_ - 1;
        while (filters_[f].first_item > item) --f;
        apply(filters_[f], item - filters_[f].first_item, source, filters, bias, target, slot);
      }
    });
  }

 private:
  // The taps that one phase of the target reads.
  struct Filter {
    Sweep h, w;
    bool adjacent;                          // a row of taps is one sum
    bool apart_h = false, apart_w = false;  // whether positions are taken apart by the taps that exist for them
    bool copied;
    BlockCut cut;
    int64_t first_item, packed;
  };
  // Positions of a block with the same taps.
  struct Run {
    int64_t first, count;
    Range h, w;
  };
  struct Slot {
    T *padded, *panel;
    int64_t *from, *to;  // (positions) of the first tap in the source block, and in the target
    int64_t *x, *w;      // (taps) in the source, from the first tap, and in a panel of the weights
    Run* runs;
  };

  Slot take_slot(Arena& arena) const {
    Slot s;
    s.padded = arena.take<T>(padded_);
    s.panel = arena.take<T>(one_by_one_ ? kWideVectors / kTileVectors * panel_ : 0);
    s.from = arena.take<int64_t>(places_);
    s.to = arena.take<int64_t>(places_);
    s.x = arena.take<int64_t>(taps_);
    s.w = arena.take<int64_t>(taps_);
    s.runs = arena.take<Run>(runs_);
    return s;
  }

  int64_t panel_size(const Filter& f) const { return f.h.taps * f.w.taps * (c_ / g_.groups) * W; }

  // use(rows, taps of a column, columns, taps of a row)
  template <class F>
  static void runs_of(const Filter& f, Range rows, const F& use) {
    each_run(f.h, rows, f.apart_h, [&](Range i, Range u) {
      each_run(f.w, {0, f.w.count}, f.apart_w, [&](Range j, Range v) { use(i, u, j, v); });
    });
  }

  // Settles how positions are taken apart: fewer products, but in smaller pieces. A tile of few rows takes no less time
  // than its share of the weights does to come from L2.
  void take_apart(Filter& f) const {
    constexpr int64_t thin = 3;
    const int64_t rows = tile_shape<T>(ARows::Placed, k_ / g_.groups).rows;
    const auto cost = [&](bool apart_h, bool apart_w) {
      Filter tried = f;
      tried.apart_h = apart_h, tried.apart_w = apart_w;
      int64_t sum = 0;
      runs_of(tried, {0, f.h.count}, [&](Range i, Range u, Range j, Range v) {
        const int64_t positions = f.cut.together * i.size() * j.size(), pieces = ceil_div(positions, rows);
        sum += u.size() * v.size() * most(positions, pieces * thin);
      });
      return sum;
    };
    int64_t best = cost(false, false);
    for (const auto& [apart_h, apart_w] : {std::pair{true, false}, {false, true}, {true, true}})
      if (const int64_t tried = cost(apart_h, apart_w); tried < best)
        best = tried, f.apart_h = apart_h, f.apart_w = apart_w;
  }

  // The weights of W channels of the target: for each of the sums (depth, W), one after another.
  void pack_panel(const Filter& f, int64_t panel, const T* weights, T* to) const {
    const int64_t taps = g_.kh * g_.kw, k_group = k_ / g_.groups, c_group = c_ / g_.groups;
    const int64_t k_step = taps * (backward_ ? 1 : c_group), c_step = taps * (backward_ ? k_group : 1);
    const int64_t row = f.w.taps * c_group, group_panels = panels_ / g_.groups, group = panel / group_panels;
    const int64_t k = panel % group_panels * W, columns = least(W, k_group - k);
    const T* from = weights + group * k_group * c_group * taps + k * k_step;
    // use(lane, channels, weights of the channels lane ... of the target)
    const auto each_lane = [&](const T* w, const auto& use) {
      for (int64_t lane = 0; lane < W; lane += kLanes<T>)
        use(lane, most(0, least(kLanes<T>, columns - lane)), w + lane * k_step);
    };
    // Rows that are too far apart for the processor to foresee what is read next.
    constexpr int64_t line = 64 / sizeof(T), ahead = 4;
    if (!backward_) {  // the taps of all channels are one row
      each_lane(from, [&](int64_t lane, int64_t channels, const T* w) {
        TapCounter at{taps};
        for (int64_t first = 0; first < c_group * taps; first += ahead * line) {
          const int64_t count = least(ahead * line, c_group * taps - first);
          for (int64_t l = 0; l < channels; ++l)
            for (int64_t i = 0; i < count; i += line) __builtin_prefetch(w + l * k_step + first + ahead * line + i);
          each_column(w + first, k_step, channels, count, [&](int64_t, vec<T> x) {
            x.store(to + (at.tap * c_group + at.c) * W + lane);
            at.next();
          });
        }
      });
      return;
    }
    for (int64_t first = 0; first < taps; first += kLanes<T>) {
      const int64_t count = least(kLanes<T>, taps - first);
      int64_t place[kLanes<T>];  // of each tap, or -1
      for (int64_t i = 0; i < count; ++i) {
        const int64_t u = f.h.position((first + i) / g_.kw), v = f.w.position((first + i) % g_.kw);
        place[i] = u < 0 || v < 0 ? -1 : (u * row + v * c_group) * W;
      }
      const T* w_c = from + first;
      for (int64_t c = 0; c < c_group; ++c, w_c += c_step) {
        for (int64_t i = 0; i < columns * taps && c + ahead < c_group; i += line)
          __builtin_prefetch(w_c + ahead * c_step + i);
        each_lane(w_c, [&](int64_t lane, int64_t channels, const T* w) {
          each_column(w, k_step, channels, count, [&](int64_t i, vec<T> x) {
            if (place[i] >= 0) x.store(to + place[i] + c * W + lane);
          });
        });
      }
    }
  }

  void apply(const Filter& f, int64_t item, const T* source, const T* filters, const T* bias, T* target,
             const Slot& slot) const {
    const BlockCut::Block b = f.cut.block(item / f.cut.parts, f.h);
    const SourceBlock<T> x = source_block(source, f.h, f.w, b, c_, planes_, f.copied ? slot.padded : nullptr);
    const int64_t height = backward_ ? g_.h : g_.oh, width = backward_ ? g_.w : g_.ow;
    const int64_t from_step = f.w.step * x.pixel, to_step = f.w.out_step * k_;
    int64_t positions = 0, runs = 0;
    runs_of(f, {b.row, b.row + b.rows}, [&](Range rows, Range u, Range columns, Range v) {
      Run& run = slot.runs[runs++];
      run = {positions, b.images * rows.size() * columns.size(), u, v};
      for (int64_t l = 0; l < b.images; ++l)
        for (int64_t i = rows.from; i < rows.to; ++i) {
          int64_t from = x.at(l, (i - b.row) * f.h.step + u.from * f.h.gap, columns.from * f.w.step + v.from * f.w.gap);
          const int64_t y = (f.h.first + i) * f.h.out_step + f.h.out_first;
          const int64_t z = (f.w.first + columns.from) * f.w.out_step + f.w.out_first;
          int64_t to = (((b.image + l) * height + y) * width + z) * k_;
          for (int64_t j = 0; j < columns.size(); ++j, ++positions, from += from_step, to += to_step)
            slot.from[positions] = from, slot.to[positions] = to;
        }
    });

    TileArgs<T> t{};
    if (!backward_) t.epilogue.activation = g_.activation;
    const int64_t group_panels = panels_ / g_.groups, k_group = k_ / g_.groups, c_group = c_ / g_.groups;
    const int64_t first = item % f.cut.parts * f.cut.part_panels, last = least(panels_, first + f.cut.part_panels);
    const bool short_sum = f.h.taps * f.w.taps * c_group <= kShortSum;
    t.past = short_sum && streams(g_.n * height * width * k_ * int64_t{sizeof(T)}) && whole_vectors(target, k_) &&
             k_group % kLanes<T> == 0;
    t.a.offsets = slot.x, t.b.offsets = slot.w;
    t.b.stride = W, t.b_panel = panel_size(f);
    for (int64_t panel = first, together; panel < last; panel += together) {
      const int64_t group = panel / group_panels, k = panel % group_panels * W;
      const int64_t columns = least(k_group - k, (last - panel) * W);
      const TileShape shape = tile_shape<T>(ARows::Placed, columns);
      together = ceil_div(shape.vectors, kTileVectors);
      t.a.data = x.data + group * c_group;
      for (int64_t i = 0; i < together && one_by_one_; ++i)
        pack_panel(f, panel + i, filters, slot.panel + i * t.b_panel);
      t.b.data = one_by_one_ ? slot.panel : filters + f.packed + panel * t.b_panel;
      t.cols = least(columns, shape.vectors * kLanes<T>);
      t.c = target + group * k_group + k;
      t.epilogue.bias_col = bias ? bias + group * k_group + k : nullptr;
      const bool in_place = kMaskedMoves || t.cols == shape.vectors * kLanes<T>;
      for (const Run* run = slot.runs; run < slot.runs + runs; ++run) {
        t.reduce = 0, t.k = c_group * (f.adjacent ? run->w.size() : 1);
        for (int64_t u = run->h.from; u < run->h.to; ++u)
          for (int64_t v = run->w.from; v < run->w.to; v += f.adjacent ? run->w.size() : 1, ++t.reduce) {
            slot.x[t.reduce] = (u - run->h.from) * f.h.gap * x.row + (v - run->w.from) * f.w.gap * x.pixel;
            slot.w[t.reduce] = (u * f.w.taps + v) * c_group * W;
          }
        each_piece(run->count, shape.rows, [&](int64_t i, int64_t rows) {
          const int64_t p = run->first + i;
          t.a_places = slot.from + p, t.c_places = slot.to + p;
          if (short_sum && !t.past)  // then reading what the stores replace is what takes time
            for (int64_t r = p + rows; r < least(positions, p + rows + shape.rows); ++r)
              for (int64_t q = 0; q < shape.vectors; ++q) __builtin_prefetch(t.c + slot.to[r] + q * kLanes<T>, 1);
          const TileFn<T> fn = tile_fn<T>(ARows::Placed, rows, shape.vectors);
          in_place ? fn(t) : tile_through_buffer(fn, t, rows, 1);
        });
      }
    }
    if (t.past) stream_fence();
  }

  const Conv2d& g_;
  bool backward_, planes_;
  int64_t c_, k_;   // channels of the source and of the target
  int64_t panels_;  // of the target's channels, in all groups
  Filter filters_[kChannelsLastStride * kChannelsLastStride];
  int64_t count_ = 0, items_ = 0, grain_ = 1, taps_ = 0, runs_ = 0, packed_ = 0, panel_ = 0, padded_ = 0, places_ = 0;
  // Where all positions are one block, each panel of the weights is packed just before its only use.
  bool one_by_one_ = true;
  T* own_packed_;
  char* slots_;
  int64_t slot_bytes_;
  Arena arena_;
};

// ---- backward by weight, and the gradient of the bias

template <class T>
class ChannelsWeightGradient {
  static constexpr int64_t W = kTileCols<T>;

 public:
  ChannelsWeightGradient(const Conv2d& g, void* workspace)
      : g_(g),
        h_(forward_sweep({g.h, g.oh, g.kh, g.stride_h, g.dilation_h, g.pad_h})),
        w_(forward_sweep({g.w, g.ow, g.kw, g.stride_w, g.dilation_w, g.pad_w})),
        k_(g.oc / g.groups),
        c_(g.c / g.groups),
        adjacent_(g.groups == 1 && w_.gap == 1 && adjacent_tiles() <= separate_tiles()),
        copied_(g.planes || (adjacent_ && !w_.inside())),
        steps_(adjacent_ ? 1 : g.kw),
        depth_(adjacent_ ? g.kw * c_ : c_),
        panels_(g.groups * ceil_div(k_, W)),
        cut_(g.n, h_, w_, wanted_positions<T>(g.c), panels_),
        panel_size_(g.kh * steps_ * depth_ * W + W),
        arena_{static_cast<char*>(workspace)} {
    constexpr int64_t item = sizeof(T), chunk_bytes = 8 << 20;
    // Blocks are summed in chunks; where that takes too much memory, the threads share the panels instead, each of
    // which goes over all blocks while it is in the cache.
    const int64_t chunks = most(1, least(least(8, cut_.blocks), chunk_bytes / (panels_ * panel_size_ * item)));
    grain_ = ceil_div(cut_.blocks, chunks);
    chunks_ = ceil_div(cut_.blocks, grain_);
    part_panels_ = ceil_div(panels_, least(panels_, ceil_div(8, most(1, chunks_))));
    parts_ = ceil_div(panels_, part_panels_);
    partials_ = arena_.take<T>(chunks_ > 1 ? chunks_ * panels_ * panel_size_ : 0);
    Arena one{nullptr};
    take_slot(one);
    slot_bytes_ = one.used;
    slots_ = arena_.take<char>(slot_bytes_ * chunks_ * parts_);
  }

  int64_t bytes() const { return arena_.used; }

  void backward_weight(const T* x, const T* dy, T* dw, T* db) {
    parallel_for(chunks_ * parts_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        Arena arena{slots_ + i * slot_bytes_};
        const Slot slot = take_slot(arena);
        const int64_t chunk = i / parts_, blocks = least(cut_.blocks, (chunk + 1) * grain_);
        const int64_t first = i % parts_ * part_panels_, last = least(panels_, first + part_panels_);
        if (chunks_ > 1) {
          for (int64_t block = chunk * grain_; block < blocks; ++block)
            add(block, first, last, x, dy, slot, partials_ + (chunk * panels_ + first) * panel_size_);
          continue;
        }
        for (int64_t panel = first; panel < last; ++panel) {
          for (int64_t block = 0; block < blocks; ++block) add(block, panel, panel + 1, x, dy, slot, slot.panel);
          store(panel, slot.panel, 0, dw, db);
        }
      }
    });
    if (chunks_ == 1) return;
    parallel_for(panels_, most(1, (1 << 14) / (panel_size_ * chunks_)), [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin; panel < end; ++panel)
        store(panel, partials_ + panel * panel_size_, panels_ * panel_size_, dw, db);
    });
  }

 private:
  struct Slot {
    T *padded, *dy;  // dy: (positions, W)
    T* panel;        // where there is one chunk
    int64_t *x, *y;  // (rows of positions) in the source block and in dy
  };

  // The products of a row of taps, in tiles: taken as one, and each with the positions for which its element exists.
  int64_t adjacent_tiles() const { return ceil_div(w_.taps * c_, kTileRows) * w_.count; }
  int64_t separate_tiles() const {
    int64_t positions = 0;
    for (int64_t v = 0; v < w_.taps; ++v) positions += positions_inside(w_, v).size();
    return ceil_div(c_, kTileRows) * positions;
  }

  Slot take_slot(Arena& arena) const {
    Slot s;
    s.padded = arena.take<T>(copied_ ? padded_elements(h_, w_, cut_, g_.c) : 0);
    s.dy = arena.take<T>(cut_.together * cut_.rows * g_.ow * W);
    s.panel = arena.take<T>(chunks_ > 1 ? 0 : panel_size_);
    s.x = arena.take<int64_t>(cut_.together * cut_.rows);
    s.y = arena.take<int64_t>(cut_.together * cut_.rows);
    return s;
  }

  // Adds a block's share of some panels: of each (kh, steps, depth, W) of dw and (W) of db.
  void add(int64_t index, int64_t first, int64_t last, const T* x, const T* dy, const Slot& slot, T* to) const {
    const BlockCut::Block b = cut_.block(index, h_);
    const SourceBlock<T> from = source_block(x, h_, w_, b, g_.c, g_.planes, copied_ ? slot.padded : nullptr);
    const int64_t group_panels = panels_ / g_.groups, tiles = ceil_div(depth_, kTileRows);
    TileArgs<T> t{};
    t.a = {from.data, w_.step * g_.c, 0, slot.x};
    t.b = {slot.dy, W, 0, slot.y};
    t.cols = W, t.c_row = W;
    t.epilogue.beta = index % grain_ != 0;
    for (int64_t panel = first; panel < last; ++panel, to += panel_size_) {
      const int64_t group = panel / group_panels, k = panel % group_panels * W;
      load_dy(dy + group * k_ + k, b, least(W, k_ - k), t.epilogue.beta != 0, slot.dy, to + panel_size_ - W);
      for (int64_t u = 0; u < g_.kh; ++u)
        for (int64_t v = 0; v < steps_; ++v) {
          const Range columns = adjacent_ ? Range{0, g_.ow} : positions_inside(w_, v), all = positions_inside(h_, u);
          const Range rows{most(b.row, all.from), least(b.row + b.rows, all.to)};
          t.reduce = 0, t.k = columns.size();
          for (int64_t l = 0; l < b.images; ++l)
            for (int64_t i = rows.from - b.row; i < rows.to - b.row; ++i, ++t.reduce) {
              slot.x[t.reduce] = from.at(l, i * h_.step + u * h_.gap, columns.from * w_.step + v * w_.gap);
              slot.y[t.reduce] = ((l * b.rows + i) * g_.ow + columns.from) * W;
            }
          for (int64_t i = 0; i < tiles; ++i) {
            const int64_t d = depth_ * i / tiles, count = depth_ * (i + 1) / tiles - d;
            t.a.data = from.data + group * c_ + d;
            t.c = to + ((u * steps_ + v) * depth_ + d) * W;
            tile_fn<T>(ARows::Panel, count, kTileVectors)(t);
          }
        }
    }
  }

  // The block's dy of one panel, and its sums.
  void load_dy(const T* dy, const BlockCut::Block& b, int64_t columns, bool add, T* to, T* sums) const {
    using V = vec<T>;
    V total[kTileVectors];
    for (int v = 0; v < kTileVectors; ++v) total[v] = add ? V::load(sums + v * V::size) : V(T(0));
    for (int64_t l = 0; l < b.images; ++l) {
      const T* from = dy + ((b.image + l) * g_.oh + b.row) * g_.ow * g_.oc;
      for (int64_t p = 0; p < b.rows * g_.ow; ++p, from += g_.oc, to += W)
        for (int v = 0; v < kTileVectors; ++v) {
          const V x = V::load(from + v * V::size, most(0, columns - v * V::size));
          x.store(to + v * V::size);
          total[v] += x;
        }
    }
    for (int v = 0; v < kTileVectors; ++v) total[v].store(sums + v * V::size);
  }

  // A panel's sums over the chunks, `step` apart, in order; from (kh, kw, c, W) to (oc, c, kh, kw).
  void store(int64_t panel, const T* from, int64_t step, T* dw, T* db) const {
    const int64_t taps = g_.kh * g_.kw, group_panels = panels_ / g_.groups;
    const int64_t k = panel / group_panels * k_ + panel % group_panels * W;
    const int64_t columns = least(W, k_ - panel % group_panels * W);
    const auto sum = [&](int64_t at) {
      vec<T> s = vec<T>::load(from + at);
      for (int64_t chunk = 1; chunk < chunks_; ++chunk) s += vec<T>::load(from + chunk * step + at);
      return s;
    };
    const bool past = whole_vectors(dw, c_ * taps) && streams(g_.oc * c_ * taps * int64_t{sizeof(T)});
    for (int64_t lane = 0; lane < columns; lane += kLanes<T>) {
      TapCounter at{taps};
      const auto next = [&](int64_t) {
        const int64_t place = at.tap * c_ + at.c;
        at.next();
        return sum(place * W + lane);
      };
      store_columns(dw + (k + lane) * c_ * taps, c_ * taps, columns - lane, c_ * taps, past, next);
      if (db) sum(panel_size_ - W + lane).store(db + k + lane, columns - lane);
    }
    if (past) stream_fence();
  }

  const Conv2d& g_;
  Sweep h_, w_;
  int64_t k_, c_;  // channels of y and x in a group
  bool adjacent_;  // a row of the kernel's taps is taken as one piece
  bool copied_;
  int64_t steps_, depth_, panels_;
  BlockCut cut_;
  int64_t panel_size_;
  int64_t grain_, chunks_, part_panels_, parts_;
  T* partials_;
  char* slots_;
  int64_t slot_bytes_;
  Arena arena_;
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
