#pragma once
#include "bindings/op.h"
#include "ops/internal.h"

// In-place twins, made from the ops themselves:
//
//   ops.op<twin<"clamp_", &clamp>>("clamp_(Tensor input, Number? min=None, Number? max=None) -> Tensor");
namespace dlcore::bindings {

template <OpName Name, auto F, class Signature = decltype(+F)>
struct Twin;
template <OpName Name, auto F, class R, class X, class... A>
struct Twin<Name, F, R (*)(X, A...)> {
  static Tensor call(const Tensor& x, A... rest) {
    return inplace(Name.text, x, [&](const Tensor& old) { return F(old, rest...); });
  }
};
template <OpName Name, auto F>
inline constexpr auto twin = &Twin<Name, F>::call;

}  // namespace dlcore::bindings
