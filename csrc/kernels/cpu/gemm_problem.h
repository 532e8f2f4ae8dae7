#pragma once
// What the engine computes (Problem) and how it cuts the work (Plan). Every border is a function of the shape and the
// strides, never of the threads, so the bits don't depend on them.
#include "kernels/cpu/bounds.h"
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/gemm_rows.h"
#include "kernels/gemm.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

template <class T>
DLCORE_INLINE void swap(T& a, T& b) {
  const T c = a;
  a = b;
  b = c;
}

// Depth of a slab: a panel of B (32 KiB) stays in L1 while the panels of A (14 KiB each) pass by.
template <class T>
constexpr int64_t kSlabDepth = 1024 / sizeof(T);

// An operand as the engine sees it: x_r[i, p] = data[block(r) + i * along + p * depth], i along m (A) or n (B).
template <class T>
struct Operand {
  const T* data;
  int64_t along, depth, step, batch;
  const int64_t* offsets;
  bool packed;

  DLCORE_INLINE const T* block(int64_t r) const { return data + (offsets ? offsets[r] : r * step); }
};

// A block of the sum: depths p ... p + k - 1 of blocks r ... r + blocks - 1. One pass over C adds one slab.
struct Slab {
  int64_t r, blocks, p, k;
};

// The product with its roles settled: C's rows are contiguous wherever either of its strides is 1.
template <class T>
struct Problem {
  int64_t m, n, k, reduce, batch;
  Operand<T> a, b;
  T* c;
  int64_t c_row, c_col, c_batch;
  Epilogue<T> epilogue;

  int64_t tiles, tile_rows, taller_tiles;  // tiles along m: the first taller_tiles have one row more than tile_rows
  int64_t panels;                          // along n
  int64_t slabs, k_slabs, slab_k, slab_blocks;  // a block is k_slabs slabs, or a slab is slab_blocks blocks
  int64_t first_slab = 0, last_slab = -1;       // the slabs that are summed, first ... last

  explicit Problem(const GemmBatch& g) {
    const Gemm& f = g.first;
    m = f.m, n = f.n, k = f.k, reduce = f.reduce, batch = g.batch;
    a = {static_cast<const T*>(f.a), f.a_row, f.a_col, f.a_step, g.a_batch, f.a_offsets, f.a_packed};
    b = {static_cast<const T*>(f.b), f.b_col, f.b_row, f.b_step, g.b_batch, f.b_offsets, f.b_packed};
    c = static_cast<T*>(f.c), c_row = f.c_row, c_col = f.c_col, c_batch = g.c_batch;
    epilogue.alpha = static_cast<T>(f.alpha);
    epilogue.beta = static_cast<T>(f.beta);
    epilogue.activation = f.activation;
    (f.bias_per_row ? epilogue.bias_row : epilogue.bias_col) = static_cast<const T*>(f.bias);
    if (c_col != 1 && c_row == 1) transpose_roles();
    const bool neighbours = !a.packed && a.batch == m * a.along && c_batch == m * c_row && b.batch == 0;
    if (batch > 1 && neighbours && !epilogue.bias_row) m *= batch, batch = 1;  // one taller A
    count();
  }

  // C^T = B^T A^T
  void transpose_roles() {
    swap(m, n);
    swap(a, b);
    swap(c_row, c_col);
    swap(epilogue.bias_row, epilogue.bias_col);
  }

  void count() {
    if (m < 0 || n < 0 || k <= 0 || reduce < 0) reduce = 0;
    tiles = most(1, ceil_div(m, kTileRows));
    tile_rows = m / tiles;
    taller_tiles = m % tiles;
    panels = ceil_div(n, kTileCols<T>);
    k_slabs = most(1, ceil_div(k, kSlabDepth<T>));
    slab_k = ceil_div(k, k_slabs);
    slab_blocks = k_slabs > 1 ? 1 : most(1, kSlabDepth<T> / most(k, 1));
    slabs = k_slabs > 1 ? reduce * k_slabs : ceil_div(reduce, slab_blocks);
    first_slab = 0, last_slab = slabs - 1;
  }

  bool empty() const { return m <= 0 || n <= 0 || batch <= 0; }
  int64_t depth() const { return reduce * k; }
  double flops() const { return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(depth()); }

  DLCORE_INLINE int64_t row(int64_t tile) const { return tile * tile_rows + least(tile, taller_tiles); }
  DLCORE_INLINE int64_t col(int64_t panel) const { return least(n, panel * kTileCols<T>); }

