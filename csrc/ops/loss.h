#pragma once
#include <string>

#include "kernels/loss.h"
#include "ops/internal.h"

namespace dlcore {

// "none", "mean" or "sum"
kernel::LossReduction loss_reduction(const char* op, const std::string& name);

}  // namespace dlcore
