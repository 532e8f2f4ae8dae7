#pragma once
#include "dlcore/tensor.h"

// The initial values of parameters and buffers.
namespace dlcore::nn {

// While one lives, tensors that are made here hold one element for all, and none is drawn: load_state_dict with
// `assign` will replace them, and a file that claims sizes that it doesn't hold costs nothing.
class Placeholders {
 public:
  Placeholders();
  ~Placeholders();
  Placeholders(const Placeholders&) = delete;
  Placeholders& operator=(const Placeholders&) = delete;
};

Tensor uniform(IntSpan sizes, double bound);  // U(-bound, bound)
// N(0, 1), but zeros in `zero_row`, which may count from the end.
Tensor gaussian(IntSpan sizes, std::optional<int64_t> zero_row = {});
Tensor constant(IntSpan sizes, Scalar value);

// A size that must be positive: "Linear: in_features must be positive, but got 0".
int64_t positive(const char* layer, const char* argument, int64_t value);

}  // namespace dlcore::nn
