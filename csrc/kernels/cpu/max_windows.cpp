// The maximum of windows that are given by lists (kernels/axis_map.h), with vectors over the channels: forward looks at
// the elements of a window, backward at the windows of an element, so that no two of them add to one place.
#include "core/parallel.h"
#include "kernels/axis_map.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/narrow.h"
#include "kernels/cpu/window.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kGrainWork = 1 << 15;

// use<blocks, lanes>(c) over all channels; the last one may overlap the one before it.
template <class T, class F>
DLCORE_INLINE void each_channels(int64_t channels, const F& use) {
  constexpr int L = kLanes<T>, S = L > 4 ? 4 : 1;
  int64_t c = 0;
  if (channels >= L) {
    for (; c + 4 * L <= channels; c += 4 * L) use.template operator()<4, L>(c);
    for (; c + L <= channels; c += L) use.template operator()<1, L>(c);
    if (c < channels) use.template operator()<1, L>(channels - L);
  } else if (channels >= S) {
    for (; c + S <= channels; c += S) use.template operator()<1, S>(c);
    if (c < channels) use.template operator()<1, S>(channels - S);
  } else {
    for (; c < channels; ++c) use.template operator()<1, 1>(c);
  }
}

// The windows of a target, one after another by ascending taps: offset of the channels in the image, and the tap.
struct Entry {
  int64_t offset, tap;
};

struct Plan {
  const MaxWindows& m;
  const Image& g;
  int64_t rows, grain, slot_bytes;
  char* slots;
  Arena arena;

  struct Slot {
    Entry *row, *all;  // of the rows of a window; of a whole window
  };
  Slot take_slot(Arena& a) const {
    const int64_t row = g.d.most * g.h.most;
    return {a.take<Entry>(row), a.take<Entry>(row * g.w.most)};
  }

  Plan(const MaxWindows& m, void* workspace)
      : m(m), g(m.image), rows(g.outer * g.d.out * g.h.out), arena{static_cast<char*>(workspace)} {
    const int64_t work = g.w.out * g.inner * (g.d.most * g.h.most * g.w.most + 1);
    grain = most(most(1, kGrainWork / (work + 1)), ceil_div(rows, 256));
    Arena one{nullptr};
    take_slot(one);
    slot_bytes = one.used;
    slots = arena.take<char>(slot_bytes * ceil_div(rows, grain));
  }

  // use(entries, their number, image, target) for every target.
  template <class F>
  DLCORE_INLINE void each_target(const F& use) const {
    parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
      Arena scratch{slots + begin / grain * slot_bytes};
      const Slot slot = take_slot(scratch);
      for (int64_t r = begin; r < end; ++r) {
        const int64_t count = row_entries(r / g.h.out % g.d.out, r % g.h.out, slot.row);
        const int64_t image = r / g.h.out / g.d.out;
        for (int64_t k = 0; k < g.w.out; ++k) {
          Entry* next = slot.all;
          for (int64_t i = 0; i < count; ++i)
            for (int64_t e = g.w.start[k]; e < g.w.start[k + 1]; ++e)
              *next++ = {slot.row[i].offset + g.w.place[e] * g.inner, slot.row[i].tap + g.w.tap[e]};
          use(slot.all, next - slot.all, image, r * g.w.out + k);
        }
      }
    });
  }
  int64_t row_entries(int64_t i, int64_t j, Entry* entries) const {
    int64_t count = 0;
    for (int64_t a = g.d.start[i]; a < g.d.start[i + 1]; ++a)
      for (int64_t b = g.h.start[j]; b < g.h.start[j + 1]; ++b)
        entries[count++] = {(g.d.place[a] * g.h.in + g.h.place[b]) * g.w.in * g.inner,
                            (g.d.tap[a] * m.taps_h + g.h.tap[b]) * m.taps_w};
    return count;
  }
  int64_t image_size() const { return g.d.in * g.h.in * g.w.in * g.inner; }
};

template <int B, int L, class T, class I>
DLCORE_INLINE void largest(const Entry* entries, int64_t count, const T* x, T* y, I* argmax) {
  using V = vec<T, L>;
  using Number = typename V::bits;
  V most[B];
  Bits<T, L> tap[B];
  for (int b = 0; b < B; ++b) {
    most[b] = V(kLowest<T>);
    tap[b] = Bits<T, L>{} + static_cast<Number>(count > 0 ? entries[0].tap : 0);
  }
  for (int64_t i = 0; i < count; ++i) {
    const T* at = x + entries[i].offset;
    const Bits<T, L> number = Bits<T, L>{} + static_cast<Number>(entries[i].tap);
    for (int b = 0; b < B; ++b) {
      const V v = V::load(at + b * L);
      const Bits<T, L> take = (v.v > most[b].v) | (v.v != v.v);
      most[b] = V(take ? v.v : most[b].v);
      if constexpr (!__is_same(I, void)) tap[b] = take ? number : tap[b];
    }
  }
  for (int b = 0; b < B; ++b) {
    most[b].store(y + b * L);
    if constexpr (!__is_same(I, void)) store_narrow<T, L>(tap[b], argmax + b * L);
  }
}