  Slab slab(int64_t s) const {
    if (k_slabs == 1) return {s * slab_blocks, least(slab_blocks, reduce - s * slab_blocks), 0, k};
    const int64_t p = s % k_slabs * slab_k;
    return {s / k_slabs, 1, p, least(slab_k, k - p)};
  }
  // Where a slab begins in the concatenation of all blocks.
  int64_t depth_of(int64_t s) const {
    if (s == slabs) return depth();
    const Slab x = slab(s);
    return x.r * k + x.p;
  }
  // Of any `count` neighbouring slabs, at most.
  int64_t depth_of_slabs(int64_t count) const { return least(depth(), count * slab_k * slab_blocks); }

  Problem product(int64_t l) const {
    Problem one = *this;
    one.batch = 1;
    one.a.data += l * a.batch;
    one.b.data += l * b.batch;
    one.c += l * c_batch;
    return one;
  }
};

constexpr double kChunkFlops = 1e6;                    // a chunk worth a thread's attention
constexpr double kProductFlops = 2e4;                  // what a product costs beyond its arithmetic
constexpr int64_t kChunksWanted = 16;                  // more than the threads, so that they finish together
constexpr int64_t kChunkTiles = 12, kChunkPanels = 8;  // 168 x 256 in float32: its slabs of A and B fit L2
constexpr int64_t kScratchBytes = int64_t{4} << 20;    // of shared panels of A, of B, and of the chunks' own

// How an operand comes to the micro-kernel: as it is, packed by each chunk for itself, or packed once for all chunks.
enum class Packing : uint8_t { None, Own, Shared };

template <class T>
struct Plan {
  enum class Kind : uint8_t {
    Empty,  // nothing to sum
    Rows,   // A has few rows: B is streamed
    Units,  // a chunk is a whole product, or a part of its sum
    Grid,   // a chunk is a rectangle of C
  };
  Kind kind = Kind::Empty;
  Packing a = Packing::None, b = Packing::None;
  int64_t parts = 1;  // Units, Rows: ranges of the sum with a partial result each, combined in order
  int64_t group = 1;  // Units: how many have scratch at a time
  int64_t block_tiles = 0, block_panels = 0, block_slabs = 0;  // Grid: a super-block, what the scratch holds at a time
  int64_t chunk_tiles = 0, chunk_panels = 0;                   // a chunk
  int64_t strips = 1;                                          // Rows: chunks along n
  int64_t shared_a = 0, shared_b = 0, own_a = 0, own_b = 0, partial = 0, slots = 0;  // elements of scratch, and slots

  // g may be given other roles, if that suits the plan better.
  explicit Plan(Problem<T>& g) {
    if (g.empty() || g.slabs == 0) return;
    if (plan_rows(g)) return;
    // Wide tiles read rows that lie near each other where they are nearly as fast as packed ones.
    const bool near = kWideRows > 0 && g.a.depth == 1 && g.a.along * static_cast<int64_t>(sizeof(T)) <= 4096;
    const bool scattered = g.a.along != 1 && g.a.depth != 1;
    a = !g.a.packed && (scattered || g.panels > (near ? 8 : 2)) ? Packing::Shared : Packing::None;
    b = g.b.packed ? Packing::None : g.tiles > 4 || g.b.along != 1 ? Packing::Shared : Packing::None;
    plan_units(g) || plan_grid(g);
  }

  int64_t items() const { return shared_a + shared_b + slots * (own_a + own_b) + group * partial; }
  static int64_t aligned(int64_t items) {
    constexpr int64_t line = 64 / sizeof(T);
    return ceil_div(items, line) * line;
  }

 private:
  bool plan_rows(Problem<T>& g) {
    const auto fits = [&] {
      return g.m <= kFewRows && (g.b.along == 1 || (g.b.depth == 1 && g.a.depth == 1 && g.k >= 4 * kLanes<T>));
    };
    if (g.reduce != 1 || g.a.packed || g.b.packed || (g.m > kFewRows && g.n > kFewRows)) return false;
    if (!fits()) {
      g.transpose_roles();
      if (!fits()) {
        g.transpose_roles();
        return false;
      }
      g.count();
    }
    kind = Kind::Rows;
    constexpr int64_t chunk = 1 << 16;  // elements of B
    const int64_t wanted = least(32, ceil_div(g.n * g.k, chunk));
    strips = most(ceil_div(g.n, kStrip / g.m), least(wanted, ceil_div(g.n, 256)));
    parts = g.batch >= 8 ? 1 : most(1, least(wanted / strips, g.k / 256));
    partial = parts > 1 ? parts * aligned(g.m * g.n) : 0;
    group = parts > 1 ? g.batch : 1;
    return true;
  }

