#include "kernels/scan.h"
#include "kernels/registry.h"
#include "ops/reduction.h"

// Running results. The gradient of a running sum is a running sum from the other end, so the kernel is given negative
// strides where `reverse` asks for y_i = fold of x_i, x_i+1, ...
namespace dlcore {

using kernel::ScanOp;

namespace {

// Values, and for extremes where they come from.
std::tuple<Tensor, Tensor> scan(const char* op, ScanOp kind, const Tensor& x, int64_t dim, DType dtype,
                                bool reverse = false) {
  const bool extreme = kind == ScanOp::Max || kind == ScanOp::Min;
  Tensor y = new_tensor(x.sizes(), dtype);
  Tensor indices = extreme ? new_tensor(x.sizes(), DType::Int64) : Tensor();
  if (y.numel() == 0) return {y, indices};
  if (x.dim() == 0) {
    copy_data(y, x);
    if (extreme) *indices.data<int64_t>() = 0;
    return {y, indices};
  }
  Dims x_strides(x.strides()), y_strides(y.strides());
  int64_t x_start = 0, y_start = 0;
  if (reverse) {
    x_start = (x.size(dim) - 1) * x_strides[dim];
    y_start = (x.size(dim) - 1) * y_strides[dim];
    x_strides[dim] = -x_strides[dim];
    y_strides[dim] = -y_strides[dim];
  }
  const kernel::ReduceLoops loops(x.sizes(), x_strides, y_strides, uint64_t{1} << dim);
  const kernel::ReducePlan plan(loops, kernel::ReducePlan::kMaxWidth, kind == ScanOp::Sum || kind == ScanOp::Prod);
  const Workspace scratch(plan.workspace());
  const double n = static_cast<double>(x.numel());
  launch(op, {n * static_cast<double>(item_size(x.dtype()) + item_size(dtype)), n}, [&] {
    kernels().scan({kind, x.dtype(), dtype, static_cast<char*>(x.raw_data()) + x_start * item_size(x.dtype()),
                    static_cast<char*>(y.raw_data()) + y_start * item_size(dtype),
                    extreme ? indices.data<int64_t>() : nullptr, loops, plan, scratch.data()});
  });
  return {y, indices};
}

DType sum_dtype(const Tensor& x) { return is_floating(x.dtype()) ? x.dtype() : DType::Int64; }

Tensor running_sum(const Tensor& x, int64_t dim, bool reverse) {
  Tensor y = std::get<0>(scan("cumsum", ScanOp::Sum, x, dim, sum_dtype(x), reverse));
  record("cumsum", y, {x},
         [dim, reverse](Gradients& g) { g.set(0, [&] { return running_sum(g.dy(), dim, !reverse); }); });
  return y;
}

// Without zeros dx_i = sum_j>=i dy_j y_j / x_i. From the first zero on all y are 0, and so are the derivatives by later
// x; the derivative by that zero itself is the same sum for x with a 1 in its place.
Tensor cumprod_backward(const Tensor& dy, const Tensor& x, const Tensor& y, int64_t dim) {
  const Tensor usual = running_sum(dy * y, dim, true);
  if (all(x).item().to_bool()) return usual / x;
  DLCORE_CHECK(!is_grad_enabled(), NotImplementedError, "cumprod: no second derivative where an element is 0");
  const Tensor is_zero = eq(x, number(0)), zeros_so_far = running_sum(is_zero, dim, false);
  const Tensor first = logical_and(is_zero, eq(zeros_so_far, number(1)));
  const Tensor without = cumprod(where(first, number(1), x), dim);
  const Tensor at_first = where(first, running_sum(dy * without, dim, true), number(0));
  return where(eq(zeros_so_far, number(0)), usual / x, at_first);
}

Tensor logcumsumexp_from(const Tensor& x, int64_t dim, bool reverse) {
  Tensor y = std::get<0>(scan("logcumsumexp", ScanOp::LogSumExp, x, dim, x.dtype(), reverse));
  // dx_i = sum_j>=i dy_j exp(x_i - y_j), positive and negative dy apart, in logarithms
  record("logcumsumexp", y, {x}, [x = Saved(x), y = Saved::output(y), dim, reverse](Gradients& g) {
    g.set(0, [&] {
      const Tensor& dy = g.dy();
      const auto part = [&](const Tensor& positive) {
        const Tensor weights = log(clamp_min(positive, number(0))) - y.get(g);
        return exp(logcumsumexp_from(weights, dim, !reverse) + x());
      };
      return part(dy) - part(-dy);
    });
  });
  return y;
}

std::tuple<Tensor, Tensor> running_extreme(const char* op, ScanOp kind, const Tensor& x, int64_t dim) {
  dim = wrap_dim(op, dim, x.dim());
  auto [values, indices] = scan(op, kind, x, dim, x.dtype());
  record(op, values, {x}, [indices, dim, sizes = sizes_of(x)](Gradients& g) {
    g.set(0, [&] { return sizes.empty() ? g.dy() : scatter_add(zeros(sizes, g.dy().dtype()), dim, indices, g.dy()); });
  });
  return {values, indices};
}

}  // namespace

Tensor cumsum(const Tensor& x, int64_t dim, OptionalDType dtype) {
  dim = wrap_dim("cumsum", dim, x.dim());
  const Tensor y = running_sum(dtype ? to_dtype(x, *dtype) : x, dim, false);
  return dtype ? to_dtype(y, *dtype) : y;
}

Tensor cumprod(const Tensor& input, int64_t dim, OptionalDType dtype) {
  dim = wrap_dim("cumprod", dim, input.dim());
  const Tensor x = dtype ? to_dtype(input, *dtype) : input;
  Tensor y = std::get<0>(scan("cumprod", ScanOp::Prod, x, dim, dtype.value_or(sum_dtype(x))));
  record("cumprod", y, {x}, [x = Saved(x), y = Saved::output(y), dim](Gradients& g) {
    g.set(0, [&] { return cumprod_backward(g.dy(), x(), y.get(g), dim); });
  });
  return y;
}

Tensor logcumsumexp(const Tensor& x, int64_t dim) {
  DLCORE_CHECK(is_floating(x.dtype()), NotImplementedError, "logcumsumexp: input must be floating point; got ",
               name(x.dtype()));
  return logcumsumexp_from(x, wrap_dim("logcumsumexp", dim, x.dim()), false);
}

std::tuple<Tensor, Tensor> cummax(const Tensor& x, int64_t dim) {
  return running_extreme("cummax", ScanOp::Max, x, dim);
}
std::tuple<Tensor, Tensor> cummin(const Tensor& x, int64_t dim) {
  return running_extreme("cummin", ScanOp::Min, x, dim);
}

}  // namespace dlcore
