#pragma once
#include "kernels/cpu/simd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// What is read, and what is written, soon. GCC takes a function that does nothing but fetch for one that does nothing.
DLCORE_INLINE void fetch(const void* p) {
  __builtin_prefetch(p);
  asm volatile("");
}
DLCORE_INLINE void fetch_to_write(const void* p) {
  __builtin_prefetch(p, 1);
  asm volatile("");
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
