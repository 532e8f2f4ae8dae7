#pragma once
// Depthwise convolutions (one filter a channel) of images whose channels lie last: with w turned to (kh, kw, c), each
// pass is a loop over vectors of channels.
//
//   forward          y[p, c]     = b[c] + sum_{u, v} x[at(p) + (u, v), c] w[u, v, c]
//   backward_data    dx[p, c]    =        sum_{u, v} dy[at(p) - (u, v), c] w[u, v, c]
//   backward_weight  dw[u, v, c] = sum_p x[at(p) + (u, v), c] dy[p, c]
//
// Several neighbouring positions share what they read.
#include "core/parallel.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/columns.h"
#include "kernels/cpu/conv_sweep.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int kTogether = 4;  // positions
// Images that come from far away: with stride 2, where little is computed of what is read, a loop fetches what it reads
// next, but for the first row of taps, which the row of results before has read.
constexpr int64_t kFarBytes = int64_t{1} << 22;

DLCORE_INLINE bool is_far(const Conv2d& g) { return g.n * g.h * g.w * g.c * item_size(g.dtype) > kFarBytes; }

template <int Count, class T>
DLCORE_INLINE void fetch(const T* x, int64_t step) {
#pragma GCC unroll 16
  for (int p = 0; p < Count; ++p) __builtin_prefetch(x + p * step);
}

// Some rows and columns of taps at one position (or at several): pixels of the source, and of the filter.
template <class T>
struct DepthwiseTaps {
  const T *x, *w;                      // of the first tap
  int64_t rows, cols;                  // taps
  int64_t x_row, x_col, w_row, w_col;  // elements from one to the next
  int64_t c;
  Activation activation;
  bool far, past;  // the source comes from far away; the results are streamed
};

// y[j] = b + sum of the taps, for Count neighbouring positions that are Step columns apart, with Cols columns of taps.
template <class T, int Count, int Cols, int Step>
void depthwise_positions(const DepthwiseTaps<T>& t, const T* bias, T* y, int64_t y_step) {
  using V = vec<T>;
  for (int64_t c = 0; c < t.c; c += V::size) {
    const int64_t lanes = t.c - c;
    V sum[Count];
    for (V& s : sum) s = bias ? V::load(bias + c, lanes) : V(T(0));
    for (int64_t u = 0; u < t.rows; ++u) {
      const T *x = t.x + u * t.x_row + c, *w = t.w + u * t.w_row + c;
      V filter[Cols];
#pragma GCC unroll 8
      for (int v = 0; v < Cols; ++v) filter[v] = V::load(w + v * t.w_col, lanes);
      if constexpr (Step == 2)
        if (t.far && u > 0) fetch<Count * Step>(x + Count * Step * t.c, t.c);
#pragma GCC unroll 16
      for (int p = 0; p < (Count - 1) * Step + Cols; ++p) {
        const V value = V::load(x + p * t.c, lanes);
#pragma GCC unroll 8
        for (int j = 0; j < Count; ++j)
          if (p - j * Step >= 0 && p - j * Step < Cols) sum[j] = fma(value, filter[p - j * Step], sum[j]);
      }
    }
    activate(t.activation, [&](const auto& f) {
      for (V& s : sum) f(s);
    });
    for (int j = 0; j < Count; ++j)
      t.past ? stream(y + j * y_step + c, sum[j]) : sum[j].store(y + j * y_step + c, lanes);
  }
}

// The same for one position and any taps.
template <class T>
void depthwise_position(const DepthwiseTaps<T>& t, const T* bias, T* y) {
  using V = vec<T>;
  for (int64_t c = 0; c < t.c; c += V::size) {
    const int64_t lanes = t.c - c;
    V sum = bias ? V::load(bias + c, lanes) : V(T(0));
    for (int64_t u = 0; u < t.rows; ++u)
      for (int64_t v = 0; v < t.cols; ++v)
        sum = fma(V::load(t.x + u * t.x_row + v * t.x_col + c, lanes),
                  V::load(t.w + u * t.w_row + v * t.w_col + c, lanes), sum);
    sum = activated(t.activation, sum);
    t.past ? stream(y + c, sum) : sum.store(y + c, lanes);
  }
}

