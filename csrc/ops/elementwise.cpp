#include "ops/elementwise.h"

#include "core/launch.h"
#include "kernels/registry.h"

namespace dlcore {
namespace {

using namespace kernel;

constexpr int kMaxInputs = kMaxElementwiseInputs;

const ElementwiseInfo& info(ElementwiseOp op) { return kElementwise[static_cast<int>(op)]; }
DType input_row_dtype(const Elementwise& e, int k) {
  return k == 0 && (info(e.op).flags & kBoolFirstInput) ? DType::Bool : e.compute;
}
DType result_row_dtype(const Elementwise& e) { return info(e.op).flags & kBoolResult ? DType::Bool : e.compute; }

double bytes_moved(const TensorImpl& y, TensorArgs inputs) {
  int64_t item = item_size(y.dtype);
  for (const Tensor& x : inputs) item += item_size(x.dtype());
  return static_cast<double>(item * y.numel);
}

// An input that the dense path reads: like the result in memory, or one number.
struct DenseInputs {
  DenseOperand operand[kMaxInputs];
  int64_t number[kMaxInputs];  // single elements converted to the row's type
};

// Where all inputs have the sizes, strides and row types of `like`, or are zero-dimensional, the row can run over them
// as they lie in memory.
bool dense_inputs(const Elementwise& e, const TensorImpl& like, TensorArgs inputs, DenseInputs& dense) {
  int k = 0;
  for (const Tensor& x : inputs) {
    const TensorImpl& t = *x.impl();
    const DType row = input_row_dtype(e, k);
    DenseOperand& o = dense.operand[k];
    o.item = static_cast<int>(item_size(row));
    if (&t == &like || (t.dtype == row && t.sizes == like.sizes &&
                        (t.contiguous ? like.contiguous : !like.contiguous && t.strides == like.strides))) {
      if (t.dtype != row) return false;
      o.data = t.data();
      o.step = 1;
    } else if (t.ndim() == 0) {
      o.step = 0;
      o.data = t.data();
      if (t.dtype != row) {
        o.data = &dense.number[k];
        kernels().elementwise_load(t.dtype, row)(o.data, t.data(), {1, 1, 0, 0});
      }
    } else {
      return false;
    }
    ++k;
  }
  return true;
}

void set_operand(ElementwiseOperand& o, const TensorImpl& t, IntSpan sizes) {
  o.data = t.data();
  o.dtype = t.dtype;
  const int64_t n = sizes.size(), lead = n - t.ndim();
  for (int64_t d = 0; d < n; ++d)
    o.strides[n - 1 - d] = d < lead || t.sizes[d - lead] == 1 ? 0 : t.strides[d - lead] * item_size(t.dtype);
}

// Inputs only; y comes later, perhaps laid out by what order_dims finds.
void set_inputs(ElementwiseLoop& loop, IntSpan sizes, TensorArgs inputs) {
  loop.ndim = static_cast<int>(sizes.size());
  loop.inputs = 0;
  for (int d = 0; d < loop.ndim; ++d) loop.sizes[d] = sizes[loop.ndim - 1 - d];
  for (const Tensor& x : inputs) set_operand(loop.x[loop.inputs++], *x.impl(), sizes);
}

Dims broadcast_all(const char* name, TensorArgs inputs) {
  Dims sizes = sizes_of(*inputs.begin());
  for (const Tensor& x : inputs)
    if (sizes_of(x) != sizes) sizes = broadcast_shapes(name, sizes, sizes_of(x));
  return sizes;
}

// First and one past the last byte that a tensor reaches.
std::pair<const char*, const char*> extent(const TensorImpl& t) {
  int64_t low = 0, high = 0;
  for (int64_t d = 0; d < t.ndim(); ++d) (t.strides[d] < 0 ? low : high) += (t.sizes[d] - 1) * t.strides[d];
  const char* p = t.data();
  return {p + low * item_size(t.dtype), p + (high + 1) * item_size(t.dtype)};
}

// Whether writing out while reading x would read what was already overwritten.
bool overlaps(const TensorImpl& out, const TensorImpl& x) {
  if (out.storage->data != x.storage->data || out.numel == 0 || x.numel == 0) return false;
  const auto [a, b] = extent(out);
  const auto [c, d] = extent(x);
  if (b <= c || d <= a) return false;
  return !(out.data() == x.data() && out.dtype == x.dtype && out.sizes == x.sizes && out.strides == x.strides);
}

void run_loop(const Elementwise& e, ElementwiseLoop& loop, const Tensor& y, TensorArgs inputs) {
  launch(e.name, {bytes_moved(*y.impl(), inputs), 0},
         [&] { run_elementwise(kernels(), e.op, e.compute, loop, e.params); });
}

void run_dense(const Elementwise& e, const TensorImpl& y, const DenseInputs& x, TensorArgs inputs) {
  const DenseOperand out{y.data(), static_cast<int>(item_size(y.dtype)), 1};
  launch(e.name, {bytes_moved(y, inputs), 0}, [&] {
    run_row(kernels(), e.op, e.compute, y.numel, out, x.operand, static_cast<int>(inputs.size()), e.params);
  });
}

}  // namespace

Tensor compute(const Elementwise& e, TensorArgs inputs) {
  const TensorImpl* like = inputs.begin()->tensor->impl();
  for (const Tensor& x : inputs)
    if (like->ndim() == 0) like = x.impl();
  DenseInputs dense;
  if (e.op != ElementwiseOp::Copy && e.result == result_row_dtype(e) && dense_inputs(e, *like, inputs, dense) &&
      is_dense(*like)) {
    Tensor y = like->contiguous ? new_tensor(like->sizes, e.result) : new_tensor(like->sizes, like->strides, e.result);
    run_dense(e, *y.impl(), dense, inputs);
    return y;
  }
  const Dims sizes = broadcast_all(e.name, inputs);
  ElementwiseLoop loop;
  set_inputs(loop, sizes, inputs);
  int order[kMaxLoopDims];
  order_dims(loop, false, order);
  Dims strides(sizes.size(), 1);
  int64_t step = 1;
  for (int i = 0; i < loop.ndim; ++i) {
    strides[loop.ndim - 1 - order[i]] = step;
    loop.y.strides[i] = step * item_size(e.result);
    step *= std::max<int64_t>(loop.sizes[i], 1);
  }
  Tensor y = new_tensor(sizes, strides, e.result);
  if (y.numel() == 0) return y;
  loop.y.data = y.impl()->data();
  loop.y.dtype = e.result;
  run_loop(e, loop, y, inputs);
  return y;
}

void compute_into(const Tensor& out, const Elementwise& e, TensorArgs inputs) {
  const TensorImpl& y = *out.impl();
  for (const Tensor& x : inputs)
    if (overlaps(y, *x.impl())) {
      Tensor copies[kMaxInputs];
      int k = 0;
      for (const Tensor& t : inputs) {
        copies[k] = overlaps(y, *t.impl()) ? clone(t.detach()) : t;
        if (t.impl()->wrapped_number) copies[k].impl()->wrapped_number = true;
        ++k;
      }
      switch (k) {
        case 1:
          return compute_into(out, e, {copies[0]});
        case 2:
          return compute_into(out, e, {copies[0], copies[1]});
        case 3:
          return compute_into(out, e, {copies[0], copies[1], copies[2]});
        default:
          return compute_into(out, e, {copies[0], copies[1], copies[2], copies[3]});
      }
    }
  DenseInputs dense;
  if (e.op != ElementwiseOp::Copy && y.dtype == result_row_dtype(e) && dense_inputs(e, y, inputs, dense) &&
      is_dense(y)) {
    run_dense(e, y, dense, inputs);
    return;
  }
  const Dims sizes = broadcast_all(e.name, inputs);
  DLCORE_CHECK(sizes == y.sizes || broadcast_shapes(e.name, y.sizes, sizes) == y.sizes, RuntimeError, e.name,
               ": the result has shape ", sizes, ", which does not fit the tensor of shape ", y.sizes,
               " that it should be written to");
  if (y.numel == 0) return;
  ElementwiseLoop loop;
  set_inputs(loop, y.sizes, inputs);
  set_operand(loop.y, y, y.sizes);
  int order[kMaxLoopDims];
  order_dims(loop, true, order);
  run_loop(e, loop, out, inputs);
}

}  // namespace dlcore
