// Batch, group and instance normalization (kernels/norm.h). Both walks over images (norm_walk.h) share coefficients per
// channel,
//
//   forward   y  = (x - m) a + b
//   backward  dx = p dy + q (x - m) + r
//
// with m the mean as T holds it, and what that rounding lost inside b and r.
#include <limits>

#include "kernels/cpu/norm_walk.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/cpu/stream.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// Two numbers in float64 for each of a segment's channels (or for the segment), chunk by chunk, and room for a third
// one while they are found; joined, they are where chunk 0 had its own.
struct Partial {
  double* at;
  int64_t width, chunks;
  Partial(Arena& arena, const Cut& cut, int64_t width)
      : at(arena.take<double>(3 * width * cut.segments * cut.chunks)), width(width), chunks(cut.chunks) {}
  double* first(int64_t segment, int64_t chunk) const { return at + (segment * chunks + chunk) * 3 * width; }
  double* second(int64_t segment, int64_t chunk) const { return first(segment, chunk) + width; }
  double* third(int64_t segment, int64_t chunk) const { return second(segment, chunk) + width; }
  double joined(int which, int64_t i) const { return first(i / width, 0)[which * width + i % width]; }
  // use(segment, from, to) for the parts of [begin, end) in each segment
  template <class F>
  void each_segment(int64_t begin, int64_t end, const F& use) const {
    for (int64_t i = begin, n; i < end; i += n) {
      const int64_t from = i % width;
      n = least(width - from, end - i);
      use(i / width, from, from + n);
    }
  }
};

template <class T>
struct Arrays {
  T* at[4];
  Arrays(Arena& arena, int count, int64_t entries) : at{} {
    for (int i = 0; i < count; ++i) at[i] = arena.take<T>(entries);
  }
};

// ---- forward

template <class T>
struct Affine {
  vec<T> m, a, b;
  DLCORE_INLINE vec<T> operator()(vec<T> x) const { return fma(x - m, a, b); }
};

template <class T>
struct AffineArrays {
  const T *m, *a, *b;
  DLCORE_INLINE Affine<T> load(int64_t e, int64_t lanes) const {
    return {vec<T>::load(m + e, lanes), vec<T>::load(a + e, lanes), vec<T>::load(b + e, lanes)};
  }
  DLCORE_INLINE Affine<T> repeat(int64_t e) const { return {vec<T>(m[e]), vec<T>(a[e]), vec<T>(b[e])}; }
};

// relu and relu6 differ in their ceiling; nothing compares with relu's.
template <class T>
T ceiling_of(Activation act) {
  return act == Activation::Relu6 ? T(6) : std::numeric_limits<T>::quiet_NaN();
}

// Whether y or dx is streamed.
template <class T>
bool streams_result(const ChannelNorm& g, const void* y) {
  return whole_vectors(static_cast<const T*>(y), g.channels_last ? g.channels : g.places) &&
         streams(g.numel() * int64_t{sizeof(T)});
}

template <class T, bool Residual, bool Clamped>
struct Forward : AffineArrays<T> {
  using V = vec<T>;
  using K = Affine<T>;
  const T *x, *residual;
  T* y;
  T ceiling;
  bool past;

  DLCORE_INLINE void map(const K& k, int64_t at, int64_t lanes) const {
    V v = k(V::load(x + at, lanes));
    if constexpr (Residual) v += V::load(residual + at, lanes);
    if constexpr (Clamped) {
      v = select(v < V(T(0)), V(T(0)), v);
      v = select(v > V(ceiling), V(ceiling), v);
    }
    past ? stream(y + at, v) : v.store(y + at, lanes);
  }
};

