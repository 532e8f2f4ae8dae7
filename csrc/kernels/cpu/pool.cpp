// Pooling (kernels/pool.h). In the form of window.h every tap is a run of neighbouring elements at p + off(u, v), so
// the loops go over blocks of several rows at once, with vectors, whatever the window, stride and dilation. Backward
// gathers: each phase of dx takes what it gets from the outputs around it, so no two outputs write to one place.
#include "kernels/pool.h"

#include "core/parallel.h"
#include "kernels/cpu/arena.h"
#include "kernels/cpu/narrow.h"
#include "kernels/cpu/window.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

constexpr int64_t kChunks = 64, kChunkWork = 1 << 16, kBlockElements = 1 << 12;

// The planes in blocks of rows (of outputs, or of dx's phases), and these in chunks, each with scratch of its own.
template <class T>
struct Plan {
  Axis h, w;
  int64_t planes, taps, wq, from, to, block, blocks, hq, size, grain;
  int64_t* offsets;  // (taps)
  int64_t* order;    // (taps) backward: which tap an offset belongs to
  char* slots;
  int64_t slot_bytes;
  Arena arena;

  struct Slot {
    T* x;        // a padded block of the input, (phases, hq, wq), or in backward of dy, (hq, wq)
    T* y;        // a block of the output, (block, wq), or in backward of dx, (phases, block, wq)
    T* divisor;  // (wq)
    void* argmax;
  };

  Plan(const Pool2d& g, bool backward, void* workspace)
      : h(g.h, g.oh, g.kh, g.stride_h, g.dilation_h, g.pad_h),
        w(g.w, g.ow, g.kw, g.stride_w, g.dilation_w, g.pad_w),
        planes(g.planes),
        taps(g.kh * g.kw),
        wq(g.ow + w.max_shift()),
        from(backward ? h.pad / h.stride : 0),
        to(backward ? (h.in - 1 + h.pad) / h.stride + 1 : g.oh),
        arena{static_cast<char*>(workspace)} {
    const int64_t phases = h.phases() * w.phases(), rows = to - from;
    blocks = ceil_div(rows, least(rows, most(kBlockElements / (phases * wq), h.max_shift() + 1)));
    block = ceil_div(rows, blocks);
    hq = block + h.max_shift();
    size = phases * hq * wq + w.max_shift() + 2 * kLanes<T>;  // loops touch up to a vector more
    grain = most(ceil_div(planes * blocks, kChunks), kChunkWork / (block * wq * (taps + 4)));
    offsets = arena.take<int64_t>(taps);
    order = arena.take<int64_t>(taps);
    if (workspace) backward ? place_outputs(h, w, wq, offsets, order) : place_taps(h, w, hq, wq, offsets);
    Arena one{nullptr};
    take_slot(one);
    slot_bytes = one.used;
    slots = arena.take<char>(slot_bytes * ceil_div(planes * blocks, grain));
  }

  Slot take_slot(Arena& a) const {
    return {a.take<T>(size), a.take<T>(size), a.take<T>(wq + kLanes<T>), a.take<T>(size)};
  }

