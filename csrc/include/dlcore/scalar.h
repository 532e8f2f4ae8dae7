#pragma once
#include <cstdint>
#include <type_traits>

#include "dlcore/dtype.h"

namespace dlcore {

// A Python-like number: bool, int or float, which decides how it takes part in type promotion.
class Scalar {
 public:
  enum class Kind : uint8_t { Bool, Int, Float };

  Scalar() : kind_(Kind::Int), int_(0) {}
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
  Scalar(T v) {
    if constexpr (std::is_same_v<T, bool>) {
      kind_ = Kind::Bool;
      int_ = v;
    } else if constexpr (std::is_integral_v<T>) {
      kind_ = Kind::Int;
      int_ = static_cast<int64_t>(v);
    } else {
      kind_ = Kind::Float;
      float_ = static_cast<double>(v);
    }
  }

  Kind kind() const { return kind_; }
  bool is_floating() const { return kind_ == Kind::Float; }
  double to_double() const { return is_floating() ? float_ : static_cast<double>(int_); }
  int64_t to_int() const { return is_floating() ? static_cast<int64_t>(float_) : int_; }
  bool to_bool() const { return is_floating() ? float_ != 0 : int_ != 0; }
  // The dtype of the zero-dimensional tensor that stands for this number (float: the default dtype is applied later).
  DType dtype() const { return kind_ == Kind::Bool ? DType::Bool : kind_ == Kind::Int ? DType::Int64 : DType::Float64; }

 private:
  Kind kind_;
  union {
    double float_;
    int64_t int_;
  };
};

}  // namespace dlcore
