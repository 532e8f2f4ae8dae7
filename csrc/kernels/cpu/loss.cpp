#include "kernels/loss.h"

#include "kernels/cpu/exp_sum.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// One task: samples side by side or one after another, and where their numbers begin.
struct Samples {
  Task t;
  int64_t number, step;  // sample o is number + o * step
};

// For every block of samples: body(block, samples).
template <class Body>
void for_samples(const ReduceLoops& l, const ReducePlan& p, const Body& body) {
  const Loop& line = l.kept[l.kept_dims - 1];
  parallel_for(p.blocks, p.grain, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const int64_t start = block % p.line_blocks * p.width, width = min(p.width, line.size - start);
      const Odometer k(l.kept, l.kept_dims, block / p.line_blocks * line.size + start);
      body(block, Samples{{k.x, line.x, width, 0, l.count}, k.y, line.y});
    }
  });
}

// u_c = w_c (smooth + share q_c): the weight that class c has beside that of the target.
template <class T, bool Soft>
struct ClassWeights {
  const T* w;  // may be null
  T smooth, share;

  DLCORE_INLINE vec<T> along_row(const T* q, int64_t c, int64_t i, int64_t lanes) const {
    vec<T> u(smooth);
    if constexpr (Soft) u = fma(vec<T>::load(q + i, lanes), vec<T>(share), u);
    if (w) u = u * vec<T>::load(w + c + i, lanes);
    return u;
  }
  DLCORE_INLINE vec<T> along_column(const T* q, int64_t c, int64_t i, int64_t lanes) const {
    vec<T> u(smooth);
    if constexpr (Soft) u = fma(vec<T>::load(q + i, lanes), vec<T>(share), u);
    return w ? u * vec<T>(w[c]) : u;
  }
};

template <class T, bool Soft>
struct Terms {
  static constexpr int K = Soft ? 2 : 1;
  const ReduceLoops& l;
  const Input<T> (&in)[K];  // x, and q
  const ClassWeights<T, Soft> weights;

  // sum_c u_c (z - x_c), and sum_c u_c
  void sums(const Task& t, const double* z, double* loss, double* total) const {
    for (int64_t o = 0; o < t.width; ++o) loss[o] = total[o] = 0;
    if (!l.columns) {
      walk_rows<T>(l, in, t, [&](int64_t o, const T* const* x, int64_t n, int64_t c) {
        const vec<T> shift(static_cast<T>(z[o]));
        loss[o] += sum_vectors<T>(n, [&](int64_t i, int64_t lanes) {
          const vec<T> u = weights.along_row(x[K - 1], c, i, lanes), d = shift - vec<T>::load(x[0] + i, lanes);
          return first(term(u, d), lanes);
        });
        total[o] += sum_vectors<T>(
            n, [&](int64_t i, int64_t lanes) { return first(weights.along_row(x[K - 1], c, i, lanes), lanes); });
      });
      return;
    }
    T shift[kWidth];
    for (int64_t o = 0; o < t.width; ++o) shift[o] = static_cast<T>(z[o]);
    walk_columns<T, 1>(l, in, t, [&](const T* const(*x)[1], int64_t, int64_t c) {
      T u[kWidth], d[kWidth];
      vectors<T>(t.width, [&](int64_t i, int64_t lanes) {
        const vec<T> v = weights.along_column(x[K - 1][0], c, i, lanes);
        v.store(u + i, lanes);
        term(v, vec<T>::load(shift + i, lanes) - vec<T>::load(x[0][0] + i, lanes)).store(d + i, lanes);
      });
      for (int64_t o = 0; o < t.width; ++o) loss[o] += static_cast<double>(d[o]), total[o] += static_cast<double>(u[o]);
    });
  }

 private:
  // 0 for a class without weight, though its x be -infinity
  static DLCORE_INLINE vec<T> term(vec<T> u, vec<T> d) { return select(u == vec<T>(T(0)), u, u * d); }
  static DLCORE_INLINE vec<T> first(vec<T> v, int64_t lanes) {
    if (lanes == kLanes<T>) return v;
    T part[kLanes<T>];
    v.store(part);
    return vec<T>::load(part, lanes);
  }
};

template <class T, bool Soft>
Terms<T, Soft> terms(const ReduceLoops& l, const Input<T> (&in)[Soft ? 2 : 1], const void* weight, double smoothing) {
  return {l,
          in,
          {static_cast<const T*>(weight), static_cast<T>(smoothing / static_cast<double>(l.count)),
           static_cast<T>(1 - smoothing)}};
}

template <class T, bool Soft>
DLCORE_INLINE auto inputs_of(DType dtype, const void* x, const void* q) {
  if constexpr (Soft)
    return Inputs<T, 2>{{{dtype, x}, {dtype, q}}};
  else
    return Inputs<T, 1>{{{dtype, x}}};
}

template <class T>
DLCORE_INLINE double element(const Input<T>& in, int64_t offset) {
  T buffer;
  return static_cast<double>(*in.read(offset, 1, 1, &buffer));
}

