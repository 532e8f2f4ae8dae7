#pragma once
#include <cstdint>
#include <cstring>

// Scalar conversions of the two 16-bit floating point formats, round to nearest even. `static` so that kernel units may
// use them without leaving a weak symbol.
namespace dlcore {

static inline float bf16_to_float(uint16_t h) {
  uint32_t u = static_cast<uint32_t>(h) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}

static inline uint16_t float_to_bf16(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((u >> 16) | 0x40);  // NaN stays NaN
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}

static inline float fp16_to_float(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  const uint32_t exponent = (h >> 10) & 0x1f, fraction = h & 0x3ffu;
  uint32_t u;
  float f;
  if (exponent == 0x1f) {
    u = sign | 0x7f800000u | (fraction << 13);
  } else if (exponent) {
    u = sign | ((exponent + 112) << 23) | (fraction << 13);
  } else {  // zero or subnormal: fraction * 2^-24
    f = static_cast<float>(fraction) * 0x1p-24f;
    std::memcpy(&u, &f, 4);
    u |= sign;
  }
  std::memcpy(&f, &u, 4);
  return f;
}

static inline uint16_t float_to_fp16(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  const uint16_t sign = static_cast<uint16_t>((u >> 16) & 0x8000u);
  u &= 0x7fffffffu;
  if (u > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (u >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 65536 and more
  if (u < 0x38800000u) {                                               // below 2^-14: subnormal
    float a;
    std::memcpy(&a, &u, 4);
    a += 0.5f;  // the unit in the last place of [0.5, 1) is 2^-24: the addition rounds to it
    std::memcpy(&u, &a, 4);
    return static_cast<uint16_t>(sign | (u - 0x3f000000u));
  }
  u += 0xc8000fffu + ((u >> 13) & 1);  // rebias the exponent by -112, round the 13 low bits
  return static_cast<uint16_t>(sign | (u >> 13));
}

}  // namespace dlcore
