#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Optimizer steps. A step is one pass over a list of pieces (runs of elements of the parameters), so that a thousand
// small tensors cost little more than one large one. Pieces chunks[i] ... chunks[i + 1] - 1 are one unit of parallel
// work.
namespace dlcore::kernel {

struct SgdPiece {
  void* p;         // (n) parameters, updated
  const void* dp;  // (n) gradients
  void* momentum;  // (n) momentum buffers, updated; null where momentum = 0
  int64_t n;
};

//   g = dp (-dp where maximize) + weight_decay p
//   b = momentum b + (1 - dampening) g      (b = g on the first step)
//   p = p - lr (nesterov ? g + momentum b : b)
struct Sgd {
  DType dtype;
  const SgdPiece* pieces;
  const int64_t* chunks;
  int64_t num_chunks;
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize, first_step;
};

struct AdamPiece {
  void* p;         // (n) parameters, updated
  const void* dp;  // (n) gradients
  void* m;         // (n) mean of the gradients, updated
  void* v;         // (n) mean of their squares, updated
  void* v_max;     // (n) the largest v so far, updated; null unless amsgrad
  int64_t n;
  double step_size;  // lr / (1 - beta1^t)
  double v_scale;    // 1 / sqrt(1 - beta2^t)
};

//   g = dp (-dp where maximize)
//   p = p - lr weight_decay p               (decoupled: AdamW) or g = g + weight_decay p
//   m = m + (1 - beta1) (g - m)
//   v = beta2 v + (1 - beta2) g^2
//   p = p - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)      (amsgrad: v_max = max(v_max, v) for v)
struct Adam {
  DType dtype;
  const AdamPiece* pieces;
  const int64_t* chunks;
  int64_t num_chunks;
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled, amsgrad, maximize;
};

}  // namespace dlcore::kernel
