#pragma once
// The two walks over images that normalization knows: by planes (channels-first) and by rows of channels
// (channels-last). Each folds moments, folds two sums that an op names, and maps an op:
//
//   struct Op {
//     using K = ...;                                        // vectors of coefficients
//     K load(int64_t e, int64_t lanes) const;               // ... of entries e, e + 1, ...
//     K repeat(int64_t e) const;                            // ... of entry e in all lanes
//     void add(const K&, int64_t at, int64_t lanes, V& a, V& b) const;  // elements at, at + 1, ...
//     void map(const K&, int64_t at, int64_t lanes) const;
//   };
#include "kernels/cpu/norm.h"
#include "kernels/cpu/simd_lanes.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// A reference to the work on one chunk: (segment, chunk's number, first unit, one behind the last). What only says in
// which order chunks are worked on takes this, and is compiled once for all ops.
struct ChunkPass {
  const void* body;
  void (*call)(const void* body, int64_t segment, int64_t chunk, int64_t begin, int64_t end);

  template <class F>
  ChunkPass(const F& f)
      : body(&f), call([](const void* body, int64_t segment, int64_t chunk, int64_t begin, int64_t end) {
          (*static_cast<const F*>(body))(segment, chunk, begin, end);
        }) {}
  void operator()(int64_t segment, int64_t chunk, int64_t begin, int64_t end) const {
    call(body, segment, chunk, begin, end);
  }
};

// How the work is cut, from the shape alone. A segment's statistics depend on nothing outside it. Its units (elements
// of planes, or rows) come in chunks, unless there are many segments and each stays in the cache between the pass for
// statistics and the pass that uses them.
struct Cut {
  static constexpr int64_t kChunk = 1 << 15, kChunks = 128, kMinRows = 2 * kNormRows, kWhole = 3 << 18, kMany = 8;

  int64_t segments, units, chunk, chunks, grain;
  bool whole;

  // `bytes`: what a segment's passes read, all tensors together.
  Cut(int64_t segments, int64_t units, int64_t unit_elements, int64_t bytes)
      : segments(segments), units(units), whole(segments >= kMany && bytes <= kWhole) {
    const int64_t least_units = unit_elements == 1 ? kChunk : most(kMinRows, ceil_div(kChunk, unit_elements));
    chunk = whole ? units : least(units, most(least_units, ceil_div(units, kChunks)));
    chunks = ceil_div(units, chunk);
    grain = most<int64_t>(1, kChunk / (chunk * unit_elements));
  }
  // `backwards` begins with what the pass before read last.
  void each_chunk(bool backwards, const ChunkPass& use) const {
    const int64_t n = segments * chunks;
    parallel_for(n, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t k = backwards ? n - 1 - i : i, c = k % chunks;
        use(k / chunks, c, c * chunk, least(units, (c + 1) * chunk));
      }
    });
  }
};

// ---- channels-first: a segment is the planes that share a statistic, its units their elements

template <class T>
struct Planes {
  using V = vec<T>;
  static constexpr int L = kLanes<T>;
  static constexpr bool kMomentsByEntry = false;  // moments of a segment are one pair
  const ChannelNorm& g;
  const int64_t planes, entries;  // of a segment; the planes of one entry share coefficients
  const Cut cut;

  Planes(const ChannelNorm& g, int tensors)
      : g(g),
        planes(g.per_image ? g.group : g.images),
        entries(g.group),
        cut(g.stats(), planes * g.places, 1, planes * g.places * tensors * static_cast<int64_t>(sizeof(T))) {}

  // use(entry, offset, n): the runs that units [begin, end) consist of
  template <class F>
  DLCORE_INLINE void each_run(int64_t segment, int64_t begin, int64_t end, const F& use) const {
    int64_t plane = begin / g.places, at = begin - plane * g.places;
    for (int64_t left = end - begin; left > 0; ++plane, at = 0) {
      const int64_t n = least(g.places - at, left);
      if (g.per_image)
        use(segment * g.group + plane, (segment * g.group + plane) * g.places + at, n);
      else
        use(segment, (plane * g.channels + segment) * g.places + at, n);
      left -= n;
    }
  }

  [[gnu::flatten]] void moments(const T* x, int64_t segment, int64_t begin, int64_t end, double* mean, double* m2,
                                T*) const {
    *mean = *m2 = 0;
    for (int64_t i = begin; i < end; i += kNormBlock) {
      const int64_t last = least(i + kNormBlock, end);
      join_runs(*mean, *m2, i - begin, x, last - i, [&](const auto& use) {
        each_run(segment, i, last, [&](int64_t, int64_t at, int64_t n) { use(at, n); });
      });
    }
  }

  // a[e], b[e]: sums over units [begin, end) of each of the segment's entries.
  template <class Op>
  [[gnu::flatten]] void sums(const Op& op, int64_t segment, int64_t begin, int64_t end, double* a, double* b) const {
    for (int64_t e = 0; e < entries; ++e) a[e] = b[e] = 0;
    for (int64_t i = begin; i < end; i += kNormBlock)
      each_run(segment, i, least(i + kNormBlock, end), [&](int64_t e, int64_t at, int64_t n) {
        const auto k = op.repeat(e);
        V s[4], t[4];
        for (int u = 0; u < 4; ++u) s[u] = t[u] = V(T(0));
        vectors4<L>(n, [&](int u, int64_t j, int64_t lanes) { op.add(k, at + j, lanes, s[u], t[u]); });
        a[e - segment * entries] += sum4(s);
        b[e - segment * entries] += sum4(t);
      });
  }