template <class T>
void affine(const ChannelNorm& g, const double* mean, const double* var, const void* weight, const void* bias,
            int64_t begin, int64_t end, T* const* k) {
  for (int64_t e = begin; e < end; ++e) {
    const int64_t c = e % g.channels, stat = e / g.group;
    const double a = inverse_root(var[stat], g.eps) * value<T>(weight, c, 1);
    k[0][e] = static_cast<T>(mean[stat]);
    k[1][e] = static_cast<T>(a);
    k[2][e] = static_cast<T>(value<T>(bias, c, 0) - (mean[stat] - static_cast<double>(k[0][e])) * a);
  }
}

template <class T, template <class> class Walk>
struct ForwardPlan {
  const ChannelNorm& g;
  Walk<T> walk;
  Arena arena;
  Partial partial;
  Arrays<T> k;

  ForwardPlan(const ChannelNorm& g, void* workspace)
      : g(g),
        walk(g, 1),
        arena{static_cast<char*>(workspace)},
        partial(arena, walk.cut, Walk<T>::kMomentsByEntry ? walk.entries : 1),
        k(arena, 3, g.entries()) {}

  // Statistics [begin, end) from what the chunks found, and from what each of their channels did.
  void join(const ChannelNormForward& a, int64_t begin, int64_t end) const {
    const Cut& cut = walk.cut;
    const int64_t parts = Walk<T>::kMomentsByEntry ? g.group : 1;
    partial.each_segment(begin * parts, end * parts, [&](int64_t segment, int64_t from, int64_t to) {
      double *mean = partial.first(segment, 0), *m2 = partial.second(segment, 0);
      for (int64_t c = 1; c < cut.chunks; ++c)
        join_moments(mean + from, m2 + from, partial.first(segment, c) + from, partial.second(segment, c) + from,
                     to - from, c * cut.chunk, least(cut.chunk, cut.units - c * cut.chunk));
      for (int64_t j = from; j < to; j += parts) {
        for (int64_t p = 1; p < parts; ++p)
          join_moments(mean[j], m2[j], mean[j + p], m2[j + p], p * cut.units, cut.units);
        const int64_t stat = (segment * partial.width + j) / parts;
        a.mean[stat] = mean[j];
        a.var[stat] = m2[j] < 0 ? 0 : m2[j] / static_cast<double>(g.count());
      }
    });
  }

  void run(const ChannelNormForward& a, const ChunkPass& map) const {
    const Cut& cut = walk.cut;
    const auto moments = [&](int64_t segment, int64_t chunk, int64_t begin, int64_t end) {
      walk.moments(static_cast<const T*>(a.x), segment, begin, end, partial.first(segment, chunk),
                   partial.second(segment, chunk), reinterpret_cast<T*>(partial.third(segment, chunk)));
    };
    const auto prepare = [&](int64_t begin, int64_t end) {
      if (!g.given) join(a, begin, end);
      affine(g, a.mean, a.var, a.weight, a.bias, begin * g.group, end * g.group, k.at);
    };
    if (cut.whole) {
      const int64_t stats = g.stats() / cut.segments;
      cut.each_chunk(false, [&](int64_t segment, int64_t chunk, int64_t begin, int64_t end) {
        if (!g.given) moments(segment, chunk, begin, end);
        prepare(segment * stats, (segment + 1) * stats);
        map(segment, chunk, begin, end);
      });
      return;
    }
    if (!g.given) cut.each_chunk(false, moments);
    parallel_for(g.stats(), most<int64_t>(1, (1 << 14) / (cut.chunks * g.group)), prepare);
    cut.each_chunk(!g.given, map);
  }

  void run(const ChannelNormForward& a) const {
    choose(a.residual != nullptr, [&](auto residual) {
      choose(g.activation != Activation::None, [&](auto clamped) {
        const Forward<T, residual.value, clamped.value> op{
            {k.at[0], k.at[1], k.at[2]}, static_cast<const T*>(a.x),  static_cast<const T*>(a.residual),
            static_cast<T*>(a.y),        ceiling_of<T>(g.activation), streams_result<T>(g, a.y)};
        run(a, [&](int64_t segment, int64_t, int64_t begin, int64_t end) {
          walk.map(op, segment, begin, end);
          if (op.past) stream_fence();
        });
      });
    });
  }
};

