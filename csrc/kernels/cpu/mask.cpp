#include "core/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/index.h"
#include "kernels/list.h"

// What a boolean mask names: its elements are counted chunk by chunk, and each chunk then works from its own place in
// the packed array. Inside a chunk no branch depends on the mask: every element is written, and the end moves on by 0
// or 1.
namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kBlock = 256;

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

// counts[c] = sum of mask over chunk c
void mask_count(const uint8_t* mask, int64_t n, int64_t chunk, int64_t* counts) {
  parallel_for(n, chunk, [&](int64_t begin, int64_t end) {
    int64_t total = 0;
    constexpr int64_t kOnce = 255 * 64;  // 64 byte counters, each below 256
    for (int64_t i = begin; i < end; i += kOnce) {
      uint8_t lane[64] = {};
      const int64_t stop = min(end, i + kOnce);
      int64_t j = i;
      for (; j + 64 <= stop; j += 64)
        for (int l = 0; l < 64; ++l) lane[l] = static_cast<uint8_t>(lane[l] + mask[j + l]);
      for (; j < stop; ++j) total += mask[j];
      for (int l = 0; l < 64; ++l) total += lane[l];
    }
    counts[begin / chunk] = total;
  });
}

// pack(i, n) for every element i of the chunk, n of them named so far in the block; flush(at, n) after each block.
template <class Pack, class Flush>
DLCORE_INLINE void each_block(const Masked& m, int64_t begin, int64_t end, const Pack& pack, const Flush& flush) {
  int64_t done = m.first[begin / m.chunk];
  for (int64_t b = begin; b < end; b += kBlock) {
    const int64_t stop = min(end, b + kBlock);
    int64_t n = 0;
    for (int64_t i = b; i < stop; ++i) {
      pack(i, n);
      n += m.mask[i];
    }
    if (n > 0) flush(done, n);  // with nothing named there may be no array to write to
    done += n;
  }
}

template <class T>
void select(const Masked& m, const T* x, T* y) {
  parallel_for(m.n, m.chunk, [&](int64_t begin, int64_t end) {
    T packed[kBlock];
    each_block(
        m, begin, end, [&](int64_t i, int64_t n) { packed[n] = x[i]; },
        [&](int64_t at, int64_t n) { __builtin_memcpy(y + at, packed, static_cast<size_t>(n) * sizeof(T)); });
  });
}

void masked_select(const Masked& m, int64_t item, const void* x, void* y) {
  switch (item) {
    case 1:
      return select(m, static_cast<const uint8_t*>(x), static_cast<uint8_t*>(y));
    case 2:
      return select(m, static_cast<const uint16_t*>(x), static_cast<uint16_t*>(y));
    case 4:
      return select(m, static_cast<const uint32_t*>(x), static_cast<uint32_t*>(y));
    default:
      return select(m, static_cast<const uint64_t*>(x), static_cast<uint64_t*>(y));
  }
}

// x[i] = source[how many are named before i] where mask[i]
template <class T>
void scatter(const Masked& m, T* x, const T* source) {
  if (m.named == 0) return;
  parallel_for(m.n, m.chunk, [&](int64_t begin, int64_t end) {
    int64_t n = m.first[begin / m.chunk];
    for (int64_t i = begin; i < end; ++i) {
      const T v = source[min(n, m.named - 1)];
      x[i] = m.mask[i] ? v : x[i];
      n += m.mask[i];
    }
  });
}

void masked_scatter(const Masked& m, int64_t item, void* x, const void* source) {
  switch (item) {
    case 1:
      return scatter(m, static_cast<uint8_t*>(x), static_cast<const uint8_t*>(source));
    case 2:
      return scatter(m, static_cast<uint16_t*>(x), static_cast<const uint16_t*>(source));
    case 4:
      return scatter(m, static_cast<uint32_t*>(x), static_cast<const uint32_t*>(source));
    default:
      return scatter(m, static_cast<uint64_t*>(x), static_cast<const uint64_t*>(source));
  }
}

