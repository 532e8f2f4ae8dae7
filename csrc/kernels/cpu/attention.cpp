// Attention in blocks (kernels/attention.h). Every product is of small matrices in the cache; keys and values, and in
// backward queries and dy, are packed for it once, unless there are only a few queries. Work is cut by the shape alone:
// into slots, each with scratch of its own, which take their units (blocks of queries; in backward groups of key
// blocks) in turn. Where there are many planes a slot takes whole planes, and packs for itself.
//
// At least 4 L S D operations forward (q k^T and p v) and 10 L S D backward (those of s and dp again, dv, dk, dq), of
// the pairs that take part.
#include "kernels/attention.h"

#include "core/parallel.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/attention_few.h"
#include "kernels/cpu/attention_pairs.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kSlots = 32;
constexpr int kKeyBlocks = 4;       // forward: 64 x 256 pairs at a time
constexpr int kQueryBlocks = 2;     // backward: 128 x 64
constexpr int64_t kGroups = 8;      // of key blocks, each with a dq of its own
constexpr int64_t kPackRows = 256;  // a unit of packing
constexpr double kChunkFlops = 5e5;

template <class T>
DLCORE_INLINE T* row_of(const AttentionMatrices& x, int64_t plane, int64_t i) {
  return static_cast<T*>(x.data) + x.places[plane] + i * x.row;
}

template <int D, class T, int N, int... I>
DLCORE_INLINE vec<T, N> larger_half(vec<T, N> x, ints<I...>) {
  return max(x, shuffle<(I + D) % N...>(x, x));
}
template <class T, int N, int D = N / 2>
DLCORE_INLINE T largest_lane(vec<T, N> x) {
  if constexpr (D >= 1)
    return largest_lane<T, N, D / 2>(larger_half<D>(x, indices<N>()));
  else
    return x[0];
}

template <class T>
struct Common {
  static constexpr int64_t W = kTileCols<T>, L = kLanes<T>;

  Common(const Attention& a, bool backward, void* workspace)
      : a(a),
        pairs(a),
        arena{static_cast<char*>(workspace)},
        shared(a.planes / a.group),
        query_blocks(ceil_div(a.queries, kSide)),
        key_blocks(ceil_div(a.keys, kSide)),
        depth_panels(panels<T>(a.depth)),
        width_panels(panels<T>(a.width)),
        own(shared >= kSlots) {
    const double products = backward ? 10 : 4;
    flops =
        products * static_cast<double>(a.planes * a.queries) * static_cast<double>(a.keys * (a.depth + a.width) / 2);
  }

  // Runs f(i) for i < n; slots that together are worth a thread go to one.
  template <class F>
  void spread(int64_t n, const F& f) const {
    const double chunks = flops / kChunkFlops;
    const int64_t grain = chunks >= static_cast<double>(n) ? 1 : ceil_div(n, 1 + static_cast<int64_t>(chunks));
    parallel_for(n, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) f(i);
    });
  }

  // Which of the lists of blocks a plane follows.
  DLCORE_INLINE int64_t list(int64_t plane) const { return a.blocks.list ? a.blocks.list[plane] : 0; }

  const Attention& a;
  Pairs<T> pairs;
  Arena arena;
  int64_t shared;  // planes of keys and values
  int64_t query_blocks, key_blocks, depth_panels, width_panels;
  bool own;  // a slot takes whole planes
  double flops;
};

// ---- forward: a block of queries meets its keys, 256 at a time. With m the largest s so far,
//
//   o_i = sum_j z_ij exp(s_ij - m_i) v_j,  l_i = sum_j exp(s_ij - m_i)    both times exp(m - m') when m becomes m'
//   y_i = o_i / l_i

template <class T>
class Forward : Common<T> {
  using Common<T>::W, Common<T>::L, Common<T>::a, Common<T>::pairs, Common<T>::arena, Common<T>::own, Common<T>::shared;
  using Common<T>::query_blocks, Common<T>::key_blocks, Common<T>::width_panels;
  using V = vec<T>;

