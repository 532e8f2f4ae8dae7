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

// Counts and measurements:
//
//   poisson_nll_loss   exp(x) - t x, or x - t log(x + eps) where not log_input; full: with Stirling's
//                      t log t - t + log(2 pi t) / 2 where t > 1
//   gaussian_nll_loss  (log v + (x - t)^2 / v) / 2 with v = max(var, eps), which gradients go through unchanged; full:
//                      with log(2 pi) / 2. var: a number, or of input's shape, or that with 1 for a dimension or
//                      without the last one; ValueError where it is negative
DLCORE_API Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, bool log_input = true, bool full = false,
                                   double eps = 1e-8, const std::string& reduction = "mean");
DLCORE_API Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var, bool full = false,
                                    double eps = 1e-6, const std::string& reduction = "mean");

// Margins between scores. target t is 1 or -1 where it is not said otherwise:
//
//   soft_margin_loss             log(1 + exp(-t x))
//   hinge_embedding_loss         x where t = 1, max(0, margin - x) where t = -1
//   margin_ranking_loss          max(0, margin - t (x1 - x2))
//   multi_margin_loss            1 / C sum over c != t of w_t max(0, margin + x_c - x_t)^p; input (C) or (N, C), target
//                                a class each; p: 1 or 2
//   multilabel_margin_loss       1 / C sum over t right, c wrong of max(0, 1 + x_c - x_t); target in input's shape: the
//                                right classes of a row, ended by -1
//   multilabel_soft_margin_loss  the mean over the last dimension of
//                                -w (t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x))), t in [0, 1]
DLCORE_API Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean");
DLCORE_API Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin = 1,
                                       const std::string& reduction = "mean");
DLCORE_API Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                                      double margin = 0, const std::string& reduction = "mean");
DLCORE_API Tensor multi_margin_loss(const Tensor& input, const Tensor& target, int64_t p = 1, double margin = 1,
                                    const Tensor& weight = {}, const std::string& reduction = "mean");
DLCORE_API Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target,
                                         const std::string& reduction = "mean");
DLCORE_API Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                                              const std::string& reduction = "mean");

// Distances of embeddings, rows of (N, D) or a single (D):
//
//   cosine_embedding_loss  1 - cos(x1, x2) where t = 1, max(0, cos(x1, x2) - margin) where t = -1; target (N) or ()
//   triplet_margin_loss    max(0, margin + |a - p| - |a - n|), norms of order p of differences + eps; swap: with
//                          min(|a - n|, |p - n|)
DLCORE_API Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                                        double margin = 0, const std::string& reduction = "mean");
DLCORE_API Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                                      double margin = 1, double p = 2, double eps = 1e-6, bool swap = false,
                                      const std::string& reduction = "mean");

// Connectionist temporal classification (Graves et al., 2006): -log of the probability that the steps of log_probs,
// (T, N, C) or (T, C), spell the target, over all alignments. targets: (N, S), or all samples' one after another, of
// classes other than `blank`. The mean is over samples, of each loss by its target's length (at least 1). Where no
// alignment exists the loss is infinite and its gradient NaN; with zero_infinity both are 0. The gradient is that of
// log-probabilities which sum to 1 at every step: exp(x) less the probability of the class at that step, given the
// target. float32 and float64 inside.
DLCORE_API Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, IntSpan input_lengths,
                           IntSpan target_lengths, int64_t blank = 0, const std::string& reduction = "mean",
                           bool zero_infinity = false);

}  // namespace dlcore