  bool plan_units(const Problem<T>& g) {
    const double flops = g.flops();
    const bool small = flops <= 2 * kChunkFlops, many = g.batch >= 8 && flops <= 32 * kChunkFlops;
    const bool deep = g.m * g.n <= 128 * 128 && g.slabs >= 16 && g.batch < kChunksWanted;
    if (!(small || many || deep) || (g.m + g.n) * kSlabDepth<T> * sizeof(T) > kScratchBytes / 4) return false;
    kind = Kind::Units;
    if (a != Packing::None) a = Packing::Own;
    if (b != Packing::None) b = Packing::Own;
    chunk_tiles = g.tiles, chunk_panels = g.panels;
    const int64_t depth = g.depth_of_slabs(1);
    own_a = a == Packing::Own ? aligned(g.m * depth) : 0;
    own_b = b == Packing::Own ? aligned(g.panels * kTileCols<T> * depth) : 0;
    if (deep) parts = least(g.slabs / 4, 2 * kChunksWanted / g.batch);
    partial = parts > 1 ? aligned(g.m * g.n) : 0;
    const int64_t units = g.batch * parts, share = own_a + own_b + partial;
    const int64_t room = kScratchBytes / 4 / static_cast<int64_t>(sizeof(T)) / most(1, share);
    slots = group = share == 0 || parts > 1 ? units : least(units, most(2 * kChunksWanted, room));
    return true;
  }

  bool plan_grid(const Problem<T>& g) {
    kind = Kind::Grid;
    block_tiles = g.tiles, block_panels = g.panels, block_slabs = g.slabs;
    chunk_tiles = least(kChunkTiles, g.tiles);
    chunk_panels = least(kChunkPanels, g.panels);
    const double tile_flops = 2.0 * kTileRows * static_cast<double>(kTileCols<T> * g.depth());
    while (chunks() < kChunksWanted && tile_flops * static_cast<double>(chunk_tiles * chunk_panels) > kChunkFlops &&
           chunk_tiles * chunk_panels > 1) {
      const bool tall = chunk_tiles * kTileRows >= chunk_panels * kTileCols<T>;
      int64_t& side = chunk_panels == 1 || (chunk_tiles > 1 && tall) ? chunk_tiles : chunk_panels;
      side = ceil_div(side, 2);
    }
    // What only one chunk reads, that chunk packs, slab by slab.
    if (b == Packing::Shared && chunk_tiles == g.tiles) b = Packing::Own;
    if (a == Packing::Shared && chunk_panels == g.panels) a = Packing::Own;
    own_a = a == Packing::Own ? aligned(chunk_tiles * kTileRows * g.depth_of_slabs(1)) : 0;
    own_b = b == Packing::Own ? aligned(chunk_panels * kTileCols<T> * g.depth_of_slabs(1)) : 0;
    const int64_t limit = kScratchBytes / static_cast<int64_t>(sizeof(T));
    while (true) {  // halve the longest side of the super-block until its panels fit
      const int64_t depth = g.depth_of_slabs(block_slabs);
      const int64_t rows = block_tiles * kTileRows, cols = block_panels * kTileCols<T>;
      shared_a = a == Packing::Shared ? aligned(rows * depth) : 0;
      shared_b = b == Packing::Shared ? aligned(cols * depth) : 0;
      slots = own_a + own_b > 0 ? chunks() : 0;
      const bool slots_fit = slots * (own_a + own_b) <= limit;
      if (shared_a <= limit && shared_b <= limit && slots_fit) break;
      const int64_t too_tall = (shared_a > limit || !slots_fit) && block_tiles > chunk_tiles ? rows : 0;
      const int64_t too_wide = (shared_b > limit || !slots_fit) && block_panels > chunk_panels ? cols : 0;
      if (block_slabs > 1 && slots_fit && depth * 4 >= most(too_tall, too_wide)) {
        block_slabs = ceil_div(block_slabs, 2);
      } else if (too_tall >= too_wide && too_tall > 0) {
        block_tiles = ceil_div(ceil_div(block_tiles, 2), chunk_tiles) * chunk_tiles;
      } else if (too_wide > 0) {
        block_panels = ceil_div(ceil_div(block_panels, 2), chunk_panels) * chunk_panels;
      } else {
        break;  // a single chunk
      }
    }
    return true;
  }

  int64_t chunks() const { return ceil_div(block_tiles, chunk_tiles) * ceil_div(block_panels, chunk_panels); }
};

}  // namespace
}  // namespace dlcore::kernel::DLCORE_TIER
