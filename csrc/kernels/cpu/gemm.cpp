// The matrix engine (kernels/gemm.h). From the outside in:
//
//   super-blocks   parts of C and of the sum whose packed panels fit the scratch; one after another
//   chunks         rectangles of C, or products of a batch, or parts of a long sum: these run in parallel
//   slabs          blocks of k: one pass over a chunk adds one slab
//   tiles          the micro-kernel
#include "kernels/cpu/gemm.h"

#include "core/parallel.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_problem.h"
#include "kernels/cpu/gemm_rows.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// Panels of one operand in memory: those of rows (columns) first ... and depths q ... q + depth - 1 of the sum.
template <class T>
struct Panels {
  T* data = nullptr;
  int64_t first = 0, q = 0, depth = 0;

  // The panel that starts at row i, from depth q0 on.
  DLCORE_INLINE T* at(int64_t i, int64_t q0, int64_t width) const {
    return data + (i - first) * depth + (q0 - q) * width;
  }
};

// A rectangle of C and a range of slabs: tiles t0 ... t1 - 1, panels j0 ... j1 - 1, slabs s0 ... s1 - 1.
struct Range {
  int64_t t0, t1, j0, j1, s0, s1;
};

// Packs panels [begin, end) of A (tiles) or B, slabs [s0, s1).
template <bool IsA, class T>
void pack_panels(const Problem<T>& g, const Panels<T>& to, int64_t begin, int64_t end, int64_t s0, int64_t s1) {
  constexpr int kGroup = 8;
  const Operand<T>& x = IsA ? g.a : g.b;
  for (int64_t s = s0; s < s1; ++s) {
    const Slab slab = g.slab(s);
    for (int64_t r = slab.r; r < slab.r + slab.blocks; ++r)
      for (int64_t i0 = begin; i0 < end; i0 += kGroup) {
        Strip<T> strips[kGroup];
        const int count = static_cast<int>(least(kGroup, end - i0));
        for (int i = 0; i < count; ++i) {
          const int64_t at = IsA ? g.row(i0 + i) : g.col(i0 + i);
          const int64_t rows = (IsA ? g.row(i0 + i + 1) : g.col(i0 + i + 1)) - at, width = IsA ? rows : kTileCols<T>;
          strips[i] = {to.at(at, r * g.k + slab.p, width), x.block(r) + at * x.along + slab.p * x.depth, width, rows};
        }
        pack_strips(strips, count, slab.k, x.along, x.depth);
      }
  }
}

// Adds one slab to a rectangle of C. Without panels, the operand is read where it is.
template <class T>
void add_slab(const Problem<T>& g, const Panels<T>& a, const Panels<T>& b, const Range& x, int64_t s) {
  const Slab slab = g.slab(s);
  const int64_t q = slab.r * g.k + slab.p;
  const bool by_rows = !a.data && g.a.along != 1;
  const auto direct = [&](const Operand<T>& o, int64_t i, int64_t stride) {
    TileSide<T> side{o.data + i * o.along + slab.p * o.depth, stride, o.step, nullptr};
    o.offsets ? void(side.offsets = o.offsets + slab.r) : void(side.data += slab.r * o.step);
    return side;
  };
  Epilogue<T> epilogue = g.epilogue;
  if (s != g.first_slab) epilogue.beta = 1;
  if (s != g.last_slab) epilogue.activation = Activation::None, epilogue.bias_col = epilogue.bias_row = nullptr;
  TileArgs<T> t;
  t.reduce = slab.blocks;
  t.k = slab.k;
  t.c_row = g.c_row;
  t.epilogue = epilogue;
  const ARows form = by_rows ? ARows::Strided : ARows::Panel;
  t.b_panel = b.data ? kTileCols<T> * b.depth : kTileCols<T> * g.b.along;
  for (int64_t col = g.col(x.j0), end = g.col(x.j1); col < end; col += t.cols) {
    const TileShape shape = tile_shape<T>(form, g.c_col == 1 ? end - col : least(end - col, kTileCols<T>));
    t.cols = least(end - col, shape.vectors * kLanes<T>);
    t.b = b.data ? TileSide<T>{b.at(col, q, kTileCols<T>), kTileCols<T>, g.k * kTileCols<T>}
                 : direct(g.b, col, g.b.depth);
    const bool in_place = g.c_col == 1 && (kMaskedMoves || t.cols == shape.vectors * kLanes<T>);
    if (epilogue.bias_col) t.epilogue.bias_col = epilogue.bias_col + col;
    const auto multiply = [&](int64_t row, int64_t rows) __attribute__((always_inline)) {
      t.a = a.data ? TileSide<T>{a.at(row, q, rows), rows, g.k * rows}
                   : direct(g.a, row, by_rows ? g.a.along : g.a.depth);
      if (epilogue.bias_row) t.epilogue.bias_row = epilogue.bias_row + row;
      t.c = g.c + row * g.c_row + col * g.c_col;
      // The first to meet a panel that was packed some time ago reads it from memory.
      const TileFn<T> fn = tile_fn<T>(form, rows, shape.vectors, g.b.packed && row == g.row(x.t0));
      in_place ? fn(t) : tile_through_buffer(fn, t, rows, g.c_col);
    };
    const int64_t first = g.row(x.t0);
    if (by_rows)  // in any pieces
      each_piece(g.row(x.t1) - first, shape.rows, [&](int64_t i, int64_t rows) { multiply(first + i, rows); });
    else
      for (int64_t i = x.t0; i < x.t1; ++i) multiply(g.row(i), g.row(i + 1) - g.row(i));
  }
}

