#include "kernels/reduce.h"

#include "core/parallel.h"
#include "kernels/cpu/read.h"
#include "kernels/cpu/simd.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

DLCORE_INLINE int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

// ---- what is folded. T is the type of the vector loops, Acc that of results of whole blocks: a float32 sum runs in
// float32 within a block of a few thousand elements and in float64 across blocks, so its error does not grow with length.

template <class T>
struct wide { using type = double; };
template <>
struct wide<int64_t> { using type = int64_t; };

template <class T>
struct Sum {
  using Value = T;
  using Acc = typename wide<T>::type;
  static constexpr T identity = 0;
  template <class V>
  static DLCORE_INLINE V step(V acc, V x) { return acc + x; }
  template <class V>
  static DLCORE_INLINE V merge(V a, V b) { return a + b; }
};

// ---- a run of contiguous values

constexpr int64_t kBlock = 4096;  // elements folded in the vector type

template <class Op, class T>
DLCORE_INLINE T fold_lanes(vec<T> v) {
  T lanes[kLanes<T>];
  v.store(lanes);
  for (int half = kLanes<T> / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] = Op::merge(lanes[i], lanes[i + half]);
  return lanes[0];
}

// Fold of x[0, n), n <= kBlock.
template <class Op, class T>
DLCORE_INLINE T fold_block(const T* x, int64_t n) {
  constexpr int L = kLanes<T>;
  vec<T> a[4] = {Op::identity, Op::identity, Op::identity, Op::identity};
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
    for (int u = 0; u < 4; ++u) a[u] = Op::step(a[u], vec<T>::load(x + i + u * L));
  for (; i + L <= n; i += L) a[0] = Op::step(a[0], vec<T>::load(x + i));
  if (i < n) a[1] = Op::step(a[1], vec<T>::load(x + i, n - i, Op::identity));
  return fold_lanes<Op>(Op::merge(Op::merge(a[0], a[1]), Op::merge(a[2], a[3])));
}

// ---- walking a nest of loops

// Positions of a flat index in a nest, in steps of x (and y).
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
  // n <= run() steps on.
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

// ---- one task: `width` outputs from position `at` of x, over [begin, end) of the reduced range

template <class Op>
void fold_rows(const Reduce& a, int64_t at, int64_t step, int64_t width, int64_t begin, int64_t end,
               typename Op::Acc* acc) {
  using T = typename Op::Value;
  using Acc = typename Op::Acc;
  constexpr int64_t kBuffer = 1024;
  T buffer[kBuffer];
  const Loop& inner = a.loops.reduced[a.loops.reduced_dims - 1];
  const bool in_place = a.x_dtype == dtype_constant<T> && inner.x == 1;
  if (in_place && a.loops.reduced_dims == 1) {
    const T* x = static_cast<const T*>(a.x) + at;
    for (int64_t o = 0; o < width; ++o)
      for (int64_t i = begin; i < end; i += kBlock)
        acc[o] = Op::merge(acc[o], static_cast<Acc>(fold_block<Op>(x + o * step + i, min(kBlock, end - i))));
    return;
  }
  const int64_t longest = in_place ? kBlock : kBuffer;
  for (int64_t o = 0; o < width; ++o) {
    Odometer r(a.loops.reduced, a.loops.reduced_dims, begin);
    for (int64_t i = begin; i < end;) {
      const int64_t n = min(min(r.run(), end - i), longest);
      const T* x = read<T>(a.x_dtype, a.x, at + o * step + r.x, inner.x, n, buffer);
      acc[o] = Op::merge(acc[o], static_cast<Acc>(fold_block<Op>(x, n)));
      r.advance(n);
      i += n;
    }
  }
}

