#pragma once
#include "dlcore/random.h"
#include "dlcore/tensor.h"

namespace dlcore {

// Activations, elementwise; formulas in kernels/cpu/elementwise_activation.cpp.
DLCORE_API Tensor relu(const Tensor& x);  // max(x, 0)
DLCORE_API Tensor relu_(const Tensor& x);
DLCORE_API Tensor relu6(const Tensor& x);  // min(max(x, 0), 6)
DLCORE_API Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
// Slopes drawn from U(lower, upper) while training, their mean otherwise (Xu et al. 2015).
DLCORE_API Tensor rrelu(const Tensor& x, double lower = 1.0 / 8, double upper = 1.0 / 3, bool training = false,
                        Generator* generator = nullptr);
DLCORE_API Tensor prelu(const Tensor& x, const Tensor& slope);  // slope: one value, or one a channel (dimension 1)
DLCORE_API Tensor elu(const Tensor& x, double alpha = 1);
DLCORE_API Tensor celu(const Tensor& x, double alpha = 1);
DLCORE_API Tensor selu(const Tensor& x);
DLCORE_API Tensor gelu(const Tensor& x, const std::string& approximate = "none");  // or "tanh"
DLCORE_API Tensor silu(const Tensor& x);
DLCORE_API Tensor mish(const Tensor& x);
DLCORE_API Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
DLCORE_API Tensor softsign(const Tensor& x);
DLCORE_API Tensor logsigmoid(const Tensor& x);
DLCORE_API Tensor hardtanh(const Tensor& x, double low = -1, double high = 1);
DLCORE_API Tensor hardswish(const Tensor& x);
DLCORE_API Tensor hardsigmoid(const Tensor& x);
DLCORE_API Tensor hardshrink(const Tensor& x, double lambda = 0.5);
DLCORE_API Tensor softshrink(const Tensor& x, double lambda = 0.5);
DLCORE_API Tensor tanhshrink(const Tensor& x);
DLCORE_API Tensor threshold(const Tensor& x, double threshold, double value);
DLCORE_API Tensor glu(const Tensor& x, int64_t dim = -1);  // a sigmoid(b) of the two halves along dim
// While training, each element is 0 with probability p, and the others are divided by 1 - p.
DLCORE_API Tensor dropout(const Tensor& x, double p = 0.5, bool training = true, Generator* generator = nullptr);

}  // namespace dlcore
