#pragma once
#include <string>
#include <vector>

#include "core/launch.h"

// A profile: what kernels, backward nodes and the user's own blocks took. Kernels are noted where they start, in
// launch(); the totals count all of them, the list of events the first `limit`.
namespace dlcore {

enum class ProfileKind : uint8_t { Kernel, Node, Block };

struct ProfileTotal {
  std::string name;
  ProfileKind kind = ProfileKind::Kernel;
  bool backward = false;  // started by a node's backward
  int64_t calls = 0, nanoseconds = 0, allocated = 0;
  Cost cost;
};
struct ProfileEvent {
  uint32_t total;  // which of the totals it counts in
  uint32_t thread;
  int64_t start, duration;  // nanoseconds from the profile's start
  Cost cost;
  int64_t allocated;  // bytes asked for by this thread since its last kernel
};
struct Profile {
  std::vector<ProfileTotal> totals;
  std::vector<ProfileEvent> events;
  int64_t nanoseconds = 0, dropped = 0;
};

constexpr size_t kMostProfiledNames = 4096;  // further ones share a total

// Of the whole process, one at a time.
DLCORE_API void start_profile(int64_t limit);
DLCORE_API Profile stop_profile();

// A block of the host program that started at profile_clock() = start and ends now.
DLCORE_API void profile_block(const std::string& name, int64_t start);
void profile_allocation(int64_t bytes);

// Notes a node's backward while it lives; what this thread starts meanwhile counts as backward.
class ProfiledBackward {
 public:
  explicit ProfiledBackward(const char* name)
      : name_(name), start_(profiling.load(std::memory_order_relaxed) ? enter() : 0) {}
  ~ProfiledBackward() {
    if (__builtin_expect(start_ != 0, 0)) leave();
  }
  ProfiledBackward(const ProfiledBackward&) = delete;
  ProfiledBackward& operator=(const ProfiledBackward&) = delete;

 private:
  static int64_t enter();
  void leave() const;

  const char* name_;
  int64_t start_;
};

}  // namespace dlcore
