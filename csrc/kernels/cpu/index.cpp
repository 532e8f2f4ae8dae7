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
bool offsets(const IndexTensor& t, int64_t begin, int64_t stride, int64_t n, int64_t wrap, int64_t first, int64_t along,
             int64_t* offset) {
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

// The space as runs along its last dimension (the last but one with `rows`): body(offset in x, offset in y, offsets in
// the index tensors) of a run's first element, which says whether to go on.
template <class Body>
DLCORE_INLINE bool each_run(const Indexed& s, Part part, bool rows, const Body& body) {
  int64_t sizes[kIndexDims], at[kIndexDims];
  int64_t x0 = 0, y0 = 0, i0[kIndexTensors];
  for (int d = 0; d < s.ndim; ++d) {
    sizes[d] = s.sizes[d];
    at[d] = 0;
  }
  for (int k = 0; k < s.indices; ++k) i0[k] = 0;
  if (part.dim >= 0) {
    sizes[part.dim] = part.end - part.begin;
    x0 = part.begin * s.x_strides[part.dim];
    y0 = part.begin * s.y_strides[part.dim];
    for (int k = 0; k < s.indices; ++k) i0[k] = part.begin * s.index[k].strides[part.dim];
  }
  for (;;) {
    if (!body(x0, y0, i0)) return false;
    int d = s.ndim - rows - 2;
    for (; d >= 0; --d) {
      const int64_t steps = ++at[d] < sizes[d] ? 1 : 1 - sizes[d];
      x0 += steps * s.x_strides[d];
      y0 += steps * s.y_strides[d];
      for (int k = 0; k < s.indices; ++k) i0[k] += steps * s.index[k].strides[d];
      if (steps == 1) break;
      at[d] = 0;
    }
    if (d < 0) return true;
  }
}

int64_t size_of(const Indexed& s, Part part, int d) { return part.dim == d ? part.end - part.begin : s.sizes[d]; }

// The space in blocks of a run: body(offsets in x, how many, offset in y of the first, stride in y).
// With `rows` the last dimension is left to the body, as a row of elements that no index moves.
template <class Body>
DLCORE_INLINE bool walk(const Indexed& s, Part part, bool rows, const Body& body) {
  const int last = s.ndim - rows - 1;
  const int64_t run = last >= 0 ? size_of(s, part, last) : 1;
  const int64_t xs = last >= 0 ? s.x_strides[last] : 0, ys = last >= 0 ? s.y_strides[last] : 0;
  int64_t offset[kBlock];
  return each_run(s, part, rows, [&](int64_t x0, int64_t y0, const int64_t* i0) {
    for (int64_t j = 0; j < run; j += kBlock) {
      const int64_t n = min(kBlock, run - j);
      const int64_t first = x0 + j * xs;
      if (!s.indices)
        for (int64_t t = 0; t < n; ++t) offset[t] = first + t * xs;
      for (int k = 0; k < s.indices; ++k) {
        const IndexTensor& index = s.index[k];
        const int64_t stride = last >= 0 ? index.strides[last] : 0, wrap = s.negative ? index.size : 0;
        const int64_t begin = i0[k] + j * stride;
        const bool wide = index.dtype == DType::Int64;
        const bool ok = k == 0 ? (wide ? offsets<false, int64_t>(index, begin, stride, n, wrap, first, xs, offset)
                                       : offsets<false, int32_t>(index, begin, stride, n, wrap, first, xs, offset))
                               : (wide ? offsets<true, int64_t>(index, begin, stride, n, wrap, first, xs, offset)
                                       : offsets<true, int32_t>(index, begin, stride, n, wrap, first, xs, offset));
        if (!ok) return false;
      }
      body(offset, n, y0 + j * ys, ys);
    }
    return true;
  });
}

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

// One index tensor that moves along the runs, as gather's does: y[j ys] = x[index[j stride] step + j along]; no offsets
// are kept. A function of its own, so that the loop has all registers.
template <class T, class I>
[[gnu::noinline]] bool gather_run(const I* index, int64_t stride, int64_t n, int64_t size, int64_t wrap, const T* x,
                                  int64_t step, int64_t along, T* y, int64_t ys) {
  const auto run = [=](int64_t stride, int64_t step, int64_t along, int64_t ys) {
    for (int64_t j = 0; j < n; ++j) {
      int64_t i = static_cast<int64_t>(index[j * stride]);
      if (__builtin_expect(static_cast<uint64_t>(i) >= static_cast<uint64_t>(size), 0)) {
        if (i >= 0 || i + wrap < 0 || i + wrap >= size) return false;
        i += wrap;
      }
      y[j * ys] = x[i * step + j * along];
    }
    return true;
  };
  return stride == 1 && step == 1 && along == 0 && ys == 1 ? run(1, 1, 0, 1) : run(stride, step, along, ys);
}
template <class T, class I>
bool gather_part(const Indexed& s, Part part, const T* x, T* y) {
  const IndexTensor& t = s.index[0];
  const int last = s.ndim - 1;
  return each_run(s, part, false, [&](int64_t x0, int64_t y0, const int64_t* i0) {
    return gather_run(static_cast<const I*>(t.data) + i0[0], t.strides[last], size_of(s, part, last), t.size,
                      s.negative ? t.size : 0, x + x0, t.step, s.x_strides[last], y + y0, s.y_strides[last]);
  });
}

template <class T>
bool read_part(const Indexed& s, Part part, bool rows, const T* x, T* y) {
  if (!rows && s.ndim && s.indices == 1)
    return s.index[0].dtype == DType::Int64 ? gather_part<T, int64_t>(s, part, x, y)
                                            : gather_part<T, int32_t>(s, part, x, y);
  if (!rows)
    return walk(s, part, false, [&](const int64_t* offset, int64_t n, int64_t y0, int64_t ys) {
      T* out = y + y0;
      if (ys == 1)
        for (int64_t j = 0; j < n; ++j) out[j] = x[offset[j]];
      else
        for (int64_t j = 0; j < n; ++j) out[j * ys] = x[offset[j]];
    });
  const int d = s.ndim - 1;
  const int64_t width = size_of(s, part, d);
  const int64_t xs = s.x_strides[d], ys = s.y_strides[d];
  return walk(s, part, true, [&](const int64_t* offset, int64_t n, int64_t y0, int64_t ystep) {
    constexpr int64_t kAhead = 8;
    for (int64_t j = 0; j < n; ++j) {
      const T* from = x + offset[j];
      T* to = y + y0 + j * ystep;
      __builtin_prefetch(x + offset[j + kAhead < n ? j + kAhead : n - 1]);
      if (xs == 1 && ys == 1)
        __builtin_memcpy(to, from, static_cast<size_t>(width) * sizeof(T));
      else
        for (int64_t i = 0; i < width; ++i) to[i * ys] = from[i * xs];
    }
  });
}

template <class T>
bool read(const Indexed& s, const void* x, void* y) {
  const bool rows = has_rows(s);
  // Any dimension may be cut: the outermost that gives enough pieces, or the longest.
  int dim = -1;
  for (int d = 0; d < s.ndim; ++d) {
    if (dim < 0 || s.sizes[d] > s.sizes[dim]) dim = d;
    if (s.sizes[d] >= 16) break;
  }
  return split(s, dim, rows && dim == s.ndim - 1 ? 1024 : 1,
               [&](Part part) { return read_part(s, part, rows, static_cast<const T*>(x), static_cast<T*>(y)); });
}

bool index_read(const Indexed& s, int64_t item, const void* x, void* y) {
  switch (item) {
    case 1:
      return read<uint8_t>(s, x, y);
    case 2:
      return read<uint16_t>(s, x, y);
    case 4:
      return read<uint32_t>(s, x, y);
    default:
      return read<uint64_t>(s, x, y);
  }
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
  static DLCORE_INLINE bool apply(bool x, bool y) { return x | y; }
};
struct Multiply {
  template <class T>
  static DLCORE_INLINE T apply(T x, T y) {
    return static_cast<T>(x * y);
  }
  static DLCORE_INLINE bool apply(bool x, bool y) { return x & y; }
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

template <class Op, class T>
bool write_part(const Indexed& s, Part part, bool rows, T* x, const T* y) {
  if (!rows)
    return walk(s, part, false, [&](const int64_t* offset, int64_t n, int64_t y0, int64_t ys) {
      const T* in = y + y0;
      for (int64_t j = 0; j < n; ++j) x[offset[j]] = Op::apply(x[offset[j]], in[j * ys]);
    });
  const int d = s.ndim - 1;
  const int64_t width = size_of(s, part, d);
  const int64_t xs = s.x_strides[d], ys = s.y_strides[d];
  return walk(s, part, true, [&](const int64_t* offset, int64_t n, int64_t y0, int64_t ystep) {
    for (int64_t j = 0; j < n; ++j) {
      T* to = x + offset[j];
      const T* from = y + y0 + j * ystep;
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
  });
}

template <class Op, class T>
bool write(const Indexed& s, void* x, const void* y) {
  const bool rows = has_rows(s);
  // Two coordinates may name the same element of x, and then their order counts. They never do where they differ in a
  // dimension that moves through x by itself: such a dimension can be cut. So can any, where all of y is one element.
  bool one = true;
  for (int d = 0; d < s.ndim; ++d) one &= s.y_strides[d] == 0;
  one &= Op::apply(T(1), T(0)) == T(0) && Op::apply(T(0), T(1)) == T(1);  // Copy
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
  return split(s, dim, unit,
               [&](Part part) { return write_part<Op>(s, part, rows, static_cast<T*>(x), static_cast<const T*>(y)); });
}

template <class Op>
bool reduce_into(const Indexed& s, DType dtype, void* x, const void* y) {
  switch (dtype) {
    case DType::Float32:
      return write<Op, float>(s, x, y);
    case DType::Float64:
      return write<Op, double>(s, x, y);
    case DType::Int8:
      return write<Op, int8_t>(s, x, y);
    case DType::Int16:
      return write<Op, int16_t>(s, x, y);
    case DType::Int32:
      return write<Op, int32_t>(s, x, y);
    case DType::Int64:
      return write<Op, int64_t>(s, x, y);
    case DType::UInt8:
      return write<Op, uint8_t>(s, x, y);
    case DType::Bool:
      return write<Op, bool>(s, x, y);
    default:
      return false;
  }
}

bool index_write(const Indexed& s, IndexWrite op, DType dtype, void* x, const void* y) {
  switch (op) {
    case IndexWrite::Add:
      return reduce_into<Add>(s, dtype, x, y);
    case IndexWrite::Multiply:
      return reduce_into<Multiply>(s, dtype, x, y);
    case IndexWrite::Min:
      return reduce_into<Min>(s, dtype, x, y);
    case IndexWrite::Max:
      return reduce_into<Max>(s, dtype, x, y);
    case IndexWrite::Copy:
      break;
  }
  switch (item_size(dtype)) {
    case 1:
      return write<Copy, uint8_t>(s, x, y);
    case 2:
      return write<Copy, uint16_t>(s, x, y);
    case 4:
      return write<Copy, uint32_t>(s, x, y);
    default:
      return write<Copy, uint64_t>(s, x, y);
  }
}

}  // namespace

void fill_index(KernelTable& t) {
  t.index_read = index_read;
  t.index_write = index_write;
}

}  // namespace dlcore::kernel::DLCORE_TIER
