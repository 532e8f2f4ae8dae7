#pragma once
// 3x3 convolutions of stride 1 by Winograd's tiles (winograd.h), forward and backward by data: over all channels c,
//
//   M[xi][tile, k] = sum_c V[xi][tile, c] U[xi][c, k]          xi = 0 ... 35 (F4) or 15 (F2)
//
// is as many products of matrices. A block of tiles goes through all steps at once, its channels last: the input's
// rows, their transform V, the products M, the output's rows. What they take stays in the cache.
#include "core/parallel.h"
#include "kernels/conv.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/columns.h"
#include "kernels/cpu/conv_bias.h"
#include "kernels/cpu/fetch.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/cpu/window.h"
#include "kernels/cpu/winograd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// to[(i cols + j) lanes + c] = image[c, y + i, x + j], 0 outside of the image; image is (channels, h, w).
template <class T>
void load_window(const T* image, int64_t channels, int64_t h, int64_t w, int64_t y, int64_t x, int64_t rows,
                 int64_t cols, T* to, int64_t lanes) {
  using V = vec<T>;
  constexpr int64_t L = V::size;
  const int64_t left = least(cols, most(0, -x)), from = most(0, x);
  for (int64_t i = 0; i < rows; ++i, ++y, to += cols * lanes) {
    const int64_t width = y < 0 || y >= h ? 0 : most(0, least(w - from, cols - left));
    fill(to, left * lanes, T(0));
    fill(to + (left + width) * lanes, (cols - left - width) * lanes, T(0));
    for (int64_t c = 0; c < channels && width > 0; c += L)
      for (int64_t j = 0; j < width; j += L) {
        V block[L];
        const int64_t columns = least(L, width - j);
        for (int64_t l = 0; l < L; ++l)
          block[l] = c + l < channels ? V::load(image + ((c + l) * h + y) * w + from + j, columns) : V(T(0));
        transpose(block);
        for (int64_t l = 0; l < columns; ++l) block[l].store(to + (left + j + l) * lanes + c);
      }
  }
}

// The same of an image (h, w, channels).
template <class T>
void load_window_channels_last(const T* image, int64_t channels, int64_t h, int64_t w, int64_t y, int64_t x,
                               int64_t rows, int64_t cols, T* to, int64_t lanes) {
  const int64_t left = least(cols, most(0, -x)), from = most(0, x);
  for (int64_t i = 0; i < rows; ++i, ++y, to += cols * lanes) {
    const int64_t width = y < 0 || y >= h ? 0 : most(0, least(w - from, cols - left));
    fill(to, left * lanes, T(0));
    fill(to + (left + width) * lanes, (cols - left - width) * lanes, T(0));
    const T* row = image + (y * w + from) * channels;
    if (channels == lanes) {
      copy(to + left * lanes, row, width * lanes);
      continue;
    }
    for (int64_t j = 0; j < width; ++j) {
      copy(to + (left + j) * lanes, row + j * channels, channels);
      fill(to + (left + j) * lanes + channels, lanes - channels, T(0));
    }
  }
}

constexpr int kTaps = kFilter * kFilter;

// Forward, and backward by data: that is a convolution of dy with the filters turned around.
template <class F>
class Winograd {
  using T = float;
  using V = vec<T>;
  static constexpr int64_t L = V::size;
  static constexpr int kIn = F::kIn, kOut = F::kOut, kPoints = F::kPoints;

