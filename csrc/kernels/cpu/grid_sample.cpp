// Sampling an image at points (kernels/grid_sample.h), with vectors over the channels.
#include "kernels/grid_sample.h"

#include "core/parallel.h"
#include "kernels/cpu/simd_lanes.h"
#include "kernels/cpu/window.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kGrainWork = 1 << 14, kChannelBlock = 64;

// The elements of one axis around a coordinate, with their weights and these' derivatives by the coordinate.
template <class T>
struct Taps {
  int64_t count = 0, place[4];
  T weight[4], slope[4];

  void add(int64_t at, T w, T s) { place[count] = at, weight[count] = w, slope[count++] = s; }
};

// A place on the axis, in elements, and its derivative by what it was made from.
template <class T>
struct Place {
  T at, slope;
};

// Mirrored at low and high, given doubled.
template <class T>
Place<T> reflect(Place<T> p, int64_t twice_low, int64_t twice_high) {
  if (twice_low == twice_high) return {T(0), T(0)};
  const T low = static_cast<T>(twice_low) / 2, span = static_cast<T>(twice_high - twice_low) / 2;
  T distance = p.at - low, slope = p.slope;
  if (distance < 0) distance = -distance, slope = -slope;
  const T times = __builtin_floor(distance / span), rest = distance - times * span;
  const bool odd = times - 2 * __builtin_floor(times / 2) == 1;
  return odd ? Place<T>{span - rest + low, -slope} : Place<T>{rest + low, slope};
}

template <class T>
Place<T> clip(Place<T> p, int64_t n) {
  const T last = static_cast<T>(n - 1);
  if (!(p.at > 0)) return {T(0), T(0)};
  return p.at < last ? p : Place<T>{last, T(0)};
}

template <class T>
Place<T> inside(const GridSample& g, Place<T> p, int64_t n) {
  if (g.outside == Outside::Zeros) return p;
  if (g.outside == Outside::Reflection) p = g.align_corners ? reflect(p, 0, 2 * (n - 1)) : reflect(p, -1, 2 * n - 1);
  return clip(p, n);
}

// Keys' kernel at distance x from the point, and its derivative by x.
template <class T>
void keys(T x, T* value, T* slope) {
  const T a = T(-0.75), sign = x < 0 ? T(-1) : T(1);
  x *= sign;
  if (x < 1) {
    *value = ((a + 2) * x - (a + 3)) * x * x + 1;
    *slope = sign * (3 * (a + 2) * x - 2 * (a + 3)) * x;
  } else {
    *value = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    *slope = sign * ((3 * a * x - 10 * a) * x + 8 * a);
  }
}

template <class T>
Taps<T> find_taps(const GridSample& g, int64_t n, T coordinate) {
  const T scale = static_cast<T>(g.align_corners ? n - 1 : n) / 2;
  Place<T> p{g.align_corners ? (coordinate + 1) * scale : (coordinate + 1) * scale - T(0.5), scale};
  if (g.sampling != Sampling::Cubic) p = inside(g, p, n);
  Taps<T> taps;
  if (!(p.at > T(-4e15) && p.at < T(4e15))) return taps;  // also not a number
  const T below = g.sampling == Sampling::Nearest ? __builtin_nearbyint(p.at) : __builtin_floor(p.at);
  const T rest = p.at - below;
  const auto first = static_cast<int64_t>(below);
  const auto add = [&](int64_t at, T w, T s) {
    if (at >= 0 && at < n) taps.add(at, w, s * p.slope);
  };
  switch (g.sampling) {
    case Sampling::Nearest:
      add(first, T(1), T(0));
      break;
    case Sampling::Linear:
      add(first, 1 - rest, T(-1));
      add(first + 1, rest, T(1));
      break;
    case Sampling::Cubic:
      for (int64_t k = -1; k <= 2; ++k) {
        T w, s;
        keys(rest - static_cast<T>(k), &w, &s);
        add(static_cast<int64_t>(inside(g, Place<T>{below + static_cast<T>(k), T(1)}, n).at), w, s);
      }
  }
  return taps;
}

// use(place in the image, taps of each axis and which one) for every element around point p.
template <class T>
struct Point {
  const GridSample& g;
  Taps<T> x, y, z;

  Point(const GridSample& g, const T* grid)
      : g(g), x(find_taps(g, g.size[2], grid[0])), y(find_taps(g, g.size[1], grid[1])) {
    if (g.dims == 3)
      z = find_taps(g, g.size[0], grid[2]);
    else
      z.add(0, T(1), T(0));
  }
  template <class F>
  DLCORE_INLINE void each(const F& use) const {
    for (int64_t c = 0; c < z.count; ++c)
      for (int64_t b = 0; b < y.count; ++b)
        for (int64_t a = 0; a < x.count; ++a)
          use((z.place[c] * g.size[1] + y.place[b]) * g.size[2] + x.place[a], a, b, c);
  }
};

