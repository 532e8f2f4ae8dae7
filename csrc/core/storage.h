#pragma once
#include <atomic>
#include <functional>
#include <memory>

#include "core/refcount.h"
#include "dlcore/device.h"
#include "dlcore/export.h"

namespace dlcore {

struct PackedForm;  // core/packed.h
struct SparseRows;  // ops/sparse_rows.h

// A block of memory that tensors share, and the count of in-place writes to it.
struct DLCORE_API Storage : RefCounted {
  void* data = nullptr;  // null also while only `rows` are known: elements() makes it
  int64_t bytes = 0;
  Device device;
  std::atomic<uint64_t> version{0};
  std::atomic<uint64_t> unseen_writes{0};  // those that `version` doesn't count: through x.data, or by others
  std::atomic<int32_t> others{0};          // numpy arrays and such that may write at any time
  bool read_only = false;                  // memory of somebody who must not see writes (a read-only numpy array)
  std::function<void()> release;           // frees memory that is not ours; empty for our own
  std::atomic<std::shared_ptr<const PackedForm>> packed;
  std::atomic<std::shared_ptr<const SparseRows>> rows;  // what the elements are, as long as nobody has looked at them

  // The memory, with its elements in it.
  void* elements() {
    void* p = std::atomic_ref(data).load(std::memory_order_acquire);
    return p ? p : make_elements();
  }
  void* make_elements();  // ops/sparse_rows.cpp
  static void destroy(Storage* s);
};

// Others hold the address of t's memory as long as this lives.
class Exposed {
 public:
  explicit Exposed(Ref<Storage> storage) : storage_(std::move(storage)) { ++storage_->others; }
  ~Exposed() {
    ++storage_->unseen_writes;
    --storage_->others;
  }
  Exposed(const Exposed&) = delete;
  Exposed& operator=(const Exposed&) = delete;

 private:
  Ref<Storage> storage_;
};

// Uninitialized memory of our own (poisoned in debug builds), 64-byte aligned.
DLCORE_API Ref<Storage> new_storage(int64_t bytes, Device device = {});

}  // namespace dlcore
