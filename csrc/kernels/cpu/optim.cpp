// Optimizer steps (kernels/optim.h). A rule is the formula for one vector of elements; `sweep` is the only loop.
#include "kernels/optim.h"

#include "core/half.h"
#include "core/parallel.h"
#include "kernels/cpu/fetch.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// A number of the step in every lane.
template <class V>
struct all : V {
  DLCORE_INLINE all(double x) : V(static_cast<typename V::scalar>(x)) {}
};

template <class V>
struct Moments {
  all<V> fresh1, beta2, fresh2;
  DLCORE_INLINE void operator()(V g, V& m, V& v) const {
    m = m + fresh1 * (g - m);
    v = beta2 * v + fresh2 * g * g;
  }
};
template <class V, class Options>
DLCORE_INLINE Moments<V> moments(const Options& o) {
  return {1 - o.beta1, o.beta2, 1 - o.beta2};
}

// ---- rules: they change p and the state s, given g. `has[j]` says whether s[j] is there.

template <class V, class Options>
struct Rule;

template <class V>
struct Rule<V, Sgd> {
  all<V> lr, momentum, fresh;
  bool nesterov, first_step;
  DLCORE_INLINE Rule(const Sgd& o, const OptimPiece&)
      : lr(o.lr), momentum(o.momentum), fresh(1 - o.dampening), nesterov(o.nesterov), first_step(o.first_step) {}
  DLCORE_INLINE void operator()(V& p, V g, V* s, const bool* has) const {
    V d = g;
    if (has[0]) {
      s[0] = first_step ? g : momentum * s[0] + fresh * g;
      d = nesterov ? g + momentum * s[0] : s[0];
    }
    p = p - lr * d;
  }
};

template <class V>
struct Rule<V, Adam> {
  Moments<V> moments;
  all<V> step, scale, eps;
  DLCORE_INLINE Rule(const Adam& o, const OptimPiece& piece)
      : moments(DLCORE_TIER::moments<V>(o)), step(piece.factors[0]), scale(piece.factors[1]), eps(o.eps) {}
  DLCORE_INLINE void operator()(V& p, V g, V* s, const bool* has) const {
    moments(g, s[0], s[1]);
    if (has[2]) s[2] = max(s[2], s[1]);
    const V v = has[2] ? s[2] : s[1];
    p = p - step * s[0] / (sqrt(v) * scale + eps);
  }
};

template <class V>
struct Rule<V, NAdam> {
  Moments<V> moments;
  all<V> step_g, step_m, scale, eps;
  DLCORE_INLINE Rule(const NAdam& o, const OptimPiece& piece)
      : moments(DLCORE_TIER::moments<V>(o)),
        step_g(piece.factors[0]),
        step_m(piece.factors[1]),
        scale(piece.factors[2]),
        eps(o.eps) {}
  DLCORE_INLINE void operator()(V& p, V g, V* s, const bool*) const {
    moments(g, s[0], s[1]);
    p = p - (step_g * g + step_m * s[0]) / (sqrt(s[1]) * scale + eps);
  }
};

template <class V>
struct Rule<V, RAdam> {
  Moments<V> moments;
  all<V> step, scale, eps;
  bool adaptive;
  DLCORE_INLINE Rule(const RAdam& o, const OptimPiece& piece)
      : moments(DLCORE_TIER::moments<V>(o)),
        step(piece.factors[0]),
        scale(piece.factors[1]),
        eps(o.eps),
        adaptive(piece.factors[1] != 0) {}
  DLCORE_INLINE void operator()(V& p, V g, V* s, const bool*) const {
    moments(g, s[0], s[1]);
    const V d = step * s[0];
    p = p - (adaptive ? d * scale / (sqrt(s[1]) + eps) : d);
  }
};

template <class V>
struct Rule<V, Adamax> {
  all<V> fresh1, beta2, step, eps;
  DLCORE_INLINE Rule(const Adamax& o, const OptimPiece& piece)
      : fresh1(1 - o.beta1), beta2(o.beta2), step(piece.factors[0]), eps(o.eps) {}
  DLCORE_INLINE void operator()(V& p, V g, V* s, const bool*) const {
    s[0] = s[0] + fresh1 * (g - s[0]);
    s[1] = max(beta2 * s[1], abs(g) + eps);
    p = p - step * s[0] / s[1];
  }
};

template <class V>
struct Rule<V, Adagrad> {
  all<V> step, eps;
  DLCORE_INLINE Rule(const Adagrad& o, const OptimPiece& piece) : step(piece.factors[0]), eps(o.eps) {}
  DLCORE_INLINE void operator()(V& p, V g, V* s, const bool*) const {
    s[0] = s[0] + g * g;
    p = p - step * g / (sqrt(s[0]) + eps);
  }
};