 public:
  Winograd(const Conv2d& g, bool backward, void* workspace)
      : backward_(backward),
        channels_last_(g.channels_last),
        packed_(g.packed),
        activation_(backward ? Activation::None : g.activation),
        images_(g.n),
        in_h_(backward ? g.oh : g.h),
        in_w_(backward ? g.ow : g.w),
        out_h_(backward ? g.h : g.oh),
        out_w_(backward ? g.w : g.ow),
        pad_h_(backward ? kFilter - 1 - g.pad_h : g.pad_h),
        pad_w_(backward ? kFilter - 1 - g.pad_w : g.pad_w),
        in_(backward ? g.oc : g.c),
        out_(backward ? g.c : g.oc),
        in_lanes_(ceil_div(in_, L) * L),
        out_lanes_(ceil_div(out_, kTileCols<T>) * kTileCols<T>),
        tiles_x_(ceil_div(out_w_, kOut)),
        tiles_y_(ceil_div(out_h_, kOut)),
        row_(tiles_x_ * kOut + kFilter - 1),
        arena_{static_cast<char*>(workspace)} {
    // A block is a band of tiles of one image, or several whole images; where there are few blocks, each is cut along
    // the output's channels into parts, which transform the same input.
    const int64_t image_tiles = tiles_x_ * tiles_y_;
    const int64_t wanted = most(28, least(112, kBlockBytes / (kPoints * (in_lanes_ + out_lanes_) * kItem)));
    together_ = most(1, least(images_, wanted / image_tiles));
    band_ = together_ > 1 ? tiles_y_ : most(1, least(tiles_y_, wanted / tiles_x_));
    bands_ = ceil_div(tiles_y_, band_);
    band_ = ceil_div(tiles_y_, bands_);
    tiles_ = together_ * band_ * tiles_x_;
    const int64_t blocks = ceil_div(images_, together_) * bands_, panels = out_lanes_ / kTileCols<T>;
    parts_ = blocks >= 4 ? 1 : least(panels, ceil_div(4, blocks));
    part_ = ceil_div(panels, parts_) * kTileCols<T>;
    parts_ = ceil_div(out_lanes_, part_);
    items_ = blocks * parts_;
    grain_ = ceil_div(items_, 16);
    input_step_ = tiles_ * in_lanes_ + kOffset;
    product_step_ = tiles_ * part_ + kOffset;
    filter_step_ = in_ * out_lanes_ + kOffset;

    own_filters_ = arena_.take<T>(packed_ ? 0 : kPoints * filter_step_);
    Arena one{nullptr};
    take_slot(one);
    slot_bytes_ = one.used;
    slots_ = arena_.take<char>(slot_bytes_ * ceil_div(items_, grain_));
  }

  int64_t bytes() const { return arena_.used; }
  int64_t packed_bytes() const { return kPoints * filter_step_ * kItem; }

  // U[xi][c, k], in the panels that the matrix engine reads: columns by kTileCols, the rows of each one after another.
  // Backward the filters are turned around and the channels change sides. A few rows of a panel are made at a time:
  // written one by one to all the matrices, they would miss the cache each time.
  void pack(const T* weights, T* filters) const {
    const int64_t k_step = kTaps * (backward_ ? 1 : in_), c_step = kTaps * (backward_ ? out_ : 1);
    constexpr int64_t P = kTileCols<T>, R = 8;
    const int64_t blocks = ceil_div(in_, R);
    parallel_for(out_lanes_ / P * blocks, 1 << 3, [&](int64_t begin, int64_t end) {
      T rows[kPoints][R * P];
      for (int64_t i = begin; i < end; ++i) {
        const int64_t panel = i / blocks * P, first = i % blocks * R, count = least(R, in_ - first);
        if (first + R < in_) fetch_block(weights + panel * k_step + (first + R) * c_step, P, R);
        for (int64_t k = panel; k < panel + P; k += L)
          for (int64_t c = first; c < first + count; ++c) {
            V taps[kTaps];  // lanes are output channels
            each_column(weights + k * k_step + c * c_step, k_step, least(L, out_ - k), kTaps,
                        [&](int64_t tap, V x) { taps[tap] = x; });
            const int64_t at = (c - first) * P + k - panel;
            transform_tile<kFilter, kIn, V>(
                [](const auto& g, auto& u) { F::filter_transform(g, u); },
                [&](int u, int v) { return taps[backward_ ? kTaps - 1 - (u * kFilter + v) : u * kFilter + v]; },
                [&](int u, int v, V x) { x.store(rows[u * kIn + v] + at); });
          }
        for (int64_t xi = 0; xi < kPoints; ++xi)
          copy(filters + xi * filter_step_ + panel * in_ + first * P, rows[xi], count * P);
      }
    });
  }

