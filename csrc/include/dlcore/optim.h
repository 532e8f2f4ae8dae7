#pragma once
#include "dlcore/tensor.h"

// Optimizer steps over lists of tensors, each in one pass. All tensors of a parameter share its shape and dtype; they
// are updated in place, without history.
namespace dlcore {

// Stochastic gradient descent, as torch.optim.SGD computes it:
//   g = dp (-dp where maximize) + weight_decay p
//   b = momentum b + (1 - dampening) g      (b = g where first_step)
//   p = p - lr (nesterov ? g + momentum b : b)
// momentum_buffers may be empty where momentum = 0.
DLCORE_API void sgd_step(const TensorList& params, const TensorList& grads, const TensorList& momentum_buffers,
                         double lr, double momentum, double dampening, double weight_decay, bool nesterov,
                         bool maximize, bool first_step);

// Adam, or with `decoupled` AdamW (Kingma and Ba 2015, Loshchilov and Hutter 2019), as torch.optim computes it in its
// step number t = steps[i], counted from 1:
//   g = dp (-dp where maximize);  decoupled: p = p - lr weight_decay p, else g = g + weight_decay p
//   m = beta1 m + (1 - beta1) g
//   v = beta2 v + (1 - beta2) g^2
//   p = p - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)
// With amsgrad the largest v so far, kept in max_exp_avg_sqs, takes v's place in the last line.
DLCORE_API void adam_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                          const TensorList& exp_avg_sqs, const TensorList& max_exp_avg_sqs, IntSpan steps, double lr,
                          double beta1, double beta2, double eps, double weight_decay, bool decoupled, bool amsgrad,
                          bool maximize);

}  // namespace dlcore