int64_t grain_of(const GridSample& g) { return most(1, kGrainWork / (8 * g.channels + 64)); }
int64_t image_size(const GridSample& g) { return g.size[0] * g.size[1] * g.size[2] * g.channels; }

template <class T>
void forward(const GridSample& g, const T* x, const T* grid, T* y) {
  using V = vec<T>;
  parallel_for(g.n * g.points, grain_of(g), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const Point<T> point(g, grid + p * g.dims);
      const T* image = x + p / g.points * image_size(g);
      for (int64_t c = 0; c < g.channels; c += V::size) {
        const int64_t lanes = least(V::size, g.channels - c);
        V sum(T(0));
        point.each([&](int64_t place, int64_t i, int64_t j, int64_t k) {
          const V w(point.x.weight[i] * point.y.weight[j] * point.z.weight[k]);
          sum = fma(w, V::load(image + place * g.channels + c, lanes), sum);
        });
        sum.store(y + p * g.channels + c, lanes);
      }
    }
  });
}

// Images and blocks of channels on their own; the points of each one after another.
template <class T>
void backward_input(const GridSample& g, const T* dy, const T* grid, T* dx) {
  using V = vec<T>;
  const int64_t blocks = ceil_div(g.channels, kChannelBlock);
  parallel_for(g.n * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / blocks, from = i % blocks * kChannelBlock, to = least(g.channels, from + kChannelBlock);
      T* image = dx + n * image_size(g);
      for (int64_t place = 0; place < image_size(g); place += g.channels) fill(image + place + from, to - from, T(0));
      for (int64_t p = n * g.points; p < (n + 1) * g.points; ++p) {
        const Point<T> point(g, grid + p * g.dims);
        point.each([&](int64_t place, int64_t a, int64_t b, int64_t d) {
          const V w(point.x.weight[a] * point.y.weight[b] * point.z.weight[d]);
          for (int64_t c = from; c < to; c += V::size) {
            const int64_t lanes = least(V::size, to - c);
            T* at = image + place * g.channels + c;
            fma(w, V::load(dy + p * g.channels + c, lanes), V::load(at, lanes)).store(at, lanes);
          }
        });
      }
    }
  });
}

template <class T>
void backward_grid(const GridSample& g, const T* dy, const T* x, const T* grid, T* dgrid) {
  using V = vec<T>;
  parallel_for(g.n * g.points, grain_of(g), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const Point<T> point(g, grid + p * g.dims);
      const T* image = x + p / g.points * image_size(g);
      T slope[3] = {};
      point.each([&](int64_t place, int64_t i, int64_t j, int64_t k) {
        V sum(T(0));
        for (int64_t c = 0; c < g.channels; c += V::size) {
          const int64_t lanes = least(V::size, g.channels - c);
          sum = fma(V::load(dy + p * g.channels + c, lanes), V::load(image + place * g.channels + c, lanes), sum);
        }
        const T product = sum_lanes(sum);
        slope[0] += product * point.x.slope[i] * point.y.weight[j] * point.z.weight[k];
        slope[1] += product * point.x.weight[i] * point.y.slope[j] * point.z.weight[k];
        slope[2] += product * point.x.weight[i] * point.y.weight[j] * point.z.slope[k];
      });
      for (int64_t d = 0; d < g.dims; ++d) dgrid[p * g.dims + d] = slope[d];
    }
  });
}

// f(T) for the elements.
template <class F>
void typed(DType dtype, const F& f) {
  dtype == DType::Float64 ? f(double{}) : f(float{});
}

void grid_sample(const GridSample& g, const void* x, const void* grid, void* y) {
  typed(g.dtype,
        [&]<class T>(T) { forward(g, static_cast<const T*>(x), static_cast<const T*>(grid), static_cast<T*>(y)); });
}
void grid_sample_backward_input(const GridSample& g, const void* dy, const void* grid, void* dx) {
  typed(g.dtype, [&]<class T>(T) {
    backward_input(g, static_cast<const T*>(dy), static_cast<const T*>(grid), static_cast<T*>(dx));
  });
}
void grid_sample_backward_grid(const GridSample& g, const void* dy, const void* x, const void* grid, void* dgrid) {
  typed(g.dtype, [&]<class T>(T) {
    backward_grid(g, static_cast<const T*>(dy), static_cast<const T*>(x), static_cast<const T*>(grid),
                  static_cast<T*>(dgrid));
  });
}

}  // namespace

void fill_grid_sample(KernelTable& t) {
  t.grid_sample = grid_sample;
  t.grid_sample_backward_input = grid_sample_backward_input;
  t.grid_sample_backward_grid = grid_sample_backward_grid;
}

}  // namespace dlcore::kernel::DLCORE_TIER