// ---- forward

template <class T, bool Soft>
void cross_entropy_as(const CrossEntropy& a) {
  const ReduceLoops& l = a.loops;
  const int64_t class_step = l.reduced[l.reduced_dims - 1].x;
  const T* w = static_cast<const T*>(a.weight);
  const ExpSum<T> fold{l, {{a.dtype, a.x}}};
  const auto inputs = inputs_of<T, Soft>(a.dtype, a.x, a.probabilities);
  const Terms<T, Soft> beside = terms<T, Soft>(l, inputs.in, a.weight, a.smoothing);

  for_samples(l, a.plan, [&](int64_t block, const Samples& s) {
    const Task& t = s.t;
    double z[kWidth] = {}, loss[kWidth], total[kWidth];
    if (a.logits) {
      typename ExpSum<T>::Accs accs;
      fold.start(accs, t.width);
      l.columns ? fold.columns(t, accs) : fold.rows(t, accs);
      for (int64_t o = 0; o < t.width; ++o)
        z[o] = __builtin_isinf(accs.m[o]) ? accs.m[o] : accs.m[o] + __builtin_log(accs.s[o]);
    }
    if (Soft || a.smoothing > 0)
      beside.sums(t, z, loss, total);
    else
      for (int64_t o = 0; o < t.width; ++o) loss[o] = total[o] = 0;

    double sum = 0, divisor = 0;
    int64_t bad = -1;
    for (int64_t o = 0; o < t.width; ++o) {
      const int64_t number = s.number + o * s.step;
      if constexpr (Soft) {
        divisor += 1;
        a.z[2 * number] = z[o];
        a.z[2 * number + 1] = total[o];
      } else {
        const int64_t c = a.target[number];
        a.z[number] = z[o];
        if (c == a.ignore) {
          loss[o] = 0;
        } else if (c < 0 || c >= l.count) {
          bad = bad < 0 ? number : min(bad, number);
        } else {
          const double weight = w ? static_cast<double>(w[c]) : 1;
          divisor += weight;
          loss[o] += (1 - a.smoothing) * weight * (z[o] - element(fold.in[0], t.at + o * t.step + c * class_step));
        }
      }
      sum += loss[o];
      if (a.reduction == LossReduction::None) write(a.dtype, a.loss, number, 1, 1, loss + o);
    }
    a.partial[2 * block] = sum;
    a.partial[2 * block + 1] = divisor;
    a.bad[block] = bad;
  });

  double sum = 0, divisor = 0;
  for (int64_t block = 0; block < a.plan.blocks; ++block) {
    sum += a.partial[2 * block];
    divisor += a.partial[2 * block + 1];
  }
  *a.divisor = divisor;
  if (a.reduction == LossReduction::Mean) sum /= divisor;
  if (a.reduction != LossReduction::None) write(a.dtype, a.loss, 0, 1, 1, &sum);
}

template <class T>
void cross_entropy_of(const CrossEntropy& a) {
  a.probabilities ? cross_entropy_as<T, true>(a) : cross_entropy_as<T, false>(a);
}
void cross_entropy(const CrossEntropy& a) {
  a.dtype == DType::Float64 ? cross_entropy_of<double>(a) : cross_entropy_of<float>(a);
}

// ---- backward

