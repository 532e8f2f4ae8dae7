#pragma once
// vec<T, N>: N lanes of T on the compiler's vector extensions, so that a CPU with no tier of its own still works.
// Included only by kernel units. Everything is in the tier's unnamed namespace: nothing here may become a weak symbol.
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // in GCC 12's own header
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif

#ifndef DLCORE_TIER
#error "simd.h belongs to kernel units, which are compiled once per ISA tier"
#endif

#define DLCORE_INLINE __attribute__((always_inline)) inline

namespace dlcore::kernel::DLCORE_TIER {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

// Lanes of T in one native register.
template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <int Bytes>
struct int_of;
template <>
struct int_of<1> {
  using type = int8_t;
};
template <>
struct int_of<2> {
  using type = int16_t;
};
template <>
struct int_of<4> {
  using type = int32_t;
};
template <>
struct int_of<8> {
  using type = int64_t;
};

template <class T>
struct unsigned_of;
template <>
struct unsigned_of<int32_t> {
  using type = uint32_t;
};
template <>
struct unsigned_of<int64_t> {
  using type = uint64_t;
};

template <class T, int N>
struct native_of {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};

template <class T, int N = kLanes<T>>
struct vec {
  using scalar = T;
  using bits = typename int_of<sizeof(T)>::type;
  using native = typename native_of<T, N>::type;
  using mask_native = typename native_of<bits, N>::type;
  static constexpr int size = N;

  native v;

  vec() = default;
  DLCORE_INLINE vec(native x) : v(x) {}
  DLCORE_INLINE vec(T x) : v(x - native{}) {}  // broadcast; x - 0 keeps the sign of zero

  static DLCORE_INLINE vec load(const T* p) {
    vec r;
    std::memcpy(&r.v, p, sizeof(native));
    return r;
  }
  DLCORE_INLINE void store(T* p) const { std::memcpy(p, &v, sizeof(native)); }

  // The first n lanes from memory, the others `fill`; n in [0, N]. Never touches memory beyond p[n).
  static DLCORE_INLINE vec load(const T* p, int64_t n, T fill = T{}) {
    if (n >= N) return load(p);
    vec r(fill);
    T lanes[N];
    r.store(lanes);
    std::memcpy(lanes, p, static_cast<size_t>(n) * sizeof(T));
    return load(lanes);
  }
  DLCORE_INLINE void store(T* p, int64_t n) const {
    if (n >= N) return store(p);
    T lanes[N];
    store(lanes);
    std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof(T));
  }

  DLCORE_INLINE T operator[](int i) const { return v[i]; }
};

