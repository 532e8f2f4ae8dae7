#include "kernels/index.h"

#include "core/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kBlock = 512;      // offsets computed at a time
constexpr int64_t kGrain = 1 << 14;  // elements a task

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

// offset[j] = first + j along + index[j stride] step, or with Add that index's part alone added; false where an index
// is out of range.
template <bool Add, class I>
DLCORE_INLINE bool offset_run(const I* index, int64_t stride, int64_t n, int64_t size, int64_t step, int64_t wrap,
                              int64_t first, int64_t along, int64_t* offset) {
  uint64_t bad = 0;
  for (int64_t j = 0; j < n; ++j) {
    int64_t i = static_cast<int64_t>(index[j * stride]);
    i += i < 0 ? wrap : 0;
    bad |= static_cast<uint64_t>(i) >= static_cast<uint64_t>(size);
    offset[j] = (Add ? offset[j] : first + j * along) + i * step;
  }
  return !bad;
}
template <bool Add, class I>
DLCORE_INLINE bool offsets(const IndexTensor& t, int64_t begin, int64_t stride, int64_t n, int64_t wrap, int64_t first,
                           int64_t along, int64_t* offset) {
  const I* index = static_cast<const I*>(t.data) + begin;
  if (stride == 1 && t.step == 1 && along == 0) return offset_run<Add>(index, 1, n, t.size, 1, wrap, first, 0, offset);
  return stride == 1 ? offset_run<Add>(index, 1, n, t.size, t.step, wrap, first, along, offset)
                     : offset_run<Add>(index, stride, n, t.size, t.step, wrap, first, along, offset);
}

// Part of a space: coordinates [begin, end) along dimension `dim`.
struct Part {
  int dim;
  int64_t begin, end;
};

int64_t size_of(const Indexed& s, Part part, int d) { return part.dim == d ? part.end - part.begin : s.sizes[d]; }

// One dimension of a part; a single step where the space has none.
struct Dim {
  int d;
  int64_t size = 1, x = 0, y = 0;
  Dim(const Indexed& s, Part part, int d) : d(d) {
    if (d >= 0) size = size_of(s, part, d), x = s.x_strides[d], y = s.y_strides[d];
  }
  DLCORE_INLINE int64_t index(const IndexTensor& t) const { return d >= 0 ? t.strides[d] : 0; }
};

// All coordinates of a part's dimensions but the last `inner` ones. Like Blocks it knows nothing of the elements' type,
// so that it is compiled once.
struct Outer {
  const Indexed& s;
  int dims;
  int64_t sizes[kIndexDims], at[kIndexDims];
  int64_t x = 0, y = 0, index[kIndexTensors];  // offsets

  [[gnu::noinline]] Outer(const Indexed& s, Part part, int inner) : s(s), dims(s.ndim - inner) {
    for (int d = 0; d < dims; ++d) {
      sizes[d] = size_of(s, part, d);
      at[d] = 0;
    }
    for (int k = 0; k < s.indices; ++k) index[k] = 0;
    if (part.dim >= 0) move(part.dim, part.begin);
  }
  void move(int d, int64_t steps) {
    x += steps * s.x_strides[d];
    y += steps * s.y_strides[d];
    for (int k = 0; k < s.indices; ++k) index[k] += steps * s.index[k].strides[d];
  }
  [[gnu::noinline]] bool next() {
    for (int d = dims - 1; d >= 0; --d) {
      if (++at[d] < sizes[d]) {
        move(d, 1);
        return true;
      }
      move(d, 1 - sizes[d]);
      at[d] = 0;
    }
    return false;
  }
};

// The space in blocks: while (next()) there are n offsets in x. With `rows` the last dimension is left to the caller,
// as a row of elements that no index moves.
struct Blocks {
  int64_t offset[kBlock], n = 0;
  int64_t y = 0, y_step;  // offset in y of the first, and from one to the next
  bool valid = true;      // no index was out of range

  [[gnu::noinline]] Blocks(const Indexed& s, Part part, bool rows)
      : outer_(s, part, rows + 2), row_(s, part, s.ndim - rows - 2), column_(s, part, s.ndim - rows - 1) {
    y_step = column_.y;
    joined_ = row_.y == column_.size * column_.y;
  }

