#include "kernels/reduce.h"

#include <math.h>

#include "kernels/cpu/fold.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// ---- what is folded. `step` takes an element in, `merge` joins two folds; both work on scalars and on vectors.

template <class T>
struct SumBase {
  using Value = T;
  static constexpr T identity = 0;
  template <class V>
  static DLCORE_INLINE V merge(V a, V b) {
    return a + b;
  }
};
template <class T>
struct Sum : SumBase<T> {
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return a + x;
  }
};
template <class T>
struct NanSum : SumBase<T> {
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return a + select(x == x, x, V(T(0)));
  }
};
template <class T>
struct AbsSum : SumBase<T> {
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return a + abs(x);
  }
};
template <class T>
struct SquareSum : SumBase<T> {
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return a + x * x;
  }
};
template <class T>
struct Count : SumBase<T> {
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return a + select(x != V(T(0)), V(T(1)), V(T(0)));
  }
};
template <class T>
struct Prod : SumBase<T> {
  static constexpr T identity = 1;
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return a * x;
  }
  template <class V>
  static DLCORE_INLINE V merge(V a, V b) {
    return a * b;
  }
};

// A comparison with NaN is false, so that a NaN once taken stays.
template <class T>
struct Max {
  using Value = T;
  static constexpr T identity = lowest<T>;
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return select((x > a) | (x != x), x, a);
  }
  template <class V>
  static DLCORE_INLINE V merge(V a, V b) {
    return step(a, b);
  }
};
template <class T>
struct Min {
  using Value = T;
  static constexpr T identity = highest<T>;
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return select((x < a) | (x != x), x, a);
  }
  template <class V>
  static DLCORE_INLINE V merge(V a, V b) {
    return step(a, b);
  }
};
template <class T>
struct AbsMax : Max<T> {
  static constexpr T identity = 0;
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return Max<T>::step(a, abs(x));
  }
};
template <class T>
struct AbsMin : Min<T> {
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return Min<T>::step(a, abs(x));
  }
};

template <class T>
struct Any {
  using Value = T;
  static constexpr T identity = 0;
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return select(x != V(T(0)), V(T(1)), a);
  }
  template <class V>
  static DLCORE_INLINE V merge(V a, V b) {
    return step(a, b);
  }
};
template <class T>
struct All {
  using Value = T;
  static constexpr T identity = 1;
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return select(x == V(T(0)), V(T(0)), a);
  }
  template <class V>
  static DLCORE_INLINE V merge(V a, V b) {
    return step(a, b);
  }
};

// ---- the loops of one op, which all that follows calls

template <class T>
struct wide {
  using type = double;
};
template <>
struct wide<int64_t> {
  using type = int64_t;
};
template <>
struct wide<uint8_t> {
  using type = int64_t;
};

template <class T>
struct OpLoops {
  using Wide = typename wide<T>::type;
  T identity;
  void (*run)(Wide* acc, const T* x, int64_t n);        // acc = fold of acc and x[0, n)
  void (*add)(T* tile, const T* x, int64_t n);          // tile[j] = fold of tile[j], x[j]
  void (*add4)(T* tile, const T* const* x, int64_t n);  // ... x[0][j], ... x[3][j]
  void (*flush)(Wide* acc, T* tile, int64_t n,
                int64_t width);  // acc[j % width] = fold of itself and tile[j]; clears tile
  void (*merge)(Wide* acc, const Wide* b, int64_t n);
};

