#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// The matrix product with PyTorch's rules for one-dimensional and batched operands.
DLCORE_API Tensor matmul(const Tensor& a, const Tensor& b);

}  // namespace dlcore
