#pragma once
#include <string>

#include "dlcore/tensor.h"

namespace dlcore {

// Matrix products with PyTorch's rules. float32 and float64 go to the matrix engine, the 16-bit types through float32;
// integers are multiplied exactly, modulo 2^64.
// a (m, k) b (k, n) -> (m, n); vectors stand for a row on the left and a column on the right; further dimensions in
// front are batches, and broadcast.
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

// ---- sums of products (ops/einsum.cpp)

// "bij,bjk->bik": every letter names a dimension, those missing on the right are summed; ... stands for the dimensions
// without a letter. Operands are multiplied from left to right.
DLCORE_API Tensor einsum(const std::string& equation, const TensorList& operands);
// Sum over pairs of dimensions: the last `dims` of a with the first of b, or those listed.
DLCORE_API Tensor tensordot(const Tensor& a, const Tensor& b, int64_t dims = 2);
DLCORE_API Tensor tensordot(const Tensor& a, const Tensor& b, IntSpan dims_a, IntSpan dims_b);
DLCORE_API Tensor kron(const Tensor& a, const Tensor& b);
DLCORE_API Tensor trace(const Tensor& x);                    // the sum of the diagonal of a matrix
DLCORE_API Tensor chain_matmul(const TensorList& matrices);  // the product of matrices, in the order of the least work
// The vector product; no dim: the first dimension of size 3.
DLCORE_API Tensor cross(const Tensor& a, const Tensor& b, std::optional<int64_t> dim = {});
DLCORE_API Tensor vecdot(const Tensor& a, const Tensor& b, int64_t dim = -1);  // sum a b along dim

// y[..., i, j] = |a[..., i, :] - b[..., j, :]|_p: a (..., m, k), b (..., n, k) -> (..., m, n). For p = 2 the default
// mode multiplies matrices where one of them has more than 25 rows; "use_mm_for_euclid_dist" always, and
// "donot_use_mm_for_euclid_dist" never (ops/distance.cpp).
DLCORE_API Tensor cdist(const Tensor& a, const Tensor& b, double p = 2,
                        const std::string& mode = "use_mm_for_euclid_dist_if_necessary");

// The distances |x_i - x_j|_p of the rows of x (n, k), i < j: (n (n - 1) / 2).
DLCORE_API Tensor pdist(const Tensor& x, double p = 2);
// |a - b + eps|_p along the last dimension of the shape that a and b broadcast to.
DLCORE_API Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p = 2, double eps = 1e-6,
                                    bool keepdim = false);
// a . b / (max(|a|, eps) max(|b|, eps)) along a dimension of the shape that a and b broadcast to.
DLCORE_API Tensor cosine_similarity(const Tensor& a, const Tensor& b, int64_t dim = 1, double eps = 1e-8);

}  // namespace dlcore
