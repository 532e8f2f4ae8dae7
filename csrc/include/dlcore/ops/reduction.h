#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// Reductions take the dimensions to reduce; none means all of them.
DLCORE_API Tensor sum(const Tensor& x, std::optional<IntSpan> dim = {}, bool keepdim = false, std::optional<DType> dtype = {});

}  // namespace dlcore
