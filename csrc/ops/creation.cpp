#include <cmath>

#include "core/half.h"
#include "core/launch.h"
#include "kernels/registry.h"
#include "ops/layout.h"

namespace dlcore {
namespace {

template <class T>
uint64_t bits_of(T v) {
  uint64_t bits = 0;
  std::memcpy(&bits, &v, sizeof v);
  return bits;
}

// The number as one element of that dtype. As in PyTorch, what does not fit is an error, and a negative number may wrap
// around in an unsigned dtype.
template <class T>
uint64_t integer_bits(const char* op, Scalar v, DType t) {
  constexpr bool is_unsigned = std::is_unsigned_v<T>;
  constexpr double high = static_cast<double>(std::numeric_limits<T>::max());
  constexpr double low = is_unsigned ? -high : static_cast<double>(std::numeric_limits<T>::min());
  // 2^63 - 1 is not a double: its neighbour above is the first that does not fit.
  const bool fits = v.is_floating()
                        ? v.to_double() >= low && (sizeof(T) == 8 ? v.to_double() < high : v.to_double() < high + 1)
                        : sizeof(T) == 8 || (v.to_int() >= int64_t(low) && v.to_int() <= int64_t(high));
  DLCORE_CHECK(fits, RuntimeError, op, ": the value must fit ", name(t), " but got ",
               v.is_floating() ? v.to_double() : double(v.to_int()));
  return bits_of(static_cast<T>(v.to_int()));
}

uint64_t floating_bits(const char* op, Scalar value, DType t) {
  const double v = value.to_double();
  const double largest = t == DType::Float64    ? std::numeric_limits<double>::max()
                         : t == DType::Float16  ? 65504.0
                         : t == DType::BFloat16 ? 0x1.fep127
                                                : double(std::numeric_limits<float>::max());
  DLCORE_CHECK(!std::isfinite(v) || std::fabs(v) <= largest, RuntimeError, op, ": the value must fit ", name(t),
               " but got ", v);
  if (t == DType::Float64) return bits_of(v);
  const float f = static_cast<float>(v);
  return t == DType::Float32 ? bits_of(f) : t == DType::BFloat16 ? float_to_bf16(f) : float_to_fp16(f);
}

uint64_t element_bits(const char* op, Scalar v, DType t) {
  switch (t) {
    case DType::Bool:
      return v.to_bool();
    case DType::UInt8:
      return integer_bits<uint8_t>(op, v, t);
    case DType::Int8:
      return integer_bits<int8_t>(op, v, t);
    case DType::Int16:
      return integer_bits<int16_t>(op, v, t);
    case DType::Int32:
      return integer_bits<int32_t>(op, v, t);
    case DType::Int64:
      return integer_bits<int64_t>(op, v, t);
    default:
      return floating_bits(op, v, t);
  }
}

// Writes every element of a dense new tensor once.
Tensor filled(const char* op, Tensor y, Scalar value) {
  const TensorImpl& t = *y.impl();
  const uint64_t bits = element_bits(op, value, t.dtype);
  const int64_t item = item_size(t.dtype);
  launch(op, {double(t.numel * item)}, [&] { kernels().fill({t.data(), t.numel, item, bits}); });
  return y;
}

DType or_default(std::optional<DType> dtype) { return dtype ? *dtype : default_dtype(); }

DType dtype_of_number(Scalar v) { return v.is_floating() ? default_dtype() : v.dtype(); }

Tensor dense_like(const Tensor& x, std::optional<DType> dtype, const std::string& format) {
  const Dims strides =
      format == "preserve_format" ? dense_strides_like(x) : strides_of_format("empty_like", x.sizes(), format);
  return new_tensor(x.sizes(), strides, dtype.value_or(x.dtype()));
}

}  // namespace

// The order of x's dimensions in memory, without its gaps. Dimensions of stride 0 keep their place.
Dims dense_strides_like(const TensorImpl& t) {
  if (t.contiguous) return contiguous_strides(t.sizes);
  if (is_dense(t)) return t.strides;
  Dims order(t.ndim(), 0);  // innermost first
  for (int64_t i = 0; i < t.ndim(); ++i) order[i] = t.ndim() - 1 - i;
  const auto outer = [&](int64_t a, int64_t b) {  // 1: a belongs outside b, -1: inside, 0: undecided
    if (t.strides[a] == 0 || t.strides[b] == 0) return 0;
    if (t.strides[a] != t.strides[b]) return t.strides[a] > t.strides[b] ? 1 : -1;
    return t.sizes[a] > t.sizes[b] ? 1 : 0;
  };
  for (int64_t i = 1; i < t.ndim(); ++i)
    for (int64_t at = i, j = i - 1; j >= 0; --j) {
      const int c = outer(order[j], order[at]);
      if (c < 0) break;
      if (c > 0) {
        std::swap(order[j], order[at]);
        at = j;
      }
    }
  Dims strides(t.ndim(), 1);
  int64_t step = 1;
  for (int64_t d : order) {
    strides[d] = step;
    step *= std::max<int64_t>(t.sizes[d], 1);
  }
  return strides;
}

Dims strides_of_format(const char* op, IntSpan sizes, const std::string& format) {
  if (format == "contiguous_format") return contiguous_strides(sizes);
  const int64_t n = format == "channels_last" ? 4 : format == "channels_last_3d" ? 5 : 0;
  DLCORE_CHECK(n, RuntimeError, op,
               ": memory_format must be contiguous_format, channels_last or channels_last_3d but got ", format);
  DLCORE_CHECK(sizes.size() == n, RuntimeError, op, ": ", format, " needs a tensor of ", n,
               " dimensions but got shape ", sizes);
  return layout_strides(sizes, Layout::ChannelsLast);
}

Tensor empty(IntSpan sizes, std::optional<DType> dtype) { return new_tensor(sizes, or_default(dtype)); }
Tensor zeros(IntSpan sizes, std::optional<DType> dtype) { return filled("zeros", empty(sizes, dtype), 0); }
Tensor ones(IntSpan sizes, std::optional<DType> dtype) { return filled("ones", empty(sizes, dtype), 1); }
Tensor full(IntSpan sizes, Scalar value, std::optional<DType> dtype) {
  return filled("full", empty(sizes, dtype ? *dtype : dtype_of_number(value)), value);
}

Tensor empty_like(const Tensor& x, std::optional<DType> dtype, const std::string& format) {
  return dense_like(x, dtype, format);
}
Tensor zeros_like(const Tensor& x, std::optional<DType> dtype, const std::string& format) {
  return filled("zeros_like", dense_like(x, dtype, format), 0);
}
Tensor ones_like(const Tensor& x, std::optional<DType> dtype, const std::string& format) {
  return filled("ones_like", dense_like(x, dtype, format), 1);
}
Tensor full_like(const Tensor& x, Scalar value, std::optional<DType> dtype, const std::string& format) {
  return filled("full_like", dense_like(x, dtype, format), value);
}

Tensor empty_strided(IntSpan sizes, IntSpan strides, std::optional<DType> dtype) {
  DLCORE_CHECK(sizes.size() == strides.size(), RuntimeError,
               "empty_strided: stride must have one entry a dimension; expected ", sizes.size(), " but got ",
               strides.size());
  const int64_t count = strided_extent("empty_strided", sizes, strides);
  Tensor memory = new_tensor({count}, or_default(dtype));
  return alias(memory, sizes, strides, 0);
}

int64_t strided_extent(const char* op, IntSpan sizes, IntSpan strides) {
  if (checked_numel(op, sizes) == 0) return 0;
  int64_t last = 0;
  for (int64_t i = 0; i < sizes.size(); ++i) {
    int64_t reach;
    DLCORE_CHECK(strides[i] >= 0, RuntimeError, op, ": strides must not be negative, got ", strides);
    DLCORE_CHECK(!__builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) &&
                     !__builtin_add_overflow(last, reach, &last) && last < (int64_t{1} << 59),
                 RuntimeError, op, ": sizes ", sizes, " with strides ", strides, " reach too far");
  }
  return last + 1;
}