 public:
  Forward(const Attention& args, void* workspace) : Common<T>(args, false, workspace) {
    few_ = a.queries <= kFewQueries && !a.softmax;  // backward is to meet the very same s
    slots_ = own ? kSlots : least(kSlots, a.planes * query_blocks);
    const int64_t packed = few_ ? 0 : own ? slots_ : shared;
    row_ = least(kKeyBlocks, key_blocks) * kSide;
    keys_size_ = panels<T>(a.keys) * W * a.depth, values_size_ = width_panels * W * a.keys;
    keys_ = arena.template take<T>(packed * keys_size_);
    values_ = arena.template take<T>(packed * values_size_);
    q_ = arena.template take<T>(slots_ * kSide * a.depth);
    s_ = arena.template take<T>(slots_ * kSide * row_);
    o_ = arena.template take<T>(slots_ * kSide * width_panels * W);
  }
  int64_t bytes() const { return arena.used; }

  void run() const {
    if (own)
      return this->spread(slots_, [&](int64_t slot) {
        for (int64_t p = slot; p < shared; p += slots_) {
          if (!few_) pack(p, slot, 0, a.keys);
          for (int64_t plane = p * a.group; plane < (p + 1) * a.group; ++plane)
            for (int64_t block = 0; block < query_blocks; ++block) queries(plane, block, slot, slot);
        }
      });
    const int64_t parts = few_ ? 0 : ceil_div(a.keys, kPackRows);
    this->spread(shared * parts, [&](int64_t i) {
      const int64_t first = i % parts * kPackRows;
      pack(i / parts, i / parts, first, least(kPackRows, a.keys - first));
    });
    this->spread(slots_, [&](int64_t slot) {
      for (int64_t i = slot; i < a.planes * query_blocks; i += slots_) {
        const int64_t plane = i % a.planes;
        queries(plane, i / a.planes, plane / a.group, slot);
      }
    });
  }

 private:
  void pack(int64_t p, int64_t place, int64_t first, int64_t n) const {
    pack_across(row_of<T>(a.k, p, first), a.k.row, n, a.depth, keys_ + place * keys_size_ + first * a.depth);
    pack_along(row_of<T>(a.v, p, first), a.v.row, n, a.width, values_ + place * values_size_ + first * W, a.keys * W);
  }

  // y, m and 1 / l of a block of queries.
  void queries(int64_t plane, int64_t block, int64_t place, int64_t slot) const {
    const int64_t first = block * kSide, n = least(kSide, a.queries - first), o_row = width_panels * W;
    const int64_t shared_plane = plane / a.group;
    const T *keys = keys_ + place * keys_size_, *values = values_ + place * values_size_;
    T *q = q_ + slot * kSide * a.depth, *s = s_ + slot * kSide * row_, *o = o_ + slot * kSide * o_row;
    T m[kSide], l[kSide];
    for (int64_t i = 0; i < n; ++i) m[i] = -kInfinity<T>, l[i] = 0;
    for (int64_t i = 0; i < n * o_row; ++i) o[i] = 0;
    scale_rows(row_of<T>(a.q, plane, first), a.q.row, n, a.depth, static_cast<T>(a.scale), q, a.depth);

    const int64_t* start = a.blocks.row_start + this->list(plane) * (query_blocks + 1) + block;
    pieces<kKeyBlocks>(a.blocks.rows + start[0], a.blocks.rows + start[1], [&](const Piece<kKeyBlocks>& p) {
      const int64_t key = p.first * kSide, count = least(p.count * kSide, a.keys - key);
      if (few_)
        few_scores(n, count, a.depth, q, a.depth, row_of<T>(a.k, shared_plane, key), a.k.row, s, row_);
      else
        product<ARows::Strided>(n, count, a.depth, q, a.depth, keys + key * a.depth, W * a.depth, s, row_, false);
      for (int64_t i = 0; i < n; ++i) soften(plane, first + i, p, count, s + i * row_, m[i], l[i], o + i * o_row);
      if (few_)
        few_sums(n, count, a.width, s, row_, row_of<T>(a.v, shared_plane, key), a.v.row, o, o_row);
      else
        product<ARows::Strided>(n, a.width, count, s, row_, values + key * W, W * a.keys, o, o_row, true);
    });

    T* softmax = static_cast<T*>(a.softmax) + 2 * (plane * a.queries + first);
    for (int64_t i = 0; i < n; ++i) {
      const bool none = l[i] == 0;
      const T inverse = none ? T(0) : 1 / l[i];
      scale_rows(o + i * o_row, 0, 1, a.width, inverse, row_of<T>(a.y, plane, first + i), 0);
      if (a.softmax) softmax[2 * i] = none ? kInfinity<T> : m[i], softmax[2 * i + 1] = inverse;
    }
  }

