#include "kernels/ref/gemm.h"

namespace dlcore::kernel::ref {
namespace {

// Wide is the type that sums are kept in.
template <class T, class Wide>
void product(const Gemm& g, const T* a, const T* b, T* c) {
  const T* bias = static_cast<const T*>(g.bias);
  for (int64_t i = 0; i < g.m; ++i)
    for (int64_t j = 0; j < g.n; ++j) {
      Wide sum = 0;
      for (int64_t r = 0; r < g.reduce; ++r) {
        const T* a_r = a + (g.a_offsets ? g.a_offsets[r] : r * g.a_step);
        const T* b_r = b + (g.b_offsets ? g.b_offsets[r] : r * g.b_step);
        for (int64_t p = 0; p < g.k; ++p)
          sum += static_cast<Wide>(a_r[i * g.a_row + p * g.a_col]) * b_r[p * g.b_row + j * g.b_col];
      }
      T& y = c[i * g.c_row + j * g.c_col];
      Wide x = g.alpha * sum;
      if (g.beta != 0) x += static_cast<Wide>(g.beta) * y;
      if (bias) x += bias[g.bias_per_row ? i : j];
      if (g.activation != Activation::None && x < 0) x = 0;
      if (g.activation == Activation::Relu6 && x > 6) x = 6;
      y = static_cast<T>(x);
    }
}

template <class T, class Wide>
void all(const GemmBatch& g) {
  for (int64_t l = 0; l < g.batch; ++l)
    product<T, Wide>(g.first, static_cast<const T*>(g.first.a) + l * g.a_batch,
                     static_cast<const T*>(g.first.b) + l * g.b_batch, static_cast<T*>(g.first.c) + l * g.c_batch);
}

}  // namespace

void gemm(const GemmBatch& g) { g.first.dtype == DType::Float64 ? all<double, long double>(g) : all<float, double>(g); }

}  // namespace dlcore::kernel::ref