// On AVX-512 a partial load or store is one masked instruction.
#if defined(__AVX512F__)
template <>
DLCORE_INLINE vec<float, 16> vec<float, 16>::load(const float* p, int64_t n, float fill) {
  if (__builtin_constant_p(n) && n >= 16) return load(p);
  const __mmask16 lanes = static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1);
  if (fill == 0 && !__builtin_signbit(fill)) return {(native)_mm512_maskz_loadu_ps(lanes, p)};
  return {(native)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), lanes, p)};
}
template <>
DLCORE_INLINE vec<double, 8> vec<double, 8>::load(const double* p, int64_t n, double fill) {
  if (__builtin_constant_p(n) && n >= 8) return load(p);
  const __mmask8 lanes = static_cast<__mmask8>(n >= 8 ? 0xffu : (1u << n) - 1);
  if (fill == 0 && !__builtin_signbit(fill)) return {(native)_mm512_maskz_loadu_pd(lanes, p)};
  return {(native)_mm512_mask_loadu_pd(_mm512_set1_pd(fill), lanes, p)};
}
template <>
DLCORE_INLINE vec<int32_t, 16> vec<int32_t, 16>::load(const int32_t* p, int64_t n, int32_t fill) {
  const __mmask16 lanes = static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1);
  return {(native)_mm512_mask_loadu_epi32(_mm512_set1_epi32(fill), lanes, p)};
}
template <>
DLCORE_INLINE vec<int64_t, 8> vec<int64_t, 8>::load(const int64_t* p, int64_t n, int64_t fill) {
  const __mmask8 lanes = static_cast<__mmask8>(n >= 8 ? 0xffu : (1u << n) - 1);
  return {(native)_mm512_mask_loadu_epi64(_mm512_set1_epi64(fill), lanes, p)};
}
template <>
DLCORE_INLINE void vec<int32_t, 16>::store(int32_t* p, int64_t n) const {
  _mm512_mask_storeu_epi32(p, static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1), (__m512i)v);
}
template <>
DLCORE_INLINE void vec<int64_t, 8>::store(int64_t* p, int64_t n) const {
  _mm512_mask_storeu_epi64(p, static_cast<__mmask8>(n >= 8 ? 0xffu : (1u << n) - 1), (__m512i)v);
}
template <>
DLCORE_INLINE void vec<float, 16>::store(float* p, int64_t n) const {
  if (__builtin_constant_p(n) && n >= 16) return store(p);
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1), (__m512)v);
}
template <>
DLCORE_INLINE void vec<double, 8>::store(double* p, int64_t n) const {
  if (__builtin_constant_p(n) && n >= 8) return store(p);
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>(n >= 8 ? 0xffu : (1u << n) - 1), (__m512d)v);
}
#elif defined(__AVX2__)
// Lanes below n, for the masked moves of AVX2.
template <int N>
DLCORE_INLINE auto first_lanes(int64_t n) {
  if constexpr (N == 8) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n < 8 ? n : 8)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  } else {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
}
template <>
DLCORE_INLINE vec<float, 8> vec<float, 8>::load(const float* p, int64_t n, float fill) {
  if (__builtin_constant_p(n) && n >= 8) return load(p);
  const __m256i lanes = first_lanes<8>(n);
  if (fill == 0 && !__builtin_signbit(fill)) return {(native)_mm256_maskload_ps(p, lanes)};
  return {(native)_mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, lanes), _mm256_castsi256_ps(lanes))};
}
template <>
DLCORE_INLINE vec<double, 4> vec<double, 4>::load(const double* p, int64_t n, double fill) {
  if (__builtin_constant_p(n) && n >= 4) return load(p);
  const __m256i lanes = first_lanes<4>(n);
  if (fill == 0 && !__builtin_signbit(fill)) return {(native)_mm256_maskload_pd(p, lanes)};
  return {(native)_mm256_blendv_pd(_mm256_set1_pd(fill), _mm256_maskload_pd(p, lanes), _mm256_castsi256_pd(lanes))};
}
template <>
DLCORE_INLINE vec<int32_t, 8> vec<int32_t, 8>::load(const int32_t* p, int64_t n, int32_t fill) {
  const __m256i lanes = first_lanes<8>(n);
  return {(native)_mm256_blendv_epi8(_mm256_set1_epi32(fill), _mm256_maskload_epi32(p, lanes), lanes)};
}
template <>
DLCORE_INLINE vec<int64_t, 4> vec<int64_t, 4>::load(const int64_t* p, int64_t n, int64_t fill) {
  const __m256i lanes = first_lanes<4>(n);
  const auto* at = reinterpret_cast<const long long*>(p);
  return {(native)_mm256_blendv_epi8(_mm256_set1_epi64x(fill), _mm256_maskload_epi64(at, lanes), lanes)};
}
template <>
DLCORE_INLINE void vec<int32_t, 8>::store(int32_t* p, int64_t n) const {
  _mm256_maskstore_epi32(p, first_lanes<8>(n), (__m256i)v);
}
template <>
DLCORE_INLINE void vec<int64_t, 4>::store(int64_t* p, int64_t n) const {
  _mm256_maskstore_epi64(reinterpret_cast<long long*>(p), first_lanes<4>(n), (__m256i)v);
}
template <>
DLCORE_INLINE void vec<float, 8>::store(float* p, int64_t n) const {
  if (__builtin_constant_p(n) && n >= 8) return store(p);
  _mm256_maskstore_ps(p, first_lanes<8>(n), (__m256)v);
}
template <>
DLCORE_INLINE void vec<double, 4>::store(double* p, int64_t n) const {
  if (__builtin_constant_p(n) && n >= 4) return store(p);
  _mm256_maskstore_pd(p, first_lanes<4>(n), (__m256d)v);
}
#endif