template <class T, bool Soft>
void cross_entropy_backward_as(const CrossEntropyBackward& a) {
  const ReduceLoops& l = a.loops;
  const Loop &classes = l.reduced[l.reduced_dims - 1], &line = l.kept[l.kept_dims - 1];
  const T* w = static_cast<const T*>(a.weight);
  const double C = static_cast<double>(l.count);
  const auto inputs = inputs_of<T, Soft>(a.dtype, a.x, a.probabilities);
  const ClassWeights<T, Soft> beside{w, static_cast<T>(a.smoothing / C), static_cast<T>(1 - a.smoothing)};
  const Input<T> dy(a.dtype, a.dy);
  double smooth_total = 0;
  for (int64_t c = 0; c < l.count; ++c) smooth_total += a.smoothing / C * (w ? static_cast<double>(w[c]) : 1);

  for_samples(l, a.plan, [&](int64_t, const Samples& s) {
    const Task& t = s.t;
    // Of each sample: z; g a and g, which exp(x - z) and u are multiplied by; g (1 - s), for dq; what the target loses.
    T z[kWidth], of_exp[kWidth], of_u[kWidth], of_q[kWidth];
    double g_of[kWidth], target_of[kWidth];
    for (int64_t o = 0; o < t.width; ++o) {
      const int64_t number = s.number + o * s.step;
      double g = a.scale * element(dy, a.per_sample ? number : 0), total = smooth_total, target = 0;
      if constexpr (Soft) {
        z[o] = static_cast<T>(a.z[2 * number]);
        total = a.z[2 * number + 1];
      } else {
        const int64_t c = a.target[number];
        z[o] = static_cast<T>(a.z[number]);
        if (c == a.ignore) g = 0;
        target = c == a.ignore ? 0 : (1 - a.smoothing) * (w ? static_cast<double>(w[c]) : 1);
      }
      of_exp[o] = static_cast<T>(a.logits ? g * (total + target) : 0);
      of_u[o] = static_cast<T>(g);
      of_q[o] = static_cast<T>(g * (1 - a.smoothing));
      g_of[o] = g;
      target_of[o] = target;
    }

    // One vector of dx or dq, from x and u; 0 where the factor is, whatever x holds.
    const auto slope = [&](vec<T> x, vec<T> shift, vec<T> f, vec<T> g, vec<T> u) {
      const vec<T> zero(T(0));
      return select(f == zero, zero, f * exp(x - shift)) - g * u;
    };
    const auto slope_of_q = [&](vec<T> x, vec<T> shift, vec<T> g, vec<T> weight) { return g * weight * (shift - x); };

    if (!l.columns) {
      T buffer[kBlock];
      walk_rows<T>(l, inputs.in, t, [&](int64_t o, const T* const* x, int64_t n, int64_t c) {
        const int64_t at = t.at + o * t.step + c * classes.x;
        const vec<T> shift(z[o]), f(of_exp[o]), g(of_u[o]), h(of_q[o]);
        const auto emit = [&](void* to, const auto& value) {
          T* out = holds<T>(a.dtype) && classes.x == 1 ? static_cast<T*>(to) + at : buffer;
          vectors<T>(n, [&](int64_t i, int64_t lanes) { value(i, lanes).store(out + i, lanes); });
          if (out == buffer) write(a.dtype, to, at, classes.x, n, out);
        };
        if (a.dx)
          emit(a.dx, [&](int64_t i, int64_t lanes) {
            return slope(vec<T>::load(x[0] + i, lanes), shift, f, g, beside.along_row(x[Soft], c, i, lanes));
          });
        if (a.dq)
          emit(a.dq, [&](int64_t i, int64_t lanes) {
            const vec<T> weight = w ? vec<T>::load(w + c + i, lanes) : vec<T>(T(1));
            return slope_of_q(vec<T>::load(x[0] + i, lanes), shift, h, weight);
          });
      });
    } else {
      T buffer[kWidth];
      walk_columns<T, 1>(l, inputs.in, t, [&](const T* const(*x)[1], int64_t, int64_t c) {
        const int64_t at = t.at + c * classes.x;
        const auto emit = [&](void* to, const auto& value) {
          T* out = holds<T>(a.dtype) && line.x == 1 ? static_cast<T*>(to) + at : buffer;
          vectors<T>(t.width, [&](int64_t i, int64_t lanes) { value(i, lanes).store(out + i, lanes); });
          if (out == buffer) write(a.dtype, to, at, line.x, t.width, out);
        };
        if (a.dx)
          emit(a.dx, [&](int64_t i, int64_t lanes) {
            return slope(vec<T>::load(x[0][0] + i, lanes), vec<T>::load(z + i, lanes), vec<T>::load(of_exp + i, lanes),
                         vec<T>::load(of_u + i, lanes), beside.along_column(x[Soft][0], c, i, lanes));
          });
        if (a.dq)
          emit(a.dq, [&](int64_t i, int64_t lanes) {
            return slope_of_q(vec<T>::load(x[0][0] + i, lanes), vec<T>::load(z + i, lanes),
                              vec<T>::load(of_q + i, lanes), vec<T>(w ? w[c] : T(1)));
          });
      });
    }
    // The target's own: its two terms may cancel, so they are joined in float64.
    if constexpr (!Soft) {
      for (int64_t o = 0; o < t.width; ++o) {
        if (target_of[o] == 0) continue;
        const int64_t number = s.number + o * s.step, c = a.target[number], at = t.at + o * t.step + c * classes.x;
        const double p = a.logits ? __builtin_exp(element(inputs.in[0], at) - a.z[number]) : 0;
        const double u = a.smoothing / C * (w ? static_cast<double>(w[c]) : 1) + target_of[o];
        const double v = g_of[o] * ((smooth_total + target_of[o]) * p - u);
        write(a.dtype, a.dx, at, 1, 1, &v);
      }
    }
  });
}

template <class T>
void cross_entropy_backward_of(const CrossEntropyBackward& a) {
  a.probabilities ? cross_entropy_backward_as<T, true>(a) : cross_entropy_backward_as<T, false>(a);
}
void cross_entropy_backward(const CrossEntropyBackward& a) {
  a.dtype == DType::Float64 ? cross_entropy_backward_of<double>(a) : cross_entropy_backward_of<float>(a);
}

}  // namespace

void fill_loss(KernelTable& t) {
  t.cross_entropy = cross_entropy;
  t.cross_entropy_backward = cross_entropy_backward;
}

}  // namespace dlcore::kernel::DLCORE_TIER