template <class T>
struct Run {
  Problem<T> g;
  Plan<T> plan;
  T* scratch;

  explicit Run(const GemmBatch& batch, void* workspace = nullptr)
      : g(batch), plan(g), scratch(static_cast<T*>(workspace)) {}

  T* slot(int64_t i) const { return scratch + plan.shared_a + plan.shared_b + i * (plan.own_a + plan.own_b); }
  T* partial(int64_t i) const { return slot(plan.slots) + i * plan.partial; }

  void operator()() const {
    switch (plan.kind) {
      case Plan<T>::Kind::Empty:
        return run_empty();
      case Plan<T>::Kind::Rows:
        return run_rows();
      case Plan<T>::Kind::Units:
        return run_units();
      case Plan<T>::Kind::Grid:
        return run_grid();
    }
  }

  // C = act(beta * C + bias)
  void run_empty() const {
    if (g.empty()) return;
    for (int64_t l = 0; l < g.batch; ++l) finish(l, nullptr, 0, 0);
  }

  // All of product l from its partial sums.
  void finish(int64_t l, const T* sums, int64_t parts, int64_t stride) const {
    for (int64_t i = 0; i < g.m; ++i)
      finish_row(g.epilogue.at(i, 0), sums + i * g.n, parts, stride, g.n, g.c + l * g.c_batch + i * g.c_row, g.c_col);
  }

