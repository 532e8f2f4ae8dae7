#pragma once
#include <cstdint>

#include "dlcore/dtype.h"
#include "kernels/activation.h"

// Normalization. Everywhere x^ = (x - mean) rstd with rstd = 1 / sqrt(var + eps) and var = mean of (x - mean)^2 over
// the n elements that share statistics; y = x^ weight + bias. With g = dy weight and sums over those elements:
//
//   dx = rstd (g - sum(g) / n - x^ sum(g x^) / n),  dweight = sum dy x^,  dbias = sum dy
//
// or dx = rstd g where mean and var are given constants. Statistics are taken blockwise, as deviations from the block's
// own mean, and blocks are joined in float64, so that a mean that is large against the spread costs no accuracy.
namespace dlcore::kernel {

// ---- images: statistics per channel, or per group of channels, over all images together or one by one

struct ChannelNorm {
  DType dtype;                       // Float32 or Float64: x, y, weight, ...
  bool channels_last;                // x lies as (images, places, channels), otherwise as (images, channels, places)
  int64_t images, channels, places;  // none is 0
  bool per_image = false;            // each image has its own statistics
  int64_t group = 1;                 // neighbouring channels that share statistics; divides `channels`
  Activation activation = Activation::None;
  double eps = 0;
  bool given = false;  // mean and var are given rather than computed

  // Channels with a scale and a shift of their own; statistics; elements that make one of these.
  int64_t entries() const { return (per_image ? images : 1) * channels; }
  int64_t stats() const { return entries() / group; }
  int64_t count() const { return (per_image ? 1 : images) * group * places; }
  int64_t numel() const { return images * channels * places; }
};

// y = act(x^ weight + bias (+ residual))
struct ChannelNormForward {
  const void *x, *weight, *bias, *residual;  // weight, bias: (channels); these and residual may be null
  void* y;
  double *mean, *var;  // (stats)
};

struct ChannelNormBackward {
  const void *x, *dy, *weight, *bias;  // of the forward; bias is read only where act(.) is computed again
  const void* y;                       // the forward's result where a residual lies under an activation, otherwise null
  const double *mean, *var;
  void *dx, *dresidual;   // may be null; dresidual is written only where y is not null
  void *dweight, *dbias;  // (channels), may be null
};

// running = (1 - momentum) running + momentum * statistic, averaged over images; the variance unbiased by n / (n - 1).
struct RunningStatistics {
  DType dtype;               // of the running ones
  int64_t images, channels;  // statistics are (images, channels)
  const double *mean, *var;
  double momentum, unbias;
  void *running_mean, *running_var;
};

// ---- rows: statistics of each row (layer normalization); without a mean, x^ = x rstd with the mean of x^2 in place of
// var, and dx = rstd (g - x^ sum(g x^) / n) (root mean square normalization)

struct RowNorm {
  DType dtype;
  int64_t rows, n;  // x: (rows, n), neither is 0
  bool centered;
  double eps;
};

struct RowNormForward {
  const void *x, *weight, *bias;  // weight, bias: (n), may be null
  void* y;
  double *mean, *rstd;  // (rows); may both be null
};

struct RowNormBackward {
  const void *x, *dy, *weight;
  const double *mean, *rstd;   // mean is not read unless centered
  void *dx, *dweight, *dbias;  // may be null
};

// ---- neighbouring channels (local response normalization)
//
//   y_c = x_c d_c^-beta,  d_c = k + alpha / size sum of x_j^2 over channels c - floor(size / 2) ... of `size` in all
//   dx_c = dy_c d_c^-beta - 2 alpha beta / size x_c sum of dy_j x_j d_j^(-beta - 1) over the j whose channels hold c

struct LocalNorm {
  DType dtype;
  bool channels_last;
  int64_t images, channels, places;  // none is 0
  int64_t size;
  double alpha, beta, k;
};

}  // namespace dlcore::kernel