  // use(plane, q, rows, slot) for every block: rows q ... q + rows - 1 of a plane.
  template <class F>
  void each_block(const F& use) const {
    parallel_for(planes * blocks, grain, [&](int64_t begin, int64_t end) {
      Arena scratch{slots + begin / grain * slot_bytes};
      const Slot slot = take_slot(scratch);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t q = from + i % blocks * block;
        use(i / blocks, q, least(block, to - q), slot);
      }
    });
  }

  void load_input(const T* plane, int64_t q, T padding, const Slot& s) const {
    load_block(h, w, plane, 1, q, hq, wq, padding, s.x, h.phases() * w.phases() * hq * wq);
  }
  // Outputs around rows q ... of dx's phases, with zeros around the plane.
  template <class E>
  void load_output(const E* plane, int64_t q, E* block_of_outputs) const {
    load_block(plain_axis(h.out, h.max_shift()), plain_axis(w.out, w.max_shift()), plane, 1, q, hq, wq, E(0),
               block_of_outputs, hq * wq + w.max_shift());
  }
  // use(phase's place in slot.y, its taps) for each phase of dx.
  template <class F>
  void each_phase(const F& use) const {
    int64_t first = 0, phase = 0;
    for (int64_t y = 0; y < h.phases(); ++y)
      for (int64_t x = 0; x < w.phases(); ++x, ++phase) {
        const int64_t count = h.taps_of(y) * w.taps_of(x);
        use(phase * block * wq, first, first + count);
        first += count;
      }
  }
  void store_input(const Slot& s, int64_t q, int64_t rows, T* plane) const {
    store_block(h, w, s.y, 0, block * wq, 1, q, rows, wq, plane);
  }
  // Rows of a block of outputs to their places.
  template <class E>
  void store_output(const E* y, int64_t q, int64_t rows, E* plane) const {
    for (int64_t i = 0; i < rows; ++i) copy(plane + (q + i) * w.out, y + i * wq, w.out);
  }
};

// ---- max

// y[p], and where I is not void the tap it came from. Returns whether some y is the lowest value there is.
template <class T, class I>
bool max_taps(const T* x, const int64_t* offsets, int64_t taps, int64_t n, T* y, I* argmax) {
  using V = vec<T>;
  Bits<T> lowest{};
  for (int64_t p = 0; p < n; p += V::size) {
    V largest(kLowest<T>);
    Bits<T> tap{};
    for (int64_t r = 0; r < taps; ++r) {
      const V v = V::load(x + p + offsets[r]);
      const Bits<T> take = (v.v > largest.v) | (v.v != v.v);
      largest = V(take ? v.v : largest.v);
      if constexpr (!__is_same(I, void)) tap = take ? tap - tap + static_cast<typename V::bits>(r) : tap;
    }
    largest.store(y + p);
    if constexpr (!__is_same(I, void)) {
      store_narrow<T>(tap, argmax + p);
      lowest |= largest.v == V(kLowest<T>).v;
    }
  }
  for (int i = 0; i < V::size; ++i)
    if (lowest[i]) return true;
  return false;
}

// Where all of a window is the lowest value, the padding in front of it must not count as its maximum.
template <class T, class I>
void mend_argmax(const Plan<T>& plan, int64_t q, int64_t rows, const T* y, I* argmax) {
  const auto first = [](const Axis& axis, int64_t out) {
    return most(0, ceil_div(axis.pad - out * axis.stride, axis.dilation));
  };
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < plan.w.out; ++j)
      if (y[i * plan.wq + j] == kLowest<T>)
        argmax[i * plan.wq + j] = static_cast<I>(first(plan.h, q + i) * plan.w.taps + first(plan.w, j));
}

template <class T, class I>
void max_forward(const Pool2d& g, const T* x, T* y, I* argmax, void* workspace) {
  const Plan<T> plan(g, false, workspace);
  plan.each_block([&](int64_t plane, int64_t q, int64_t rows, const auto& slot) {
    plan.load_input(x + plane * g.h * g.w, q, kLowest<T>, slot);
    I* taps = static_cast<I*>(slot.argmax);
    const bool mend = max_taps(slot.x, plan.offsets, plan.taps, (rows - 1) * plan.wq + g.ow, slot.y, taps);
    plan.store_output(slot.y, q, rows, y + plane * g.oh * g.ow);
    if constexpr (!__is_same(I, void)) {
      if (mend && (g.pad_h > 0 || g.pad_w > 0)) mend_argmax(plan, q, rows, slot.y, taps);
      plan.store_output(taps, q, rows, argmax + plane * g.oh * g.ow);
    }
  });
}

