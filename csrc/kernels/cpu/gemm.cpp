// The matrix engine (kernels/gemm.h). From the outside in:
//
//   super-blocks   parts of the batch, of C and of k whose packed panels fit the scratch; one after another
//   chunks         a grid of rectangles of C (or of products of the batch, or of ranges of k): these run in parallel
//   slabs          blocks of k: one pass over the chunk adds one slab to C
//   tiles          the micro-kernel
//
// Every border above is a function of the shape and the strides, so the bits don't depend on the threads.
#include "kernels/cpu/gemm.h"

#include "core/parallel.h"
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

DLCORE_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
DLCORE_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
DLCORE_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
template <class T>
DLCORE_INLINE void swap(T& a, T& b) {
  const T c = a;
  a = b;
  b = c;
}

template <class T>
constexpr int64_t kSlabDepth = 1024 / sizeof(T);  // a panel of B of this depth fits L1, a chunk's panels of A fit L2
constexpr int64_t kChunkTiles = 12, kChunkPanels = 8;
constexpr int64_t kPackBytes = int64_t{4} << 20;  // of each operand, per super-block
constexpr double kChunkFlops = 1e6;               // below this a chunk isn't worth a thread's attention
constexpr int64_t kChunksWanted = 16;

// An operand as the engine sees it: x_r[i, p] = data[block(r) + i * along + p * depth], i along m (A) or n (B).
template <class T>
struct Operand {
  const T* data;
  int64_t along, depth, step, batch;
  const int64_t* offsets;
  bool packed;
};

// The product with its roles settled: C's rows are contiguous wherever either of its strides is 1.
template <class T>
struct Problem {
  int64_t m, n, k, reduce, batch;
  Operand<T> a, b;
  T* c;
  int64_t c_row, c_col, c_batch;
  Epilogue<T> epilogue;

  int64_t tiles, panels, slabs;  // counts along m, n and the sum
  int64_t slab_blocks;           // a slab is this many whole blocks r, or
  int64_t k_slabs;               // each block is this many slabs

  explicit Problem(const GemmBatch& g) {
    const Gemm& f = g.first;
    m = f.m, n = f.n, k = f.k, reduce = f.reduce, batch = g.batch;
    a = {static_cast<const T*>(f.a), f.a_row, f.a_col, f.a_step, g.a_batch, f.a_offsets, f.a_packed};
    b = {static_cast<const T*>(f.b), f.b_col, f.b_row, f.b_step, g.b_batch, f.b_offsets, f.b_packed};
    c = static_cast<T*>(f.c), c_row = f.c_row, c_col = f.c_col, c_batch = g.c_batch;
    epilogue.alpha = static_cast<T>(f.alpha);
    epilogue.beta = static_cast<T>(f.beta);
    epilogue.relu = f.activation == Activation::Relu;
    bool per_row = f.bias_per_row;
    if (c_col != 1 && c_row == 1) {  // C^T = B^T A^T
      swap(m, n);
      swap(a, b);
      swap(c_row, c_col);
      per_row = !per_row;
    }
    (per_row ? epilogue.bias_row : epilogue.bias_col) = static_cast<const T*>(f.bias);
    if (k == 0) reduce = 0;
    tiles = ceil_div(m, kTileRows);
    panels = ceil_div(n, kTileCols<T>);
    k_slabs = ceil_div(k, kSlabDepth<T>);
    slab_blocks = k_slabs > 1 ? 1 : most(1, kSlabDepth<T> / most(k, 1));
    slabs = k_slabs > 1 ? reduce * k_slabs : ceil_div(reduce, slab_blocks);
  }

  int64_t depth() const { return reduce * k; }
  int64_t row(int64_t tile) const { return m * tile / tiles; }
  int64_t col(int64_t panel) const { return least(n, panel * kTileCols<T>); }

