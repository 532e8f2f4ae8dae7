#include "kernels/cpu/fold.h"
#include "kernels/cpu/math.h"
#include "kernels/list.h"
#include "kernels/loss.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// ---- each loss: its value l(x, t), and its slopes dl/dx, dl/dt. p is the op's number, q the weight of positives.

template <class V>
DLCORE_INLINE V constant(double c) {
  return V(static_cast<typename V::scalar>(c));
}
template <class V>
DLCORE_INLINE V sign(V d) {
  const V zero = constant<V>(0);
  return select(d > zero, constant<V>(1), select(d < zero, constant<V>(-1), d));  // of NaN: NaN
}

// A loss of d = x - t alone.
template <class Of>
struct Difference {
  template <class V>
  static DLCORE_INLINE V value(V x, V t, V p, V) {
    return Of::value(x - t, p);
  }
  template <class V>
  static DLCORE_INLINE V dx(V x, V t, V p, V) {
    return Of::slope(x - t, p);
  }
  template <class V>
  static DLCORE_INLINE V dt(V x, V t, V p, V) {
    return -Of::slope(x - t, p);
  }
};

struct SquareOf {
  template <class V>
  static DLCORE_INLINE V value(V d, V) {
    return d * d;
  }
  template <class V>
  static DLCORE_INLINE V slope(V d, V) {
    return d + d;
  }
};
struct AbsOf {
  template <class V>
  static DLCORE_INLINE V value(V d, V) {
    return abs(d);
  }
  template <class V>
  static DLCORE_INLINE V slope(V d, V) {
    return sign(d);
  }
};
struct SmoothAbsOf {
  template <class V>
  static DLCORE_INLINE V value(V d, V p) {
    const V half = constant<V>(0.5), a = abs(d);
    return select(a < p, half * d * d / p, a - half * p);
  }
  template <class V>
  static DLCORE_INLINE V slope(V d, V p) {
    return select(abs(d) < p, d / p, sign(d));
  }
};
struct HuberOf {
  template <class V>
  static DLCORE_INLINE V value(V d, V p) {
    const V half = constant<V>(0.5), a = abs(d);
    return select(a <= p, half * d * d, p * (a - half * p));
  }
  template <class V>
  static DLCORE_INLINE V slope(V d, V p) {
    return select(abs(d) <= p, d, p * sign(d));
  }
};

struct Bernoulli {
  template <class V>
  static DLCORE_INLINE V at_least(V x, double low) {
    return select(x < constant<V>(low), constant<V>(low), x);
  }
  template <class V>
  static DLCORE_INLINE V value(V x, V t, V, V) {
    const V lost = at_least(log1p(-x), -100);
    return (t - constant<V>(1)) * lost - t * at_least(log(x), -100);
  }
  template <class V>
  static DLCORE_INLINE V dx(V x, V t, V, V) {
    return (x - t) / at_least((constant<V>(1) - x) * x, 1e-12);
  }
  template <class V>
  static DLCORE_INLINE V dt(V x, V, V, V) {
    return log1p(-x) - log(x);
  }
};

struct BernoulliLogits {
  // -log(sigmoid(x)) = log(1 + exp(-|x|)) + max(-x, 0)
  template <class V>
  static DLCORE_INLINE V surprise(V x) {
    const V zero = constant<V>(0);
    return log1p(exp(-abs(x))) + select(x < zero, -x, zero);
  }
  template <class V>
  static DLCORE_INLINE V scale(V t, V q) {
    return (q - constant<V>(1)) * t + constant<V>(1);
  }
  template <class V>
  static DLCORE_INLINE V value(V x, V t, V, V q) {
    return (constant<V>(1) - t) * x + scale(t, q) * surprise(x);
  }
  template <class V>
  static DLCORE_INLINE V dx(V x, V t, V, V q) {
    return (constant<V>(1) - t) - scale(t, q) * sigmoid(-x);
  }
  template <class V>
  static DLCORE_INLINE V dt(V x, V, V, V q) {
    return (q - constant<V>(1)) * surprise(x) - x;
  }
};

struct KlDivergence {
  template <class V>
  static DLCORE_INLINE V value(V x, V t, V, V) {
    const V zero = constant<V>(0);
    return select(t == zero, zero, t * log(t)) - t * x;
  }
  template <class V>
  static DLCORE_INLINE V dx(V, V t, V, V) {
    return -t;
  }
  template <class V>
  static DLCORE_INLINE V dt(V x, V t, V, V) {
    return log(t) + constant<V>(1) - x;
  }
};
struct KlDivergenceLog {
  template <class V>
  static DLCORE_INLINE V value(V x, V t, V, V) {
    return exp(t) * (t - x);
  }
  template <class V>
  static DLCORE_INLINE V dx(V, V t, V, V) {
    return -exp(t);
  }
  template <class V>
  static DLCORE_INLINE V dt(V x, V t, V, V) {
    return exp(t) * (t - x + constant<V>(1));
  }
};

