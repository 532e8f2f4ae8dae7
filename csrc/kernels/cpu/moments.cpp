#include <math.h>

#include "kernels/cpu/fold.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

using Wide = vec<double>;
constexpr int L = kLanes<double>;

// Mean and sum of squared deviations, by Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances" (1979).
template <class T>
struct Moments {
  struct Accs {
    double mean[ReducePlan::kMaxWidth], m2[ReducePlan::kMaxWidth];

    // na elements so far, nb more of this mean and deviation.
    template <class V>
    static DLCORE_INLINE void join(V& mean, V& m2, V mean_b, V m2_b, int64_t na, int64_t nb) {
      const double n = static_cast<double>(na + nb), share = static_cast<double>(nb) / n;
      const V delta = mean_b - mean;
      mean = mean + delta * V(share);
      m2 = m2 + (m2_b + delta * delta * V(static_cast<double>(na) * share));
    }
  };
  const ReduceMoments& a;
  const Input<T> in[1] = {{a.dtype, a.x}};

  void start(Accs& accs, int64_t width) const {
    for (int64_t o = 0; o < width; ++o) accs.mean[o] = accs.m2[o] = 0;
  }
  void merge(Accs& accs, const Accs& b, int64_t width, int64_t na, int64_t nb) const {
    for (int64_t o = 0; o < width; ++o) Accs::join(accs.mean[o], accs.m2[o], b.mean[o], b.m2[o], na, nb);
  }

  // Two passes over each run: its mean c, then d = x - c. What rounding left in c comes out of sum d.
  void rows(const Task& t, Accs& accs) const {
    walk_rows<T>(a.loops, in, t, [&](int64_t o, const T* const* xs, int64_t n, int64_t index) {
      const T* x = xs[0];
      const double count = static_cast<double>(n), c = static_cast<double>(fold_run<Plus>(x, n)) / count;
      Wide s[2] = {Wide(0.0), Wide(0.0)}, q[2] = {Wide(0.0), Wide(0.0)};
      int64_t i = 0;
      for (; i + 2 * L <= n; i += 2 * L)
        for (int u = 0; u < 2; ++u) {
          const Wide d = widen(x + i + u * L) - Wide(c);
          s[u] += d;
          q[u] = fma(d, d, q[u]);
        }
      double sum = fold_lanes<Plus>(s[0] + s[1]), square = fold_lanes<Plus>(q[0] + q[1]);
      for (; i < n; ++i) {
        const double d = static_cast<double>(x[i]) - c;
        sum += d;
        square += d * d;
      }
      Accs::join(accs.mean[o], accs.m2[o], c + sum / count, square - sum * sum / count, index - t.begin, n);
    });
  }

  void columns(const Task& t, Accs& accs) const {
    constexpr int kRows = 32;
    walk_columns<T, kRows, kMomentsWidth>(a.loops, in, t, [&](const T* const(*x)[kRows], int64_t rows, int64_t index) {
      const double count = static_cast<double>(rows);
      for (int64_t j = 0; j < t.width; j += L) {
        const int64_t n = min(L, t.width - j);
        Wide c(0.0), s(0.0), q(0.0);
        for (int64_t r = 0; r < rows; ++r) c += widen(x[0][r] + j, n);
        c = c / Wide(count);
        for (int64_t r = 0; r < rows; ++r) {
          const Wide d = widen(x[0][r] + j, n) - c;
          s += d;
          q = fma(d, d, q);
        }
        Wide mean = Wide::load(accs.mean + j), m2 = Wide::load(accs.m2 + j);
        Accs::join(mean, m2, c + s / Wide(count), q - s * s / Wide(count), index - t.begin, rows);
        mean.store(accs.mean + j, n);
        m2.store(accs.m2 + j, n);
      }
    });
  }

  void finish(Accs& accs, int64_t width, const Outputs& y) const {
    const double n = static_cast<double>(a.loops.count), free = n - a.correction;
    for (int64_t o = 0; o < width; ++o) {
      const double m2 = accs.m2[o] < 0 ? 0 : accs.m2[o];
      const double v = a.loops.count ? m2 / (free > 0 ? free : 0) : NAN;
      accs.m2[o] = a.root ? __builtin_sqrt(v) : v;
      if (!a.loops.count) accs.mean[o] = NAN;
    }
    if (a.mean) write(a.dtype, a.mean, y.at, y.step, width, accs.mean);
    if (a.var) write(a.dtype, a.var, y.at, y.step, width, accs.m2);
  }

 private:
  struct Plus {
    static constexpr double identity = 0;
    template <class V>
    static DLCORE_INLINE V step(V s, V x) {
      return s + x;
    }
    template <class V>
    static DLCORE_INLINE V merge(V s, V x) {
      return s + x;
    }
  };
  // L elements as doubles; the last few of a row are followed by zeros.
  static DLCORE_INLINE Wide widen(const T* x) {
    if constexpr (sizeof(T) == 8)
      return Wide::load(x);
    else
      return convert<double>(vec<T, L>::load(x));
  }
  static DLCORE_INLINE Wide widen(const T* x, int64_t n) {
    if (n == L) return widen(x);
    T last[L] = {};
    for (int64_t i = 0; i < n; ++i) last[i] = x[i];
    return widen(last);
  }
};

void reduce_moments(const ReduceMoments& a) {
  if (a.dtype == DType::Float64)
    run_fold(a.loops, a.plan, a.workspace, Moments<double>{a});
  else
    run_fold(a.loops, a.plan, a.workspace, Moments<float>{a});
}

}  // namespace

void fill_moments(KernelTable& t) { t.reduce_moments = reduce_moments; }

}  // namespace dlcore::kernel::DLCORE_TIER
