#pragma once
// The list of kernels. It declares the table that each tier fills, and tests walk it to see that none is missing.
// A kernel is a plain function over raw pointers; its arguments are described in the header of its family.
#include "kernels/attention.h"
#include "kernels/axis_map.h"
#include "kernels/conv.h"
#include "kernels/ctc.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/grid_sample.h"
#include "kernels/index.h"
#include "kernels/loss.h"
#include "kernels/norm.h"
#include "kernels/optim.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/rnn.h"
#include "kernels/scan.h"
#include "kernels/shape.h"
#include "kernels/softmax.h"
#include "kernels/sort.h"

namespace dlcore {

#define DLCORE_KERNELS(KERNEL)                                                                                        \
  /* matrix engine: kernels/gemm.h, kernels/cpu/gemm.cpp */                                                           \
  KERNEL(gemm_workspace, int64_t(const kernel::GemmBatch&))                                                           \
  KERNEL(gemm, void(const kernel::GemmBatch&, void* workspace))                                                       \
  KERNEL(gemm_packed_a_size, int64_t(const kernel::Gemm&))                                                            \
  KERNEL(gemm_packed_b_size, int64_t(const kernel::Gemm&))                                                            \
  KERNEL(gemm_pack_a, void(const kernel::Gemm&, void* packed))                                                        \
  KERNEL(gemm_pack_b, void(const kernel::Gemm&, void* packed))                                                        \
  KERNEL(gemm_int64, void(const kernel::GemmBatch&))                                                                  \
  /* elements by index: kernels/index.h, kernels/cpu/index.cpp; false where an index is out of range */               \
  KERNEL(index_read, bool(const kernel::Indexed&, int64_t item, const void* x, void* y))                              \
  KERNEL(index_write, bool(const kernel::Indexed&, kernel::IndexWrite, DType, void* x, const void* y))                \
  /* elements by mask: kernels/index.h, kernels/cpu/mask.cpp */                                                       \
  KERNEL(mask_count, void(const uint8_t* mask, int64_t n, int64_t chunk, int64_t* counts))                            \
  KERNEL(masked_select, void(const kernel::Masked&, int64_t item, const void* x, void* y))                            \
  KERNEL(masked_scatter, void(const kernel::Masked&, int64_t item, void* x, const void* source))                      \
  KERNEL(mask_coordinates, void(const kernel::Masked&, int ndim, const int64_t* sizes, int64_t* y))                   \
  KERNEL(masked_fill, void(const kernel::MaskedFill&, int64_t item))                                                  \
  /* order: kernels/sort.h, kernels/cpu/sort.cpp */                                                                   \
  KERNEL(sort_workspace, int64_t(const kernel::Sort&))                                                                \
  KERNEL(sort, void(const kernel::Sort&, const void* x, void* y, int64_t* index, void* workspace))                    \
  KERNEL(topk_workspace, int64_t(const kernel::TopK&))                                                                \
  KERNEL(topk, void(const kernel::TopK&, const void* x, void* y, int64_t* index, void* workspace))                    \
  KERNEL(kthvalue, void(const kernel::Sort&, int64_t k, const void* x, void* y, int64_t* index))                      \
  KERNEL(searchsorted, void(const kernel::Search&))                                                                   \
  /* elementwise: kernels/elementwise.h, kernels/cpu/{elementwise,tiles}*.cpp */                                      \
  KERNEL(elementwise_row, kernel::Row(kernel::ElementwiseOp, DType compute))                                          \
  KERNEL(elementwise_load, kernel::LoadTile(DType storage, DType compute))                                            \
  KERNEL(elementwise_store, kernel::StoreTile(DType compute, DType storage))                                          \
  KERNEL(copy_tile, void(int64_t item, void* y, int64_t y0, int64_t y1, const void* x, int64_t x0, int64_t x1,        \
                         int64_t n0, int64_t n1))                                                                     \
  KERNEL(stream, void(void* to, const void* from, int64_t bytes)) /* a copy past the caches: core/stream.h */         \
  /* reductions: kernels/{reduce,scan}.h, kernels/cpu/{reduce,arg,moments,scan}.cpp */                                \
  KERNEL(reduce, void(const kernel::Reduce&))                                                                         \
  KERNEL(reduce_arg, void(const kernel::ReduceArg&))                                                                  \
  KERNEL(reduce_moments, void(const kernel::ReduceMoments&))                                                          \
  KERNEL(scan, void(const kernel::Scan&))                                                                             \
  /* exponentials along a dimension: kernels/softmax.h, kernels/cpu/softmax.cpp */                                    \
  KERNEL(logsumexp, void(const kernel::LogSumExp&))                                                                   \
  KERNEL(softmax, void(const kernel::Softmax&))                                                                       \
  KERNEL(softmax_backward, void(const kernel::SoftmaxBackward&))                                                      \
  /* losses: kernels/{loss,ctc}.h, kernels/cpu/{loss,pair_loss,margin_loss,ctc}.cpp */                                \
  KERNEL(cross_entropy, void(const kernel::CrossEntropy&))                                                            \
  KERNEL(cross_entropy_backward, void(const kernel::CrossEntropyBackward&))                                           \
  KERNEL(pair_loss, void(const kernel::PairLoss&))                                                                    \
  KERNEL(pair_loss_backward, void(const kernel::PairLossBackward&))                                                   \
  KERNEL(margin_loss, void(const kernel::MarginLoss&))                                                                \
  KERNEL(margin_loss_backward, void(const kernel::MarginLoss&))                                                       \
  KERNEL(ctc_loss, void(const kernel::Ctc&, const kernel::CtcForward&))                                               \
  KERNEL(ctc_loss_backward, void(const kernel::Ctc&, const kernel::CtcBackward&))                                     \
  /* moving elements: kernels/shape.h, kernels/cpu/shape.cpp */                                                       \
  KERNEL(fill, void(const kernel::Fill&))                                                                             \
  KERNEL(range, void(const kernel::Range&))                                                                           \
  KERNEL(join, void(const kernel::Join&))                                                                             \
  /* convolution: kernels/conv.h, kernels/cpu/conv*.cpp */                                                            \
  KERNEL(conv2d_workspace, int64_t(const kernel::Conv2d&, kernel::ConvPass))                                          \
  KERNEL(conv2d_packed_size, int64_t(const kernel::Conv2d&, kernel::ConvPass))                                        \
  KERNEL(conv2d_pack, void(const kernel::Conv2d&, kernel::ConvPass, const void* w, void* packed))                     \
  KERNEL(conv2d_forward,                                                                                              \
         void(const kernel::Conv2d&, const void* x, const void* w, const void* b, void* y, void* workspace))          \
  KERNEL(conv2d_backward_data, void(const kernel::Conv2d&, const void* dy, const void* w, void* dx, void* workspace)) \
  KERNEL(conv2d_backward_weight,                                                                                      \
         void(const kernel::Conv2d&, const void* x, const void* dy, void* dw, void* db, void* workspace))             \
  /* pooling: kernels/pool.h, kernels/cpu/pool.cpp */                                                                 \
  KERNEL(pool2d_workspace, int64_t(const kernel::Pool2d&, bool backward))                                             \
  KERNEL(max_pool2d_forward, void(const kernel::Pool2d&, const void* x, void* y, void* argmax, void* workspace))      \
  KERNEL(max_pool2d_backward,                                                                                         \
         void(const kernel::Pool2d&, const void* dy, const void* argmax, void* dx, void* workspace))                  \
  KERNEL(avg_pool2d_forward, void(const kernel::Pool2d&, const void* x, void* y, void* workspace))                    \
  KERNEL(avg_pool2d_backward, void(const kernel::Pool2d&, const void* dy, void* dx, void* workspace))                 \
  /* normalization: kernels/norm.h, kernels/cpu/norm*.cpp; with scratch of *_workspace bytes */                       \
  KERNEL(channel_norm_workspace, int64_t(const kernel::ChannelNorm&, bool backward))                                  \
  KERNEL(channel_norm_forward, void(const kernel::ChannelNorm&, const kernel::ChannelNormForward&, void*))            \
  KERNEL(channel_norm_backward, void(const kernel::ChannelNorm&, const kernel::ChannelNormBackward&, void*))          \
  KERNEL(running_statistics, void(const kernel::RunningStatistics&))                                                  \
  KERNEL(row_norm_workspace, int64_t(const kernel::RowNorm&))                                                         \
  KERNEL(row_norm_forward, void(const kernel::RowNorm&, const kernel::RowNormForward&))                               \
  KERNEL(row_norm_backward, void(const kernel::RowNorm&, const kernel::RowNormBackward&, void*))                      \
  KERNEL(local_norm_workspace, int64_t(const kernel::LocalNorm&))                                                     \
  KERNEL(local_norm_forward, void(const kernel::LocalNorm&, const void* x, void* y, void*))                           \
  KERNEL(local_norm_backward, void(const kernel::LocalNorm&, const void* x, const void* dy, void* dx, void*))         \
  /* axis by axis: kernels/axis_map.h, kernels/cpu/{resample,max_windows}.cpp */                                      \
  KERNEL(resample_workspace, int64_t(const kernel::Image&))                                                           \
  KERNEL(resample, void(const kernel::Image&, const void* x, void* y, void* workspace))                               \
  KERNEL(max_windows_workspace, int64_t(const kernel::MaxWindows&))                                                   \
  KERNEL(max_windows, void(const kernel::MaxWindows&, const void* x, void* y, void* argmax, void* workspace))         \
  KERNEL(max_windows_backward,                                                                                        \
         void(const kernel::MaxWindows&, const void* dy, const void* argmax, void* dx, void* workspace))              \
  KERNEL(max_windows_places, void(const kernel::MaxWindows&, const void* argmax, int64_t* place, void* workspace))    \
  /* an image at points: kernels/grid_sample.h, kernels/cpu/grid_sample.cpp */                                        \
  KERNEL(grid_sample, void(const kernel::GridSample&, const void* x, const void* grid, void* y))                      \
  KERNEL(grid_sample_backward_input, void(const kernel::GridSample&, const void* dy, const void* grid, void* dx))     \
  KERNEL(grid_sample_backward_grid,                                                                                   \
         void(const kernel::GridSample&, const void* dy, const void* x, const void* grid, void* dgrid))               \
  /* recurrent layers: kernels/rnn.h, kernels/cpu/rnn*; with scratch of rnn_workspace bytes */                        \
  KERNEL(rnn_packed_size, int64_t(const kernel::Rnn&, kernel::RnnWeight))                                             \
  KERNEL(rnn_pack, void(const kernel::Rnn&, kernel::RnnWeight, const void* w, void* packed))                          \
  KERNEL(rnn_workspace, int64_t(const kernel::Rnn&, bool backward))                                                   \
  KERNEL(rnn_forward, void(const kernel::Rnn&, const kernel::RnnForward&, void* workspace))                           \
  KERNEL(rnn_backward, void(const kernel::Rnn&, const kernel::RnnBackward&, void* workspace))                         \
  /* attention: kernels/attention.h, kernels/cpu/attention*; with scratch of attention_workspace bytes */             \
  KERNEL(attention_workspace, int64_t(const kernel::Attention&, bool backward))                                       \
  KERNEL(attention_forward, void(const kernel::Attention&, void* workspace))                                          \
  KERNEL(attention_backward, void(const kernel::Attention&, const kernel::AttentionBackward&, void* workspace))       \
  /* optimizer steps: kernels/optim.h, kernels/cpu/optim.cpp */                                                       \
  KERNEL(sgd_step, void(const kernel::OptimPass&, const kernel::Sgd&))                                                \
  KERNEL(adam_step, void(const kernel::OptimPass&, const kernel::Adam&))                                              \
  KERNEL(nadam_step, void(const kernel::OptimPass&, const kernel::NAdam&))                                            \
  KERNEL(radam_step, void(const kernel::OptimPass&, const kernel::RAdam&))                                            \
  KERNEL(adamax_step, void(const kernel::OptimPass&, const kernel::Adamax&))                                          \
  KERNEL(adagrad_step, void(const kernel::OptimPass&, const kernel::Adagrad&))                                        \
  KERNEL(rmsprop_step, void(const kernel::OptimPass&, const kernel::RmsProp&))                                        \
  KERNEL(adadelta_step, void(const kernel::OptimPass&, const kernel::Adadelta&))                                      \
  KERNEL(lion_step, void(const kernel::OptimPass&, const kernel::Lion&))                                              \
  KERNEL(scale_all, void(const kernel::OptimPass&, const kernel::Scale&))                                             \
  KERNEL(clamp_all, void(const kernel::OptimPass&, const kernel::Clamp&))                                             \
  KERNEL(norm_of_chunks, void(const kernel::OptimPass&, kernel::Norm, double* of_chunk))                              \
  KERNEL(walk, void(const kernel::Walk&))                                                                             \
  KERNEL(triangle, void(const kernel::Triangle&))                                                                     \
  /* random numbers: kernels/random.h, kernels/cpu/{random,counts}.cpp */                                             \
  KERNEL(counts, void(const kernel::Counts&))                                                                         \
  KERNEL(random, void(const kernel::Random&))                                                                         \
  KERNEL(permutation, void(const kernel::Permutation&))

template <class Signature>
using Kernel = Signature*;

struct KernelTable {
  const char* tier = nullptr;
#define DLCORE_KERNEL_FIELD(name, ...) Kernel<__VA_ARGS__> name = nullptr;
  DLCORE_KERNELS(DLCORE_KERNEL_FIELD)
#undef DLCORE_KERNEL_FIELD
};

}  // namespace dlcore
