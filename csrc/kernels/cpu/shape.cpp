#include "kernels/shape.h"

#include <cstring>

#include "core/parallel.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/cpu/stream.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kGrainBytes = 1 << 18;

// A row of a larger copy, bytes that x and y do not share: what follows in x is on its way while this is copied, or it
// goes past the caches.
DLCORE_INLINE void copy_row(void* y, const void* x, int64_t bytes, bool past) {
  using V = vec<int64_t>;
  constexpr int64_t step = sizeof(V), ahead = 2048;
  if (bytes < 4 * step) {
    std::memcpy(y, x, static_cast<size_t>(bytes));
    return;
  }
  if (past) return stream_bytes(y, x, bytes);
  const char* from = static_cast<const char*>(x);
  char* to = static_cast<char*>(y);
  const auto move = [&](int64_t i) {
    V::load(reinterpret_cast<const int64_t*>(from + i)).store(reinterpret_cast<int64_t*>(to + i));
  };
  for (int64_t i = 0; i + step < bytes; i += step) {
    __builtin_prefetch(from + i + ahead);
    move(i);
  }
  move(bytes - step);
}

template <class T>
void fill_items(const Fill& f) {
  T v;
  std::memcpy(&v, &f.bits, sizeof v);
  T* y = static_cast<T*>(f.y);
  constexpr int64_t kPiece = 1024 / sizeof(T);
  T piece[kPiece];
  for (T& p : piece) p = v;
  const bool past = streams(f.n * int64_t{sizeof(T)}, 1);
  parallel_for(f.n, kGrainBytes / static_cast<int64_t>(sizeof(T)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end && past; i += kPiece)
      stream_bytes(y + i, piece, (end - i < kPiece ? end - i : kPiece) * int64_t{sizeof(T)});
    if (past) return stream_fence();
    if (f.bits == 0) {
      std::memset(y + begin, 0, sizeof(T) * static_cast<size_t>(end - begin));
      return;
    }
    for (int64_t i = begin; i < end; ++i) y[i] = v;
  });
}

void fill(const Fill& f) {
  switch (f.item) {
    case 1:
      return fill_items<uint8_t>(f);
    case 2:
      return fill_items<uint16_t>(f);
    case 4:
      return fill_items<uint32_t>(f);
    default:
      return fill_items<uint64_t>(f);
  }
}

template <class T>
void range_items(const Range& r) {
  T* y = static_cast<T*>(r.y);
  parallel_for(r.n, kGrainBytes / static_cast<int64_t>(sizeof(T)), [&](int64_t begin, int64_t end) {
    const bool in_double = r.through_double || T(0.5) != 0;
    if (!in_double) {
      for (int64_t i = begin; i < end; ++i)
        y[i] = static_cast<T>(static_cast<uint64_t>(r.int_start) +
                              static_cast<uint64_t>(i) * static_cast<uint64_t>(r.int_step));
      return;
    }
    const int64_t middle = r.count_down_from < begin ? begin : r.count_down_from < end ? r.count_down_from : end;
    for (int64_t i = begin; i < middle; ++i) y[i] = static_cast<T>(r.start + static_cast<double>(i) * r.step);
    for (int64_t i = middle; i < end; ++i) y[i] = static_cast<T>(r.end - static_cast<double>(r.n - 1 - i) * r.step);
  });
}

void range(const Range& r) {
  switch (r.dtype) {
    case DType::Float32:
      return range_items<float>(r);
    case DType::Float64:
      return range_items<double>(r);
    case DType::Int8:
      return range_items<int8_t>(r);
    case DType::Int16:
      return range_items<int16_t>(r);
    case DType::Int32:
      return range_items<int32_t>(r);
    case DType::UInt8:
      return range_items<uint8_t>(r);
    default:
      return range_items<int64_t>(r);
  }
}

// Rows [begin, end) of one narrow part, whose width is known at compile time or not at all (0).
template <int Bytes>
void join_narrow(const Join& j, const JoinPart& p, int64_t begin, int64_t end) {
  const size_t bytes = Bytes ? Bytes : static_cast<size_t>(p.bytes);
  char* y = static_cast<char*>(j.y) + begin * j.row_bytes + p.at;
  const char* x = p.x + begin * p.bytes;
  for (int64_t row = begin; row < end; ++row, y += j.row_bytes, x += bytes) std::memcpy(y, x, bytes);
}

void join_narrow_rows(const Join& j, int64_t begin, int64_t end) {
  for (int64_t i = 0; i < j.count; ++i) {
    const JoinPart& p = j.parts[i];
    switch (p.bytes) {
      case 1:
        join_narrow<1>(j, p, begin, end);
        break;
      case 2:
        join_narrow<2>(j, p, begin, end);
        break;
      case 4:
        join_narrow<4>(j, p, begin, end);
        break;
      case 8:
        join_narrow<8>(j, p, begin, end);
        break;
      case 12:
        join_narrow<12>(j, p, begin, end);
        break;
      case 16:
        join_narrow<16>(j, p, begin, end);
        break;
      default:
        join_narrow<0>(j, p, begin, end);
    }
  }
}

