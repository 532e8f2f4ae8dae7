#include "kernels/softmax.h"

#include "kernels/cpu/exp_sum.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T>
struct LogSumExpFold : ExpSum<T> {
  const LogSumExp& a;

  void finish(typename ExpSum<T>::Accs& accs, int64_t width, const Outputs& out) const {
    for (int64_t o = 0; o < width; ++o)
      if (!__builtin_isinf(accs.m[o])) accs.m[o] += __builtin_log(accs.s[o]);
    write(a.dtype, a.y, out.at, out.step, width, accs.m);
  }
};

template <class T>
void logsumexp_as(const LogSumExp& a) {
  run_fold(a.loops, a.plan, a.workspace, LogSumExpFold<T>{{a.loops, {{a.dtype, a.x}}}, a});
}

void logsumexp(const LogSumExp& a) { a.dtype == DType::Float64 ? logsumexp_as<double>(a) : logsumexp_as<float>(a); }

// ---- softmax: each output's elements are folded to two numbers, from which and the elements follow the results

template <class T, bool Log>
struct Forward : ExpSum<T> {
  using typename ExpSum<T>::Accs;
  static void numbers(const Accs& accs, int64_t o, double* to) {
    to[0] = accs.m[o];
    to[1] = Log ? __builtin_log(accs.s[o]) : 1 / accs.s[o];
  }
  template <class V>
  static DLCORE_INLINE V result(const V (&x)[1], V m, V s) {
    if constexpr (Log)
      return (x[0] - m) - s;
    else
      return exp(x[0] - m) * s;
  }
};

template <class T, bool Log>
struct Backward {
  static constexpr int inputs = 2;
  struct Accs {
    double v[kWidth];
  };
  const ReduceLoops& loops;
  const Input<T> in[2];  // y, dy

  void start(Accs& accs, int64_t width) const {
    for (int64_t o = 0; o < width; ++o) accs.v[o] = 0;
  }
  void merge(Accs& accs, const Accs& b, int64_t width, int64_t, int64_t) const {
    for (int64_t o = 0; o < width; ++o) accs.v[o] += b.v[o];
  }
  void rows(const Task& t, Accs& accs) const {
    walk_rows<T>(loops, in, t, [&](int64_t o, const T* const* x, int64_t n, int64_t) {
      accs.v[o] += sum_vectors<T>(n, [&](int64_t i, int64_t lanes) { return term(x[0] + i, x[1] + i, lanes); });
    });
  }
  void columns(const Task& t, Accs& accs) const {
    constexpr int kRows = 16;
    T sum[kWidth];
    walk_columns<T, kRows>(loops, in, t, [&](const T* const(*x)[kRows], int64_t rows, int64_t) {
      vectors<T>(t.width, [&](int64_t j, int64_t lanes) {
        vec<T> s(T(0));
        for (int64_t r = 0; r < rows; ++r) s += term(x[0][r] + j, x[1][r] + j, lanes);
        s.store(sum + j, lanes);
      });
      for (int64_t j = 0; j < t.width; ++j) accs.v[j] += static_cast<double>(sum[j]);
    });
  }

  static void numbers(const Accs& accs, int64_t o, double* to) { to[0] = to[1] = accs.v[o]; }
  template <class V>
  static DLCORE_INLINE V result(const V (&x)[2], V sum, V) {
    if constexpr (Log)
      return x[1] - exp(x[0]) * sum;
    else
      return x[0] * (x[1] - sum);
  }

  static DLCORE_INLINE vec<T> term(const T* y, const T* dy, int64_t lanes) {
    const vec<T> d = vec<T>::load(dy, lanes);
    if constexpr (Log)
      return d;
    else
      return vec<T>::load(y, lanes) * d;
  }
};

// Where the numbers wait between the passes over a dimension that no cache holds.
template <class F>
struct Kept : F {
  double* numbers_of;  // (outputs, 2)
  void finish(typename F::Accs& accs, int64_t width, const Outputs& out) const {
    for (int64_t o = 0; o < width; ++o) F::numbers(accs, o, numbers_of + 2 * (out.first + o));
  }
};

