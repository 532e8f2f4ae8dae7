#pragma once
// vec<T, N>: N lanes of T on the compiler's vector extensions, so that a CPU with no tier of its own still works.
// Included only by kernel units. Everything is in the tier's unnamed namespace: nothing here may become a weak symbol.
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
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
struct int_of<1> { using type = int8_t; };
template <>
struct int_of<2> { using type = int16_t; };
template <>
struct int_of<4> { using type = int32_t; };
template <>
struct int_of<8> { using type = int64_t; };

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
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n < 8 ? n : 8)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
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

// Lanes of a (0 ... N - 1) and b (N ... 2N - 1) by compile-time index.
template <int... I, class T, int N>
DLCORE_INLINE vec<T, N> shuffle(vec<T, N> a, vec<T, N> b) {
#if defined(__clang__) || __GNUC__ >= 12
  return {__builtin_shufflevector(a.v, b.v, I...)};
#else
  return {__builtin_shuffle(a.v, b.v, typename vec<T, N>::mask_native{I...})};
#endif
}

// A compile-time list 0, 1, ... N - 1.
template <int... I>
struct ints {};
template <int N, int... I>
constexpr auto indices() {
  if constexpr (N == 0) return ints<I...>{};
  else return indices<N - 1, N - 1, I...>();
}

template <int D, class T, int N, int... I>
DLCORE_INLINE void swap_blocks(vec<T, N>& a, vec<T, N>& b, ints<I...>) {
  const vec<T, N> x = a;
  a = shuffle<(I & D ? N + I - D : I)...>(x, b);
  b = shuffle<(I & D ? N + I : I + D)...>(x, b);
}

// The sum of all lanes, by halves.
template <int D, class T, int N, int... I>
DLCORE_INLINE vec<T, N> add_upper(vec<T, N> x, ints<I...>) {
  return {x.v + shuffle<(I + D) % N...>(x, x).v};
}
template <class T, int N, int D = N / 2>
DLCORE_INLINE T sum_lanes(vec<T, N> x) {
  if constexpr (D >= 1) return sum_lanes<T, N, D / 2>(add_upper<D>(x, indices<N>()));
  else return x[0];
}

// x[i][j] <-> x[j][i]: at each level the off-diagonal blocks of size D swap places.
template <class T, int N, int D = N / 2>
DLCORE_INLINE void transpose(vec<T, N> (&x)[N]) {
  if constexpr (D >= 1) {
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) {
      if (i & D) continue;
      swap_blocks<D>(x[i], x[i + D], indices<N>());
    }
    transpose<T, N, D / 2>(x);
  }
}

template <class T, int N>
DLCORE_INLINE vec<T, N> operator+(vec<T, N> a, vec<T, N> b) { return {a.v + b.v}; }
template <class T, int N>
DLCORE_INLINE vec<T, N> operator-(vec<T, N> a, vec<T, N> b) { return {a.v - b.v}; }
template <class T, int N>
DLCORE_INLINE vec<T, N> operator*(vec<T, N> a, vec<T, N> b) { return {a.v * b.v}; }
template <class T, int N>
DLCORE_INLINE vec<T, N> operator/(vec<T, N> a, vec<T, N> b) { return {a.v / b.v}; }
template <class T, int N>
DLCORE_INLINE vec<T, N> operator-(vec<T, N> a) { return {-a.v}; }
template <class T, int N>
DLCORE_INLINE vec<T, N>& operator+=(vec<T, N>& a, vec<T, N> b) { a.v += b.v; return a; }
template <class T, int N>
DLCORE_INLINE vec<T, N>& operator*=(vec<T, N>& a, vec<T, N> b) { a.v *= b.v; return a; }

// Lanes that are all ones (true) or all zeros (false), as an integer vector of the same width.
template <class T, int N>
struct mask {
  typename vec<T, N>::mask_native m;
  DLCORE_INLINE mask operator&(mask o) const { return {m & o.m}; }
  DLCORE_INLINE mask operator|(mask o) const { return {m | o.m}; }
  DLCORE_INLINE mask operator~() const { return {~m}; }
};

template <class T, int N>
DLCORE_INLINE mask<T, N> operator<(vec<T, N> a, vec<T, N> b) { return {a.v < b.v}; }
template <class T, int N>
DLCORE_INLINE mask<T, N> operator<=(vec<T, N> a, vec<T, N> b) { return {a.v <= b.v}; }
template <class T, int N>
DLCORE_INLINE mask<T, N> operator>(vec<T, N> a, vec<T, N> b) { return {a.v > b.v}; }
template <class T, int N>
DLCORE_INLINE mask<T, N> operator>=(vec<T, N> a, vec<T, N> b) { return {a.v >= b.v}; }
template <class T, int N>
DLCORE_INLINE mask<T, N> operator==(vec<T, N> a, vec<T, N> b) { return {a.v == b.v}; }
template <class T, int N>
DLCORE_INLINE mask<T, N> operator!=(vec<T, N> a, vec<T, N> b) { return {a.v != b.v}; }

template <class T, int N>
DLCORE_INLINE vec<T, N> select(mask<T, N> m, vec<T, N> a, vec<T, N> b) { return {m.m ? a.v : b.v}; }

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
DLCORE_INLINE vec<T, N> fma(vec<T, N> a, vec<T, N> b, vec<T, N> c) { return a * b + c; }
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

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
