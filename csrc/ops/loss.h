#pragma once
#include <string>

#include "kernels/loss.h"
#include "ops/internal.h"

namespace dlcore {

// "none", "mean" or "sum"
kernel::LossReduction loss_reduction(const char* op, const std::string& name);
// The losses themselves, their mean or their sum.
Tensor reduced(const Tensor& losses, kernel::LossReduction reduction);
// A copy of x with elements no less than `low`, which the gradient goes through as if none had been changed.
Tensor clamped_copy(const Tensor& x, double low);

}  // namespace dlcore
