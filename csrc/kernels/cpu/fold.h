#pragma once
// The skeleton of every reduction. A Fold says what is accumulated:
//
//   struct Fold {
//     struct Accs;                                       // results of up to kMaxWidth outputs, by field
//     void start(Accs&, int64_t width) const;            // the identity
//     void rows(const Task&, Accs&) const;               // outputs one after another
//     void columns(const Task&, Accs&) const;            // outputs side by side
//     void merge(Accs& a, const Accs& b, int64_t width, int64_t na, int64_t nb) const;  // a: the first na elements, b:
//     the next nb void finish(Accs&, int64_t width, const Outputs&) const;              // where results go
//   };
#include "core/parallel.h"
#include "kernels/cpu/read.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/reduce.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

DLCORE_INLINE int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
DLCORE_INLINE int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

// ---- folding a run of contiguous elements, vector by vector: Op has identity, step(a, x) and merge(a, b)

template <class T>
constexpr T lowest = static_cast<T>(-__builtin_inf());
template <>
constexpr int64_t lowest<int64_t> = INT64_MIN;
template <class T>
constexpr T highest = static_cast<T>(__builtin_inf());
template <>
constexpr int64_t highest<int64_t> = INT64_MAX;

template <class T>
DLCORE_INLINE T select(bool m, T a, T b) {
  return m ? a : b;
}
template <class T>
DLCORE_INLINE T abs(T x) {
  return x < 0 ? -x : x;
}

template <class Op, int D, class T, int N, int... I>
DLCORE_INLINE vec<T, N> merge_upper(vec<T, N> x, ints<I...>) {
  return Op::merge(x, shuffle<(I + D) % N...>(x, x));
}
// All lanes merged, by halves.
template <class Op, class T, int N, int D = N / 2>
DLCORE_INLINE T fold_lanes(vec<T, N> x) {
  if constexpr (D >= 1)
    return fold_lanes<Op, T, N, D / 2>(merge_upper<Op, D>(x, indices<N>()));
  else
    return x[0];
}

template <class Op, class T>
DLCORE_INLINE T fold_run(const T* x, int64_t n) {
  constexpr int L = kLanes<T>;
  const vec<T> identity(static_cast<T>(Op::identity));
  vec<T> a[4] = {identity, identity, identity, identity};
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
    for (int u = 0; u < 4; ++u) a[u] = Op::step(a[u], vec<T>::load(x + i + u * L));
  for (; i + L <= n; i += L) a[0] = Op::step(a[0], vec<T>::load(x + i));
  if (i < n) a[1] = Op::step(a[1], vec<T>::load(x + i, n - i, Op::identity));
  return fold_lanes<Op>(Op::merge(Op::merge(a[0], a[1]), Op::merge(a[2], a[3])));
}

// ---- walking

// The results of a task: y[at + o * step], or number first + o in the order of the kept loops.
struct Outputs {
  int64_t at, step, first;
};

// Outputs at x[at + o * step], o < width; elements [begin, end) of each.
struct Task {
  int64_t at, step, width, begin, end;
};

// Where a flat index lies in a nest of loops, in steps of x and y.
struct Odometer {
  const Loop* loops;
  int dims;
  int64_t index[ReduceLoops::kMax];
  int64_t x = 0, y = 0;

  DLCORE_INLINE Odometer(const Loop* l, int n, int64_t flat) : loops(l), dims(n) {
    for (int d = n - 1; d >= 0; --d) {
      index[d] = d > 0 ? flat % l[d].size : flat;
      if (d > 0) flat /= l[d].size;
      x += index[d] * l[d].x;
      y += index[d] * l[d].y;
    }
  }
  // Steps left in the innermost loop.
  DLCORE_INLINE int64_t run() const { return loops[dims - 1].size - index[dims - 1]; }
  // Goes n <= run() steps on.
  DLCORE_INLINE void advance(int64_t n) {
    for (int d = dims - 1;; --d, n = 1) {
      index[d] += n;
      x += n * loops[d].x;
      y += n * loops[d].y;
      if (d == 0 || index[d] < loops[d].size) return;
      x -= index[d] * loops[d].x;
      y -= index[d] * loops[d].y;
      index[d] = 0;
    }
  }
};

constexpr int64_t kBlock = 4096;  // elements of a run that is handed over at once