// t log t - t + log(2 pi t) / 2, Stirling's log(t!), where t > 1
template <class V>
DLCORE_INLINE V log_factorial(V t) {
  const V l = log(t), half = constant<V>(0.5);
  return select(t <= constant<V>(1), constant<V>(0), t * l - t + half * (l + constant<V>(1.8378770664093453)));
}
template <class V>
DLCORE_INLINE V log_factorial_slope(V t) {
  return select(t <= constant<V>(1), constant<V>(0), log(t) + constant<V>(0.5) / t);
}

template <bool Log, bool Full>
struct PoissonOf {
  template <class V>
  static DLCORE_INLINE V value(V x, V t, V p, V) {
    const V l = Log ? exp(x) - t * x : x - t * log(x + p);
    return Full ? l + log_factorial(t) : l;
  }
  template <class V>
  static DLCORE_INLINE V dx(V x, V t, V p, V) {
    return Log ? exp(x) - t : constant<V>(1) - t / (x + p);
  }
  template <class V>
  static DLCORE_INLINE V dt(V x, V t, V p, V) {
    const V l = Log ? -x : -log(x + p);
    return Full ? l + log_factorial_slope(t) : l;
  }
};

struct SoftMargin {
  template <class V>
  static DLCORE_INLINE V value(V x, V t, V, V) {
    return BernoulliLogits::surprise(t * x);
  }
  template <class V>
  static DLCORE_INLINE V dx(V x, V t, V, V) {
    return -t * sigmoid(-t * x);
  }
  template <class V>
  static DLCORE_INLINE V dt(V x, V t, V, V) {
    return -x * sigmoid(-t * x);
  }
};

struct HingeEmbedding {
  template <class V>
  static DLCORE_INLINE V value(V x, V t, V p, V) {
    const V zero = constant<V>(0), one = constant<V>(1), d = p - x;
    return select(t == one, zero, select(d < zero, zero, d)) + select(t == -one, zero, x);
  }
  template <class V>
  static DLCORE_INLINE V dx(V x, V t, V p, V) {
    const V zero = constant<V>(0), one = constant<V>(1);
    return select(t == -one, zero, one) - select((t == one) | (x > p), zero, one);
  }
  template <class V>
  static DLCORE_INLINE V dt(V, V, V, V) {
    return constant<V>(0);
  }
};

// ---- one pass over the inputs, in blocks that are converted where memory holds another type

constexpr int64_t kRun = 1024;

// An optional input: ones where there is none.
template <class T>
struct Factor {
  bool given;
  Input<T> in;
  Factor(DType dtype, const void* data) : given(data != nullptr), in(dtype, data) {}
  DLCORE_INLINE const T* read(int64_t i, int64_t n, T* buffer) const {
    if (given) return in.read(i, 1, n, buffer);
    for (int64_t k = 0; k < n; ++k) buffer[k] = 1;
    return buffer;
  }
};

template <class T, class L>
void forward(const PairLoss& a) {
  constexpr int N = kLanes<T>;
  const Input<T> xs(a.dtype, a.x), ts(a.dtype, a.t);
  const Factor<T> ws(a.dtype, a.weight), qs(a.dtype, a.positive);
  const vec<T> p(static_cast<T>(a.p));
  parallel_for(a.n, kPairLossChunk, [&](int64_t begin, int64_t end) {
    T x_buffer[kRun], t_buffer[kRun], w_buffer[kRun], q_buffer[kRun], result[kRun];
    double total = 0;
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = min(kRun, end - i);
      const T *x = xs.read(i, 1, n, x_buffer), *t = ts.read(i, 1, n, t_buffer);
      const T *w = ws.read(i, n, w_buffer), *q = qs.read(i, n, q_buffer);
      vec<T> sum(T(0));
      for (int64_t j = 0; j < n; j += N) {
        const int64_t lanes = min(N, n - j);
        const vec<T> l = vec<T>::load(w + j, lanes) * L::value(vec<T>::load(x + j, lanes), vec<T>::load(t + j, lanes),
                                                               p, vec<T>::load(q + j, lanes));
        l.store(result + j, lanes);
        if (lanes == N)
          sum += l;
        else
          sum += vec<T>::load(result + j, lanes);
      }
      if (a.total) {
        T part[N];
        sum.store(part);
        for (T v : part) total += static_cast<double>(v);
      } else {
        write(a.dtype, a.y, i, 1, n, result);
      }
    }
    if (a.total) a.partial[begin / kPairLossChunk] = total;
  });
  if (!a.total) return;
  double sum = 0;
  for (int64_t c = 0; c < pair_loss_chunks(a.n); ++c) sum += a.partial[c];
  sum *= a.scale;
  write(a.dtype, a.y, 0, 1, 1, &sum);
}