// y[d][j]: coordinate d of the j-th named element; y is (ndim, named)
void mask_coordinates(const Masked& m, int ndim, const int64_t* sizes, int64_t* y) {
  parallel_for(m.n, m.chunk, [&](int64_t begin, int64_t end) {
    int64_t packed[kBlock];
    each_block(
        m, begin, end, [&](int64_t i, int64_t n) { packed[n] = i; },
        [&](int64_t at, int64_t n) {
          for (int d = ndim - 1; d > 0; --d) {
            const int64_t size = sizes[d];
            int64_t* out = y + d * m.named + at;
            for (int64_t j = 0; j < n; ++j) {
              // 32-bit division is several times faster than 64-bit
              const int64_t i = packed[j];
              const int64_t q = (i | size) >> 32
                                    ? i / size
                                    : static_cast<int64_t>(static_cast<uint32_t>(i) / static_cast<uint32_t>(size));
              out[j] = i - q * size;
              packed[j] = q;
            }
          }
          if (ndim > 0) __builtin_memcpy(y + at, packed, static_cast<size_t>(n) * sizeof(int64_t));
        });
  });
}

template <class T>
void fill(const MaskedFill& f) {
  T value;
  __builtin_memcpy(&value, f.value, sizeof value);
  const int last = f.ndim - 1;
  const int64_t run = f.ndim ? f.sizes[last] : 1;
  const int64_t ys = f.ndim ? f.y_strides[last] : 1, xs = f.ndim ? f.x_strides[last] : 1,
                ms = f.ndim ? f.mask_strides[last] : 1;
  int64_t rows = 1;
  for (int d = 0; d < last; ++d) rows *= f.sizes[d];
  const auto row = [&](int64_t y0, int64_t x0, int64_t m0, int64_t n) {
    T* y = static_cast<T*>(f.y) + y0;
    const T* x = static_cast<const T*>(f.x) + x0;
    const uint8_t* mask = f.mask + m0;
    if (ys == 1 && xs == 1 && ms == 1) {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) y[i] = mask[i] ? value : x[i];
    } else {
      for (int64_t i = 0; i < n; ++i) y[i * ys] = mask[i * ms] ? value : x[i * xs];
    }
  };
  constexpr int64_t kGrain = 1 << 15;
  if (rows == 1) {
    parallel_for(run, kGrain,
                 [&](int64_t begin, int64_t end) { row(begin * ys, begin * xs, begin * ms, end - begin); });
    return;
  }
  parallel_for(rows, kGrain / min(run, kGrain), [&](int64_t begin, int64_t end) {
    int64_t at[kIndexDims], y0 = 0, x0 = 0, m0 = 0;
    for (int64_t d = last - 1, r = begin; d >= 0; --d) {
      at[d] = r % f.sizes[d];
      r /= f.sizes[d];
      y0 += at[d] * f.y_strides[d];
      x0 += at[d] * f.x_strides[d];
      m0 += at[d] * f.mask_strides[d];
    }
    for (int64_t r = begin; r < end; ++r) {
      row(y0, x0, m0, run);
      for (int d = last - 1; d >= 0; --d) {
        const int64_t steps = ++at[d] < f.sizes[d] ? 1 : 1 - f.sizes[d];
        y0 += steps * f.y_strides[d];
        x0 += steps * f.x_strides[d];
        m0 += steps * f.mask_strides[d];
        if (steps == 1) break;
        at[d] = 0;
      }
    }
  });
}

void masked_fill(const MaskedFill& f, int64_t item) {
  switch (item) {
    case 1:
      return fill<uint8_t>(f);
    case 2:
      return fill<uint16_t>(f);
    case 4:
      return fill<uint32_t>(f);
    default:
      return fill<uint64_t>(f);
  }
}

}  // namespace

void fill_mask(KernelTable& t) {
  t.mask_count = mask_count;
  t.masked_select = masked_select;
  t.masked_scatter = masked_scatter;
  t.mask_coordinates = mask_coordinates;
  t.masked_fill = masked_fill;
}

}  // namespace dlcore::kernel::DLCORE_TIER
