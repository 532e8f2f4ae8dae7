#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

DLCORE_API Tensor empty(IntSpan sizes, DType dtype = DType::Float32);
DLCORE_API Tensor zeros(IntSpan sizes, DType dtype = DType::Float32);
DLCORE_API Tensor full(IntSpan sizes, Scalar value, DType dtype = DType::Float32);

}  // namespace dlcore
