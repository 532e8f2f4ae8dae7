#pragma once
// What the normalization ops check alike.
#include "ops/internal.h"

namespace dlcore {

// input must be floating point, and a parameter or statistic has its dtype, or float32 where the input is 16 bits wide.
void check_norm_input(const char* op, const Tensor& input);
void check_norm_dtype(const char* op, const char* what, const Tensor& t, const Tensor& input);
inline void* data_or_null(const Tensor& t) { return t.defined() ? t.raw_data() : nullptr; }

}  // namespace dlcore
