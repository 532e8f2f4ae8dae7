#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Optimizer steps, and what is done to gradients before them. A step is one pass over a list of pieces (runs of
// elements of the parameters), so that a thousand small tensors cost little more than one large one.
namespace dlcore::kernel {

constexpr int kMostState = 3;    // arrays that an optimizer keeps for a parameter
constexpr int kMostFactors = 3;  // numbers of a step that depend on the parameter's own count of steps

struct OptimPiece {
  void* p;                  // (n) parameters, updated; null where gradients are only read
  const void* dp;           // (n) gradients; null where there are none
  void* state[kMostState];  // (n) each, updated; null where an optimizer keeps fewer
  int64_t n;
  double factors[kMostFactors];  // see each optimizer
};

// What every optimizer does first, and the work. Pieces chunks[i] ... chunks[i + 1] - 1 are one unit of parallel work.
//   p = keep p                             (decoupled weight decay: keep = 1 - lr weight_decay; else 1)
//   g = dp (-dp where maximize) + weight_decay p
struct OptimPass {
  DType dtype;
  const OptimPiece* pieces;
  const int64_t* chunks;
  int64_t num_chunks;
  double keep = 1, weight_decay = 0;
  bool maximize = false;
};

//   b = momentum b + (1 - dampening) g      (b = g on the first step)
//   p = p - lr (nesterov ? g + momentum b : b)
// state: b, null where momentum = 0.
struct Sgd {
  double lr, momentum, dampening;
  bool nesterov, first_step;
};

//   m = m + (1 - beta1) (g - m)
//   v = beta2 v + (1 - beta2) g^2
//   p = p - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// state: m, v and, where amsgrad, the largest v so far, which then takes v's place in the last line.
// factors: lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t).
struct Adam {
  double beta1, beta2, eps;
};

//   m, v as Adam
//   p = p - (lr (1 - mu_t) / (1 - mu_1 ... mu_t) g + lr mu_{t+1} / (1 - mu_1 ... mu_{t+1}) m)
//             / (sqrt(v) / sqrt(1 - beta2^t) + eps)
// state: m, v. factors: the two before g and m, 1 / sqrt(1 - beta2^t).
struct NAdam {
  double beta1, beta2, eps;
};

//   m, v as Adam
//   p = p - lr / (1 - beta1^t) m r sqrt(1 - beta2^t) / (sqrt(v) + eps)      (without the last fraction for small t)
// state: m, v. factors: lr / (1 - beta1^t), r sqrt(1 - beta2^t), or 0 for small t.
struct RAdam {
  double beta1, beta2, eps;
};

//   m as Adam;  u = max(beta2 u, |g| + eps);  p = p - lr / (1 - beta1^t) m / u
// state: m, u. factors: lr / (1 - beta1^t).
struct Adamax {
  double beta1, beta2, eps;
};

//   s = s + g^2;  p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)
// state: s. factors: the first fraction.
struct Adagrad {
  double eps;
};

//   s = alpha s + (1 - alpha) g^2;  a = a + (1 - alpha) (g - a);  d = g / (sqrt(s - a^2) + eps)      (a = 0 unless
//   centered);  b = momentum b + d;  p = p - lr b                                                    (d without
//   momentum)
// state: s, b (null without momentum), a (null unless centered).
struct RmsProp {
  double lr, alpha, eps, momentum;
};

//   s = rho s + (1 - rho) g^2;  d = sqrt(a + eps) / sqrt(s + eps) g;  a = rho a + (1 - rho) d^2;  p = p - lr d
// state: s, a.
struct Adadelta {
  double lr, rho, eps;
};

//   p = p - lr sign(beta1 m + (1 - beta1) g);  m = beta2 m + (1 - beta2) g
// state: m.
struct Lion {
  double lr, beta1, beta2;
};

// p = factor p, and p = min(max(p, low), high), NaN staying NaN: clipping, with gradients in p's place.
struct Scale {
  double factor;
};
struct Clamp {
  double low, high;
};

// The sum of |dp|, of dp^2, or the largest |dp| (NaN where one is), of every chunk.
enum class Norm : uint8_t { One, Two, Max };

}  // namespace dlcore::kernel