// ---- backward

// Where the activation let nothing through, there is no gradient: whether it did comes from x, by the forward's own
// arithmetic, or from the result where more than x went into it.
enum class Open { Always, FromX, FromY };

template <class T, Open O>
struct Gradient {
  using V = vec<T>;
  AffineArrays<T> affine;
  const T *x, *dy, *y;
  T ceiling;

  DLCORE_INLINE V load(const Affine<T>& k, V vx, int64_t at, int64_t lanes) const {
    const V d = V::load(dy + at, lanes);
    if constexpr (O == Open::Always) return d;
    const V v = O == Open::FromX ? k(vx) : V::load(y + at, lanes);
    return select(v <= V(T(0)), V(T(0)), select(v >= V(ceiling), V(T(0)), d));
  }
};

// sum dy, sum dy (x - m); writes the gradient that reaches the residual
template <class T, Open O>
struct BackwardSums : Gradient<T, O> {
  using V = vec<T>;
  using K = Affine<T>;
  T* dresidual;

  DLCORE_INLINE K load(int64_t e, int64_t lanes) const { return this->affine.load(e, lanes); }
  DLCORE_INLINE K repeat(int64_t e) const { return this->affine.repeat(e); }
  DLCORE_INLINE void add(const K& k, int64_t at, int64_t lanes, V& a, V& b) const {
    const V x = V::load(this->x + at, lanes), d = Gradient<T, O>::load(k, x, at, lanes);
    a += d;
    b = fma(d, x - k.m, b);
    if constexpr (O == Open::FromY)
      if (dresidual) d.store(dresidual + at, lanes);
  }
};

// dx = p dy + q (x - m) + r, or p dy
template <class T, Open O, bool Given>
struct BackwardMap : Gradient<T, O> {
  using V = vec<T>;
  struct K {
    Affine<T> affine;
    V p, q, r;
  };
  const T *p, *q, *r;
  T* dx;
  bool past;

  DLCORE_INLINE K load(int64_t e, int64_t lanes) const {
    return {this->affine.load(e, lanes), V::load(p + e, lanes), V::load(q + e, lanes), V::load(r + e, lanes)};
  }
  DLCORE_INLINE K repeat(int64_t e) const { return {this->affine.repeat(e), V(p[e]), V(q[e]), V(r[e])}; }
  DLCORE_INLINE void map(const K& k, int64_t at, int64_t lanes) const {
    const V x = Given && O != Open::FromX ? V(T(0)) : V::load(this->x + at, lanes);
    const V d = Gradient<T, O>::load(k.affine, x, at, lanes);
    const V v = Given ? d * k.p : fma(d, k.p, fma(x - k.affine.m, k.q, k.r));
    past ? stream(dx + at, v) : v.store(dx + at, lanes);
  }
};

template <class T, template <class> class Walk>
struct BackwardPlan {
  const ChannelNorm& g;
  Walk<T> walk;
  Arena arena;
  Partial partial;
  Arrays<T> k, l;

  BackwardPlan(const ChannelNorm& g, void* workspace)
      : g(g),
        walk(g, 2),
        arena{static_cast<char*>(workspace)},
        partial(arena, walk.cut, walk.entries),
        k(arena, 3, g.entries()),
        l(arena, 3, g.entries()) {}