template <class T, int N>
DLCORE_INLINE vec<T, N> operator+(vec<T, N> a, vec<T, N> b) {
  return {a.v + b.v};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> operator-(vec<T, N> a, vec<T, N> b) {
  return {a.v - b.v};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> operator*(vec<T, N> a, vec<T, N> b) {
  return {a.v * b.v};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> operator/(vec<T, N> a, vec<T, N> b) {
  return {a.v / b.v};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> operator-(vec<T, N> a) {
  return {-a.v};
}
template <class T, int N>
DLCORE_INLINE vec<T, N>& operator+=(vec<T, N>& a, vec<T, N> b) {
  a.v += b.v;
  return a;
}
template <class T, int N>
DLCORE_INLINE vec<T, N>& operator*=(vec<T, N>& a, vec<T, N> b) {
  a.v *= b.v;
  return a;
}

// Lanes that are all ones (true) or all zeros (false), as an integer vector of the same width.
template <class T, int N>
struct mask {
  typename vec<T, N>::mask_native m;
  DLCORE_INLINE mask operator&(mask o) const { return {m & o.m}; }
  DLCORE_INLINE mask operator|(mask o) const { return {m | o.m}; }
  DLCORE_INLINE mask operator~() const { return {~m}; }
  DLCORE_INLINE mask operator!=(mask o) const { return {m ^ o.m}; }
};

template <class T, int N>
DLCORE_INLINE mask<T, N> operator<(vec<T, N> a, vec<T, N> b) {
  return {a.v < b.v};
}
template <class T, int N>
DLCORE_INLINE mask<T, N> operator<=(vec<T, N> a, vec<T, N> b) {
  return {a.v <= b.v};
}
template <class T, int N>
DLCORE_INLINE mask<T, N> operator>(vec<T, N> a, vec<T, N> b) {
  return {a.v > b.v};
}
template <class T, int N>
DLCORE_INLINE mask<T, N> operator>=(vec<T, N> a, vec<T, N> b) {
  return {a.v >= b.v};
}
template <class T, int N>
DLCORE_INLINE mask<T, N> operator==(vec<T, N> a, vec<T, N> b) {
  return {a.v == b.v};
}
template <class T, int N>
DLCORE_INLINE mask<T, N> operator!=(vec<T, N> a, vec<T, N> b) {
  return {a.v != b.v};
}

template <class T, int N>
DLCORE_INLINE vec<T, N> select(mask<T, N> m, vec<T, N> a, vec<T, N> b) {
  return {m.m ? a.v : b.v};
}

// Bytes that are 0 or not, as a mask over lanes of T, and back (to 0 and 1).
template <class T, int N>
DLCORE_INLINE mask<T, N> load_mask(const uint8_t* p) {
  typedef int8_t bytes __attribute__((vector_size(N)));
  bytes b;
  std::memcpy(&b, p, N);
  return {__builtin_convertvector(b, typename vec<T, N>::mask_native) != 0};
}
template <class T, int N>
DLCORE_INLINE void store_mask(uint8_t* p, mask<T, N> m) {
  typedef int8_t bytes __attribute__((vector_size(N)));
  const bytes b = __builtin_convertvector(m.m, bytes) & 1;
  std::memcpy(p, &b, N);
}

// a * b + c with one rounding where the tier has FMA, two on baseline.
template <class T, int N>
DLCORE_INLINE vec<T, N> fma(vec<T, N> a, vec<T, N> b, vec<T, N> c) {
  return a * b + c;
}
#if defined(__FMA__)
DLCORE_INLINE vec<float, 8> fma(vec<float, 8> a, vec<float, 8> b, vec<float, 8> c) {
  return {(vec<float, 8>::native)_mm256_fmadd_ps((__m256)a.v, (__m256)b.v, (__m256)c.v)};
}
DLCORE_INLINE vec<double, 4> fma(vec<double, 4> a, vec<double, 4> b, vec<double, 4> c) {
  return {(vec<double, 4>::native)_mm256_fmadd_pd((__m256d)a.v, (__m256d)b.v, (__m256d)c.v)};
}
#endif
#if defined(__AVX512F__)
DLCORE_INLINE vec<float, 16> fma(vec<float, 16> a, vec<float, 16> b, vec<float, 16> c) {
  return {(vec<float, 16>::native)_mm512_fmadd_ps((__m512)a.v, (__m512)b.v, (__m512)c.v)};
}
DLCORE_INLINE vec<double, 8> fma(vec<double, 8> a, vec<double, 8> b, vec<double, 8> c) {
  return {(vec<double, 8>::native)_mm512_fmadd_pd((__m512d)a.v, (__m512d)b.v, (__m512d)c.v)};
}
#endif

// ---- bits

template <class T, int N>
using bits_of = vec<typename vec<T, N>::bits, N>;

template <class T, int N>
DLCORE_INLINE bits_of<T, N> to_bits(vec<T, N> a) {
  return {(typename vec<T, N>::mask_native)a.v};
}
template <class T, class I, int N>
DLCORE_INLINE vec<T, N> from_bits(vec<I, N> a) {
  return {(typename vec<T, N>::native)a.v};
}

template <class T, int N>
DLCORE_INLINE vec<T, N> operator&(vec<T, N> a, vec<T, N> b) {
  return {a.v & b.v};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> operator|(vec<T, N> a, vec<T, N> b) {
  return {a.v | b.v};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> operator^(vec<T, N> a, vec<T, N> b) {
  return {a.v ^ b.v};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> operator~(vec<T, N> a) {
  return {~a.v};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> operator<<(vec<T, N> a, int n) {
  return {a.v << n};
}
template <class T, int N>
DLCORE_INLINE vec<T, N> operator>>(vec<T, N> a, int n) {
  return {a.v >> n};
}  // keeps the sign

template <class To, class T, int N>
DLCORE_INLINE vec<To, N> convert(vec<T, N> a) {
  return {__builtin_convertvector(a.v, typename vec<To, N>::native)};
}

template <class T, int N>
DLCORE_INLINE bool any(mask<T, N> m) {
#if defined(__SSE4_1__)
  if constexpr (sizeof m.m == 16) return !_mm_testz_si128((__m128i)m.m, (__m128i)m.m);
#endif
#if defined(__AVX__)
  if constexpr (sizeof m.m == 32) return !_mm256_testz_si256((__m256i)m.m, (__m256i)m.m);
#endif
#if defined(__AVX512F__)
  if constexpr (sizeof m.m == 64) return _mm512_test_epi64_mask((__m512i)m.m, (__m512i)m.m) != 0;
#endif
  typename vec<T, N>::bits lanes[N], sum = 0;
  std::memcpy(lanes, &m.m, sizeof lanes);
  for (int i = 0; i < N; ++i) sum |= lanes[i];
  return sum != 0;
}

// ---- min, max (b where either is NaN), sqrt, rounding

template <class T, int N>
DLCORE_INLINE vec<T, N> min(vec<T, N> a, vec<T, N> b) {
  return select(a < b, a, b);
}
template <class T, int N>
DLCORE_INLINE vec<T, N> max(vec<T, N> a, vec<T, N> b) {
  return select(a > b, a, b);
}

template <class T>
constexpr bool kIsFloat = false;
template <>
constexpr bool kIsFloat<float> = true;
template <>
constexpr bool kIsFloat<double> = true;

template <class T, int N>
DLCORE_INLINE vec<T, N> abs(vec<T, N> a) {
  if constexpr (kIsFloat<T>) {
    using B = typename vec<T, N>::bits;
    return from_bits<T>(to_bits(a) & bits_of<T, N>(static_cast<B>(~(B{1} << (8 * sizeof(B) - 1)))));
  } else {
    return select(a < vec<T, N>(T{0}), -a, a);
  }
}
template <class T, int N>
DLCORE_INLINE bits_of<T, N> sign_bit(vec<T, N> a) {
  using B = typename vec<T, N>::bits;
  return to_bits(a) & bits_of<T, N>(static_cast<B>(B{1} << (8 * sizeof(B) - 1)));
}
template <class T, int N>
DLCORE_INLINE vec<T, N> copysign(vec<T, N> size, vec<T, N> sign) {
  return from_bits<T>(to_bits(abs(size)) | sign_bit(sign));
}

template <class T, int N>
DLCORE_INLINE vec<T, N> sqrt(vec<T, N> a) {
  return each_lane(a, [](T x) { return __builtin_sqrt(x); });
}
template <class T, int N>
DLCORE_INLINE vec<T, N> round_even(vec<T, N> a) {
  return each_lane(a, [](T x) { return static_cast<T>(__builtin_rint(x)); });
}
template <class T, int N>
DLCORE_INLINE vec<T, N> floor(vec<T, N> a) {
  return each_lane(a, [](T x) { return static_cast<T>(__builtin_floor(x)); });
}
template <class T, int N>
DLCORE_INLINE vec<T, N> ceil(vec<T, N> a) {
  return each_lane(a, [](T x) { return static_cast<T>(__builtin_ceil(x)); });
}
template <class T, int N>
DLCORE_INLINE vec<T, N> trunc(vec<T, N> a) {
  return each_lane(a, [](T x) { return static_cast<T>(__builtin_trunc(x)); });
}

// The same as single instructions, one line an operation for each register width.
#define DLCORE_X86_MATH(T, N, reg, mm, round, suffix)                                                              \
  DLCORE_INLINE vec<T, N> min(vec<T, N> a, vec<T, N> b) {                                                          \
    return {(vec<T, N>::native)mm##_min_##suffix((reg)a.v, (reg)b.v)};                                             \
  }                                                                                                                \
  DLCORE_INLINE vec<T, N> max(vec<T, N> a, vec<T, N> b) {                                                          \
    return {(vec<T, N>::native)mm##_max_##suffix((reg)a.v, (reg)b.v)};                                             \
  }                                                                                                                \
  DLCORE_INLINE vec<T, N> sqrt(vec<T, N> a) { return {(vec<T, N>::native)mm##_sqrt_##suffix((reg)a.v)}; }          \
  DLCORE_INLINE vec<T, N> round_even(vec<T, N> a) {                                                                \
    return {(vec<T, N>::native)mm##_##round##_##suffix((reg)a.v, 8)};                                              \
  }                                                                                                                \
  DLCORE_INLINE vec<T, N> floor(vec<T, N> a) { return {(vec<T, N>::native)mm##_##round##_##suffix((reg)a.v, 9)}; } \
  DLCORE_INLINE vec<T, N> ceil(vec<T, N> a) { return {(vec<T, N>::native)mm##_##round##_##suffix((reg)a.v, 10)}; } \
  DLCORE_INLINE vec<T, N> trunc(vec<T, N> a) { return {(vec<T, N>::native)mm##_##round##_##suffix((reg)a.v, 11)}; }
#if defined(__SSE4_1__)
DLCORE_X86_MATH(float, 4, __m128, _mm, round, ps)
DLCORE_X86_MATH(double, 2, __m128d, _mm, round, pd)
#endif
#if defined(__AVX__)
DLCORE_X86_MATH(float, 8, __m256, _mm256, round, ps)
DLCORE_X86_MATH(double, 4, __m256d, _mm256, round, pd)
#endif
#if defined(__AVX512F__)
DLCORE_X86_MATH(float, 16, __m512, _mm512, roundscale, ps)
DLCORE_X86_MATH(double, 8, __m512d, _mm512, roundscale, pd)
#endif
#undef DLCORE_X86_MATH

// a * 2^n for whole n in [-2100, 2100], rounded once (to a subnormal where the result is one).
template <class T>
struct float_format;
template <>
struct float_format<float> {
  static constexpr int mantissa = 23, bias = 127;
  static constexpr float smallest_normal = 0x1p-126f;
  static constexpr float shifter = 0x1.8p23f;  // added to a whole number puts that into the low bits
};
template <>
struct float_format<double> {
  static constexpr int mantissa = 52, bias = 1023;
  static constexpr double smallest_normal = 0x1p-1022;
  static constexpr double shifter = 0x1.8p52;
};
template <class T, int N>
DLCORE_INLINE vec<T, N> power_of_2(vec<T, N> n) {  // n in [1 - bias, bias]
  using F = float_format<T>;
  return from_bits<T>(to_bits(n + vec<T, N>(F::shifter + F::bias)) << F::mantissa);
}
template <class T, int N>
DLCORE_INLINE vec<T, N> scale(vec<T, N> a, vec<T, N> n) {
#if defined(__AVX512F__)
  if constexpr (sizeof a.v == 64 && sizeof(T) == 4)
    return {(typename vec<T, N>::native)_mm512_scalef_ps((__m512)a.v, (__m512)n.v)};
  if constexpr (sizeof a.v == 64 && sizeof(T) == 8)
    return {(typename vec<T, N>::native)_mm512_scalef_pd((__m512d)a.v, (__m512d)n.v)};
#endif
  const vec<T, N> half = floor(n * vec<T, N>(T(0.5)));
  return a * power_of_2(half) * power_of_2(n - half);
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
