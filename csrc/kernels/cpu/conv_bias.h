#pragma once
// db[k] = sum over images n and positions p of dy[n, k, p]
#include "core/parallel.h"
#include "kernels/cpu/window.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T>
void bias_gradient(const T* dy, int64_t n, int64_t channels, int64_t positions, T* db) {
  using V = vec<T>;
  parallel_for(channels, most(1, (1 << 14) / (n * positions + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      T sum = 0;
      for (int64_t i = 0; i < n; ++i) {
        const T* x = dy + (i * channels + k) * positions;
        V s(T(0));
        int64_t p = 0;
        for (; p + V::size <= positions; p += V::size) s += V::load(x + p);
        sum += total(s + V::load(x + p, positions - p));
      }
      db[k] = sum;
    }
  });
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
