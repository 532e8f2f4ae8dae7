#include "kernels/ref/reduce.h"

#include <cmath>

#include "core/half.h"

namespace dlcore::kernel::ref {

long double load(DType dtype, const void* x, int64_t i) {
  switch (dtype) {
    case DType::Float32:
      return static_cast<const float*>(x)[i];
    case DType::Float64:
      return static_cast<const double*>(x)[i];
    case DType::BFloat16:
      return bf16_to_float(static_cast<const uint16_t*>(x)[i]);
    case DType::Float16:
      return fp16_to_float(static_cast<const uint16_t*>(x)[i]);
    case DType::Int8:
      return static_cast<const int8_t*>(x)[i];
    case DType::Int16:
      return static_cast<const int16_t*>(x)[i];
    case DType::Int32:
      return static_cast<const int32_t*>(x)[i];
    case DType::Int64:
      return static_cast<long double>(static_cast<const int64_t*>(x)[i]);
    case DType::UInt8:
      return static_cast<const uint8_t*>(x)[i];
    case DType::Bool:
      return static_cast<const uint8_t*>(x)[i] != 0;
  }
  return 0;
}

std::vector<std::vector<int64_t>> offsets(const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides,
                                          uint64_t mask) {
  int64_t outputs = 1, total = 1;
  for (size_t d = 0; d < sizes.size(); ++d) {
    total *= sizes[d];
    if (!(mask >> d & 1)) outputs *= sizes[d];
  }
  std::vector<std::vector<int64_t>> result(static_cast<size_t>(outputs));
  for (int64_t flat = 0; flat < total; ++flat) {
    int64_t rest = flat, offset = 0, output = 0, step = 1;
    for (size_t d = sizes.size(); d-- > 0;) {
      const int64_t i = rest % sizes[d];
      rest /= sizes[d];
      offset += i * strides[d];
      if (mask >> d & 1) continue;
      output += i * step;
      step *= sizes[d];
    }
    result[static_cast<size_t>(output)].push_back(offset);
  }
  return result;
}

std::vector<Row> rows(const Problem& p) {
  std::vector<Row> result;
  for (const auto& places : offsets(p.sizes, p.strides, p.mask)) {
    Row row;
    for (int64_t i : places) row.push_back(load(p.dtype, p.x, i));
    result.push_back(row);
  }
  return result;
}

long double reduce(ReduceOp op, double p, const Row& x) {
  long double y = 0;
  switch (op) {
    case ReduceOp::Sum:
      for (auto v : x) y += v;
      return y;
    case ReduceOp::NanSum:
      for (auto v : x) y += std::isnan(v) ? 0 : v;
      return y;
    case ReduceOp::AbsSum:
      for (auto v : x) y += std::fabs(v);
      return y;
    case ReduceOp::SquareSum:
      for (auto v : x) y += v * v;
      return y;
    case ReduceOp::PowerSum:
      for (auto v : x) y += std::pow(std::fabs(v), static_cast<long double>(p));
      return y;
    case ReduceOp::Count:
      for (auto v : x) y += v != 0;
      return y;
    case ReduceOp::Prod:
      y = 1;
      for (auto v : x) y *= v;
      return y;
    case ReduceOp::Max:
      return x[static_cast<size_t>(arg(true, x))];
    case ReduceOp::Min:
      return x[static_cast<size_t>(arg(false, x))];
    case ReduceOp::AbsMax:
      for (auto v : x) y = std::isnan(v) || std::fabs(v) > y ? std::fabs(v) : y;
      return y;
    case ReduceOp::AbsMin:
      y = INFINITY;
      for (auto v : x) y = std::isnan(v) || std::fabs(v) < y ? std::fabs(v) : y;
      return y;
    case ReduceOp::Any:
      for (auto v : x) y = y != 0 || v != 0;
      return y;
    case ReduceOp::All:
      y = 1;
      for (auto v : x) y = y != 0 && v != 0;
      return y;
  }
  return y;
}

int64_t arg(bool largest, const Row& x) {
  size_t best = 0;
  for (size_t i = 1; i < x.size(); ++i) {
    if (std::isnan(x[best])) break;
    if (std::isnan(x[i]) || (largest ? x[i] > x[best] : x[i] < x[best])) best = i;
  }
  return static_cast<int64_t>(best);
}

Moments moments(const Row& x, double correction) {
  const long double n = static_cast<long double>(x.size()), mean = reduce(ReduceOp::Sum, 0, x) / n;
  long double m2 = 0;
  for (auto v : x) m2 += (v - mean) * (v - mean);
  return {mean, m2 / std::fmax(n - correction, 0.0L)};
}

Row scan(ScanOp op, const Row& x, std::vector<int64_t>* from) {
  Row y;
  for (size_t i = 0; i < x.size(); ++i) {
    switch (op) {
      case ScanOp::Sum:
        y.push_back(i ? y.back() + x[i] : x[i]);
        break;
      case ScanOp::Prod:
        y.push_back(i ? y.back() * x[i] : x[i]);
        break;
      case ScanOp::LogSumExp:
        y.push_back(logsumexp({x.begin(), x.begin() + static_cast<int64_t>(i) + 1}));
        break;
      case ScanOp::Max:
      case ScanOp::Min: {
        const bool takes = i == 0 || std::isnan(x[i]) ||
                           (!std::isnan(y.back()) && (op == ScanOp::Max ? x[i] >= y.back() : x[i] <= y.back()));
        from->push_back(takes ? static_cast<int64_t>(i) : from->back());
        y.push_back(takes ? x[i] : y.back());
        break;
      }
    }
  }
  return y;
}

long double logsumexp(const Row& x) {
  if (x.empty()) return -INFINITY;
  const long double m = reduce(ReduceOp::Max, 0, x);
  if (std::isinf(m)) return m;
  long double s = 0;
  for (auto v : x) s += std::exp(v - m);
  return m + std::log(s);
}

Row softmax(bool log, const Row& x) {
  const long double m = reduce(ReduceOp::Max, 0, x);
  long double s = 0;
  Row y;
  for (auto v : x) s += std::exp(v - m);
  for (auto v : x) y.push_back(log ? v - m - std::log(s) : std::exp(v - m) / s);
  return y;
}

Row softmax_backward(bool log, const Row& y, const Row& dy) {
  long double sum = 0;
  Row dx;
  for (size_t i = 0; i < y.size(); ++i) sum += log ? dy[i] : y[i] * dy[i];
  for (size_t i = 0; i < y.size(); ++i) dx.push_back(log ? dy[i] - std::exp(y[i]) * sum : y[i] * (dy[i] - sum));
  return dx;
}

Entropy cross_entropy(bool logits, const Row& x, const Row& q, const Row& w, double smoothing) {
  const long double s = smoothing, C = static_cast<long double>(x.size()), z = logits ? logsumexp(x) : 0;
  Entropy e{0, {}, {}};
  long double total = 0;
  Row u;
  for (size_t c = 0; c < x.size(); ++c) {
    u.push_back(w[c] * ((1 - s) * q[c] + s / C));
    total += u[c];
    if (u[c] != 0) e.loss += u[c] * (z - x[c]);
  }
  for (size_t c = 0; c < x.size(); ++c) {
    e.dx.push_back((logits ? total * std::exp(x[c] - z) : 0) - u[c]);
    e.dq.push_back((1 - s) * w[c] * (z - x[c]));
  }
  return e;
}

}  // namespace dlcore::kernel::ref
