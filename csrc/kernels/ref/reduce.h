#pragma once
#include <cstdint>
#include <vector>

#include "dlcore/dtype.h"
#include "dlcore/shape.h"
#include "kernels/reduce.h"
#include "kernels/scan.h"

// Reductions by their formulas, on the elements of one output gathered in logical order.
namespace dlcore::kernel::ref {

using Row = std::vector<long double>;

long double load(DType dtype, const void* x, int64_t offset);

// A strided array, and which of its dimensions are reduced.
struct Problem {
  DType dtype;
  const void* x;
  std::vector<int64_t> sizes, strides;
  uint64_t mask;
};
// The elements of each output; outputs and elements in logical order.
std::vector<Row> rows(const Problem& p);
// Offsets of the same elements, where y has other strides.
std::vector<std::vector<int64_t>> offsets(const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides,
                                          uint64_t mask);

long double reduce(ReduceOp op, double p, const Row& x);
int64_t arg(bool largest, const Row& x);
struct Moments {
  long double mean, var;
};
Moments moments(const Row& x, double correction);

// Running results; `from` (may be null) is told where extremes come from.
Row scan(ScanOp op, const Row& x, std::vector<int64_t>* from);

long double logsumexp(const Row& x);
Row softmax(bool log, const Row& x);
Row softmax_backward(bool log, const Row& y, const Row& dy);

// One sample: sum_c u_c (z - x_c) with u_c = w_c ((1 - s) q_c + s / C), or with z = 0 for log-probabilities.
struct Entropy {
  long double loss;
  Row dx, dq;
};
Entropy cross_entropy(bool logits, const Row& x, const Row& q, const Row& w, double smoothing);

}  // namespace dlcore::kernel::ref
