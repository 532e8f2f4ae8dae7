#pragma once
// A sliding window, brought to the form in which every tap is a run of neighbouring elements.
//
// Along one axis, tap k of output o reads the padded input at o s + k d. Cut the padded input into its phases, the
// elements q s + f of each remainder f: then tap k lies in phase f = k d mod s, at q = o + floor(k d / s), next to the
// same tap of the next output. That holds for any stride and dilation, so kernels need only loops of step 1.
#include "kernels/cpu/bounds.h"
#include "kernels/cpu/pairs.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

DLCORE_INLINE int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    const int64_t r = a % b;
    a = b;
    b = r;
  }
  return a;
}

struct Axis {
  int64_t in, out, taps, stride, dilation, pad;
  int64_t period;  // taps k and k + period share a phase

  Axis(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t dilation, int64_t pad)
      : in(in),
        out(out),
        taps(taps),
        stride(stride),
        dilation(dilation),
        pad(pad),
        period(stride / gcd(dilation, stride)) {}

  // Phases that some tap reads, numbered by the first tap that does.
  int64_t phases() const { return least(taps, period); }
  int64_t phase_of(int64_t tap) const { return tap % period; }
  int64_t taps_of(int64_t phase) const { return ceil_div(taps - phase, period); }
  int64_t remainder(int64_t phase) const { return phase * dilation % stride; }
  // Distance of a tap in its phase from the output's own place.
  int64_t shift(int64_t tap) const { return tap * dilation / stride; }
  int64_t max_shift() const { return shift(taps - 1); }
  // Where the element at q of a phase is in the input; outside [0, in) it is padding.
  int64_t input(int64_t phase, int64_t q) const { return q * stride + remainder(phase) - pad; }

  // The q in [from, to) of the first `length` of a phase whose input exists; that of `from` is at `start`.
  struct Span {
    int64_t from, to, start;
  };
  Span span(int64_t phase, int64_t length) const {
    const int64_t first = pad - remainder(phase), end = in + first;  // first <= q stride < end
    const int64_t from = least(first > 0 ? ceil_div(first, stride) : 0, length);
    const int64_t to = most(from, least(end > 0 ? ceil_div(end, stride) : 0, length));
    return {from, to, from * stride - first};
  }
  // Inputs that the first `length` elements of all phases do not cover: none tap reads them, or they lie behind.
  bool covers_input(int64_t length) const { return phases() == stride && length * stride - pad >= in; }
};

// An axis that is only padded, by `pad` elements in front.
DLCORE_INLINE Axis plain_axis(int64_t n, int64_t pad = 0) { return {n, n + pad, 1, 1, 1, pad}; }

// Where tap (u, v) of the output at position p = i wq + j is in a block of the input (load_block): at p + offsets[u kw
// + v].
DLCORE_INLINE void place_taps(const Axis& h, const Axis& w, int64_t hq, int64_t wq, int64_t* offsets) {
  for (int64_t u = 0; u < h.taps; ++u)
    for (int64_t v = 0; v < w.taps; ++v)
      *offsets++ = ((h.phase_of(u) * w.phases() + w.phase_of(v)) * hq + h.shift(u)) * wq + w.shift(v);
}

// The other way: where the outputs are that read the element at position p of a phase of the input, in a block of
// outputs that is padded in front by the largest shifts: output of tap taps[i] at p + offsets[i], phase after phase.
DLCORE_INLINE void place_outputs(const Axis& h, const Axis& w, int64_t wq, int64_t* offsets, int64_t* taps) {
  for (int64_t y = 0; y < h.phases(); ++y)
    for (int64_t x = 0; x < w.phases(); ++x)
      for (int64_t u = y; u < h.taps; u += h.period)
        for (int64_t v = x; v < w.taps; v += w.period) {
          *offsets++ = (h.max_shift() - h.shift(u)) * wq + w.max_shift() - w.shift(v);
          *taps++ = u * w.taps + v;
        }
}

// In a loop that fills or copies a row, which has a few vectors: a call of memset or memmove would take longer.
DLCORE_INLINE void keep_loop() { asm volatile(""); }

template <class T>
DLCORE_INLINE void fill(T* y, int64_t n, T value) {
  using V = vec<T>;
  if (n < V::size) {
    if (n > 0) V(value).store(y, n);
    return;
  }
  for (int64_t i = 0; i < n - V::size; i += V::size) {
    V(value).store(y + i);
    keep_loop();
  }
  V(value).store(y + n - V::size);
}

// The last vector may overlap the one before it.
template <class T>
DLCORE_INLINE void copy(T* y, const T* x, int64_t n) {
  using V = vec<T>;
  if (n < V::size) {
    if (n > 0) V::load(x, n).store(y, n);
    return;
  }
  for (int64_t i = 0; i < n - V::size; i += V::size) {
    V::load(x + i).store(y + i);
    keep_loop();
  }
  V::load(x + n - V::size).store(y + n - V::size);
}

// y[i] = x[i stride]
template <class T>
DLCORE_INLINE void gather(T* __restrict y, const T* __restrict x, int64_t stride, int64_t n) {
  if (stride == 1) return copy(y, x, n);
  if (stride == 2) return take_even(y, x, n);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i * stride];
}

