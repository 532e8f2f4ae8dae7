#pragma once
#include "kernels/conv.h"

namespace dlcore::kernel::ref {

// The formulas of kernels/conv.h, one product at a time, summed in long double.
void conv2d_forward(const Conv2d& g, const void* x, const void* w, const void* b, void* y);
void conv2d_backward_data(const Conv2d& g, const void* dy, const void* w, void* dx);
void conv2d_backward_weight(const Conv2d& g, const void* x, const void* dy, void* dw, void* db);

}  // namespace dlcore::kernel::ref