template <class V>
struct Rule<V, RmsProp> {
  all<V> lr, alpha, fresh, eps, momentum;
  DLCORE_INLINE Rule(const RmsProp& o, const OptimPiece&)
      : lr(o.lr), alpha(o.alpha), fresh(1 - o.alpha), eps(o.eps), momentum(o.momentum) {}
  DLCORE_INLINE void operator()(V& p, V g, V* s, const bool* has) const {
    s[0] = alpha * s[0] + fresh * g * g;
    V variance = s[0];
    if (has[2]) {
      s[2] = s[2] + fresh * (g - s[2]);
      variance = variance - s[2] * s[2];
    }
    V d = g / (sqrt(variance) + eps);
    if (has[1]) d = s[1] = momentum * s[1] + d;
    p = p - lr * d;
  }
};

template <class V>
struct Rule<V, Adadelta> {
  all<V> lr, rho, fresh, eps;
  DLCORE_INLINE Rule(const Adadelta& o, const OptimPiece&) : lr(o.lr), rho(o.rho), fresh(1 - o.rho), eps(o.eps) {}
  DLCORE_INLINE void operator()(V& p, V g, V* s, const bool*) const {
    s[0] = rho * s[0] + fresh * g * g;
    const V d = sqrt(s[1] + eps) / sqrt(s[0] + eps) * g;
    s[1] = rho * s[1] + fresh * d * d;
    p = p - lr * d;
  }
};

template <class V>
struct Rule<V, Lion> {
  all<V> lr, beta1, fresh1, beta2, fresh2;
  DLCORE_INLINE Rule(const Lion& o, const OptimPiece&)
      : lr(o.lr), beta1(o.beta1), fresh1(1 - o.beta1), beta2(o.beta2), fresh2(1 - o.beta2) {}
  DLCORE_INLINE void operator()(V& p, V g, V* s, const bool*) const {
    const V d = beta1 * s[0] + fresh1 * g;
    p = p - select(d == V(0), d, copysign(static_cast<V>(lr), d));
    s[0] = beta2 * s[0] + fresh2 * g;
  }
};

template <class V>
struct Rule<V, Scale> {
  all<V> factor;
  DLCORE_INLINE Rule(const Scale& o, const OptimPiece&) : factor(o.factor) {}
  DLCORE_INLINE void operator()(V& p, V, V*, const bool*) const { p = factor * p; }
};

template <class V>
struct Rule<V, Clamp> {
  all<V> low, high;
  DLCORE_INLINE Rule(const Clamp& o, const OptimPiece&) : low(o.low), high(o.high) {}
  DLCORE_INLINE void operator()(V& p, V, V*, const bool*) const {
    p = min(high, max(low, p));  // NaN stays
  }
};

// ---- the loop

constexpr int kArrays = 2 + kMostState;  // parameters, gradients, state
constexpr int64_t kFetchAhead = 2048;    // bytes: up to five arrays are more than the processor fetches ahead by itself

// Pointers to a piece's arrays; a null one is passed over.
template <class T>
struct Arrays {
  T* x[kArrays];
};

template <bool kDecay, class T, class R>
void sweep(const OptimPass& pass, const R& rule, int64_t n, const Arrays<T>& a) {
  using V = vec<T>;
  const all<V> keep(pass.keep), sign(pass.maximize ? -1 : 1), decay(pass.weight_decay);
  T *const p = a.x[0], *const dp = a.x[1];
  bool has[kMostState];
  for (int j = 0; j < kMostState; ++j) has[j] = a.x[2 + j] != nullptr;
  constexpr int64_t kAhead = kFetchAhead / static_cast<int64_t>(sizeof(T));
  const bool ahead = n > kAhead;
  for (int64_t i = 0; i < n; i += V::size) {
    const int64_t lanes = n - i < V::size ? n - i : V::size;
    if (ahead)
      for (int j = 0; j < kArrays; ++j)
        if (a.x[j]) j == 1 ? fetch(a.x[j] + i + kAhead) : fetch_to_write(a.x[j] + i + kAhead);
    V x = keep * V::load(p + i, lanes), g(T(0)), s[kMostState];
    if (dp) g = sign * V::load(dp + i, lanes);
    if (kDecay) g = g + decay * x;
#pragma GCC unroll 4
    for (int j = 0; j < kMostState; ++j) s[j] = has[j] ? V::load(a.x[2 + j] + i, lanes) : V(T(0));
    rule(x, g, s, has);
    x.store(p + i, lanes);
#pragma GCC unroll 4
    for (int j = 0; j < kMostState; ++j)
      if (has[j]) s[j].store(a.x[2 + j] + i, lanes);
  }
}