template <class Op>
void fold_columns(const Reduce& a, int64_t at, int64_t step, int64_t width, int64_t begin, int64_t end,
                  typename Op::Acc* acc) {
  using T = typename Op::Value;
  constexpr int L = kLanes<T>;
  constexpr int64_t kRows = 64, kGroup = 4;
  T tile[ReducePlan::kMaxWidth];
  T buffer[kGroup][ReducePlan::kMaxWidth];
  const T* row[kGroup];
  Odometer r(a.loops.reduced, a.loops.reduced_dims, begin);
  for (int64_t i = begin; i < end;) {
    for (int64_t j = 0; j < width; ++j) tile[j] = Op::identity;
    for (const int64_t stop = min(end, i + kRows); i < stop;) {
      const int64_t group = min(kGroup, stop - i);
      for (int64_t g = 0; g < group; ++g, r.advance(1)) row[g] = read<T>(a.x_dtype, a.x, at + r.x, step, width, buffer[g]);
      int64_t j = 0;
      if (group == kGroup) {
        for (; j + L <= width; j += L) {
          vec<T> t = vec<T>::load(tile + j);
          for (int g = 0; g < kGroup; ++g) t = Op::step(t, vec<T>::load(row[g] + j));
          t.store(tile + j);
        }
        for (; j < width; ++j)
          for (int g = 0; g < kGroup; ++g) tile[j] = Op::step(tile[j], row[g][j]);
      } else {
        for (int64_t g = 0; g < group; ++g)
          for (j = 0; j < width; ++j) tile[j] = Op::step(tile[j], row[g][j]);
      }
      i += group;
    }
    for (int64_t j = 0; j < width; ++j) acc[j] = Op::merge(acc[j], static_cast<typename Op::Acc>(tile[j]));
  }
}

template <class Acc>
DLCORE_INLINE void finish(const Reduce& a, int64_t y, int64_t step, int64_t n, Acc* acc) {
  if (a.scale != 1)
    for (int64_t i = 0; i < n; ++i) acc[i] = static_cast<Acc>(static_cast<double>(acc[i]) * a.scale);
  write(a.y_dtype, a.y, y, step, n, acc);
}

template <class Op>
void reduce_with(const Reduce& a) {
  using Acc = typename Op::Acc;
  const ReduceLoops& l = a.loops;
  const ReducePlan& p = a.plan;
  const Loop line = l.kept[l.kept_dims - 1];
  const int64_t blocks = (line.size + p.width - 1) / p.width, lines = l.outputs / line.size;
  Acc* partial = static_cast<Acc*>(a.workspace);

  parallel_for(lines * blocks * p.chunks, p.grain, [&](int64_t first, int64_t last) {
    Acc acc[ReducePlan::kMaxWidth];
    for (int64_t t = first; t < last; ++t) {
      const int64_t c = t % p.chunks, block = t / p.chunks;
      const int64_t start = block % blocks * p.width, width = min(p.width, line.size - start);
      const Odometer k(l.kept, l.kept_dims, block / blocks * line.size + start);
      const int64_t begin = c * p.chunk, end = min(l.count, begin + p.chunk);
      for (int64_t o = 0; o < width; ++o) acc[o] = static_cast<Acc>(Op::identity);
      if (l.columns)
        fold_columns<Op>(a, k.x, line.x, width, begin, end, acc);
      else
        fold_rows<Op>(a, k.x, line.x, width, begin, end, acc);
      if (p.chunks == 1) {
        finish(a, k.y, line.y, width, acc);
      } else {
        Acc* to = partial + c * l.outputs + block / blocks * line.size + start;
        for (int64_t o = 0; o < width; ++o) to[o] = acc[o];
      }
    }
  });
  if (p.chunks == 1) return;

  parallel_for(lines * blocks, 1 + (1 << 14) / (p.width * p.chunks), [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const int64_t start = block % blocks * p.width, width = min(p.width, line.size - start);
      const int64_t flat = block / blocks * line.size + start;
      Acc* acc = partial + flat;
      for (int64_t c = 1; c < p.chunks; ++c)
        for (int64_t o = 0; o < width; ++o) acc[o] = Op::merge(acc[o], partial[c * l.outputs + flat + o]);
      const Odometer k(l.kept, l.kept_dims, flat);
      finish(a, k.y, line.y, width, acc);
    }
  });
}

template <template <class> class Op>
void reduce_as(const Reduce& a) {
  if (a.x_dtype == DType::Float64) return reduce_with<Op<double>>(a);
  if (is_floating(a.x_dtype)) return reduce_with<Op<float>>(a);
  reduce_with<Op<int64_t>>(a);
}

void reduce(const Reduce& a) {
  switch (a.op) {
    case ReduceOp::Sum: return reduce_as<Sum>(a);
    default: return;
  }
}

}  // namespace

void fill_reduce(KernelTable& t) { t.reduce = reduce; }

}  // namespace dlcore::kernel::DLCORE_TIER
