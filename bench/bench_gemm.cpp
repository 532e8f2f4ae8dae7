// GFLOP/s of the matrix engine and its share of the measured multiply-add peak, per tier and number of threads.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <thread>

#include "dlcore/parallel.h"
#include "kernels/registry.h"
#include "peak.h"

namespace {

using dlcore::DType;

struct Shape {
  const char* name;
  int64_t m, n, k, batch = 1;
  bool a_transposed = false, b_transposed = false;
};
const Shape kShapes[] = {
    {"square", 32, 32, 32},
    {"square", 64, 64, 64},
    {"square", 128, 128, 128},
    {"square", 256, 256, 256},
    {"square", 512, 512, 512},
    {"square", 1024, 1024, 1024},
    {"square", 2048, 2048, 2048},
    {"odd", 65, 127, 255},
    {"odd", 1023, 1023, 1023},
    {"x*W^T", 64, 512, 512, 1, false, true},
    {"x*W^T", 1024, 1024, 1024, 1, false, true},
    {"dy^T*x", 512, 512, 64, 1, true, false},
    {"tall", 100000, 64, 64},
    {"wide", 64, 100000, 64},
    {"long k", 64, 64, 100000},
    {"batch", 64, 64, 64, 64},
    {"batch", 128, 128, 64, 16},
    {"row", 1, 4096, 1024},
    {"row*W^T", 1, 4096, 1024, 1, false, true},
    {"column", 4096, 1, 1024},
    {"few rows", 8, 1024, 1024},
};

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Buffer = std::unique_ptr<void, Free>;

template <class T>
Buffer values(int64_t count) {
  Buffer memory(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64 + 64));
  for (int64_t i = 0; i < count; ++i) static_cast<T*>(memory.get())[i] = static_cast<T>((i * 7 % 13 - 6) * 0.1);
  return memory;
}

template <class T>
void gemm(benchmark::State& state, std::string tier, int threads, Shape s) {
  dlcore::set_num_threads(threads);
  const dlcore::KernelTable& table = dlcore::kernels(tier);
  const Buffer a = values<T>(s.batch * s.m * s.k), b = values<T>(s.batch * s.k * s.n),
               c = values<T>(s.batch * s.m * s.n);
  dlcore::kernel::GemmBatch g{};
  g.first = {sizeof(T) == 8 ? DType::Float64 : DType::Float32,
             s.m,
             s.n,
             s.k,
             a.get(),
             s.k,
             1,
             b.get(),
             s.n,
             1,
             c.get(),
             s.n,
             1};
  if (s.a_transposed) g.first.a_row = 1, g.first.a_col = s.m;
  if (s.b_transposed) g.first.b_row = 1, g.first.b_col = s.k;
  g.batch = s.batch, g.a_batch = s.m * s.k, g.b_batch = s.k * s.n, g.c_batch = s.m * s.n;
  const Buffer workspace(std::aligned_alloc(64, (table.gemm_workspace(g) + 127) / 64 * 64));
  for (auto _ : state) table.gemm(g, workspace.get());
  const double flops = 2.0 * static_cast<double>(s.m * s.n) * static_cast<double>(s.k * s.batch);
  const double done = flops * static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["FLOP/s"] = Counter(done, Counter::kIsRate);
  state.counters["peak"] = Counter(done / dlcore::bench::peak_flops(tier, sizeof(T) == 8), Counter::kIsRate);
}

const int registered = [] {
  std::vector<int> threads{1};
  if (dlcore::get_num_threads() > 1) threads.push_back(dlcore::get_num_threads());
  for (const std::string& tier : dlcore::available_tiers())
    for (int t : threads)
      for (const Shape& s : kShapes) {
        const std::string size = std::to_string(s.m) + "x" + std::to_string(s.n) + "x" + std::to_string(s.k) +
                                 (s.batch > 1 ? "*" + std::to_string(s.batch) : "");
        const auto name = [&](const char* type) {
          return "gemm/" + tier + "/" + type + "/threads:" + std::to_string(t) + "/" + s.name + "/" + size;
        };
        const auto add = [&](const char* type, auto* f) {
          benchmark::RegisterBenchmark(name(type).c_str(), f, tier, t, s)->UseRealTime()->Unit(benchmark::kMicrosecond);
        };
        add("float32", gemm<float>);
        add("float64", gemm<double>);
      }
  return 0;
}();

}  // namespace
