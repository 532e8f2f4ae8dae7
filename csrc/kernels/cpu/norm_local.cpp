// Local response normalization (kernels/norm.h). A tile holds all channels of some places, c-th channel after c-th, so
// that the neighbours of element e are e + step, e + 2 step, ...: rows of channels (step 1) where they lie so,
// otherwise a few dozen places of every channel.
#include "kernels/cpu/math.h"
#include "kernels/cpu/norm.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kTile = 1 << 12, kTasks = 64;

// The channels in front of and behind one that its window holds; those beyond the image add nothing.
struct Window {
  int64_t before, after;
  explicit Window(const LocalNorm& g)
      : before(least(g.size / 2, g.channels)), after(least((g.size - 1) / 2, g.channels)) {}
  int64_t taps() const { return before + 1 + after; }
};

template <class T>
struct LocalPlan {
  using V = vec<T>;
  static constexpr int L = kLanes<T>;
  const LocalNorm& g;
  const Window window;
  int64_t step, size, strips, tiles, grain;  // places and elements of a tile; tiles of an image, and in all
  char* slots;
  int64_t slot_bytes;
  Arena arena;

  struct Slot {
    T *x, *dy, *out;  // tiles
    T* scale;         // d^-beta
    T* padded;        // a tile between the zeros in front of the first channel and behind the last
  };

  LocalPlan(const LocalNorm& g, void* workspace)
      : g(g),
        window(g),
        step(g.channels_last ? 1 : least(g.places, most<int64_t>(4 * L, kTile / g.channels / L * L))),
        size(g.channels * step),
        strips(ceil_div(g.places, step)),
        tiles(g.images * strips),
        grain(most(ceil_div(tiles, kTasks), ceil_div(4 * kTile, size))),
        arena{static_cast<char*>(workspace)} {
    Arena one{nullptr};
    take_slot(one);
    slot_bytes = one.used;
    slots = arena.take<char>(slot_bytes * ceil_div(tiles, grain));
  }
  Slot take_slot(Arena& a) const {
    return {a.take<T>(size), a.take<T>(size), a.take<T>(size), a.take<T>(size),
            a.take<T>(size + (window.taps() - 1) * step)};
  }

  // use(tile, places in it, slot) for every tile
  template <class F>
  void each_tile(const F& use) const {
    parallel_for(tiles, grain, [&](int64_t begin, int64_t end) {
      Arena scratch{slots + begin / grain * slot_bytes};
      const Slot slot = take_slot(scratch);
      for (int64_t i = begin; i < end; ++i) use(i, least(step, g.places - i % strips * step), slot);
    });
  }
  // Where a tile's first element lies.
  int64_t place(int64_t tile) const {
    return (tile / strips * g.places * g.channels) +
           (g.channels_last ? tile % strips * g.channels : tile % strips * step);
  }
  // A tile of `width` places where it lies, or copied to buffer[c * width + i].
  const T* load(const T* x, int64_t tile, int64_t width, T* buffer) const {
    const T* from = x + place(tile);
    if (g.channels_last) return from;
    for (int64_t c = 0; c < g.channels; ++c)
      __builtin_memcpy(buffer + c * width, from + c * g.places, static_cast<size_t>(width) * sizeof(T));
    return buffer;
  }
  T* target(T* y, int64_t tile, T* buffer) const { return g.channels_last ? y + place(tile) : buffer; }
  void store(const T* from, T* y, int64_t tile, int64_t width) const {
    if (g.channels_last) return;
    T* to = y + place(tile);
    for (int64_t c = 0; c < g.channels; ++c)
      __builtin_memcpy(to + c * g.places, from + c * width, static_cast<size_t>(width) * sizeof(T));
  }

  // padded = `front` channels of zeros, f(i, lanes) for the tile's n elements, and zeros behind
  template <class F>
  DLCORE_INLINE void pad(T* padded, int64_t front, int64_t width, int64_t n, const F& f) const {
    const int64_t before = front * width, behind = (window.taps() - 1 - front) * width;
    for (int64_t i = 0; i < before; ++i) padded[i] = 0;
    for (int64_t i = 0; i < behind; ++i) padded[before + n + i] = 0;
    each_vector<L>(n, [&](int64_t i, int64_t lanes) { f(i, lanes).store(padded + before + i, lanes); });
  }
  // The sum of a window of channels in `padded`.
  DLCORE_INLINE V total(const T* padded, int64_t i, int64_t width, int64_t lanes) const {
    V sum(T(0));
    for (int64_t j = 0; j < window.taps(); ++j) sum += V::load(padded + i + j * width, lanes);
    return sum;
  }

