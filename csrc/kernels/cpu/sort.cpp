#include "kernels/sort.h"

#include "core/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/list.h"

// Values are mapped to unsigned keys that have the same order, and a key travels with the position that it came from:
// key in the upper 32 bits, position in the lower. Counting passes over the keys, least significant digit first, keep
// equal keys in their order, so every sort is stable. 64-bit keys take two rounds, lower half first.
namespace dlcore::kernel::DLCORE_TIER {
namespace {

int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

// ---- keys

template <class U, int Bits, U Infinity>
DLCORE_INLINE U float_key(U u) {
  constexpr U sign = U(1) << (Bits - 1);
  u = (u & U(~sign)) > Infinity ? U(~sign) : u == sign ? U(0) : u;  // every NaN is one NaN, -0 is 0
  return u & sign ? U(~u) : U(u | sign);
}

// Element types by tag, since bfloat16 and float16 have no C++ type.
struct Float32Tag {
  using stored = uint32_t;
  using key = uint32_t;
  static DLCORE_INLINE key of(stored u) { return float_key<uint32_t, 32, 0x7f800000u>(u); }
};
struct Float64Tag {
  using stored = uint64_t;
  using key = uint64_t;
  static DLCORE_INLINE key of(stored u) { return float_key<uint64_t, 64, 0x7ff0000000000000ull>(u); }
};
struct BFloat16Tag {
  using stored = uint16_t;
  using key = uint32_t;
  static DLCORE_INLINE key of(stored u) { return float_key<uint32_t, 16, 0x7f80u>(u) & 0xffffu; }
};
struct Float16Tag {
  using stored = uint16_t;
  using key = uint32_t;
  static DLCORE_INLINE key of(stored u) { return float_key<uint32_t, 16, 0x7c00u>(u) & 0xffffu; }
};
template <class T>
struct int_key {
  using type = uint32_t;
};
template <>
struct int_key<uint64_t> {
  using type = uint64_t;
};
template <class T, bool Signed>
struct IntTag {
  using stored = T;
  using key = typename int_key<T>::type;
  static DLCORE_INLINE key of(stored u) {
    return Signed ? static_cast<key>(u) ^ (key(1) << (8 * sizeof(T) - 1)) : static_cast<key>(u);
  }
};

template <class F>
DLCORE_INLINE void with_tag(DType dtype, const F& f) {
  switch (dtype) {
    case DType::Float32:
      return f(Float32Tag{});
    case DType::Float64:
      return f(Float64Tag{});
    case DType::BFloat16:
      return f(BFloat16Tag{});
    case DType::Float16:
      return f(Float16Tag{});
    case DType::Int8:
      return f(IntTag<uint8_t, true>{});
    case DType::Int16:
      return f(IntTag<uint16_t, true>{});
    case DType::Int32:
      return f(IntTag<uint32_t, true>{});
    case DType::Int64:
      return f(IntTag<uint64_t, true>{});
    case DType::UInt8:
    case DType::Bool:
      return f(IntTag<uint8_t, false>{});
  }
}

// ---- sort

constexpr int64_t kTiny = 64;        // rows up to here are ranked by comparing all pairs
constexpr int64_t kSmall = 2048;     // rows up to here are sorted on the stack
constexpr int64_t kChunk = 1 << 16;  // elements of a long row that a thread counts and moves at a time

// A stable counting pass over bits [shift, shift + bits). Where all digits agree it moves nothing and returns false.
bool counting_pass(const uint64_t* from, uint64_t* to, int64_t n, int64_t chunk, int shift, int bits,
                   uint32_t* counts) {
  const int64_t buckets = int64_t{1} << bits, chunks = (n + chunk - 1) / chunk;
  const uint64_t digit = static_cast<uint64_t>(buckets - 1);
  parallel_for(n, chunk, [&](int64_t begin, int64_t end) {
    uint32_t* c = counts + begin / chunk * buckets;
    for (int64_t d = 0; d < buckets; ++d) c[d] = 0;
    for (int64_t i = begin; i < end; ++i) ++c[from[i] >> shift & digit];
  });
  uint32_t place = 0;
  for (int64_t d = 0; d < buckets; ++d) {
    const uint32_t first = place;
    for (int64_t c = 0; c < chunks; ++c) {
      const uint32_t k = counts[c * buckets + d];
      counts[c * buckets + d] = place;
      place += k;
    }
    if (static_cast<int64_t>(place - first) == n) return false;
  }
  parallel_for(n, chunk, [&](int64_t begin, int64_t end) {
    uint32_t* c = counts + begin / chunk * buckets;
    for (int64_t i = begin; i < end; ++i) to[c[from[i] >> shift & digit]++] = from[i];
  });
  return true;
}

// Sorts by the upper 32 bits; returns whichever of the two buffers holds the result.
uint64_t* sort_packed(uint64_t* a, uint64_t* b, int64_t n, int64_t chunk, int bits, uint32_t* counts) {
  for (int shift = 32; shift < 64; shift += bits)
    if (counting_pass(a, b, n, chunk, shift, bits < 64 - shift ? bits : 64 - shift, counts)) {
      uint64_t* t = a;
      a = b;
      b = t;
    }
  return a;
}

int digit_bits(int64_t n) { return n >= (1 << 15) ? 11 : 8; }

template <class Tag>
DLCORE_INLINE uint64_t key_of(const typename Tag::stored* x, int64_t i, bool descending) {
  const typename Tag::key k = Tag::of(x[i]);
  return descending ? static_cast<typename Tag::key>(~k) : k;
}

// index[j], y[j]: position and value of the j-th element in order. y may be null; a may be index itself.
template <class Tag>
void sort_row(const typename Tag::stored* x, typename Tag::stored* y, int64_t* index, int64_t n, bool descending,
              int64_t chunk, uint64_t* a, uint64_t* b, uint32_t* counts) {
  const int bits = digit_bits(n);
  parallel_for(n, chunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) a[i] = key_of<Tag>(x, i, descending) << 32 | static_cast<uint64_t>(i);
  });
  uint64_t* sorted = sort_packed(a, b, n, chunk, bits, counts);
  if constexpr (sizeof(typename Tag::key) == 8) {
    parallel_for(n, chunk, [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; ++j) {
        const uint64_t i = sorted[j] & 0xffffffffu;
        sorted[j] = (key_of<Tag>(x, static_cast<int64_t>(i), descending) & ~uint64_t{0xffffffffu}) | i;
      }
    });
    sorted = sort_packed(sorted, sorted == a ? b : a, n, chunk, bits, counts);
  }
  parallel_for(n, chunk, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      const int64_t i = static_cast<int64_t>(sorted[j] & 0xffffffffu);
      index[j] = i;
      if (y) y[j] = x[i];
    }
  });
}

