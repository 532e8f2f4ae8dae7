#pragma once
#include "dlcore/export.h"

namespace dlcore {

// What a kernel call costs, for the profiler, and to decide whether other Python threads may run meanwhile.
struct Cost {
  double bytes = 0;
  double flops = 0;
};

// What the host program wants to happen around kernels; the Python bindings set these.
struct HostHooks {
  void* (*release)() = nullptr;         // before a long kernel: let other host threads run
  void (*acquire)(void*) = nullptr;     // after it
  bool (*interrupted)() = nullptr;      // during long work, now and then: does the user want to stop?
  void (*raise_interrupt)() = nullptr;  // throws the host's exception for that
};
DLCORE_API extern HostHooks host_hooks;

// Set by parallel_chunks when it gave up early because the user interrupts.
DLCORE_API bool take_interrupt();
// Looks whether the user interrupts; throws if so. Called between the steps of long work.
DLCORE_API void check_interrupt();

constexpr double kLongKernelBytes = 1 << 17, kLongKernelFlops = 1 << 22;

// Lets other host threads run while it lives.
class HostReleased {
 public:
  HostReleased() : state_(host_hooks.release ? host_hooks.release() : nullptr) {}
  ~HostReleased() {
    if (state_) host_hooks.acquire(state_);
  }
  HostReleased(const HostReleased&) = delete;
  HostReleased& operator=(const HostReleased&) = delete;

 private:
  void* state_;
};

// The one place where an op starts a kernel: launch("exp", {bytes, flops}, [&] { kernels().exp(...); });
template <class F>
inline void launch(const char* op, Cost cost, const F& kernel) {
  (void)op;
  if (cost.bytes < kLongKernelBytes && cost.flops < kLongKernelFlops) {
    kernel();
  } else {
    HostReleased released;
    kernel();
  }
  if (__builtin_expect(take_interrupt(), 0)) check_interrupt();
}

}  // namespace dlcore
