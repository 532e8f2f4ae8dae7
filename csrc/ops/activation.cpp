#include "ops/elementwise.h"

namespace dlcore {
namespace {

void check_floating(const char* op, const Tensor& x) {
  DLCORE_CHECK(differentiable(x), NotImplementedError, op, ": not defined for ", name(x.dtype()));
}

struct Params {
  double p = 0, q = 0, r = 0;
};

Elementwise row(const char* name, ElementwiseOp op, const Tensor& x, const Params& a) {
  return {name, op, row_dtype(x.dtype()), x.dtype(), {a.p, a.q, a.r}};
}

// An activation whose derivative is a row too. The fused row gives dx in one pass; where the backward is itself
// recorded, dx = dy * slope(x) in plain ops.
template <class Slope>
Tensor activation(const char* name, ElementwiseOp forward, ElementwiseOp backward, const Tensor& x,
                  const Params& params, Slope slope) {
  check_floating(name, x);
  Tensor y = compute(row(name, forward, x, params), {x});
  if (needs_graph(x))
    record(name, y, {x}, [name, backward, params, slope, x = Saved(x)](Gradients& g) {
      g.set(0, [&] {
        if (is_grad_enabled()) return mul(g.dy(), slope(x()));
        return compute(row(name, backward, x(), params), {g.dy(), x()});
      });
    });
  return y;
}

Tensor as(const Tensor& mask, const Tensor& like) { return to_dtype(mask, like.dtype()); }
Tensor positive(const Tensor& x) { return as(gt(x, number(0)), x); }
Tensor between(const Tensor& x, double low, double high) {  // strictly
  return as(logical_and(gt(x, number(low)), lt(x, number(high))), x);
}

}  // namespace

Tensor relu_gradient(const Tensor& dy, const Tensor& y) {
  if (is_grad_enabled()) return mul(dy, positive(y));
  return compute(row("relu_backward", ElementwiseOp::ReluBackward, y, {}), {dy, y});
}

Tensor relu(const Tensor& x) {
  DLCORE_CHECK(x.dtype() != DType::Bool, RuntimeError, "relu: not defined for bool tensors");
  Tensor y = compute(row("relu", ElementwiseOp::Relu, x, {}), {x});
  if (needs_graph(x))
    record("relu", y, {x}, [y = Saved::output(y)](Gradients& g) {  // y > 0 where x > 0
      g.set(0, [&] { return relu_gradient(g.dy(), y()); });
    });
  return y;
}

namespace {

// dy where low < x < high
Tensor inside_gradient(const char* op, const Tensor& dy, const Tensor& x, double low, double high) {
  if (is_grad_enabled()) return mul(dy, between(x, low, high));
  return compute(row(op, ElementwiseOp::InsideBackward, x, {low, high}), {dy, x});
}

}  // namespace

Tensor hardtanh(const Tensor& x, double low, double high) {
  DLCORE_CHECK(low <= high, ValueError, "hardtanh: min_val must not be greater than max_val, got ", low, " and ", high);
  DLCORE_CHECK(x.dtype() != DType::Bool, RuntimeError, "hardtanh: not defined for bool tensors");
  DLCORE_CHECK(x.dtype() != DType::UInt8 || (low >= 0 && high >= 0), RuntimeError,
               "hardtanh: the limits of an unsigned tensor must not be negative, got ", low, " and ", high);
  Tensor y = compute({"hardtanh", ElementwiseOp::Clamp, row_dtype(x.dtype()), x.dtype()},
                     {x, is_floating(x.dtype()) ? number(low) : number(static_cast<int64_t>(low)),
                      is_floating(x.dtype()) ? number(high) : number(static_cast<int64_t>(high))});
  if (needs_graph(x))
    record("hardtanh", y, {x}, [low, high, x = Saved(x)](Gradients& g) {
      g.set(0, [&] { return inside_gradient("hardtanh_backward", g.dy(), x(), low, high); });
    });
  return y;
}

Tensor relu_(const Tensor& x) {
  DLCORE_CHECK(x.dtype() != DType::Bool, RuntimeError, "relu_: not defined for bool tensors");
  return inplace_op("relu_", x, row("relu_", ElementwiseOp::Relu, x, {}), {x}, needs_graph(x), relu);
}

Tensor relu6(const Tensor& x) { return hardtanh(x, 0, 6); }

kernel::Activation activation_of(const char* op, const std::string& name) {
  if (name == "none") return kernel::Activation::None;
  if (name == "relu") return kernel::Activation::Relu;
  DLCORE_CHECK(name == "relu6", ValueError, op, ": activation must be 'none', 'relu' or 'relu6', but got '", name, "'");
  return kernel::Activation::Relu6;
}

Tensor relu6_gradient(const Tensor& dy, const Tensor& y) { return inside_gradient("relu6_backward", dy, y, 0, 6); }

Tensor leaky_relu(const Tensor& x, double slope) {
  return activation("leaky_relu", ElementwiseOp::LeakyRelu, ElementwiseOp::LeakyReluBackward, x, {slope},
                    [slope](const Tensor& x) { return where(gt(x, number(0)), number(1.0), number(slope)); });
}

Tensor rrelu(const Tensor& x, double lower, double upper, bool training, Generator* generator) {
  check_floating("rrelu", x);
  if (!training) return leaky_relu(x, (lower + upper) / 2);
  Tensor slope = new_tensor(x.sizes(), x.dtype());
  uniform_(slope, lower, upper, generator);
  return mul(x, where(gt(x, number(0)), number(1.0), slope));
}

Tensor prelu(const Tensor& x, const Tensor& slope) {
  check_floating("prelu", x);
  DLCORE_CHECK(slope.dim() <= 1, RuntimeError, "prelu: weight must have at most one dimension, got shape ",
               slope.sizes());
  Tensor a = slope;
  if (slope.numel() != 1) {
    const int64_t channels = x.dim() >= 2 ? x.size(1) : 1;
    DLCORE_CHECK(slope.numel() == channels, RuntimeError, "prelu: weight must have 1 or ", channels,
                 " values (the channels of an input of shape ", x.sizes(), "), got ", slope.numel());
    Dims sizes(x.dim(), 1);
    sizes[1] = channels;
    a = view(slope, sizes);
  }
  Tensor y = compute({"prelu", ElementwiseOp::Prelu, row_dtype(x.dtype()), x.dtype()}, {x, a});
  if (needs_graph(x, a))
    record("prelu", y, {x, a}, [x = Saved(x), a = Saved(a)](Gradients& g) {
      const Tensor above = gt(x(), number(0));
      g.set(0, [&] { return where(above, g.dy(), mul(g.dy(), a())); });
      g.set(1, [&] { return where(above, number(0.0), mul(g.dy(), x())); });
    });
  return y;
}

namespace {

// positive x for x > 0, else negative (exp(input x) - 1)
Tensor elu_like(const char* name, const Tensor& x, double negative, double scale, double input) {
  return activation(name, ElementwiseOp::Elu, ElementwiseOp::EluBackward, x, {negative, scale, input},
                    [negative, scale, input](const Tensor& x) {
                      // the exponential of what is not positive alone: no infinity times zero
                      const Tensor below = minimum(x, zeros({}, x.dtype()));
                      return where(gt(x, number(0)), number(scale), exp(below * input) * (negative * input));
                    });
}

}  // namespace

Tensor elu(const Tensor& x, double alpha) { return elu_like("elu", x, alpha, 1, 1); }
Tensor celu(const Tensor& x, double alpha) {
  DLCORE_CHECK(alpha != 0, RuntimeError, "celu: alpha must not be zero");
  return elu_like("celu", x, alpha, 1, 1 / alpha);
}
Tensor selu(const Tensor& x) {
  constexpr double alpha = 1.6732632423543772848170429916717, scale = 1.0507009873554804934193349852946;
  return elu_like("selu", x, scale * alpha, scale, 1);
}

Tensor gelu(const Tensor& x, const std::string& approximate) {
  DLCORE_CHECK(approximate == "none" || approximate == "tanh", RuntimeError,
               "gelu: approximate must be 'none' or 'tanh', got '", approximate, "'");
  if (approximate == "none")
    return activation("gelu", ElementwiseOp::Gelu, ElementwiseOp::GeluBackward, x, {}, [](const Tensor& x) {
      // cdf(x) + x pdf(x)
      return (erf(x * 0.70710678118654752440) + 1) * 0.5 + x * exp(x * x * -0.5) * 0.39894228040143267794;
    });
  return activation("gelu", ElementwiseOp::GeluTanh, ElementwiseOp::GeluTanhBackward, x, {}, [](const Tensor& x) {
    const Tensor t = tanh((x + x * x * x * 0.044715) * 0.79788456080286535588);
    return (t + 1) * 0.5 + x * (1 - t * t) * (x * x * (3 * 0.044715) + 1) * (0.5 * 0.79788456080286535588);
  });
}

Tensor silu(const Tensor& x) {
  return activation("silu", ElementwiseOp::Silu, ElementwiseOp::SiluBackward, x, {}, [](const Tensor& x) {
    const Tensor s = sigmoid(x);
    return s * (x * (1 - s) + 1);
  });
}

Tensor mish(const Tensor& x) {
  return activation("mish", ElementwiseOp::Mish, ElementwiseOp::MishBackward, x, {}, [](const Tensor& x) {
    const Tensor t = tanh(softplus(x));
    return t + x * (1 - t * t) * sigmoid(x);
  });
}

Tensor softplus(const Tensor& x, double beta, double threshold) {
  return activation("softplus", ElementwiseOp::Softplus, ElementwiseOp::SoftplusBackward, x, {beta, threshold},
                    [beta, threshold](const Tensor& x) {
                      return where(gt(x * beta, number(threshold)), number(1.0), sigmoid(x * beta));
                    });
}

Tensor softsign(const Tensor& x) {
  if (needs_graph(x) || !is_floating(x.dtype())) return div(x, abs(x) + 1);
  return compute(row("softsign", ElementwiseOp::Softsign, x, {}), {x});
}

Tensor logsigmoid(const Tensor& x) {
  return activation("logsigmoid", ElementwiseOp::LogSigmoid, ElementwiseOp::LogSigmoidBackward, x, {},
                    [](const Tensor& x) { return sigmoid(neg(x)); });
}

Tensor hardswish(const Tensor& x) {
  return activation("hardswish", ElementwiseOp::Hardswish, ElementwiseOp::HardswishBackward, x, {},
                    [](const Tensor& x) {
                      const Tensor inner = x / 3.0 + 0.5;
                      return where(le(x, number(-3)), number(0.0), where(lt(x, number(3)), inner, number(1.0)));
                    });
}

Tensor hardsigmoid(const Tensor& x) {
  check_floating("hardsigmoid", x);
  Tensor y = compute(row("hardsigmoid", ElementwiseOp::Hardsigmoid, x, {}), {x});
  if (needs_graph(x))
    record("hardsigmoid", y, {x}, [x = Saved(x)](Gradients& g) {
      g.set(0, [&] { return inside_gradient("hardsigmoid_backward", g.dy(), x(), -3, 3) / 6.0; });
    });
  return y;
}

namespace {

// hardshrink and softshrink: dx = dy outside of [-lambda, lambda]
Tensor shrink(const char* name, ElementwiseOp forward, const Tensor& x, double lambda) {
  check_floating(name, x);
  Tensor y = compute(row(name, forward, x, {lambda}), {x});
  if (needs_graph(x))
    record(name, y, {x}, [name, lambda, x = Saved(x)](Gradients& g) {
      g.set(0, [&] {
        if (is_grad_enabled()) return mul(g.dy(), as(gt(abs(x()), number(lambda)), x()));
        return compute(row(name, ElementwiseOp::OutsideBackward, x(), {-lambda, lambda}), {g.dy(), x()});
      });
    });
  return y;
}

}  // namespace

Tensor hardshrink(const Tensor& x, double lambda) { return shrink("hardshrink", ElementwiseOp::Hardshrink, x, lambda); }

Tensor softshrink(const Tensor& x, double lambda) {
  DLCORE_CHECK(lambda >= 0, RuntimeError, "softshrink: lambda must be at least 0, got ", lambda);
  return shrink("softshrink", ElementwiseOp::Softshrink, x, lambda);
}

Tensor tanhshrink(const Tensor& x) {
  if (needs_graph(x) || !is_floating(x.dtype())) return sub(x, tanh(x));
  return compute(row("tanhshrink", ElementwiseOp::Tanhshrink, x, {}), {x});
}

Tensor threshold(const Tensor& x, double threshold, double value) {
  DLCORE_CHECK(x.dtype() != DType::Bool, NotImplementedError, "threshold: not defined for bool tensors");
  Tensor y = compute(row("threshold", ElementwiseOp::Threshold, x, {threshold, value}), {x});
  if (needs_graph(x))
    record("threshold", y, {x}, [threshold, x = Saved(x)](Gradients& g) {
      g.set(0, [&] {
        if (is_grad_enabled()) return mul(g.dy(), as(gt(x(), number(threshold)), x()));
        return compute(row("threshold_backward", ElementwiseOp::ReluBackward, x(), {threshold}), {g.dy(), x()});
      });
    });
  return y;
}

Tensor glu(const Tensor& x, int64_t dim) {
  check_floating("glu", x);
  DLCORE_CHECK(x.dim() > 0, RuntimeError, "glu: a tensor without dimensions cannot be halved");
  dim = wrap_dim("glu", dim, x.dim());
  const int64_t n = x.size(dim);
  DLCORE_CHECK(n % 2 == 0, RuntimeError, "glu: the size along dim ", dim, " must be even, got shape ", x.sizes());
  return mul(narrow(x, dim, 0, n / 2), sigmoid(narrow(x, dim, n / 2, n / 2)));
}

namespace {

// scale x where `kept` holds, else 0: its own gradient.
Tensor masked_scale(const Tensor& x, const Tensor& kept, double scale) {
  Tensor y =
      compute({"dropout", ElementwiseOp::MaskedScale, row_dtype(x.dtype()), x.dtype()}, {kept, x, number(scale)});
  if (needs_graph(x))
    record("dropout", y, {x}, [kept = Saved(kept), scale](Gradients& g) {
      g.set(0, [&] { return masked_scale(g.dy(), kept(), scale); });
    });
  return y;
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, Generator* generator) {
  DLCORE_CHECK(p >= 0 && p <= 1, ValueError, "dropout: p must be in [0, 1], got ", p);
  if (!training || p == 0) return x;
  check_floating("dropout", x);
  const Tensor kept = new_tensor(x.sizes(), DType::Bool);
  bernoulli_(kept, 1 - p, generator);
  return masked_scale(x, kept, p == 1 ? 0 : 1 / (1 - p));
}

}  // namespace dlcore
