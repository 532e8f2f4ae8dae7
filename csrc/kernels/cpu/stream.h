#pragma once
// Stores past the caches (core/stream.h).
#include "core/stream.h"
#include "kernels/cpu/simd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// Whether every vector of an array that begins here, and of its rows of so many elements, may be streamed.
template <class T>
DLCORE_INLINE bool whole_vectors(const T* p, int64_t row) {
  return reinterpret_cast<uintptr_t>(p) % kVectorBytes == 0 && row % kLanes<T> == 0;
}

// v to an aligned place.
template <class T>
DLCORE_INLINE void stream(T* to, vec<T> v) {
#if defined(__AVX512F__)
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), (__m512i)v.v);
#elif defined(__AVX__)
  _mm256_stream_si256(reinterpret_cast<__m256i*>(to), (__m256i)v.v);
#elif defined(__SSE2__)
  _mm_stream_si128(reinterpret_cast<__m128i*>(to), (__m128i)v.v);
#else
  v.store(to);
#endif
}

// A copy of which all whole vectors are streamed.
inline void stream_bytes(void* to, const void* from, int64_t bytes) {
  char* y = static_cast<char*>(to);
  const char* x = static_cast<const char*>(from);
  int64_t i = -reinterpret_cast<intptr_t>(to) & (kVectorBytes - 1);
  i = i < bytes ? i : bytes;
  std::memcpy(y, x, static_cast<size_t>(i));
  for (; i + kVectorBytes <= bytes; i += kVectorBytes)
    stream(reinterpret_cast<int64_t*>(y + i), vec<int64_t>::load(reinterpret_cast<const int64_t*>(x + i)));
  std::memcpy(y + i, x + i, static_cast<size_t>(bytes - i));
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
