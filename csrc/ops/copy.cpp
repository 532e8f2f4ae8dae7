// What moves or converts elements without changing them.
#include "ops/elementwise.h"

namespace dlcore {
namespace {

// Conversion happens in the result's row type, except that a bool is x != 0 in the source's.
Elementwise conversion(const char* name, DType from, DType to) {
  return {name, ElementwiseOp::Copy, row_dtype(to == DType::Bool ? from : to), to};
}

}  // namespace

Tensor clone(const Tensor& x) {
  Tensor y = compute(conversion("clone", x.dtype(), x.dtype()), {x});
  record("clone", y, {x}, [](Gradients& g) { g.set(0, [&] { return g.dy(); }); });
  return y;
}

Tensor clone_like(const Tensor& x, IntSpan strides) {
  Tensor y = new_tensor(x.sizes(), strides, x.dtype());
  compute_into(y, conversion("clone", x.dtype(), x.dtype()), {x});
  record("clone", y, {x}, [](Gradients& g) { g.set(0, [&] { return g.dy(); }); });
  return y;
}

Tensor contiguous(const Tensor& x) { return x.is_contiguous() ? x : clone_like(x, contiguous_strides(x.sizes())); }

Tensor to_dtype(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = compute(conversion("to", x.dtype(), dtype), {x});
  record("to", y, {x}, [](Gradients& g) { g.set(0, [&] { return g.dy(); }); });  // the engine casts it back
  return y;
}

void copy_data(const Tensor& to, const Tensor& from) {
  compute_into(to, conversion("copy_", from.dtype(), to.dtype()), {from});
}

}  // namespace dlcore
