// Tiles: what lies between memory (any dtype, any strides) and rows (dense, of a compute type). The loops are plain;
// the compiler vectorizes them.
#include "kernels/cpu/tiles.h"
#include "core/half.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/cpu/stream.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// One element in memory, by dtype: how it is stored and how it becomes a value.
template <DType>
struct Stored;
template <class T>
struct PlainStored {
  using type = T;
  static DLCORE_INLINE T get(T x) { return x; }
  template <class C>
  static DLCORE_INLINE T from(C x) {
    return static_cast<T>(x);
  }
};
template <>
struct Stored<DType::Float32> : PlainStored<float> {};
template <>
struct Stored<DType::Float64> : PlainStored<double> {};
template <>
struct Stored<DType::Int8> : PlainStored<int8_t> {};
template <>
struct Stored<DType::Int16> : PlainStored<int16_t> {};
template <>
struct Stored<DType::Int32> : PlainStored<int32_t> {};
template <>
struct Stored<DType::Int64> : PlainStored<int64_t> {};
template <>
struct Stored<DType::UInt8> : PlainStored<uint8_t> {};
template <>
struct Stored<DType::Bool> {
  using type = uint8_t;
  static DLCORE_INLINE uint8_t get(uint8_t x) { return x != 0; }
  template <class C>
  static DLCORE_INLINE uint8_t from(C x) {
    return x != 0;
  }
};
template <>
struct Stored<DType::BFloat16> {
  using type = uint16_t;
  static DLCORE_INLINE float get(uint16_t x) { return bf16_to_float(x); }
  template <class C>
  static DLCORE_INLINE uint16_t from(C x) {
    return float_to_bf16(static_cast<float>(x));
  }
};
template <>
struct Stored<DType::Float16> {
  using type = uint16_t;
  static DLCORE_INLINE float get(uint16_t x) {
#if defined(__F16C__)
    return _cvtsh_ss(x);
#else
    return fp16_to_float(x);
#endif
  }
  template <class C>
  static DLCORE_INLINE uint16_t from(C x) {
#if defined(__F16C__)
    return _cvtss_sh(static_cast<float>(x), _MM_FROUND_TO_NEAREST_INT);
#else
    return float_to_fp16(static_cast<float>(x));
#endif
  }
};

template <DType From, DType To>
DLCORE_INLINE typename Stored<To>::type convert(typename Stored<From>::type x) {
  return Stored<To>::from(Stored<From>::get(x));
}

// y[i] = x[i], converted. The compiler vectorizes all of these but the ones of float16, which has its own instructions.
template <DType From, DType To>
DLCORE_INLINE void convert_run(const typename Stored<From>::type* __restrict x, typename Stored<To>::type* __restrict y,
                               int64_t n) {
  int64_t i = 0;
#if defined(__F16C__)
  constexpr int block = 8;
  if constexpr (From == DType::Float16 && To != DType::Float16) {
    for (; i + block <= n; i += block) {
      float lanes[block];
      _mm256_storeu_ps(lanes, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
      for (int k = 0; k < block; ++k) y[i + k] = Stored<To>::from(lanes[k]);
    }
  }
  if constexpr (To == DType::Float16 && From != DType::Float16) {
    for (; i + block <= n; i += block) {
      float lanes[block];
      for (int k = 0; k < block; ++k) lanes[k] = static_cast<float>(Stored<From>::get(x[i + k]));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i),
                       _mm256_cvtps_ph(_mm256_loadu_ps(lanes), _MM_FROUND_TO_NEAREST_INT));
    }
  }
#endif
  for (; i < n; ++i) y[i] = convert<From, To>(x[i]);
}

