#pragma once
// The matrix engine of this tier, for kernels that are made of products (kernels/gemm.h describes the functions).
#include "kernels/gemm.h"

namespace dlcore::kernel::DLCORE_TIER {

int64_t gemm_workspace(const GemmBatch& g);
void gemm(const GemmBatch& g, void* workspace);
int64_t gemm_packed_a_size(const Gemm& g);
int64_t gemm_packed_b_size(const Gemm& g);
void gemm_pack_a(const Gemm& g, void* packed);
void gemm_pack_b(const Gemm& g, void* packed);

}  // namespace dlcore::kernel::DLCORE_TIER
