#pragma once
#include "kernels/reduce.h"

// Losses: a value for each element or sample, or their sum, in one pass over the inputs.
namespace dlcore::kernel {

// ---- of pairs (x, t), d = x - t

enum class PairLossOp : uint8_t {
  Square,           // d^2
  Abs,              // |d|
  SmoothAbs,        // d^2 / (2 p) where |d| < p, else |d| - p / 2
  Huber,            // d^2 / 2 where |d| <= p, else p (|d| - p / 2)
  Bernoulli,        // -(t log x + (1 - t) log(1 - x)), logarithms at least -100
  BernoulliLogits,  // (1 - t) x - (1 + (q - 1) t) log(sigmoid(x)), q = positive or 1
  KlDivergence,     // t (log t - x), 0 where t is 0
  KlDivergenceLog,  // exp(t) (t - x)
  Poisson,          // x - t log(x + p)
  PoissonFull,      // ... with Stirling's t log t - t + log(2 pi t) / 2 where t > 1
  PoissonLog,       // exp(x) - t x
  PoissonLogFull,   // ... with Stirling's
  SoftMargin,       // log(1 + exp(-t x))
  HingeEmbedding,   // x where t = 1, max(0, p - x) where t = -1, their sum elsewhere
};

// Contiguous runs of n elements of one dtype. weight and positive may be null.
struct PairLoss {
  PairLossOp op;
  DType dtype;
  int64_t n;
  const void *x, *t, *weight, *positive;
  double p;      // of the op
  double scale;  // of the results
  void* y;       // (n), or one element where `total`
  bool total;
  double* partial;  // pair_loss_chunks(n) sums
};

// dx = scale dy weight dl/dx, dt likewise; either may be null. dy is one element where `total`, else (n).
struct PairLossBackward {
  PairLossOp op;
  DType dtype;
  int64_t n;
  const void *x, *t, *weight, *positive, *dy;
  double p, scale;
  bool total;
  void *dx, *dt;
};

constexpr int64_t kPairLossChunk = 1 << 14;
constexpr int64_t pair_loss_chunks(int64_t n) { return (n + kPairLossChunk - 1) / kPairLossChunk; }

// ---- of samples with a class each, or a weight for each class
//
//   l = w_t (z - x_t),  z = log sum_c exp(x_c)                  class t, smoothing s = 0
//   l = sum_c w_c q_c (z - x_c)                                 probabilities q, smoothed to (1 - s) q + s / C; a class
//   is
//                                                               the probability 1 of that class
//   l = -w_t x_t                                                x are log-probabilities already (`logits` false), z = 0
//
// A sample of the class `ignore` has loss 0 and no weight. The total is divided by the samples' weight where `mean`:
// sum w_t, or the number of samples for probabilities.

enum class LossReduction : uint8_t { None, Mean, Sum };

struct CrossEntropy {
  DType dtype;
  const void* x;
  bool logits;
  const int64_t* target;      // (samples), or null and ...
  const void* probabilities;  // ... in x's geometry
  const void* weight;         // (C), float64 for float64, else float32; may be null
  int64_t ignore;
  double smoothing;
  LossReduction reduction;
  const ReduceLoops& loops;  // kept: samples, which y's steps number; reduced: the classes
  const ReducePlan& plan;    // not cut
  void* loss;                // (samples), or one element
  double* z;                 // (samples), or (samples, 2): z and sum_c w_c q_c
  double* divisor;           // one
  double* partial;           // (plan.blocks, 2)
  int64_t* bad;              // (plan.blocks): a sample whose target is no class, or -1
};

// dx_c = g (a exp(x_c - z) - u_c), where u_c is the weight of (z - x_c) in l, and a = sum_c u_c; g = dy of the sample,
// or dy / divisor. dq_c = g (1 - s) w_c (z - x_c).
struct CrossEntropyBackward {
  DType dtype;
  const void* x;
  bool logits;
  const int64_t* target;
  const void* probabilities;
  const void* weight;
  int64_t ignore;
  double smoothing;
  const ReduceLoops& loops;
  const ReducePlan& plan;
  const double* z;
  const void* dy;  // one element, or (samples)
  bool per_sample;
  double scale;
  void *dx, *dq;  // in x's geometry; either may be null
};

// ---- of rows of scores: every wrong class c is held against every right class t of its row
//
//   l = 1 / C sum_t w_t sum_c max(0, margin + x_c - x_t)^p
//
// A row lists up to `listed` right classes, and ends at the first -1.
struct MarginLoss {
  DType dtype;  // float32 or float64
  int64_t rows, classes, listed;
  const void* x;          // (rows, classes)
  const int64_t* target;  // (rows, listed)
  const void* weight;     // (classes); may be null
  double margin;
  int p;           // 1 or 2
  const void* dy;  // (rows), backward only
  void* out;       // the losses (rows), or dx (rows, classes)
};

}  // namespace dlcore::kernel
