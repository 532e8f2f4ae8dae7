#include "core/stream.h"

#include <atomic>
#include <cstdlib>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "core/check.h"

namespace dlcore {
namespace {

std::atomic<int64_t>& setting() {
  static std::atomic<int64_t> bytes = [] {
    const char* variable = std::getenv("DLCORE_STREAM");
    if (!variable || !*variable) return int64_t{-1};
    char* end;
    const int64_t value = std::strtoll(variable, &end, 10);
    DLCORE_CHECK(*end == 0 && value >= 0, ValueError, "DLCORE_STREAM: expected a number of bytes, got ", variable);
    return value;
  }();
  return bytes;
}

#if defined(__x86_64__)
// Bytes of the cache of this level that a core has or shares. (The C library's answer counts all of a socket on some
// processors.)
int64_t cache_size(unsigned level, bool intel, int64_t otherwise) {
  for (unsigned i = 0, kind, sizes, sets, rest; i < 8; ++i) {
    if (!__get_cpuid_count(intel ? 4 : 0x8000001d, i, &kind, &sizes, &sets, &rest) || (kind & 31) == 0) break;
    const int64_t line = (sizes & 4095) + 1, partitions = (sizes >> 12 & 1023) + 1, ways = (sizes >> 22) + 1;
    if ((kind >> 5 & 7) == level) return line * partitions * ways * (int64_t{sets} + 1);
  }
  return otherwise;
}
#endif

// Measured: where Intel's servers share a slow last cache among many cores, results of twice a core's own cache are
// better read from that last cache, and those of four times no longer, whatever else is in use. Others have a fast last
// cache for few cores, in which everything in use should stay.
bool stays(int64_t bytes, int64_t tensors) {
#if defined(__x86_64__)
  static const bool intel = __builtin_cpu_is("intel");
  static const int64_t own = cache_size(2, intel, 1 << 20), last = cache_size(3, intel, 32 << 20);
  return bytes < (intel ? 4 * own : last / tensors);
#else
  return true;
#endif
}

}  // namespace

bool streams(int64_t bytes, int64_t tensors) {
  const int64_t from = setting().load(std::memory_order_relaxed);
  return from < 0 ? !stays(bytes, tensors) : bytes >= from;
}

void set_stream_bytes(int64_t bytes) { setting().store(bytes, std::memory_order_relaxed); }

}  // namespace dlcore
