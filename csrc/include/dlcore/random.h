#pragma once
#include <cstdint>

#include "dlcore/export.h"

namespace dlcore {

// A counter-based random generator (Philox4x32-10, Salmon et al. 2011): the i-th number of a kernel call is a function
// of (seed, offset + i), so it does not depend on threads. An op reserves as many counters as it needs.
class DLCORE_API Generator {
 public:
  static constexpr uint64_t kDefaultSeed = 67280421310721ull;
  explicit Generator(uint64_t seed = kDefaultSeed) : seed_(seed) {}

  uint64_t seed() const { return seed_; }
  uint64_t offset() const { return offset_; }
  void set_seed(uint64_t seed) { set_state(seed, 0); }
  void set_state(uint64_t seed, uint64_t offset);
  struct State {
    uint64_t seed, offset;
  };
  // The state before the call; the next caller gets counters from `count` further on. A counter yields four 32-bit
  // words.
  State reserve(uint64_t count);

 private:
  uint64_t seed_, offset_ = 0;
};

DLCORE_API Generator& default_generator();

}  // namespace dlcore
