#include "kernels/cpu/fold.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T>
struct Greater {
  static constexpr T identity = lowest<T>;
  template <class V>
  static DLCORE_INLINE auto better(V x, V a) {
    return x > a;
  }
};
template <class T>
struct Less {
  static constexpr T identity = highest<T>;
  template <class V>
  static DLCORE_INLINE auto better(V x, V a) {
    return x < a;
  }
};

// x takes the place of a, met before it: NaN of a number, too.
template <class Order, class V>
DLCORE_INLINE auto beats(V x, V a) {
  return Order::better(x, a) | ((x != x) & (a == a));
}

template <class Order>
struct Extreme : Order {
  template <class V>
  static DLCORE_INLINE V step(V a, V x) {
    return select(Order::better(x, a) | (x != x), x, a);
  }
  template <class V>
  static DLCORE_INLINE V merge(V a, V b) {
    return step(a, b);
  }
};

template <class T, class Order>
struct Arg {
  struct Accs {
    T value[ReducePlan::kMaxWidth];
    int64_t index[ReducePlan::kMaxWidth];  // -1: nothing yet

    DLCORE_INLINE void take(int64_t o, T v, int64_t i) {
      if (index[o] >= 0 && !beats<Order>(v, value[o])) return;
      value[o] = v;
      index[o] = i;
    }
  };
  const ReduceArg& a;
  const Input<T> in[1] = {{a.dtype, a.x}};

  void start(Accs& accs, int64_t width) const {
    for (int64_t o = 0; o < width; ++o) accs.index[o] = -1;
  }
  void merge(Accs& accs, const Accs& other, int64_t width, int64_t, int64_t) const {
    for (int64_t o = 0; o < width; ++o) accs.take(o, other.value[o], other.index[o]);
  }

  // The extreme of a run is found first, and its place only where it is a new extreme of the row: rarely.
  void rows(const Task& t, Accs& accs) const {
    walk_rows<T>(a.loops, in, t, [&](int64_t o, const T* const* x, int64_t n, int64_t index) {
      const T v = fold_run<Extreme<Order>>(x[0], n);
      if (accs.index[o] < 0 || beats<Order>(v, accs.value[o])) accs.take(o, v, index + find(x[0], n, v));
    });
  }

  void columns(const Task& t, Accs& accs) const {
    using Index = typename vec<T>::bits;
    constexpr int64_t kMaxRun = int64_t{1} << 30;  // rows that an index of T's width counts
    constexpr int L = kLanes<T>;
    T value[ReducePlan::kMaxWidth];
    Index place[ReducePlan::kMaxWidth];
    int64_t base = t.begin;
    walk_columns<T, 1>(a.loops, in, t, [&](const T* const(*rows)[1], int64_t, int64_t i) {
      const T* x = rows[0][0];
      if (i == base) {
        for (int64_t j = 0; j < t.width; ++j) value[j] = x[j], place[j] = 0;
      } else {
        const Index now = static_cast<Index>(i - base);
        int64_t j = 0;
        for (; j + L <= t.width; j += L) {
          const vec<T> v = vec<T>::load(x + j), old = vec<T>::load(value + j);
          const auto m = beats<Order>(v, old);
          select(m, v, old).store(value + j);
          vec<Index>{m.m ? vec<Index>(now).v : vec<Index>::load(place + j).v}.store(place + j);
        }
        for (; j < t.width; ++j)
          if (beats<Order>(x[j], value[j])) value[j] = x[j], place[j] = now;
      }
      if (i + 1 == t.end || i - base == kMaxRun) {
        for (int64_t j = 0; j < t.width; ++j) accs.take(j, value[j], base + place[j]);
        base = i + 1;
      }
    });
  }

  void finish(Accs& accs, int64_t width, const Outputs& y) const {
    if (a.values) write(a.dtype, a.values, y.at, y.step, width, accs.value);
    for (int64_t o = 0; o < width; ++o) a.indices[y.at + o * y.step] = accs.index[o];
  }

 private:
  static int64_t find(const T* x, int64_t n, T v) {
    int64_t i = 0;
    if (v != v)
      while (i < n - 1 && x[i] == x[i]) ++i;
    else
      while (i < n - 1 && x[i] != v) ++i;
    return i;
  }
};

template <class T>
void arg(const ReduceArg& a) {
  if (a.largest)
    run_fold(a.loops, a.plan, a.workspace, Arg<T, Greater<T>>{a});
  else
    run_fold(a.loops, a.plan, a.workspace, Arg<T, Less<T>>{a});
}

void reduce_arg(const ReduceArg& a) {
  if (a.dtype == DType::Float64) return arg<double>(a);
  is_floating(a.dtype) ? arg<float>(a) : arg<int64_t>(a);
}

}  // namespace

void fill_arg(KernelTable& t) { t.reduce_arg = reduce_arg; }

}  // namespace dlcore::kernel::DLCORE_TIER
