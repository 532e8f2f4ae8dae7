#include "kernels/scan.h"

#include <math.h>

#include "kernels/cpu/fold.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kWidth = ReducePlan::kMaxWidth;

// Lanes i >= S of the result are v's lanes i - S, the others are filled.
template <int S, class A, int N, int... I>
DLCORE_INLINE vec<A, N> shift_lanes(vec<A, N> v, vec<A, N> fill, ints<I...>) {
  return shuffle<(I >= S ? N + I - S : I)...>(fill, v);
}
template <class A, int N, int... I>
DLCORE_INLINE vec<A, N> repeat_last(vec<A, N> v, ints<I...>) {
  return shuffle<(I * 0 + N - 1)...>(v, v);
}

// Lane i: the fold of lanes 0 ... i, in log2(N) steps.
template <class Op, class A, int N, int S = 1>
DLCORE_INLINE vec<A, N> prefix(vec<A, N> v) {
  if constexpr (S < N)
    return prefix<Op, A, N, 2 * S>(Op::join(shift_lanes<S>(v, vec<A, N>(A(Op::identity)), indices<N>()), v));
  else
    return v;
}

// ---- associative folds: vectors of prefixes, which only the running result ties together

struct Plus {
  static constexpr int identity = 0;
  template <class V>
  static DLCORE_INLINE V join(V a, V b) {
    return a + b;
  }
};
struct Times {
  static constexpr int identity = 1;
  template <class V>
  static DLCORE_INLINE V join(V a, V b) {
    return a * b;
  }
};

template <class T>
struct accumulator {
  using type = double;
};
template <>
struct accumulator<int64_t> {
  using type = int64_t;
};

template <class In, class Op>
struct Fold {
  using T = In;
  using A = typename accumulator<T>::type;
  static constexpr bool associative = true, indexed = false;
  static constexpr int L = kLanes<A>;

  static DLCORE_INLINE A start() { return A(Op::identity); }

  // acc = fold of acc and x[0, n); y gets the running results, where there is a y
  static void row(A& acc, const T* x, T* y, int64_t n) {
    vec<A> sum(acc);
    int64_t i = 0;
    for (; i + L <= n; i += L) {
      const vec<A> p = prefix<Op>(widen(x + i));
      if (y) narrow(Op::join(sum, p), y + i);
      sum = Op::join(sum, repeat_last(p, indices<L>()));
    }
    acc = sum[0];
    for (; i < n; ++i) {
      acc = Op::join(acc, static_cast<A>(x[i]));
      if (y) y[i] = static_cast<T>(acc);
    }
  }
  static void columns(A* acc, const T* x, T* y, int64_t width) {
    for (int64_t j = 0; j < width; ++j) acc[j] = Op::join(acc[j], static_cast<A>(x[j]));
    if (y)
      for (int64_t j = 0; j < width; ++j) y[j] = static_cast<T>(acc[j]);
  }
  static DLCORE_INLINE A join(A a, A b) { return Op::join(a, b); }

 private:
  static DLCORE_INLINE vec<A> widen(const T* x) {
    if constexpr (sizeof(T) == sizeof(A))
      return vec<A>::load(x);
    else
      return convert<A>(vec<T, L>::load(x));
  }
  static DLCORE_INLINE void narrow(vec<A> v, T* y) {
    if constexpr (sizeof(T) == sizeof(A))
      v.store(y);
    else
      convert<T>(v).store(y);
  }
};

// ---- scalar recurrences

// log(exp(a) + exp(x)) = m + log(1 + exp(-|a - x|)), m the larger
template <class In>
struct LogSumExp {
  using T = In;
  using A = double;
  static constexpr bool associative = false, indexed = false;
  static DLCORE_INLINE A start() { return -INFINITY; }
  static DLCORE_INLINE A step(A a, T value) {
    const A x = static_cast<A>(value), m = a > x ? a : x;
    if (a == x && isinf(x)) return x;
    return (a != a ? a : m) + log1p(exp(-fabs(a - x)));
  }
  static void row(A& acc, const T* x, T* y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(acc = step(acc, x[i]));
  }
  static void columns(A* acc, const T* x, T* y, int64_t width) {
    for (int64_t j = 0; j < width; ++j) y[j] = static_cast<T>(acc[j] = step(acc[j], x[j]));
  }
};

template <class T>
struct Place {
  T value;
  int64_t index = -1;  // nothing yet
};

template <class In, bool Largest>
struct Extreme {
  using T = In;
  using A = Place<T>;
  static constexpr bool associative = false, indexed = true;
  static DLCORE_INLINE A start() { return {}; }
  static DLCORE_INLINE void step(A& a, T x, int64_t i) {
    if (a.index < 0 || x != x || (a.value == a.value && (Largest ? x >= a.value : x <= a.value))) a = {x, i};
  }
  static void row(A& acc, const T* x, T* y, int64_t* index, int64_t index_step, int64_t first, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      step(acc, x[i], first + i);
      y[i] = acc.value;
      index[i * index_step] = acc.index;
    }
  }
  static void columns(A* acc, const T* x, T* y, int64_t* index, int64_t index_step, int64_t at, int64_t width) {
    for (int64_t j = 0; j < width; ++j) {
      step(acc[j], x[j], at);
      y[j] = acc[j].value;
      index[j * index_step] = acc[j].index;
    }
  }
};

// ---- walking

