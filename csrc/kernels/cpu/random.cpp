#include "kernels/random.h"

#include "core/half.h"
#include "core/parallel.h"
#include "kernels/cpu/math_trigonometric.h"
#include "kernels/cpu/philox.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements

// ---- words

// Numbers of 64 bits: words 2 j and 2 j + 1 of each counter are the high and the low half.
DLCORE_INLINE void pair_up(const uint32_t* words, int j, uint64_t* pairs) {
  const uint32_t *high = words + 2 * j * kCounters, *low = high + kCounters;
  for (int l = 0; l < kCounters; ++l) pairs[l] = uint64_t{high[l]} << 32 | low[l];
}

// ---- one block of each distribution

void uniform_block(const uint32_t* words, const Random& r, float* y) {
  const int drop = r.dtype == DType::BFloat16 ? 24 : r.dtype == DType::Float16 ? 21 : 8;
  const float scale = 1.0f / static_cast<float>(1 << (32 - drop));
  const float a = static_cast<float>(r.a), b = static_cast<float>(r.b), width = static_cast<float>(r.b - r.a);
  for (int i = 0; i < kWords; ++i) {
    const float x = a + width * (static_cast<float>(static_cast<int32_t>(words[i] >> drop)) * scale);
    y[i] = x < b ? x : a;  // the sum may round up to b
  }
}
void uniform_block(const uint32_t* words, const Random& r, double* y) {
  const double width = r.b - r.a;
  for (int j = 0; j < 2; ++j) {
    uint64_t pairs[kCounters];
    pair_up(words, j, pairs);
    for (int l = 0; l < kCounters; ++l) {
      const double x = r.a + width * (static_cast<double>(static_cast<int64_t>(pairs[l] >> 11)) * 0x1p-53);
      y[j * kCounters + l] = x < r.b ? x : r.a;
    }
  }
}

// A number in (0, 1] that keeps its precision where it is small.
template <int N>
DLCORE_INLINE vec<float, N> open_unit(const uint32_t* words) {
  const vec<float, N> w = convert<float>(vec<uint32_t, N>::load(words));
  return w * vec<float, N>(0x1p-32f) + vec<float, N>(0x1p-33f);
}
template <int N>
DLCORE_INLINE vec<double, N> open_unit(const uint64_t* pairs) {
  const vec<double, N> w =
      convert<double>(vec<int64_t, N>{(typename vec<int64_t, N>::native)(vec<uint64_t, N>::load(pairs).v >> 11)});
  return w * vec<double, N>(0x1p-53) + vec<double, N>(0x1p-54);
}

// sin and cos of a quarter turn's fraction f in [-1/2, 1/2].
template <int N>
DLCORE_INLINE void quarter_turn(vec<float, N> f, vec<float, N>& s, vec<float, N>& c) {
  using V = vec<float, N>;
  constexpr float sine[] = {-0.166666667f, 8.33333333e-3f, -1.98412698e-4f, 2.75573192e-6f};
  constexpr float cosine[] = {-0.5f, 0.0416666667f, -1.38888889e-3f, 2.48015873e-5f};
  const V x = f * V(1.57079633f), z = x * x;
  s = fma(x * z, polynomial(z, sine), x);
  c = fma(z, polynomial(z, cosine), V(1.0f));
}
template <int N>
DLCORE_INLINE void quarter_turn(vec<double, N> f, vec<double, N>& s, vec<double, N>& c) {
  const vec<double, N> x = f * vec<double, N>(1.5707963267948966);
  s = sin_reduced<false>(x);
  c = cos_reduced<false>(x);
}

// Box and Muller: a radius from u, an angle from all bits of `turn` (an integer of T's width): the two highest are the
// quarter, the rest the place in it. y0 = a + b radius cos(angle), y1 likewise with the sine.
template <class T, int N>
DLCORE_INLINE void normal_pair(vec<T, N> u, bits_of<T, N> turn, const Random& r, T* y0, T* y1) {
  using V = vec<T, N>;
  using I = bits_of<T, N>;
  constexpr int top = 8 * static_cast<int>(sizeof(T)) - 1;
  const V radius = sqrt(V(T(-2)) * log(u)) * V(static_cast<T>(r.b)), mean(static_cast<T>(r.a));
  V s, c;
  quarter_turn(convert<T>(turn << 2) * V(sizeof(T) == 4 ? T(0x1p-32) : T(0x1p-64)), s, c);
  const I sign(static_cast<typename V::bits>(typename V::bits{1} << top));
  const mask<T, N> odd{((turn << 1) & sign).v != 0};
  const V across = from_bits<T>(to_bits(select(odd, s, c)) ^ ((turn ^ (turn << 1)) & sign));
  const V up = from_bits<T>(to_bits(select(odd, c, s)) ^ (turn & sign));
  (mean + radius * across).store(y0);
  (mean + radius * up).store(y1);
}

