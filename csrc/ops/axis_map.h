#pragma once
// Ops that take each axis of an image by itself (kernels/axis_map.h): their lists, and the linear ones among them.
#include <array>
#include <memory>

#include "core/launch.h"
#include "kernels/axis_map.h"
#include "ops/layout.h"

namespace dlcore {

// Which sources each target along one axis looks at, and with which weight; targets are added one by one.
class AxisList {
 public:
  AxisList(int64_t in, int64_t out);
  static AxisList identity(int64_t n);

  void add(int64_t place, int64_t tap = 0, double weight = 1);
  void next();  // the target is complete
  AxisList transposed() const;
  kernel::AxisMap map() const;
  int64_t in() const { return in_; }
  int64_t out() const { return out_; }

 private:
  int64_t in_, out_, most_ = 0;
  std::vector<int64_t> start_, place_, tap_;
  std::vector<double> weight_;
};

// The lists of the spatial axes, missing ones in front being identities of size 1.
using Axes = std::array<AxisList, 3>;
using SharedAxes = std::shared_ptr<const Axes>;
// list(i) for each spatial axis i of x (N, C, spatial...).
template <class F>
Axes make_axes(const Tensor& x, const F& list) {
  const int64_t n = x.dim() - 2;
  const auto axis = [&](int64_t i) { return i < 3 - n ? AxisList::identity(1) : list(i - (3 - n)); };
  return {axis(0), axis(1), axis(2)};
}
Axes transposed(const Axes& axes);

// (N, C, spatial...) with the targets' sizes.
Dims target_sizes(const Tensor& x, const Axes& axes);
// What kernels need to know of x (N, C, spatial...), which lies in that layout.
kernel::Image image_of(const Tensor& x, const Axes& axes, Layout layout);
Cost image_cost(const kernel::Image& g);

// y[n, c, targets] = sum of weights times x[n, c, places], in the layout of x or the one given, summed in that one or
// in `inside`. x: floating point; 16-bit ones are summed in float32.
Tensor resample(const char* op, const Tensor& x, Axes axes, std::optional<Layout> layout = {},
                std::optional<Layout> inside = {});

// f on x (N, C, spatial...) where a batch dimension may be missing; `spatial` axes. The result is without it, too.
template <class F>
Tensor on_batch(const Tensor& x, int64_t spatial, const F& f) {
  return x.dim() == spatial + 1 ? squeeze(f(unsqueeze(x, 0)), IntSpan{0}) : f(x);
}

}  // namespace dlcore