// ---- sequences

namespace {

// A floating point sequence is computed in double and rounded once.
Tensor sequence(const char* op, int64_t n, kernel::Range r, DType dtype) {
  DLCORE_CHECK(dtype != DType::Bool, NotImplementedError, op, ": dtype must not be bool");
  Tensor y = new_tensor({n}, is_half(dtype) ? DType::Float32 : dtype);
  r.y = y.raw_data();
  r.n = n;
  r.dtype = y.dtype();
  launch(op, {double(n * item_size(y.dtype()))}, [&] { kernels().range(r); });
  return to_dtype(y, dtype);
}

// ceil((end - start) / step) without overflow, for a step in end's direction.
int64_t integer_count(int64_t start, int64_t end, int64_t step) {
  return static_cast<int64_t>((static_cast<__int128>(end) - start + step - (step > 0 ? 1 : -1)) / step);
}

}  // namespace

Tensor arange(Scalar start, Scalar end, Scalar step, std::optional<DType> dtype) {
  const bool integers = !start.is_floating() && !end.is_floating() && !step.is_floating();
  const DType t = dtype ? *dtype : integers ? DType::Int64 : default_dtype();
  kernel::Range r{};
  r.start = start.to_double();
  r.step = step.to_double();
  const double last = end.to_double();
  DLCORE_CHECK(std::isfinite(r.start) && std::isfinite(last), RuntimeError,
               "arange: start and end must be finite; got start=", r.start, ", end=", last);
  DLCORE_CHECK(r.step != 0 && !std::isnan(r.step), RuntimeError, "arange: step must be a number other than zero, got ",
               r.step);
  const bool forward = integers ? end.to_int() >= start.to_int() : last >= r.start;
  DLCORE_CHECK(forward == (r.step > 0) || (integers ? end.to_int() == start.to_int() : last == r.start), RuntimeError,
               "arange: end must lie in step's direction from start; got start=", r.start, ", end=", last,
               ", step=", r.step);
  if (is_integral(t, true)) {
    for (double v : {r.start, last, r.step})
      DLCORE_CHECK(integers || std::fabs(v) < 0x1p63, RuntimeError, "arange: start, end and step must fit int64, got ",
                   v);
    r.int_start = start.to_int();
    r.int_step = step.to_int();
    DLCORE_CHECK(r.int_step != 0, ValueError, "arange: as ", name(t), " step is zero, got ", r.step);
    return sequence("arange", integer_count(r.int_start, end.to_int(), r.int_step), r, t);
  }
  const double n = std::ceil((last - r.start) / r.step);
  DLCORE_CHECK(n < 0x1p59, RuntimeError, "arange: too many elements, got ", n);
  r.count_down_from = static_cast<int64_t>(n);
  return sequence("arange", static_cast<int64_t>(n), r, t);
}

