#pragma once
#include <optional>
#include <string>

#include "dlcore/tensor.h"

namespace dlcore {

// ---- normalization (formulas of forward and backward: csrc/kernels/norm.h)
//
// y = (x - mean) / sqrt(var + eps) weight + bias, with the mean and the variance (of n elements, not n - 1) of the
// elements that the op names. weight and bias are (C) or undefined, for factors 1 and summands 0. The result has x's
// order in memory. 16-bit floating point is computed in float32.

// Statistics for each channel of x (N, C, ...), from x where `training`, otherwise running_mean and running_var. From x
// they also go into the running ones, running = (1 - momentum) running + momentum statistic, the variance that of n
// - 1.
DLCORE_API Tensor batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                             const Tensor& running_var, bool training = false, double momentum = 0.1,
                             double eps = 1e-5);
// activation(batch_norm(...) + residual) in one pass over memory, and another one backward. activation: "relu",
// "relu6" or "none"; residual has x's shape, or is undefined.
DLCORE_API Tensor batch_norm_act(const Tensor& input, const Tensor& weight, const Tensor& bias,
                                 const Tensor& running_mean, const Tensor& running_var, bool training = false,
                                 double momentum = 0.1, double eps = 1e-5, const Tensor& residual = {},
                                 const std::string& activation = "relu");
// Statistics for each image and channel of x (N, C, ...), from x where use_input_stats. The running ones, (C), take
// their mean over the images.
DLCORE_API Tensor instance_norm(const Tensor& input, const Tensor& weight, const Tensor& bias,
                                const Tensor& running_mean, const Tensor& running_var, bool use_input_stats = true,
                                double momentum = 0.1, double eps = 1e-5);
// Statistics for each image and each of num_groups groups of neighbouring channels of x (N, C, ...).
DLCORE_API Tensor group_norm(const Tensor& input, int64_t num_groups, const Tensor& weight = {},
                             const Tensor& bias = {}, double eps = 1e-5);

// Statistics of each row: of the last dimensions of x, which are normalized_shape, as are weight and bias.
DLCORE_API Tensor layer_norm(const Tensor& input, IntSpan normalized_shape, const Tensor& weight = {},
                             const Tensor& bias = {}, double eps = 1e-5);
// x / sqrt(mean of x^2 + eps) weight over the last dimensions of x, which are normalized_shape, as is weight. Without
// an eps it is the smallest one of the input's type, the distance from 1 to the next number.
DLCORE_API Tensor rms_norm(const Tensor& input, IntSpan normalized_shape, const Tensor& weight = {},
                           std::optional<double> eps = {});
// x_c / (k + alpha / size sum of x_j^2)^beta, over `size` channels j around c of x (N, C, ...), floor(size / 2) of them
// in front of c; those beyond the first and last one count as 0.
DLCORE_API Tensor local_response_norm(const Tensor& input, int64_t size, double alpha = 1e-4, double beta = 0.75,
                                      double k = 1);

}  // namespace dlcore
