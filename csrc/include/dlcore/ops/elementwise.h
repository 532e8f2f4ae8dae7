#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// Elementwise ops broadcast their inputs and follow PyTorch's type promotion.
DLCORE_API Tensor add(const Tensor& a, const Tensor& b, Scalar alpha = 1);  // a + alpha b
DLCORE_API Tensor sub(const Tensor& a, const Tensor& b, Scalar alpha = 1);  // a - alpha b
DLCORE_API Tensor mul(const Tensor& a, const Tensor& b);
DLCORE_API Tensor div(const Tensor& a, const Tensor& b);
DLCORE_API Tensor neg(const Tensor& x);
DLCORE_API Tensor clone(const Tensor& x);
// A tensor that stands for a number, weak in type promotion: mul(x, number(2)).
DLCORE_API Tensor number(Scalar value);

// TEMPORARY STUB
#define ST DLCORE_API Tensor
ST eq(const Tensor&, const Tensor&); ST ne(const Tensor&, const Tensor&); ST logical_and(const Tensor&, const Tensor&); ST logical_or(const Tensor&, const Tensor&);
ST where(const Tensor&, const Tensor&, const Tensor&); ST sign(const Tensor&); ST abs(const Tensor&); ST pow(const Tensor&, const Tensor&); ST exp(const Tensor&); ST log(const Tensor&); ST log1p(const Tensor&); ST sigmoid(const Tensor&);
ST clamp(const Tensor&, std::optional<Scalar>, std::optional<Scalar>); ST clamp_min(const Tensor&, const Tensor&); ST maximum(const Tensor&, const Tensor&); ST minimum(const Tensor&, const Tensor&);
inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator+(const Tensor& a, Scalar b) { return add(a, number(b)); }
inline Tensor operator-(const Tensor& a, Scalar b) { return sub(a, number(b)); }
inline Tensor operator*(const Tensor& a, Scalar b) { return mul(a, number(b)); }
inline Tensor operator/(const Tensor& a, Scalar b) { return div(a, number(b)); }
inline Tensor operator-(Scalar a, const Tensor& b) { return sub(number(a), b); }
inline Tensor operator/(Scalar a, const Tensor& b) { return div(number(a), b); }
inline Tensor operator*(Scalar a, const Tensor& b) { return mul(b, number(a)); }
inline Tensor operator-(const Tensor& a) { return neg(a); }

}  // namespace dlcore
