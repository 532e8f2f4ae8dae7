#pragma once
#include <atomic>
#include <functional>

#include "core/refcount.h"
#include "dlcore/device.h"
#include "dlcore/export.h"

namespace dlcore {

// A block of memory that tensors share, and the count of in-place writes to it.
struct DLCORE_API Storage : RefCounted {
  void* data = nullptr;
  int64_t bytes = 0;
  Device device;
  std::atomic<uint64_t> version{0};
  bool read_only = false;         // memory of somebody who must not see writes (a read-only numpy array)
  std::function<void()> release;  // frees memory that is not ours; empty for our own

  static void destroy(Storage* s);
};

// Uninitialized memory of our own (poisoned in debug builds), 64-byte aligned.
DLCORE_API Ref<Storage> new_storage(int64_t bytes, Device device = {});

}  // namespace dlcore