// Where the strided side runs along dimension 1 (a transpose), that one is walked innermost: memory in order, the
// L1-sized dense side out of order.
template <DType From, DType To>
void load_tile(void* dense, const void* strided, const Tile& t) {
  using S = typename Stored<From>::type;
  using D = typename Stored<To>::type;
  auto* __restrict y = static_cast<D*>(dense);
  const auto* x = static_cast<const char*>(strided);
  if (t.stride0 == static_cast<int64_t>(sizeof(S))) {
    for (int64_t j = 0; j < t.n1; ++j, y += t.n0) {
      const S* __restrict row = reinterpret_cast<const S*>(x + j * t.stride1);
      convert_run<From, To>(row, y, t.n0);
    }
  } else if (t.stride0 == 0) {
    for (int64_t j = 0; j < t.n1; ++j, y += t.n0) {
      const D v = convert<From, To>(*reinterpret_cast<const S*>(x + j * t.stride1));
      for (int64_t i = 0; i < t.n0; ++i) y[i] = v;
    }
  } else if (t.stride1 == static_cast<int64_t>(sizeof(S))) {
    for (int64_t i = 0; i < t.n0; ++i) {
      const S* __restrict column = reinterpret_cast<const S*>(x + i * t.stride0);
      for (int64_t j = 0; j < t.n1; ++j) y[j * t.n0 + i] = convert<From, To>(column[j]);
    }
  } else {
    for (int64_t j = 0; j < t.n1; ++j, y += t.n0)
      for (int64_t i = 0; i < t.n0; ++i)
        y[i] = convert<From, To>(*reinterpret_cast<const S*>(x + j * t.stride1 + i * t.stride0));
  }
}

template <DType From, DType To>
void store_tile(void* strided, const void* dense, const Tile& t) {
  using S = typename Stored<From>::type;
  using D = typename Stored<To>::type;
  const auto* __restrict x = static_cast<const S*>(dense);
  auto* y = static_cast<char*>(strided);
  if (t.stride0 == static_cast<int64_t>(sizeof(D))) {
    for (int64_t j = 0; j < t.n1; ++j, x += t.n0) {
      D* __restrict row = reinterpret_cast<D*>(y + j * t.stride1);
      convert_run<From, To>(x, row, t.n0);
    }
  } else if (t.stride1 == static_cast<int64_t>(sizeof(D))) {
    for (int64_t i = 0; i < t.n0; ++i) {
      D* __restrict column = reinterpret_cast<D*>(y + i * t.stride0);
      for (int64_t j = 0; j < t.n1; ++j) column[j] = convert<From, To>(x[j * t.n0 + i]);
    }
  } else {
    for (int64_t j = 0; j < t.n1; ++j, x += t.n0)
      for (int64_t i = 0; i < t.n0; ++i)
        *reinterpret_cast<D*>(y + j * t.stride1 + i * t.stride0) = convert<From, To>(x[i]);
  }
}

#define DLCORE_DTYPES(CASE) \
  CASE(Float32)             \
  CASE(Float64) CASE(BFloat16) CASE(Float16) CASE(Int8) CASE(Int16) CASE(Int32) CASE(Int64) CASE(UInt8) CASE(Bool)

template <DType Compute>
LoadTile load_to(DType storage) {
  switch (storage) {
#define DLCORE_CASE(T) \
  case DType::T:       \
    return load_tile<DType::T, Compute>;
    DLCORE_DTYPES(DLCORE_CASE)
#undef DLCORE_CASE
  }
  return nullptr;
}

template <DType Compute>
StoreTile store_from(DType storage) {
  switch (storage) {
#define DLCORE_CASE(T) \
  case DType::T:       \
    return store_tile<Compute, DType::T>;
    DLCORE_DTYPES(DLCORE_CASE)
#undef DLCORE_CASE
  }
  return nullptr;
}

}  // namespace

LoadTile elementwise_load(DType storage, DType compute) {
  switch (compute) {
    case DType::Float32:
      return load_to<DType::Float32>(storage);
    case DType::Float64:
      return load_to<DType::Float64>(storage);
    case DType::Int32:
      return load_to<DType::Int32>(storage);
    case DType::Int64:
      return load_to<DType::Int64>(storage);
    case DType::Bool:
      return load_to<DType::Bool>(storage);
    default:
      return nullptr;
  }
}

