#include "kernels/ref/rnn.h"

#include <cmath>
#include <vector>

namespace dlcore::kernel::ref {
namespace {

using Vector = std::vector<double>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// W x + b
Vector product(const void* w, const double* x, const void* b, int64_t rows, int64_t n) {
  Vector y(static_cast<size_t>(rows));
  for (int64_t i = 0; i < rows; ++i) {
    double sum = b ? static_cast<const double*>(b)[i] : 0;
    for (int64_t p = 0; p < n; ++p) sum += static_cast<const double*>(w)[i * n + p] * x[p];
    y[static_cast<size_t>(i)] = sum;
  }
  return y;
}

// One sequence's step: h and c become those of this step.
void step(const Rnn& g, const RnnParameters<const void*>& w, const double* x, Vector& h, Vector& c) {
  const int64_t n = g.hidden;
  const Vector a = product(w.w_ih, x, w.b_ih, g.gates() * n, g.input);
  const Vector r = product(w.w_hh, h.data(), w.b_hh, g.gates() * n, g.out());
  Vector next(static_cast<size_t>(n));
  for (size_t i = 0; i < next.size(); ++i) {
    const auto sum = [&](int64_t gate) {
      return a[i + static_cast<size_t>(gate * n)] + r[i + static_cast<size_t>(gate * n)];
    };
    switch (g.cell) {
      case RnnCell::Tanh:
        next[i] = std::tanh(sum(0));
        break;
      case RnnCell::Relu:
        next[i] = std::fmax(sum(0), 0);
        break;
      case RnnCell::Lstm:
        c[i] = sigmoid(sum(1)) * c[i] + sigmoid(sum(0)) * std::tanh(sum(2));
        next[i] = sigmoid(sum(3)) * std::tanh(c[i]);
        break;
      case RnnCell::Gru: {
        const size_t at = i + static_cast<size_t>(2 * n);
        const double z = sigmoid(sum(1)), m = std::tanh(a[at] + sigmoid(sum(0)) * r[at]);
        next[i] = m + z * (h[i] - m);
      }
    }
  }
  h = g.projection ? product(w.w_hr, next.data(), nullptr, g.projection, n) : next;
}

}  // namespace

void rnn_forward(const Rnn& g, const RnnForward& f) {
  const int64_t out = g.out();
  for (int64_t d = 0; d < g.directions; ++d)
    for (int64_t b = 0; b < g.batch; ++b) {
      Vector h(static_cast<size_t>(out)), c(static_cast<size_t>(g.hidden));
      for (int64_t i = 0; i < out && f.h0; ++i)
        h[static_cast<size_t>(i)] = static_cast<const double*>(f.h0)[(d * g.batch + b) * out + i];
      for (int64_t i = 0; i < g.hidden && f.c0; ++i)
        c[static_cast<size_t>(i)] = static_cast<const double*>(f.c0)[(d * g.batch + b) * g.hidden + i];
      for (int64_t s = 0; s < g.steps; ++s) {
        const int64_t t = d ? g.steps - 1 - s : s;
        if (b >= g.at(t)) continue;
        int64_t row = b;
        for (int64_t before = 0; before < t; ++before) row += g.at(before);
        step(g, f.parameters[d], static_cast<const double*>(f.x) + row * g.input, h, c);
        for (int64_t i = 0; i < out; ++i)
          static_cast<double*>(f.y)[(row * g.directions + d) * out + i] = h[static_cast<size_t>(i)];
      }
      for (int64_t i = 0; i < out; ++i)
        static_cast<double*>(f.hn)[(d * g.batch + b) * out + i] = h[static_cast<size_t>(i)];
      for (int64_t i = 0; i < g.hidden && f.cn; ++i)
        static_cast<double*>(f.cn)[(d * g.batch + b) * g.hidden + i] = c[static_cast<size_t>(i)];
    }
}

}  // namespace dlcore::kernel::ref
