#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Ops that take each axis of an image by itself: which elements of x an element of y looks at is a product of three
// lists, one an axis. Pooling, padding, resampling and unfolding differ only in these lists, and the transposed lists
// are their gradients.
namespace dlcore::kernel {

// Along one axis, target o looks at the sources place[e], start[o] <= e < start[o + 1].
struct AxisMap {
  int64_t in, out, most;  // sources, targets, entries of the fullest target
  const int64_t* start;   // (out + 1)
  const int64_t* place;   // (entries), ascending
  const int64_t* tap;     // (entries): number of the entry in its window
  const double* weight;   // (entries)
};

// x: (outer, d.in, h.in, w.in, inner), y: (outer, d.out, h.out, w.out, inner), both contiguous. Channels-first images
// have inner = 1 and outer = images times channels, channels-last ones outer = images and inner = channels.
struct Image {
  DType dtype;
  int64_t outer, inner;
  AxisMap d, h, w;
};

//   resample   y[i, j, k] = sum over the entries of i, j, k of weight_d weight_h weight_w x[places]
// Float32 or Float64. Its transpose is the call with transposed maps. Needs resample_workspace(g) bytes of scratch.

// The largest element of each window; NaN wins:
//   max_windows            y[o] = max x[places], argmax[o] = (tap_d taps_h + tap_h) taps_w + tap_w of the first largest
//                          (of the last NaN); of no elements at all the lowest value, and 0
//   max_windows_backward   dx[i] = sum of the dy[o] whose argmax is there; maps are transposed
//   max_windows_places     place[o] = (d h.in + h) w.in + w of the maximum
// Float32, Float64 or, except backward, Int64. All need max_windows_workspace(m) bytes of scratch.
struct MaxWindows {
  Image image;
  int64_t taps_h, taps_w;
  DType argmax;  // UInt8 or Int32
};

}  // namespace dlcore::kernel
