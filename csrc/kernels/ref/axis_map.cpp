#include "kernels/ref/axis_map.h"

#include <algorithm>

namespace dlcore::kernel::ref {
namespace {

// use(target, source, tap, weight) for every entry of every target; both are places in the whole tensor.
template <class F>
void each_entry(const Image& g, int64_t taps_h, int64_t taps_w, const F& use) {
  for (int64_t n = 0; n < g.outer; ++n)
    for (int64_t i = 0; i < g.d.out; ++i)
      for (int64_t j = 0; j < g.h.out; ++j)
        for (int64_t k = 0; k < g.w.out; ++k)
          for (int64_t a = g.d.start[i]; a < g.d.start[i + 1]; ++a)
            for (int64_t b = g.h.start[j]; b < g.h.start[j + 1]; ++b)
              for (int64_t e = g.w.start[k]; e < g.w.start[k + 1]; ++e)
                for (int64_t c = 0; c < g.inner; ++c) {
                  const int64_t target = (((n * g.d.out + i) * g.h.out + j) * g.w.out + k) * g.inner + c;
                  const int64_t place = (g.d.place[a] * g.h.in + g.h.place[b]) * g.w.in + g.w.place[e];
                  const int64_t source = (n * g.d.in * g.h.in * g.w.in + place) * g.inner + c;
                  use(target, source, (g.d.tap[a] * taps_h + g.h.tap[b]) * taps_w + g.w.tap[e],
                      g.d.weight[a] * g.h.weight[b] * g.w.weight[e]);
                }
}

int64_t targets(const Image& g) { return g.outer * g.d.out * g.h.out * g.w.out * g.inner; }
int64_t sources(const Image& g) { return g.outer * g.d.in * g.h.in * g.w.in * g.inner; }

template <class F>
void typed(DType dtype, const F& f) {
  if (dtype == DType::Float64) return f(double{});
  if (dtype == DType::Int64) return f(int64_t{});
  f(float{});
}

}  // namespace

void resample(const Image& g, const void* x, void* y) {
  typed(g.dtype, [&]<class T>(T) {
    T* to = static_cast<T*>(y);
    std::fill(to, to + targets(g), T(0));
    each_entry(g, 1, 1, [&](int64_t o, int64_t i, int64_t, double weight) {
      to[o] = static_cast<T>(static_cast<double>(to[o]) + weight * static_cast<double>(static_cast<const T*>(x)[i]));
    });
  });
}

void max_windows(const MaxWindows& m, const void* x, void* y, int64_t* argmax, int64_t* place) {
  const Image& g = m.image;
  typed(g.dtype, [&]<class T>(T) {
    T* to = static_cast<T*>(y);
    std::fill(argmax, argmax + targets(g), -1);
    each_entry(g, m.taps_h, m.taps_w, [&](int64_t o, int64_t i, int64_t tap, double) {
      const T v = static_cast<const T*>(x)[i];
      if (argmax[o] >= 0 && !(v > to[o]) && v == v) return;
      to[o] = v;
      argmax[o] = tap;
      place[o] = i / g.inner % (g.d.in * g.h.in * g.w.in);
    });
  });
}

void max_windows_backward(const MaxWindows& m, const void* dy, const int64_t* place, void* dx) {
  const Image& g = m.image;
  const int64_t image = g.d.in * g.h.in * g.w.in, outputs = g.d.out * g.h.out * g.w.out;
  typed(g.dtype, [&]<class T>(T) {
    T* to = static_cast<T*>(dx);
    std::fill(to, to + sources(g), T(0));
    for (int64_t o = 0; o < targets(g); ++o)
      to[(o / g.inner / outputs * image + place[o]) * g.inner + o % g.inner] += static_cast<const T*>(dy)[o];
  });
}

}  // namespace dlcore::kernel::ref