template <class R>
struct Walk {
  using T = typename R::T;
  using A = typename R::A;
  const Scan& a;
  const Input<T> in{a.x_dtype, a.x};
  const Loop dim = a.loops.reduced[a.loops.reduced_dims - 1], line = a.loops.kept[a.loops.kept_dims - 1];
  const bool in_place = holds<T>(a.y_dtype);

  // One task's share of x, and of y unless only the results are wanted. y is where its first element goes.
  void operator()(const Task& t, int64_t y, A* acc, bool write_y) const {
    a.loops.columns ? columns(t, y, acc, write_y) : rows(t, y, acc, write_y);
  }

 private:
  void rows(const Task& t, int64_t y, A* acc, bool write_y) const {
    constexpr int64_t kBuffer = 1024;
    T buffer[kBuffer], result[kBuffer];
    const bool direct = in_place && dim.y == 1;
    for (int64_t o = 0; o < t.width; ++o)
      for (int64_t i = t.begin; i < t.end; i += kBuffer) {
        const int64_t n = min(kBuffer, t.end - i), to = y + o * line.y + i * dim.y;
        const T* x = in.read(t.at + o * t.step + i * dim.x, dim.x, n, buffer);
        T* out = !write_y ? nullptr : direct ? static_cast<T*>(a.y) + to : result;
        if constexpr (R::indexed)
          R::row(acc[o], x, out, a.indices + to, dim.y, i, n);
        else
          R::row(acc[o], x, out, n);
        if (out == result) write(a.y_dtype, a.y, to, dim.y, n, out);
      }
  }

  void columns(const Task& t, int64_t y, A* acc, bool write_y) const {
    T buffer[kWidth], result[kWidth];
    const bool direct = in_place && line.y == 1;
    for (int64_t i = t.begin; i < t.end; ++i) {
      const int64_t to = y + i * dim.y;
      const T* x = in.read(t.at + i * dim.x, t.step, t.width, buffer);
      T* out = !write_y ? nullptr : direct ? static_cast<T*>(a.y) + to : result;
      if constexpr (R::indexed)
        R::columns(acc, x, out, a.indices + to, line.y, i, t.width);
      else
        R::columns(acc, x, out, t.width);
      if (out == result) write(a.y_dtype, a.y, to, line.y, t.width, out);
    }
  }
};

// Where the dimension is cut into chunks: fold each, carry the results on from chunk to chunk, then scan each from
// there.
template <class R>
void scan_with(const Scan& a) {
  using A = typename R::A;
  const ReduceLoops& l = a.loops;
  const ReducePlan& p = a.plan;
  const Walk<R> walk{a};
  A* carried = static_cast<A*>(a.workspace);

  const auto run = [&](bool write_y) {
    parallel_for(p.blocks * p.chunks, p.grain, [&](int64_t first, int64_t last) {
      A local[kWidth];
      for (int64_t i = first; i < last; ++i) {
        const int64_t block = i / p.chunks, c = i % p.chunks;
        const int64_t start = block % p.line_blocks * p.width, width = min(p.width, walk.line.size - start);
        const Odometer k(l.kept, l.kept_dims, block / p.line_blocks * walk.line.size + start);
        A* acc = p.chunks > 1 ? carried + i * kWidth : local;
        if (p.chunks == 1 || !write_y)
          for (int64_t o = 0; o < width; ++o) acc[o] = R::start();
        walk(Task{k.x, walk.line.x, width, c * p.chunk, min(l.count, (c + 1) * p.chunk)}, k.y, acc, write_y);
      }
    });
  };
  if constexpr (R::associative) {
    if (p.chunks > 1) {
      run(false);
      for (int64_t block = 0; block < p.blocks; ++block) {
        A* acc = carried + block * p.chunks * kWidth;
        A before[kWidth];
        for (int64_t o = 0; o < p.width; ++o) before[o] = R::start();
        for (int64_t c = 0; c < p.chunks; ++c, acc += kWidth)
          for (int64_t o = 0; o < p.width; ++o) {
            const A chunk = acc[o];
            acc[o] = before[o];
            before[o] = R::join(before[o], chunk);
          }
      }
    }
  }
  run(true);
}

template <class Op>
void scan_numbers(const Scan& a) {
  if (a.x_dtype == DType::Float64) return scan_with<Fold<double, Op>>(a);
  is_floating(a.x_dtype) ? scan_with<Fold<float, Op>>(a) : scan_with<Fold<int64_t, Op>>(a);
}

template <bool Largest>
void scan_extremes(const Scan& a) {
  if (a.x_dtype == DType::Float64) return scan_with<Extreme<double, Largest>>(a);
  is_floating(a.x_dtype) ? scan_with<Extreme<float, Largest>>(a) : scan_with<Extreme<int64_t, Largest>>(a);
}

void scan(const Scan& a) {
  switch (a.op) {
    case ScanOp::Sum:
      return scan_numbers<Plus>(a);
    case ScanOp::Prod:
      return scan_numbers<Times>(a);
    case ScanOp::LogSumExp:
      return a.x_dtype == DType::Float64 ? scan_with<LogSumExp<double>>(a) : scan_with<LogSumExp<float>>(a);
    case ScanOp::Max:
      return scan_extremes<true>(a);
    case ScanOp::Min:
      return scan_extremes<false>(a);
  }
}

}  // namespace

void fill_scan(KernelTable& t) { t.scan = scan; }

}  // namespace dlcore::kernel::DLCORE_TIER
