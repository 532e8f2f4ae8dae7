// Pooling (kernels/pool.h): which kernel takes what.
#include "kernels/cpu/pool_images.h"
#include "kernels/cpu/pool_pairs.h"
#include "kernels/cpu/pool_whole.h"
#include "kernels/list.h"

namespace dlcore::kernel::DLCORE_TIER {
namespace {

// What a call needs apart from its tensors, cut from the workspace.
template <class T>
struct Plan {
  Arena arena;
  bool planes;
  Walk walk;
  Divisor divisor;

  Plan(const Pool2d& g, bool backward, void* workspace)
      : arena{static_cast<char*>(workspace)},
        planes(g.inner == 1),
        walk(g, planes ? kLanes<T> : g.inner, backward, arena),
        divisor(g, walk.axis_h, walk.axis_w, arena) {}
};

int64_t pool2d_workspace(const Pool2d& g, bool backward) {
  int64_t bytes = 0;
  if (g.planes == 0 || is_pairs(g)) return bytes;
  typed(g.dtype, [&]<class T>(T) {
    Plan<T> plan(g, backward, nullptr);
    if (plan.planes) PlaneWalk<T>(g, plan.walk, backward, plan.arena);
    bytes = plan.arena.used;
  });
  return bytes;
}

template <class T, class I>
void max_forward(const Pool2d& g, const T* x, T* y, I* argmax, void* workspace) {
  if constexpr (kFewTaps<I>)
    if (is_pairs(g)) return g.kh == 1 ? max_pairs<1, T, I>(g, x, y, argmax) : max_pairs<2, T, I>(g, x, y, argmax);
  Plan<T> plan(g, false, workspace);
  if (!plan.planes) return walk_images<T>(g, false, plan.walk, y, MaxForward<T, I>{x, y, argmax});
  const PlaneWalk<T> planes(g, plan.walk, false, plan.arena);
  planes.each_part([&](const auto& slot, const auto& part) {
    planes.turn_in(part, x, slot.sources);
    if constexpr (__is_same(I, void)) {
      planes.run(MaxForward<T, void>{slot.sources, slot.targets, nullptr}, part);
    } else {
      planes.run(MaxForward<T, typename PlaneWalk<T>::Tap>{slot.sources, slot.targets, slot.taps}, part);
      planes.turn_out(part, slot.taps, argmax);
    }
    planes.turn_out(part, slot.targets, y);
  });
}

template <class T, class I>
void max_backward(const Pool2d& g, const T* dy, const I* argmax, T* dx, void* workspace) {
  if constexpr (kFewTaps<I>)
    if (is_pairs(g))
      return g.kh == 1 ? max_pairs_backward<1>(g, dy, argmax, dx) : max_pairs_backward<2>(g, dy, argmax, dx);
  Plan<T> plan(g, true, workspace);
  if (!plan.planes) return walk_images<T>(g, true, plan.walk, dx, MaxBackward<T, I>{dy, argmax, dx});
  const PlaneWalk<T> planes(g, plan.walk, true, plan.arena);
  planes.each_part([&](const auto& slot, const auto& part) {
    planes.turn_in(part, dy, slot.sources);
    planes.turn_in(part, argmax, slot.taps);
    planes.run(MaxBackward<T, typename PlaneWalk<T>::Tap>{slot.sources, slot.taps, slot.targets}, part);
    planes.turn_out(part, slot.targets, dx);
  });
}

// kernel(from, to) is what to do with channels-last images.
template <class T, class F>
void average(const Pool2d& g, bool backward, Plan<T>& plan, const T* from, T* to, const F& kernel) {
  if (!plan.planes) return walk_images<T>(g, backward, plan.walk, to, kernel(from, to));
  const PlaneWalk<T> planes(g, plan.walk, backward, plan.arena);
  planes.each_part([&](const auto& slot, const auto& part) {
    planes.turn_in(part, from, slot.sources);
    planes.run(kernel(slot.sources, slot.targets), part);
    planes.turn_out(part, slot.targets, to);
  });
}

template <class T>
void avg_forward(const Pool2d& g, const T* x, T* y, void* workspace) {
  if (is_pairs(g)) return g.kh == 1 ? avg_pairs<1>(g, x, y) : avg_pairs<2>(g, x, y);
  if (is_whole(g)) return avg_whole(g, x, y);
  Plan<T> plan(g, false, workspace);
  average(g, false, plan, x, y, [&](const T* from, T* to) { return AvgForward<T>{plan.divisor, from, to}; });
}

template <class T>
void avg_backward(const Pool2d& g, const T* dy, T* dx, void* workspace) {
  if (is_pairs(g)) return g.kh == 1 ? avg_pairs_backward<1>(g, dy, dx) : avg_pairs_backward<2>(g, dy, dx);
  if (is_whole(g)) return avg_whole_backward(g, dy, dx);
  Plan<T> plan(g, true, workspace);
  if (plan.divisor.common)
    average(g, true, plan, dy, dx,
            [&](const T* from, T* to) { return AvgBackward<T, true>{plan.divisor, from, to, plan.walk}; });
  else
    average(g, true, plan, dy, dx,
            [&](const T* from, T* to) { return AvgBackward<T, false>{plan.divisor, from, to, plan.walk}; });
}

// ---- by dtype

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
    if constexpr (kIsFloat<T>)
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
  typed(g.dtype, [&]<class T>(T) {
    if constexpr (kIsFloat<T>) avg_backward(g, static_cast<const T*>(dy), static_cast<T*>(dx), workspace);
  });
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