  // The weights of some channels of the target and of the source.
  void fetch_block(const T* w, int64_t k_channels, int64_t c_channels) const {
    const int64_t rows = backward_ ? c_channels : k_channels, step = kTaps * (backward_ ? out_ : in_);
    const int64_t length = kTaps * (backward_ ? k_channels : c_channels), line = 64 / kItem;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < length; i += line) fetch(w + r * step + i);
  }

  void run(const T* source, const T* weights, const T* bias, T* target) const {
    if (!packed_) pack(weights, own_filters_);
    const T* filters = packed_ ? weights : own_filters_;
    parallel_for(items_, grain_, [&](int64_t begin, int64_t end) {
      Arena arena{slots_ + begin / grain_ * slot_bytes_};
      const Slot slot = take_slot(arena);
      for (int64_t item = begin; item < end; ++item) {
        const int64_t part = item % parts_ * part_, block = item / parts_;
        const int64_t image = block / bands_ * together_, images = least(together_, images_ - image);
        const int64_t first = block % bands_ * band_, rows = least(band_, tiles_y_ - first);
        for (int64_t i = 0; i < images; ++i) {
          load_rows(source + (image + i) * in_ * in_h_ * in_w_, first, rows, slot.rows);
          transform_input(slot, i * rows * tiles_x_, rows);
        }
        const Columns k{part, least(part_, out_ - part)};
        multiply(slot, images * rows * tiles_x_, filters, k);
        for (int64_t i = 0; i < images; ++i) {
          transform_output(slot, i * rows * tiles_x_, rows, k, bias ? bias + part : nullptr);
          store_rows(slot.rows, first, rows, k, target + (image + i) * out_ * out_h_ * out_w_);
        }
      }
    });
  }

 private:
  static constexpr int64_t kItem = sizeof(T), kBlockBytes = 8 << 20;
  static constexpr int64_t kOffset = 32;  // keeps the matrices of a kind apart in the cache's sets

  // Channels of the output that a part makes.
  struct Columns {
    int64_t first, count;
  };
  // One chunk's scratch.
  struct Slot {
    T* rows;      // (rows of a band and its neighbours, row, channels) of the input, then of the output
    T* input;     // V: (points, tiles, in_lanes)
    T* products;  // M: (points, tiles, part)
    void* workspace;
  };

  Slot take_slot(Arena& arena) const {
    Slot s;
    const int64_t rows = band_ * kOut;
    s.rows = arena.take<T>(most((rows + kFilter - 1) * row_ * in_lanes_, rows * tiles_x_ * kOut * part_));
    s.input = arena.take<T>(kPoints * input_step_);
    s.products = arena.take<T>(kPoints * product_step_);
    int64_t workspace = 0;
    for (int64_t i = 1; i <= together_; ++i)  // the last block may have fewer images, or a lower band
      for (int last = 0; last < 2; ++last) {
        const int64_t columns = last ? out_lanes_ - (parts_ - 1) * part_ : part_;
        workspace = most(workspace, gemm_workspace({product(i * band_ * tiles_x_, columns)}));
        workspace =
            most(workspace, gemm_workspace({product(i * (tiles_y_ - (bands_ - 1) * band_) * tiles_x_, columns)}));
      }
    s.workspace = arena.take<char>(workspace);
    return s;
  }

  // M[xi] of so many tiles and columns, but for its pointers.
  Gemm product(int64_t tiles, int64_t columns) const {
    Gemm p{};
    p.dtype = DType::Float32;
    p.m = tiles, p.n = columns, p.k = in_;
    p.a_row = in_lanes_, p.a_col = 1;
    p.b_row = out_lanes_, p.b_col = 1, p.b_packed = true;
    p.c_row = part_, p.c_col = 1;
    return p;
  }

  void multiply(const Slot& slot, int64_t tiles, const T* filters, Columns k) const {
    Gemm p = product(tiles, least(part_, out_lanes_ - k.first));
    for (int64_t xi = 0; xi < kPoints; ++xi) {
      p.a = slot.input + xi * input_step_;
      p.b = filters + xi * filter_step_ + k.first * in_;
      p.c = slot.products + xi * product_step_;
      gemm({p}, slot.workspace);
    }
  }

  // The padded input rows of tile rows [first, first + rows) of an image, channels last.
  void load_rows(const T* image, int64_t first, int64_t rows, T* to) const {
    const auto load = channels_last_ ? load_window_channels_last<T> : load_window<T>;
    load(image, in_, in_h_, in_w_, first * kOut - pad_h_, -pad_w_, rows * kOut + kFilter - 1, row_, to, in_lanes_);
  }

  // V of the tiles of an image's rows, from tile `at` on.
  void transform_input(const Slot& slot, int64_t at, int64_t rows) const {
    for (int64_t y = 0; y < rows; ++y)
      for (int64_t x = 0; x < tiles_x_; ++x, ++at)
        for (int64_t c = 0; c < in_lanes_; c += L) {
          const T* from = slot.rows + (y * kOut * row_ + x * kOut) * in_lanes_ + c;
          T* to = slot.input + at * in_lanes_ + c;
          transform_tile<kIn, kIn, V>([](const auto& a, auto& b) { F::input_transform(a, b); },
                                      [&](int i, int j) { return V::load(from + (i * row_ + j) * in_lanes_); },
                                      [&](int i, int j, V v) { v.store(to + (i * kIn + j) * input_step_); });
        }
  }

  // The part's channels of an image's rows, channels last, from tile `at` on.
  void transform_output(const Slot& slot, int64_t at, int64_t rows, Columns k, const T* bias) const {
    const int64_t width = tiles_x_ * kOut;
    for (int64_t y = 0; y < rows; ++y)
      for (int64_t x = 0; x < tiles_x_; ++x, ++at)
        for (int64_t c = 0; c < k.count; c += L) {
          const T* from = slot.products + at * part_ + c;
          T* to = slot.rows + (y * kOut * width + x * kOut) * part_ + c;
          const V b = bias ? V::load(bias + c, k.count - c) : V(T(0));
          transform_tile<kIn, kOut, V>(
              [](const auto& m, auto& z) { F::output_transform(m, z); },
              [&](int i, int j) { return V::load(from + (i * kIn + j) * product_step_); },
              [&](int i, int j, V v) { activated(activation_, v + b).store(to + (i * width + j) * part_); });
        }
  }

  // Those rows to their places in an image.
  void store_rows(const T* from, int64_t first, int64_t rows, Columns k, T* image) const {
    const int64_t width = tiles_x_ * kOut;
    const int64_t y = first * kOut, height = least(rows * kOut, out_h_ - y);
    if (channels_last_) {
      for (int64_t r = 0; r < height; ++r, from += width * part_)
        for (int64_t j = 0; j < out_w_; ++j)
          copy(image + ((y + r) * out_w_ + j) * out_ + k.first, from + j * part_, k.count);
      return;
    }
    for (int64_t r = 0; r < height; ++r, from += width * part_)
      for (int64_t c = 0; c < k.count; c += L)
        for (int64_t j = 0; j < out_w_; j += L) {
          V x[L];
          for (int64_t l = 0; l < L; ++l) x[l] = j + l < width ? V::load(from + (j + l) * part_ + c) : V(T(0));
          transpose(x);
          T* to = image + ((k.first + c) * out_h_ + y + r) * out_w_ + j;
          for (int64_t l = 0; l < least(L, k.count - c); ++l)
            x[l].store(to + l * out_h_ * out_w_, least(L, out_w_ - j));
        }
  }

  bool backward_, channels_last_, packed_;
  Activation activation_;
  int64_t images_, in_h_, in_w_, out_h_, out_w_, pad_h_, pad_w_;
  int64_t in_, out_, in_lanes_, out_lanes_;  // channels
  int64_t tiles_x_, tiles_y_, row_;          // of an image; columns of a padded row
  int64_t together_, bands_, band_, tiles_;  // images, bands of an image, rows and tiles in a block
  int64_t parts_, part_;                     // of the output's channels
  int64_t items_, grain_;
  int64_t input_step_, product_step_, filter_step_;  // from one point's matrix to the next
  T* own_filters_;                                   // where they don't come packed
  char* slots_;
  int64_t slot_bytes_;
  Arena arena_;
};