Tensor linspace(Scalar start, Scalar end, int64_t steps, std::optional<DType> dtype) {
  DLCORE_CHECK(steps >= 0, RuntimeError, "linspace: steps must not be negative, got ", steps);
  const DType t = or_default(dtype);
  (void)element_bits("linspace", start, t);  // both ends must fit
  (void)element_bits("linspace", end, t);
  kernel::Range r{};
  r.start = start.to_double();
  r.end = end.to_double();
  r.step = steps > 1 ? (r.end - r.start) / static_cast<double>(steps - 1) : 0;
  r.count_down_from = std::max<int64_t>(steps / 2, 1);
  r.through_double = true;
  return sequence("linspace", steps, r, t);
}

Tensor logspace(Scalar start, Scalar end, int64_t steps, double base, std::optional<DType> dtype) {
  Tensor y = linspace(start, end, steps, DType::Float64);
  double* v = y.data<double>();
  for (int64_t i = 0; i < steps; ++i) v[i] = std::pow(base, v[i]);
  return to_dtype(y, or_default(dtype));
}

// ---- matrices

Tensor eye(int64_t n, std::optional<int64_t> m, std::optional<DType> dtype) {
  const int64_t columns = m.value_or(n);
  DLCORE_CHECK(n >= 0, RuntimeError, "eye: n must not be negative, got ", n);
  DLCORE_CHECK(columns >= 0, RuntimeError, "eye: m must not be negative, got ", columns);
  Tensor y = zeros({n, columns}, dtype);
  const int64_t item = item_size(y.dtype());
  const uint64_t one = element_bits("eye", 1, y.dtype());
  for (int64_t i = 0; i < std::min(n, columns); ++i)
    std::memcpy(static_cast<char*>(y.raw_data()) + i * (columns + 1) * item, &one, static_cast<size_t>(item));
  return y;
}

