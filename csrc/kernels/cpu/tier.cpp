#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {

// Each family fills its own part of the table.
void fill_arg(KernelTable& t);
void fill_attention(KernelTable& t);
void fill_conv(KernelTable& t);
void fill_counts(KernelTable& t);
void fill_ctc(KernelTable& t);
void fill_elementwise(KernelTable& t);
void fill_gemm(KernelTable& t);
void fill_gemm_int64(KernelTable& t);
void fill_grid_sample(KernelTable& t);
void fill_index(KernelTable& t);
void fill_loss(KernelTable& t);
void fill_margin_loss(KernelTable& t);
void fill_mask(KernelTable& t);
void fill_max_windows(KernelTable& t);
void fill_moments(KernelTable& t);
void fill_norm_channel(KernelTable& t);
void fill_norm_local(KernelTable& t);
void fill_norm_row(KernelTable& t);
void fill_optim(KernelTable& t);
void fill_pair_loss(KernelTable& t);
void fill_pool(KernelTable& t);
void fill_random(KernelTable& t);
void fill_reduce(KernelTable& t);
void fill_resample(KernelTable& t);
void fill_rnn(KernelTable& t);
void fill_scan(KernelTable& t);
void fill_shape(KernelTable& t);
void fill_softmax(KernelTable& t);
void fill_sort(KernelTable& t);
void fill_tiles(KernelTable& t);

void fill_tier(KernelTable& t) {
  fill_arg(t);
  fill_attention(t);
  fill_conv(t);
  fill_counts(t);
  fill_ctc(t);
  fill_elementwise(t);
  fill_gemm(t);
  fill_gemm_int64(t);
  fill_grid_sample(t);
  fill_index(t);
  fill_loss(t);
  fill_margin_loss(t);
  fill_mask(t);
  fill_max_windows(t);
  fill_moments(t);
  fill_norm_channel(t);
  fill_norm_local(t);
  fill_norm_row(t);
  fill_optim(t);
  fill_pair_loss(t);
  fill_pool(t);
  fill_random(t);
  fill_reduce(t);
  fill_resample(t);
  fill_rnn(t);
  fill_scan(t);
  fill_shape(t);
  fill_softmax(t);
  fill_sort(t);
  fill_tiles(t);
}

}  // namespace dlcore::kernel::DLCORE_TIER