  [[gnu::noinline]] bool next() {
    if (i_ == row_.size) {
      if (!outer_.next()) return false;
      i_ = 0;
    }
    n = 0, y = outer_.y + i_ * row_.y + j_ * column_.y;
    do {
      const int64_t more = min(kBlock - n, column_.size - j_);
      valid &= find(offset + n, more);
      n += more, j_ += more;
      if (j_ == column_.size) j_ = 0, ++i_;
    } while (joined_ && n < kBlock && i_ < row_.size);
    return valid;
  }

 private:
  // The offsets from (i, j) on.
  DLCORE_INLINE bool find(int64_t* offset, int64_t n) const {
    const Indexed& s = outer_.s;
    const int64_t along = column_.x, first = outer_.x + i_ * row_.x + j_ * along;
    if (!s.indices)
      for (int64_t t = 0; t < n; ++t) offset[t] = first + t * along;
    for (int k = 0; k < s.indices; ++k) {
      const IndexTensor& t = s.index[k];
      const int64_t stride = column_.index(t), wrap = s.negative ? t.size : 0;
      const int64_t begin = outer_.index[k] + i_ * row_.index(t) + j_ * stride;
      const bool wide = t.dtype == DType::Int64;
      const bool ok = k == 0 ? (wide ? offsets<false, int64_t>(t, begin, stride, n, wrap, first, along, offset)
                                     : offsets<false, int32_t>(t, begin, stride, n, wrap, first, along, offset))
                             : (wide ? offsets<true, int64_t>(t, begin, stride, n, wrap, first, along, offset)
                                     : offsets<true, int32_t>(t, begin, stride, n, wrap, first, along, offset));
      if (!ok) return false;
    }
    return true;
  }

  Outer outer_;
  Dim row_, column_;
  int64_t i_ = 0, j_ = 0;
  bool joined_;  // one row's elements of y follow the other's
};

// Whether no index moves along the last dimension, so that it is a plain row in x and y.
bool has_rows(const Indexed& s) {
  if (!s.ndim) return false;
  for (int k = 0; k < s.indices; ++k)
    if (s.index[k].strides[s.ndim - 1] != 0) return false;
  return true;
}

int64_t count(const Indexed& s) {
  int64_t n = 1;
  for (int d = 0; d < s.ndim; ++d) n *= s.sizes[d];
  return n;
}

// Runs body(part) over the space cut along dimension `dim` (-1: in one piece); false if one of them failed.
template <class Body>
bool split(const Indexed& s, int dim, int64_t unit, const Body& body) {
  if (dim < 0) return body(Part{-1, 0, 0});
  const int64_t n = s.sizes[dim], total = count(s);
  if (total <= kGrain) return body(Part{-1, 0, 0});
  int failed = 0;
  // Inside the space every piece goes through all indices again: then there are few pieces.
  int64_t grain = max(max(unit, n / 16), (kGrain * n + total - 1) / total);
  if (dim > 0) grain = max(grain, (n + 3) / 4);
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    if (!body(Part{dim, begin, end})) __atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
  });
  return !failed;
}

// ---- read

// One index tensor that moves along the last dimension, as gather's does: y = x[index step + j along]; no offsets are
// kept. A function of its own, so that the loop has all registers.
template <class T, class I>
[[gnu::noinline]] bool gather_rows(const IndexTensor& t, Dim row, Dim column, int64_t wrap, const I* index, const T* x,
                                   T* y) {
  const int64_t size = t.size, index_row = row.index(t);
  const auto run = [=](int64_t stride, int64_t step, int64_t along, int64_t ys) {
    for (int64_t r = 0; r < row.size; ++r)
      for (int64_t j = 0; j < column.size; ++j) {
        int64_t i = static_cast<int64_t>(index[r * index_row + j * stride]);
        if (__builtin_expect(static_cast<uint64_t>(i) >= static_cast<uint64_t>(size), 0)) {
          if (i >= 0 || i + wrap < 0 || i + wrap >= size) return false;
          i += wrap;
        }
        y[r * row.y + j * ys] = x[r * row.x + i * step + j * along];
      }
    return true;
  };
  const int64_t stride = column.index(t);
  return stride == 1 && t.step == 1 && column.x == 0 && column.y == 1 ? run(1, 1, 0, 1)
                                                                      : run(stride, t.step, column.x, column.y);
}
template <class T, class I>
bool gather_part(const Indexed& s, Part part, const T* x, T* y) {
  const IndexTensor& t = s.index[0];
  const Dim row(s, part, s.ndim - 2), column(s, part, s.ndim - 1);
  Outer outer(s, part, 2);
  do {
    if (!gather_rows(t, row, column, s.negative ? t.size : 0, static_cast<const I*>(t.data) + outer.index[0],
                     x + outer.x, y + outer.y))
      return false;
  } while (outer.next());
  return true;
}

