#include <algorithm>
#include <cmath>
#include <vector>

#include "core/allocator.h"
#include "core/launch.h"
#include "kernels/registry.h"
#include "ops/loss.h"

namespace dlcore {
namespace {

// What forward and backward share besides log_probs. Of each sample: where its labels start, and the two lengths.
struct CtcTargets {
  Tensor labels;
  std::vector<int64_t> starts, input_lengths, target_lengths;
  int64_t blank, longest;
};

kernel::Ctc arguments(const CtcTargets& t, const Tensor& x, const Workspace& scratch) {
  return {x.dtype(),
          x.size(1),
          x.size(0),
          x.size(2),
          x.raw_data(),
          x.strides()[0],
          x.strides()[1],
          t.labels.numel() > 0 ? t.labels.data<int64_t>() : nullptr,
          t.starts.data(),
          t.input_lengths.data(),
          t.target_lengths.data(),
          t.blank,
          2 * t.longest + 1,
          scratch.data()};
}

int64_t scratch_bytes(const CtcTargets& t, const Tensor& x) {
  return 3 * x.size(1) * kernel::ctc_pitch(2 * t.longest + 1) * item_size(x.dtype());
}
double work(const CtcTargets& t, const Tensor& x) {
  return static_cast<double>(x.size(0) * x.size(1)) * static_cast<double>(2 * t.longest + 1);
}

void check_lengths(const char* what, IntSpan lengths, int64_t samples, int64_t most) {
  DLCORE_CHECK(static_cast<int64_t>(lengths.size()) == samples, RuntimeError, "ctc_loss: ", what,
               " must have one element for each of the ", samples, " samples; got ", lengths.size());
  for (const int64_t n : lengths)
    DLCORE_CHECK(n >= 0 && n <= most, RuntimeError, "ctc_loss: ", what, " must be between 0 and ", most, "; got ", n);
}

CtcTargets check_targets(const Tensor& x, const Tensor& targets, IntSpan input_lengths, IntSpan target_lengths,
                         int64_t blank) {
  const int64_t samples = x.size(1), classes = x.size(2);
  DLCORE_CHECK(blank >= 0 && blank < classes, RuntimeError, "ctc_loss: blank must be one of the ", classes,
               " classes; got ", blank);
  DLCORE_CHECK(targets.dtype() != DType::Bool, RuntimeError, "ctc_loss: targets must hold class numbers; got bool");
  check_lengths("input_lengths", input_lengths, samples, x.size(0));
  CtcTargets t{contiguous(to_dtype(targets, DType::Int64)).detach(), {}, {}, {}, blank, 0};
  if (targets.dim() == 2) {
    DLCORE_CHECK(targets.size(0) == samples, RuntimeError, "ctc_loss: targets must have a row for each of the ",
                 samples, " samples; got shape ", targets.sizes());
    check_lengths("target_lengths", target_lengths, samples, targets.size(1));
    for (int64_t n = 0; n < samples; ++n) t.starts.push_back(n * targets.size(1));
  } else {
    DLCORE_CHECK(targets.dim() == 1, RuntimeError, "ctc_loss: targets must have one or two dimensions; got shape ",
                 targets.sizes());
    check_lengths("target_lengths", target_lengths, samples, targets.numel());
    int64_t end = 0;
    for (const int64_t n : target_lengths) {
      t.starts.push_back(end);
      end += n;
    }
    DLCORE_CHECK(end == targets.numel(), RuntimeError, "ctc_loss: targets must have sum(target_lengths) = ", end,
                 " elements; got ", targets.numel());
  }
  t.input_lengths.assign(input_lengths.begin(), input_lengths.end());
  t.target_lengths.assign(target_lengths.begin(), target_lengths.end());
  t.longest = *std::max_element(target_lengths.begin(), target_lengths.end());
  for (int64_t n = 0; n < samples; ++n)
    for (int64_t i = 0; i < target_lengths[n]; ++i)
      if (const int64_t c = t.labels.data<int64_t>()[t.starts[n] + i]; c < 0 || c >= classes)
        fail<RuntimeError>("ctc_loss: targets must hold classes from 0 to ", classes - 1, "; got ", c, " in sample ",
                           n);
  return t;
}

// The losses of samples. x: (T, N, C), float32 or float64, classes side by side.
Tensor losses_of(const Tensor& x, const CtcTargets& t, bool zero_infinity) {
  const int64_t samples = x.size(1), pitch = kernel::ctc_pitch(2 * t.longest + 1);
  const bool keep = needs_graph(x);
  Tensor loss = new_tensor({samples}, x.dtype());
  const Tensor alpha = new_tensor({samples, keep ? x.size(0) : 1, pitch}, x.dtype());
  {
    const Workspace scratch(scratch_bytes(t, x));
    launch("ctc_loss", {work(t, x) * static_cast<double>(item_size(x.dtype())), 60 * work(t, x)},
           [&] { kernels().ctc_loss(arguments(t, x, scratch), {loss.raw_data(), alpha.raw_data(), alpha.size(1)}); });
  }
  if (!keep) return loss;
  record("ctc_loss", loss, {x}, [t, zero_infinity, x = Saved(x), loss = Saved::output(loss), alpha](Gradients& g) {
    DLCORE_CHECK(!is_grad_enabled(), NotImplementedError, "ctc_loss: second derivatives are not supported");
    g.set(0, [&] {
      const Tensor dx = new_tensor(x().sizes(), dense_strides_like(x()), x().dtype()), dy = contiguous(g.dy());
      const Workspace scratch(scratch_bytes(t, x()));
      launch("ctc_loss_backward", {2 * static_cast<double>(x().numel() * item_size(x().dtype())), 60 * work(t, x())},
             [&] {
               kernels().ctc_loss_backward(arguments(t, x(), scratch),
                                           {loss().raw_data(), alpha.raw_data(), dy.raw_data(), dx.raw_data(),
                                            dx.strides()[0], dx.strides()[1], zero_infinity});
             });
      return dx;
    });
  });
  return loss;
}

}  // namespace

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, IntSpan input_lengths, IntSpan target_lengths,
                int64_t blank, const std::string& reduction, bool zero_infinity) {
  const auto how = loss_reduction("ctc_loss", reduction);
  DLCORE_CHECK(is_floating(log_probs.dtype()), NotImplementedError, "ctc_loss: log_probs must be floating point; got ",
               name(log_probs.dtype()));
  DLCORE_CHECK(log_probs.dim() == 2 || log_probs.dim() == 3, RuntimeError,
               "ctc_loss: log_probs must have shape (T, N, C) or (T, C); got ", log_probs.sizes());
  DLCORE_CHECK(log_probs.numel() > 0, RuntimeError, "ctc_loss: log_probs must not be empty; got shape ",
               log_probs.sizes());
  if (is_half(log_probs.dtype()))
    return to_dtype(ctc_loss(to_dtype(log_probs, DType::Float32), targets, input_lengths, target_lengths, blank,
                             reduction, zero_infinity),
                    log_probs.dtype());
  const bool batched = log_probs.dim() == 3;
  Tensor x = batched ? log_probs : unsqueeze(log_probs, 1);
  if (!is_dense(*x.impl()) || x.strides()[2] != 1) x = contiguous(x);
  const CtcTargets t = check_targets(x, targets, input_lengths, target_lengths, blank);
  Tensor losses = losses_of(x, t, zero_infinity);
  if (zero_infinity) losses = masked_fill(losses, eq(losses, number(INFINITY)), number(0));
  if (!batched) losses = select(losses, 0, 0);
  if (how != kernel::LossReduction::Mean) return reduced(losses, how);
  Tensor lengths = new_tensor({x.size(1)}, DType::Float64);
  for (int64_t n = 0; n < x.size(1); ++n)
    lengths.data<double>()[n] = static_cast<double>(std::max<int64_t>(t.target_lengths[n], 1));
  lengths = to_dtype(batched ? lengths : select(lengths, 0, 0), x.dtype());
  return mean(losses / lengths);
}

}  // namespace dlcore
