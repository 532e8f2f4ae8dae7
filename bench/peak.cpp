#include "peak.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <tuple>
#include <vector>

#include "core/parallel.h"
#include "dlcore/parallel.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dlcore::bench {
namespace {

constexpr int kChains = 16;  // enough to cover the latency of a multiply-add on every port
constexpr int64_t kSteps = 1 << 20;

#define DLCORE_PEAK(name, target, V, multiply_add, set1)                 \
  target void name() {                                                   \
    V x[kChains], a = set1(0.5), b = set1(1);                            \
    for (V& v : x) v = a;                                                \
    for (int64_t s = 0; s < kSteps; ++s) {                               \
      _Pragma("GCC unroll 16") for (V& v : x) v = multiply_add(v, a, b); \
    }                                                                    \
    for (V& v : x) asm volatile("" : : "m"(v));                          \
  }
typedef float floats __attribute__((vector_size(16)));
typedef double doubles __attribute__((vector_size(16)));
template <class V>
V multiply_then_add(V x, V a, V b) {
  return x * a + b;
}
DLCORE_PEAK(baseline_f32, , floats, multiply_then_add, floats{} +)
DLCORE_PEAK(baseline_f64, , doubles, multiply_then_add, doubles{} +)
#if defined(__x86_64__)
DLCORE_PEAK(avx2_f32, __attribute__((target("avx2,fma"))), __m256, _mm256_fmadd_ps, _mm256_set1_ps)
DLCORE_PEAK(avx2_f64, __attribute__((target("avx2,fma"))), __m256d, _mm256_fmadd_pd, _mm256_set1_pd)
DLCORE_PEAK(avx512_f32, __attribute__((target("avx512f"))), __m512, _mm512_fmadd_ps, _mm512_set1_ps)
DLCORE_PEAK(avx512_f64, __attribute__((target("avx512f"))), __m512d, _mm512_fmadd_pd, _mm512_set1_pd)
#endif
#undef DLCORE_PEAK

struct Loop {
  void (*run)();
  int lanes;
};
Loop loop(const std::string& tier, bool float64) {
#if defined(__x86_64__)
  if (tier == "avx2") return float64 ? Loop{avx2_f64, 4} : Loop{avx2_f32, 8};
  if (tier == "avx512") return float64 ? Loop{avx512_f64, 8} : Loop{avx512_f32, 16};
#endif
  return float64 ? Loop{baseline_f64, 2} : Loop{baseline_f32, 4};
}

}  // namespace

double peak_flops(const std::string& tier, bool float64) {
  static std::map<std::tuple<std::string, bool, int>, double> known;
  double& peak = known[{tier, float64, num_threads()}];
  if (peak > 0) return peak;
  const Loop l = loop(tier, float64);
  for (int attempt = 0; attempt < 7; ++attempt) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(num_threads(), 1, [&](int64_t, int64_t) { l.run(); });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    peak = std::max(peak, 2.0 * kChains * l.lanes * kSteps * num_threads() / seconds);
  }
  return peak;
}

double peak_bandwidth(int64_t bytes) {
  static std::map<std::tuple<int64_t, int>, double> known;
  double& peak = known[{bytes, num_threads()}];
  if (peak > 0) return peak;
  const int64_t half = bytes / 2;
  const std::vector<char> x(static_cast<size_t>(half), 1);
  std::vector<char> y(static_cast<size_t>(half));
  for (int attempt = 0; attempt < 15; ++attempt) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(half, (half + num_threads() - 1) / num_threads(),
                 [&](int64_t begin, int64_t end) { std::copy(&x[begin], &x[begin] + (end - begin), &y[begin]); });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    peak = std::max(peak, 2.0 * static_cast<double>(half) / seconds);
  }
  return peak;
}

}  // namespace dlcore::bench
