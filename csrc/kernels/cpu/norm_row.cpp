// Layer and root mean square normalization (kernels/norm.h): a row's statistics and its results in one go, from the
// cache. The gradients of the parameters are summed over blocks of rows, then over a chunk's blocks, then over chunks.
#include "kernels/cpu/norm.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/cpu/stream.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kChunk = 1 << 14, kChunks = 64, kBlockRows = 8;

// x^ = (x - mean) rstd as (x - m) r + lost, with m the mean as T holds it.
template <class T, bool Centered>
struct Normal {
  using V = vec<T>;
  V m, r, lost;

  Normal() = default;
  DLCORE_INLINE Normal(double mean, double rstd)
      : m(static_cast<T>(Centered ? mean : 0)),
        r(static_cast<T>(rstd)),
        lost(static_cast<T>(Centered ? (static_cast<double>(m[0]) - mean) * rstd : 0)) {}
  DLCORE_INLINE V operator()(V x) const {
    if constexpr (Centered) return fma(x - m, r, lost);
    return x * r;
  }
};

// ---- forward

// Mean and variance of a row, or 0 and its mean square.
template <class T, bool Centered>
DLCORE_INLINE void row_moments(const T* x, int64_t n, double& mean, double& var) {
  double m2 = 0;
  mean = 0;
  for (int64_t i = 0; i < n; i += kNormBlock) {
    const int64_t size = least(kNormBlock, n - i);
    if constexpr (Centered) {
      join_runs(mean, m2, i, x, size, [&](const auto& use) { use(i, size); });
    } else {
      using V = vec<T>;
      V q[4] = {V(T(0)), V(T(0)), V(T(0)), V(T(0))};
      vectors4<V::size>(size, [&](int u, int64_t j, int64_t lanes) {
        const V v = V::load(x + i + j, lanes);
        q[u] = fma(v, v, q[u]);
      });
      m2 += sum4(q);
    }
  }
  var = (m2 < 0 ? 0 : m2) / static_cast<double>(n);
}

template <class T, bool Centered, bool Weight, bool Bias>
[[gnu::flatten]] void forward_rows(const RowNorm& g, const RowNormForward& a, int64_t begin, int64_t end) {
  using V = vec<T>;
  const T *weight = static_cast<const T*>(a.weight), *bias = static_cast<const T*>(a.bias);
  const bool past = whole_vectors(static_cast<const T*>(a.y), g.n) && streams(g.rows * g.n * int64_t{sizeof(T)});
  for (int64_t row = begin; row < end; ++row) {
    const T* x = static_cast<const T*>(a.x) + row * g.n;
    T* y = static_cast<T*>(a.y) + row * g.n;
    double mean, var;
    row_moments<T, Centered>(x, g.n, mean, var);
    const double rstd = inverse_root(var, g.eps);
    const Normal<T, Centered> normal(mean, rstd);
    each_vector<V::size>(g.n, [&](int64_t i, int64_t lanes) {
      V v = normal(V::load(x + i, lanes));
      if constexpr (Weight && Bias)
        v = fma(v, V::load(weight + i, lanes), V::load(bias + i, lanes));
      else if constexpr (Weight)
        v = v * V::load(weight + i, lanes);
      else if constexpr (Bias)
        v += V::load(bias + i, lanes);
      past ? stream(y + i, v) : v.store(y + i, lanes);
    });
    if (a.rstd) {
      a.mean[row] = mean;
      a.rstd[row] = rstd;
    }
  }
  if (past) stream_fence();
}

// f(T{}, centered) for g.
template <class F>
void typed(const RowNorm& g, const F& f) {
  choose(g.centered, [&](auto centered) { g.dtype == DType::Float64 ? f(double{}, centered) : f(float{}, centered); });
}

void row_norm_forward(const RowNorm& g, const RowNormForward& a) {
  typed(g, [&]<class T>(T, auto centered) {
    choose(a.weight != nullptr, [&](auto weight) {
      choose(a.bias != nullptr, [&](auto bias) {
        parallel_for(g.rows, most<int64_t>(1, kChunk / g.n), [&](int64_t begin, int64_t end) {
          forward_rows<T, centered.value, weight.value, bias.value>(g, a, begin, end);
        });
      });
    });
  });
}

// ---- backward

// dx = rstd (g - sum(g) / n - x^ sum(g x^) / n), g = dy weight; x^ as it is, for its sum is the dot product with g
template <class T, bool Centered, bool Weight>
DLCORE_INLINE void backward_row(const T* x, const T* dy, const T* weight, const Normal<T, Centered>& normal, int64_t n,
                                T* dx, bool past) {
  using V = vec<T>;
  const auto scaled = [&](int64_t i, int64_t lanes) {
    const V d = V::load(dy + i, lanes);
    return Weight ? d * V::load(weight + i, lanes) : d;
  };
  double s = 0, t = 0;
  for (int64_t i = 0; i < n; i += kNormBlock) {
    V a[4], b[4];
    for (int u = 0; u < 4; ++u) a[u] = b[u] = V(T(0));
    vectors4<V::size>(least(kNormBlock, n - i), [&](int u, int64_t j, int64_t lanes) {
      const V d = scaled(i + j, lanes);
      if constexpr (Centered) a[u] += d;
      b[u] = fma(d, normal(V::load(x + i + j, lanes)), b[u]);
    });
    if constexpr (Centered) s += sum4(a);
    t += sum4(b);
  }
  const V mean_s(static_cast<T>(s / static_cast<double>(n))), mean_t(static_cast<T>(-t / static_cast<double>(n)));
  each_vector<V::size>(n, [&](int64_t i, int64_t lanes) {
    V d = scaled(i, lanes);
    if constexpr (Centered) d = d - mean_s;
    d = fma(normal(V::load(x + i, lanes)), mean_t, d) * normal.r;
    past ? stream(dx + i, d) : d.store(dx + i, lanes);
  });
}

