#pragma once
#include <string>
#include <tuple>

#include "dlcore/tensor.h"

namespace dlcore {

// Ops that fold dimensions away. `dim` may be negative; no dim, or an empty list, means all dimensions. With keepdim
// the reduced dimensions stay, with size 1. Results do not depend on the number of threads: partial results are
// combined in an order that the shape alone decides. bfloat16 and float16 are accumulated in float32.

using Dim = std::optional<int64_t>;
using DimList = std::optional<IntSpan>;
using OptionalDType = std::optional<DType>;

// ---- sums and products (ops/reduction.cpp); integers and bool give int64. `dtype` converts the elements first.

DLCORE_API Tensor sum(const Tensor& x, DimList dim = {}, bool keepdim = false, OptionalDType dtype = {});
DLCORE_API Tensor nansum(const Tensor& x, DimList dim = {}, bool keepdim = false,
                         OptionalDType dtype = {});  // NaN counts 0
// sum / number of elements; floating point only
DLCORE_API Tensor mean(const Tensor& x, DimList dim = {}, bool keepdim = false, OptionalDType dtype = {});
DLCORE_API Tensor prod(const Tensor& x, Dim dim = {}, bool keepdim = false, OptionalDType dtype = {});  // the product
DLCORE_API Tensor count_nonzero(const Tensor& x, DimList dim = {});  // how many elements are not 0

// ---- order: NaN is larger and smaller than any number. Over no elements there is none: an error.

// The gradient is shared evenly by equals.
DLCORE_API Tensor amax(const Tensor& x, DimList dim = {}, bool keepdim = false);
DLCORE_API Tensor amin(const Tensor& x, DimList dim = {}, bool keepdim = false);
DLCORE_API std::tuple<Tensor, Tensor> aminmax(const Tensor& x, Dim dim = {}, bool keepdim = false);  // amin and amax
DLCORE_API Tensor max_all(const Tensor& x);  // the largest element
DLCORE_API Tensor min_all(const Tensor& x);  // the smallest element
// (values, indices); the first of equals, which gets the whole gradient.
DLCORE_API std::tuple<Tensor, Tensor> max_dim(const Tensor& x, int64_t dim, bool keepdim = false);
DLCORE_API std::tuple<Tensor, Tensor> min_dim(const Tensor& x, int64_t dim, bool keepdim = false);
// Index of the first extreme along dim, or in the flattened tensor.
DLCORE_API Tensor argmax(const Tensor& x, Dim dim = {}, bool keepdim = false);
DLCORE_API Tensor argmin(const Tensor& x, Dim dim = {}, bool keepdim = false);
// Element of rank floor((n - 1) / 2); NaN where there is one.
DLCORE_API Tensor median_all(const Tensor& x);
DLCORE_API std::tuple<Tensor, Tensor> median_dim(const Tensor& x, int64_t dim, bool keepdim = false);

// ---- truth: bool, but uint8 for uint8. Here an empty list of dims reduces nothing.

DLCORE_API Tensor all(const Tensor& x, DimList dim = {}, bool keepdim = false);  // whether all elements are not 0
DLCORE_API Tensor any(const Tensor& x, DimList dim = {}, bool keepdim = false);  // whether an element is not 0

// ---- statistics (ops/statistics.cpp)

// sum (x - mean)^2 / max(n - correction, 0), and its square root. Accurate where the mean is much larger than the
// spread.
DLCORE_API Tensor var(const Tensor& x, DimList dim = {}, double correction = 1, bool keepdim = false);
DLCORE_API Tensor stddev(const Tensor& x, DimList dim = {}, double correction = 1, bool keepdim = false);
DLCORE_API std::tuple<Tensor, Tensor> var_mean(const Tensor& x, DimList dim = {}, double correction = 1,
                                               bool keepdim = false);
DLCORE_API std::tuple<Tensor, Tensor> std_mean(const Tensor& x, DimList dim = {}, double correction = 1,
                                               bool keepdim = false);

// (sum |x|^p)^(1/p); p = inf: max |x|, -inf: min |x|, 0: number of nonzeros.
DLCORE_API Tensor norm(const Tensor& x, double p = 2, DimList dim = {}, bool keepdim = false, OptionalDType dtype = {});

// How often each number 0, 1, ... occurs in a vector, or the sum of the weights of its occurrences.
DLCORE_API Tensor bincount(const Tensor& x, const Tensor& weights = {}, int64_t minlength = 0);

// ---- exponentials along a dimension (ops/softmax.cpp), computed without overflow. `dtype` converts the elements
// first.

// log(sum exp(x))
DLCORE_API Tensor logsumexp(const Tensor& x, IntSpan dim, bool keepdim = false);
// exp(x) / sum exp(x)
DLCORE_API Tensor softmax(const Tensor& x, int64_t dim, OptionalDType dtype = {});
DLCORE_API Tensor log_softmax(const Tensor& x, int64_t dim, OptionalDType dtype = {});  // log(softmax(x))
DLCORE_API Tensor softmin(const Tensor& x, int64_t dim, OptionalDType dtype = {});      // softmax(-x)

// ---- running results along a dimension (ops/scan.cpp); integers and bool give int64

DLCORE_API Tensor cumsum(const Tensor& x, int64_t dim, OptionalDType dtype = {});   // y_i = x_0 + ... + x_i
DLCORE_API Tensor cumprod(const Tensor& x, int64_t dim, OptionalDType dtype = {});  // y_i = x_0 ... x_i
DLCORE_API Tensor logcumsumexp(const Tensor& x, int64_t dim);                       // log(cumsum(exp(x)))
// (values, indices); the last of equals
DLCORE_API std::tuple<Tensor, Tensor> cummax(const Tensor& x, int64_t dim);
DLCORE_API std::tuple<Tensor, Tensor> cummin(const Tensor& x, int64_t dim);

}  // namespace dlcore
