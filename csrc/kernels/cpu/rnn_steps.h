#pragma once
// What forward and backward of recurrent layers have in common: how the steps are cut, and where everything is.
#include "core/parallel.h"
#include "core/parallel_steps.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/rnn_cells.h"
#include "kernels/cpu/rnn_product.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kBlockRows = 8, kMostBlockRows = 32;  // rows that go through all steps by themselves, at least;
constexpr int64_t kBytesPerRow = int64_t{1} << 16;  // more where W_hh, which each block reads in every step, is large
constexpr double kStepFlops = 2e5;                  // a step worth meeting for
constexpr int64_t kMembers = 16;

// A reference to what a step does: (step, direction, first row, end row, member).
struct Step {
  const void* body;
  void (*call)(const void* body, int64_t s, int d, int64_t b0, int64_t b1, int64_t member);

  template <class F>
  Step(const F& f)
      : body(&f), call([](const void* body, int64_t s, int d, int64_t b0, int64_t b1, int64_t member) {
          (*static_cast<const F*>(body))(s, d, b0, b1, member);
        }) {}
};

// How the steps of a layer are cut: each direction's rows into blocks, which are independent of each other, and its
// units into members, all of which a step needs from the step before.
struct Grid {
  int64_t directions, blocks, members;
  bool in_cache;  // W_hh stays in a thread's own cache from step to step

  Grid(const Rnn& g) : directions(g.directions) {
    const int64_t weights = g.gates() * g.hidden * g.out(), bytes = weights * (g.dtype == DType::Float64 ? 8 : 4);
    const int64_t rows = least(kMostBlockRows, most(kBlockRows, bytes / kBytesPerRow));
    const double flops = 2.0 * static_cast<double>(weights) * static_cast<double>(g.batch);
    blocks = most(1, g.batch / rows);
    members = flops >= kStepFlops ? kMembers : 1;
    in_cache = rows == kBlockRows;
  }

  // Calls `step` for s < steps. Either each block runs through all steps by
  // itself, or all go step by step, and a thread keeps its part of the units: the results are the same.
  void run(int64_t steps, int64_t batch, const Step& step) const {
    const int64_t chains = directions * blocks, threads = num_threads();
    const auto item = [&](int64_t s, int64_t chain, int64_t member) {
      const int64_t block = chain % blocks;
      step.call(step.body, s, static_cast<int>(chain / blocks), batch * block / blocks, batch * (block + 1) / blocks,
                member);
    };
    if (members == 1 || (chains >= threads && (threads > 1 || in_cache))) {
      parallel_for(chains, 1, [&](int64_t begin, int64_t end) {
        for (int64_t chain = begin; chain < end; ++chain)
          for (int64_t s = 0; s < steps; ++s)
            for (int64_t member = 0; member < members; ++member) item(s, chain, member);
      });
    } else {
      parallel_steps(steps, members * chains, [&](int64_t s, int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) item(s, i % chains, i / chains);
      });
    }
  }

  // The panels of a member, of `panels`.
  int64_t first(int64_t member, int64_t panels) const { return panels * member / members; }
};

// What forward and backward know of the sequence: steps are counted in the direction's order, times and rows as they
// lie in memory.
template <class T, RnnCell C>
struct Layer {
  using K = Cell<C>;
  using V = vec<T>;
  static constexpr int G = K::kGates, S = K::kKept;
  static constexpr int64_t L = kLanes<T>;

  const Rnn& g;
  const RnnForward& f;
  Grid grid;
  Arena arena;
  int64_t* offsets;  // (steps + 1): the first row of each time
  int64_t hidden, out, y_row;

  Layer(const Rnn& g, const RnnForward& f, void* workspace)
      : g(g),
        f(f),
        grid(g),
        arena{static_cast<char*>(workspace)},
        offsets(arena.take<int64_t>(g.steps + 1)),
        hidden(g.hidden),
        out(g.out()),
        y_row(g.directions * g.out()) {
    if (!workspace) return;
    offsets[0] = 0;
    for (int64_t t = 0; t < g.steps; ++t) offsets[t + 1] = offsets[t] + g.at(t);
  }

  T* numbers(int64_t n) { return arena.take<T>(n); }
  char* bytes_of(int64_t n) { return arena.take<char>(n); }

  DLCORE_INLINE int64_t time(int d, int64_t s) const { return d ? g.steps - 1 - s : s; }
  // Sequences in step s; none before the first and after the last one.
  DLCORE_INLINE int64_t count(int d, int64_t s) const { return s < 0 || s >= g.steps ? 0 : g.at(time(d, s)); }
  DLCORE_INLINE int64_t row(int d, int64_t s) const { return offsets[time(d, s)]; }

  // Row b of an initial or final state of direction d, with n elements a row; null stays null.
  template <class P>
  static DLCORE_INLINE P* state(P* p, int d, int64_t batch, int64_t n, int64_t b) {
    return p ? p + (d * batch + b) * n : nullptr;
  }
  DLCORE_INLINE T* y(int d, int64_t row) const { return static_cast<T*>(f.y) + row * y_row + d * out; }

  static DLCORE_INLINE V load(const T* p, int64_t unit, int64_t n) { return p ? V::load(p + unit, n) : V(T(0)); }

  Gemm product(int64_t m, int64_t n, int64_t k) const {
    Gemm p{};
    p.dtype = g.dtype;
    p.m = m, p.n = n, p.k = k;
    return p;
  }
  int64_t scratch_of(const Gemm& p) const { return gemm_workspace({p}); }
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
