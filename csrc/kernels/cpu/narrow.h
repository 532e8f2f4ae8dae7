#pragma once
// Lane-wise integers of a vector of T, from and to memory where they are narrower.
#include "dlcore/dtype.h"
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
  else if constexpr (N * to == 64 && from == 1 && to == 8)
    return (Bits<T, N>)_mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  else
#endif
#if defined(__AVX2__)
      if constexpr (N * to == 32 && from == 1 && to == 4)
    return (Bits<T, N>)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
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
  else if constexpr (N * from == 64 && from == 8 && to == 1)
    return _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm512_cvtepi64_epi8((__m512i)x));
  else
#endif
  {
    const auto y = __builtin_convertvector(x, Narrow<I, N>);
    std::memcpy(p, &y, sizeof y);
  }
}

// The same for the first n lanes; n >= 0. Never touches memory beyond p[n).
template <class T, class I>
DLCORE_INLINE Bits<T> load_narrow(const I* p, int64_t n) {
  constexpr int N = kLanes<T>;
  if (n >= N) return load_narrow<T, N>(p);
#if defined(__AVX512BW__)
  if constexpr (sizeof(I) == 1 && N == 16)
    return (Bits<T>)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << n) - 1), p));
#endif
  I lanes[N] = {};
  std::memcpy(lanes, p, static_cast<size_t>(n) * sizeof(I));
  return load_narrow<T, N>(lanes);
}
template <class T, class I>
DLCORE_INLINE void store_narrow(Bits<T> x, I* p, int64_t n) {
  constexpr int N = kLanes<T>;
  if (n >= N) return store_narrow<T, N>(x, p);
#if defined(__AVX512BW__)
  if constexpr (sizeof(I) == 1 && N == 16)
    return _mm_mask_storeu_epi8(p, static_cast<__mmask16>((1u << n) - 1), _mm512_cvtepi32_epi8((__m512i)x));
#endif
  I lanes[N];
  store_narrow<T, N>(x, lanes);
  std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof(I));
}

// The least value, which nothing is smaller than.
template <class T>
constexpr T kLowest = -__builtin_inf();
template <>
constexpr int64_t kLowest<int64_t> = INT64_MIN;

// f(T) for the elements that windows slide over.
template <class F>
DLCORE_INLINE void typed(DType dtype, const F& f) {
  switch (dtype) {
    case DType::Float64:
      return f(double{});
    case DType::Int64:
      return f(int64_t{});
    default:
      return f(float{});
  }
}

// f(I) for the numbers of taps.
template <class F>
DLCORE_INLINE void typed_argmax(DType dtype, const F& f) {
  dtype == DType::UInt8 ? f(uint8_t{}) : f(int32_t{});
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
