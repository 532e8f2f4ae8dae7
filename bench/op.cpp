#include "op.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "dlcore/autograd.h"
#include "dlcore/parallel.h"
#include "kernels/registry.h"
#include "peak.h"

namespace dlcore::bench {
namespace {

void run(benchmark::State& state, int threads, Work work, const std::function<Call()>& make) {
  set_num_threads(threads);
  const Call call = make();
  for (auto _ : state) call();
  using benchmark::Counter;
  const auto count = [&](const char* unit, double amount, double peak) {
    const double done = amount * static_cast<double>(state.iterations());
    state.counters[unit] = Counter(done, Counter::kIsRate);
    state.counters["peak"] = Counter(done / peak, Counter::kIsRate);
  };
  if (work.flops > 0)
    count("FLOP/s", work.flops, peak_flops(kernels().tier, false));
  else
    count("B/s", work.bytes, peak_bandwidth(static_cast<int64_t>(work.bytes)));
}

}  // namespace

void add_op(const std::string& name, Work work, std::function<Call()> make) {
  std::vector<int> threads{1};
  if (get_num_threads() > 1) threads.push_back(get_num_threads());
  for (int t : threads)
    benchmark::RegisterBenchmark((name + "/threads:" + std::to_string(t)).c_str(),
                                 [=](benchmark::State& state) { run(state, t, work, make); })
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
}

}  // namespace dlcore::bench