template <class Op>
constexpr auto loops_of() {
  using T = typename Op::Value;
  using Wide = typename wide<T>::type;
  constexpr int L = kLanes<T>;
  return OpLoops<T>{
      Op::identity,
      [](Wide* acc, const T* x, int64_t n) { *acc = Op::merge(*acc, static_cast<Wide>(fold_run<Op>(x, n))); },
      [](T* tile, const T* x, int64_t n) {
        for (int64_t j = 0; j < n; j += L)
          Op::step(vec<T>::load(tile + j, n - j), vec<T>::load(x + j, n - j)).store(tile + j, n - j);
      },
      [](T* tile, const T* const* x, int64_t n) {
        int64_t j = 0;
        for (; j + L <= n; j += L) {
          vec<T> s = vec<T>::load(tile + j);
          for (int g = 0; g < 4; ++g) s = Op::step(s, vec<T>::load(x[g] + j));
          s.store(tile + j);
        }
        if (j == n) return;
        vec<T> s = vec<T>::load(tile + j, n - j);
        for (int g = 0; g < 4; ++g) s = Op::step(s, vec<T>::load(x[g] + j, n - j));
        s.store(tile + j, n - j);
      },
      [](Wide* acc, T* tile, int64_t n, int64_t width) {
        for (int64_t at = 0; at < n; at += width)
          for (int64_t j = 0; j < width; ++j) acc[j] = Op::merge(acc[j], static_cast<Wide>(tile[at + j]));
        for (int64_t j = 0; j < n; ++j) tile[j] = Op::identity;
      },
      [](Wide* acc, const Wide* b, int64_t n) {
        for (int64_t j = 0; j < n; ++j) acc[j] = Op::merge(acc[j], b[j]);
      }};
}

// ---- the fold

template <class T>
struct Reduction {
  using Wide = typename wide<T>::type;
  struct Accs {
    Wide v[ReducePlan::kMaxWidth];
  };

  const Reduce& a;
  const OpLoops<T> op;
  const Input<T> in[1] = {{a.x_dtype, a.x}};

  void start(Accs& accs, int64_t width) const {
    for (int64_t o = 0; o < width; ++o) accs.v[o] = static_cast<Wide>(op.identity);
  }
  void merge(Accs& accs, const Accs& other, int64_t width, int64_t, int64_t) const { op.merge(accs.v, other.v, width); }

  void rows(const Task& t, Accs& accs) const {
    walk_rows<T>(a.loops, in, t,
                 [&](int64_t o, const T* const* x, int64_t n, int64_t) { op.run(accs.v + o, x[0], n); });
  }

  void columns(const Task& t, Accs& accs) const {
    T tile[kTile];
    for (int64_t j = 0; j < kTile; ++j) tile[j] = op.identity;
    const Loop& r = a.loops.reduced[0];
    const bool touching = a.loops.reduced_dims == 1 && t.step == 1 && r.x == t.width && !in[0].load;
    if (touching && 2 * t.width <= kTile) return narrow_columns(t, accs, tile);
    walk_columns<T, 4>(a.loops, in, t, [&](const T* const(*x)[4], int64_t rows, int64_t i) {
      if (rows == 4)
        op.add4(tile, x[0], t.width);
      else
        for (int64_t g = 0; g < rows; ++g) op.add(tile, x[0][g], t.width);
      if ((i - t.begin) % kTileRows == kTileRows - 4 || i + rows == t.end) op.flush(accs.v, tile, t.width, t.width);
    });
  }

  // Rows that touch in memory: as many as fill a tile are one row, folded at the end.
  void narrow_columns(const Task& t, Accs& accs, T* tile) const {
    const int64_t wide = kTile / t.width * t.width;
    const T* x = in[0].at(t.at + t.begin * t.width);
    for (int64_t left = (t.end - t.begin) * t.width; left > 0;) {
      const int64_t used = min(left, wide);
      for (int g = 0; g < kTileRows && left > 0; ++g, x += wide, left -= wide) op.add(tile, x, min(left, wide));
      op.flush(accs.v, tile, used, t.width);
    }
  }

  void finish(Accs& accs, int64_t width, const Outputs& y) const {
    if (a.scale == 1 && a.finish == ReduceFinish::None) return write(a.y_dtype, a.y, y.at, y.step, width, accs.v);
    double v[ReducePlan::kMaxWidth];
    for (int64_t o = 0; o < width; ++o) v[o] = a.scale * static_cast<double>(accs.v[o]);
    if (a.finish == ReduceFinish::Sqrt)
      for (int64_t o = 0; o < width; ++o) v[o] = __builtin_sqrt(v[o]);
    write(a.y_dtype, a.y, y.at, y.step, width, v);
  }

