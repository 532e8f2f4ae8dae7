#pragma once
// The list of kernels. It declares the table that each tier fills, and tests walk it to see that none is missing.
// A kernel is a plain function over raw pointers; its arguments are described in the header of its family.
#include "kernels/gemm.h"
#include "kernels/reduce.h"
#include "kernels/shape.h"

namespace dlcore {

#define DLCORE_KERNELS(KERNEL)                                                                        \
  /* matrix engine: kernels/gemm.h, kernels/cpu/gemm.cpp */                                           \
  KERNEL(gemm_workspace, int64_t(const kernel::GemmBatch&))                                           \
  KERNEL(gemm, void(const kernel::GemmBatch&, void* workspace))                                       \
  KERNEL(gemm_packed_a_size, int64_t(const kernel::Gemm&))                                            \
  KERNEL(gemm_packed_b_size, int64_t(const kernel::Gemm&))                                            \
  KERNEL(gemm_pack_a, void(const kernel::Gemm&, void* packed))                                        \
  KERNEL(gemm_pack_b, void(const kernel::Gemm&, void* packed))                                        \
  /* reductions: kernels/reduce.h, kernels/cpu/reduce.cpp */                                          \
  KERNEL(reduce, void(const kernel::Reduce&))                                                         \
  /* moving elements: kernels/shape.h, kernels/cpu/shape.cpp */                                       \
  KERNEL(fill, void(const kernel::Fill&))                                                             \
  KERNEL(range, void(const kernel::Range&))                                                           \
  KERNEL(join, void(const kernel::Join&))

template <class Signature>
using Kernel = Signature*;

struct KernelTable {
  const char* tier = nullptr;
#define DLCORE_KERNEL_FIELD(name, ...) Kernel<__VA_ARGS__> name = nullptr;
  DLCORE_KERNELS(DLCORE_KERNEL_FIELD)
#undef DLCORE_KERNEL_FIELD
};

}  // namespace dlcore
