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

// The same of dy (rows, channels), each thread some of the channels.
template <class T>
void bias_gradient_channels_last(const T* dy, int64_t rows, int64_t channels, T* db) {
  using V = vec<T>;
  constexpr int64_t together = 4 * V::size;
  parallel_for(ceil_div(channels, together), most(1, (1 << 14) / (rows * together)), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin * together; k < least(channels, end * together); k += together) {
      V sum[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
      for (int64_t r = 0; r < rows; ++r)
        for (int v = 0; v < 4; ++v)
          sum[v] += V::load(dy + r * channels + k + v * V::size, most(0, channels - k - v * V::size));
      for (int v = 0; v < 4; ++v) sum[v].store(db + k + v * V::size, most(0, channels - k - v * V::size));
    }
  });
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
