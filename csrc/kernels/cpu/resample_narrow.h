#pragma once
// Separable linear maps (kernels/axis_map.h) of planes so narrow that a row is one or two vectors: the weighted sum of
// rows stays in registers, and along it each target picks its sources by a permutation.
#include "core/parallel.h"
#include "kernels/axis_map.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/cpu/window.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

inline bool is_narrow(const Image& g, int64_t lanes) {
  return g.inner == 1 && g.w.in <= 2 * lanes && g.w.out <= 2 * lanes && g.w.most > 0;
}

// Lane i: element place[i] of the row that the vectors hold.
template <class T, int N>
DLCORE_INLINE vec<T, N> pick(const vec<T, N> (&row)[1], typename vec<T, N>::mask_native place) {
  return permute(row[0], place);
}
template <class T, int N>
DLCORE_INLINE vec<T, N> pick(const vec<T, N> (&row)[2], typename vec<T, N>::mask_native place) {
  return permute(row[0], row[1], place);
}

template <class T>
struct NarrowResampler {
  using V = vec<T>;
  using Places = typename V::mask_native;
  struct Along {  // an entry of each of a vector's targets, or, where there is none, nothing
    Places place, there;
    V weight;

    template <int S>
    DLCORE_INLINE V of(const V (&row)[S]) const {
      return {there ? pick(row, place).v : V(T(0)).v};
    }
  };
  struct Row {  // a row of x that a row of y takes
    int64_t offset;
    T weight;
  };

  const Image& g;
  int64_t rows, vectors;  // of a plane of y
  int64_t* start;         // (rows + 1)
  Row* terms;             // (entries)
  Along* along;           // (vectors, w.most)
  Arena arena;

  NarrowResampler(const Image& g, void* workspace)
      : g(g), rows(g.d.out * g.h.out), vectors(ceil_div(g.w.out, V::size)), arena{static_cast<char*>(workspace)} {
    start = arena.take<int64_t>(rows + 1);
    terms = arena.take<Row>(g.d.start[g.d.out] * g.h.start[g.h.out]);
    along = arena.take<Along>(vectors * g.w.most);
    if (workspace) lay_out();
  }

  void lay_out() {
    int64_t count = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t i = r / g.h.out, j = r % g.h.out;
      start[r] = count;
      for (int64_t a = g.d.start[i]; a < g.d.start[i + 1]; ++a)
        for (int64_t b = g.h.start[j]; b < g.h.start[j + 1]; ++b)
          terms[count++] = {(g.d.place[a] * g.h.in + g.h.place[b]) * g.w.in,
                            static_cast<T>(g.d.weight[a] * g.h.weight[b])};
    }
    start[rows] = count;
    for (int64_t v = 0; v < vectors; ++v)
      for (int64_t k = 0; k < g.w.most; ++k) {
        Along& entry = along[v * g.w.most + k];
        for (int64_t l = 0; l < V::size; ++l) {
          const int64_t o = v * V::size + l, e = o < g.w.out ? g.w.start[o] + k : 0;
          const bool there = o < g.w.out && e < g.w.start[o + 1];
          entry.place[l] = static_cast<typename V::bits>(there ? g.w.place[e] : 0);
          entry.there[l] = there ? -1 : 0;
          entry.weight.v[l] = there ? static_cast<T>(g.w.weight[e]) : T(0);
        }
      }
  }

  // P planes at a time, which share the lists; S vectors a row of x.
  template <int P, int S>
  void planes(const T* x, T* y) const {
    const int64_t in = g.d.in * g.h.in * g.w.in, width = g.w.in, to_width = g.w.out, out = rows * to_width;
    const int64_t all = rows, entries = g.w.most, parts = vectors;
    const int64_t* const first = start;
    const Row* row = terms;
    for (int64_t r = 0; r < all; ++r) {
      V sum[P][S];
      for (int p = 0; p < P; ++p)
        for (int b = 0; b < S; ++b) sum[p][b] = V(T(0));
      for (int64_t count = first[r + 1] - first[r]; count > 0; --count, ++row) {
        const V weight(row->weight);
        for (int p = 0; p < P; ++p)
          for (int b = 0; b < S; ++b)
            sum[p][b] = fma(weight, V::load(x + p * in + row->offset + b * V::size, width - b * V::size), sum[p][b]);
      }
      const Along* entry = along;
      for (int64_t v = 0; v < parts; ++v) {
        V s[P];
        for (int p = 0; p < P; ++p) s[p] = V(T(0));
        for (int64_t k = 0; k < entries; ++k, ++entry)
          for (int p = 0; p < P; ++p) s[p] = fma(entry->weight, entry->of(sum[p]), s[p]);
        for (int p = 0; p < P; ++p) s[p].store(y + p * out + r * to_width + v * V::size, to_width - v * V::size);
      }
    }
  }
  template <int S>
  void run(const T* x, T* y, int64_t begin, int64_t end) const {
    constexpr int P = 4;
    const int64_t in = g.d.in * g.h.in * g.w.in, out = rows * g.w.out;
    for (; begin + P <= end; begin += P) planes<P, S>(x + begin * in, y + begin * out);
    for (; begin < end; ++begin) planes<1, S>(x + begin * in, y + begin * out);
  }

  void run(const T* x, T* y) const {
    const int64_t work = 2 * rows * g.w.out + start[rows] * V::size;
    parallel_for(g.outer, most(1, (int64_t{1} << 15) / work), [&](int64_t begin, int64_t end) {
      g.w.in <= V::size ? run<1>(x, y, begin, end) : run<2>(x, y, begin, end);
    });
  }
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
