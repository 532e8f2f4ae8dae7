#pragma once
#include <string>

#include "dlcore/tensor.h"

namespace dlcore {

// Losses. `reduction` is "none" (a loss for each sample or element), "mean" or "sum".

// Classification: input (C), (N, C) or (N, C, d1, ..., dk); target holds a class in [0, C) for each sample, in input's
// shape without C. With z = log sum_c exp(x_c) of a sample:
//
//   cross_entropy   (1 - s) w_t (z - x_t) + s / C sum_c w_c (z - x_c)      s: label_smoothing, w: weight (C) or ones
//   nll_loss        -w_t x_t                                               input holds log-probabilities
//
// A sample of class ignore_index counts nothing. The mean divides by sum w_t of the others. A floating point target of
// input's shape holds probabilities q instead, the loss is sum_c w_c ((1 - s) q_c + s / C) (z - x_c), and the mean
// divides by the number of samples. IndexError for a target that is no class.
DLCORE_API Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                                int64_t ignore_index = -100, const std::string& reduction = "mean",
                                double label_smoothing = 0);
DLCORE_API Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                           int64_t ignore_index = -100, const std::string& reduction = "mean");

// Regression, of d = input - target, which broadcast:
//
//   mse_loss          d^2
//   l1_loss           |d|
//   smooth_l1_loss    d^2 / (2 beta) where |d| < beta, else |d| - beta / 2
//   huber_loss        d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2)
DLCORE_API Tensor mse_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean");
DLCORE_API Tensor l1_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean");
DLCORE_API Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean",
                                 double beta = 1);
DLCORE_API Tensor huber_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean",
                             double delta = 1);

// Yes or no: target in [0, 1], of input's shape; weight and pos_weight broadcast to it.
//
//   binary_cross_entropy              -w (t log(x) + (1 - t) log(1 - x))          x in [0, 1]; logarithms at least -100
//   binary_cross_entropy_with_logits  -w (p t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x)))         p: pos_weight
DLCORE_API Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                                       const std::string& reduction = "mean");
DLCORE_API Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                                                   const Tensor& pos_weight = {},
                                                   const std::string& reduction = "mean");

// t (log(t) - x), or exp(t) (t - x) where target holds logarithms; reduction "batchmean": the sum by input.size(0)
DLCORE_API Tensor kl_div(const Tensor& input, const Tensor& target, const std::string& reduction = "mean",
                         bool log_target = false);

}  // namespace dlcore
