#include "core/allocator.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "core/check.h"
#include "core/profiler.h"
#include "dlcore/memory.h"

// Blocks are rounded up to size classes, eight to a power of two, and freed blocks wait in their class's list for the
// next request. What waits is bounded by what the process has needed at its peak, so varying shapes cannot make it grow
// for ever.
namespace dlcore {
namespace {

constexpr int64_t kAlignment = 64, kHugePage = 2 << 20;
constexpr int kClasses = 8 * 48;

struct Block {
  Block* next;
};

// AddressSanitizer knows nothing of what waits here, or is left between an array's end and its block's, unless it is
// told.
#ifdef __SANITIZE_ADDRESS__
void forbid(void* p, int64_t from, int64_t to) {
  ASAN_POISON_MEMORY_REGION(static_cast<char*>(p) + from, static_cast<size_t>(to - from));
}
void permit(void* p, int64_t bytes) { ASAN_UNPOISON_MEMORY_REGION(p, static_cast<size_t>(bytes)); }
#else
void forbid(void*, int64_t, int64_t) {}
void permit(void*, int64_t) {}
#endif

int64_t class_bytes(int c) { return (int64_t{8} + c % 8) << (c / 8 + 3); }  // 64, 72, ... 120, 128, 144, ...

// Smallest class that holds `bytes`.
int size_class(int64_t bytes) {
  if (bytes <= 64) return 0;
  const int64_t b = bytes - 1;
  const int octave = 63 - __builtin_clzll(static_cast<unsigned long long>(b));  // 2^octave <= b
  return (octave - 6) * 8 + static_cast<int>((b >> (octave - 3)) & 7) + 1;
}

struct Pool {
  std::mutex mutex;
  Block* free[kClasses] = {};
  MemoryStats stats;

  void* take(int c) {
    Block* b = free[c];
    if (b) {
      free[c] = b->next;
      stats.cached_bytes -= class_bytes(c);
    }
    return b;
  }
  void give_back(int64_t keep) {
    for (int c = kClasses - 1; c >= 0 && stats.cached_bytes > keep; --c)
      while (free[c] && stats.cached_bytes > keep) {
        void* b = take(c);
        permit(b, class_bytes(c));
        std::free(b);
      }
  }
};

// Never destroyed: tensors in static variables may outlive any destructor order. A fork waits until nobody is in the
// middle of a change, so that the child finds the lists whole and the lock free.
Pool& pool() {
  static Pool& p = []() -> Pool& {
    static Pool* made = new Pool;
    pthread_atfork([] { made->mutex.lock(); }, [] { made->mutex.unlock(); }, [] { made->mutex.unlock(); });
    return *made;
  }();
  return p;
}

void* system_allocate(int64_t bytes) {
  void* p = nullptr;
  const int64_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  if (posix_memalign(&p, static_cast<size_t>(alignment), static_cast<size_t>(bytes)) != 0) return nullptr;
  if (alignment == kHugePage) madvise(p, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  return p;
}

}  // namespace

void* allocate(int64_t bytes) {
  const int c = size_class(bytes);
  DLCORE_CHECK(c < kClasses, OutOfMemoryError, "allocate: cannot get ", bytes, " bytes");
  const int64_t rounded = class_bytes(c);
  Pool& p = pool();
  void* block;
  {
    std::lock_guard lock(p.mutex);
    ++p.stats.allocations;
    block = p.take(c);
    if (!block) ++p.stats.system_allocations;
    p.stats.allocated_bytes += rounded;
    p.stats.peak_allocated_bytes = std::max(p.stats.peak_allocated_bytes, p.stats.allocated_bytes);
  }
  if (!block && !(block = system_allocate(rounded))) {
    empty_cache();
    if (!(block = system_allocate(rounded))) {
      std::lock_guard lock(p.mutex);
      p.stats.allocated_bytes -= rounded;
      fail<OutOfMemoryError>("allocate: cannot get ", bytes, " bytes");
    }
  }
  permit(block, bytes);
  forbid(block, bytes, rounded);
  if (__builtin_expect(profiling.load(std::memory_order_relaxed), 0)) profile_allocation(rounded);
#ifndef NDEBUG
  std::memset(block, 0xff, static_cast<size_t>(bytes));  // NaN in every floating point format
#endif
  return block;
}

void deallocate(void* block, int64_t bytes) {
  const int c = size_class(bytes);
  Pool& p = pool();
  std::lock_guard lock(p.mutex);
  permit(block, sizeof(Block));
  forbid(block, sizeof(Block), class_bytes(c));
  auto* b = static_cast<Block*>(block);
  b->next = p.free[c];
  p.free[c] = b;
  p.stats.allocated_bytes -= class_bytes(c);
  p.stats.cached_bytes += class_bytes(c);
  const int64_t keep = p.stats.peak_allocated_bytes + (int64_t{64} << 20);
  if (p.stats.allocated_bytes + p.stats.cached_bytes > keep + p.stats.peak_allocated_bytes / 4)
    p.give_back(std::max<int64_t>(keep - p.stats.allocated_bytes, 0));
}

MemoryStats memory_stats() {
  std::lock_guard lock(pool().mutex);
  return pool().stats;
}

void reset_peak_memory_stats() {
  std::lock_guard lock(pool().mutex);
  pool().stats.peak_allocated_bytes = pool().stats.allocated_bytes;
}

void empty_cache() {
  std::lock_guard lock(pool().mutex);
  pool().give_back(0);
}

}  // namespace dlcore
