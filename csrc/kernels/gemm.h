#pragma once
#include <cstdint>

#include "dlcore/dtype.h"
#include "kernels/activation.h"

// The matrix engine: linear layers, convolutions, recurrent cells and attention are all this one product.
//
//   gemm_workspace(g)        bytes of scratch that gemm(g, workspace) needs; from the shape and strides alone
//   gemm(g, workspace)       workspace is 64-byte aligned (may be null where gemm_workspace says 0)
//   gemm_packed_a_size(g)    bytes of A (and B) in the engine's panel layout
//   gemm_pack_a(g, packed)   writes that layout, 64-byte aligned; afterwards g.a = packed, g.a_packed = true
//
// A packed operand fits every product of the same dtype, reduce, k, orientation of C (c_row == 1 or not) and size of
// the operand itself; the other operand's size is free. In a batch, a_batch steps through packed operands by their
// size.
namespace dlcore::kernel {

// C (m, n) = act( alpha * sum_r A_r (m, k) B_r (k, n)  +  beta * C  +  bias ),  r < reduce.
// A dot product runs over r in order and, within r, in fixed blocks of k: never a function of the thread count.
struct Gemm {
  DType dtype;  // Float32 or Float64: A, B, C and bias
  int64_t m, n, k;
  const void* a;
  int64_t a_row, a_col;  // strides in elements: A_r[i, p] = a[a_block(r) + i * a_row + p * a_col]
  const void* b;
  int64_t b_row, b_col;  // B_r[p, j] = b[b_block(r) + p * b_row + j * b_col]
  void* c;
  int64_t c_row, c_col;  // C[i, j] = c[i * c_row + j * c_col]
  int64_t reduce = 1;
  int64_t a_step = 0, b_step = 0;      // a_block(r) = r * a_step ...
  const int64_t* a_offsets = nullptr;  // ... or a_offsets[r], where given
  const int64_t* b_offsets = nullptr;
  double alpha = 1, beta = 0;  // beta = 0: C is not read
  const void* bias = nullptr;  // (n) or, with bias_per_row, (m)
  bool bias_per_row = false;
  Activation activation = Activation::None;
  bool a_packed = false, b_packed = false;  // operand is already in the engine's panel layout (gemm_pack_a / _b)
};

// `batch` independent products that differ by constant steps (in elements) between their A, B and C.
struct GemmBatch {
  Gemm first;
  int64_t batch = 1;
  int64_t a_batch = 0, b_batch = 0, c_batch = 0;
};

}  // namespace dlcore::kernel
