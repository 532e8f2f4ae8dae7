// What moves or converts elements without changing them.
#include "ops/elementwise.h"
#include "ops/sparse_rows.h"

namespace dlcore {
namespace {

// Conversion happens in the result's row type, except that a bool is x != 0 in the source's.
Elementwise conversion(const char* name, DType from, DType to) {
  return {name, ElementwiseOp::Copy, row_dtype(to == DType::Bool ? from : to), to};
}

}  // namespace

Tensor clone(const Tensor& x) {
  if (const Rows r = rows_of(x)) return tensor_of_rows({r->sizes, r->indices, clone(r->values), r->coalesced});
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

Tensor copy_(const Tensor& x, const Tensor& source) {
  check_inplace("copy_", x);
  const Dims sizes = broadcast_shapes("copy_", sizes_of(x), sizes_of(source));
  DLCORE_CHECK(sizes == sizes_of(x), RuntimeError, "copy_: a source of shape ", source.sizes(),
               " does not broadcast to the tensor's shape ", x.sizes());
  // The history that x will have: of its old elements nothing is left.
  Tensor y = x.detach();
  if (needs_graph(x, source))
    record("copy_", y, {x, source}, [](Gradients& g) {
      g.set(0, [&] { return zeros(g.dy().sizes(), g.dy().dtype()); });
      g.set(1, [&] { return g.dy(); });
    });
  copy_data(x, source);
  finish_inplace(x, y);
  return x;
}

Tensor fill_(const Tensor& x, const Tensor& value) {
  DLCORE_CHECK(value.dim() == 0, RuntimeError, "fill_: value must be zero-dimensional, got shape ", value.sizes());
  return copy_(x, to_dtype(value, x.dtype()));
}

Tensor zero_(const Tensor& x) {
  if (const Rows rows = rows_of(x))
    return change_rows("zero_", x, *rows, [](const SparseRows& r) {
      return SparseRows{r.sizes, clone(narrow(r.indices, 0, 0, 0)), clone(narrow(r.values, 0, 0, 0)), true};
    });
  return fill_(x, number(0));
}

}  // namespace dlcore