// The gradients of the filters and of the bias. With V the transformed input and D = A dy A^T,
//
//   dU[xi][c, k] = sum_tiles V[xi][tile, c] D[xi][tile, k],   dw[k, c] = G^T dU[., c, k] G.
//
// The tiles go by in blocks: first all of a block's rows are transformed, then its products are added, each by one
// thread, so that no sum depends on the threads.
template <class F>
class WinogradGradient {
  using T = float;
  using V = vec<T>;
  static constexpr int64_t L = V::size;
  static constexpr int kIn = F::kIn, kOut = F::kOut, kPoints = F::kPoints;

 public:
  WinogradGradient(const Conv2d& g, void* workspace)
      : g_(g),
        in_lanes_(ceil_div(g.c, L) * L),
        out_lanes_(ceil_div(g.oc, L) * L),
        tiles_x_(ceil_div(g.ow, kOut)),
        tiles_y_(ceil_div(g.oh, kOut)),
        arena_{static_cast<char*>(workspace)} {
    constexpr int64_t item = sizeof(T), offset = 32;  // as in Winograd
    // Every block reads and writes dU: the larger that is, the fewer blocks.
    const int64_t block_bytes = most(4 << 20, kPoints * g.c * out_lanes_ * item);
    rows_ = least(g.n * tiles_y_, most(1, block_bytes / (kPoints * (in_lanes_ + out_lanes_) * tiles_x_ * item)));
    grain_ = ceil_div(rows_, 16);
    x_step_ = rows_ * tiles_x_ * in_lanes_ + offset;
    dy_step_ = rows_ * tiles_x_ * out_lanes_ + offset;
    du_step_ = g.c * out_lanes_ + offset;
    x_ = arena_.take<T>(kPoints * x_step_);
    dy_ = arena_.take<T>(kPoints * dy_step_);
    du_ = arena_.take<T>(kPoints * du_step_);
    slot_ = most((kOut + kFilter - 1) * row() * in_lanes_, kOut * kOut * tiles_x_ * out_lanes_);
    slots_ = arena_.take<T>(slot_ * ceil_div(rows_, grain_));
    scratch_ = most(gemm_workspace({product(rows_)}), gemm_workspace({product((g.n * tiles_y_ - 1) % rows_ + 1)}));
    scratches_ = arena_.take<char>(scratch_ * ceil_div(kPoints, kProducts));
  }

