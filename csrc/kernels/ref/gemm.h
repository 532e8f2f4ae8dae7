#pragma once
#include "kernels/gemm.h"

namespace dlcore::kernel::ref {

// The formula of kernels/gemm.h, one element at a time, summed in the next wider type. Operands must not be packed.
void gemm(const GemmBatch& g);

}  // namespace dlcore::kernel::ref
