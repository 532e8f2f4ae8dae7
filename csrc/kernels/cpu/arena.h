#pragma once
// A kernel's workspace, cut into arrays: the same code measures it (from null) and hands it out.
#include "kernels/cpu/simd.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

struct Arena {
  char* base;
  int64_t used = 0;

  // `count` elements of T, 64-byte aligned; null when measuring.
  template <class T>
  T* take(int64_t count) {
    T* p = base ? reinterpret_cast<T*>(base + used) : nullptr;
    used += (count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
    return p;
  }
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