// Every element's place is the number of elements before it: no branches, and n^2 comparisons go many at a time.
template <class Tag>
void rank_row(const typename Tag::stored* x, typename Tag::stored* y, int64_t* index, int64_t n, bool descending) {
  using Key = typename Tag::key;
  Key key[kTiny], rank[kTiny];
  for (int64_t i = 0; i < n; ++i) {
    const Key k = Tag::of(x[i]);
    key[i] = descending ? static_cast<Key>(~k) : k;
    rank[i] = 0;
  }
  for (int64_t j = 0; j < n; ++j) {
    const Key k = key[j];
    for (int64_t i = 0; i < j; ++i) rank[i] += k < key[i];
    for (int64_t i = j + 1; i < n; ++i) rank[i] += k <= key[i];
  }
  for (int64_t i = 0; i < n; ++i) {
    index[rank[i]] = i;
    if (y) y[rank[i]] = x[i];
  }
}

// A long row that is nearly alone is sorted by all threads together; otherwise threads take whole rows.
bool shares_rows(const Sort& s) { return s.n > 2 * kChunk && s.rows < 8; }

// Per row in flight: one buffer beside the indices, and the digit counts.
int64_t sort_row_bytes(const Sort& s) {
  const int64_t chunks = shares_rows(s) ? (s.n + kChunk - 1) / kChunk : 1;
  return s.n * 8 + (chunks << digit_bits(s.n)) * 4;
}
int64_t sort_workspace(const Sort& s) { return s.n <= kSmall ? 0 : sort_row_bytes(s) * (shares_rows(s) ? 1 : s.rows); }

void sort(const Sort& s, const void* x, void* y, int64_t* index, void* workspace) {
  with_tag(s.dtype, [&](auto tag) {
    using Tag = decltype(tag);
    using T = typename Tag::stored;
    const bool together = shares_rows(s);
    const auto row = [&](int64_t r) {
      const T* from = static_cast<const T*>(x) + r * s.n;
      T* to = y ? static_cast<T*>(y) + r * s.n : nullptr;
      int64_t* at = index + r * s.n;
      if (s.n <= kTiny) return rank_row<Tag>(from, to, at, s.n, s.descending);
      if (s.n <= kSmall) {
        uint64_t a[kSmall], b[kSmall];
        uint32_t counts[256];
        return sort_row<Tag>(from, to, at, s.n, s.descending, s.n, a, b, counts);
      }
      char* scratch = static_cast<char*>(workspace) + (together ? 0 : r * sort_row_bytes(s));
      auto* b = reinterpret_cast<uint64_t*>(scratch);
      sort_row<Tag>(from, to, at, s.n, s.descending, together ? kChunk : s.n, reinterpret_cast<uint64_t*>(at), b,
                    reinterpret_cast<uint32_t*>(b + s.n));
    };
    if (together)
      for (int64_t r = 0; r < s.rows; ++r) row(r);
    else
      parallel_for(s.rows, max(1, (1 << 13) / max(s.n, 1)), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) row(r);
      });
  });
}