  int64_t bytes() const { return arena_.used; }

  void backward_weight(const T* x, const T* dy, T* dw, T* db) {
    const int64_t all = g_.n * tiles_y_;
    for (int64_t first = 0; first < all; first += rows_) {
      const int64_t rows = least(rows_, all - first);
      parallel_for(rows, grain_, [&](int64_t begin, int64_t end) {
        T* slot = slots_ + begin / grain_ * slot_;
        for (int64_t i = begin; i < end; ++i) {
          const int64_t image = (first + i) / tiles_y_, y = (first + i) % tiles_y_ * kOut;
          transform_x(x + image * g_.c * g_.h * g_.w, y, i * tiles_x_, slot);
          transform_dy(dy + image * g_.oc * g_.oh * g_.ow, y, i * tiles_x_, slot);
        }
      });
      parallel_for(kPoints, kProducts, [&](int64_t begin, int64_t end) {
        Gemm p = product(rows);
        p.beta = first > 0;
        for (int64_t xi = begin; xi < end; ++xi) {
          p.a = x_ + xi * x_step_;
          p.b = dy_ + xi * dy_step_;
          p.c = du_ + xi * du_step_;
          gemm({p}, scratches_ + begin / kProducts * scratch_);
        }
      });
    }
    transform_back(dw);
    if (!db) return;
    if (g_.channels_last)
      bias_gradient_channels_last(dy, g_.n * g_.oh * g_.ow, g_.oc, db);
    else
      bias_gradient(dy, g_.n, g_.oc, g_.oh * g_.ow, db);
  }

