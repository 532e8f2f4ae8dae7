#include "core/stream.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>

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

int64_t cache_size(int name, int64_t otherwise) {
  const int64_t bytes = sysconf(name);
  return bytes > 0 ? bytes : otherwise;
}

// Measured: where Intel's servers share a slow last cache among many cores, results of twice a core's own cache are
// better read from that last cache, and those of four times no longer. Others have a fast last cache for few cores.
int64_t bytes_that_stay() {
#if defined(__x86_64__) && defined(_SC_LEVEL2_CACHE_SIZE)
  static const bool intel = __builtin_cpu_is("intel");
  static const int64_t own = cache_size(_SC_LEVEL2_CACHE_SIZE, 1 << 20);
  static const int64_t last = cache_size(_SC_LEVEL3_CACHE_SIZE, 32 << 20);
  return intel ? 4 * own : last;
#else
  return INT64_MAX;
#endif
}

}  // namespace

bool streams(int64_t bytes) {
  const int64_t from = setting().load(std::memory_order_relaxed);
  return bytes >= (from < 0 ? bytes_that_stay() : from);
}

void set_stream_bytes(int64_t bytes) { setting().store(bytes, std::memory_order_relaxed); }

}  // namespace dlcore