// ---- selection

struct Candidate {
  uint64_t key;
  int64_t index;
};
DLCORE_INLINE bool before(Candidate a, Candidate b) { return a.key > b.key || (a.key == b.key && a.index < b.index); }

// Hoare's quickselect (sort = false: the best k come first, in any order) and quicksort.
void select_best(Candidate* c, int64_t n, int64_t k, bool sort) {
  int64_t lo = 0, hi = n;  // c[lo, hi) still holds the k-th
  while (hi - lo > 16) {
    Candidate p = c[lo + (hi - lo) / 2];
    const Candidate first = c[lo], last = c[hi - 1];  // median of three
    if (before(first, p) == before(last, first))
      p = first;
    else if (before(p, last) == before(last, first))
      p = last;
    int64_t i = lo - 1, j = hi;
    for (;;) {
      while (before(c[++i], p)) {
      }
      while (before(p, c[--j])) {
      }
      if (i >= j) break;
      const Candidate t = c[i];
      c[i] = c[j];
      c[j] = t;
    }
    const int64_t cut = j + 1;
    if (sort) {
      // the shorter side by recursion, so that the stack stays shallow
      if (cut - lo < hi - cut) {
        select_best(c + lo, cut - lo, cut - lo, true);
        lo = cut;
      } else {
        select_best(c + cut, hi - cut, hi - cut, true);
        hi = cut;
      }
    } else if (k <= cut) {
      hi = cut;
    } else {
      lo = cut;
    }
  }
  for (int64_t i = lo + 1; i < hi; ++i) {
    const Candidate t = c[i];
    int64_t j = i;
    for (; j > lo && before(t, c[j - 1]); --j) c[j] = c[j - 1];
    c[j] = t;
  }
}

int64_t topk_capacity(const TopK& s) { return min(s.n, s.k + max(s.k, 16)); }
int64_t topk_workspace(const TopK& s) { return s.rows * topk_capacity(s) * static_cast<int64_t>(sizeof(Candidate)); }

// Elements above the k-th best so far are collected; when there is no more room the best k stay and raise that bound.
template <class Tag>
void topk_row(const TopK& s, const typename Tag::stored* x, typename Tag::stored* y, int64_t* index, Candidate* best) {
  using Key = typename Tag::key;
  constexpr int64_t kBlock = 128;
  const int64_t capacity = topk_capacity(s);
  const Key flip = s.largest ? Key(0) : static_cast<Key>(~Key(0));
  Key bound = 0;
  bool full = false;  // until k elements are known everything is collected
  int64_t n = 0;
  for (int64_t b = 0; b < s.n; b += kBlock) {
    const int64_t m = min(kBlock, s.n - b);
    Key key[kBlock];
    Key any = 0;
    for (int64_t i = 0; i < m; ++i) {
      key[i] = Tag::of(x[b + i]) ^ flip;
      any |= key[i] > bound;
    }
    if (full && !any) continue;
    for (int64_t i = 0; i < m; ++i) {
      if (full && key[i] <= bound) continue;
      if (n == capacity) {
        select_best(best, n, s.k, false);
        n = s.k;
        full = true;
        uint64_t least = best[0].key;
        for (int64_t j = 1; j < n; ++j) least = best[j].key < least ? best[j].key : least;
        bound = static_cast<Key>(least);
        if (key[i] <= bound) continue;
      }
      best[n++] = {key[i], b + i};
    }
  }
  if (n > s.k) select_best(best, n, s.k, false);
  if (s.sorted) select_best(best, s.k, s.k, true);
  for (int64_t j = 0; j < s.k; ++j) {
    index[j] = best[j].index;
    y[j] = x[best[j].index];
  }
}