  // s of a query becomes z exp(s - m), and its m, l and o follow.
  DLCORE_INLINE void soften(int64_t plane, int64_t query, const Piece<kKeyBlocks>& p, int64_t count, T* s, T& m, T& l,
                            T* o) const {
    for (int64_t b = 0; b < p.count; ++b)
      if (pairs.restricted(p.tiles[b], p.first + b)) pairs.apply(plane, query, p.first + b, p.tiles[b], s + b * kSide);
    V most(-kInfinity<T>);
    for (int64_t j = 0; j < count; j += L) most = max(most, V::load(s + j));
    const T before = m, largest = largest_lane(most);
    m = before > largest ? before : largest;
    const T shift = m == -kInfinity<T> ? T(0) : m;
    V sum(T(0));
    for (int64_t j = 0; j < count; j += L) {
      const V e = exp(V::load(s + j) - V(shift));
      sum += e;
      e.store(s + j);
    }
    if (pairs.dropout())
      for (int64_t b = 0; b < p.count; ++b) {
        T z[kSide];
        pairs.factors(plane, query, p.first + b, z);
        for (int64_t j = 0; j < least(kSide, count - b * kSide); j += L)
          (V::load(s + b * kSide + j) * V::load(z + j)).store(s + b * kSide + j);
      }
    if (m != before && l != 0) {
      const T c = exp(V(before - shift))[0];
      l *= c;
      for (int64_t j = 0; j < a.width; j += L) (V::load(o + j) * V(c)).store(o + j);
    }
    l += sum_lanes(sum);
  }

  bool few_;  // queries: nothing is packed
  int64_t slots_, row_, keys_size_, values_size_;
  T *keys_, *values_;  // packed, by plane or slot
  T *q_, *s_, *o_;     // by slot: scale q; s, then p; o
};

// ---- backward: a block of keys meets its queries, 128 at a time, with p and ds in the cache. dk and dv are complete
// after that; dq is a sum over the blocks of keys, which each group of them adds up for itself, and which are added in
// their order in the end.

template <class T>
class Backward : Common<T> {
  using Common<T>::W, Common<T>::L, Common<T>::a, Common<T>::pairs, Common<T>::arena, Common<T>::own, Common<T>::shared;
  using Common<T>::query_blocks, Common<T>::key_blocks, Common<T>::depth_panels, Common<T>::width_panels;
  using V = vec<T>;

