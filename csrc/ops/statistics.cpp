#include <cmath>

#include "kernels/registry.h"
#include "ops/reduction.h"

namespace dlcore {

using kernel::ReduceFinish;
using kernel::ReduceOp;

// ---- variance

namespace {

struct Moments {
  Tensor var, mean;  // var is the standard deviation where the root was asked for
};

Moments moments(const char* op, const Tensor& x, const Reduced& r, const Dims& sizes, double correction, bool root) {
  DLCORE_CHECK(is_floating(x.dtype()), RuntimeError, op, ": input must be floating point; got ", name(x.dtype()));
  Moments m{new_tensor(sizes, x.dtype()), new_tensor(sizes, x.dtype())};
  if (m.var.numel() == 0) return m;
  const FoldArguments a(x, r, kernel::kMomentsWidth);
  launch(op, a.cost, [&] {
    kernels().reduce_moments({x.dtype(), x.raw_data(), m.mean.raw_data(), m.var.raw_data(), correction, root, a.loops,
                              a.plan, a.scratch.data()});
  });
  return m;
}

// d var / dx = 2 (x - mean) / (n - correction)
Tensor var_backward(const Tensor& dy, const Tensor& x, const Tensor& mean, const Reduced& r, double correction) {
  const double scale = 2 / std::max(static_cast<double>(r.count) - correction, 0.0);
  return spread(dy * scale, sizes_of(x), r) * (x - spread(mean, sizes_of(x), r));
}

// Both outputs, each with its gradient, of which the first goes through the second.
Moments moments_with_history(const char* op, const Tensor& x, DimList dim, double correction, bool keepdim, bool root,
                             bool two) {
  const Reduced r(x, dim_mask(op, x, dim));
  const Dims& sizes = r.sizes(keepdim);
  Moments m = moments(op, x, r, sizes, correction, root);
  const auto backward = [x = Saved(x), y = Saved::output(m.var), mean = m.mean.detach(), r, sizes, correction, root,
                         two](Gradients& g) {
    g.set(0, [&] {
      Tensor dx;
      if (g.has_dy(0)) {
        const Tensor center = is_grad_enabled() ? mean_over(x(), r, sizes) : mean;
        Tensor dy = g.dy(0);
        if (root) dy = where(eq(y(), number(0)), number(0), dy / (y.get(g) * 2));
        dx = var_backward(dy, x(), center, r, correction);
      }
      if (two && g.has_dy(1)) {
        const Tensor of_mean = spread(g.dy(1) / static_cast<double>(r.count), sizes_of(x()), r);
        dx = dx.defined() ? dx + of_mean : of_mean;
      }
      return dx;
    });
  };
  if (two)
    record(op, {&m.var, &m.mean}, {x}, backward);
  else
    record(op, m.var, {x}, backward);
  return m;
}

}  // namespace

Tensor var(const Tensor& x, DimList dim, double correction, bool keepdim) {
  return moments_with_history("var", x, dim, correction, keepdim, false, false).var;
}
Tensor stddev(const Tensor& x, DimList dim, double correction, bool keepdim) {
  return moments_with_history("std", x, dim, correction, keepdim, true, false).var;
}
std::tuple<Tensor, Tensor> var_mean(const Tensor& x, DimList dim, double correction, bool keepdim) {
  Moments m = moments_with_history("var_mean", x, dim, correction, keepdim, false, true);
  return {m.var, m.mean};
}
std::tuple<Tensor, Tensor> std_mean(const Tensor& x, DimList dim, double correction, bool keepdim) {
  Moments m = moments_with_history("std_mean", x, dim, correction, keepdim, true, true);
  return {m.var, m.mean};
}

// ---- norms

namespace {

Fold norm_fold(double p) {
  if (p == 2) return {"norm", ReduceOp::SquareSum, 1, p, ReduceFinish::Sqrt};
  if (p == 1) return {"norm", ReduceOp::AbsSum};
  if (p == 0) return {"norm", ReduceOp::Count};
  if (std::isinf(p)) return {"norm", p > 0 ? ReduceOp::AbsMax : ReduceOp::AbsMin};
  return {"norm", ReduceOp::PowerSum, 1, p, ReduceFinish::Root};
}

// p = 2: x / y; 1: sign(x); inf: sign(x) shared by the extremes; else sign(x) |x|^(p-1) / y^(p-1). 0 where y is 0.
Tensor norm_backward(const Tensor& dy, const Tensor& x, const Tensor& y, double p, const Reduced& r) {
  if (p == 0) return zeros(x.sizes(), x.dtype());
  if (p == 1) return spread(dy, sizes_of(x), r) * sign(x);
  if (std::isinf(p)) {
    const Tensor size = abs(x), extremes = spread(y, sizes_of(x), r);
    const Tensor mask = logical_or(eq(size, extremes), logical_and(ne(size, size), ne(extremes, extremes)));
    return share_evenly(dy, mask, r) * sign(x);
  }
  const auto or_zero = [](const Tensor& where_zero, const Tensor& value) {
    return where(eq(where_zero, number(0)), number(0), value);
  };
  if (p == 2) return spread(or_zero(y, dy / y), sizes_of(x), r) * x;
  const Tensor scale = or_zero(y, dy / pow(y, number(p - 1)));
  const Tensor slope = sign(x) * pow(abs(x), number(p - 1));
  return spread(scale, sizes_of(x), r) * (p < 1 ? or_zero(x, slope) : slope);
}

}  // namespace

Tensor norm(const Tensor& input, double p, DimList dim, bool keepdim, OptionalDType dtype) {
  DLCORE_CHECK(is_floating(input.dtype()), RuntimeError, "norm: input must be floating point; got ",
               name(input.dtype()));
  DLCORE_CHECK(!dtype || is_floating(*dtype), RuntimeError, "norm: dtype must be floating point; got ", name(*dtype));
  const Tensor x = dtype ? to_dtype(input, *dtype) : input;
  const Reduced r(x, dim_mask("norm", x, dim));
  DLCORE_CHECK(r.count > 0 || p >= 0, RuntimeError, "norm: no elements have no norm of order ", p, "; got shape ",
               x.sizes());
  DLCORE_CHECK(r.count > 0 || !std::isinf(p), RuntimeError, "norm: no elements have no norm of order ", p,
               "; got shape ", x.sizes());
  Tensor y = fold(norm_fold(p), x, r, r.sizes(keepdim), x.dtype());
  record("norm", y, {x}, [x = Saved(x), y = Saved::output(y), p, r](Gradients& g) {
    g.set(0, [&] { return norm_backward(g.dy(), x(), y.get(g), p, r); });
  });
  return y;
}

// ---- histogram of small integers

Tensor bincount(const Tensor& input, const Tensor& weights, int64_t minlength) {
  DLCORE_CHECK(is_integral(input.dtype(), false), NotImplementedError, "bincount: input must hold integers; got ",
               name(input.dtype()));
  DLCORE_CHECK(input.dim() == 1, RuntimeError, "bincount: input must be one-dimensional; got shape ", input.sizes());
  DLCORE_CHECK(minlength >= 0, RuntimeError, "bincount: minlength must not be negative; got ", minlength);
  DLCORE_CHECK(!weights.defined() || weights.sizes() == input.sizes(), RuntimeError,
               "bincount: weights must have input's shape ", input.sizes(), "; got ", weights.sizes());
  int64_t length = minlength;
  if (input.numel() > 0) {
    const auto [least, most] = aminmax(input);
    DLCORE_CHECK(least.item().to_int() >= 0, RuntimeError, "bincount: input must not be negative; got ",
                 least.item().to_int());
    length = std::max(length, most.item().to_int() + 1);
  }
  NoGrad no_grad;
  const Tensor x = to_dtype(input, DType::Int64);
  if (!weights.defined()) return index_add(zeros({length}, DType::Int64), 0, x, ones(x.sizes(), DType::Int64));
  const Tensor w = weights.dtype() == DType::Float32 ? weights : to_dtype(weights, DType::Float64);
  return index_add(zeros({length}, w.dtype()), 0, x, w);
}

}  // namespace dlcore