template <class T, class I>
void max_backward(const Pool2d& g, const T* dy, const I* argmax, T* dx, void* workspace) {
  using V = vec<T>;
  const Plan<T> plan(g, true, workspace);
  plan.each_block([&](int64_t plane, int64_t q, int64_t rows, const auto& slot) {
    I* taps = static_cast<I*>(slot.argmax);
    plan.load_output(dy + plane * g.oh * g.ow, q, slot.x);
    plan.load_output(argmax + plane * g.oh * g.ow, q, taps);
    plan.each_phase([&](int64_t at, int64_t first, int64_t last) {
      for (int64_t p = 0; p < rows * plan.wq; p += V::size) {
        V sum(T(0));
        for (int64_t i = first; i < last; ++i) {
          const int64_t o = p + plan.offsets[i];
          const auto chosen = load_narrow<T>(taps + o) == static_cast<typename V::bits>(plan.order[i]);
          sum += V(chosen ? V::load(slot.x + o).v : V(T(0)).v);
        }
        sum.store(slot.y + at + p);
      }
    });
    plan.store_input(slot, q, rows, dx + plane * g.h * g.w);
  });
}

// ---- average

// How many elements of the window of output o are divided by.
int64_t window_count(const Axis& axis, bool with_padding, int64_t o) {
  const int64_t from = o * axis.stride - axis.pad, to = least(from + axis.taps, axis.in + axis.pad);
  return with_padding ? to - from : least(to, axis.in) - most(from, 0);
}

// The divisor of every output, where it is the same for all; otherwise 0.
template <class T>
int64_t common_divisor(const Pool2d& g, const Plan<T>& plan) {
  if (g.divisor != 0) return g.divisor;
  for (const Axis* axis : {&plan.h, &plan.w})
    for (const int64_t o : {int64_t{0}, axis->out - 1})
      if (window_count(*axis, g.count_include_pad, o) != axis->taps) return 0;
  return g.kh * g.kw;
}

// y[p] /= divisor, or for vectors of floating point times its inverse.
template <class T>
DLCORE_INLINE void divide(T* y, int64_t n, int64_t divisor) {
  const T inverse = T(1) / static_cast<T>(divisor);
  for (int64_t p = 0; p < n; ++p) y[p] = T(0.5) == 0 ? y[p] / static_cast<T>(divisor) : y[p] * inverse;
}
// Row o of outputs where the divisors differ; columns[j] is what the column has of it.
template <class T>
DLCORE_INLINE void divide_row(const Pool2d& g, const Plan<T>& plan, int64_t o, const T* columns, T* y) {
  const T row = static_cast<T>(window_count(plan.h, g.count_include_pad, o));
  for (int64_t j = 0; j < g.ow; ++j) y[j] = y[j] / (row * columns[j]);
}
template <class T>
void count_columns(const Pool2d& g, const Plan<T>& plan, T* columns) {
  for (int64_t j = 0; j < g.ow; ++j) columns[j] = static_cast<T>(window_count(plan.w, g.count_include_pad, j));
}

// y[p] = sum of x[p + offsets[i]], first <= i < last
template <class T>
void sum_taps(const T* x, const int64_t* offsets, int64_t first, int64_t last, int64_t n, T* y) {
  using V = vec<T>;
  for (int64_t p = 0; p < n; p += V::size) {
    V sum(T(0));
    for (int64_t i = first; i < last; ++i) sum += V::load(x + p + offsets[i]);
    sum.store(y + p);
  }
}

template <class T>
void avg_forward(const Pool2d& g, const T* x, T* y, void* workspace) {
  const Plan<T> plan(g, false, workspace);
  const int64_t divisor = common_divisor(g, plan);
  plan.each_block([&](int64_t plane, int64_t q, int64_t rows, const auto& slot) {
    const int64_t n = (rows - 1) * plan.wq + g.ow;
    plan.load_input(x + plane * g.h * g.w, q, T(0), slot);
    sum_taps(slot.x, plan.offsets, 0, plan.taps, n, slot.y);
    if (divisor != 0) {
      divide(slot.y, n, divisor);
    } else {
      count_columns(g, plan, slot.divisor);
      for (int64_t i = 0; i < rows; ++i) divide_row(g, plan, q + i, slot.divisor, slot.y + i * plan.wq);
    }
    plan.store_output(slot.y, q, rows, y + plane * g.oh * g.ow);
  });
}

