#pragma once
// Convolutions that are one product of matrices as they lie in memory: kernels of 1x1 with stride 1, and kernels that
// cover the whole input. With x as (n, d, p), w as (oc, d) and y as (n, oc, p), where d are the elements of a window
// and p the positions (p = 1 for whole inputs),
//
//   forward          y[n]  = w x[n] + b
//   backward_data    dx[n] = w^T dy[n]
//   backward_weight  dw    = sum_n dy[n] x[n]^T
#include "kernels/conv.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/conv_bias.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/window.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T>
class ConvProduct {
 public:
  ConvProduct(const Conv2d& g, ConvPass pass, void* workspace)
      : g_(g),
        backward_(pass == ConvPass::BackwardData),
        depth_(g.c * g.kh * g.kw),
        positions_(g.oh * g.ow),
        arena_{static_cast<char*>(workspace)} {
    GemmBatch p = pass == ConvPass::BackwardWeight ? gradient() : product();
    if (p.batch > 1) {
      packed_ = arena_.take<char>(gemm_packed_a_size(p.first));
      p.first.a_packed = true;
    }
    scratch_ = arena_.take<char>(gemm_workspace(p));
  }

  int64_t bytes() const { return arena_.used; }

  // forward (x gives y), or backward_data (dy gives dx)
  void run(const T* source, const T* weights, const T* bias, T* target) {
    GemmBatch p = product();
    p.first.a = weights, p.first.b = source, p.first.c = target;
    p.first.bias = bias, p.first.bias_per_row = true;
    if (!backward_) p.first.activation = g_.activation;
    if (p.batch > 1) {  // the weights once for all images
      gemm_pack_a(p.first, packed_);
      p.first.a = packed_, p.first.a_packed = true;
    }
    gemm(p, scratch_);
  }

  void backward_weight(const T* x, const T* dy, T* dw, T* db) {
    GemmBatch p = gradient();
    p.first.a = dy, p.first.b = x, p.first.c = dw;
    gemm(p, scratch_);
    if (db) bias_gradient(dy, g_.n, g_.oc, positions_, db);
  }

 private:
  GemmBatch product() const {
    GemmBatch p{};
    Gemm& f = p.first;
    f.dtype = g_.dtype;
    f.m = backward_ ? depth_ : g_.oc, f.k = backward_ ? g_.oc : depth_;
    f.a_row = backward_ ? 1 : depth_, f.a_col = backward_ ? depth_ : 1;
    if (positions_ == 1) {  // the images are the columns
      f.n = g_.n;
      f.b_row = 1, f.b_col = f.k, f.c_row = 1, f.c_col = f.m;
    } else {
      f.n = positions_;
      f.b_row = positions_, f.b_col = 1, f.c_row = positions_, f.c_col = 1;
      p.batch = g_.n, p.b_batch = f.k * positions_, p.c_batch = f.m * positions_;
    }
    return p;
  }

  GemmBatch gradient() const {
    GemmBatch p{};
    Gemm& f = p.first;
    f.dtype = g_.dtype;
    f.m = g_.oc, f.n = depth_;
    f.c_row = depth_, f.c_col = 1;
    if (positions_ == 1) {
      f.k = g_.n;
      f.a_row = 1, f.a_col = g_.oc, f.b_row = depth_, f.b_col = 1;
    } else {
      f.k = positions_, f.reduce = g_.n;
      f.a_row = positions_, f.a_col = 1, f.a_step = g_.oc * positions_;
      f.b_row = 1, f.b_col = positions_, f.b_step = depth_ * positions_;
    }
    return p;
  }

  const Conv2d& g_;
  bool backward_;
  int64_t depth_, positions_;
  Arena arena_;
  char* scratch_;
  char* packed_ = nullptr;
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
