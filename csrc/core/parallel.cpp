#include "core/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "core/check.h"
#include "core/launch.h"
#include "core/parallel_steps.h"
#include "dlcore/parallel.h"

namespace dlcore {

extern thread_local bool interrupt_seen;  // core/launch.cpp

namespace {

// CPUs' worth of time that the cgroup grants, or infinity.
double cgroup_quota() {
  double quota = 0, period = 0;
  std::string text;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> text >> period && text != "max")
    quota = std::atof(text.c_str());
  if (period <= 0 || quota <= 0) {
    std::ifstream q("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), p("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (!(q >> quota && p >> period)) return INFINITY;
  }
  return quota > 0 && period > 0 ? quota / period : INFINITY;
}

struct DefaultThreads {
  int count;
  std::string reason;
};

DefaultThreads default_threads() {
  for (const char* variable : {"DLCORE_NUM_THREADS", "OMP_NUM_THREADS"})
    if (const char* v = std::getenv(variable); v && std::atoi(v) > 0)
      return {std::min(std::atoi(v), 1024), std::string(variable) + "=" + v};
  cpu_set_t set;
  CPU_ZERO(&set);
  int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  const double quota = cgroup_quota();
  if (quota < cpus) {
    const int n = std::max(1, static_cast<int>(std::ceil(quota)));
    char text[64];
    std::snprintf(text, sizeof text, "the cgroup's quota of %.3g CPUs", quota);
    return {n, text};
  }
  return {std::max(cpus, 1), std::to_string(cpus) + (cpus == 1 ? " CPU" : " CPUs") + " in the affinity mask"};
}

const DefaultThreads& defaults() {
  static const DefaultThreads d = default_threads();
  return d;
}

std::atomic<int> chosen_threads{0};
// The team's threads do not live on in a child process, and libgomp would wait for them for ever.
std::atomic<bool> forked{false};
// Only one host thread uses the team at a time; the others compute by themselves rather than oversubscribe the CPUs.
std::atomic<bool> team_busy{false};
thread_local bool in_parallel = false;

const bool fork_handler_installed = pthread_atfork(nullptr, nullptr, [] { forked = true; }) == 0;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
constexpr int64_t kInterruptPeriodNs = 50'000'000;

// Whether the user wants to stop; asked now and then by the thread that the op runs on. When it last asked is kept
// between loops, because long work may be many short ones.
bool interrupted() {
  if (!host_hooks.interrupted) return false;
  thread_local int64_t last = now_ns();
  const int64_t now = now_ns();
  if (now - last <= kInterruptPeriodNs) return false;
  last = now;
  return host_hooks.interrupted();
}

constexpr int kSpins = 4000;  // tens of microseconds: the steps of the other threads are that short
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

struct Team {
  bool mine = !team_busy.exchange(true, std::memory_order_acquire);
  ~Team() {
    if (mine) team_busy.store(false, std::memory_order_release);
  }
};

}  // namespace

int num_threads() {
  const int n = chosen_threads.load(std::memory_order_relaxed);
  return n ? n : defaults().count;
}

void parallel_chunks(int64_t n, int64_t grain, ChunkFn fn, const void* context) {
  if (interrupt_seen) return;  // the op that runs is being abandoned: launch() throws at its end
  grain = std::max<int64_t>(grain, 1);
  const int64_t chunks = (n + grain - 1) / grain;
  const int threads = static_cast<int>(std::min<int64_t>(num_threads(), chunks));
  if (threads <= 1 || in_parallel || forked.load(std::memory_order_relaxed)) {
    for (int64_t c = 0; c < chunks; ++c) {
      fn(context, c * grain, std::min(n, (c + 1) * grain));
      if (!in_parallel && interrupted()) {
        interrupt_seen = true;
        return;
      }
    }
    return;
  }
  Team team;
  if (!team.mine) {
    for (int64_t c = 0; c < chunks; ++c) fn(context, c * grain, std::min(n, (c + 1) * grain));
    return;
  }
  std::atomic<int64_t> next{0};
  std::atomic<bool> stop{false};
#pragma omp parallel num_threads(threads)
  {
    in_parallel = true;
    const bool watcher = omp_get_thread_num() == 0;
    for (int64_t c;
         !stop.load(std::memory_order_relaxed) && (c = next.fetch_add(1, std::memory_order_relaxed)) < chunks;) {
      fn(context, c * grain, std::min(n, (c + 1) * grain));
      if (watcher && interrupted()) stop = true;
    }
    in_parallel = false;
  }
  if (stop) interrupt_seen = true;
}

void parallel_step_chunks(int64_t steps, int64_t n, StepFn fn, const void* context) {
  if (interrupt_seen) return;
  const auto alone = [&] {
    for (int64_t s = 0; s < steps; ++s) {
      fn(context, s, 0, n);
      if (!in_parallel && interrupted()) {
        interrupt_seen = true;
        return;
      }
    }
  };
  const int threads = static_cast<int>(std::min<int64_t>(num_threads(), n));
  if (threads <= 1 || in_parallel || forked.load(std::memory_order_relaxed)) return alone();
  Team team;
  if (!team.mine) return alone();
  // A thread has finished step s when it has arrived s + 1 times; nobody goes on before all have.
  std::atomic<int64_t> arrived{0};
  bool stopped = false;
  std::atomic<int64_t> last_step{steps - 1};  // set during a step, before arriving: all threads agree which one it is
#pragma omp parallel num_threads(threads)
  {
    in_parallel = true;
    const int64_t size = omp_get_num_threads(), me = omp_get_thread_num();
    for (int64_t s = 0; s <= last_step.load(std::memory_order_acquire); ++s) {
      fn(context, s, n * me / size, n * (me + 1) / size);
      if (me == 0 && interrupted()) stopped = true, last_step = s;
      arrived.fetch_add(1, std::memory_order_acq_rel);
      for (int spins = 0; arrived.load(std::memory_order_acquire) < (s + 1) * size; ++spins)
        spins < kSpins ? pause() : void(sched_yield());
    }
    in_parallel = false;
  }
  if (stopped) interrupt_seen = true;
}

int get_num_threads() { return num_threads(); }

void set_num_threads(int n) {
  DLCORE_CHECK(n >= 1 && n <= 1024, ValueError, "set_num_threads: n must be in [1, 1024], got ", n);
  chosen_threads = n;
}

std::string thread_count_reason() {
  return chosen_threads ? "set_num_threads(" + std::to_string(chosen_threads.load()) + ")" : defaults().reason;
}

}  // namespace dlcore