using ReadPart = bool (*)(const Indexed&, Part, bool rows, const void* x, void* y);

template <class T>
bool read_part(const Indexed& s, Part part, bool rows, const void* from, void* to) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  if (!rows && s.ndim && s.indices == 1)
    return s.index[0].dtype == DType::Int64 ? gather_part<T, int64_t>(s, part, x, y)
                                            : gather_part<T, int32_t>(s, part, x, y);
  Blocks b(s, part, rows);
  if (!rows) {
    while (b.next()) {
      const int64_t n = b.n, step = b.y_step;
      T* out = y + b.y;
      if (step == 1)
        for (int64_t j = 0; j < n; ++j) out[j] = x[b.offset[j]];
      else
        for (int64_t j = 0; j < n; ++j) out[j * step] = x[b.offset[j]];
    }
    return b.valid;
  }
  const int d = s.ndim - 1;
  const int64_t width = size_of(s, part, d), xs = s.x_strides[d], ys = s.y_strides[d];
  while (b.next()) {
    constexpr int64_t kAhead = 8;
    const int64_t n = b.n, step = b.y_step;
    T* to = y + b.y;
    for (int64_t j = 0; j < n; ++j, to += step) {
      const T* from = x + b.offset[j];
      __builtin_prefetch(x + b.offset[min(j + kAhead, n - 1)]);
      if (xs == 1 && ys == 1)
        __builtin_memcpy(to, from, static_cast<size_t>(width) * sizeof(T));
      else
        for (int64_t i = 0; i < width; ++i) to[i * ys] = from[i * xs];
    }
  }
  return b.valid;
}

bool index_read(const Indexed& s, int64_t item, const void* x, void* y) {
  const ReadPart read = item == 1   ? read_part<uint8_t>
                        : item == 2 ? read_part<uint16_t>
                        : item == 4 ? read_part<uint32_t>
                                    : read_part<uint64_t>;
  const bool rows = has_rows(s);
  // Any dimension may be cut: the outermost that gives enough pieces, or the longest.
  int dim = -1;
  for (int d = 0; d < s.ndim; ++d) {
    if (dim < 0 || s.sizes[d] > s.sizes[dim]) dim = d;
    if (s.sizes[d] >= 16) break;
  }
  return split(s, dim, rows && dim == s.ndim - 1 ? 1024 : 1, [&](Part part) { return read(s, part, rows, x, y); });
}

// ---- write

struct Copy {
  template <class T>
  static DLCORE_INLINE T apply(T, T y) {
    return y;
  }
};
struct Add {
  template <class T>
  static DLCORE_INLINE T apply(T x, T y) {
    return static_cast<T>(x + y);
  }
};
struct Multiply {
  template <class T>
  static DLCORE_INLINE T apply(T x, T y) {
    return static_cast<T>(x * y);
  }
};
// NaN wins, as in PyTorch's amin and amax.
struct Min {
  template <class T>
  static DLCORE_INLINE T apply(T x, T y) {
    return (x < y) | (x != x) ? x : y;
  }
};
struct Max {
  template <class T>
  static DLCORE_INLINE T apply(T x, T y) {
    return (x > y) | (x != x) ? x : y;
  }
};

using WritePart = bool (*)(const Indexed&, Part, bool rows, void* x, const void* y);