StoreTile elementwise_store(DType compute, DType storage) {
  switch (compute) {
    case DType::Float32:
      return store_from<DType::Float32>(storage);
    case DType::Float64:
      return store_from<DType::Float64>(storage);
    case DType::Int32:
      return store_from<DType::Int32>(storage);
    case DType::Int64:
      return store_from<DType::Int64>(storage);
    case DType::Bool:
      return store_from<DType::Bool>(storage);
    default:
      return nullptr;
  }
}

namespace {

// ---- copies within one dtype

// Where x runs along dimension 1 and y along dimension 0: squares are transposed in registers.
template <class T>
void move_transposed(char* y, int64_t y1, const char* x, int64_t x0, int64_t n0, int64_t n1) {
  constexpr int N = sizeof(T) >= 4 ? kLanes<T> : 8;
  using V = vec<T, N>;
  const auto at = [&](int64_t i, int64_t j) { return reinterpret_cast<const T*>(x + i * x0) + j; };
  const auto to = [&](int64_t i, int64_t j) { return reinterpret_cast<T*>(y + j * y1) + i; };
  const int64_t whole0 = n0 - n0 % N, whole1 = n1 - n1 % N;
  for (int64_t i = 0; i < whole0; i += N)
    for (int64_t j = 0; j < whole1; j += N) {
      V square[N];
#pragma GCC unroll 16
      for (int k = 0; k < N; ++k) square[k] = V::load(at(i + k, j));
      transpose(square);
#pragma GCC unroll 16
      for (int k = 0; k < N; ++k) square[k].store(to(i, j + k));
    }
  for (int64_t j = 0; j < n1; ++j)
    for (int64_t i = j < whole1 ? whole0 : 0; i < n0; ++i) *to(i, j) = *at(i, j);
}

template <class T>
void move_tile(char* y, int64_t y0, int64_t y1, const char* x, int64_t x0, int64_t x1, int64_t n0, int64_t n1) {
  constexpr int64_t item = sizeof(T);
  if (y0 == item && x0 == item) {
    for (int64_t j = 0; j < n1; ++j) std::memcpy(y + j * y1, x + j * x1, static_cast<size_t>(n0 * item));
  } else if (y0 == item && x0 == 0) {
    for (int64_t j = 0; j < n1; ++j) {
      const T v = *reinterpret_cast<const T*>(x + j * x1);
      T* __restrict row = reinterpret_cast<T*>(y + j * y1);
      for (int64_t i = 0; i < n0; ++i) row[i] = v;
    }
  } else if (y0 == item && x1 == item) {
    move_transposed<T>(y, y1, x, x0, n0, n1);
  } else if (y1 == item && x0 == item) {
    move_transposed<T>(y, y0, x, x1, n1, n0);
  } else {
    for (int64_t j = 0; j < n1; ++j)
      for (int64_t i = 0; i < n0; ++i)
        *reinterpret_cast<T*>(y + j * y1 + i * y0) = *reinterpret_cast<const T*>(x + j * x1 + i * x0);
  }
}

void copy_tile(int64_t item, void* y, int64_t y0, int64_t y1, const void* x, int64_t x0, int64_t x1, int64_t n0,
               int64_t n1) {
  const auto run = [&](auto zero) {
    move_tile<decltype(zero)>(static_cast<char*>(y), y0, y1, static_cast<const char*>(x), x0, x1, n0, n1);
  };
  switch (item) {
    case 1:
      return run(uint8_t{});
    case 2:
      return run(uint16_t{});
    case 4:
      return run(uint32_t{});
    default:
      return run(uint64_t{});
  }
}

}  // namespace

void fill_tiles(KernelTable& t) {
  t.elementwise_load = elementwise_load;
  t.elementwise_store = elementwise_store;
  t.copy_tile = copy_tile;
  t.stream = stream_bytes;
}

}  // namespace dlcore::kernel::DLCORE_TIER
