#pragma once
#include <algorithm>
#include <cstdint>

#include "dlcore/dtype.h"
#include "kernels/gemm.h"

// Two-dimensional convolution (cross-correlation, as deep learning has it), and its two gradients:
//
//   y[n, k, i, j]  = b[k] + sum_{c, u, v} x[n, c, i s + u d - p, j s + v d - p] w[k, c, u, v]       (x = 0 outside)
//   dx[n, c, a, b] = sum_{k, u, v} dy[n, k, i, j] w[k, c, u, v]   where i s + u d - p = a, j s + v d - p = b
//   dw[k, c, u, v] = sum_{n, i, j} dy[n, k, i, j] x[n, c, i s + u d - p, j s + v d - p]
//   db[k]          = sum_{n, i, j} dy[n, k, i, j]
//
// With groups the channels of x and y are cut into equal parts that are convolved apart.
//
// The sizes are positive but for n, c and oc, which may be 0, and for h and w in backward's empty images. A kernel
// needs conv2d_workspace(g, pass) bytes of scratch, 64-byte aligned; b and db may be null. Where
// conv2d_packed_size(g, pass) is not 0, w may be given as conv2d_pack wrote it, with g.packed set.
namespace dlcore::kernel {

struct Conv2d {
  DType dtype;                                                       // Float32 or Float64
  int64_t n, c, h, w;                                                // x:  (n, c, h, w), contiguous like all the others
  int64_t oc, kh, kw;                                                // w:  (oc, c / groups, kh, kw)
  int64_t oh, ow;                                                    // y:  (n, oc, oh, ow)
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;  // the padding above and to the left
  int64_t groups;
  int winograd;           // the side of the tiles of Winograd's, 2 or 4, that it runs on (Float32, 3x3, stride 1), or 0
  bool channels_last;     // whether x and y and their gradients lie as (n, h, w, c); w is as it always is
  bool planes;            // whether x lies as (n, c, h, w) all the same, where conv2d_may_read_planes, and dx with it
                          // where conv2d_few_channels
  bool packed;            // whether forward or backward_data gets w packed
  Activation activation;  // forward gives that of y

  bool operator==(const Conv2d&) const = default;
};

// Whether x and y had better lie channels-last: enough channels to fill the registers, in each group.
constexpr int64_t kChannelsLastStride = 4;  // at most
inline bool conv2d_prefers_channels_last(const Conv2d& g) {
  if (g.n * g.c * g.h * g.w == 0 || g.stride_h > kChannelsLastStride || g.stride_w > kChannelsLastStride) return false;
  if (g.groups == g.c && g.oc == g.c && g.c >= 16) return true;
  return g.groups == 1 ? g.oc >= 32 && (g.c >= 16 || g.c <= 4) : g.oc / g.groups >= 16 && g.c / g.groups >= 16;
}

// The side of the tiles of Winograd's that pay for g, 4 or 2, or 0: by the products of channels, to which the transform
// of a filter adds those of as many tiles as it costs. The bounds are measured.
inline int conv2d_winograd_tile(const Conv2d& g) {
  const bool possible = g.dtype == DType::Float32 && g.kh == 3 && g.kw == 3 && g.stride_h == 1 && g.stride_w == 1 &&
                        g.dilation_h == 1 && g.dilation_w == 1 && g.groups == 1;
  if (!possible || g.c < 32 || g.oc < 32) return 0;
  const auto tiles = [&](int64_t side) { return g.n * ((g.oh + side - 1) / side) * ((g.ow + side - 1) / side); };
  // the taps along one axis that lie inside the image, over all positions
  const auto inside = [](int64_t in, int64_t out, int64_t pad) {
    int64_t taps = 0;
    for (int64_t first = -pad; first <= 2 - pad; ++first)
      taps += std::max<int64_t>(0, std::min(out, in - first) - std::max<int64_t>(0, -first));
    return taps;
  };
  const int64_t direct = g.n * inside(g.h, g.oh, g.pad_h) * inside(g.w, g.ow, g.pad_w);
  const int64_t large = 36 * tiles(4), small = 16 * tiles(2);
  const int64_t filter = (g.c + g.oc) / 12, with_filters = small + 16 * filter;
  if (tiles(4) < 48) return g.c >= 64 && g.oc >= 64 && tiles(2) >= 72 && 20 * with_filters <= 13 * direct ? 2 : 0;
  const int side = 2 * small <= 3 * large && with_filters < large + 36 * filter ? 2 : 4;
  return 4 * (side == 2 ? small : large) <= 3 * direct ? side : 0;
}

// Which kernels run (docs/convolution.md says how).
enum class ConvPath : uint8_t { Winograd, Depthwise, ChannelsLast, Product, Blocks };
static inline ConvPath conv2d_path(const Conv2d& g) {
  const bool unit_stride = g.stride_h == 1 && g.stride_w == 1, unpadded = g.pad_h == 0 && g.pad_w == 0;
  if (g.winograd) return ConvPath::Winograd;
  if (g.channels_last)
    return g.groups > 1 && g.groups == g.c && g.oc == g.c ? ConvPath::Depthwise : ConvPath::ChannelsLast;
  // a transposed convolution's output padding makes x larger than y
  const bool pointwise = g.kh == 1 && g.kw == 1 && unit_stride && g.oh == g.h && g.ow == g.w;
  const bool whole = g.kh == g.h && g.kw == g.w && g.oh == 1 && g.ow == 1;
  return unpadded && g.groups == 1 && (pointwise || whole) ? ConvPath::Product : ConvPath::Blocks;
}

// Images come plane by plane: where they have few channels the kernels for channels-last y turn what they read.
inline bool conv2d_may_read_planes(const Conv2d& g) {
  return g.channels_last && g.groups == 1 && g.c > 1 && g.c <= 4 && conv2d_path(g) == ConvPath::ChannelsLast;
}

// Few channels of dx don't fill a vector: backward by data runs over the filters' elements instead.
inline bool conv2d_few_channels(const Conv2d& g) {
  return g.channels_last && g.groups == 1 && g.c <= 4 && g.dilation_w == 1 && conv2d_path(g) == ConvPath::ChannelsLast;
}

enum class ConvPass : uint8_t { Forward, BackwardData, BackwardWeight };

}  // namespace dlcore::kernel
