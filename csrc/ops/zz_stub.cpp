#include "ops/internal.h"
#include <cstdlib>
#undef ST
#define ST Tensor
#define A { abort(); }
namespace dlcore {
ST eq(const Tensor&, const Tensor&) A ST ne(const Tensor&, const Tensor&) A ST logical_and(const Tensor&, const Tensor&) A ST logical_or(const Tensor&, const Tensor&) A
ST where(const Tensor&, const Tensor&, const Tensor&) A ST sign(const Tensor&) A ST abs(const Tensor&) A ST pow(const Tensor&, const Tensor&) A ST exp(const Tensor&) A ST log(const Tensor&) A ST log1p(const Tensor&) A ST sigmoid(const Tensor&) A
ST clamp(const Tensor&, std::optional<Scalar>, std::optional<Scalar>) A ST clamp_min(const Tensor&, const Tensor&) A ST maximum(const Tensor&, const Tensor&) A ST minimum(const Tensor&, const Tensor&) A
}