void normal_block(const uint32_t* words, const Random& r, float* y) {
  constexpr int N = kLanes<float>;
  for (int j = 0; j < 2; ++j, words += 2 * kCounters, y += 2 * kCounters)
    for (int l = 0; l < kCounters; l += N)
      normal_pair(open_unit<N>(words + l),
                  to_bits(vec<float, N>::load(reinterpret_cast<const float*>(words + kCounters + l))), r, y + l,
                  y + kCounters + l);
}
void normal_block(const uint32_t* words, const Random& r, double* y) {
  constexpr int N = kLanes<double>;
  uint64_t u[kCounters], turn[kCounters];
  pair_up(words, 0, u);
  pair_up(words, 1, turn);
  for (int l = 0; l < kCounters; l += N)
    normal_pair(open_unit<N>(u + l), to_bits(vec<double, N>::load(reinterpret_cast<const double*>(turn + l))), r, y + l,
                y + kCounters + l);
}

// -log(u) / rate; what rounds to 0 is the middle of the interval that does.
template <class T, int N>
DLCORE_INLINE void exponential(vec<T, N> u, const Random& r, T* y) {
  using V = vec<T, N>;
  const V least(sizeof(T) == 4 ? T(0x1p-26) : T(0x1p-55));
  (max(-log(u), least) * V(static_cast<T>(1 / r.a))).store(y);
}
void exponential_block(const uint32_t* words, const Random& r, float* y) {
  constexpr int N = kLanes<float>;
  for (int i = 0; i < kWords; i += N) exponential(open_unit<N>(words + i), r, y + i);
}
void exponential_block(const uint32_t* words, const Random& r, double* y) {
  constexpr int N = kLanes<double>;
  for (int j = 0; j < 2; ++j) {
    uint64_t pairs[kCounters];
    pair_up(words, j, pairs);
    for (int l = 0; l < kCounters; l += N) exponential(open_unit<N>(pairs + l), r, y + j * kCounters + l);
  }
}

// 16-bit floating point numbers are drawn in float.
struct Half {
  uint16_t bits;
};

template <class T>
struct Convert {
  template <class X>
  static DLCORE_INLINE T to(X x, const Random&) {
    return static_cast<T>(x);
  }
};
template <>
struct Convert<Half> {
  template <class X>
  static DLCORE_INLINE Half to(X x, const Random& r) {
    const float f = static_cast<float>(x);
    return {r.dtype == DType::BFloat16 ? float_to_bf16(f) : float_to_fp16(f)};
  }
};

template <class T>
void bernoulli_block(const uint32_t* words, const Random& r, T* y) {
  const uint64_t threshold = static_cast<uint64_t>(r.a * 0x1p32 + 0.5);
  const T one = Convert<T>::to(1, r), zero = Convert<T>::to(0, r);
  if (threshold >> 32) {
    for (int i = 0; i < kWords; ++i) y[i] = one;
  } else {
    for (int i = 0; i < kWords; ++i) y[i] = words[i] < static_cast<uint32_t>(threshold) ? one : zero;
  }
}

// Lemire's multiplication: floor(x range / 2^64) of 64 random bits x.
template <class T>
void narrow_integers_block(const uint32_t* words, const Random& r, T* y) {
  for (int j = 0; j < 2; ++j) {
    const uint32_t *high = words + 2 * j * kCounters, *low = high + kCounters;
    for (int l = 0; l < kCounters; ++l) {
      const uint64_t k = (high[l] * r.range + (low[l] * r.range >> 32)) >> 32;
      y[j * kCounters + l] = Convert<T>::to(static_cast<int64_t>(k + static_cast<uint64_t>(r.low)), r);
    }
  }
}
// The same with 128 random bits. A range of 0 takes 64 bits as they are.
template <class T>
void wide_integers_block(const uint32_t* words, const Random& r, T* y) {
  uint64_t high[kCounters], low[kCounters];
  pair_up(words, 0, high);
  pair_up(words, 1, low);
  for (int l = 0; l < kCounters; ++l) {
    using Wide = unsigned __int128;
    const uint64_t k = r.range
                           ? static_cast<uint64_t>(
                                 (Wide{high[l]} * r.range + static_cast<uint64_t>(Wide{low[l]} * r.range >> 64)) >> 64)
                           : high[l];
    y[l] = Convert<T>::to(static_cast<int64_t>(k + static_cast<uint64_t>(r.low)), r);
  }
}

