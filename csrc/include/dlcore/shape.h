#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace dlcore {

// A view of a list of sizes, strides or dimensions; it owns nothing.
class IntSpan {
 public:
  constexpr IntSpan() = default;
  constexpr IntSpan(const int64_t* data, size_t size) : data_(data), size_(size) {}
  IntSpan(const std::vector<int64_t>& v) : data_(v.data()), size_(v.size()) {}
  // As with any span, the list must outlive the use: pass it straight into a call.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winit-list-lifetime"
#endif
  constexpr IntSpan(std::initializer_list<int64_t> l) : data_(l.begin()), size_(l.size()) {}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

  constexpr const int64_t* begin() const { return data_; }
  constexpr const int64_t* end() const { return data_ + size_; }
  constexpr const int64_t* data() const { return data_; }
  constexpr int64_t size() const { return static_cast<int64_t>(size_); }
  constexpr bool empty() const { return size_ == 0; }
  constexpr int64_t operator[](int64_t i) const { return data_[i]; }
  constexpr int64_t back() const { return data_[size_ - 1]; }
  std::vector<int64_t> vec() const { return {begin(), end()}; }

  friend bool operator==(IntSpan a, IntSpan b) {
    if (a.size_ != b.size_) return false;
    for (size_t i = 0; i < a.size_; ++i)
      if (a.data_[i] != b.data_[i]) return false;
    return true;
  }

 private:
  const int64_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace dlcore
