#pragma once
#include "dlcore/tensor.h"

namespace dlcore {

// a where the condition holds, else b
DLCORE_API Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
DLCORE_API Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight);                  // a + w (b - a)
DLCORE_API Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value = 1);  // x + value a b
DLCORE_API Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, Scalar value = 1);  // x + value a / b
// min(max(x, low), high); either bound may be missing, or a tensor.
DLCORE_API Tensor clamp(const Tensor& x, std::optional<Scalar> low, std::optional<Scalar> high = {});
DLCORE_API Tensor clamp_tensor(const Tensor& x, const Tensor& low, const Tensor& high = {});
DLCORE_API Tensor clamp_min(const Tensor& x, const Tensor& low);
// NaN, infinity and -infinity replaced: by 0, the dtype's largest and its smallest number unless said otherwise.
DLCORE_API Tensor nan_to_num(const Tensor& x, std::optional<double> nan = {}, std::optional<double> posinf = {},
                             std::optional<double> neginf = {});

}  // namespace dlcore