 public:
  Backward(const Attention& args, const AttentionBackward& b, void* workspace)
      : Common<T>(args, true, workspace), b_(b), rows_(query_blocks * kSide) {
    groups_ = own || key_blocks == 0 ? 1 : least(key_blocks, least(kGroups, ceil_div(kSlots, shared)));
    slots_ = own ? kSlots : shared * groups_;
    const int64_t places = own ? slots_ * a.group : a.planes;
    pair_rows_ = least(kQueryBlocks, query_blocks) * kSide;
    q_row_ = depth_panels * W, y_row_ = width_panels * W;
    const auto take = [&](T*& p, int64_t each, int64_t count) { p = arena.template take<T>(each * count); };
    take(q_, places, rows_ * a.depth), take(q_panels_, places, rows_ * q_row_);
    take(dy_, places, rows_ * a.width), take(dy_panels_, places, rows_ * y_row_);
    take(delta_, places, rows_);
    take(dq_, places * groups_, rows_ * q_row_);
    take(keys_, slots_, kSide * a.depth), take(key_panels_, slots_, kSide * q_row_);
    take(values_, slots_, kSide * a.width);
    take(p_, slots_, pair_rows_ * kSide), take(ds_, slots_, pair_rows_ * kSide);
    take(dk_, slots_, kSide * q_row_), take(dv_, slots_, kSide * y_row_);
  }
  int64_t bytes() const { return arena.used; }

  void run() const {
    if (own)
      return this->spread(slots_, [&](int64_t slot) {
        for (int64_t p = slot; p < shared; p += slots_) {
          const int64_t plane = p * a.group, place = slot * a.group;
          for (int64_t h = 0; h < a.group; ++h) pack(plane + h, place + h, 0, a.queries);
          keys(p, place, 0, slot);
          for (int64_t h = 0; h < a.group; ++h) add_up(plane + h, place + h, 0, a.queries);
        }
      });
    const int64_t parts = ceil_div(a.queries, kPackRows);
    const auto each_part = [&](auto&& f) {
      this->spread(a.planes * parts, [&](int64_t i) {
        const int64_t plane = i / parts, first = i % parts * kPackRows;
        f(plane, plane, first, least(kPackRows, a.queries - first));
      });
    };
    each_part([&](auto... part) { pack(part...); });
    this->spread(slots_, [&](int64_t slot) { keys(slot % shared, slot % shared * a.group, slot / shared, slot); });
    each_part([&](auto... part) { add_up(part...); });
  }

 private:
  // q, dy and delta of queries first ... first + n.
  void pack(int64_t plane, int64_t place, int64_t first, int64_t n) const {
    T* q = q_ + (place * rows_ + first) * a.depth;
    scale_rows(row_of<T>(a.q, plane, first), a.q.row, n, a.depth, static_cast<T>(a.scale), q, a.depth);
    if (b_.dk.data) pack_along(q, a.depth, n, a.depth, q_panels_ + place * rows_ * q_row_ + first * W, rows_ * W);
    const T* dy = row_of<T>(b_.dy, plane, first);
    scale_rows(dy, b_.dy.row, n, a.width, T(1), dy_ + (place * rows_ + first) * a.width, a.width);
    if (b_.dv.data) pack_along(dy, b_.dy.row, n, a.width, dy_panels_ + place * rows_ * y_row_ + first * W, rows_ * W);
    for (int64_t i = 0; i < n; i += L)
      deltas(row_of<T>(a.y, plane, first + i), dy + i * b_.dy.row, least(L, n - i), delta_ + place * rows_ + first + i);
  }

  // delta of up to L queries, a lane each: added up in the order of dy . v, from which it is subtracted, so that
  // nothing is left of a query with one key.
  void deltas(const T* y, const T* dy, int64_t n, T* delta) const {
    V sum(T(0));
    for (int64_t j = 0; j < a.width; j += L) {
      const int64_t count = least(L, a.width - j);
      V x[L], g[L];
#pragma GCC unroll 16
      for (int64_t l = 0; l < L; ++l) {
        const int64_t i = least(l, n - 1);
        x[l] = V::load(y + i * a.y.row + j, count), g[l] = V::load(dy + i * b_.dy.row + j, count);
      }
      transpose(x), transpose(g);
#pragma GCC unroll 16
      for (int64_t l = 0; l < L; ++l) sum = fma(x[l], g[l], sum);
    }
    sum.store(delta, n);
  }

