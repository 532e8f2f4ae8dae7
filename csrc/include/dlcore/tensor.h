#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dlcore/device.h"
#include "dlcore/dtype.h"
#include "dlcore/error.h"
#include "dlcore/export.h"
#include "dlcore/scalar.h"
#include "dlcore/shape.h"

namespace dlcore {

struct TensorImpl;

// A handle to a strided n-dimensional array that takes part in automatic differentiation. Copying a Tensor copies the
// handle; both then name the same array. A default-constructed Tensor is undefined: it stands for "none".
class DLCORE_API Tensor {
 public:
  Tensor() : impl_(nullptr) {}
  Tensor(const Tensor& o);
  Tensor(Tensor&& o) noexcept : impl_(std::exchange(o.impl_, nullptr)) {}
  Tensor& operator=(Tensor o) noexcept {
    std::swap(impl_, o.impl_);
    return *this;
  }
  ~Tensor();

  bool defined() const { return impl_ != nullptr; }
  explicit operator bool() const { return defined(); }
  bool is_same(const Tensor& o) const { return impl_ == o.impl_; }

  int64_t dim() const;
  int64_t size(int64_t dim) const;  // negative counts from the end
  IntSpan sizes() const;
  IntSpan strides() const;  // in elements
  int64_t numel() const;
  int64_t storage_offset() const;  // in elements
  DType dtype() const;
  Device device() const;
  bool is_contiguous() const;

  // First element, to read. The typed form checks the dtype, and may be written through at any time.
  void* raw_data() const;
  template <class T>
  T* data() const;

  bool requires_grad() const;
  bool is_leaf() const;
  Tensor& set_requires_grad(bool value);
  Tensor grad() const;
  void set_grad(const Tensor& g) const;
  // The same elements without history.
  Tensor detach() const;
  // d(this)/d(leaves), added into each leaf's grad. `gradient` is needed unless this has one element.
  void backward(const Tensor& gradient = {}, std::optional<bool> retain_graph = {}, bool create_graph = false) const;

  // The only element of a one-element tensor.
  Scalar item() const;

  // For the library itself.
  TensorImpl* impl() const { return impl_; }
  static Tensor adopt(TensorImpl* impl) {
    Tensor t;
    t.impl_ = impl;
    return t;
  }
  TensorImpl* release() { return std::exchange(impl_, nullptr); }

 private:
  void* exposed_data() const;
  TensorImpl* impl_;
};

using TensorList = std::vector<Tensor>;

template <class T>
struct dtype_of;
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::Float32;
};
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::Float64;
};
template <>
struct dtype_of<int8_t> {
  static constexpr DType value = DType::Int8;
};
template <>
struct dtype_of<int16_t> {
  static constexpr DType value = DType::Int16;
};
template <>
struct dtype_of<int32_t> {
  static constexpr DType value = DType::Int32;
};
template <>
struct dtype_of<int64_t> {
  static constexpr DType value = DType::Int64;
};
template <>
struct dtype_of<uint8_t> {
  static constexpr DType value = DType::UInt8;
};
template <>
struct dtype_of<bool> {
  static constexpr DType value = DType::Bool;
};

template <class T>
T* Tensor::data() const {
  if (dtype() != dtype_of<T>::value)
    throw TypeError(std::string("data: the tensor holds ") + name(dtype()) + ", but " + name(dtype_of<T>::value) +
                    " was asked for");
  return static_cast<T*>(exposed_data());
}

}  // namespace dlcore