  struct Slab {
    int64_t r, blocks, p, k;  // blocks r ... r + blocks - 1, and of each p ... p + k - 1
  };
  Slab slab(int64_t s) const {
    if (k_slabs == 1) return {s * slab_blocks, least(slab_blocks, reduce - s * slab_blocks), 0, k};
    const int64_t size = ceil_div(k, k_slabs), r = s / k_slabs, p = s % k_slabs * size;
    return {r, 1, p, least(size, k - p)};
  }
  // Position of a slab in the concatenation of all blocks.
  int64_t depth_of(int64_t s) const {
    if (s == slabs) return depth();
    const Slab x = slab(s);
    return x.r * k + x.p;
  }
};

// Panels of one operand in memory: rows (columns) first ... and depths q ... of the concatenation, `depth` of them.
template <class T>
struct Panels {
  T* data = nullptr;
  int64_t first = 0, q = 0, depth = 0;

  // Where the panel that starts at row i begins, at depth q0.
  DLCORE_INLINE T* at(int64_t i, int64_t q0, int64_t width) const {
    return data + (i - first) * depth + (q0 - q) * width;
  }
};

template <class T>
void pack_range(const Problem<T>& g, const Operand<T>& x, const Panels<T>& to, int64_t i, int64_t rows, int64_t width,
                int64_t s0, int64_t s1) {
  for (int64_t s = s0; s < s1; ++s) {
    const auto slab = g.slab(s);
    for (int64_t r = slab.r; r < slab.r + slab.blocks; ++r) {
      const T* from = x.data + (x.offsets ? x.offsets[r] : r * x.step) + i * x.along + slab.p * x.depth;
      pack_panel(to.at(i, r * g.k + slab.p, width), width, rows, slab.k, from, x.along, x.depth);
    }
  }
}
template <class T>
void pack_a_tile(const Problem<T>& g, const Panels<T>& to, int64_t t, int64_t s0, int64_t s1) {
  const int64_t rows = g.row(t + 1) - g.row(t);
  pack_range(g, g.a, to, g.row(t), rows, rows, s0, s1);
}
template <class T>
void pack_b_panel(const Problem<T>& g, const Panels<T>& to, int64_t j, int64_t s0, int64_t s1) {
  pack_range(g, g.b, to, g.col(j), g.col(j + 1) - g.col(j), kTileCols<T>, s0, s1);
}

// A tile that is narrower than the registers, or whose columns are apart, is computed in a buffer.
template <class T>
[[gnu::noinline]] void tile_through_buffer(TileFn<T> fn, TileArgs<T> t, int64_t rows, int64_t cols, int64_t c_col) {
  constexpr int64_t W = kTileCols<T>;
  alignas(64) T buffer[kTileRows * W];
  alignas(64) T bias[W];
  Epilogue<T> e = *t.epilogue;
  T* c = t.c;
  const int64_t c_row = t.c_row;
  if (e.beta != 0)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < W; ++j) buffer[i * W + j] = j < cols ? c[i * c_row + j * c_col] : T(0);
  if (e.bias_col) {
    for (int64_t j = 0; j < W; ++j) bias[j] = j < cols ? e.bias_col[j] : T(0);
    e.bias_col = bias;
  }
  t.c = buffer;
  t.c_row = W;
  t.epilogue = &e;
  fn(t);
  using V = vec<T>;
  for (int64_t i = 0; i < rows; ++i) {
    if (c_col == 1) {
      for (int64_t j = 0; j < cols; j += V::size) V::load(buffer + i * W + j).store(c + i * c_row + j, cols - j);
    } else {
      for (int64_t j = 0; j < cols; ++j) c[i * c_row + j * c_col] = buffer[i * W + j];
    }
  }
}