// y[i stride] = x[i]
template <class T>
DLCORE_INLINE void scatter(T* __restrict y, const T* __restrict x, int64_t stride, int64_t n) {
  if (stride == 1) return copy(y, x, n);
  for (int64_t i = 0; i < n; ++i) y[i * stride] = x[i];
}

// A block of an image (channels, h.in, w.in): rows q ... q + hq - 1 of every phase,
//   block[c plane + ((phase of h) (phases of w) + (phase of w)) hq wq + row wq + column],
// with `padding` for elements that are not there, and behind the last phase.
template <class T>
void load_block(const Axis& h, const Axis& w, const T* image, int64_t channels, int64_t q, int64_t hq, int64_t wq,
                T padding, T* block, int64_t plane) {
  const int64_t phases = h.phases() * w.phases();
  for (int64_t c = 0; c < channels; ++c) fill(block + c * plane + phases * hq * wq, plane - phases * hq * wq, padding);
  for (int64_t x = 0; x < w.phases(); ++x) {
    const Axis::Span s = w.span(x, wq);
    const bool whole = s.to - s.from == wq && wq == w.in && w.stride == 1 && h.stride == 1;  // rows without gaps
    for (int64_t y = 0; y < h.phases(); ++y) {
      for (int64_t c = 0; c < channels; ++c) {
        T* to = block + c * plane + (y * w.phases() + x) * hq * wq;
        int64_t row = h.input(y, q);
        for (int64_t i = 0; i < hq; ++i, row += h.stride, to += wq) {
          if (row < 0 || row >= h.in) {
            fill(to, wq, padding);
            continue;
          }
          if (whole) {
            const int64_t rows = least(hq - i, h.in - row);
            copy(to, image + (c * h.in + row) * wq, rows * wq);
            i += rows - 1, row += rows - 1, to += (rows - 1) * wq;
            continue;
          }
          fill(to, s.from, padding);
          gather(to + s.from, image + (c * h.in + row) * w.in + s.start, w.stride, s.to - s.from);
          fill(to + s.to, wq - s.to, padding);
        }
      }
    }
  }
}

// store_block for two phases of columns, whose elements take turns.
template <class T>
void store_pairs(const Axis& h, const Axis& w, const T* block, int64_t plane, int64_t phase_step, int64_t channels,
                 int64_t q, int64_t rows, int64_t wq, T* image) {
  const Axis::Span even = w.span(0, wq), odd = w.span(1, wq);
  const int64_t from = most(even.from, odd.from), to = least(even.to, odd.to);
  for (int64_t y = 0; y < h.phases(); ++y) {
    for (int64_t c = 0; c < channels; ++c) {
      const T* __restrict a = block + c * plane + y * 2 * phase_step;
      const T* __restrict b = a + phase_step;
      int64_t row = h.input(y, q);
      for (int64_t i = 0; i < rows; ++i, row += h.stride, a += wq, b += wq) {
        if (row < 0 || row >= h.in) continue;
        T* x = image + (c * h.in + row) * w.in;
        if (even.from < from) x[even.start] = a[even.from];
        if (odd.from < from) x[odd.start] = b[odd.from];
        if (to > from) put_together(x + w.input(0, from), a + from, b + from, to - from);
        if (even.to > to) x[w.input(0, to)] = a[to];
        if (odd.to > to) x[w.input(1, to)] = b[to];
      }
    }
  }
}

// The way back, from block[c plane + ((phase of h) (phases of w) + (phase of w)) phase_step + row wq + column]: rows
// q ... q + rows - 1 of every phase go to their places in the image; elements there that no tap reads become 0.
template <class T>
void store_block(const Axis& h, const Axis& w, const T* block, int64_t plane, int64_t phase_step, int64_t channels,
                 int64_t q, int64_t rows, int64_t wq, T* image) {
  if (!w.covers_input(wq) || !h.covers_input(h.in + h.pad)) {
    const int64_t from = most(0, q * h.stride - h.pad), to = least(h.in, (q + rows) * h.stride - h.pad);
    for (int64_t c = 0; c < channels; ++c) fill(image + (c * h.in + from) * w.in, (to - from) * w.in, T(0));
  }
  if (w.stride == 2 && w.phases() == 2)
    return store_pairs(h, w, block, plane, phase_step, channels, q, rows, wq, image);
  for (int64_t x = 0; x < w.phases(); ++x) {
    const Axis::Span s = w.span(x, wq);
    if (s.from == s.to) continue;
    for (int64_t y = 0; y < h.phases(); ++y) {
      const int64_t first = h.input(y, q);
      for (int64_t c = 0; c < channels; ++c) {
        const T* from = block + c * plane + (y * w.phases() + x) * phase_step;
        int64_t row = first;
        for (int64_t i = 0; i < rows; ++i, row += h.stride, from += wq)
          if (row >= 0 && row < h.in)
            scatter(image + (c * h.in + row) * w.in + s.start, from + s.from, w.stride, s.to - s.from);
      }
    }
  }
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
