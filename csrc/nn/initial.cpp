#include "nn/initial.h"

#include "core/dims.h"
#include "core/tensor_impl.h"
#include "dlcore/ops/creation.h"
#include "dlcore/ops/elementwise.h"
#include "dlcore/ops/random.h"
#include "dlcore/ops/shape.h"

namespace dlcore::nn {
namespace {

thread_local int placeholders = 0;

template <class Make>
Tensor initial(IntSpan sizes, Scalar value, const Make& make) {
  if (placeholders == 0) return make();
  (void)checked_numel("load", sizes);
  return alias(full({}, value), sizes, Dims(sizes.size(), 0), 0);
}

}  // namespace

Placeholders::Placeholders() { ++placeholders; }
Placeholders::~Placeholders() { --placeholders; }

Tensor uniform(IntSpan sizes, double bound) {
  return initial(sizes, 0.0, [&] { return uniform_(empty(sizes), -bound, bound); });
}
Tensor gaussian(IntSpan sizes, std::optional<int64_t> zero_row) {
  return initial(sizes, 0.0, [&] {
    const Tensor t = randn(sizes);
    if (zero_row) zero_(select(t, 0, *zero_row));
    return t;
  });
}
Tensor constant(IntSpan sizes, Scalar value) {
  return initial(sizes, value, [&] { return full(sizes, value); });
}

int64_t positive(const char* layer, const char* argument, int64_t value) {
  DLCORE_CHECK(value > 0, ValueError, layer, ": ", argument, " must be positive, but got ", value);
  return value;
}

}  // namespace dlcore::nn
