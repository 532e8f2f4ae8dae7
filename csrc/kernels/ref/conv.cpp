#include "kernels/ref/conv.h"

#include <cstddef>
#include <vector>

namespace dlcore::kernel::ref {
namespace {

// Calls use(x index, w index, y index) for every product of the sum
//   y[n, k, i, j] = sum_{c, u, v} x[n, c, i s + u d - p, j s + v d - p] w[k, c, u, v].
template <class F>
void each_product(const Conv2d& g, const F& use) {
  const int64_t channels = g.c / g.groups, rows = g.oc / g.groups;
  for (int64_t n = 0; n < g.n; ++n)
    for (int64_t k = 0; k < g.oc; ++k)
      for (int64_t i = 0; i < g.oh; ++i)
        for (int64_t c = 0; c < channels; ++c)
          for (int64_t u = 0; u < g.kh; ++u) {
            const int64_t a = i * g.stride_h + u * g.dilation_h - g.pad_h;
            if (a < 0 || a >= g.h) continue;
            const int64_t x = ((n * g.c + k / rows * channels + c) * g.h + a) * g.w;
            const int64_t w = ((k * channels + c) * g.kh + u) * g.kw, y = ((n * g.oc + k) * g.oh + i) * g.ow;
            for (int64_t v = 0; v < g.kw; ++v)
              for (int64_t j = 0; j < g.ow; ++j) {
                const int64_t b = j * g.stride_w + v * g.dilation_w - g.pad_w;
                if (b >= 0 && b < g.w) use(x + b, w + v, y + j);
              }
          }
}

template <class T>
void store(const std::vector<long double>& from, void* to) {
  for (std::size_t i = 0; i < from.size(); ++i) static_cast<T*>(to)[i] = static_cast<T>(from[i]);
}

// Sums a[index(..)] b[index(..)] into y.
template <class T, class F>
void sum_products(const Conv2d& g, const void* a, const void* b, void* y, int64_t size, std::vector<long double> sum,
                  const F& place) {
  sum.resize(static_cast<std::size_t>(size));
  const T *as = static_cast<const T*>(a), *bs = static_cast<const T*>(b);
  long double* sums = sum.data();
  each_product(g, [&](int64_t x, int64_t w, int64_t out) {
    const auto [i, j, k] = place(x, w, out);
    sums[k] += static_cast<long double>(as[i]) * bs[j];
  });
  store<T>(sum, y);
}

struct Place {
  int64_t a, b, y;
};

template <class T>
void forward(const Conv2d& g, const void* x, const void* w, const void* b, void* y) {
  std::vector<long double> sum;
  for (int64_t i = 0; i < g.n * g.oc * g.oh * g.ow && b; ++i)
    sum.push_back(static_cast<const T*>(b)[i / (g.oh * g.ow) % g.oc]);
  sum_products<T>(g, x, w, y, g.n * g.oc * g.oh * g.ow, std::move(sum),
                  [](int64_t xi, int64_t wi, int64_t yi) { return Place{xi, wi, yi}; });
}

template <class T>
void backward_data(const Conv2d& g, const void* dy, const void* w, void* dx) {
  sum_products<T>(g, dy, w, dx, g.n * g.c * g.h * g.w, {},
                  [](int64_t xi, int64_t wi, int64_t yi) { return Place{yi, wi, xi}; });
}

template <class T>
void backward_weight(const Conv2d& g, const void* x, const void* dy, void* dw, void* db) {
  sum_products<T>(g, x, dy, dw, g.oc * (g.c / g.groups) * g.kh * g.kw, {},
                  [](int64_t xi, int64_t wi, int64_t yi) { return Place{xi, yi, wi}; });
  if (!db) return;
  std::vector<long double> sum(static_cast<std::size_t>(g.oc));
  for (int64_t i = 0; i < g.n * g.oc * g.oh * g.ow; ++i)
    sum[static_cast<std::size_t>(i / (g.oh * g.ow) % g.oc)] += static_cast<const T*>(dy)[i];
  store<T>(sum, db);
}

}  // namespace

void conv2d_forward(const Conv2d& g, const void* x, const void* w, const void* b, void* y) {
  g.dtype == DType::Float64 ? forward<double>(g, x, w, b, y) : forward<float>(g, x, w, b, y);
}
void conv2d_backward_data(const Conv2d& g, const void* dy, const void* w, void* dx) {
  g.dtype == DType::Float64 ? backward_data<double>(g, dy, w, dx) : backward_data<float>(g, dy, w, dx);
}
void conv2d_backward_weight(const Conv2d& g, const void* x, const void* dy, void* dw, void* db) {
  g.dtype == DType::Float64 ? backward_weight<double>(g, x, dy, dw, db) : backward_weight<float>(g, x, dy, dw, db);
}

}  // namespace dlcore::kernel::ref
