#include "kernels/ref/norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace dlcore::kernel::ref {
namespace {

// An array of float32 or float64; of `otherwise` where it is null.
struct Values {
  DType dtype;
  void* data;
  double otherwise = 0;
  Values(DType dtype, const void* data, double otherwise = 0)
      : dtype(dtype), data(const_cast<void*>(data)), otherwise(otherwise) {}
  double operator[](int64_t i) const {
    if (!data) return otherwise;
    return dtype == DType::Float64 ? static_cast<double*>(data)[i] : static_cast<double>(static_cast<float*>(data)[i]);
  }
  void set(int64_t i, double v) const {
    if (!data) return;
    if (dtype == DType::Float64)
      static_cast<double*>(data)[i] = v;
    else
      static_cast<float*>(data)[i] = static_cast<float>(v);
  }
};

// use(element, channel, statistic) for all elements of images
template <class F>
void each(const ChannelNorm& g, const F& use) {
  for (int64_t n = 0; n < g.images; ++n)
    for (int64_t c = 0; c < g.channels; ++c)
      for (int64_t p = 0; p < g.places; ++p)
        use(g.channels_last ? (n * g.places + p) * g.channels + c : (n * g.channels + c) * g.places + p, c,
            ((g.per_image ? n * g.channels : 0) + c) / g.group);
}

std::vector<double> zeros(int64_t n) { return std::vector<double>(static_cast<size_t>(n)); }

double ceiling(const ChannelNorm& g) { return g.activation == Activation::Relu6 ? 6 : HUGE_VAL; }

double& at(std::vector<double>& v, int64_t i) { return v[static_cast<size_t>(i)]; }

}  // namespace

void channel_norm_forward(const ChannelNorm& g, const ChannelNormForward& a) {
  const Values x(g.dtype, a.x), weight(g.dtype, a.weight, 1), bias(g.dtype, a.bias), residual(g.dtype, a.residual);
  const double n = static_cast<double>(g.count());
  if (!g.given) {
    for (int64_t s = 0; s < g.stats(); ++s) a.mean[s] = a.var[s] = 0;
    each(g, [&](int64_t i, int64_t, int64_t s) { a.mean[s] += x[i] / n; });
    each(g, [&](int64_t i, int64_t, int64_t s) { a.var[s] += (x[i] - a.mean[s]) * (x[i] - a.mean[s]) / n; });
  }
  each(g, [&](int64_t i, int64_t c, int64_t s) {
    const double v = (x[i] - a.mean[s]) / std::sqrt(a.var[s] + g.eps) * weight[c] + bias[c] + residual[i];
    Values(g.dtype, a.y).set(i, g.activation == Activation::None ? v : std::clamp(v, 0.0, ceiling(g)));
  });
}

void channel_norm_backward(const ChannelNorm& g, const ChannelNormBackward& a) {
  const Values x(g.dtype, a.x), dy(g.dtype, a.dy), weight(g.dtype, a.weight, 1), bias(g.dtype, a.bias), y(g.dtype, a.y);
  const double n = static_cast<double>(g.count());
  const auto normal = [&](int64_t i, int64_t s) { return (x[i] - a.mean[s]) / std::sqrt(a.var[s] + g.eps); };
  const auto gradient = [&](int64_t i, int64_t c, int64_t s) {
    const double v = a.y ? y[i] : normal(i, s) * weight[c] + bias[c];
    return g.activation != Activation::None && (v <= 0 || v >= ceiling(g)) ? 0 : dy[i];
  };
  std::vector<double> sum = zeros(g.stats()), dot = sum, dweight = zeros(g.channels), dbias = dweight;
  each(g, [&](int64_t i, int64_t c, int64_t s) {
    const double d = gradient(i, c, s);
    at(sum, s) += d * weight[c];
    at(dot, s) += d * weight[c] * normal(i, s);
    at(dbias, c) += d;
    at(dweight, c) += d * normal(i, s);
  });
  each(g, [&](int64_t i, int64_t c, int64_t s) {
    const double d = gradient(i, c, s), rstd = 1 / std::sqrt(a.var[s] + g.eps);
    const double through = g.given ? 0 : at(sum, s) / n + normal(i, s) * at(dot, s) / n;
    Values(g.dtype, a.dx).set(i, rstd * (d * weight[c] - through));
    Values(g.dtype, a.dresidual).set(i, d);
  });
  for (int64_t c = 0; c < g.channels; ++c) {
    Values(g.dtype, a.dweight).set(c, at(dweight, c));
    Values(g.dtype, a.dbias).set(c, at(dbias, c));
  }
}

