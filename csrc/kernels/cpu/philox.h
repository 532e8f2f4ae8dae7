#pragma once
// The generator of core/philox.h, a block of counters (kernels/random.h) at a time.
#include <initializer_list>

#include "kernels/cpu/simd_lanes.h"
#include "kernels/random.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int kCounters = static_cast<int>(kRandomCounters), kWords = 4 * kCounters;

// The products of the lanes' low halves.
template <int N>
DLCORE_INLINE vec<uint64_t, N> mul_low_halves(vec<uint64_t, N> a, vec<uint64_t, N> b) {
#if defined(__AVX512F__)
  if constexpr (N == 8) return {(typename vec<uint64_t, N>::native)_mm512_mul_epu32((__m512i)a.v, (__m512i)b.v)};
#endif
#if defined(__AVX2__)
  if constexpr (N == 4) return {(typename vec<uint64_t, N>::native)_mm256_mul_epu32((__m256i)a.v, (__m256i)b.v)};
#endif
#if defined(__SSE2__)
  if constexpr (N == 2) return {(typename vec<uint64_t, N>::native)_mm_mul_epu32((__m128i)a.v, (__m128i)b.v)};
#endif
  const vec<uint64_t, N> low(uint64_t{0xffffffff});
  return (a & low) * (b & low);
}

// The low halves of a's lanes, then of b's.
template <int N, int... I>
DLCORE_INLINE vec<uint32_t, 2 * N> low_halves(vec<uint64_t, N> a, vec<uint64_t, N> b, ints<I...>) {
  using W = vec<uint32_t, 2 * N>;
  return shuffle<2 * I...>(W{(typename W::native)a.v}, W{(typename W::native)b.v});
}

// Words of counters counter ... counter + 15: core/philox.h for several counters at once, in two vectors that need not
// wait for each other. A lane holds 32 bits; its high half is left to hold anything until the end.
void philox_block(uint64_t seed, uint64_t counter, uint32_t* words) {
  constexpr int N = kLanes<uint64_t>, kParts = 2;
  using V = vec<uint64_t, N>;
  const V first = lane_numbers<uint64_t, N>() + V(counter), m0(uint64_t{0xD2511F53}), m1(uint64_t{0xCD9E8D57});
  for (int from = 0; from < kCounters; from += kParts * N) {
    V c[kParts][4];
#pragma GCC unroll 2
    for (int u = 0; u < kParts; ++u) {
      c[u][0] = first + V(static_cast<uint64_t>(from + u * N));
      c[u][1] = V{c[u][0].v >> 32};
      c[u][2] = c[u][3] = V(uint64_t{0});
    }
    V k0(seed), k1(seed >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 2
      for (int u = 0; u < kParts; ++u) {
        const V p0 = mul_low_halves(c[u][0], m0), p1 = mul_low_halves(c[u][2], m1);
        c[u][0] = V{p1.v >> 32} ^ c[u][1] ^ k0;
        c[u][2] = V{p0.v >> 32} ^ c[u][3] ^ k1;
        c[u][1] = p1;
        c[u][3] = p0;
      }
      k0 += V(uint64_t{0x9E3779B9});
      k1 += V(uint64_t{0xBB67AE85});
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) low_halves(c[0][j], c[1][j], indices<2 * N>()).store(words + kCounters * j + from);
  }
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