// Results of one task; numbers are those of its outputs. y is where its first result goes.
template <class T, class F>
void map(const F& f, DType dtype, void* y, const Task& t, int64_t to, const double* numbers) {
  const ReduceLoops& l = f.loops;
  const Loop &dim = l.reduced[l.reduced_dims - 1], &line = l.kept[l.kept_dims - 1];
  const auto vector = [](const T* const* x, int64_t i, int64_t lanes, vec<T> a, vec<T> b) {
    vec<T> v[F::inputs];
    for (int k = 0; k < F::inputs; ++k) v[k] = vec<T>::load(x[k] + i, lanes);
    return F::result(v, a, b);
  };
  if (!l.columns) {
    T buffer[kBlock];
    const bool direct = holds<T>(dtype) && dim.y == 1;
    walk_rows<T>(l, f.in, t, [&](int64_t o, const T* const* x, int64_t n, int64_t i) {
      const int64_t at = to + o * line.y + i * dim.y;
      T* out = direct ? static_cast<T*>(y) + at : buffer;
      const vec<T> a(static_cast<T>(numbers[2 * o])), b(static_cast<T>(numbers[2 * o + 1]));
      vectors<T>(n, [&](int64_t j, int64_t lanes) { vector(x, j, lanes, a, b).store(out + j, lanes); });
      if (!direct) write(dtype, y, at, dim.y, n, out);
    });
    return;
  }
  T buffer[kWidth], first[kWidth], second[kWidth];
  for (int64_t o = 0; o < t.width; ++o) {
    first[o] = static_cast<T>(numbers[2 * o]);
    second[o] = static_cast<T>(numbers[2 * o + 1]);
  }
  const bool direct = holds<T>(dtype) && line.y == 1;
  walk_columns<T, 1>(l, f.in, t, [&](const T* const(*rows)[1], int64_t, int64_t i) {
    const T* x[F::inputs];
    for (int k = 0; k < F::inputs; ++k) x[k] = rows[k][0];
    const int64_t at = to + i * dim.y;
    T* out = direct ? static_cast<T*>(y) + at : buffer;
    vectors<T>(t.width, [&](int64_t j, int64_t lanes) {
      vector(x, j, lanes, vec<T>::load(first + j, lanes), vec<T>::load(second + j, lanes)).store(out + j, lanes);
    });
    if (!direct) write(dtype, y, at, line.y, t.width, out);
  });
}

template <class T, class F>
void fold_then_map(const F& f, DType dtype, void* y, const SoftmaxPlan& plan, void* workspace) {
  const ReduceLoops& l = f.loops;
  const ReducePlan& p = plan.cut;
  const Loop& line = l.kept[l.kept_dims - 1];
  double* kept = reinterpret_cast<double*>(static_cast<char*>(workspace) + p.workspace());
  if (!plan.whole) run_fold(l, p, workspace, Kept<F>{f, kept});
  parallel_for(p.blocks * p.chunks, p.grain, [&](int64_t begin, int64_t end) {
    typename F::Accs accs;
    double numbers[2 * kWidth];
    for (int64_t i = begin; i < end; ++i) {
      const int64_t block = i / p.chunks, c = i % p.chunks;
      const int64_t start = block % p.line_blocks * p.width, width = min(p.width, line.size - start);
      const int64_t number = block / p.line_blocks * line.size + start;
      const Odometer k(l.kept, l.kept_dims, number);
      const Task t{k.x, line.x, width, c * p.chunk, min(l.count, (c + 1) * p.chunk)};
      if (plan.whole) {
        f.start(accs, width);
        l.columns ? f.columns(t, accs) : f.rows(t, accs);
        for (int64_t o = 0; o < width; ++o) F::numbers(accs, o, numbers + 2 * o);
      }
      map<T>(f, dtype, y, t, k.y, plan.whole ? numbers : kept + 2 * number);
    }
  });
}

