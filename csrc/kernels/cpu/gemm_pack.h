#pragma once
// The panel layout: `width` neighbouring rows of A (or columns of B) with k running slowest, so that the micro-kernel
// reads both operands front to back. One routine serves both: it sees an operand as x[i * along + p * depth].
#include "kernels/cpu/simd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// dst[p * width + i] = src[i * along + p * depth] for i < rows, 0 for rows <= i < width; p < k.
template <class T>
void pack_panel(T* dst, int64_t width, int64_t rows, int64_t k, const T* src, int64_t along, int64_t depth) {
  using V = vec<T>;
  if (along == 1) {
    for (int64_t p = 0; p < k; ++p, dst += width, src += depth) {
      for (int64_t i = 0; i < width; i += V::size) {
        const int64_t n = rows - i;
        V::load(src + (n > 0 ? i : 0), n < 0 ? 0 : n).store(dst + i, width - i);
      }
    }
    return;
  }
  int64_t p = 0;
  if (depth == 1) {  // transpose squares of lanes x lanes in registers
    for (; p + V::size <= k; p += V::size) {
      for (int64_t i0 = 0; i0 < width; i0 += V::size) {
        V x[V::size];
#pragma GCC unroll 16
        for (int i = 0; i < V::size; ++i) x[i] = i0 + i < rows ? V::load(src + (i0 + i) * along + p) : V(T(0));
        transpose(x);
        T* to = dst + p * width + i0;
#pragma GCC unroll 16
        for (int i = 0; i < V::size; ++i) x[i].store(to + i * width, width - i0);
      }
    }
  }
  for (; p < k; ++p)
    for (int64_t i = 0; i < width; ++i) dst[p * width + i] = i < rows ? src[i * along + p * depth] : T(0);
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
