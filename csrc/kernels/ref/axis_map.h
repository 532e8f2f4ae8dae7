#pragma once
#include "kernels/axis_map.h"

namespace dlcore::kernel::ref {

// The formulas of kernels/axis_map.h, one target at a time; argmax as int64.
void resample(const Image& g, const void* x, void* y);
void max_windows(const MaxWindows& m, const void* x, void* y, int64_t* argmax, int64_t* place);
// m as in forward.
void max_windows_backward(const MaxWindows& m, const void* dy, const int64_t* place, void* dx);

}  // namespace dlcore::kernel::ref
