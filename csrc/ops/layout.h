#pragma once
// The order of a batch of images in memory. Shapes are always (N, C, spatial...); strides say where the channels lie.
// Convolutions of many channels produce channels-last results; what follows them keeps the order it is given.
#include "ops/internal.h"

namespace dlcore {

enum class Layout : uint8_t { ChannelsFirst, ChannelsLast };

// Dense strides of (N, C, spatial...) in that order.
DLCORE_API Dims layout_strides(IntSpan sizes, Layout layout);
// Whether x lies in memory that way without gaps; where there is one channel or one place, it lies both ways.
DLCORE_API bool has_layout(const Tensor& x, Layout layout);
// The order that an op on x should give its result: ChannelsLast for a tensor of 3 dimensions or more that lies that
// way and not the other.
DLCORE_API Layout layout_of(const Tensor& x);
// x, or a copy of it in that order; keeps history.
DLCORE_API Tensor to_layout(const Tensor& x, Layout layout);
DLCORE_API Tensor new_tensor(IntSpan sizes, Layout layout, DType dtype);

}  // namespace dlcore