// body(o, x, n, index): x[k][0, n), n <= kBlock, are elements index, index + 1, ... of output o in input k.
template <class T, int K, class Body>
DLCORE_INLINE void walk_rows(const ReduceLoops& l, const Input<T> (&in)[K], const Task& t, const Body& body) {
  constexpr int64_t kBuffer = 1024;
  T buffer[K][kBuffer];
  const T* x[K];
  const Loop& inner = l.reduced[l.reduced_dims - 1];
  bool in_place = inner.x == 1;
  for (int k = 0; k < K; ++k) in_place = in_place && !in[k].load;
  for (int64_t o = 0; o < t.width; ++o) {
    Odometer r(l.reduced, l.reduced_dims, t.begin);
    for (int64_t i = t.begin; i < t.end;) {
      const int64_t n = min(min(r.run(), t.end - i), in_place ? kBlock : kBuffer);
      for (int k = 0; k < K; ++k) x[k] = in[k].read(t.at + o * t.step + r.x, inner.x, n, buffer[k]);
      body(o, x, n, i);
      r.advance(n);
      i += n;
    }
  }
}

// body(x, rows, index): x[k][r][0, width), r < rows <= Rows, are elements index + r of all outputs in input k.
template <class T, int Rows, int64_t Width = ReducePlan::kMaxWidth, int K, class Body>
DLCORE_INLINE void walk_columns(const ReduceLoops& l, const Input<T> (&in)[K], const Task& t, const Body& body) {
  const T* x[K][Rows];
  T buffer[K][Rows][Width];
  Odometer r(l.reduced, l.reduced_dims, t.begin);
  for (int64_t i = t.begin; i < t.end;) {
    const int64_t rows = min(Rows, t.end - i);
    const bool short_rows = t.step != 1 && rows <= r.run();  // they are transposed together
    for (int k = 0; k < K && short_rows; ++k) {
      in[k].copy(t.at + r.x, t.step, t.width, l.reduced[l.reduced_dims - 1].x, rows, buffer[k][0]);
      for (int64_t g = 0; g < rows; ++g) x[k][g] = buffer[k][0] + g * t.width;
    }
    for (int64_t g = 0; g < rows; ++g, r.advance(1))
      for (int k = 0; k < K && !short_rows; ++k) x[k][g] = in[k].read(t.at + r.x, t.step, t.width, buffer[k][g]);
    body(x, rows, i);
    i += rows;
  }
}

// Runs the fold over all outputs. Where the reduced range is cut, the chunks' results wait in the workspace and are
// merged in chunk order.
template <class Fold>
void run_fold(const ReduceLoops& l, const ReducePlan& p, void* workspace, const Fold& f) {
  using Accs = typename Fold::Accs;
  static_assert(sizeof(Accs) <= ReducePlan::kAccBytes * ReducePlan::kMaxWidth);
  const Loop line = l.kept[l.kept_dims - 1];
  Accs* partial = static_cast<Accs*>(workspace);

  parallel_for(p.blocks * p.chunks, p.grain, [&](int64_t first, int64_t last) {
    Accs accs;
    for (int64_t i = first; i < last; ++i) {
      const int64_t block = i / p.chunks, c = i % p.chunks;
      const int64_t start = block % p.line_blocks * p.width, width = min(p.width, line.size - start);
      const Odometer k(l.kept, l.kept_dims, block / p.line_blocks * line.size + start);
      const Task t{k.x, line.x, width, c * p.chunk, min(l.count, (c + 1) * p.chunk)};
      Accs& a = p.chunks == 1 ? accs : partial[i];
      f.start(a, width);
      if (l.columns)
        f.columns(t, a);
      else
        f.rows(t, a);
      if (p.chunks == 1) f.finish(a, width, {k.y, line.y, block / p.line_blocks * line.size + start});
    }
  });
  if (p.chunks == 1) return;

  parallel_for(p.blocks, 1 + (1 << 14) / (p.width * p.chunks), [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const int64_t start = block % p.line_blocks * p.width, width = min(p.width, line.size - start);
      Accs* a = partial + block * p.chunks;
      for (int64_t c = 1; c < p.chunks; ++c)
        f.merge(a[0], a[c], width, c * p.chunk, min(l.count - c * p.chunk, p.chunk));
      const int64_t number = block / p.line_blocks * line.size + start;
      const Odometer k(l.kept, l.kept_dims, number);
      f.finish(a[0], width, {k.y, line.y, number});
    }
  });
}

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