  // Sums of statistics [begin, end), and p, q, r of their channels.
  void join(const ChannelNormBackward& a, int64_t begin, int64_t end) const {
    partial.each_segment(begin * g.group, end * g.group, [&](int64_t segment, int64_t from, int64_t to) {
      double *s = partial.first(segment, 0), *t = partial.second(segment, 0);
      for (int64_t c = 1; c < partial.chunks; ++c) {
        const double *s_c = partial.first(segment, c), *t_c = partial.second(segment, c);
        for (int64_t j = from; j < to; ++j) s[j] += s_c[j];
        for (int64_t j = from; j < to; ++j) t[j] += t_c[j];
      }
      for (int64_t j = from; j < to; ++j) {  // deviations from m become those from the mean
        const int64_t e = segment * partial.width + j;
        t[j] += (static_cast<double>(k.at[0][e]) - a.mean[e / g.group]) * s[j];
      }
    });
  }

  void coefficients(const ChannelNormBackward& a, int64_t begin, int64_t end) const {
    for (int64_t stat = begin; stat < end; ++stat) {
      const double rstd = inverse_root(a.var[stat], g.eps);
      double s = 0, t = 0;
      for (int64_t e = stat * g.group; e < (stat + 1) * g.group && !g.given; ++e) {
        const double w = value<T>(a.weight, e % g.channels, 1);
        s += w * partial.joined(0, e);
        t += w * partial.joined(1, e);
      }
      const double n = static_cast<double>(g.count()), q = -rstd * rstd * rstd * t / n;
      for (int64_t e = stat * g.group; e < (stat + 1) * g.group; ++e) {
        l.at[0][e] = static_cast<T>(rstd * value<T>(a.weight, e % g.channels, 1));
        l.at[1][e] = static_cast<T>(q);
        l.at[2][e] = static_cast<T>((static_cast<double>(k.at[0][e]) - a.mean[stat]) * q - rstd * s / n);
      }
    }
  }

  void parameters(const ChannelNormBackward& a) const {
    const int64_t images = g.entries() / g.channels;
    T *dweight = static_cast<T*>(a.dweight), *dbias = static_cast<T*>(a.dbias);
    parallel_for(g.channels, most<int64_t>(1, (1 << 12) / images), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        double s = 0, t = 0;
        for (int64_t e = c; e < g.entries(); e += g.channels) {
          s += partial.joined(0, e);
          t += partial.joined(1, e) * inverse_root(a.var[e / g.group], g.eps);
        }
        if (dbias) dbias[c] = static_cast<T>(s);
        if (dweight) dweight[c] = static_cast<T>(t);
      }
    });
  }

  void run(const ChannelNormBackward& a, const ChunkPass& sums, const ChunkPass& map) const {
    const Cut& cut = walk.cut;
    const bool sum = !g.given || a.dweight || a.dbias || a.dresidual;
    const auto before = [&](int64_t begin, int64_t end) {
      affine(g, a.mean, a.var, a.weight, a.bias, begin * g.group, end * g.group, k.at);
    };
    const auto prepare = [&](int64_t begin, int64_t end) {
      if (sum) join(a, begin, end);
      coefficients(a, begin, end);
    };
    if (cut.whole) {
      const int64_t stats = g.stats() / cut.segments;
      cut.each_chunk(false, [&](int64_t segment, int64_t chunk, int64_t begin, int64_t end) {
        before(segment * stats, (segment + 1) * stats);
        if (sum) sums(segment, chunk, begin, end);
        prepare(segment * stats, (segment + 1) * stats);
        if (a.dx) map(segment, chunk, begin, end);
      });
    } else {
      before(0, g.stats());
      if (sum) cut.each_chunk(false, sums);
      parallel_for(g.stats(), most<int64_t>(1, (1 << 14) / (cut.chunks * g.group)), prepare);
      if (a.dx) cut.each_chunk(sum, map);
    }
    if (a.dweight || a.dbias) parameters(a);
  }

  template <Open O>
  void run_open(const ChannelNormBackward& a) const {
    const AffineArrays<T> affine{k.at[0], k.at[1], k.at[2]};
    const T *x = static_cast<const T*>(a.x), *dy = static_cast<const T*>(a.dy), *y = static_cast<const T*>(a.y);
    T *dx = static_cast<T*>(a.dx), *dresidual = static_cast<T*>(a.dresidual);
    const T ceiling = ceiling_of<T>(g.activation);
    const BackwardSums<T, O> op{{affine, x, dy, y, ceiling}, dresidual};
    const auto sums = [&](int64_t segment, int64_t chunk, int64_t begin, int64_t end) {
      walk.sums(op, segment, begin, end, partial.first(segment, chunk), partial.second(segment, chunk));
    };
    choose(g.given, [&](auto given) {
      const auto run_map = [&](const auto& op) {
        run(a, sums, [&](int64_t segment, int64_t, int64_t begin, int64_t end) {
          walk.map(op, segment, begin, end);
          if (op.past) stream_fence();
        });
      };
      const bool past = streams_result<T>(g, dx);
      if (O == Open::FromY && dresidual)  // the first pass leaves there what the second one needs
        run_map(BackwardMap<T, Open::Always, given.value>{
            {affine, x, dresidual, y, ceiling}, l.at[0], l.at[1], l.at[2], dx, past});
      else
        run_map(BackwardMap<T, O, given.value>{{affine, x, dy, y, ceiling}, l.at[0], l.at[1], l.at[2], dx, past});
    });
  }
  void run(const ChannelNormBackward& a) const {
    if (g.activation == Activation::None) return run_open<Open::Always>(a);
    a.y ? run_open<Open::FromY>(a) : run_open<Open::FromX>(a);
  }
};