// ---- all blocks

template <int PerBlock, class T, class F>
void draw(const Random& r, const F& block) {
  const int64_t blocks = (r.n + PerBlock - 1) / PerBlock;
  parallel_for(blocks, kGrain / PerBlock, [&](int64_t begin, int64_t end) {
    alignas(64) uint32_t words[kWords];
    for (int64_t i = begin; i < end; ++i) {
      philox_block(r.seed, r.offset + static_cast<uint64_t>(i) * kCounters, words);
      T* y = static_cast<T*>(r.y) + i * PerBlock;
      const int64_t n = r.n - i * PerBlock;
      if (n >= PerBlock) {
        block(words, y);
      } else {
        T rest[PerBlock];
        block(words, rest);
        std::memcpy(y, rest, sizeof(T) * static_cast<size_t>(n));
      }
    }
  });
}

// A distribution over real numbers, from blocks of floats or doubles.
template <class T, class F>
void draw_real(const Random& r, const F& block) {
  draw<sizeof(T) == 8 ? 32 : 64, T>(r, block);
}
template <class F>
void draw_half(const Random& r, const F& block) {
  draw<64, Half>(r, [&](const uint32_t* words, Half* y) {
    float x[kWords];
    block(words, x);
    for (int i = 0; i < kWords; ++i) y[i] = Convert<Half>::to(x[i], r);
    if (r.distribution != Distribution::Uniform) return;
    for (int i = 0; i < kWords; ++i) {  // rounding may have reached b
      const float f = r.dtype == DType::BFloat16 ? bf16_to_float(y[i].bits) : fp16_to_float(y[i].bits);
      if (!(f < static_cast<float>(r.b))) y[i] = Convert<Half>::to(r.a, r);
    }
  });
}
template <class F>
void draw_floating(const Random& r, const F& block) {
  if (r.dtype == DType::Float64)
    draw_real<double>(r, block);
  else if (r.dtype == DType::Float32)
    draw_real<float>(r, block);
  else
    draw_half(r, block);
}

template <class T>
void draw_discrete(const Random& r) {
  if (r.distribution == Distribution::Bernoulli)
    draw<64, T>(r, [&](const uint32_t* words, T* y) { bernoulli_block(words, r, y); });
  else if (r.range - 1 < uint64_t{1} << 32)
    draw<32, T>(r, [&](const uint32_t* words, T* y) { narrow_integers_block(words, r, y); });
  else
    draw<16, T>(r, [&](const uint32_t* words, T* y) { wide_integers_block(words, r, y); });
}

void random(const Random& r) {
  switch (r.distribution) {
    case Distribution::Uniform:
      return draw_floating(r, [&](const uint32_t* w, auto* y) { uniform_block(w, r, y); });
    case Distribution::Normal:
      return draw_floating(r, [&](const uint32_t* w, auto* y) { normal_block(w, r, y); });
    case Distribution::Exponential:
      return draw_floating(r, [&](const uint32_t* w, auto* y) { exponential_block(w, r, y); });
    default:
      break;
  }
  switch (r.dtype) {
    case DType::Float32:
      return draw_discrete<float>(r);
    case DType::Float64:
      return draw_discrete<double>(r);
    case DType::BFloat16:
    case DType::Float16:
      return draw_discrete<Half>(r);
    case DType::Int8:
      return draw_discrete<int8_t>(r);
    case DType::Int16:
      return draw_discrete<int16_t>(r);
    case DType::Int32:
      return draw_discrete<int32_t>(r);
    case DType::Int64:
      return draw_discrete<int64_t>(r);
    case DType::UInt8:
      return draw_discrete<uint8_t>(r);
    case DType::Bool:
      return draw_discrete<bool>(r);
  }
}

void permutation(const Permutation& p) {
  for (int64_t i = 0; i < p.n; ++i) p.y[i] = i;
  uint32_t words[kWords];
  for (int64_t i = p.n - 1, used = kWords; i > 0; --i, used += 2) {
    if (used >= kWords) {
      philox_block(p.seed, p.offset + static_cast<uint64_t>((p.n - 1 - i) / 32 * kCounters), words);
      used = 0;
    }
    const uint64_t x = uint64_t{words[used]} << 32 | words[used + 1];
    const int64_t j = static_cast<int64_t>(static_cast<unsigned __int128>(x) * static_cast<uint64_t>(i + 1) >> 64);
    const int64_t t = p.y[i];
    p.y[i] = p.y[j];
    p.y[j] = t;
  }
}

}  // namespace

void fill_random(KernelTable& t) {
  t.random = random;
  t.permutation = permutation;
}

}  // namespace dlcore::kernel::DLCORE_TIER