// Rows that fit a buffer, the most frequent case: f(elements of the inputs, place of the results, how many) for each.
template <class T, int Inputs, class F>
void each_row(const ReduceLoops& l, const ReducePlan& p, const Input<T> (&in)[Inputs], DType dtype, void* y,
              const F& f) {
  const Loop &dim = l.reduced[0], &line = l.kept[l.kept_dims - 1];
  const bool direct = holds<T>(dtype) && dim.y == 1;
  parallel_for(p.blocks, p.grain, [&](int64_t begin, int64_t end) {
    T buffer[Inputs][kSoftmaxTile];
    for (int64_t block = begin; block < end; ++block) {
      const int64_t start = block % p.line_blocks * p.width, width = min(p.width, line.size - start);
      const Odometer k(l.kept, l.kept_dims, block / p.line_blocks * line.size + start);
      for (int64_t o = 0; o < width; ++o) {
        const T* x[Inputs];
        for (int i = 0; i < Inputs; ++i) x[i] = in[i].read(k.x + o * line.x, dim.x, l.count, buffer[i]);
        const int64_t to = k.y + o * line.y;
        T* results = direct ? static_cast<T*>(y) + to : buffer[0];
        f(x, results, l.count);
        if (!direct) write(dtype, y, to, dim.y, l.count, results);
      }
    }
  });
}

bool in_rows(const ReduceLoops& l) { return !l.columns && l.count <= kSoftmaxTile; }

// Each exponential is computed once, in the place of the result.
template <class T>
void softmax_rows(const Softmax& a) {
  const Input<T> in[] = {{a.dtype, a.x}};
  each_row<T>(a.loops, a.plan.cut, in, a.dtype, a.y, [](const T* const(&x)[1], T* y, int64_t n) {
    const T shift = shift_of(fold_run<LargestNumber>(x[0], n));
    const vec<T> scale(static_cast<T>(1 / sum_exp(x[0], shift, n, y)));
    vectors<T>(n, [&](int64_t i, int64_t lanes) { (vec<T>::load(y + i, lanes) * scale).store(y + i, lanes); });
  });
}

template <class T, bool Log>
void softmax_backward_rows(const SoftmaxBackward& a) {
  const Input<T> in[] = {{a.dtype, a.y}, {a.dtype, a.dy}};
  each_row<T>(a.loops, a.plan.cut, in, a.dtype, a.dx, [](const T* const(&x)[2], T* dx, int64_t n) {
    using B = Backward<T, Log>;
    const vec<T> sum(static_cast<T>(
        sum_vectors<T>(n, [&](int64_t i, int64_t lanes) { return B::term(x[0] + i, x[1] + i, lanes); })));
    vectors<T>(n, [&](int64_t i, int64_t lanes) {
      const vec<T> v[] = {vec<T>::load(x[0] + i, lanes), vec<T>::load(x[1] + i, lanes)};
      B::result(v, sum, sum).store(dx + i, lanes);
    });
  });
}

template <class T>
void softmax_as(const Softmax& a) {
  if (!a.log && in_rows(a.loops)) return softmax_rows<T>(a);
  if (a.log)
    fold_then_map<T>(Forward<T, true>{{a.loops, {{a.dtype, a.x}}}}, a.dtype, a.y, a.plan, a.workspace);
  else
    fold_then_map<T>(Forward<T, false>{{a.loops, {{a.dtype, a.x}}}}, a.dtype, a.y, a.plan, a.workspace);
}

template <class T>
void softmax_backward_as(const SoftmaxBackward& a) {
  if (in_rows(a.loops)) return a.log ? softmax_backward_rows<T, true>(a) : softmax_backward_rows<T, false>(a);
  if (a.log)
    fold_then_map<T>(Backward<T, true>{a.loops, {{a.dtype, a.y}, {a.dtype, a.dy}}}, a.dtype, a.dx, a.plan, a.workspace);
  else
    fold_then_map<T>(Backward<T, false>{a.loops, {{a.dtype, a.y}, {a.dtype, a.dy}}}, a.dtype, a.dx, a.plan,
                     a.workspace);
}

void softmax(const Softmax& a) { a.dtype == DType::Float64 ? softmax_as<double>(a) : softmax_as<float>(a); }
void softmax_backward(const SoftmaxBackward& a) {
  a.dtype == DType::Float64 ? softmax_backward_as<double>(a) : softmax_backward_as<float>(a);
}

}  // namespace

void fill_softmax(KernelTable& t) {
  t.logsumexp = logsumexp;
  t.softmax = softmax;
  t.softmax_backward = softmax_backward;
}

}  // namespace dlcore::kernel::DLCORE_TIER