template <class T>
using DepthwiseFn = void (*)(const DepthwiseTaps<T>&, const T*, T*, int64_t);

// The loop for kTogether positions, where there is one.
template <class T>
DepthwiseFn<T> depthwise_fn(const Sweep& w) {
  if (w.gap != 1) return nullptr;
  if (w.step == 1)
    return w.taps == 1   ? depthwise_positions<T, kTogether, 1, 1>
           : w.taps == 2 ? depthwise_positions<T, kTogether, 2, 1>
           : w.taps == 3 ? depthwise_positions<T, kTogether, 3, 1>
           : w.taps == 5 ? depthwise_positions<T, kTogether, 5, 1>
                         : nullptr;
  return w.step != 2   ? nullptr
         : w.taps == 3 ? depthwise_positions<T, kTogether, 3, 2>
         : w.taps == 5 ? depthwise_positions<T, kTogether, 5, 2>
                       : nullptr;
}

// ---- forward and backward by data

template <class T>
class Depthwise {
 public:
  Depthwise(const Conv2d& g, bool backward, void* workspace)
      : g_(g),
        backward_(backward),
        h_(g.h, g.oh, g.kh, g.stride_h, g.dilation_h, g.pad_h),
        w_(g.w, g.ow, g.kw, g.stride_w, g.dilation_w, g.pad_w),
        own_filters_(static_cast<T*>(workspace)) {}

  int64_t bytes() const { return g_.packed ? 0 : packed_bytes(); }
  int64_t packed_bytes() const { return g_.kh * g_.kw * g_.c * static_cast<int64_t>(sizeof(T)); }

  void pack(const T* weights, T* filters) const {
    const int64_t taps = g_.kh * g_.kw;
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t c = 0; c < g_.c; ++c) *filters++ = weights[c * taps + tap];
  }

  void run(const T* source, const T* weights, const T* bias, T* target) {
    if (!g_.packed) pack(weights, own_filters_);
    filters_ = g_.packed ? weights : own_filters_;
    past_ = whole_vectors(target, g_.c) &&
            streams(g_.n * g_.c * (backward_ ? g_.h * g_.w : g_.oh * g_.ow) * int64_t{sizeof(T)});
    const int64_t taps = g_.kh * g_.kw, height = backward_ ? g_.h : g_.oh;
    const int64_t work = (backward_ ? g_.w : g_.ow) * g_.c * ceil_div(taps, backward_ ? g_.stride_h * g_.stride_w : 1);
    parallel_for(g_.n * height, most(1, (1 << 17) / work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) row(source, i / height, i % height, bias, target);
      if (past_) stream_fence();
    });
  }

 private:
  // Row y of an image of the target.
  void row(const T* source, int64_t image, int64_t y, const T* bias, T* target) const {
    if (!backward_) return part_of_row(forward_sweep(h_), y, forward_sweep(w_), source, image, y, bias, target);
    const int64_t padded = y + h_.pad;
    const Sweep h = backward_sweep(h_, padded % h_.stride);
    for (int64_t phase = 0; phase < w_.stride; ++phase) {
      const Sweep w = backward_sweep(w_, phase);
      part_of_row(h, padded / h_.stride, w, source, image, y, bias, target);
    }
  }

  // The positions of a sweep over the row; q is the row's own position in h.
  void part_of_row(const Sweep& h, int64_t q, const Sweep& w, const T* source, int64_t image, int64_t y, const T* bias,
                   T* target) const {
    const int64_t c = g_.c, height = backward_ ? g_.h : g_.oh, width = backward_ ? g_.w : g_.ow;
    const Range u = w.taps ? taps_inside(h, q) : Range{0, 0};
    source += (image * h.in + h.source(q) + u.from * h.gap) * w.in * c;
    target += (image * height + y) * width * c;
    const T* filter = filters_ + (h.tap_first + u.from * h.tap_step) * g_.kw * c;
    const Activation act = backward_ ? Activation::None : g_.activation;
    DepthwiseTaps<T> t{
        nullptr, nullptr, u.to - u.from, 0,    h.gap * w.in * c, w.gap * c, h.tap_step * g_.kw * c, w.tap_step * c,
        c,       act,     is_far(g_),    past_};
    const auto at = [&](int64_t j) { return target + ((w.first + j) * w.out_step + w.out_first) * c; };
    const auto one = [&](int64_t j) {
      const Range v = taps_inside(w, w.first + j);
      t.cols = v.to - v.from;
      t.x = source + (w.source(w.first + j) + v.from * w.gap) * c;
      t.w = filter + (w.tap_first + v.from * w.tap_step) * c;
      depthwise_position(t, bias, at(j));
    };
    const DepthwiseFn<T> several = depthwise_fn<T>(w);
    const Range inside = positions_inside(w);
    int64_t j = 0;
    for (; j < inside.from; ++j) one(j);
    // The last of them may overlap those before: the same values are written twice.
    for (; several && inside.to - inside.from >= kTogether && j < inside.to; j += kTogether) {
      j = least(j, inside.to - kTogether);
      t.x = source + w.source(w.first + j) * c;
      t.w = filter + w.tap_first * c;
      several(t, bias, at(j), w.out_step * c);
    }
    for (; j < w.count; ++j) one(j);
  }

  const Conv2d& g_;
  bool backward_;
  Axis h_, w_;
  T* own_filters_;              // where they don't come packed
  const T* filters_ = nullptr;  // (kh, kw, c)
  bool past_ = false;
};

