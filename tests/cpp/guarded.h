#pragma once
// Memory for kernel tests that a stray access cannot touch unnoticed.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace dlcore::test {

// Kernels take some twenty times as long then, and what they read and write shows in fewer cases.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// `count` elements that end right before a page that may not be touched, and begin after another one.
template <class T>
class Guarded {
 public:
  explicit Guarded(int64_t count) : count_(count) {
    const int64_t page = sysconf(_SC_PAGESIZE), bytes = count * static_cast<int64_t>(sizeof(T));
    const int64_t body = (bytes + page - 1) / page * page;
    size_ = static_cast<size_t>(body + 2 * page);
    base_ = static_cast<char*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_, static_cast<size_t>(page), PROT_NONE);
    mprotect(base_ + page + body, static_cast<size_t>(page), PROT_NONE);
    data_ = reinterpret_cast<T*>(base_ + page + body - bytes);
  }
  Guarded(const Guarded&) = delete;
  ~Guarded() { munmap(base_, size_); }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T* begin() { return data_; }
  T* end() { return data_ + count_; }
  int64_t size() const { return count_; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }

 private:
  int64_t count_;
  size_t size_;
  char* base_;
  T* data_;
};

// 64-byte aligned scratch, poisoned with NaN and guarded at its end.
class Scratch {
 public:
  explicit Scratch(int64_t bytes) : memory_((bytes + 63) / 64 * 64) {
    std::memset(memory_.data(), 0xff, static_cast<size_t>(memory_.size()));
  }
  void* data() { return memory_.data(); }

 private:
  Guarded<char> memory_;
};

}  // namespace dlcore::test
