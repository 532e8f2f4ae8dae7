#pragma once
#include <cstdint>

#include "dlcore/export.h"

namespace dlcore {

struct MemoryStats {
  int64_t allocated_bytes = 0;       // in tensors and scratch now
  int64_t peak_allocated_bytes = 0;  // highest since the start or the last reset
  int64_t cached_bytes = 0;          // kept for reuse
  int64_t allocations = 0;           // requests so far
  int64_t system_allocations = 0;    // of those, the ones that went to the operating system
};
DLCORE_API MemoryStats memory_stats();
DLCORE_API void reset_peak_memory_stats();
// Gives cached memory back to the operating system.
DLCORE_API void empty_cache();

}  // namespace dlcore