template <class T, class L>
void backward(const PairLossBackward& a) {
  constexpr int N = kLanes<T>;
  const Input<T> xs(a.dtype, a.x), ts(a.dtype, a.t), ds(a.dtype, a.dy);
  const Factor<T> ws(a.dtype, a.weight), qs(a.dtype, a.positive);
  const vec<T> p(static_cast<T>(a.p)), scale(static_cast<T>(a.scale));
  parallel_for(a.n, kPairLossChunk, [&](int64_t begin, int64_t end) {
    T x_buffer[kRun], t_buffer[kRun], w_buffer[kRun], q_buffer[kRun], dy_buffer[kRun], result[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      const int64_t n = min(kRun, end - i);
      const T *x = xs.read(i, 1, n, x_buffer), *t = ts.read(i, 1, n, t_buffer);
      const T *w = ws.read(i, n, w_buffer), *q = qs.read(i, n, q_buffer);
      const T* dy = a.total ? ds.read(0, 1, 1, dy_buffer) : ds.read(i, 1, n, dy_buffer);
      const vec<T> same(dy[0]);
      const auto emit = [&](void* to, auto slope) {
        if (!to) return;
        T* out = holds<T>(a.dtype) ? static_cast<T*>(to) + i : result;
        for (int64_t j = 0; j < n; j += N) {
          const int64_t lanes = min(N, n - j);
          const vec<T> g = (a.total ? same : vec<T>::load(dy + j, lanes)) * scale * vec<T>::load(w + j, lanes);
          const vec<T> s = slope(vec<T>::load(x + j, lanes), vec<T>::load(t + j, lanes), p, vec<T>::load(q + j, lanes));
          (g * s).store(out + j, lanes);
        }
        if (out == result) write(a.dtype, to, i, 1, n, result);
      };
      emit(a.dx, [](auto... v) { return L::dx(v...); });
      emit(a.dt, [](auto... v) { return L::dt(v...); });
    }
  });
}

// run(loss) for the loss that op names
template <class F>
void with_loss(PairLossOp op, const F& run) {
  switch (op) {
    case PairLossOp::Square:
      return run(Difference<SquareOf>{});
    case PairLossOp::Abs:
      return run(Difference<AbsOf>{});
    case PairLossOp::SmoothAbs:
      return run(Difference<SmoothAbsOf>{});
    case PairLossOp::Huber:
      return run(Difference<HuberOf>{});
    case PairLossOp::Bernoulli:
      return run(Bernoulli{});
    case PairLossOp::BernoulliLogits:
      return run(BernoulliLogits{});
    case PairLossOp::KlDivergence:
      return run(KlDivergence{});
    case PairLossOp::KlDivergenceLog:
      return run(KlDivergenceLog{});
    case PairLossOp::Poisson:
      return run(PoissonOf<false, false>{});
    case PairLossOp::PoissonFull:
      return run(PoissonOf<false, true>{});
    case PairLossOp::PoissonLog:
      return run(PoissonOf<true, false>{});
    case PairLossOp::PoissonLogFull:
      return run(PoissonOf<true, true>{});
    case PairLossOp::SoftMargin:
      return run(SoftMargin{});
    case PairLossOp::HingeEmbedding:
      return run(HingeEmbedding{});
  }
}

void pair_loss(const PairLoss& a) {
  with_loss(a.op, [&](auto loss) {
    using L = decltype(loss);
    a.dtype == DType::Float64 ? forward<double, L>(a) : forward<float, L>(a);
  });
}
void pair_loss_backward(const PairLossBackward& a) {
  with_loss(a.op, [&](auto loss) {
    using L = decltype(loss);
    a.dtype == DType::Float64 ? backward<double, L>(a) : backward<float, L>(a);
  });
}

}  // namespace

void fill_pair_loss(KernelTable& t) {
  t.pair_loss = pair_loss;
  t.pair_loss_backward = pair_loss_backward;
}

}  // namespace dlcore::kernel::DLCORE_TIER
