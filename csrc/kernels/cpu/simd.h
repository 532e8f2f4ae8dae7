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