  // dk and dv of every groups_-th block of keys, and what they add to dq.
  void keys(int64_t p, int64_t place, int64_t group, int64_t slot) const {
    for (int64_t h = 0; h < a.group && b_.dq.data; ++h) {
      T* dq = dq_of(place + h, group);
      for (int64_t i = 0; i < rows_ * q_row_; ++i) dq[i] = 0;
    }
    T *k = keys_ + slot * kSide * a.depth, *v = values_ + slot * kSide * a.width;
    T *dk = dk_ + slot * kSide * q_row_, *dv = dv_ + slot * kSide * y_row_;
    for (int64_t block = group; block < key_blocks; block += groups_) {
      const int64_t first = block * kSide, n = least(kSide, a.keys - first);
      pack_across(row_of<T>(a.k, p, first), a.k.row, n, a.depth, k);
      pack_across(row_of<T>(a.v, p, first), a.v.row, n, a.width, v);
      if (b_.dq.data)
        pack_along(row_of<T>(a.k, p, first), a.k.row, n, a.depth, key_panels_ + slot * kSide * q_row_, kSide * W);
      bool first_piece = true;
      for (int64_t h = 0; h < a.group; ++h) {
        const int64_t plane = p * a.group + h;
        const int64_t* start = a.blocks.column_start + this->list(plane) * (key_blocks + 1) + block;
        pieces<kQueryBlocks>(a.blocks.columns + start[0], a.blocks.columns + start[1],
                             [&](const Piece<kQueryBlocks>& piece) {
                               meet(plane, place + h, group, slot, block, piece, !first_piece);
                               first_piece = false;
                             });
      }
      if (first_piece) {
        for (int64_t i = 0; i < kSide * q_row_; ++i) dk[i] = 0;
        for (int64_t i = 0; i < kSide * y_row_; ++i) dv[i] = 0;
      }
      if (b_.dk.data) scale_rows(dk, q_row_, n, a.depth, T(1), row_of<T>(b_.dk, p, first), b_.dk.row);
      if (b_.dv.data) scale_rows(dv, y_row_, n, a.width, T(1), row_of<T>(b_.dv, p, first), b_.dv.row);
    }
  }

  // A block of keys and a piece of queries; dk and dv are added to, or begin here.
  void meet(int64_t plane, int64_t place, int64_t group, int64_t slot, int64_t block, const Piece<kQueryBlocks>& piece,
            bool add) const {
    const int64_t first = piece.first * kSide, n = least(piece.count * kSide, a.queries - first);
    const int64_t count = least(kSide, a.keys - block * kSide), q_at = place * rows_ + first;
    T *p = p_ + slot * pair_rows_ * kSide, *ds = ds_ + slot * pair_rows_ * kSide;
    const T *q = q_ + q_at * a.depth, *dy = dy_ + q_at * a.width;
    const T *k = keys_ + slot * kSide * a.depth, *v = values_ + slot * kSide * a.width;
    product<ARows::Strided>(n, count, a.depth, q, a.depth, k, W * a.depth, p, kSide, false);
    product<ARows::Strided>(n, count, a.width, dy, a.width, v, W * a.width, ds, kSide, false);
    const T* softmax = static_cast<const T*>(a.softmax) + 2 * (plane * a.queries + first);
    for (int64_t i = 0; i < n; ++i) {
      const int32_t tile = piece.tiles[i / kSide];
      if (pairs.restricted(tile, block)) pairs.apply(plane, first + i, block, tile, p + i * kSide);
      derive(plane, first + i, block, count, softmax + 2 * i, delta_[q_at + i], p + i * kSide, ds + i * kSide);
    }
    if (b_.dv.data)
      product<ARows::Panel>(count, a.width, n, p, kSide, dy_panels_ + place * rows_ * y_row_ + first * W, rows_ * W,
                            dv_ + slot * kSide * y_row_, y_row_, add);
    if (b_.dk.data)
      product<ARows::Panel>(count, a.depth, n, ds, kSide, q_panels_ + place * rows_ * q_row_ + first * W, rows_ * W,
                            dk_ + slot * kSide * q_row_, q_row_, add);
    if (b_.dq.data)
      product<ARows::Strided>(n, a.depth, count, ds, kSide, key_panels_ + slot * kSide * q_row_, kSide * W,
                              dq_of(place, group) + first * q_row_, q_row_, true);
  }