// How rows are cut, and the sums of each chunk: dweight, dbias, in float64.
struct RowCut {
  int64_t chunk, chunks;
  explicit RowCut(const RowNorm& g)
      : chunk(most(most<int64_t>(kBlockRows, kChunk / g.n), ceil_div(g.rows, kChunks))),
        chunks(ceil_div(g.rows, chunk)) {}
};

template <class T, bool Centered, bool Weight>
[[gnu::flatten]] void backward_rows(const RowNorm& g, const RowNormBackward& a, int64_t begin, int64_t end,
                                    double* dweight, double* dbias) {
  using V = vec<T>;
  const T *x = static_cast<const T*>(a.x), *dy = static_cast<const T*>(a.dy), *weight = static_cast<const T*>(a.weight);
  const bool parameters = a.dweight || a.dbias;
  const bool past = whole_vectors(static_cast<const T*>(a.dx), g.n) && streams(g.rows * g.n * int64_t{sizeof(T)});
  for (int64_t i = 0; i < g.n && parameters; ++i) dweight[i] = dbias[i] = 0;
  for (int64_t block = begin; block < end; block += kBlockRows) {
    const int64_t rows = least(kBlockRows, end - block);
    Normal<T, Centered> normal[kBlockRows];
    for (int64_t r = 0; r < rows; ++r)
      normal[r] = Normal<T, Centered>(Centered ? a.mean[block + r] : 0, a.rstd[block + r]);
    for (int64_t r = 0; r < rows && a.dx; ++r) {
      const int64_t at = (block + r) * g.n;
      backward_row<T, Centered, Weight>(x + at, dy + at, weight, normal[r], g.n, static_cast<T*>(a.dx) + at, past);
    }
    if (!parameters) continue;
    each_columns<4, V::size>(g.n, [&]<int U>(ints<U>, int64_t i, int64_t lanes) {
      V s[U], t[U];
      for (int u = 0; u < U; ++u) s[u] = t[u] = V(T(0));
      for (int64_t r = 0; r < rows; ++r)
        for (int u = 0; u < U; ++u) {
          const int64_t at = (block + r) * g.n + i + u * V::size;
          const V d = V::load(dy + at, lanes);
          s[u] += d;
          t[u] = fma(d, normal[r](V::load(x + at, lanes)), t[u]);
        }
      for (int u = 0; u < U; ++u) {
        add_widened(dbias + i + u * V::size, s[u], lanes);
        add_widened(dweight + i + u * V::size, t[u], lanes);
      }
    });
  }
  if (past) stream_fence();
}

int64_t row_norm_workspace(const RowNorm& g) {
  return RowCut(g).chunks * 2 * g.n * static_cast<int64_t>(sizeof(double));
}

void row_norm_backward(const RowNorm& g, const RowNormBackward& a, void* workspace) {
  const RowCut cut(g);
  double* sums = static_cast<double*>(workspace);
  typed(g, [&]<class T>(T, auto centered) {
    choose(a.weight != nullptr, [&](auto weight) {
      parallel_for(cut.chunks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c)
          backward_rows<T, centered.value, weight.value>(g, a, c * cut.chunk, least(g.rows, (c + 1) * cut.chunk),
                                                         sums + 2 * c * g.n, sums + (2 * c + 1) * g.n);
      });
    });
    if (!a.dweight && !a.dbias) return;
    parallel_for(g.n, most<int64_t>(1, kChunk / cut.chunks), [&](int64_t begin, int64_t end) {
      for (int64_t c = 1; c < cut.chunks; ++c)
        for (int64_t i = begin; i < end; ++i) {
          sums[i] += sums[2 * c * g.n + i];
          sums[g.n + i] += sums[(2 * c + 1) * g.n + i];
        }
      for (int64_t i = begin; i < end; ++i) {
        if (a.dweight) static_cast<T*>(a.dweight)[i] = static_cast<T>(sums[i]);
        if (a.dbias) static_cast<T*>(a.dbias)[i] = static_cast<T>(sums[g.n + i]);
      }
    });
  });
}

}  // namespace

void fill_norm_row(KernelTable& t) {
  t.row_norm_workspace = row_norm_workspace;
  t.row_norm_forward = row_norm_forward;
  t.row_norm_backward = row_norm_backward;
}

}  // namespace dlcore::kernel::DLCORE_TIER
