#include <cmath>

#include "kernels/registry.h"
#include "kernels/softmax.h"
#include "ops/reduction.h"

namespace dlcore {

// ---- log sum exp

namespace {

Tensor logsumexp_over(const Tensor& x, const Reduced& r, const Dims& sizes) {
  Tensor y = new_tensor(sizes, x.dtype());
  if (y.numel() > 0) {
    const FoldArguments a(x, r);
    launch("logsumexp", a.cost,
           [&] { kernels().logsumexp({x.dtype(), x.raw_data(), y.raw_data(), a.loops, a.plan, a.scratch.data()}); });
  }
  // dx = dy exp(x - y): the softmax; 0 where all x are -infinity
  record("logsumexp", y, {x}, [x = Saved(x), y = Saved::output(y), r](Gradients& g) {
    g.set(0, [&] {
      const Tensor spread_y = spread(y.get(g), sizes_of(x()), r);
      const Tensor weights = where(eq(spread_y, number(-INFINITY)), number(0), exp(x() - spread_y));
      return spread(g.dy(), sizes_of(x()), r) * weights;
    });
  });
  return y;
}

}  // namespace

Tensor logsumexp(const Tensor& input, IntSpan dim, bool keepdim) {
  const Tensor x = to_dtype(input, to_floating(input.dtype()));
  const Reduced r(x, dim_mask("logsumexp", x, DimList(dim)));
  return logsumexp_over(x, r, r.sizes(keepdim));
}

// ---- softmax

namespace {

// x's strides where it is dense: the result keeps its order in memory.
Tensor result_like(const Tensor& x) { return new_tensor(x.sizes(), dense_strides_like(x), x.dtype()); }

Tensor run_softmax(const char* op, bool log, const Tensor& x, int64_t dim) {
  Tensor y = result_like(x);
  if (y.numel() == 0) return y;
  const kernel::ReduceLoops loops(x.sizes(), x.strides(), y.strides(), uint64_t{1} << dim);
  const kernel::SoftmaxPlan plan(loops);
  const Workspace scratch(plan.workspace(loops));
  const double n = static_cast<double>(x.numel());
  launch(op, {2 * n * static_cast<double>(item_size(x.dtype())), 16 * n},
         [&] { kernels().softmax({log, x.dtype(), x.raw_data(), y.raw_data(), loops, plan, scratch.data()}); });
  return y;
}

// softmax: dx = y (dy - sum y dy); log_softmax: dx = dy - exp(y) sum dy
Tensor softmax_backward(const char* op, bool log, const Tensor& dy, const Tensor& y, int64_t dim) {
  if (is_grad_enabled()) {
    const int64_t dims[] = {dim};
    const auto total = [&](const Tensor& t) { return sum(t, IntSpan(dims, 1), true); };
    return log ? dy - exp(y) * total(dy) : y * (dy - total(y * dy));
  }
  Tensor dx = new_tensor(y.sizes(), y.strides(), y.dtype());
  if (dx.numel() == 0) return dx;
  const Tensor same = IntSpan(dy.strides()) == y.strides() ? dy : clone_like(dy, y.strides());
  const kernel::ReduceLoops loops(y.sizes(), y.strides(), y.strides(), uint64_t{1} << dim);
  const kernel::SoftmaxPlan plan(loops);
  const Workspace scratch(plan.workspace(loops));
  const double n = static_cast<double>(y.numel());
  launch(op, {3 * n * static_cast<double>(item_size(y.dtype())), 4 * n}, [&] {
    kernels().softmax_backward(
        {log, y.dtype(), y.raw_data(), same.raw_data(), dx.raw_data(), loops, plan, scratch.data()});
  });
  return dx;
}

Tensor softmax_of(const char* op, const char* backward_op, bool log, const Tensor& input, int64_t dim,
                  OptionalDType dtype) {
  const Tensor x = dtype ? to_dtype(input, *dtype) : input;
  DLCORE_CHECK(is_floating(x.dtype()), NotImplementedError, op, ": input must be floating point, or dtype say so; got ",
               name(x.dtype()));
  dim = wrap_dim(op, dim, x.dim());
  Tensor y = run_softmax(op, log, x, dim);
  record(op, y, {x}, [y = Saved::output(y), backward_op, log, dim](Gradients& g) {
    g.set(0, [&] { return softmax_backward(backward_op, log, g.dy(), y.get(g), dim); });
  });
  return y;
}

}  // namespace

Tensor softmax(const Tensor& x, int64_t dim, OptionalDType dtype) {
  return softmax_of("softmax", "softmax_backward", false, x, dim, dtype);
}
Tensor log_softmax(const Tensor& x, int64_t dim, OptionalDType dtype) {
  return softmax_of("log_softmax", "log_softmax_backward", true, x, dim, dtype);
}
Tensor softmin(const Tensor& x, int64_t dim, OptionalDType dtype) {
  return softmax(neg(dtype ? to_dtype(x, *dtype) : x), dim);
}

}  // namespace dlcore