template <class T, class I>
void max_forward(const MaxWindows& m, const T* x, T* y, I* argmax, void* workspace) {
  const Plan plan(m, workspace);
  const int64_t channels = m.image.inner, image_size = plan.image_size();
  plan.each_target([&](const Entry* entries, int64_t count, int64_t image, int64_t target) {
    const T* from = x + image * image_size;
    T* to = y + target * channels;
    I* choice = nullptr;
    if constexpr (!__is_same(I, void)) choice = argmax + target * channels;
    each_channels<T>(channels, [=]<int B, int L>(int64_t c) {
      if constexpr (__is_same(I, void))
        largest<B, L, T, void>(entries, count, from + c, to + c, nullptr);
      else
        largest<B, L>(entries, count, from + c, to + c, choice + c);
    });
  });
}

template <int B, int L, class T, class I>
DLCORE_INLINE void sum_chosen(const Entry* entries, int64_t count, const T* dy, const I* argmax, T* dx) {
  using V = vec<T, L>;
  V sum[B];
  for (int b = 0; b < B; ++b) sum[b] = V(T(0));
  for (int64_t i = 0; i < count; ++i) {
    const Bits<T, L> number = Bits<T, L>{} + static_cast<typename V::bits>(entries[i].tap);
    for (int b = 0; b < B; ++b) {
      const auto here = load_narrow<T, L>(argmax + entries[i].offset + b * L) == number;
      sum[b] += V(here ? V::load(dy + entries[i].offset + b * L).v : V(T(0)).v);
    }
  }
  for (int b = 0; b < B; ++b) sum[b].store(dx + b * L);
}

template <class T, class I>
void max_backward(const MaxWindows& m, const T* dy, const I* argmax, T* dx, void* workspace) {
  const Plan plan(m, workspace);
  const int64_t channels = m.image.inner, image_size = plan.image_size();
  plan.each_target([&](const Entry* entries, int64_t count, int64_t image, int64_t target) {
    const T* from = dy + image * image_size;
    const I* choice = argmax + image * image_size;
    T* to = dx + target * channels;
    each_channels<T>(channels,
                     [=]<int B, int L>(int64_t c) { sum_chosen<B, L>(entries, count, from + c, choice + c, to + c); });
  });
}

// Taps of one window are not all there, but come in order.
template <class I>
void places(const MaxWindows& m, const I* argmax, int64_t* place, void* workspace) {
  const Plan plan(m, workspace);
  const int64_t channels = m.image.inner;
  plan.each_target([&](const Entry* entries, int64_t count, int64_t, int64_t target) {
    for (int64_t o = target * channels; o < (target + 1) * channels; ++o) {
      int64_t i = 0;
      while (i + 1 < count && entries[i].tap < argmax[o]) ++i;
      place[o] = count > 0 ? entries[i].offset / channels : 0;
    }
  });
}

// ---- by dtype

int64_t max_windows_workspace(const MaxWindows& m) { return Plan(m, nullptr).arena.used; }

void max_windows(const MaxWindows& m, const void* x, void* y, void* argmax, void* workspace) {
  typed(m.image.dtype, [&]<class T>(T) {
    const T* from = static_cast<const T*>(x);
    T* to = static_cast<T*>(y);
    if (!argmax) return max_forward<T, void>(m, from, to, nullptr, workspace);
    typed_argmax(m.argmax, [&]<class I>(I) { max_forward<T, I>(m, from, to, static_cast<I*>(argmax), workspace); });
  });
}

void max_windows_backward(const MaxWindows& m, const void* dy, const void* argmax, void* dx, void* workspace) {
  typed(m.image.dtype, [&]<class T>(T) {
    if constexpr (!__is_same(T, int64_t))
      typed_argmax(m.argmax, [&]<class I>(I) {
        max_backward<T, I>(m, static_cast<const T*>(dy), static_cast<const I*>(argmax), static_cast<T*>(dx), workspace);
      });
  });
}

void max_windows_places(const MaxWindows& m, const void* argmax, int64_t* place, void* workspace) {
  typed_argmax(m.argmax, [&]<class I>(I) { places(m, static_cast<const I*>(argmax), place, workspace); });
}

}  // namespace

void fill_max_windows(KernelTable& t) {
  t.max_windows_workspace = max_windows_workspace;
  t.max_windows = max_windows;
  t.max_windows_backward = max_windows_backward;
  t.max_windows_places = max_windows_places;
}

}  // namespace dlcore::kernel::DLCORE_TIER
