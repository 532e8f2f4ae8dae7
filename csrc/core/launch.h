#pragma once
#include <atomic>
#include <cstdint>
#include <string>

#include "dlcore/export.h"

namespace dlcore {

// What a kernel call costs, for the profiler, and to decide whether other Python threads may run meanwhile.
struct Cost {
  double bytes = 0;
  double flops = 0;
};

// What the host program wants to happen around kernels; the Python bindings set these.
struct HostHooks {
  void* (*release)() = nullptr;          // before a long kernel: let other host threads run
  void (*acquire)(void*) = nullptr;      // after it
  bool (*interrupted)() = nullptr;       // during long work, now and then: does the user want to stop?
  void (*raise_interrupt)() = nullptr;   // throws the host's exception for that
  std::string (*call_site)() = nullptr;  // which lines of the host program led here
  void (*warn)(const std::string&) = nullptr;
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
  explicit HostReleased(bool wanted = true) : state_(wanted && host_hooks.release ? host_hooks.release() : nullptr) {}
  ~HostReleased() {
    if (state_) host_hooks.acquire(state_);
  }
  HostReleased(const HostReleased&) = delete;
  HostReleased& operator=(const HostReleased&) = delete;

 private:
  void* state_;
};

// Whether somebody takes a profile (core/profiler.h).
DLCORE_API extern std::atomic<bool> profiling;
DLCORE_API int64_t profile_clock();  // nanoseconds
DLCORE_API void profile_kernel(const char* op, Cost cost, int64_t start);

// Notes, while a profile is taken, how long it lived.
class ProfiledKernel {
 public:
  ProfiledKernel(const char* op, Cost cost)
      : op_(op), cost_(cost), start_(profiling.load(std::memory_order_relaxed) ? profile_clock() : 0) {}
  ~ProfiledKernel() {
    if (__builtin_expect(start_ != 0, 0)) profile_kernel(op_, cost_, start_);
  }
  ProfiledKernel(const ProfiledKernel&) = delete;
  ProfiledKernel& operator=(const ProfiledKernel&) = delete;

 private:
  const char* op_;
  Cost cost_;
  int64_t start_;
};

// The one place where an op starts a kernel: launch("exp", {bytes, flops}, [&] { kernels().exp(...); });
template <class F>
inline void launch(const char* op, Cost cost, const F& kernel) {
  {
    const HostReleased released(cost.bytes >= kLongKernelBytes || cost.flops >= kLongKernelFlops);
    const ProfiledKernel profiled(op, cost);
    kernel();
  }
  if (__builtin_expect(take_interrupt(), 0)) check_interrupt();
}

}  // namespace dlcore
