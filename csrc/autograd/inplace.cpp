#include "ops/internal.h"

namespace dlcore {

Tensor shadow(const Tensor& x) {
  const Edge e = gradient_edge(x);
  Tensor s = x.detach();
  s.impl()->grad_fn = e.node;
  s.impl()->output_nr = e.index;
  s.impl()->requires_grad = requires_grad(x);
  s.impl()->wrapped_number = x.impl()->wrapped_number;
  return s;
}

void overwrite(const char* op, const Tensor& x, const Tensor& y, Tensor old) {
  DLCORE_CHECK(y.sizes() == x.sizes(), RuntimeError, op, ": the result has shape ", y.sizes(),
               ", which does not fit the tensor of shape ", x.sizes(), " that it should be written to");
  DLCORE_CHECK(can_cast(y.dtype(), x.dtype()), RuntimeError, op, ": result type ", name(y.dtype()),
               " can't be cast to the tensor's type ", name(x.dtype()));
  const Tensor result = to_dtype(y, x.dtype());
  if (result.impl()->grad_fn && old.impl()->refs.load() > 1) {
    TensorImpl& kept = *old.impl();
    const uint64_t version = kept.version();
    NoGrad no_grad;
    Tensor copy = new_tensor(kept.sizes, kept.dtype);
    copy_data(copy, old);
    kept.storage = copy.impl()->storage;
    kept.strides = copy.impl()->strides;
    kept.offset = 0;
    kept.storage->version = version;
    refresh_geometry(kept);
  }
  {
    NoGrad no_grad;
    copy_data(x, result);
  }
  finish_inplace(x, result);
}

}  // namespace dlcore