  void run_rows() const {
    const int64_t strips = plan.strips, parts = plan.parts, size = plan.aligned(g.m * g.n);
    parallel_for(g.batch * parts * strips, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t l = i / (parts * strips), part = i / strips % parts, strip = i % strips;
        const int64_t j = g.n * strip / strips, width = g.n * (strip + 1) / strips - j;
        const int64_t p = g.k * part / parts, depth = g.k * (part + 1) / parts - p;
        const T* a = g.a.block(0) + l * g.a.batch + p * g.a.depth;
        const T* b = g.b.block(0) + l * g.b.batch + j * g.b.along + p * g.b.depth;
        if (parts > 1) {
          sum_rows(a, b, width, depth, g.n, scratch + (l * parts + part) * size + j);
        } else {
          alignas(64) T sums[kStrip];
          sum_rows(a, b, width, depth, width, sums);
          for (int64_t r = 0; r < g.m; ++r)
            finish_row(g.epilogue.at(r, j), sums + r * width, 1, 0, width,
                       g.c + l * g.c_batch + r * g.c_row + j * g.c_col, g.c_col);
        }
      }
    });
    if (parts > 1)
      for (int64_t l = 0; l < g.batch; ++l) finish(l, scratch + l * parts * size, parts, size);
  }

  void sum_rows(const T* a, const T* b, int64_t width, int64_t depth, int64_t stride, T* sums) const {
    const auto rows = [&](auto count) {
      constexpr int N = decltype(count)::value;
      if (g.b.along == 1) {
        sum_columns<T, N>(depth, width, a, g.a.along, g.a.depth, b, g.b.depth, stride, sums);
      } else {
        sum_dots<T, N>(depth, width, a, g.a.along, b, g.b.along, stride, sums);
      }
    };
    static_assert(kFewRows == 4);
    switch (g.m) {
      case 1:
        return rows(constant<1>());
      case 2:
        return rows(constant<2>());
      case 3:
        return rows(constant<3>());
      default:
        return rows(constant<4>());
    }
  }

  void run_units() const {
    const int64_t parts = plan.parts, units = g.batch * parts;
    const int64_t grain = most(1, static_cast<int64_t>(kChunkFlops * parts / (g.flops() + kProductFlops)));
    for (int64_t first = 0; first < units; first += plan.group) {
      parallel_for(least(plan.group, units - first), grain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          Problem<T> one = g.product((first + i) / parts);
          const int64_t part = (first + i) % parts;
          one.first_slab = g.slabs * part / parts;
          one.last_slab = g.slabs * (part + 1) / parts - 1;
          if (parts > 1) {
            one.c = partial(i), one.c_row = g.n, one.c_col = 1;
            one.epilogue = {};
          }
          run_chunk(one, {}, {}, {0, g.tiles, 0, g.panels, one.first_slab, one.last_slab + 1}, slot(i));
        }
      });
    }
    if (parts > 1)
      for (int64_t l = 0; l < g.batch; ++l) finish(l, partial(l * parts), parts, plan.partial);
  }

  // One chunk: whatever it packs for itself, it packs slab by slab into its slot.
  void run_chunk(const Problem<T>& g, Panels<T> a, Panels<T> b, const Range& x, T* slot) const {
    for (int64_t s = x.s0; s < x.s1; ++s) {
      const int64_t q = g.depth_of(s), depth = g.depth_of(s + 1) - q;
      if (plan.a == Packing::Own) {
        a = {slot, g.row(x.t0), q, depth};
        pack_panels<true>(g, a, x.t0, x.t1, s, s + 1);
      }
      if (plan.b == Packing::Own) {
        b = {slot + plan.own_a, g.col(x.j0), q, depth};
        pack_panels<false>(g, b, x.j0, x.j1, s, s + 1);
      }
      if (g.a.packed) a = {const_cast<T*>(g.a.data), 0, 0, g.depth()};
      if (g.b.packed) b = {const_cast<T*>(g.b.data), 0, 0, g.depth()};
      add_slab(g, a, b, x, s);
    }
  }

  void run_grid() const {
    for (int64_t l = 0; l < g.batch; ++l) {
      const Problem<T> one = g.product(l);
      for (int64_t j = 0; j < g.panels; j += plan.block_panels)
        for (int64_t t = 0; t < g.tiles; t += plan.block_tiles)
          for (int64_t s = 0; s < g.slabs; s += plan.block_slabs)
            run_block(one, {t, least(g.tiles, t + plan.block_tiles), j, least(g.panels, j + plan.block_panels), s,
                            least(g.slabs, s + plan.block_slabs)});
    }
  }

  // A super-block: pack what its chunks share, then the chunks.
  void run_block(const Problem<T>& g, const Range& x) const {
    const int64_t q = g.depth_of(x.s0), depth = g.depth_of(x.s1) - q;
    Panels<T> a, b;
    if (plan.a == Packing::Shared) a = {scratch, g.row(x.t0), q, depth};
    if (plan.b == Packing::Shared) b = {scratch + plan.shared_a, g.col(x.j0), q, depth};
    constexpr int64_t kGroup = 4;  // panels packed together
    const int64_t slabs = x.s1 - x.s0;
    const int64_t a_groups = a.data ? ceil_div(x.t1 - x.t0, kGroup) : 0;
    const int64_t b_groups = b.data ? ceil_div(x.j1 - x.j0, kGroup) : 0;
    parallel_for((a_groups + b_groups) * slabs, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t group = i % (a_groups + b_groups), s = x.s0 + i / (a_groups + b_groups);
        if (group < a_groups) {
          const int64_t t = x.t0 + group * kGroup;
          pack_panels<true>(g, a, t, least(x.t1, t + kGroup), s, s + 1);
        } else {
          const int64_t j = x.j0 + (group - a_groups) * kGroup;
          pack_panels<false>(g, b, j, least(x.j1, j + kGroup), s, s + 1);
        }
      }
    });
    const int64_t rows = ceil_div(x.t1 - x.t0, plan.chunk_tiles), cols = ceil_div(x.j1 - x.j0, plan.chunk_panels);
    parallel_for(rows * cols, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i % rows, col = i / rows, tiles = x.t1 - x.t0, panels = x.j1 - x.j0;
        run_chunk(g, a, b,
                  {x.t0 + tiles * row / rows, x.t0 + tiles * (row + 1) / rows, x.j0 + panels * col / cols,
                   x.j0 + panels * (col + 1) / cols, x.s0, x.s1},
                  slot(i));
      }
    });
  }
};

