#pragma once
// The windows of pooling along one axis.
#include "kernels/pool.h"
#include "ops/axis_map.h"

namespace dlcore {

struct Window {
  int64_t in = 1, out = 1, taps = 1, stride = 1, dilation = 1, pad = 0;
  bool adaptive = false;  // window o goes from floor(o in / out) to ceil((o + 1) in / out)

  static Window adapted(int64_t in, int64_t out);
  // use(element, tap) for the elements of window o.
  template <class F>
  void each(int64_t o, const F& use) const {
    if (adaptive) {
      const int64_t from = o * in / out, to = ((o + 1) * in + out - 1) / out;
      for (int64_t a = from; a < to; ++a) use(a, a - from);
    } else {
      const int64_t from = o * stride - pad;
      for (int64_t k = from < 0 ? (-from + dilation - 1) / dilation : 0; k < taps && from + k * dilation < in; ++k)
        use(from + k * dilation, k);
    }
  }
  // weight(o) for every element of window o.
  template <class F>
  AxisList list(const F& weight) const {
    AxisList list(in, out);
    for (int64_t o = 0; o < out; ++o) {
      const double w = weight(o);
      each(o, [&](int64_t a, int64_t tap) { list.add(a, tap, w); });
      list.next();
    }
    return list;
  }
  AxisList list() const {
    return list([](int64_t) { return 1.0; });
  }
  // Elements of window o, with or without those in the padding.
  int64_t count(int64_t o, bool with_padding) const;
};
using Windows = std::array<Window, 3>;  // depth, height, width; missing ones are one element

struct PoolArguments {
  const char* op;
  IntSpan kernel_size;
  std::optional<IntSpan> stride;
  IntSpan padding, dilation;
  bool ceil_mode;
};
// Of x (N, C, spatial...); throws where the arguments do not fit.
Windows pool_windows(const Tensor& x, const PoolArguments& a);
// Windows that cut x (N, C, spatial...) into output_size parts.
Windows adaptive_windows(const char* op, const Tensor& x, IntSpan output_size);
// x has `spatial` dimensions behind the channels, and perhaps a batch in front; only the batch may be empty, or, with
// channels, they as well.
void check_pool_input(const char* op, const Tensor& x, int64_t spatial, bool channels = false);
// x (N, C, spatial...) with the windows' sizes.
Dims pooled_sizes(const Tensor& x, const Windows& windows);

// Whether the kernels of kernels/pool.h take these: regular windows of at most two dimensions.
bool is_regular(const Windows& windows);
// What they need to know of x (N, C, spatial...), which lies in that layout.
kernel::Pool2d pool_of(const Tensor& x, const Windows& windows, Layout layout);
Cost pool_cost(const Tensor& x, const Windows& windows);

}  // namespace dlcore