// Adds slabs s0 ... s1 - 1 to the tiles t0 ... t1 - 1 by panels j0 ... j1 - 1 of C. Null panels: read the operand
// itself.
template <class T>
void compute(const Problem<T>& g, const Panels<T>& a, const Panels<T>& b, int64_t t0, int64_t t1, int64_t j0,
             int64_t j1, int64_t s0, int64_t s1) {
  const bool by_rows = !a.data && g.a.depth == 1 && g.a.along != 1;
  for (int64_t s = s0; s < s1; ++s) {
    const auto slab = g.slab(s);
    const int64_t q = slab.r * g.k + slab.p;
    TileArgs<T> x;
    x.reduce = slab.blocks;
    x.k = slab.k;
    x.c_row = g.c_row;
    for (int64_t j = j0; j < j1; ++j) {
      const int64_t col = g.col(j), cols = g.col(j + 1) - col, vectors = ceil_div(cols, kLanes<T>);
      if (b.data) {
        x.b = {b.at(col, q, kTileCols<T>), kTileCols<T>, g.k * kTileCols<T>, nullptr};
        x.cols = vectors * kLanes<T>;
      } else {
        x.b = {g.b.data + slab.p * g.b.depth + col, g.b.depth, g.b.step, g.b.offsets ? g.b.offsets + slab.r : nullptr};
        if (!g.b.offsets) x.b.data += slab.r * g.b.step;
        x.cols = cols;
      }
      for (int64_t t = t0; t < t1; ++t) {
        const int64_t row = g.row(t), rows = g.row(t + 1) - row;
        if (a.data) {
          x.a = {a.at(row, q, rows), rows, g.k * rows, nullptr};
        } else {
          x.a = {g.a.data + row * g.a.along + slab.p * g.a.depth, by_rows ? g.a.along : g.a.depth, g.a.step,
                 g.a.offsets ? g.a.offsets + slab.r : nullptr};
          if (!g.a.offsets) x.a.data += slab.r * g.a.step;
        }
        Epilogue<T> e = g.epilogue;
        if (s > 0) e.beta = 1;
        if (s + 1 < g.slabs) e.relu = false;
        e.bias_col = e.bias_col && s + 1 == g.slabs ? e.bias_col + col : nullptr;
        e.bias_row = e.bias_row && s + 1 == g.slabs ? e.bias_row + row : nullptr;
        x.epilogue = &e;
        x.c = g.c + row * g.c_row + col * g.c_col;
        const TileFn<T> fn = TileTable<T>::get(by_rows, rows, vectors);
        if (g.c_col == 1 && cols == vectors * kLanes<T>) {
          fn(x);
        } else {
          tile_through_buffer(fn, x, rows, cols, g.c_col);
        }
      }
    }
  }
}

// C = act(beta * C + bias): what is left of a product with nothing to sum.
template <class T>
void finish_empty(const Problem<T>& g) {
  const Epilogue<T>& e = g.epilogue;
  for (int64_t l = 0; l < g.batch; ++l)
    for (int64_t i = 0; i < g.m; ++i)
      for (int64_t j = 0; j < g.n; ++j) {
        T& c = g.c[l * g.c_batch + i * g.c_row + j * g.c_col];
        T x = e.beta != 0 ? e.beta * c : T(0);
        if (e.bias_col) x += e.bias_col[j];
        if (e.bias_row) x += e.bias_row[i];
        c = e.relu && x < 0 ? T(0) : x;
      }
}

template <class T>
Problem<T> product(const Problem<T>& g, int64_t l) {
  Problem<T> one = g;
  one.batch = 1;
  one.a.data += l * g.a.batch;
  one.b.data += l * g.b.batch;
  one.c += l * g.c_batch;
  return one;
}

// How a problem is cut.
template <class T>
struct Plan {
  bool pack_a, pack_b;
  bool by_product;  // a chunk is whole products of the batch; otherwise each product is cut
  int64_t group;    // products per super-block
  int64_t block_tiles, block_panels, block_slabs;  // of a super-block
  int64_t chunk_tiles, chunk_panels;               // of a chunk
  int64_t a_items, b_items;                        // elements of the packed panels of a super-block (of one product)

