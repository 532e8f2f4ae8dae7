#pragma once
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "dlcore/export.h"

// A result that no cache holds until somebody reads it is streamed: written past the caches. An ordinary store would
// first read the line that it is about to overwrite.
namespace dlcore {

// Whether a result of so many bytes, the parts of all threads together, is streamed. The caches would have to hold so
// many tensors of its size for somebody to find it there: a layer's input, its result and the gradients of both.
DLCORE_API bool streams(int64_t bytes, int64_t tensors = 4);

// From how many bytes on; -1 for what the machine's caches suggest, which is the default. The variable DLCORE_STREAM
// sets it, too.
DLCORE_API void set_stream_bytes(int64_t bytes);

// After it others see what this thread has streamed.
inline void stream_fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace dlcore