void row_norm_forward(const RowNorm& g, const RowNormForward& a) {
  const Values x(g.dtype, a.x), weight(g.dtype, a.weight, 1), bias(g.dtype, a.bias);
  for (int64_t row = 0; row < g.rows; ++row) {
    double mean = 0, var = 0;
    for (int64_t i = 0; i < g.n && g.centered; ++i) mean += x[row * g.n + i] / static_cast<double>(g.n);
    for (int64_t i = 0; i < g.n; ++i) var += std::pow(x[row * g.n + i] - mean, 2) / static_cast<double>(g.n);
    a.mean[row] = mean;
    a.rstd[row] = 1 / std::sqrt(var + g.eps);
    for (int64_t i = 0; i < g.n; ++i)
      Values(g.dtype, a.y).set(row * g.n + i, (x[row * g.n + i] - mean) * a.rstd[row] * weight[i] + bias[i]);
  }
}

void row_norm_backward(const RowNorm& g, const RowNormBackward& a) {
  const Values x(g.dtype, a.x), dy(g.dtype, a.dy), weight(g.dtype, a.weight, 1);
  std::vector<double> dweight = zeros(g.n), dbias = dweight;
  for (int64_t row = 0; row < g.rows; ++row) {
    const auto normal = [&](int64_t i) { return (x[row * g.n + i] - (g.centered ? a.mean[row] : 0)) * a.rstd[row]; };
    double sum = 0, dot = 0;
    for (int64_t i = 0; i < g.n; ++i) {
      const double d = dy[row * g.n + i];
      sum += g.centered ? d * weight[i] : 0;
      dot += d * weight[i] * normal(i);
      at(dweight, i) += d * normal(i);
      at(dbias, i) += d;
    }
    const double n = static_cast<double>(g.n);
    for (int64_t i = 0; i < g.n; ++i)
      Values(g.dtype, a.dx)
          .set(row * g.n + i, a.rstd[row] * (dy[row * g.n + i] * weight[i] - sum / n - normal(i) * dot / n));
  }
  for (int64_t i = 0; i < g.n; ++i) {
    Values(g.dtype, a.dweight).set(i, at(dweight, i));
    Values(g.dtype, a.dbias).set(i, at(dbias, i));
  }
}

namespace {

// use(element of channel c at one place of one image) as a function of c
template <class F>
void each_place(const LocalNorm& g, const F& use) {
  for (int64_t n = 0; n < g.images; ++n)
    for (int64_t p = 0; p < g.places; ++p)
      use([&, n, p](int64_t c) {
        return g.channels_last ? (n * g.places + p) * g.channels + c : (n * g.channels + c) * g.places + p;
      });
}

bool in_window(const LocalNorm& g, int64_t c, int64_t j) { return j >= c - g.size / 2 && j < c - g.size / 2 + g.size; }

template <class Place>
double divisor(const LocalNorm& g, const Values& x, const Place& place, int64_t c) {
  double sum = 0;
  for (int64_t j = 0; j < g.channels; ++j)
    if (in_window(g, c, j)) sum += x[place(j)] * x[place(j)];
  return g.k + g.alpha / static_cast<double>(g.size) * sum;
}

}  // namespace

void local_norm_forward(const LocalNorm& g, const void* from, void* y) {
  const Values x(g.dtype, from);
  each_place(g, [&](const auto& place) {
    for (int64_t c = 0; c < g.channels; ++c)
      Values(g.dtype, y).set(place(c), x[place(c)] * std::pow(divisor(g, x, place, c), -g.beta));
  });
}

void local_norm_backward(const LocalNorm& g, const void* from, const void* grad, void* dx) {
  const Values x(g.dtype, from), dy(g.dtype, grad);
  each_place(g, [&](const auto& place) {
    for (int64_t c = 0; c < g.channels; ++c) {
      double sum = 0;
      for (int64_t j = 0; j < g.channels; ++j)
        if (in_window(g, j, c)) sum += dy[place(j)] * x[place(j)] * std::pow(divisor(g, x, place, j), -g.beta - 1);
      Values(g.dtype, dx)
          .set(place(c), dy[place(c)] * std::pow(divisor(g, x, place, c), -g.beta) -
                             2 * g.alpha * g.beta / static_cast<double>(g.size) * x[place(c)] * sum);
    }
  });
}

}  // namespace dlcore::kernel::ref