 private:
  static constexpr int64_t kProducts = (kPoints + 11) / 12;  // that share scratch

  int64_t row() const { return tiles_x_ * kOut + kFilter - 1; }

  Gemm product(int64_t rows) const {
    Gemm p{};
    p.dtype = DType::Float32;
    p.m = g_.c, p.n = g_.oc, p.k = rows * tiles_x_;
    p.a_row = 1, p.a_col = in_lanes_;
    p.b_row = out_lanes_, p.b_col = 1;
    p.c_row = out_lanes_, p.c_col = 1;
    return p;
  }

  // V and D of one row of tiles, from tile `at` on.
  void transform_x(const T* image, int64_t y, int64_t at, T* slot) const {
    const auto load = g_.channels_last ? load_window_channels_last<T> : load_window<T>;
    load(image, g_.c, g_.h, g_.w, y - g_.pad_h, -g_.pad_w, kOut + kFilter - 1, row(), slot, in_lanes_);
    for (int64_t t = 0; t < tiles_x_; ++t)
      for (int64_t c = 0; c < in_lanes_; c += L) {
        const T* from = slot + t * kOut * in_lanes_ + c;
        T* to = x_ + (at + t) * in_lanes_ + c;
        transform_tile<kIn, kIn, V>([](const auto& a, auto& b) { F::input_transform(a, b); },
                                    [&](int i, int j) { return V::load(from + (i * row() + j) * in_lanes_); },
                                    [&](int i, int j, V v) { v.store(to + (i * kIn + j) * x_step_); });
      }
  }
  void transform_dy(const T* image, int64_t y, int64_t at, T* slot) const {
    const int64_t width = tiles_x_ * kOut;
    const auto load = g_.channels_last ? load_window_channels_last<T> : load_window<T>;
    load(image, g_.oc, g_.oh, g_.ow, y, 0, kOut, width, slot, out_lanes_);
    for (int64_t t = 0; t < tiles_x_; ++t)
      for (int64_t k = 0; k < out_lanes_; k += L) {
        const T* from = slot + t * kOut * out_lanes_ + k;
        T* to = dy_ + (at + t) * out_lanes_ + k;
        transform_tile<kOut, kIn, V>([](const auto& a, auto& b) { F::output_adjoint(a, b); },
                                     [&](int i, int j) { return V::load(from + (i * width + j) * out_lanes_); },
                                     [&](int i, int j, V v) { v.store(to + (i * kIn + j) * dy_step_); });
      }
  }

  void transform_back(T* dw) const {
    constexpr int64_t R = 8 * L;  // columns at a time: neighbours, for the cache
    parallel_for(ceil_div(out_lanes_, R) * g_.c, 1 << 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i / g_.c * R, c = i % g_.c;
        for (int64_t k = first; k < least(first + R, out_lanes_); k += L) {
          const T* from = du_ + c * out_lanes_ + k;
          V taps[kTaps];
          transform_tile<kIn, kFilter, V>([](const auto& a, auto& b) { F::filter_adjoint(a, b); },
                                          [&](int u, int v) { return V::load(from + (u * kIn + v) * du_step_); },
                                          [&](int u, int v, V x) { taps[u * kFilter + v] = x; });
          store_columns(dw + (k * g_.c + c) * kTaps, g_.c * kTaps, g_.oc - k, kTaps, false,
                        [&](int64_t tap) { return taps[tap]; });
        }
      }
    });
  }

  const Conv2d& g_;
  int64_t in_lanes_, out_lanes_, tiles_x_, tiles_y_;
  int64_t rows_, grain_;                // rows of tiles in a block, and in a thread's chunk
  int64_t x_step_, dy_step_, du_step_;  // from one point's matrix to the next
  T *x_, *dy_, *du_;                    // V: (points, tiles, in_lanes), D: (points, tiles, out_lanes), dU
  T* slots_;
  int64_t slot_;
  char* scratches_;
  int64_t scratch_;
  Arena arena_;
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