  template <class Op>
  [[gnu::flatten]] void map(const Op& op, int64_t segment, int64_t begin, int64_t end) const {
    each_run(segment, begin, end, [&](int64_t e, int64_t at, int64_t n) {
      const auto k = op.repeat(e);
      each_vector<L>(n, [&](int64_t j, int64_t lanes) { op.map(k, at + j, lanes); });
    });
  }
};

// ---- channels-last: a segment is an image, or all of them; its units are rows of channels

template <class T>
struct Rows {
  using V = vec<T>;
  static constexpr int L = kLanes<T>;
  static constexpr int64_t kMapRows = 4, kPivotRows = 8;
  static constexpr bool kMomentsByEntry = true;
  const ChannelNorm& g;
  const int64_t entries;
  const Cut cut;

  Rows(const ChannelNorm& g, int tensors)
      : g(g),
        entries(g.channels),
        cut(g.per_image ? g.images : 1, (g.per_image ? 1 : g.images) * g.places, g.channels,
            (g.per_image ? 1 : g.images) * g.places * g.channels * tensors * static_cast<int64_t>(sizeof(T))) {}

  int64_t offset(int64_t segment, int64_t row) const { return (segment * cut.units + row) * g.channels; }

  // One pass: sums of d = x - pivot and of d^2, with the mean of the chunk's first few rows as the pivot. That is at
  // most sqrt(rows / kPivotRows) spreads away from the mean, whatever x is, so little is lost to cancellation.
  [[gnu::flatten]] void moments(const T* x, int64_t segment, int64_t begin, int64_t end, double* mean, double* m2,
                                T* pivot) const {
    const int64_t first = least(kPivotRows, end - begin);
    const V inverse(T(1) / static_cast<T>(first));
    for (int64_t c = 0; c < g.channels; ++c) mean[c] = m2[c] = 0;
    each_columns<1, L>(g.channels, [&](ints<1>, int64_t c, int64_t lanes) {
      const T* from = x + offset(segment, begin) + c;
      V s(T(0));
      for (int64_t r = 0; r < first; ++r) s += V::load(from + r * g.channels, lanes);
      (s * inverse).store(pivot + c, lanes);
    });
    for (int64_t row = begin; row < end; row += kNormRows) {
      const int64_t rows = least(kNormRows, end - row);
      each_columns<4, L>(g.channels, [&]<int U>(ints<U>, int64_t c, int64_t lanes) {
        const T* from = x + offset(segment, row) + c;
        V s[U], q[U], p[U];
        for (int u = 0; u < U; ++u) {
          p[u] = V::load(pivot + c + u * L, lanes);
          s[u] = q[u] = V(T(0));
        }
        for (int64_t r = 0; r < rows; ++r)
          for (int u = 0; u < U; ++u) {
            const V d = V::load(from + r * g.channels + u * L, lanes) - p[u];
            s[u] += d;
            q[u] = fma(d, d, q[u]);
          }
        for (int u = 0; u < U; ++u) {
          add_widened(mean + c + u * L, s[u], lanes);
          add_widened(m2 + c + u * L, q[u], lanes);
        }
      });
    }
    const double n = static_cast<double>(end - begin);
    for (int64_t c = 0; c < g.channels; ++c) {
      const double shift = mean[c] / n;
      m2[c] -= mean[c] * shift;
      mean[c] = static_cast<double>(pivot[c]) + shift;
    }
  }

  template <class Op>
  [[gnu::flatten]] void sums(const Op& op, int64_t segment, int64_t begin, int64_t end, double* a, double* b) const {
    for (int64_t c = 0; c < g.channels; ++c) a[c] = b[c] = 0;
    for (int64_t row = begin; row < end; row += kNormRows) {
      const int64_t rows = least(kNormRows, end - row);
      each_columns<4, L>(g.channels, [&]<int U>(ints<U>, int64_t c, int64_t lanes) {
        typename Op::K k[U];
        V s[U], t[U];
        for (int u = 0; u < U; ++u) {
          k[u] = op.load(segment * entries + c + u * L, lanes);
          s[u] = t[u] = V(T(0));
        }
        const int64_t at = offset(segment, row) + c;
        for (int64_t r = 0; r < rows; ++r)
          for (int u = 0; u < U; ++u) op.add(k[u], at + r * g.channels + u * L, lanes, s[u], t[u]);
        for (int u = 0; u < U; ++u) {
          add_widened(a + c + u * L, s[u], lanes);
          add_widened(b + c + u * L, t[u], lanes);
        }
      });
    }
  }

  template <class Op>
  [[gnu::flatten]] void map(const Op& op, int64_t segment, int64_t begin, int64_t end) const {
    for (int64_t row = begin; row < end; row += kMapRows) {
      const int64_t at = offset(segment, row), rows = least(kMapRows, end - row);
      each_columns<1, L>(g.channels, [&](ints<1>, int64_t c, int64_t lanes) {
        const auto k = op.load(segment * entries + c, lanes);
        for (int64_t r = 0; r < rows; ++r) op.map(k, at + r * g.channels + c, lanes);
      });
    }
  }
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
