#pragma once
#include "dlcore/random.h"
#include "dlcore/tensor.h"

namespace dlcore {

// Activations, elementwise; formulas in kernels/cpu/elementwise_activation.cpp.
DLCORE_API Tensor relu(const Tensor& x);  // max(x, 0)
DLCORE_API Tensor relu_(const Tensor& x);
DLCORE_API Tensor relu6(const Tensor& x);                                     // min(max(x, 0), 6)
DLCORE_API Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);  // x where x > 0, else negative_slope x
// Slopes drawn from U(lower, upper) while training, their mean otherwise (Xu et al. 2015).
DLCORE_API Tensor rrelu(const Tensor& x, double lower = 1.0 / 8, double upper = 1.0 / 3, bool training = false,
                        Generator* generator = nullptr);
DLCORE_API Tensor prelu(const Tensor& x, const Tensor& slope);  // slope: one value, or one a channel (dimension 1)
DLCORE_API Tensor elu(const Tensor& x, double alpha = 1);       // x where x > 0, else alpha (e^x - 1)
DLCORE_API Tensor celu(const Tensor& x, double alpha = 1);      // max(x, 0) + min(alpha (e^(x / alpha) - 1), 0)
DLCORE_API Tensor selu(const Tensor& x);                        // 1.0507 (x where x > 0, else 1.6733 (e^x - 1))
DLCORE_API Tensor gelu(const Tensor& x, const std::string& approximate = "none");     // or "tanh"
DLCORE_API Tensor silu(const Tensor& x);                                              // x sigmoid(x)
DLCORE_API Tensor mish(const Tensor& x);                                              // x tanh(log(1 + e^x))
DLCORE_API Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);  // log(1 + e^(beta x)) / beta
DLCORE_API Tensor softsign(const Tensor& x);                                          // x / (1 + |x|)
DLCORE_API Tensor logsigmoid(const Tensor& x);                                        // log(sigmoid(x))
DLCORE_API Tensor hardtanh(const Tensor& x, double low = -1, double high = 1);        // min(max(x, low), high)
DLCORE_API Tensor hardswish(const Tensor& x);                                         // x min(max(x + 3, 0), 6) / 6
DLCORE_API Tensor hardsigmoid(const Tensor& x);                                       // min(max(x + 3, 0), 6) / 6
DLCORE_API Tensor hardshrink(const Tensor& x, double lambda = 0.5);                   // x where |x| > lambda, else 0
DLCORE_API Tensor softshrink(const Tensor& x, double lambda = 0.5);                   // sign(x) max(|x| - lambda, 0)
DLCORE_API Tensor tanhshrink(const Tensor& x);                                        // x - tanh(x)
DLCORE_API Tensor threshold(const Tensor& x, double threshold, double value);  // x where x > threshold, else value
DLCORE_API Tensor glu(const Tensor& x, int64_t dim = -1);  // a sigmoid(b) of the two halves along dim
// While training, each element is 0 with probability p, and the others are divided by 1 - p.
DLCORE_API Tensor dropout(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);

}  // namespace dlcore
