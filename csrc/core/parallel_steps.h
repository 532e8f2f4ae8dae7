#pragma once
#include "core/parallel.h"

// Steps that follow on each other, each of them split over threads: one parallel region for all, where a loop of
// parallel_for would start one a step.
namespace dlcore {

using StepFn = void (*)(const void* context, int64_t step, int64_t begin, int64_t end);
DLCORE_API void parallel_step_chunks(int64_t steps, int64_t n, StepFn fn, const void* context);

// body(step, begin, end) for ranges that make up [0, n), in every step from 0 to steps - 1; a step begins when the
// one before has ended on all threads. A thread keeps its range, so what it reads in every step stays in its cache.
// How the ranges are cut depends on the threads: the items must be independent of each other.
template <class F>
[[gnu::always_inline]] static inline void parallel_steps(int64_t steps, int64_t n, const F& body) {
  if (n <= 0) return;
  parallel_step_chunks(
      steps, n,
      [](const void* context, int64_t step, int64_t begin, int64_t end) {
        (*static_cast<const F*>(context))(step, begin, end);
      },
      &body);
}

}  // namespace dlcore
