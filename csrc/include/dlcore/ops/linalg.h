#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// Matrix products with PyTorch's rules. float32 and float64 go to the matrix engine, the 16-bit types through float32;
// integers are multiplied exactly, modulo 2^64.
// a (m, k) b (k, n) -> (m, n); vectors stand for a row on the left and a column on the right; further dimensions in front
// are batches, and broadcast.
DLCORE_API Tensor matmul(const Tensor& a, const Tensor& b);
DLCORE_API Tensor mm(const Tensor& a, const Tensor& b);     // matrices only
DLCORE_API Tensor bmm(const Tensor& a, const Tensor& b);    // (b, m, k) (b, k, n)
DLCORE_API Tensor mv(const Tensor& a, const Tensor& x);     // (m, k) (k)
DLCORE_API Tensor dot(const Tensor& a, const Tensor& b);    // (k) (k)
DLCORE_API Tensor inner(const Tensor& a, const Tensor& b);  // over the last dimension of both
DLCORE_API Tensor outer(const Tensor& a, const Tensor& b);  // (m) (n) -> (m, n)

// beta c + alpha a b, where c broadcasts to the product; with beta = 0 c is not read.
DLCORE_API Tensor addmm(const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta = 1, Scalar alpha = 1);
DLCORE_API Tensor addmv(const Tensor& c, const Tensor& a, const Tensor& x, Scalar beta = 1, Scalar alpha = 1);
DLCORE_API Tensor addr(const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta = 1, Scalar alpha = 1);
DLCORE_API Tensor baddbmm(const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta = 1, Scalar alpha = 1);
DLCORE_API Tensor addbmm(const Tensor& c, const Tensor& a, const Tensor& b, Scalar beta = 1, Scalar alpha = 1);

// y = x w^T + bias: x (..., in), w (out, in), bias (out) or undefined, y (..., out).
DLCORE_API Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias = {});

}  // namespace dlcore