 private:
  static constexpr int64_t kTile = ReducePlan::kMaxWidth;
  static constexpr int64_t kTileRows = 64;  // rows that a tile takes before it goes to the accumulators
};

// sum |x|^p: a scalar power an element, in float64.
template <class T>
struct PowerSum {
  struct Accs {
    double v[ReducePlan::kMaxWidth];
  };
  const Reduce& a;
  const Input<T> in[1] = {{a.x_dtype, a.x}};

  void start(Accs& accs, int64_t width) const {
    for (int64_t o = 0; o < width; ++o) accs.v[o] = 0;
  }
  void merge(Accs& accs, const Accs& other, int64_t width, int64_t, int64_t) const {
    for (int64_t o = 0; o < width; ++o) accs.v[o] += other.v[o];
  }
  void rows(const Task& t, Accs& accs) const {
    walk_rows<T>(a.loops, in, t, [&](int64_t o, const T* const* x, int64_t n, int64_t) {
      for (int64_t i = 0; i < n; ++i) accs.v[o] += pow(fabs(static_cast<double>(x[0][i])), a.p);
    });
  }
  void columns(const Task& t, Accs& accs) const {
    walk_columns<T, 1>(a.loops, in, t, [&](const T* const(*x)[1], int64_t, int64_t) {
      for (int64_t o = 0; o < t.width; ++o) accs.v[o] += pow(fabs(static_cast<double>(x[0][0][o])), a.p);
    });
  }
  void finish(Accs& accs, int64_t width, const Outputs& y) const {
    if (a.finish == ReduceFinish::Root)
      for (int64_t o = 0; o < width; ++o) accs.v[o] = pow(accs.v[o], 1 / a.p);
    write(a.y_dtype, a.y, y.at, y.step, width, accs.v);
  }
};

template <class T>
void run(const Reduce& a, const OpLoops<T>& op) {
  run_fold(a.loops, a.plan, a.workspace, Reduction<T>{a, op});
}

template <template <class> class Op>
void reduce_floats(const Reduce& a) {
  a.x_dtype == DType::Float64 ? run(a, loops_of<Op<double>>()) : run(a, loops_of<Op<float>>());
}

template <template <class> class Op>
void reduce_numbers(const Reduce& a) {
  is_floating(a.x_dtype) ? reduce_floats<Op>(a) : run(a, loops_of<Op<int64_t>>());
}

// Bytes are compared with zero as they are.
template <template <class> class Op>
void reduce_truth(const Reduce& a) {
  a.x_dtype == DType::Bool || a.x_dtype == DType::UInt8 ? run(a, loops_of<Op<uint8_t>>()) : reduce_numbers<Op>(a);
}

template <class T>
void reduce_power(const Reduce& a) {
  run_fold(a.loops, a.plan, a.workspace, PowerSum<T>{a});
}

void reduce(const Reduce& a) {
  switch (a.op) {
    case ReduceOp::Sum:
      return reduce_numbers<Sum>(a);
    case ReduceOp::NanSum:
      return reduce_floats<NanSum>(a);
    case ReduceOp::AbsSum:
      return reduce_floats<AbsSum>(a);
    case ReduceOp::SquareSum:
      return reduce_floats<SquareSum>(a);
    case ReduceOp::PowerSum:
      return a.x_dtype == DType::Float64 ? reduce_power<double>(a) : reduce_power<float>(a);
    case ReduceOp::Count:
      return reduce_numbers<Count>(a);
    case ReduceOp::Prod:
      return reduce_numbers<Prod>(a);
    case ReduceOp::Max:
      return reduce_numbers<Max>(a);
    case ReduceOp::Min:
      return reduce_numbers<Min>(a);
    case ReduceOp::AbsMax:
      return reduce_floats<AbsMax>(a);
    case ReduceOp::AbsMin:
      return reduce_floats<AbsMin>(a);
    case ReduceOp::Any:
      return reduce_truth<Any>(a);
    case ReduceOp::All:
      return reduce_truth<All>(a);
  }
}

}  // namespace

void fill_reduce(KernelTable& t) { t.reduce = reduce; }

}  // namespace dlcore::kernel::DLCORE_TIER
