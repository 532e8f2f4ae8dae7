#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Random numbers from the counter-based generator of core/philox.h. Counters go in blocks of 16; the 64 words of a
// block are taken as word[j][l] = word j of counter l, so element i depends on (seed, offset, i) alone, not on threads
// or tiers.
namespace dlcore::kernel {

enum class Distribution : uint8_t {
  Uniform,      // [a, b): 24 random bits, 53 for float64, 11 and 8 for float16 and bfloat16
  Normal,       // mean a, standard deviation b: Box and Muller's pairs
  Exponential,  // rate a; never 0
  Bernoulli,    // 1 with probability a, to 2^-32
  Integers,  // low + [0, range); range 0 stands for 2^64. The bias is below range / 2^64, 2^-64 for ranges beyond 2^32
};

// y[i], i < n, drawn independently. Uniform, Normal and Exponential: floating point; the others: any dtype.
struct Random {
  void* y;
  int64_t n;
  DType dtype;
  Distribution distribution;
  uint64_t seed, offset;
  double a, b;
  int64_t low;
  uint64_t range;
};

// Elements that one block of 16 counters gives: 64 from single words, 32 from pairs of words, 16 from whole counters.
constexpr int64_t kRandomCounters = 16;
static inline int64_t random_block(Distribution d, DType t, uint64_t range) {
  if (d == Distribution::Bernoulli) return 64;
  if (d == Distribution::Integers) return range - 1 < uint64_t{1} << 32 ? 32 : 16;
  return t == DType::Float64 ? 32 : 64;
}

// y = a permutation of 0 ... n - 1, every one equally likely, to 2^-32 a step: y[i] changes places with one of y[0 ...
// i].
struct Permutation {
  int64_t* y;
  int64_t n;
  uint64_t seed, offset;  // n / 2 counters
};

// y[i] = a count drawn for the parameters of element i, from a stream of its own: exact, by rejection, so that nobody
// knows how many random words it takes. Element i's stream is all blocks of counter offset + i (core/philox.h).
enum class CountLaw : uint8_t {
  Poisson,   // rate a[i], finite, not negative
  Binomial,  // a[i] trials, a whole number, of probability b[i] in [0, 1]
};
struct Counts {
  CountLaw law;
  double* y;
  const double *a, *b;
  int64_t n;
  uint64_t seed, offset;  // n counters
};

}  // namespace dlcore::kernel
