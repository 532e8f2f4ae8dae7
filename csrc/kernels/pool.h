#pragma once
#include <cstdint>

#include "dlcore/dtype.h"

// Two-dimensional pooling of channels-first planes (inner 1, images times channels of them) or of channels-last images
// (inner channels). With the window's tap (u, v) of output (i, j) at
// a = i s + u d - p, b = j s + v d - p (taps outside the plane don't take part):
//
//   max_pool2d   y[i, j] = max_{u, v} x[a, b];  a NaN wins;  argmax[i, j] = u kw + v of the first largest (of the last
//   NaN)
//                dx[a, b] = sum of the dy[i, j] whose argmax is there
//   avg_pool2d   y[i, j] = sum_{u, v} x[a, b] / divisor,  dx[a, b] = sum of the dy[i, j] / divisor whose window is
//   there
namespace dlcore::kernel {

struct Pool2d {
  DType dtype;                   // Float32, Float64 or (forward only) Int64
  int64_t planes, h, w, oh, ow;  // x: (planes, h, w, inner), y: (planes, oh, ow, inner), contiguous
  int64_t kh, kw, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  int64_t inner = 1;
  // max_pool2d: what argmax is stored in: UInt8 or Int32.
  DType argmax = DType::UInt8;
  // avg_pool2d: the divisor where it is not 0; otherwise the window's elements, with or without those in the padding.
  int64_t divisor = 0;
  bool count_include_pad = true;
};

// Kernels need pool2d_workspace(g) bytes of scratch, 64-byte aligned. The smallest dtype for argmax:
inline DType argmax_dtype(int64_t taps) { return taps <= 1 << 8 ? DType::UInt8 : DType::Int32; }

}  // namespace dlcore::kernel
