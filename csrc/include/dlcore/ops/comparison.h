#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// Comparisons broadcast, compare in the promoted dtype, and give bool tensors.
DLCORE_API Tensor eq(const Tensor& a, const Tensor& b);           // a = b
DLCORE_API Tensor ne(const Tensor& a, const Tensor& b);           // a != b
DLCORE_API Tensor lt(const Tensor& a, const Tensor& b);           // a < b
DLCORE_API Tensor le(const Tensor& a, const Tensor& b);           // a <= b
DLCORE_API Tensor gt(const Tensor& a, const Tensor& b);           // a > b
DLCORE_API Tensor ge(const Tensor& a, const Tensor& b);           // a >= b
DLCORE_API Tensor logical_and(const Tensor& a, const Tensor& b);  // both are not 0
DLCORE_API Tensor logical_or(const Tensor& a, const Tensor& b);   // one or both are not 0
DLCORE_API Tensor logical_xor(const Tensor& a, const Tensor& b);  // one is not 0
DLCORE_API Tensor logical_not(const Tensor& x);                   // x is 0
DLCORE_API Tensor isnan(const Tensor& x);                         // x is no number
DLCORE_API Tensor isinf(const Tensor& x);                         // x is infinity or -infinity
DLCORE_API Tensor isfinite(const Tensor& x);                      // x is a number, and finite
// |a - b| <= atol + rtol |b|
DLCORE_API Tensor isclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8,
                          bool equal_nan = false);
DLCORE_API bool allclose(const Tensor& a, const Tensor& b, double rtol = 1e-5, double atol = 1e-8,
                         bool equal_nan = false);
DLCORE_API bool equal(const Tensor& a, const Tensor& b);  // same shape and elements
// Whether each element is among the test elements.
DLCORE_API Tensor isin(const Tensor& elements, const Tensor& test_elements, bool assume_unique = false,
                       bool invert = false);

// Integers and bools, bit by bit.
DLCORE_API Tensor bitwise_and(const Tensor& a, const Tensor& b);          // a & b
DLCORE_API Tensor bitwise_or(const Tensor& a, const Tensor& b);           // a | b
DLCORE_API Tensor bitwise_xor(const Tensor& a, const Tensor& b);          // a ^ b
DLCORE_API Tensor bitwise_not(const Tensor& x);                           // ~x; of a bool its contrary
DLCORE_API Tensor bitwise_left_shift(const Tensor& a, const Tensor& b);   // a 2^b
DLCORE_API Tensor bitwise_right_shift(const Tensor& a, const Tensor& b);  // floor(a / 2^b)

}  // namespace dlcore