  // One query's s becomes z p, and its dy . v become ds.
  DLCORE_INLINE void derive(int64_t plane, int64_t query, int64_t block, int64_t count, const T* softmax, T delta, T* s,
                            T* ds) const {
    T z[kSide];
    const bool drop = pairs.dropout();
    if (drop) pairs.factors(plane, query, block, z);
    for (int64_t j = 0; j < count; j += L) {
      const V p = exp(V::load(s + j) - V(softmax[0])) * V(softmax[1]);
      V dp = V::load(ds + j), zp = p;
      if (drop) {
        const V factor = V::load(z + j);
        dp *= factor, zp *= factor;
      }
      zp.store(s + j);
      (p * (dp - V(delta))).store(ds + j);
    }
    if (b_.dmask) {
      T* to = static_cast<T*>(b_.dmask) + (plane * a.queries + query) * a.keys + block * kSide;
      scale_rows(ds, 0, 1, count, T(1), to, 0);
    }
  }

  // dq of queries first ... first + n: the sum of the groups' shares.
  void add_up(int64_t plane, int64_t place, int64_t first, int64_t n) const {
    if (!b_.dq.data) return;
    for (int64_t i = first; i < first + n; ++i) {
      T* total = dq_of(place, 0) + i * q_row_;
      for (int64_t group = 1; group < groups_; ++group) {
        const T* share = dq_of(place, group) + i * q_row_;
        for (int64_t j = 0; j < q_row_; j += L) (V::load(total + j) + V::load(share + j)).store(total + j);
      }
      scale_rows(total, 0, 1, a.depth, static_cast<T>(a.scale), row_of<T>(b_.dq, plane, i), 0);
    }
  }

  DLCORE_INLINE T* dq_of(int64_t place, int64_t group) const {
    return dq_ + (place * groups_ + group) * rows_ * q_row_;
  }

  const AttentionBackward& b_;
  int64_t rows_;  // queries, in whole blocks
  int64_t groups_, slots_, pair_rows_, q_row_, y_row_;
  T *q_, *q_panels_, *dy_, *dy_panels_, *delta_;  // by plane, or by slot and plane of it: scale q, dy
  T* dq_;                                         // the same, by group
  T *keys_, *key_panels_, *values_;               // by slot: a block of keys, across and along; of values, across
  T *p_, *ds_, *dk_, *dv_;                        // by slot: (128, 64) pairs; a block's gradients
};

bool empty(const Attention& a) { return a.planes <= 0 || a.queries <= 0; }

int64_t attention_workspace(const Attention& a, bool backward) {
  if (empty(a)) return 0;
  const bool wide = a.dtype == DType::Float64;
  if (backward) return wide ? Backward<double>(a, {}, nullptr).bytes() : Backward<float>(a, {}, nullptr).bytes();
  return wide ? Forward<double>(a, nullptr).bytes() : Forward<float>(a, nullptr).bytes();
}

void attention_forward(const Attention& a, void* workspace) {
  if (empty(a)) return;
  a.dtype == DType::Float64 ? Forward<double>(a, workspace).run() : Forward<float>(a, workspace).run();
}

void attention_backward(const Attention& a, const AttentionBackward& b, void* workspace) {
  if (empty(a)) return;
  a.dtype == DType::Float64 ? Backward<double>(a, b, workspace).run() : Backward<float>(a, b, workspace).run();
}

}  // namespace

void fill_attention(KernelTable& t) {
  t.attention_workspace = attention_workspace;
  t.attention_forward = attention_forward;
  t.attention_backward = attention_backward;
}

}  // namespace dlcore::kernel::DLCORE_TIER
