#pragma once
// Arithmetic of loop bounds.
#include "kernels/cpu/simd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr DLCORE_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr DLCORE_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr DLCORE_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
