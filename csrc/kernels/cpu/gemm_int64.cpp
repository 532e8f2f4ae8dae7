#include "core/parallel.h"
#include "kernels/list.h"

// Integer matrix products: exact modulo 2^64, and plain, because nobody trains with them.
namespace dlcore::kernel::DLCORE_TIER {
namespace {

// C (m, n) = alpha A (m, k) B (k, n), row by row
void gemm_int64(const GemmBatch& batch) {
  const Gemm& g = batch.first;
  const auto alpha = static_cast<uint64_t>(static_cast<int64_t>(g.alpha));
  parallel_for(batch.batch * g.m, 8, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t r = row / g.m, i = row % g.m;
      const auto* a = static_cast<const uint64_t*>(g.a) + r * batch.a_batch + i * g.a_row;
      const auto* b = static_cast<const uint64_t*>(g.b) + r * batch.b_batch;
      auto* c = static_cast<uint64_t*>(g.c) + r * batch.c_batch + i * g.c_row;
      for (int64_t j = 0; j < g.n; ++j) c[j * g.c_col] = 0;
      for (int64_t p = 0; p < g.k; ++p) {
        const uint64_t x = alpha * a[p * g.a_col];
        for (int64_t j = 0; j < g.n; ++j) c[j * g.c_col] += x * b[p * g.b_row + j * g.b_col];
      }
    }
  });
}

}  // namespace

void fill_gemm_int64(KernelTable& t) { t.gemm_int64 = gemm_int64; }

}  // namespace dlcore::kernel::DLCORE_TIER
