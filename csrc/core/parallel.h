#pragma once
#include <cstdint>

#include "dlcore/export.h"

// The one place where work is split over threads. Chunk borders come from the problem's size alone, never from the
// number of threads, so a kernel that combines per-chunk results in chunk order gives the same bits on any machine.
namespace dlcore {

using ChunkFn = void (*)(const void* context, int64_t begin, int64_t end);

// Calls fn on [0, grain), [grain, 2 grain), ... up to n, on several threads where that pays and on the calling thread
// otherwise (one chunk, a nested call, a forked child, another host thread already using the team).
DLCORE_API void parallel_chunks(int64_t n, int64_t grain, ChunkFn fn, const void* context);

// Threads that a parallel loop started now would use.
DLCORE_API int num_threads();

// parallel_for(n, grain, [&](int64_t begin, int64_t end) { ... });
template <class F>
[[gnu::always_inline]] static inline void parallel_for(int64_t n, int64_t grain, const F& body) {
  if (n <= 0) return;
  if (n <= grain) {
    body(int64_t{0}, n);
    return;
  }
  parallel_chunks(
      n, grain, [](const void* context, int64_t begin, int64_t end) { (*static_cast<const F*>(context))(begin, end); },
      &body);
}

}  // namespace dlcore
