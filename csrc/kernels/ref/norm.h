#pragma once
#include "kernels/norm.h"

namespace dlcore::kernel::ref {

// The formulas of kernels/norm.h, element by element, summed in double.
void channel_norm_forward(const ChannelNorm& g, const ChannelNormForward& a);
void channel_norm_backward(const ChannelNorm& g, const ChannelNormBackward& a);
void row_norm_forward(const RowNorm& g, const RowNormForward& a);
void row_norm_backward(const RowNorm& g, const RowNormBackward& a);
void local_norm_forward(const LocalNorm& g, const void* x, void* y);
void local_norm_backward(const LocalNorm& g, const void* x, const void* dy, void* dx);

}  // namespace dlcore::kernel::ref
