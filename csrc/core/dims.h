#pragma once
#include <algorithm>
#include <cstring>
#include <ostream>

#include "core/check.h"
#include "dlcore/shape.h"

namespace dlcore {

inline constexpr int64_t kMaxDims = 64;

// An owning list of sizes or strides; up to six need no allocation.
class Dims {
 public:
  Dims() = default;
  explicit Dims(int64_t n, int64_t value) {
    resize(n);
    std::fill(begin(), end(), value);
  }
  Dims(IntSpan s) { assign(s); }
  Dims(std::initializer_list<int64_t> l) { assign(IntSpan(l)); }
  Dims(const Dims& o) { assign(o); }
  Dims(Dims&& o) noexcept { take(o); }
  Dims& operator=(const Dims& o) {
    if (this != &o) assign(o);
    return *this;
  }
  Dims& operator=(Dims&& o) noexcept {
    if (this == &o) return *this;
    if (data_ != inline_) delete[] data_;
    take(o);
    return *this;
  }
  ~Dims() {
    if (data_ != inline_) delete[] data_;
  }

  operator IntSpan() const { return {data_, static_cast<size_t>(size_)}; }
  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t& operator[](int64_t i) { return data_[i]; }
  int64_t operator[](int64_t i) const { return data_[i]; }
  int64_t* begin() { return data_; }
  int64_t* end() { return data_ + size_; }
  const int64_t* begin() const { return data_; }
  const int64_t* end() const { return data_ + size_; }
  int64_t back() const { return data_[size_ - 1]; }
  int64_t* data() { return data_; }
  const int64_t* data() const { return data_; }

  void push_back(int64_t v) {
    resize(size_ + 1);
    data_[size_ - 1] = v;
  }
  void insert(int64_t at, int64_t v) {
    resize(size_ + 1);
    std::memmove(data_ + at + 1, data_ + at, sizeof(int64_t) * static_cast<size_t>(size_ - 1 - at));
    data_[at] = v;
  }
  void erase(int64_t at) {
    std::memmove(data_ + at, data_ + at + 1, sizeof(int64_t) * static_cast<size_t>(size_ - 1 - at));
    --size_;
  }
  // New entries are uninitialized.
  void resize(int64_t n) {
    if (n > capacity_) {
      DLCORE_CHECK(n <= kMaxDims, ValueError, "tensors have at most ", kMaxDims, " dimensions, got ", n);
      auto* bigger = new int64_t[kMaxDims];
      std::memcpy(bigger, data_, sizeof(int64_t) * static_cast<size_t>(size_));
      if (data_ != inline_) delete[] data_;
      data_ = bigger;
      capacity_ = kMaxDims;
    }
    size_ = static_cast<int32_t>(n);
  }
  friend bool operator==(const Dims& a, IntSpan b) { return IntSpan(a) == b; }
  friend bool operator==(const Dims& a, const Dims& b) { return IntSpan(a) == IntSpan(b); }

 private:
  void assign(IntSpan s) {
    resize(s.size());
    if (!s.empty()) std::memcpy(data_, s.data(), sizeof(int64_t) * static_cast<size_t>(s.size()));
  }
  void take(Dims& o) noexcept {
    size_ = o.size_;
    capacity_ = o.capacity_;
    if (o.data_ == o.inline_) {
      data_ = inline_;
      for (int32_t i = 0; i < size_; ++i) inline_[i] = o.inline_[i];
    } else {
      data_ = o.data_;
      o.data_ = o.inline_;
      o.capacity_ = 6;
      o.size_ = 0;
    }
  }

  int64_t inline_[6];
  int64_t* data_ = inline_;
  int32_t size_ = 0, capacity_ = 6;
};

// "(2, 3)", as Python writes a tuple.
DLCORE_API std::ostream& operator<<(std::ostream& out, IntSpan s);
inline std::ostream& operator<<(std::ostream& out, const Dims& d) { return out << IntSpan(d); }

// dim in [-ndim, ndim) brought to [0, ndim); a zero-dimensional tensor counts as one-dimensional here, as in PyTorch.
DLCORE_API int64_t wrap_dim(const char* op, int64_t dim, int64_t ndim);
// Product of the sizes; throws where it or the byte size overflows, or a size is negative.
DLCORE_API int64_t checked_numel(const char* op, IntSpan sizes);
DLCORE_API Dims contiguous_strides(IntSpan sizes);
// Shape of the result of an elementwise op; throws naming the op where the shapes do not broadcast.
DLCORE_API Dims broadcast_shapes(const char* op, IntSpan a, IntSpan b);

}  // namespace dlcore
