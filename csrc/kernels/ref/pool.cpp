#include "kernels/ref/pool.h"

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <vector>

namespace dlcore::kernel::ref {
namespace {

std::size_t at(int64_t i) { return static_cast<std::size_t>(i); }

// use(output, tap, place in x) for every element of every window, output by output.
template <class F>
void each_element(const Pool2d& g, const F& use) {
  for (int64_t n = 0; n < g.planes; ++n)
    for (int64_t i = 0; i < g.oh; ++i)
      for (int64_t j = 0; j < g.ow; ++j)
        for (int64_t u = 0; u < g.kh; ++u)
          for (int64_t v = 0; v < g.kw; ++v) {
            const int64_t a = i * g.stride_h + u * g.dilation_h - g.pad_h;
            const int64_t b = j * g.stride_w + v * g.dilation_w - g.pad_w;
            if (a < 0 || a >= g.h || b < 0 || b >= g.w) continue;
            for (int64_t c = 0; c < g.inner; ++c)
              use(((n * g.oh + i) * g.ow + j) * g.inner + c, u * g.kw + v, ((n * g.h + a) * g.w + b) * g.inner + c);
          }
}

int64_t divisor(const Pool2d& g, int64_t output) {
  if (g.divisor != 0) return g.divisor;
  const int64_t i = output / g.inner / g.ow % g.oh, j = output / g.inner % g.ow;
  const auto count = [&](int64_t start, int64_t taps, int64_t in, int64_t pad) {
    const int64_t end = std::min(start + taps, in + pad);
    return g.count_include_pad ? end - start : std::min(end, in) - std::max<int64_t>(start, 0);
  };
  return count(i * g.stride_h - g.pad_h, g.kh, g.h, g.pad_h) * count(j * g.stride_w - g.pad_w, g.kw, g.w, g.pad_w);
}

// Integers sum in int64, floating point in long double.
template <class T>
using Sum = std::conditional_t<std::is_integral_v<T>, int64_t, long double>;

template <class T>
void max_forward(const Pool2d& g, const T* x, T* y, int64_t* argmax) {
  std::fill(argmax, argmax + g.planes * g.oh * g.ow * g.inner, -1);
  each_element(g, [&](int64_t o, int64_t tap, int64_t place) {
    const T v = x[place];
    if (argmax[o] >= 0 && !(v > y[o]) && v == v) return;
    y[o] = v;
    argmax[o] = tap;
  });
}

template <class T>
void max_backward(const Pool2d& g, const T* dy, const int64_t* argmax, T* dx) {
  std::fill(dx, dx + g.planes * g.h * g.w * g.inner, T(0));
  each_element(g, [&](int64_t o, int64_t tap, int64_t place) {
    if (tap == argmax[o]) dx[place] += dy[o];
  });
}

template <class T>
void avg_forward(const Pool2d& g, const T* x, T* y) {
  const int64_t outputs = g.planes * g.oh * g.ow * g.inner;
  std::vector<Sum<T>> sum(static_cast<std::size_t>(outputs));
  each_element(g, [&](int64_t o, int64_t, int64_t place) { sum[at(o)] += x[place]; });
  for (int64_t o = 0; o < outputs; ++o) y[o] = static_cast<T>(sum[at(o)] / static_cast<Sum<T>>(divisor(g, o)));
}

template <class T>
void avg_backward(const Pool2d& g, const T* dy, T* dx) {
  const int64_t inputs = g.planes * g.h * g.w * g.inner;
  std::vector<Sum<T>> sum(static_cast<std::size_t>(inputs));
  each_element(g, [&](int64_t o, int64_t, int64_t place) {
    sum[at(place)] += static_cast<Sum<T>>(dy[o]) / static_cast<Sum<T>>(divisor(g, o));
  });
  for (int64_t i = 0; i < inputs; ++i) dx[i] = static_cast<T>(sum[at(i)]);
}

template <class F>
void typed(DType dtype, const F& f) {
  if (dtype == DType::Float64) return f(double{});
  if (dtype == DType::Int64) return f(int64_t{});
  f(float{});
}

}  // namespace

void max_pool2d_forward(const Pool2d& g, const void* x, void* y, int64_t* argmax) {
  typed(g.dtype, [&]<class T>(T) { max_forward(g, static_cast<const T*>(x), static_cast<T*>(y), argmax); });
}
void max_pool2d_backward(const Pool2d& g, const void* dy, const int64_t* argmax, void* dx) {
  typed(g.dtype, [&]<class T>(T) { max_backward(g, static_cast<const T*>(dy), argmax, static_cast<T*>(dx)); });
}
void avg_pool2d_forward(const Pool2d& g, const void* x, void* y) {
  typed(g.dtype, [&]<class T>(T) { avg_forward(g, static_cast<const T*>(x), static_cast<T*>(y)); });
}
void avg_pool2d_backward(const Pool2d& g, const void* dy, void* dx) {
  typed(g.dtype, [&]<class T>(T) { avg_backward(g, static_cast<const T*>(dy), static_cast<T*>(dx)); });
}

}  // namespace dlcore::kernel::ref