template <class T>
void avg_backward(const Pool2d& g, const T* dy, T* dx, void* workspace) {
  const Plan<T> plan(g, true, workspace);
  const int64_t divisor = common_divisor(g, plan);
  plan.each_block([&](int64_t plane, int64_t q, int64_t rows, const auto& slot) {
    plan.load_output(dy + plane * g.oh * g.ow, q, slot.x);
    if (divisor != 0) {
      divide(slot.x, plan.hq * plan.wq, divisor);
    } else {
      count_columns(g, plan, slot.divisor);
      const int64_t first = q - plan.h.max_shift();
      for (int64_t o = most(first, 0); o < least(g.oh, first + plan.hq); ++o)
        divide_row(g, plan, o, slot.divisor, slot.x + (o - first) * plan.wq + plan.w.max_shift());
    }
    plan.each_phase([&](int64_t at, int64_t begin, int64_t end) {
      sum_taps(slot.x, plan.offsets, begin, end, rows * plan.wq, slot.y + at);
    });
    plan.store_input(slot, q, rows, dx + plane * g.h * g.w);
  });
}

// ---- by dtype

// f(T) for the elements.
template <class F>
void typed(DType dtype, const F& f) {
  switch (dtype) {
    case DType::Float64:
      return f(double{});
    case DType::Int64:
      return f(int64_t{});
    default:
      return f(float{});
  }
}
// f(I) for argmax.
template <class F>
void typed_argmax(DType dtype, const F& f) {
  switch (dtype) {
    case DType::UInt8:
      return f(uint8_t{});
    case DType::Int16:
      return f(uint16_t{});
    default:
      return f(int32_t{});
  }
}

int64_t pool2d_workspace(const Pool2d& g, bool backward) {
  int64_t bytes = 0;
  if (g.planes > 0) typed(g.dtype, [&]<class T>(T) { bytes = Plan<T>(g, backward, nullptr).arena.used; });
  return bytes;
}

void max_pool2d_forward(const Pool2d& g, const void* x, void* y, void* argmax, void* workspace) {
  if (g.planes == 0) return;
  typed(g.dtype, [&]<class T>(T) {
    const T* from = static_cast<const T*>(x);
    T* to = static_cast<T*>(y);
    if (!argmax) return max_forward<T, void>(g, from, to, nullptr, workspace);
    typed_argmax(g.argmax, [&]<class I>(I) { max_forward<T, I>(g, from, to, static_cast<I*>(argmax), workspace); });
  });
}

void max_pool2d_backward(const Pool2d& g, const void* dy, const void* argmax, void* dx, void* workspace) {
  if (g.planes == 0) return;
  typed(g.dtype, [&]<class T>(T) {
    typed_argmax(g.argmax, [&]<class I>(I) {
      max_backward<T, I>(g, static_cast<const T*>(dy), static_cast<const I*>(argmax), static_cast<T*>(dx), workspace);
    });
  });
}

void avg_pool2d_forward(const Pool2d& g, const void* x, void* y, void* workspace) {
  if (g.planes == 0) return;
  typed(g.dtype, [&]<class T>(T) { avg_forward(g, static_cast<const T*>(x), static_cast<T*>(y), workspace); });
}

void avg_pool2d_backward(const Pool2d& g, const void* dy, void* dx, void* workspace) {
  if (g.planes == 0) return;
  typed(g.dtype, [&]<class T>(T) { avg_backward(g, static_cast<const T*>(dy), static_cast<T*>(dx), workspace); });
}

}  // namespace

void fill_pool(KernelTable& t) {
  t.pool2d_workspace = pool2d_workspace;
  t.max_pool2d_forward = max_pool2d_forward;
  t.max_pool2d_backward = max_pool2d_backward;
  t.avg_pool2d_forward = avg_pool2d_forward;
  t.avg_pool2d_backward = avg_pool2d_backward;
}

}  // namespace dlcore::kernel::DLCORE_TIER
