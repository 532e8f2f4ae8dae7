// Separable linear maps (kernels/axis_map.h). A row of y is, first, a weighted sum of whole rows of x, whatever their
// layout; then along the row each target takes its weighted sources: over the channels with vectors where these are
// innermost, and otherwise over the targets, with gathers.
#include "core/parallel.h"
#include "kernels/axis_map.h"
#include "kernels/cpu/resample_narrow.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kGrainWork = 1 << 15, kChunks = 64;

template <class T>
struct Term {
  const T* from;
  T weight;
};

// y[j] = x[place[j]]
template <class T>
DLCORE_INLINE vec<T> gather_lanes(const T* x, const typename vec<T>::bits* place) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return {(typename vec<T>::native)_mm512_i32gather_ps(_mm512_loadu_si512(place), x, 4)};
  else
    return {(typename vec<T>::native)_mm512_i64gather_pd(_mm512_loadu_si512(place), x, 8)};
#else
  T lanes[kLanes<T>];
  for (int i = 0; i < kLanes<T>; ++i) lanes[i] = x[place[i]];
  return vec<T>::load(lanes);
#endif
}

// Vectors that are all there, or the first `lanes` of one.
template <bool Whole, class T>
DLCORE_INLINE vec<T> load(const T* p, int64_t lanes) {
  return Whole ? vec<T>::load(p) : vec<T>::load(p, lanes);
}
template <bool Whole, class T>
DLCORE_INLINE void store(vec<T> v, T* p, int64_t lanes) {
  Whole ? v.store(p) : v.store(p, lanes);
}

// f<vectors, whole>(place, lanes) over n elements; the last vector may overlap the one before it.
template <class T, class F>
DLCORE_INLINE void each_block(int64_t n, const F& f) {
  constexpr int64_t L = kLanes<T>;
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) f.template operator()<4, true>(i, L);
  for (; i + L <= n; i += L) f.template operator()<1, true>(i, L);
  if (i == n) return;
  n >= L ? f.template operator()<1, true>(n - L, L) : f.template operator()<1, false>(i, n - i);
}

// sum[i] = sum_r weight_r from_r[i], of at least one term
template <class T>
DLCORE_INLINE void sum_terms(const Term<T>* terms, int64_t count, int64_t n, T* sum) {
  using V = vec<T>;
  each_block<T>(n, [=]<int B, bool Whole>(int64_t i, int64_t lanes) {
    V s[B];
    for (int b = 0; b < B; ++b) s[b] = V(terms[0].weight) * load<Whole>(terms[0].from + i + b * V::size, lanes);
    for (int64_t r = 1; r < count; ++r) {
      const T* from = terms[r].from + i;
      const V w(terms[r].weight);
      for (int b = 0; b < B; ++b) s[b] = fma(w, load<Whole>(from + b * V::size, lanes), s[b]);
    }
    for (int b = 0; b < B; ++b) store<Whole>(s[b], sum + i + b * V::size, lanes);
  });
}

template <class T>
struct Resampler {
  using V = vec<T>;
  using Index = typename V::bits;
  const Image& g;
  bool plain, planar;  // along the row: nothing to do; one channel
  int64_t row, targets, grain, slot_bytes;
  T* weight;     // planar: (most, targets), else (entries)
  Index* place;  // planar: (most, targets)
  char* slots;
  Arena arena;

  struct Slot {
    Term<T>*rows, *all;  // of a target's rows; of a target
    T* sum;              // (row), and behind it a zero
  };
  Slot take_slot(Arena& a) const {
    const int64_t rows = g.d.most * g.h.most;
    return {a.take<Term<T>>(rows), a.take<Term<T>>(most(rows, 1) * g.w.most), a.take<T>(row + 1)};
  }

  Resampler(const Image& g, void* workspace)
      : g(g),
        plain(identity(g.w)),
        planar(g.inner == 1),
        row(g.w.in * g.inner),
        targets(ceil_div(g.w.out, V::size) * V::size),
        arena{static_cast<char*>(workspace)} {
    const int64_t work = (g.d.most * g.h.most + 1) * row + (g.w.most + 1) * g.w.out * g.inner;
    grain = most(1, kGrainWork / (work + 1));
    const int64_t rows = g.outer * g.d.out * g.h.out;
    grain = most(grain, ceil_div(rows, kChunks));
    weight = arena.take<T>(planar ? g.w.most * targets : g.w.start[g.w.out]);
    place = planar ? arena.take<Index>(g.w.most * targets) : nullptr;
    if (workspace) planar ? lay_out_targets() : lay_out_weights();
    Arena one{nullptr};
    take_slot(one);
    slot_bytes = one.used;
    slots = arena.take<char>(slot_bytes * ceil_div(rows, grain));
  }

