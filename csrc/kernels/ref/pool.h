#pragma once
#include "kernels/pool.h"

namespace dlcore::kernel::ref {

// The formulas of kernels/pool.h, one window at a time; argmax as int64.
void max_pool2d_forward(const Pool2d& g, const void* x, void* y, int64_t* argmax);
void max_pool2d_backward(const Pool2d& g, const void* dy, const int64_t* argmax, void* dx);
void avg_pool2d_forward(const Pool2d& g, const void* x, void* y);
void avg_pool2d_backward(const Pool2d& g, const void* dy, void* dx);

}  // namespace dlcore::kernel::ref
