#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// Where dtype is not given: the default dtype, unless said otherwise.
DLCORE_API Tensor empty(IntSpan sizes, std::optional<DType> dtype = {});
DLCORE_API Tensor zeros(IntSpan sizes, std::optional<DType> dtype = {});
DLCORE_API Tensor ones(IntSpan sizes, std::optional<DType> dtype = {});
// dtype from the value: bool, int64 or the default dtype. A value that the dtype cannot hold is an error.
DLCORE_API Tensor full(IntSpan sizes, Scalar value, std::optional<DType> dtype = {});
// Strides in elements, non-negative; the memory is just large enough for them.
DLCORE_API Tensor empty_strided(IntSpan sizes, IntSpan strides, std::optional<DType> dtype = {});

// Same shape and, unless given, same dtype as x. format: how the elements lie in memory; "preserve_format": as x's,
// without its gaps.
DLCORE_API Tensor empty_like(const Tensor& x, std::optional<DType> dtype = {},
                             const std::string& format = "preserve_format");
DLCORE_API Tensor zeros_like(const Tensor& x, std::optional<DType> dtype = {},
                             const std::string& format = "preserve_format");
DLCORE_API Tensor ones_like(const Tensor& x, std::optional<DType> dtype = {},
                            const std::string& format = "preserve_format");
DLCORE_API Tensor full_like(const Tensor& x, Scalar value, std::optional<DType> dtype = {},
                            const std::string& format = "preserve_format");

// (n, m) with ones on the diagonal.
DLCORE_API Tensor eye(int64_t n, std::optional<int64_t> m = {}, std::optional<DType> dtype = {});
// start, start + step, ... while before end: ceil((end - start) / step) values. int64 where all three are integers.
DLCORE_API Tensor arange(Scalar start, Scalar end, Scalar step = 1, std::optional<DType> dtype = {});
// steps values from start to end, both included; the upper half is counted down from end, so that both ends are exact.
DLCORE_API Tensor linspace(Scalar start, Scalar end, int64_t steps, std::optional<DType> dtype = {});
// base ^ linspace(start, end, steps)
DLCORE_API Tensor logspace(Scalar start, Scalar end, int64_t steps, double base = 10, std::optional<DType> dtype = {});
// (2, count): rows and columns of the elements on and below (above) the offset-th diagonal of a rows x cols matrix.
DLCORE_API Tensor tril_indices(int64_t rows, int64_t cols, int64_t offset = 0, std::optional<DType> dtype = {});
DLCORE_API Tensor triu_indices(int64_t rows, int64_t cols, int64_t offset = 0, std::optional<DType> dtype = {});

}  // namespace dlcore
