#include "dlcore/random.h"

#include <mutex>

namespace dlcore {
namespace {
std::mutex mutex;  // of all generators: each holds it for two assignments; <mutex> would double what the header costs
}  // namespace

void Generator::set_state(uint64_t seed, uint64_t offset) {
  const std::lock_guard lock(mutex);
  seed_ = seed;
  offset_ = offset;
}

Generator::State Generator::reserve(uint64_t count) {
  const std::lock_guard lock(mutex);
  const State s{seed_, offset_};
  offset_ += count;
  return s;
}

Generator& default_generator() {
  static Generator generator;
  return generator;
}

}  // namespace dlcore
