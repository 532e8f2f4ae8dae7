#include "core/dims.h"

namespace dlcore {

std::ostream& operator<<(std::ostream& out, IntSpan s) {
  out << '(';
  for (int64_t i = 0; i < s.size(); ++i) out << (i ? ", " : "") << s[i];
  return out << (s.size() == 1 ? ",)" : ")");
}

int64_t wrap_dim(const char* op, int64_t dim, int64_t ndim) {
  const int64_t n = ndim > 0 ? ndim : 1;
  DLCORE_CHECK(dim >= -n && dim < n, IndexError, op, ": dim must be in [", -n, ", ", n - 1, "] but got ", dim);
  return dim < 0 ? dim + n : dim;
}

int64_t checked_numel(const char* op, IntSpan sizes) {
  int64_t n = 1;
  bool zero = false;
  for (int64_t s : sizes) {
    DLCORE_CHECK(s >= 0, RuntimeError, op, ": sizes must not be negative, got shape ", sizes);
    zero |= s == 0;
  }
  if (zero) return 0;
  for (int64_t s : sizes)
    DLCORE_CHECK(!__builtin_mul_overflow(n, s, &n), RuntimeError, op, ": shape ", sizes, " has too many elements");
  DLCORE_CHECK(n <= (int64_t{1} << 59), RuntimeError, op, ": shape ", sizes, " has too many elements");
  return n;
}

Dims contiguous_strides(IntSpan sizes) {
  Dims strides(sizes.size(), 1);
  for (int64_t i = sizes.size() - 2; i >= 0; --i) strides[i] = strides[i + 1] * std::max<int64_t>(sizes[i + 1], 1);
  return strides;
}

Dims broadcast_shapes(const char* op, IntSpan a, IntSpan b) {
  if (a == b) return a;
  const int64_t n = std::max(a.size(), b.size());
  Dims out(n, 1);
  for (int64_t i = 1; i <= n; ++i) {
    const int64_t x = i <= a.size() ? a[a.size() - i] : 1, y = i <= b.size() ? b[b.size() - i] : 1;
    DLCORE_CHECK(x == y || x == 1 || y == 1, RuntimeError, op, ": shapes ", a, " and ", b,
                 " do not broadcast: dimension ", n - i, " is ", x, " in one and ", y, " in the other");
    out[n - i] = x == 1 ? y : x;
  }
  return out;
}

}  // namespace dlcore
