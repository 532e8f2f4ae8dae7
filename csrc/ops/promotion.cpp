#include <atomic>

#include "ops/elementwise.h"

namespace dlcore {
namespace {

std::atomic<DType> default_dtype_{DType::Float32};

// What an operand contributes, by how strongly it counts.
struct Categories {
  std::optional<DType> dimensioned, zero_dim, number;

  void add(const Tensor& x) {
    const TensorImpl& t = *x.impl();
    if (t.wrapped_number)
      join(number, is_floating(t.dtype) ? default_dtype() : t.dtype);
    else
      join(t.ndim() == 0 ? zero_dim : dimensioned, t.dtype);
  }
  DType result() const { return combine(dimensioned, combine(zero_dim, number)).value_or(DType::Float32); }

 private:
  static void join(std::optional<DType>& sum, DType t) { sum = sum ? promote_types(*sum, t) : t; }
  // The weaker operand decides only where it is of a higher kind (bool < integer < floating).
  static std::optional<DType> combine(std::optional<DType> strong, std::optional<DType> weak) {
    if (!strong || !weak) return strong ? strong : weak;
    if (is_floating(*strong)) return strong;
    if (*strong == DType::Bool || is_floating(*weak)) return promote_types(*strong, *weak);
    return strong;
  }
};

}  // namespace

DType default_dtype() { return default_dtype_.load(std::memory_order_relaxed); }

void set_default_dtype(DType t) {
  DLCORE_CHECK(is_floating(t), TypeError, "set_default_dtype: expected a floating point dtype but got ", name(t));
  default_dtype_ = t;
}

DType promote_types(DType a, DType b) {
  if (a == b) return a;
  if (is_floating(a) || is_floating(b)) {
    if (!is_floating(b)) return a;
    if (!is_floating(a)) return b;
    return a == DType::Float64 || b == DType::Float64 ? DType::Float64 : DType::Float32;
  }
  if (a == DType::Bool) return b;
  if (b == DType::Bool) return a;
  if (a == DType::UInt8 || b == DType::UInt8) {  // the smallest signed type that holds both
    const DType s = a == DType::UInt8 ? b : a;
    return s == DType::Int8 ? DType::Int16 : s;
  }
  return std::max(a, b);
}

DType result_type(const Tensor& a, const Tensor& b) {
  const TensorImpl &x = *a.impl(), &y = *b.impl();
  if (x.dtype == y.dtype && !x.wrapped_number && !y.wrapped_number) return x.dtype;
  Categories c;
  c.add(a);
  c.add(b);
  return c.result();
}

DType result_type(const TensorList& list) {
  Categories c;
  for (const Tensor& x : list) c.add(x);
  return c.result();
}

bool can_cast(DType from, DType to) {
  if (is_floating(from)) return is_floating(to);
  return from == DType::Bool || to != DType::Bool;
}

Tensor narrowed(const Tensor& x, DType t) {
  const bool integers = is_integral(t, false) && is_integral(x.dtype(), false);
  const bool wide =
      integers && x.dim() == 0 && item_size(t) < 4 && item_size(x.dtype()) >= item_size(t) && x.dtype() != t;
  return wide ? to_dtype(x, t) : x;
}

}  // namespace dlcore
