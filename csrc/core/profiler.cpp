#include "core/profiler.h"

#include <pthread.h>

#include <chrono>
#include <map>
#include <mutex>
#include <new>
#include <tuple>
#include <utility>

#include "core/check.h"

namespace dlcore {

std::atomic<bool> profiling{false};

int64_t profile_clock() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

namespace {

std::atomic<uint32_t> threads{0};
thread_local const uint32_t this_thread = threads++;
thread_local int nodes_running = 0;         // backward nodes of this thread, one inside the other
thread_local int64_t allocated_so_far = 0;  // bytes since the thread's last kernel ...
thread_local int64_t allocated_in = 0;      // ... in the profile that started then

struct Recorder {
  std::mutex mutex;
  Profile profile;
  std::map<std::tuple<std::string, ProfileKind, bool>, uint32_t> index;  // into the totals
  std::atomic<int64_t> start{0};
  size_t limit = 0;

  uint32_t total_of(std::string name, ProfileKind kind, bool backward) {
    if (const auto found = index.find({name, kind, backward}); found != index.end()) return found->second;
    if (index.size() >= kMostProfiledNames && name != kOthers) return total_of(kOthers, kind, backward);
    const uint32_t i = static_cast<uint32_t>(profile.totals.size());
    ProfileTotal& t = profile.totals.emplace_back();
    t.name = name, t.kind = kind, t.backward = backward;
    index.emplace(std::tuple{std::move(name), kind, backward}, i);
    return i;
  }

  void add(const char* name, ProfileKind kind, Cost cost, int64_t began, int64_t allocated) {
    const int64_t now = profile_clock();
    const bool backward = nodes_running > 0 && kind != ProfileKind::Block;
    std::lock_guard lock(mutex);
    // What began before the profile did, or ended after it, is not part of it.
    if (!profiling.load(std::memory_order_relaxed) || began < start) return;
    try {
      const uint32_t i = total_of(name, kind, backward);
      ProfileTotal& t = profile.totals[i];
      ++t.calls;
      t.nanoseconds += now - began;
      t.allocated += allocated;
      t.cost.bytes += cost.bytes;
      t.cost.flops += cost.flops;
      if (profile.events.size() < limit) {
        profile.events.push_back({i, this_thread, began - start, now - began, cost, allocated});
        return;
      }
    } catch (const std::bad_alloc&) {  // a profile is no reason to fail
    }
    ++profile.dropped;
  }

  static constexpr const char* kOthers = "(others)";
};

// A forked child starts anew: its parent's threads, one of which may hold the lock, don't exist there.
Recorder* recorder = new Recorder;
const bool renewed_in_children = pthread_atfork(nullptr, nullptr, [] {
                                   profiling = false;
                                   recorder = new Recorder;
                                 }) == 0;

int64_t& allocated_in_this_profile() {
  if (const int64_t start = recorder->start; allocated_in != start) {
    allocated_in = start;
    allocated_so_far = 0;
  }
  return allocated_so_far;
}

}  // namespace

void start_profile(int64_t limit) {
  DLCORE_CHECK(limit >= 0, ValueError, "profile: max_events must not be negative, got ", limit);
  std::lock_guard lock(recorder->mutex);
  DLCORE_CHECK(!profiling, RuntimeError, "profile: a profile is being taken already; they do not nest");
  recorder->profile = {};
  recorder->index.clear();
  recorder->limit = static_cast<size_t>(limit);
  recorder->start = profile_clock();
  profiling = true;
}

Profile stop_profile() {
  std::lock_guard lock(recorder->mutex);
  DLCORE_CHECK(profiling, RuntimeError, "profile: no profile is being taken");
  profiling = false;
  recorder->profile.nanoseconds = profile_clock() - recorder->start;
  return std::move(recorder->profile);
}

void profile_kernel(const char* op, Cost cost, int64_t start) {
  recorder->add(op, ProfileKind::Kernel, cost, start, std::exchange(allocated_in_this_profile(), 0));
}

void profile_block(const std::string& name, int64_t start) {
  recorder->add(name.c_str(), ProfileKind::Block, {}, start, 0);
}

void profile_allocation(int64_t bytes) { allocated_in_this_profile() += bytes; }

int64_t ProfiledBackward::enter() {
  ++nodes_running;
  return profile_clock();
}

void ProfiledBackward::leave() const {
  recorder->add(name_, ProfileKind::Node, {}, start_, 0);
  --nodes_running;
}

}  // namespace dlcore