// ---- backward by weight, and the gradient of the bias

// dw (3, 3, c) += the products of kTogether neighbouring positions, Step columns apart.
template <class T, int Step>
void depthwise_gradient_3x3(const T* x, int64_t row, const T* dy, int64_t c_all, bool far, T* dw) {
  using V = vec<T>;
  for (int64_t c = 0; c < c_all; c += V::size) {
    const int64_t lanes = c_all - c;
    V d[kTogether];
#pragma GCC unroll 8
    for (int j = 0; j < kTogether; ++j) d[j] = V::load(dy + j * c_all + c, lanes);
    if constexpr (Step == 2)
      if (far) fetch<kTogether>(dy + kTogether * c_all + c, c_all);
#pragma GCC unroll 4
    for (int u = 0; u < 3; ++u) {
      V sum[3];
#pragma GCC unroll 4
      for (int v = 0; v < 3; ++v) sum[v] = V::load(dw + (u * 3 + v) * c_all + c, lanes);
      if constexpr (Step == 2)
        if (far && u > 0) fetch<kTogether * Step>(x + u * row + kTogether * Step * c_all + c, c_all);
#pragma GCC unroll 16
      for (int p = 0; p < (kTogether - 1) * Step + 3; ++p) {
        const V value = V::load(x + u * row + p * c_all + c, lanes);
#pragma GCC unroll 8
        for (int j = 0; j < kTogether; ++j)
          if (p - j * Step >= 0 && p - j * Step < 3) sum[p - j * Step] = fma(value, d[j], sum[p - j * Step]);
      }
#pragma GCC unroll 4
      for (int v = 0; v < 3; ++v) sum[v].store(dw + (u * 3 + v) * c_all + c, lanes);
    }
  }
}

template <class T>
class DepthwiseGradient {
  using V = vec<T>;

 public:
  DepthwiseGradient(const Conv2d& g, void* workspace)
      : g_(g),
        h_(forward_sweep({g.h, g.oh, g.kh, g.stride_h, g.dilation_h, g.pad_h})),
        w_(forward_sweep({g.w, g.ow, g.kw, g.stride_w, g.dilation_w, g.pad_w})),
        partial_((g.kh * g.kw + 1) * g.c),
        arena_{static_cast<char*>(workspace)} {
    const int64_t rows = g.n * g.oh, row_work = g.ow * g.c * g.kh * g.kw;
    grain_ = most(ceil_div(rows, 16), (1 << 17) / row_work);
    grain_ = most(1, grain_);
    chunks_ = ceil_div(rows, grain_);
    partials_ = arena_.take<T>(chunks_ * partial_);
  }

