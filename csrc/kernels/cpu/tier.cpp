#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {

// Each family fills its own part of the table.
void fill_conv(KernelTable& t);
void fill_elementwise(KernelTable& t);
void fill_gemm(KernelTable& t);
void fill_gemm_int64(KernelTable& t);
void fill_index(KernelTable& t);
void fill_mask(KernelTable& t);
void fill_optim(KernelTable& t);
void fill_pool(KernelTable& t);
void fill_reduce(KernelTable& t);
void fill_shape(KernelTable& t);
void fill_sort(KernelTable& t);
void fill_tiles(KernelTable& t);
void fill_random(KernelTable& t);

void fill_tier(KernelTable& t) {
  fill_conv(t);
  fill_elementwise(t);
  fill_gemm(t);
  fill_gemm_int64(t);
  fill_index(t);
  fill_mask(t);
  fill_optim(t);
  fill_pool(t);
  fill_reduce(t);
  fill_shape(t);
  fill_sort(t);
  fill_tiles(t);
  fill_random(t);
}

}  // namespace dlcore::kernel::DLCORE_TIER
