#pragma once
// What each elementwise op means, one element at a time: the specification, and the oracle of the C++ tests.
#include "kernels/elementwise.h"

namespace dlcore::kernel::ref {

// op(x[0], x[1], ...) in long double; comparisons give 0 or 1.
long double elementwise(ElementwiseOp op, const long double* x, const double* params);
// The same for whole numbers, modulo 2^64.
int64_t elementwise(ElementwiseOp op, const int64_t* x, const double* params);

}  // namespace dlcore::kernel::ref