// Bytes [begin, end) of y.
void join_bytes(const Join& j, int64_t begin, int64_t end, bool past) {
  int64_t row = begin / j.row_bytes, at = begin % j.row_bytes, part = 0;
  while (j.parts[part].at + j.parts[part].bytes <= at) ++part;
  for (int64_t done = begin; done < end;) {
    const JoinPart& p = j.parts[part];
    const int64_t skip = at - p.at;
    const int64_t n = p.bytes - skip < end - done ? p.bytes - skip : end - done;
    copy_row(static_cast<char*>(j.y) + done, p.x + row * p.bytes + skip, n, past);
    done += n;
    at += n;
    if (++part == j.count) {
      part = 0;
      at = 0;
      ++row;
    }
  }
  if (past) stream_fence();
}

void join(const Join& j) {
  if (j.row_bytes <= 64 * j.count) {
    const int64_t rows = kGrainBytes / j.row_bytes;
    parallel_for(j.rows, rows > 1 ? rows : 1, [&](int64_t begin, int64_t end) { join_narrow_rows(j, begin, end); });
  } else {
    const bool past = streams(j.rows * j.row_bytes, 2);
    parallel_for(j.rows * j.row_bytes, kGrainBytes,
                 [&](int64_t begin, int64_t end) { join_bytes(j, begin, end, past); });
  }
}

// n elements of a row: x is walked with step.
template <class T>
void walk_row(T* y, const T* x, int64_t step, int64_t n, bool past) {
  if (step == 1) {
    copy_row(y, x, n * static_cast<int64_t>(sizeof(T)), past);
  } else if (step == -1) {
    x -= n - 1;
    for (int64_t i = 0; i < n; ++i) y[i] = x[n - 1 - i];
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i * step];
  }
}

template <class T>
void walk_items(const Walk& w) {
  const int64_t last = w.ndim - 1, width = w.sizes[last];
  int64_t total = 1;
  for (int64_t d = 0; d <= last; ++d) total *= w.sizes[d];
  const bool past = w.steps[last] == 1 && streams(total * int64_t{sizeof(T)}, 1);
  parallel_for(total, kGrainBytes / static_cast<int64_t>(sizeof(T)), [&](int64_t begin, int64_t end) {
    int64_t index[kMaxDims], at = begin;
    const T* x = static_cast<const T*>(w.x);
    for (int64_t d = last; d >= 0; --d) {
      index[d] = at % w.sizes[d];
      at /= w.sizes[d];
      x += index[d] * w.steps[d];
    }
    T* y = static_cast<T*>(w.y);
    for (int64_t done = begin; done < end;) {
      const int64_t n = width - index[last] < end - done ? width - index[last] : end - done;
      walk_row(y + done, x, w.steps[last], n, past);
      done += n;
      x -= index[last] * w.steps[last];
      index[last] = 0;
      for (int64_t d = last - 1; d >= 0; --d) {
        x += w.steps[d];
        if (++index[d] < w.sizes[d]) break;
        x -= w.sizes[d] * w.steps[d];
        index[d] = 0;
      }
    }
    if (past) stream_fence();
  });
}

void walk(const Walk& w) {
  switch (w.item) {
    case 1:
      return walk_items<uint8_t>(w);
    case 2:
      return walk_items<uint16_t>(w);
    case 4:
      return walk_items<uint32_t>(w);
    default:
      return walk_items<uint64_t>(w);
  }
}

void triangle(const Triangle& t) {
  const int64_t row_bytes = t.cols * t.item;
  if (row_bytes == 0) return;
  const int64_t grain = kGrainBytes / row_bytes;
  parallel_for(t.batch * t.rows, grain > 1 ? grain : 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      // [0, cut) belongs to the lower part, [cut, cols) to the upper one
      int64_t cut = row % t.rows + t.diagonal + (t.lower ? 1 : 0);
      cut = cut < 0 ? 0 : cut > t.cols ? t.cols : cut;
      const size_t low = static_cast<size_t>(cut * t.item), high = static_cast<size_t>(row_bytes) - low;
      char* y = static_cast<char*>(t.y) + row * row_bytes;
      const char* x = static_cast<const char*>(t.x) + row * row_bytes;
      if (t.lower) {
        std::memcpy(y, x, low);
        std::memset(y + low, 0, high);
      } else {
        std::memset(y, 0, low);
        std::memcpy(y + low, x + low, high);
      }
    }
  });
}

}  // namespace

void fill_shape(KernelTable& t) {
  t.fill = fill;
  t.range = range;
  t.join = join;
  t.walk = walk;
  t.triangle = triangle;
}

}  // namespace dlcore::kernel::DLCORE_TIER