// Calls f(T()) with the product's type.
template <class F>
DLCORE_INLINE auto typed(DType dtype, F&& f) {
  return dtype == DType::Float64 ? f(double()) : f(float());
}

// ---- operands packed ahead of time

// With C transposed the engine swaps the operands: the caller's A is the one in role B.
bool role_a(const Gemm& g, bool is_a) { return is_a != (g.c_col != 1 && g.c_row == 1); }

int64_t packed_size(const Gemm& g, bool is_a) {
  return typed(g.dtype, [&]<class T>(T) {
    const Problem<T> x({g});
    const int64_t items = (role_a(g, is_a) ? x.m : x.panels * kTileCols<T>)*x.depth();
    return Plan<T>::aligned(items) * static_cast<int64_t>(sizeof(T));
  });
}

void pack(const Gemm& g, bool is_a, void* packed) {
  typed(g.dtype, [&]<class T>(T) {
    const Problem<T> x({g});
    const Panels<T> to{static_cast<T*>(packed), 0, 0, x.depth()};
    const bool a = role_a(g, is_a);
    const int64_t grain = most(4, (int64_t{1} << 15) / most(1, kTileCols<T> * x.depth()));
    parallel_for(a ? x.tiles : x.panels, grain, [&](int64_t begin, int64_t end) {
      a ? pack_panels<true>(x, to, begin, end, 0, x.slabs) : pack_panels<false>(x, to, begin, end, 0, x.slabs);
    });
  });
}

}  // namespace

int64_t gemm_workspace(const GemmBatch& g) {
  return typed(g.first.dtype, [&]<class T>(T) { return Run<T>(g).plan.items() * static_cast<int64_t>(sizeof(T)); });
}

void gemm(const GemmBatch& g, void* workspace) {
  typed(g.first.dtype, [&]<class T>(T) { Run<T>(g, workspace)(); });
}

int64_t gemm_packed_a_size(const Gemm& g) { return packed_size(g, true); }
int64_t gemm_packed_b_size(const Gemm& g) { return packed_size(g, false); }
void gemm_pack_a(const Gemm& g, void* packed) { pack(g, true, packed); }
void gemm_pack_b(const Gemm& g, void* packed) { pack(g, false, packed); }

void fill_gemm(KernelTable& t) {
  t.gemm_workspace = gemm_workspace;
  t.gemm = gemm;
  t.gemm_packed_a_size = gemm_packed_a_size;
  t.gemm_packed_b_size = gemm_packed_b_size;
  t.gemm_pack_a = gemm_pack_a;
  t.gemm_pack_b = gemm_pack_b;
}

}  // namespace dlcore::kernel::DLCORE_TIER
