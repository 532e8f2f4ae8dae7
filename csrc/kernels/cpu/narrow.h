#pragma once
// Lane-wise integers of a vector of T, from and to memory where they are narrower.
#include "kernels/cpu/simd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T, int N = kLanes<T>>
using Bits = typename vec<T, N>::mask_native;
template <class I, int N>
using Narrow = typename native_of<I, N>::type;

// The compiler converts between vectors of different element sizes lane by lane; the hardware has an instruction for
// it.
template <class T, int N = kLanes<T>, class I>
DLCORE_INLINE Bits<T, N> load_narrow(const I* p) {
  [[maybe_unused]] constexpr int from = sizeof(I), to = sizeof(T);
#if defined(__AVX512F__)
  if constexpr (N * to == 64 && from == 1 && to == 4)
    return (Bits<T, N>)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  else if constexpr (N * to == 64 && from == 2 && to == 4)
    return (Bits<T, N>)_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  else if constexpr (N * to == 64 && from == 1 && to == 8)
    return (Bits<T, N>)_mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  else
#endif
#if defined(__AVX2__)
      if constexpr (N * to == 32 && from == 1 && to == 4)
    return (Bits<T, N>)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  else if constexpr (N * to == 32 && from == 2 && to == 4)
    return (Bits<T, N>)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  else
#endif
  {
    Narrow<I, N> x;
    std::memcpy(&x, p, sizeof x);
    return __builtin_convertvector(x, Bits<T, N>);
  }
}
template <class T, int N = kLanes<T>, class I>
DLCORE_INLINE void store_narrow(Bits<T, N> x, I* p) {
  [[maybe_unused]] constexpr int from = sizeof(T), to = sizeof(I);
#if defined(__AVX512F__)
  if constexpr (N * from == 64 && from == 4 && to == 1)
    return _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8((__m512i)x));
  else if constexpr (N * from == 64 && from == 4 && to == 2)
    return _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16((__m512i)x));
  else if constexpr (N * from == 64 && from == 8 && to == 1)
    return _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm512_cvtepi64_epi8((__m512i)x));
  else
#endif
  {
    const auto y = __builtin_convertvector(x, Narrow<I, N>);
    std::memcpy(p, &y, sizeof y);
  }
}

// The least value, which nothing is smaller than.
template <class T>
constexpr T kLowest = -__builtin_inf();
template <>
constexpr int64_t kLowest<int64_t> = INT64_MIN;

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
