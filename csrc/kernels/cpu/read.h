#pragma once
// Elements of any dtype and stride as a contiguous run of the type that a kernel computes in.
#include "core/half.h"
#include "dlcore/dtype.h"
#include "kernels/cpu/simd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T>
constexpr DType dtype_constant = DType::Float32;
template <>
constexpr DType dtype_constant<double> = DType::Float64;
template <>
constexpr DType dtype_constant<int64_t> = DType::Int64;

template <class To, class From>
DLCORE_INLINE void copy_run(To* to, const From* from, int64_t step, int64_t n) {
  if (step == 1)
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(from[i]);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(from[i * step]);
}

template <class To, float (*Convert)(uint16_t)>
DLCORE_INLINE void copy_halves(To* to, const uint16_t* from, int64_t step, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<To>(Convert(from[i * step]));
}

// n elements x[offset], x[offset + step], ...: in place where they already are a run of T, else copied to buffer.
// T is float for the 16-bit types, int64_t for integers; float and double are read as they are.
template <class T>
const T* read(DType dtype, const void* x, int64_t offset, int64_t step, int64_t n, T* buffer) {
  if (dtype == dtype_constant<T> && (step == 1 || n == 1)) return static_cast<const T*>(x) + offset;
  const auto typed = [&]<class From>(const From*) { copy_run(buffer, static_cast<const From*>(x) + offset, step, n); };
  switch (dtype) {
    case DType::Float32: typed(static_cast<float*>(nullptr)); break;
    case DType::Float64: typed(static_cast<double*>(nullptr)); break;
    case DType::BFloat16:
      copy_halves<T, bf16_to_float>(buffer, static_cast<const uint16_t*>(x) + offset, step, n);
      break;
    case DType::Float16:
      copy_halves<T, fp16_to_float>(buffer, static_cast<const uint16_t*>(x) + offset, step, n);
      break;
    case DType::Int8: typed(static_cast<int8_t*>(nullptr)); break;
    case DType::Int16: typed(static_cast<int16_t*>(nullptr)); break;
    case DType::Int32: typed(static_cast<int32_t*>(nullptr)); break;
    case DType::Int64: typed(static_cast<int64_t*>(nullptr)); break;
    case DType::UInt8:
    case DType::Bool: typed(static_cast<uint8_t*>(nullptr)); break;
  }
  return buffer;
}

// The way back: n values of From become y[offset], y[offset + step], ... in y's dtype.
template <class From>
void write(DType dtype, void* y, int64_t offset, int64_t step, int64_t n, const From* from) {
  const auto typed = [&]<class To>(To* to) {
    to += offset;
    for (int64_t i = 0; i < n; ++i) to[i * step] = static_cast<To>(from[i]);
  };
  const auto halves = [&](uint16_t (*convert)(float)) {
    auto* to = static_cast<uint16_t*>(y) + offset;
    for (int64_t i = 0; i < n; ++i) to[i * step] = convert(static_cast<float>(from[i]));
  };
  switch (dtype) {
    case DType::Float32: typed(static_cast<float*>(y)); break;
    case DType::Float64: typed(static_cast<double*>(y)); break;
    case DType::BFloat16: halves(float_to_bf16); break;
    case DType::Float16: halves(float_to_fp16); break;
    case DType::Int8: typed(static_cast<int8_t*>(y)); break;
    case DType::Int16: typed(static_cast<int16_t*>(y)); break;
    case DType::Int32: typed(static_cast<int32_t*>(y)); break;
    case DType::Int64: typed(static_cast<int64_t*>(y)); break;
    case DType::UInt8: typed(static_cast<uint8_t*>(y)); break;
    case DType::Bool: {
      auto* to = static_cast<uint8_t*>(y) + offset;
      for (int64_t i = 0; i < n; ++i) to[i * step] = from[i] != 0;
      break;
    }
  }
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