  static bool identity(const AxisMap& m) {
    if (m.in != m.out || m.most != 1 || m.start[m.out] != m.out) return false;
    for (int64_t o = 0; o < m.out; ++o)
      if (m.place[o] != o || m.weight[o] != 1) return false;
    return true;
  }
  void lay_out_weights() {
    for (int64_t e = 0; e < g.w.start[g.w.out]; ++e) weight[e] = static_cast<T>(g.w.weight[e]);
  }
  // The k-th entry of every target next to each other; where there is none, the zero behind the row.
  void lay_out_targets() {
    for (int64_t k = 0; k < g.w.most; ++k)
      for (int64_t o = 0; o < targets; ++o) {
        const int64_t e = o < g.w.out ? g.w.start[o] + k : 0;
        const bool there = o < g.w.out && e < g.w.start[o + 1];
        weight[k * targets + o] = there ? static_cast<T>(g.w.weight[e]) : T(0);
        place[k * targets + o] = static_cast<Index>(there ? g.w.place[e] : row);
      }
  }

  // y[o] = sum of weight[e] times what the rows have at place[e], over the channels
  void along_channels(const Term<T>* rows, int64_t count, Term<T>* all, T* y) const {
    for (int64_t o = 0; o < g.w.out; ++o, y += g.inner) {
      Term<T>* next = all;
      for (int64_t r = 0; r < count; ++r)
        for (int64_t e = g.w.start[o]; e < g.w.start[o + 1]; ++e)
          *next++ = {rows[r].from + g.w.place[e] * g.inner, rows[r].weight * weight[e]};
      if (next == all)
        fill(y, g.inner, T(0));
      else
        sum_terms(all, next - all, g.inner, y);
    }
  }
  void along_row(const T* x, T* y) const {
    for (int64_t o = 0; o < g.w.out; o += V::size) {
      V s(T(0));
      for (int64_t k = 0; k < g.w.most; ++k) {
        const V v = gather_lanes(x, place + k * targets + o), w = V::load(weight + k * targets + o);
        s = k == 0 ? w * v : fma(w, v, s);
      }
      s.store(y + o, g.w.out - o);
    }
  }

  int64_t find_rows(const T* image, int64_t i, int64_t j, Term<T>* terms) const {
    int64_t count = 0;
    for (int64_t a = g.d.start[i]; a < g.d.start[i + 1]; ++a)
      for (int64_t b = g.h.start[j]; b < g.h.start[j + 1]; ++b)
        terms[count++] = {image + (g.d.place[a] * g.h.in + g.h.place[b]) * row,
                          static_cast<T>(g.d.weight[a] * g.h.weight[b])};
    return count;
  }

  void run(const T* x, T* y) const {
    const int64_t planes = g.d.out * g.h.out, to_row = g.w.out * g.inner;
    parallel_for(g.outer * planes, grain, [&](int64_t begin, int64_t end) {
      Arena scratch{slots + begin / grain * slot_bytes};
      const Slot slot = take_slot(scratch);
      slot.sum[row] = T(0);
      for (int64_t r = begin; r < end; ++r) {
        const T* image = x + r / planes * g.d.in * g.h.in * row;
        const int64_t count = find_rows(image, r % planes / g.h.out, r % g.h.out, slot.rows);
        // Either all terms of a target at once, or first those of its rows.
        const bool at_once = g.w.out * g.w.most * (count - 1) <= g.w.in * (count + 1);
        T* to = y + r * to_row;
        if (count == 0) {
          fill(to, to_row, T(0));
        } else if (plain) {
          sum_terms(slot.rows, count, row, to);
        } else if (!planar && at_once) {
          along_channels(slot.rows, count, slot.all, to);
        } else {
          sum_terms(slot.rows, count, row, slot.sum);
          const Term<T> summed{slot.sum, T(1)};
          planar ? along_row(slot.sum, to) : along_channels(&summed, 1, slot.all, to);
        }
      }
    });
  }
};

// use(resampler) with the one that takes g.
template <class T, class F>
void with_resampler(const Image& g, void* workspace, const F& use) {
  is_narrow(g, kLanes<T>) ? use(NarrowResampler<T>(g, workspace)) : use(Resampler<T>(g, workspace));
}
template <class F>
void typed(DType dtype, const F& f) {
  dtype == DType::Float64 ? f(double{}) : f(float{});
}

int64_t resample_workspace(const Image& g) {
  int64_t bytes = 0;
  typed(g.dtype, [&]<class T>(T) {
    with_resampler<T>(g, nullptr, [&](const auto& resampler) { bytes = resampler.arena.used; });
  });
  return bytes;
}

void resample(const Image& g, const void* x, void* y, void* workspace) {
  typed(g.dtype, [&]<class T>(T) {
    with_resampler<T>(g, workspace,
                      [&](const auto& resampler) { resampler.run(static_cast<const T*>(x), static_cast<T*>(y)); });
  });
}

}  // namespace

void fill_resample(KernelTable& t) {
  t.resample_workspace = resample_workspace;
  t.resample = resample;
}

}  // namespace dlcore::kernel::DLCORE_TIER
