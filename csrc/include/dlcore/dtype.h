#pragma once
#include <cstdint>

#include "dlcore/export.h"

namespace dlcore {

enum class DType : uint8_t { Float32, Float64, BFloat16, Float16, Int8, Int16, Int32, Int64, UInt8, Bool };
inline constexpr int kNumDTypes = 10;

constexpr int64_t item_size(DType t) {
  constexpr int64_t sizes[kNumDTypes] = {4, 8, 2, 2, 1, 2, 4, 8, 1, 1};
  return sizes[static_cast<int>(t)];
}
constexpr bool is_floating(DType t) { return t <= DType::Float16; }
constexpr bool is_half(DType t) { return t == DType::BFloat16 || t == DType::Float16; }
constexpr bool is_integral(DType t, bool with_bool) { return t >= DType::Int8 && (with_bool || t != DType::Bool); }

// "float32", "int64", ...
DLCORE_API const char* name(DType t);

}  // namespace dlcore
