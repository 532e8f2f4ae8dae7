#pragma once
#include "dlcore/tensor.h"

// Optimizer steps over lists of tensors, each in one pass over all of them. All tensors of a parameter share its shape
// and dtype; they are updated in place, without history. Each computes what the optimizer of that name in torch.optim
// does. p is a parameter, dp its gradient, t = steps[i] the number of its step, counted from 1. Every step starts from
//   g = dp (-dp where maximize) + weight_decay p,      or, where `decoupled`, p = p - lr weight_decay p and g = dp
namespace dlcore {

// Stochastic gradient descent (Sutskever et al. 2013):
//   b = momentum b + (1 - dampening) g      (b = g where first_step)
//   p = p - lr (nesterov ? g + momentum b : b)
// momentum_buffers may be empty where momentum = 0.
DLCORE_API void sgd_step(const TensorList& params, const TensorList& grads, const TensorList& momentum_buffers,
                         double lr, double momentum, double dampening, double weight_decay, bool nesterov,
                         bool maximize, bool first_step);

// Adam, or with `decoupled` AdamW (Kingma and Ba 2015, Loshchilov and Hutter 2019):
//   m = beta1 m + (1 - beta1) g
//   v = beta2 v + (1 - beta2) g^2
//   p = p - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)
// With amsgrad the largest v so far, kept in max_exp_avg_sqs, takes v's place in the last line.
DLCORE_API void adam_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                          const TensorList& exp_avg_sqs, const TensorList& max_exp_avg_sqs, IntSpan steps, double lr,
                          double beta1, double beta2, double eps, double weight_decay, bool decoupled, bool amsgrad,
                          bool maximize);

// Adam with Nesterov's momentum (Dozat 2016): m and v as there, mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2),
//   p = p - lr ((1 - mu_t) / (1 - mu_1 ... mu_t) g + mu_{t+1} / (1 - mu_1 ... mu_{t+1}) m)
//             / (sqrt(v / (1 - beta2^t)) + eps)
// The products mu_1 ... mu_t are kept in mu_products, zero-dimensional tensors that start as ones.
DLCORE_API void nadam_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                           const TensorList& exp_avg_sqs, const TensorList& mu_products, IntSpan steps, double lr,
                           double beta1, double beta2, double eps, double weight_decay, double momentum_decay,
                           bool decoupled, bool maximize);

// Rectified Adam (Liu et al. 2020): m and v as there, rho_inf = 2 / (1 - beta2) - 1,
//   rho = rho_inf - 2 t beta2^t / (1 - beta2^t)
//   r = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))
//   p = p - lr m / (1 - beta1^t) r sqrt(1 - beta2^t) / (sqrt(v) + eps)      (p - lr m / (1 - beta1^t) where rho <= 5)
DLCORE_API void radam_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                           const TensorList& exp_avg_sqs, IntSpan steps, double lr, double beta1, double beta2,
                           double eps, double weight_decay, bool decoupled, bool maximize);

// Adamax (Kingma and Ba 2015): m as in Adam,
//   u = max(beta2 u, |g| + eps);  p = p - lr / (1 - beta1^t) m / u
DLCORE_API void adamax_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
                            const TensorList& exp_infs, IntSpan steps, double lr, double beta1, double beta2,
                            double eps, double weight_decay, bool maximize);

// Adagrad (Duchi et al. 2011):
//   s = s + g^2;  p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)
DLCORE_API void adagrad_step(const TensorList& params, const TensorList& grads, const TensorList& sums, IntSpan steps,
                             double lr, double lr_decay, double eps, double weight_decay, bool maximize);

// RMSprop (Hinton 2012; centered: Graves 2013):
//   s = alpha s + (1 - alpha) g^2;  a = alpha a + (1 - alpha) g
//   d = g / (sqrt(centered ? s - a^2 : s) + eps);  b = momentum b + d;  p = p - lr b
// momentum_buffers may be empty where momentum = 0, grad_avgs unless centered.
DLCORE_API void rmsprop_step(const TensorList& params, const TensorList& grads, const TensorList& square_avgs,
                             const TensorList& momentum_buffers, const TensorList& grad_avgs, double lr, double alpha,
                             double eps, double weight_decay, double momentum, bool centered, bool maximize);

// Adadelta (Zeiler 2012):
//   s = rho s + (1 - rho) g^2;  d = sqrt(a + eps) / sqrt(s + eps) g;  a = rho a + (1 - rho) d^2;  p = p - lr d
DLCORE_API void adadelta_step(const TensorList& params, const TensorList& grads, const TensorList& square_avgs,
                              const TensorList& acc_deltas, double lr, double rho, double eps, double weight_decay,
                              bool maximize);

// Lion (Chen et al. 2023), whose weight decay is always decoupled:
//   p = p - lr sign(beta1 m + (1 - beta1) g);  m = beta2 m + (1 - beta2) g
DLCORE_API void lion_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs, double lr,
                          double beta1, double beta2, double weight_decay, bool maximize);

// Gradient clipping. The p-norm (p = 1, 2 or infinity) of all tensors taken together as one vector; x = factor x; and
// x = min(max(x, low), high), each in one pass over all tensors.
DLCORE_API Tensor total_norm(const TensorList& tensors, double p);
DLCORE_API void scale_all_(const TensorList& tensors, double factor);
DLCORE_API void clamp_all_(const TensorList& tensors, double low, double high);

}  // namespace dlcore
