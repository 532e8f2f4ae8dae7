#pragma once
#include <cstdint>

#include "dlcore/export.h"

namespace dlcore {

// The one place where memory for elements and scratch comes from: a caching allocator, 64-byte aligned.
DLCORE_API void* allocate(int64_t bytes);
DLCORE_API void deallocate(void* p, int64_t bytes);

// Scratch memory for one kernel call.
class Workspace {
 public:
  explicit Workspace(int64_t bytes) : data_(bytes > 0 ? allocate(bytes) : nullptr), bytes_(bytes) {}
  ~Workspace() {
    if (data_) deallocate(data_, bytes_);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
  int64_t bytes_;
};

}  // namespace dlcore
