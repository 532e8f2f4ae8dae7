#include "core/parallel.h"
#include "core/philox.h"
#include "kernels/list.h"

extern "C" double lgamma_r(double x, int* sign) noexcept;

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kGrain = 1 << 10;  // elements

// The uniform numbers of one element, in (0, 1): 53 bits each, two a counter.
class Stream {
 public:
  Stream(uint64_t seed, uint64_t counter) : seed_(seed), counter_(counter) {}
  double uniform() {
    if (n_ % 2 == 0) words_ = philox(seed_, counter_, n_ / 2);
    const uint32_t* w = words_.word + n_++ % 2 * 2;
    return (static_cast<double>((uint64_t{w[1]} << 32 | w[0]) >> 12) + 0.5) * 0x1p-52;
  }

 private:
  const uint64_t seed_, counter_;
  uint64_t n_ = 0;
  Philox4 words_{};
};

double log_factorial(double k) {
  int sign;
  return lgamma_r(k + 1, &sign);
}

// The number of arrivals in a unit of time. Small rates multiply uniform numbers until exp(-rate); larger ones by
// transformed rejection (PTRS of Hoermann: The transformed rejection method for generating Poisson random variables,
// Insurance: Mathematics and Economics 12, 1993).
double poisson(Stream& s, double rate) {
  if (rate < 10) {
    const double end = __builtin_exp(-rate);
    double k = 0;
    for (double product = s.uniform(); product > end; product *= s.uniform()) ++k;
    return k;
  }
  const double b = 0.931 + 2.53 * __builtin_sqrt(rate), a = -0.059 + 0.02483 * b;
  const double alpha_inverse = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = s.uniform() - 0.5, v = s.uniform(), us = 0.5 - __builtin_fabs(u);
    const double k = __builtin_floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double log_density = k * __builtin_log(rate) - rate - log_factorial(k);
    if (__builtin_log(v * alpha_inverse / (a / (us * us) + b)) <= log_density) return k;
  }
}

// Successes in n trials of probability p <= 1/2. Small means count how many waits for a success fit in n trials;
// larger ones by transformed rejection (BTRS of Hoermann: The generation of binomial random variates, Journal of
// Statistical Computation and Simulation 46, 1993).
double successes(Stream& s, double n, double p) {
  if (n * p < 10) {
    if (p <= 0) return 0;
    const double scale = 1 / __builtin_log1p(-p);
    double k = 0;
    for (double trials = __builtin_ceil(__builtin_log(s.uniform()) * scale); trials <= n;
         trials += __builtin_ceil(__builtin_log(s.uniform()) * scale))
      ++k;
    return k;
  }
  const double q = 1 - p, width = __builtin_sqrt(n * p * q), b = 1.15 + 2.53 * width;
  const double a = -0.0873 + 0.0248 * b + 0.01 * p, v_r = 0.92 - 4.2 / b;
  const double alpha = (2.83 + 5.1 / b) * width, mode = __builtin_floor((n + 1) * p);
  for (;;) {
    const double u = s.uniform() - 0.5, v = s.uniform(), us = 0.5 - __builtin_fabs(u);
    const double k = __builtin_floor((2 * a / us + b) * u + n * p + 0.5);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || k > n) continue;
    const double log_ratio = log_factorial(mode) + log_factorial(n - mode) - log_factorial(k) - log_factorial(n - k) +
                             (k - mode) * __builtin_log(p / q);  // of the densities at k and at the mode
    if (__builtin_log(v * alpha / (a / (us * us) + b)) <= log_ratio) return k;
  }
}

double binomial(Stream& s, double n, double p) { return p <= 0.5 ? successes(s, n, p) : n - successes(s, n, 1 - p); }

void counts(const Counts& c) {
  parallel_for(c.n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Stream s(c.seed, c.offset + static_cast<uint64_t>(i));
      c.y[i] = c.law == CountLaw::Poisson ? poisson(s, c.a[i]) : binomial(s, c.a[i], c.b[i]);
    }
  });
}

}  // namespace

void fill_counts(KernelTable& t) { t.counts = counts; }

}  // namespace dlcore::kernel::DLCORE_TIER
