#include "core/launch.h"
#include "kernels/registry.h"
#include "ops/loss.h"

// Losses of rows of scores: the right classes of a row against its wrong ones.
namespace dlcore {
namespace {

struct MarginLoss {
  const char *op, *backward_op;
  double margin;
  int p;
};

// x: (rows, classes) contiguous, float32 or float64; target: (rows, listed) classes; weight: (classes) or undefined.
struct MarginInputs {
  Tensor x, target, weight;
};

// The losses of rows, or with dy what their gradients come to in x.
Tensor run(const MarginLoss& l, const MarginInputs& in, const Tensor& dy = {}) {
  const bool backward = dy.defined();
  const int64_t rows = in.x.size(0), classes = in.x.size(1);
  Tensor out = backward ? new_tensor(in.x.sizes(), in.x.dtype()) : new_tensor({rows}, in.x.dtype());
  if (rows == 0) return out;
  const double moved = static_cast<double>(in.x.numel() * item_size(in.x.dtype()));
  launch(backward ? l.backward_op : l.op, {(backward ? 2 : 1) * moved, 4 * static_cast<double>(in.x.numel())}, [&] {
    const kernel::MarginLoss a{in.x.dtype(),
                               rows,
                               classes,
                               in.target.size(1),
                               in.x.raw_data(),
                               in.target.data<int64_t>(),
                               in.weight.defined() ? in.weight.raw_data() : nullptr,
                               l.margin,
                               l.p,
                               backward ? dy.raw_data() : nullptr,
                               out.raw_data()};
    backward ? kernels().margin_loss_backward(a) : kernels().margin_loss(a);
  });
  return out;
}

// For second derivatives. Hinges themselves have constant slopes; those of squared ones are written out, for the one
// right class that their rows have.
Tensor composed_backward(const MarginLoss& l, const MarginInputs& in, const Tensor& dy) {
  const Tensor each = unsqueeze(dy, 1);
  if (l.p == 1) return each * run(l, in, ones(dy.sizes(), dy.dtype()));
  const Tensor& x = in.x;
  Tensor scale = each * (2.0 / static_cast<double>(x.size(1)));
  if (in.weight.defined()) scale = scale * unsqueeze(index_select(in.weight, 0, select(in.target, 1, 0)), 1);
  const Tensor hinge = clamp_min(x - gather(x, 1, in.target) + l.margin, number(0));
  const Tensor dx = scatter(scale * hinge, 1, in.target, Scalar(0));
  return scatter(dx, 1, in.target, -sum(dx, IntSpan({1}), true));
}

// in: as the caller gave them, but of two dimensions; the losses of rows.
Tensor margin_loss(const MarginLoss& l, const Tensor& input, const Tensor& target, const Tensor& weight) {
  if (is_half(input.dtype()))
    return to_dtype(margin_loss(l, to_dtype(input, DType::Float32), target, weight), input.dtype());
  const MarginInputs in{contiguous(input), contiguous(to_dtype(target, DType::Int64)),
                        weight.defined() ? contiguous(to_dtype(weight, input.dtype())).detach() : Tensor()};
  Tensor losses = run(l, in);
  record(l.op, losses, {in.x}, [l, x = Saved(in.x), t = Saved(in.target), w = Saved(in.weight)](Gradients& g) {
    const MarginInputs in{x(), t(), w()};
    g.set(0, [&] { return is_grad_enabled() ? composed_backward(l, in, g.dy()) : run(l, in, contiguous(g.dy())); });
  });
  return losses;
}

// input as rows of classes
Tensor rows_of(const char* op, const Tensor& input) {
  DLCORE_CHECK(is_floating(input.dtype()), NotImplementedError, op, ": input must be floating point; got ",
               name(input.dtype()));
  DLCORE_CHECK(input.dim() <= 2 && (input.dim() == 0 || input.size(-1) > 0), RuntimeError, op,
               ": input must have shape (classes) or (samples, classes), with at least one class; got ", input.sizes());
  return input.dim() == 2 ? input : reshape(input, {1, input.numel()});
}

void check_classes(const char* op, const Tensor& target) {
  DLCORE_CHECK(is_integral(target.dtype(), false), RuntimeError, op, ": target must hold class numbers; got ",
               name(target.dtype()));
}

// Whether every element of target is in [least, classes).
void check_range(const char* op, const Tensor& target, int64_t least, int64_t classes) {
  if (target.numel() == 0) return;
  NoGrad no_grad;
  const auto [low, high] = aminmax(target);
  DLCORE_CHECK(low.item().to_int() >= least && high.item().to_int() < classes, RuntimeError, op,
               ": target must hold classes from ", least, " to ", classes - 1, "; got values from ",
               low.item().to_int(), " to ", high.item().to_int());
}

}  // namespace

Tensor multi_margin_loss(const Tensor& input, const Tensor& target, int64_t p, double margin, const Tensor& weight,
                         const std::string& reduction) {
  const char* op = "multi_margin_loss";
  const auto how = loss_reduction(op, reduction);
  DLCORE_CHECK(p == 1 || p == 2, ValueError, op, ": p must be 1 or 2; got ", p);
  DLCORE_CHECK(!weight.defined() || weight.dim() == 1, ValueError, op, ": weight must have one dimension; got shape ",
               weight.sizes());
  const Tensor x = rows_of(op, input);
  check_classes(op, target);
  DLCORE_CHECK(target.dim() <= 1 && target.numel() == x.size(0), RuntimeError, op,
               ": target must have a class for each of the ", x.size(0), " samples; got shape ", target.sizes());
  DLCORE_CHECK(!weight.defined() || weight.numel() == x.size(1), RuntimeError, op,
               ": weight must have one element for each of the ", x.size(1), " classes; got ", weight.numel());
  DLCORE_CHECK(!requires_grad(weight), NotImplementedError, op, ": a weight that requires gradients is not supported");
  check_range(op, target, 0, x.size(1));
  const Tensor losses = margin_loss({op, "multi_margin_loss_backward", margin, static_cast<int>(p)}, x,
                                    reshape(target, {x.size(0), 1}), weight);
  return reduced(how == kernel::LossReduction::None ? reshape(losses, target.sizes()) : losses, how);
}

Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, const std::string& reduction) {
  const char* op = "multilabel_margin_loss";
  const auto how = loss_reduction(op, reduction);
  const Tensor x = rows_of(op, input);
  check_classes(op, target);
  const bool fits =
      input.dim() == 2 ? target.sizes() == input.sizes() : target.dim() <= 1 && target.numel() == input.numel();
  DLCORE_CHECK(fits, RuntimeError, op, ": target must have input's shape ", input.sizes(), "; got ", target.sizes());
  check_range(op, target, -1, x.size(1));
  const Tensor losses =
      margin_loss({op, "multilabel_margin_loss_backward", 1, 1}, x, reshape(target, x.sizes()), Tensor());
  return reduced(input.dim() == 2 ? losses : reshape(losses, {}), how);
}

}  // namespace dlcore