  int64_t bytes() const { return arena_.used; }

  void backward_weight(const T* x, const T* dy, T* dw, T* db) {
    parallel_for(g_.n * g_.oh, grain_, [&](int64_t begin, int64_t end) {
      T* partial = partials_ + begin / grain_ * partial_;
      fill(partial, partial_, T(0));
      for (int64_t i = begin; i < end; ++i) add_row(x, dy + i * g_.ow * g_.c, i / g_.oh, i % g_.oh, partial);
    });
    const int64_t taps = g_.kh * g_.kw, vectors = ceil_div(g_.c, V::size);
    parallel_for(vectors, most(1, (1 << 14) / (chunks_ * taps * V::size)), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin * V::size; c < least(end * V::size, g_.c); c += V::size) store(c, taps, dw, db);
    });
  }

 private:
  void add_row(const T* x, const T* dy, int64_t image, int64_t i, T* partial) const {
    const int64_t c = g_.c, row = g_.w * c;
    const Range u = taps_inside(h_, i), inside = positions_inside(w_);
    x += (image * g_.h + h_.source(i)) * row;
    const bool three = g_.kh == 3 && g_.kw == 3 && h_.gap == 1 && w_.gap == 1 && u.to - u.from == 3;
    const auto several = !three         ? nullptr
                         : w_.step == 1 ? depthwise_gradient_3x3<T, 1>
                         : w_.step == 2 ? depthwise_gradient_3x3<T, 2>
                                        : nullptr;
    int64_t j = 0;
    for (; j < inside.from; ++j) add_position(x, dy + j * c, u, j, partial);
    for (; several && j + kTogether <= inside.to; j += kTogether)
      several(x + w_.source(j) * c, row, dy + j * c, c, is_far(g_), partial);
    for (; j < g_.ow; ++j) add_position(x, dy + j * c, u, j, partial);
    T* sums = partial + g_.kh * g_.kw * c;
    for (j = 0; j < g_.ow; ++j, dy += c)
      for (int64_t k = 0; k < c; k += V::size)
        (V::load(sums + k, c - k) + V::load(dy + k, c - k)).store(sums + k, c - k);
  }

  // A vector of channels of dw (c, kh, kw) and db, from the sums of the chunks.
  void store(int64_t c, int64_t taps, T* dw, T* db) const {
    const int64_t channels = least(V::size, g_.c - c);
    const auto sum = [&](int64_t tap) {
      const T* from = partials_ + tap * g_.c + c;
      V s = V::load(from, channels);
      for (int64_t chunk = 1; chunk < chunks_; ++chunk) s += V::load(from + chunk * partial_, channels);
      return s;
    };
    store_columns(dw + c * taps, taps, channels, taps, false, sum);
    if (db) sum(taps).store(db + c, channels);
  }

  void add_position(const T* x, const T* dy, Range u, int64_t j, T* partial) const {
    const int64_t c = g_.c;
    const Range v = taps_inside(w_, j);
    for (int64_t a = u.from; a < u.to; ++a)
      for (int64_t b = v.from; b < v.to; ++b) {
        const T* from = x + a * h_.gap * g_.w * c + (w_.source(j) + b * w_.gap) * c;
        T* to = partial + (a * g_.kw + b) * c;
        for (int64_t k = 0; k < c; k += V::size)
          fma(V::load(from + k, c - k), V::load(dy + k, c - k), V::load(to + k, c - k)).store(to + k, c - k);
      }
  }

  const Conv2d& g_;
  Sweep h_, w_;
  int64_t partial_, grain_, chunks_;
  T* partials_;  // (chunks, kh kw + 1, c)
  Arena arena_;
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