void topk(const TopK& s, const void* x, void* y, int64_t* index, void* workspace) {
  with_tag(s.dtype, [&](auto tag) {
    using Tag = decltype(tag);
    using T = typename Tag::stored;
    parallel_for(s.rows, max(1, (1 << 14) / s.n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        topk_row<Tag>(s, static_cast<const T*>(x) + r * s.n, static_cast<T*>(y) + r * s.k, index + r * s.k,
                      static_cast<Candidate*>(workspace) + r * topk_capacity(s));
    });
  });
}

// index[r]: where the k-th smallest (k from 1) of row r is: the key is found digit by digit, upper digits first.
template <class Tag>
int64_t kth_of_row(const typename Tag::stored* x, int64_t n, int64_t k) {
  using Key = typename Tag::key;
  constexpr int kWidth = 8 * static_cast<int>(sizeof(Key)), kDigit = 11;
  Key prefix = 0;
  for (int top = kWidth; top > 0;) {
    const int shift = top > kDigit ? top - kDigit : 0, bits = top - shift;
    const Key digit = (Key(1) << bits) - 1;
    uint32_t counts[1 << kDigit] = {};
    for (int64_t i = 0; i < n; ++i) {
      const Key key = Tag::of(x[i]);
      const bool inside = top == kWidth || ((key ^ prefix) >> (top == kWidth ? 0 : top)) == 0;
      counts[key >> shift & digit] += inside;
    }
    Key d = 0;
    while (k > static_cast<int64_t>(counts[d])) k -= counts[d++];
    prefix |= d << shift;
    top = shift;
  }
  for (int64_t i = 0; i < n; ++i)
    if (Tag::of(x[i]) == prefix) return i;
  return 0;
}

void kthvalue(const Sort& s, int64_t k, const void* x, void* y, int64_t* index) {
  with_tag(s.dtype, [&](auto tag) {
    using Tag = decltype(tag);
    using T = typename Tag::stored;
    parallel_for(s.rows, max(1, (1 << 13) / s.n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* row = static_cast<const T*>(x) + r * s.n;
        index[r] = kth_of_row<Tag>(row, s.n, k);
        static_cast<T*>(y)[r] = row[index[r]];
      }
    });
  });
}

// ---- binary search

// Several values at a time go through the same halvings, so that their loads overlap.
template <class T>
void search_row(const T* boundaries, int64_t n, const T* values, int64_t m, bool right, int64_t* y) {
  constexpr int kTogether = 16;
  for (int64_t j = 0; j < m; j += kTogether) {
    T v[kTogether];
    int64_t at[kTogether];
    for (int l = 0; l < kTogether; ++l) {
      v[l] = values[min(j + l, m - 1)];
      at[l] = 0;
    }
    const auto halve = [&](auto passed) {
      int64_t left = n;
      for (; left > 1; left -= left / 2) {
        const int64_t half = left / 2;
        for (int l = 0; l < kTogether; ++l) at[l] += passed(boundaries[at[l] + half - 1], v[l]) ? half : 0;
      }
      if (left == 1)
        for (int l = 0; l < kTogether; ++l) at[l] += passed(boundaries[at[l]], v[l]);
    };
    // With a NaN neither comparison holds, and the search goes to the end.
    if (right)
      halve([](T b, T x) { return !(b > x); });
    else
      halve([](T b, T x) { return !(b >= x); });
    for (int l = 0; l < kTogether && j + l < m; ++l) y[j + l] = at[l];
  }
}

template <class T>
void search_rows(const Search& s) {
  const auto* boundaries = static_cast<const T*>(s.boundaries);
  const auto* values = static_cast<const T*>(s.values);
  constexpr int64_t kGrain = 1 << 12;
  if (s.shared) {
    parallel_for(s.rows * s.m, kGrain, [&](int64_t begin, int64_t end) {
      search_row(boundaries, s.n, values + begin, end - begin, s.right, s.y + begin);
    });
    return;
  }
  parallel_for(s.rows, kGrain / max(s.m, 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      search_row(boundaries + r * s.n, s.n, values + r * s.m, s.m, s.right, s.y + r * s.m);
  });
}

void searchsorted(const Search& s) {
  switch (s.dtype) {
    case DType::Float32:
      return search_rows<float>(s);
    case DType::Float64:
      return search_rows<double>(s);
    case DType::Int32:
      return search_rows<int32_t>(s);
    default:
      return search_rows<int64_t>(s);
  }
}

}  // namespace

void fill_sort(KernelTable& t) {
  t.sort_workspace = sort_workspace;
  t.sort = sort;
  t.topk_workspace = topk_workspace;
  t.topk = topk;
  t.kthvalue = kthvalue;
  t.searchsorted = searchsorted;
}

}  // namespace dlcore::kernel::DLCORE_TIER
