// Losses that are a few plain ops: of three inputs, or of distances between rows.
#include <cmath>

#include "ops/loss.h"

namespace dlcore {
namespace {

// var in a shape that broadcasts to input's, or an error
Tensor variances(const Tensor& input, const Tensor& var) {
  if (var.impl()->wrapped_number) return full_like(input, var.item().to_double());
  const IntSpan x = input.sizes(), v = var.sizes();
  if (v == x) return var;
  if (input.dim() > 0 && v == IntSpan(x.data(), static_cast<size_t>(x.size() - 1))) return unsqueeze(var, -1);
  int64_t different = 0;  // the sum of those sizes of var that are not input's
  for (int64_t d = 0; d < var.dim() && var.dim() == input.dim(); ++d) different += v[d] == x[d] ? 0 : v[d];
  DLCORE_CHECK(different == 1, ValueError, "gaussian_nll_loss: var must have input's shape ", x,
               ", without the last dimension or with one of size 1; got ", v);
  return var;
}

}  // namespace

Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var, bool full, double eps,
                         const std::string& name) {
  const auto reduction = loss_reduction("gaussian_nll_loss", name);
  if (var.numel() > 0) {
    NoGrad no_grad;
    DLCORE_CHECK(!any(lt(var, number(0))).item().to_bool(), ValueError,
                 "gaussian_nll_loss: var must not have negative elements");
  }
  const Tensor v = clamped_copy(variances(input, var), eps), d = input - target;
  Tensor losses = (log(v) + d * d / v) * 0.5;
  if (full) losses = losses + 0.5 * std::log(2 * M_PI);
  return reduced(losses, reduction);
}

Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, double margin,
                           const std::string& reduction) {
  DLCORE_CHECK(input1.dim() == input2.dim() && input1.dim() == target.dim(), RuntimeError,
               "margin_ranking_loss: inputs and target must have the same number of dimensions; got shapes ",
               input1.sizes(), ", ", input2.sizes(), " and ", target.sizes());
  return reduced(clamp_min(-target * (input1 - input2) + margin, number(0)),
                 loss_reduction("margin_ranking_loss", reduction));
}

Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, double margin,
                             const std::string& reduction) {
  const int64_t dim = target.dim();
  DLCORE_CHECK(dim <= 1, RuntimeError, "cosine_embedding_loss: target must have no dimension or one; got shape ",
               target.sizes());
  DLCORE_CHECK(input1.dim() == dim + 1 && input2.dim() == dim + 1, RuntimeError,
               "cosine_embedding_loss: inputs must have a dimension more than target of shape ", target.sizes(),
               "; got shapes ", input1.sizes(), " and ", input2.sizes());
  constexpr double kTiny = 1e-12;  // keeps the angle of a zero defined
  const int64_t last[] = {-1};
  const auto dot = [&](const Tensor& a, const Tensor& b) { return sum(a * b, IntSpan(last, 1)); };
  const Tensor cos = dot(input1, input2) / sqrt((dot(input1, input1) + kTiny) * (dot(input2, input2) + kTiny));
  const Tensor zero = zeros(cos.sizes(), cos.dtype());
  const Tensor losses = where(eq(target, number(1)), 1 - cos, zero) +
                        where(eq(target, number(-1)), clamp_min(cos - margin, number(0)), zero);
  return reduced(losses, loss_reduction("cosine_embedding_loss", reduction));
}

// The distance swap: Balntas, Riba, Ponsa, Mikolajczyk, "Learning local feature descriptors with triplets", 2016.
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, double margin,
                           double p, double eps, bool swap, const std::string& reduction) {
  DLCORE_CHECK(margin > 0, ValueError, "triplet_margin_loss: margin must be positive; got ", margin);
  DLCORE_CHECK(anchor.dim() == positive.dim() && anchor.dim() == negative.dim(), RuntimeError,
               "triplet_margin_loss: inputs must have the same number of dimensions; got shapes ", anchor.sizes(), ", ",
               positive.sizes(), " and ", negative.sizes());
  const Tensor near = pairwise_distance(anchor, positive, p, eps);
  Tensor far = pairwise_distance(anchor, negative, p, eps);
  if (swap) far = minimum(far, pairwise_distance(positive, negative, p, eps));
  return reduced(clamp_min(near - far + margin, number(0)), loss_reduction("triplet_margin_loss", reduction));
}

}  // namespace dlcore