  explicit Plan(const Problem<T>& g) {
    const double flops = 2.0 * static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.depth());
    const int64_t limit = kPackBytes / static_cast<int64_t>(sizeof(T));
    pack_a = !g.a.packed && (g.panels > 2 || (g.a.along != 1 && g.a.depth != 1));
    pack_b = !g.b.packed && (g.tiles > 4 || g.b.along != 1);
    block_tiles = g.tiles, block_panels = g.panels, block_slabs = g.slabs;
    chunk_tiles = g.tiles, chunk_panels = g.panels;
    a_items = pack_a ? g.m * g.depth() : 0;
    b_items = pack_b ? g.panels * kTileCols<T> * g.depth() : 0;
    by_product = a_items + b_items <= limit && (flops <= 2 * kChunkFlops || (g.batch > 8 && flops < 32 * kChunkFlops));
    if (by_product) {
      group = a_items + b_items == 0 ? g.batch : least(g.batch, most(1, limit / (a_items + b_items)));
      return;
    }
    group = 1;
    const int64_t slab_depth = g.k_slabs > 1 ? ceil_div(g.k, g.k_slabs) : g.slab_blocks * g.k;
    const auto depth_of_block = [&] { return least(g.depth(), block_slabs * slab_depth); };
    // Halve the longest side of the super-block until its panels fit.
    while (true) {
      a_items = pack_a ? block_tiles * kTileRows * depth_of_block() : 0;
      b_items = pack_b ? block_panels * kTileCols<T> * depth_of_block() : 0;
      if (a_items <= limit && b_items <= limit) break;
      const int64_t rows = a_items > limit ? block_tiles * kTileRows : 0;
      const int64_t cols = b_items > limit ? block_panels * kTileCols<T> : 0;
      if (block_slabs > 1 && (depth_of_block() * 4 >= most(rows, cols) || (block_tiles == 1 && block_panels == 1))) {
        block_slabs = ceil_div(block_slabs, 2);
      } else if (block_panels == 1 || (rows > cols && block_tiles > 1)) {
        block_tiles = ceil_div(block_tiles, 2);
      } else {
        block_panels = ceil_div(block_panels, 2);
      }
      if (block_slabs == 1 && block_tiles == 1 && block_panels == 1) break;
    }
    chunk_tiles = least(kChunkTiles, block_tiles);
    chunk_panels = least(kChunkPanels, block_panels);
    const auto chunks = [&] { return ceil_div(block_tiles, chunk_tiles) * ceil_div(block_panels, chunk_panels); };
    const double tile_flops = 2.0 * kTileRows * static_cast<double>(kTileCols<T> * depth_of_block());
    while (chunks() < kChunksWanted && tile_flops * static_cast<double>(chunk_tiles * chunk_panels) > kChunkFlops &&
           (chunk_tiles > 1 || chunk_panels > 1)) {
      const bool tall = chunk_tiles * kTileRows >= chunk_panels * kTileCols<T>;
      int64_t& longer = chunk_panels == 1 || (chunk_tiles > 1 && tall) ? chunk_tiles : chunk_panels;
      longer = ceil_div(longer, 2);
    }
  }

  int64_t items() const { return group * padded(a_items) + group * padded(b_items); }
  static int64_t padded(int64_t count) {
    return ceil_div(count, 64 / sizeof(T)) * (64 / static_cast<int64_t>(sizeof(T)));
  }
};

// One super-block of one product: pack what it needs, then its chunks.
template <class T>
void run_block(const Problem<T>& g, const Plan<T>& plan, T* scratch, int64_t t0, int64_t t1, int64_t j0, int64_t j1,
               int64_t s0, int64_t s1) {
  const int64_t q = g.depth_of(s0), depth = g.depth_of(s1) - q;
  Panels<T> a, b;
  if (g.a.packed) a = {const_cast<T*>(g.a.data), 0, 0, g.depth()};
  if (g.b.packed) b = {const_cast<T*>(g.b.data), 0, 0, g.depth()};
  if (plan.pack_a) a = {scratch, g.row(t0), q, depth};
  if (plan.pack_b) b = {scratch + plan.padded(plan.a_items), g.col(j0), q, depth};
  if (plan.by_product) {
    for (int64_t t = t0; t < t1 && plan.pack_a; ++t) pack_a_tile(g, a, t, s0, s1);
    for (int64_t j = j0; j < j1 && plan.pack_b; ++j) pack_b_panel(g, b, j, s0, s1);
    compute(g, a, b, t0, t1, j0, j1, s0, s1);
    return;
  }
  const int64_t rows = ceil_div(t1 - t0, plan.chunk_tiles), cols = ceil_div(j1 - j0, plan.chunk_panels);
  const int64_t a_tiles = plan.pack_a ? t1 - t0 : 0, b_panels = plan.pack_b ? j1 - j0 : 0;
  parallel_for(a_tiles + b_panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (i < a_tiles) {
        pack_a_tile(g, a, t0 + i, s0, s1);
      } else {
        pack_b_panel(g, b, j0 + i - a_tiles, s0, s1);
      }
    }
  });
  parallel_for(rows * cols, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t y = i % rows, x = i / rows;
      compute(g, a, b, t0 + (t1 - t0) * y / rows, t0 + (t1 - t0) * (y + 1) / rows, j0 + (j1 - j0) * x / cols,
              j0 + (j1 - j0) * (x + 1) / cols, s0, s1);
    }
  });
}