// Without weight decay 0 * p must not make a NaN of an infinite p.
template <class T, class Options>
void run(const OptimPass& pass, const Options& options, const OptimPiece& piece, int64_t n, const Arrays<T>& a) {
  const Rule<vec<T>, Options> rule(options, piece);
  pass.weight_decay != 0 ? sweep<true>(pass, rule, n, a) : sweep<false>(pass, rule, n, a);
}

template <class T>
Arrays<T> arrays(const OptimPiece& piece) {
  Arrays<T> a = {{static_cast<T*>(piece.p), static_cast<T*>(const_cast<void*>(piece.dp))}};
  for (int j = 0; j < kMostState; ++j) a.x[2 + j] = static_cast<T*>(piece.state[j]);
  return a;
}

// bfloat16 and float16 are computed in float32, a block at a time: f(n, arrays) gets every block.
template <class F>
void in_float(const OptimPiece& piece, float (*widen)(uint16_t), uint16_t (*narrow)(float), const F& f) {
  constexpr int64_t kBlock = 256;
  const Arrays<uint16_t> a = arrays<uint16_t>(piece);
  float buffer[kArrays][kBlock];
  Arrays<float> wide;
  for (int64_t i = 0; i < piece.n; i += kBlock) {
    const int64_t n = piece.n - i < kBlock ? piece.n - i : kBlock;
    for (int j = 0; j < kArrays; ++j) {
      wide.x[j] = a.x[j] ? buffer[j] : nullptr;
      for (int64_t l = 0; l < n && a.x[j]; ++l) buffer[j][l] = widen(a.x[j][i + l]);
    }
    f(n, wide);
    for (int j = 0; j < kArrays; ++j)
      for (int64_t l = 0; l < n && a.x[j] && j != 1; ++l) a.x[j][i + l] = narrow(buffer[j][l]);
  }
}

// f(n, arrays) for the elements of a piece, as float or double.
template <class F>
void with_elements(DType dtype, const OptimPiece& piece, const F& f) {
  switch (dtype) {
    case DType::Float64:
      return f(piece.n, arrays<double>(piece));
    case DType::BFloat16:
      return in_float(piece, bf16_to_float, float_to_bf16, f);
    case DType::Float16:
      return in_float(piece, fp16_to_float, float_to_fp16, f);
    default:
      return f(piece.n, arrays<float>(piece));
  }
}

template <class Options>
void step(const OptimPass& pass, const Options& options) {
  parallel_for(pass.num_chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = pass.chunks[begin]; i < pass.chunks[end]; ++i)
      with_elements(pass.dtype, pass.pieces[i],
                    [&](int64_t n, const auto& a) { run(pass, options, pass.pieces[i], n, a); });
  });
}

// ---- norms

template <class V>
DLCORE_INLINE V larger(V a, V b) {  // NaN where one is
  return select((b > a) | (b != b), b, a);
}

// Blocks are short enough for float sums; their sums are added as doubles.
template <class T>
double norm_of(Norm norm, int64_t n, const T* x) {
  using V = vec<T>;
  constexpr int64_t kBlock = 64 * V::size;
  double total = 0;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t end = n - i < kBlock ? n : i + kBlock;
    V sum(T(0));
    for (int64_t j = i; j < end; j += V::size) {
      const V v = V::load(x + j, end - j);
      sum = norm == Norm::Two ? sum + v * v : norm == Norm::One ? sum + abs(v) : larger(sum, abs(v));
    }
    if (norm != Norm::Max) {
      total += static_cast<double>(sum_lanes(sum));
      continue;
    }
    for (int l = 0; l < V::size; ++l) total = larger(vec<double>(total), vec<double>(static_cast<double>(sum[l])))[0];
  }
  return total;
}

void norms(const OptimPass& pass, Norm norm, double* of_chunk) {
  parallel_for(pass.num_chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      double total = 0;
      for (int64_t i = pass.chunks[chunk]; i < pass.chunks[chunk + 1]; ++i)
        with_elements(pass.dtype, pass.pieces[i], [&](int64_t n, const auto& a) {
          const double more = norm_of(norm, n, a.x[1]);
          total = norm != Norm::Max ? total + more : more > total || more != more ? more : total;
        });
      of_chunk[chunk] = total;
    }
  });
}

}  // namespace

void fill_optim(KernelTable& t) {
  t.sgd_step = step<Sgd>;
  t.adam_step = step<Adam>;
  t.nadam_step = step<NAdam>;
  t.radam_step = step<RAdam>;
  t.adamax_step = step<Adamax>;
  t.adagrad_step = step<Adagrad>;
  t.rmsprop_step = step<RmsProp>;
  t.adadelta_step = step<Adadelta>;
  t.lion_step = step<Lion>;
  t.scale_all = step<Scale>;
  t.clamp_all = step<Clamp>;
  t.norm_of_chunks = norms;
}

}  // namespace dlcore::kernel::DLCORE_TIER
