#include "kernels/ref/attention.h"

#include <cmath>

namespace dlcore::kernel::ref {
namespace {

double* row(const AttentionMatrices& m, int64_t plane, int64_t i) {
  return static_cast<double*>(m.data) + m.places[plane] + i * m.row;
}

double dot(const double* x, const double* y, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

double score(const Attention& a, int64_t plane, int64_t i, int64_t j, bool takes_part) {
  const AttentionMask& m = a.mask;
  const int64_t at = m.data ? m.places[plane] + i * m.row + j * m.column : 0;
  if (!takes_part || (m.data && m.boolean && !static_cast<const uint8_t*>(m.data)[at])) return -INFINITY;
  const double s = a.scale * dot(row(a.q, plane, i), row(a.k, plane / a.group, j), a.depth);
  return m.data && !m.boolean ? s + static_cast<const double*>(m.data)[at] : s;
}

}  // namespace

void attention_forward(const Attention& a, bool (*takes_part)(int64_t, int64_t)) {
  for (int64_t plane = 0; plane < a.planes; ++plane)
    for (int64_t i = 0; i < a.queries; ++i) {
      double most = -INFINITY, total = 0;
      for (int64_t j = 0; j < a.keys; ++j) most = std::fmax(most, score(a, plane, i, j, takes_part(i, j)));
      double* y = row(a.y, plane, i);
      for (int64_t c = 0; c < a.width; ++c) y[c] = 0;
      for (int64_t j = 0; j < a.keys && most > -INFINITY; ++j) {
        const double e = std::exp(score(a, plane, i, j, takes_part(i, j)) - most);
        total += e;
        for (int64_t c = 0; c < a.width; ++c) y[c] += e * row(a.v, plane / a.group, j)[c];
      }
      for (int64_t c = 0; c < a.width && total > 0; ++c) y[c] /= total;
      double* softmax = static_cast<double*>(a.softmax) + 2 * (plane * a.queries + i);
      softmax[0] = total > 0 ? most : INFINITY, softmax[1] = total > 0 ? 1 / total : 0;
    }
}

void attention_backward(const Attention& a, const AttentionBackward& b, bool (*takes_part)(int64_t, int64_t)) {
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    const int64_t shared = plane / a.group;
    for (int64_t j = 0; j < a.keys && plane % a.group == 0; ++j) {
      for (int64_t c = 0; c < a.depth; ++c) row(b.dk, shared, j)[c] = 0;
      for (int64_t c = 0; c < a.width; ++c) row(b.dv, shared, j)[c] = 0;
    }
    for (int64_t i = 0; i < a.queries; ++i) {
      const double *q = row(a.q, plane, i), *dy = row(b.dy, plane, i);
      double* dq = row(b.dq, plane, i);
      for (int64_t c = 0; c < a.depth; ++c) dq[c] = 0;
      const double delta = dot(dy, row(a.y, plane, i), a.width);
      const double* softmax = static_cast<const double*>(a.softmax) + 2 * (plane * a.queries + i);
      for (int64_t j = 0; j < a.keys; ++j) {
        const double *k = row(a.k, shared, j), *v = row(a.v, shared, j);
        const double p = std::exp(score(a, plane, i, j, takes_part(i, j)) - softmax[0]) * softmax[1];
        const double ds = p * (dot(dy, v, a.width) - delta);
        for (int64_t c = 0; c < a.width; ++c) row(b.dv, shared, j)[c] += p * dy[c];
        for (int64_t c = 0; c < a.depth; ++c) {
          dq[c] += a.scale * ds * k[c];
          row(b.dk, shared, j)[c] += a.scale * ds * q[c];
        }
        if (b.dmask) static_cast<double*>(b.dmask)[(plane * a.queries + i) * a.keys + j] = ds;
      }
    }
  }
}

}  // namespace dlcore::kernel::ref