template <class T>
void run(const Problem<T>& g, T* scratch) {
  if (g.m <= 0 || g.n <= 0 || g.batch <= 0) return;
  if (g.slabs == 0) return finish_empty(g);
  const Plan<T> plan(g);
  if (plan.by_product) {
    const int64_t share = plan.padded(plan.a_items) + plan.padded(plan.b_items);
    const double flops = 2.0 * static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.depth());
    const int64_t grain = most(1, static_cast<int64_t>(kChunkFlops / flops));
    for (int64_t l0 = 0; l0 < g.batch; l0 += plan.group) {
      parallel_for(least(plan.group, g.batch - l0), grain, [&](int64_t begin, int64_t end) {
        for (int64_t l = begin; l < end; ++l)
          run_block(product(g, l0 + l), plan, scratch + l * share, 0, g.tiles, 0, g.panels, 0, g.slabs);
      });
    }
    return;
  }
  for (int64_t l = 0; l < g.batch; ++l) {
    const Problem<T> one = product(g, l);
    for (int64_t j = 0; j < g.panels; j += plan.block_panels)
      for (int64_t t = 0; t < g.tiles; t += plan.block_tiles)
        for (int64_t s = 0; s < g.slabs; s += plan.block_slabs)
          run_block(one, plan, scratch, t, least(g.tiles, t + plan.block_tiles), j,
                    least(g.panels, j + plan.block_panels), s, least(g.slabs, s + plan.block_slabs));
  }
}

// Calls f(problem) with the problem in its own type.
template <class F>
DLCORE_INLINE auto typed(const GemmBatch& g, F&& f) {
  if (g.first.dtype == DType::Float64) return f(Problem<double>(g));
  return f(Problem<float>(g));
}

template <class T>
int64_t packed_items(const Problem<T>& g, bool is_a) {
  return (is_a ? g.m : g.panels * kTileCols<T>)*g.depth();
}

// With C transposed the engine has swapped the operands: the caller's A is the one in role B.
bool swapped(const Gemm& g) { return g.c_col != 1 && g.c_row == 1; }

int64_t packed_size(const Gemm& g, bool is_a) {
  return typed({g}, [&]<class T>(const Problem<T>& x) {
    const int64_t items = Plan<T>::padded(packed_items(x, is_a != swapped(g)));
    return items * static_cast<int64_t>(sizeof(T));
  });
}

void pack(const Gemm& g, bool is_a, void* packed) {
  typed({g}, [&]<class T>(const Problem<T>& x) {
    const Panels<T> to{static_cast<T*>(packed), 0, 0, x.depth()};
    const bool role_a = is_a != swapped(g);
    parallel_for(role_a ? x.tiles : x.panels, 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        role_a ? pack_a_tile(x, to, i, 0, x.slabs) : pack_b_panel(x, to, i, 0, x.slabs);
    });
  });
}

}  // namespace

int64_t gemm_workspace(const GemmBatch& g) {
  return typed(g, []<class T>(const Problem<T>& x) -> int64_t {
    if (x.m <= 0 || x.n <= 0 || x.batch <= 0 || x.slabs == 0) return 0;
    return Plan<T>(x).items() * static_cast<int64_t>(sizeof(T));
  });
}

void gemm(const GemmBatch& g, void* workspace) {
  typed(g, [&]<class T>(const Problem<T>& x) { run(x, static_cast<T*>(workspace)); });
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