template <class Op, class T>
bool write_part(const Indexed& s, Part part, bool rows, void* target, const void* source) {
  T* x = static_cast<T*>(target);
  const T* y = static_cast<const T*>(source);
  Blocks b(s, part, rows);
  if (!rows) {
    while (b.next()) {
      const int64_t n = b.n, step = b.y_step;
      const T* in = y + b.y;
      for (int64_t j = 0; j < n; ++j) x[b.offset[j]] = Op::apply(x[b.offset[j]], in[j * step]);
    }
    return b.valid;
  }
  const int d = s.ndim - 1;
  const int64_t width = size_of(s, part, d), xs = s.x_strides[d], ys = s.y_strides[d];
  while (b.next()) {
    const int64_t n = b.n, step = b.y_step;
    const T* from = y + b.y;
    for (int64_t j = 0; j < n; ++j, from += step) {
      T* to = x + b.offset[j];
      if (xs == 1 && ys == 1) {
#pragma GCC ivdep
        for (int64_t i = 0; i < width; ++i) to[i] = Op::apply(to[i], from[i]);
      } else if (xs == 1 && ys == 0) {
        const T v = *from;
        for (int64_t i = 0; i < width; ++i) to[i] = Op::apply(to[i], v);
      } else {
        for (int64_t i = 0; i < width; ++i) to[i * xs] = Op::apply(to[i * xs], from[i * ys]);
      }
    }
  }
  return b.valid;
}

template <class Op>
WritePart write_of(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return write_part<Op, float>;
    case DType::Float64:
      return write_part<Op, double>;
    case DType::Int8:
      return write_part<Op, int8_t>;
    case DType::Int16:
      return write_part<Op, int16_t>;
    case DType::Int32:
      return write_part<Op, int32_t>;
    case DType::Int64:
      return write_part<Op, int64_t>;
    default:
      return write_part<Op, uint8_t>;
  }
}
WritePart write_of(IndexWrite op, DType dtype) {
  const bool logical = dtype == DType::Bool;  // the sum is or, the product and
  const int64_t item = item_size(dtype);
  switch (op) {
    case IndexWrite::Add:
      return logical ? write_of<Max>(dtype) : write_of<Add>(dtype);
    case IndexWrite::Multiply:
      return logical ? write_of<Min>(dtype) : write_of<Multiply>(dtype);
    case IndexWrite::Min:
      return write_of<Min>(dtype);
    case IndexWrite::Max:
      return write_of<Max>(dtype);
    case IndexWrite::Copy:
      break;
  }
  return item == 1   ? write_part<Copy, uint8_t>
         : item == 2 ? write_part<Copy, uint16_t>
         : item == 4 ? write_part<Copy, uint32_t>
                     : write_part<Copy, uint64_t>;
}

bool index_write(const Indexed& s, IndexWrite op, DType dtype, void* x, const void* y) {
  const WritePart write = write_of(op, dtype);
  const bool rows = has_rows(s);
  // Two coordinates may name the same element of x, and then their order counts. They never do where they differ in a
  // dimension that moves through x by itself: such a dimension can be cut. So can any, where all of y is one element.
  bool one = op == IndexWrite::Copy;
  for (int d = 0; d < s.ndim; ++d) one &= s.y_strides[d] == 0;
  int dim = -1;
  int64_t unit = 1;
  for (int d = 0; d < s.ndim; ++d) {
    const bool row = rows && d == s.ndim - 1;
    if (!(s.x_strides[d] != 0 || one) || (row && s.sizes[d] < 32)) continue;
    if (dim >= 0 && s.sizes[d] <= s.sizes[dim]) continue;
    dim = d;
    unit = s.x_strides[d] == 1 ? 16 : 1;  // threads don't share cache lines
    if (s.sizes[d] >= 16 && !row) break;
  }
  return split(s, dim, unit, [&](Part part) { return write(s, part, rows, x, y); });
}

}  // namespace

void fill_index(KernelTable& t) {
  t.index_read = index_read;
  t.index_write = index_write;
}

}  // namespace dlcore::kernel::DLCORE_TIER
