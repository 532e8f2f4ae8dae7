#pragma once
// The generator of core/philox.h, a block of counters (kernels/random.h) at a time.
#include <initializer_list>

#include "kernels/cpu/simd.h"
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

// Words of counters counter ... counter + 15: core/philox.h for several counters at once. A lane holds 32 bits; its
// high half is left to hold anything until the end.
void philox_block(uint64_t seed, uint64_t counter, uint32_t* words) {
  constexpr int N = kLanes<uint64_t>;
  using V = vec<uint64_t, N>;
  uint64_t lane[N];
  for (int i = 0; i < N; ++i) lane[i] = static_cast<uint64_t>(i);
  const V first = V::load(lane) + V(counter);
  for (int part = 0; part < kCounters; part += N) {
    V c0 = first + V(static_cast<uint64_t>(part)), c1{c0.v >> 32}, c2(uint64_t{0}), c3(uint64_t{0});
    uint64_t k0 = seed, k1 = seed >> 32;
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      const V p0 = mul_low_halves(c0, V(uint64_t{0xD2511F53})), p1 = mul_low_halves(c2, V(uint64_t{0xCD9E8D57}));
      c0 = V{p1.v >> 32} ^ c1 ^ V(k0);
      c2 = V{p0.v >> 32} ^ c3 ^ V(k1);
      c1 = p1;
      c3 = p0;
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    int j = 0;
    for (const V& c : {c0, c1, c2, c3}) {
      const auto low = __builtin_convertvector(c.v, typename native_of<uint32_t, N>::type);
      std::memcpy(words + kCounters * j++ + part, &low, sizeof low);
    }
  }
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