  // scale = d^-beta; use(i, lanes, scale, d) for a tile's elements
  template <class F>
  DLCORE_INLINE void each_scale(const T* x, int64_t width, T* padded, const F& use) const {
    const int64_t n = g.channels * width;
    pad(padded, window.before, width, n, [&](int64_t i, int64_t lanes) {
      const V v = V::load(x + i, lanes);
      return v * v;
    });
    const V k(static_cast<T>(g.k)), alpha(static_cast<T>(g.alpha / static_cast<double>(g.size)));
    const V power(static_cast<T>(-g.beta));
    choose(g.beta == 0.75, [&](auto three_quarters) {
      each_vector<L>(n, [&](int64_t i, int64_t lanes) {
        const V d = fma(total(padded, i, width, lanes), alpha, k);
        if constexpr (three_quarters.value) {
          const V root = sqrt(d);
          use(i, lanes, V(T(1)) / (root * sqrt(root)), d);
        } else {
          use(i, lanes, pow(d, power), d);
        }
      });
    });
  }

  void forward(const T* x, T* y) const {
    each_tile([&](int64_t tile, int64_t width, const Slot& slot) {
      const T* from = load(x, tile, width, slot.x);
      T* to = target(y, tile, slot.out);
      each_scale(from, width, slot.padded, [&](int64_t i, int64_t lanes, V scale, V) {
        (V::load(from + i, lanes) * scale).store(to + i, lanes);
      });
      store(to, y, tile, width);
    });
  }

  void backward(const T* x, const T* dy, T* dx) const {
    const V factor(static_cast<T>(-2 * g.alpha * g.beta / static_cast<double>(g.size)));
    each_tile([&](int64_t tile, int64_t width, const Slot& slot) {
      const int64_t n = g.channels * width;
      const T *vx = load(x, tile, width, slot.x), *vdy = load(dy, tile, width, slot.dy);
      T* to = target(dx, tile, slot.out);
      each_scale(vx, width, slot.padded, [&](int64_t i, int64_t lanes, V scale, V d) {
        scale.store(slot.scale + i, lanes);
        (scale / d).store(to + i, lanes);
      });
      pad(slot.padded, window.after, width, n, [&](int64_t i, int64_t lanes) {
        return V::load(vdy + i, lanes) * V::load(vx + i, lanes) * V::load(to + i, lanes);
      });
      each_vector<L>(n, [&](int64_t i, int64_t lanes) {
        const V shared = factor * V::load(vx + i, lanes) * total(slot.padded, i, width, lanes);
        fma(V::load(vdy + i, lanes), V::load(slot.scale + i, lanes), shared).store(to + i, lanes);
      });
      store(to, dx, tile, width);
    });
  }
};

template <class F>
void with_plan(const LocalNorm& g, void* workspace, const F& use) {
  g.dtype == DType::Float64 ? use(LocalPlan<double>(g, workspace), double{})
                            : use(LocalPlan<float>(g, workspace), float{});
}

int64_t local_norm_workspace(const LocalNorm& g) {
  int64_t bytes = 0;
  with_plan(g, nullptr, [&](const auto& plan, auto) { bytes = plan.arena.used; });
  return bytes;
}
void local_norm_forward(const LocalNorm& g, const void* x, void* y, void* workspace) {
  with_plan(g, workspace,
            [&]<class T>(const auto& plan, T) { plan.forward(static_cast<const T*>(x), static_cast<T*>(y)); });
}
void local_norm_backward(const LocalNorm& g, const void* x, const void* dy, void* dx, void* workspace) {
  with_plan(g, workspace, [&]<class T>(const auto& plan, T) {
    plan.backward(static_cast<const T*>(x), static_cast<const T*>(dy), static_cast<T*>(dx));
  });
}

}  // namespace

void fill_norm_local(KernelTable& t) {
  t.local_norm_workspace = local_norm_workspace;
  t.local_norm_forward = local_norm_forward;
  t.local_norm_backward = local_norm_backward;
}

}  // namespace dlcore::kernel::DLCORE_TIER