namespace {

// Where a triangle of a matrix is, whatever the numbers: every sum is wider than they are.
using Wide = __int128;
struct Triangle {
  Wide rows, cols, offset;
  bool lower;

  Wide end(Wide i) const {
    return std::clamp<Wide>(i + offset + lower, 0, cols);
  }  // of the lower one, start of the upper
  // Rows [first(), last()) have elements.
  Wide first() const { return lower ? std::clamp<Wide>(-offset, 0, rows) : 0; }
  Wide last() const { return cols == 0 ? first() : lower ? rows : std::clamp<Wide>(cols - offset, 0, rows); }
  Wide count() const {
    // end(i) = i + offset + lower for i in [a, b), 0 before and cols after
    const Wide a = std::clamp<Wide>(-offset - lower, 0, rows), b = std::clamp<Wide>(cols - offset - lower, a, rows);
    const Wide ends = (b - a) * (end(a) + std::max<Wide>(end(b - 1), 0)) / 2 + (rows - b) * cols;
    return lower ? ends : rows * cols - ends;
  }
};

// Indices of its elements, row by row.
Tensor pairs(const char* op, int64_t rows, int64_t cols, int64_t offset, bool lower, std::optional<DType> dtype) {
  DLCORE_CHECK(rows >= 0 && cols >= 0, RuntimeError, op, ": row and col must not be negative, got ", rows, " and ",
               cols);
  const DType t = dtype.value_or(DType::Int64);
  DLCORE_CHECK(t == DType::Int64 || t == DType::Int32, NotImplementedError, op,
               ": dtype must be int64 or int32 but got ", name(t));
  const Triangle triangle{rows, cols, offset, lower};
  DLCORE_CHECK(triangle.count() < Wide{1} << 58, RuntimeError, op, ": too many elements: row ", rows, ", col ", cols);
  const int64_t count = static_cast<int64_t>(triangle.count());
  Tensor y = new_tensor({2, count}, DType::Int64);
  int64_t* row = y.data<int64_t>();
  int64_t* col = row + count;
  for (int64_t i = static_cast<int64_t>(triangle.first()), last = static_cast<int64_t>(triangle.last()); i < last;
       ++i) {
    const int64_t end = static_cast<int64_t>(triangle.end(i));
    for (int64_t j = lower ? 0 : end, stop = lower ? end : cols; j < stop; ++j) {
      *row++ = i;
      *col++ = j;
    }
  }
  return to_dtype(y, t);
}

}  // namespace

Tensor tril_indices(int64_t rows, int64_t cols, int64_t offset, std::optional<DType> dtype) {
  return pairs("tril_indices", rows, cols, offset, true, dtype);
}

Tensor triu_indices(int64_t rows, int64_t cols, int64_t offset, std::optional<DType> dtype) {
  return pairs("triu_indices", rows, cols, offset, false, dtype);
}

}  // namespace dlcore