// use(plan) for g's dtype and layout.
template <template <class, template <class> class> class Plan, class F>
void with_plan(const ChannelNorm& g, void* workspace, const F& use) {
  if (g.dtype == DType::Float64)
    g.channels_last ? use(Plan<double, Rows>(g, workspace)) : use(Plan<double, Planes>(g, workspace));
  else
    g.channels_last ? use(Plan<float, Rows>(g, workspace)) : use(Plan<float, Planes>(g, workspace));
}

int64_t channel_norm_workspace(const ChannelNorm& g, bool backward) {
  int64_t bytes = 0;
  const auto measure = [&](const auto& plan) { bytes = plan.arena.used; };
  backward ? with_plan<BackwardPlan>(g, nullptr, measure) : with_plan<ForwardPlan>(g, nullptr, measure);
  return bytes;
}

void channel_norm_forward(const ChannelNorm& g, const ChannelNormForward& a, void* workspace) {
  with_plan<ForwardPlan>(g, workspace, [&](const auto& plan) { plan.run(a); });
}

void channel_norm_backward(const ChannelNorm& g, const ChannelNormBackward& a, void* workspace) {
  with_plan<BackwardPlan>(g, workspace, [&](const auto& plan) { plan.run(a); });
}

// ---- running statistics

template <class T>
void update(const RunningStatistics& a, void* running, const double* statistic, double scale) {
  T* r = static_cast<T*>(running);
  for (int64_t c = 0; c < a.channels; ++c) {
    double sum = 0;
    for (int64_t i = 0; i < a.images; ++i) sum += statistic[i * a.channels + c];
    const double fresh = sum * scale / static_cast<double>(a.images);
    r[c] = static_cast<T>((1 - a.momentum) * static_cast<double>(r[c]) + a.momentum * fresh);
  }
}

void running_statistics(const RunningStatistics& a) {
  const auto both = [&](auto update) {
    if (a.running_mean) update(a, a.running_mean, a.mean, 1.0);
    if (a.running_var) update(a, a.running_var, a.var, a.unbias);
  };
  a.dtype == DType::Float64 ? both(update<double>) : both(update<float>);
}

}  // namespace

void fill_norm_channel(KernelTable& t) {
  t.channel_norm_workspace = channel_norm_workspace;
  t.channel_norm_forward = channel_norm_forward;
  t.channel_norm_backward = channel_norm_backward;
  t.running_statistics = running_statistics;
}

}  // namespace dlcore::kernel::DLCORE_TIER
