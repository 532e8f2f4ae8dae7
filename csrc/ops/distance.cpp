// Distances and angles between rows.
#include "ops/loss.h"

namespace dlcore {
namespace {

// |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, one product of matrices; what rounding makes negative is 0.
Tensor euclidean(const Tensor& a, const Tensor& b) {
  const Tensor aa = sum(mul(a, a), IntSpan({-1}), true), bb = transpose(sum(mul(b, b), IntSpan({-1}), true), -1, -2);
  return sqrt(clamp_min(aa + bb - 2 * matmul(a, transpose(b, -1, -2)), number(0)));
}

Tensor differences(const Tensor& a, const Tensor& b) { return unsqueeze(a, -2) - unsqueeze(b, -3); }

}  // namespace

// y[..., i, j] = |a[..., i, :] - b[..., j, :]|_p. For p = 2 the gradient at distance 0 is 0:
// da_i = sum_j w_ij (a_i - b_j), w = dy / y.
Tensor cdist(const Tensor& a, const Tensor& b, double p, const std::string& mode) {
  DLCORE_CHECK(is_floating(a.dtype()) && is_floating(b.dtype()), RuntimeError,
               "cdist: inputs must be floating point, got ", name(a.dtype()), " and ", name(b.dtype()));
  DLCORE_CHECK(a.dim() >= 2 && b.dim() >= 2, RuntimeError,
               "cdist: inputs must have at least two dimensions, got shapes ", a.sizes(), " and ", b.sizes());
  DLCORE_CHECK(a.size(-1) == b.size(-1), RuntimeError, "cdist: inputs must have rows of one length, got ", a.size(-1),
               " and ", b.size(-1));
  DLCORE_CHECK(p >= 0, RuntimeError, "cdist: p must not be negative, got ", p);
  const bool by_product = mode == "use_mm_for_euclid_dist" ||
                          (mode == "use_mm_for_euclid_dist_if_necessary" && (a.size(-2) > 25 || b.size(-2) > 25));
  if (p != 2) return norm(differences(a, b), p, IntSpan({-1}));
  Tensor y;
  {
    NoGrad no_grad;
    y = by_product ? euclidean(a, b) : norm(differences(a, b), 2, IntSpan({-1}));
  }
  const Saved saved = Saved::output(y);
  record("cdist", y, {a, b}, [a = Saved(a), b = Saved(b), y = saved](Gradients& g) {
    const Tensor d = y.get(g), zero = eq(d, number(0));
    const Tensor w = masked_fill(div(g.dy(), masked_fill(d, zero, number(1))), zero, number(0));
    g.set(0, [&] { return mul(a(), sum(w, IntSpan({-1}), true)) - matmul(w, b()); });
    g.set(1, [&] {
      const Tensor wt = transpose(w, -1, -2);
      return mul(b(), sum(wt, IntSpan({-1}), true)) - matmul(wt, a());
    });
  });
  return y;
}

Tensor pdist(const Tensor& x, double p) {
  DLCORE_CHECK(is_floating(x.dtype()), RuntimeError, "pdist: input must be floating point; got ", name(x.dtype()));
  DLCORE_CHECK(x.dim() == 2, RuntimeError, "pdist: input must have two dimensions; got shape ", x.sizes());
  DLCORE_CHECK(p >= 0, RuntimeError, "pdist: p must not be negative; got ", p);
  const int64_t n = x.size(0);
  DLCORE_CHECK(n < int64_t{1} << 31, RuntimeError, "pdist: input must have less than 2^31 rows; got ", n);
  const Tensor pairs = triu_indices(n, n, 1);
  return norm(index_select(x, 0, select(pairs, 0, 0)) - index_select(x, 0, select(pairs, 0, 1)), p, IntSpan({-1}));
}

Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p, double eps, bool keepdim) {
  const Tensor d = a - b + eps;
  return norm(d, p, d.dim() == 0 ? IntSpan() : IntSpan({-1}), keepdim);
}

// Each factor of the denominator is clamped, and the gradient goes through as if it had not been.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, int64_t dim, double eps) {
  const DType dtype = result_type(a, b);
  DLCORE_CHECK(is_floating(dtype), RuntimeError, "cosine_similarity: inputs must be floating point; got ",
               name(a.dtype()), " and ", name(b.dtype()));
  DLCORE_CHECK(eps >= 0, RuntimeError, "cosine_similarity: eps must not be negative; got ", eps);
  const Dims sizes = broadcast_shapes("cosine_similarity", a.sizes(), b.sizes());
  const Tensor x = expand(to_dtype(a, dtype), sizes), y = expand(to_dtype(b, dtype), sizes);
  const IntSpan dims(&dim, 1);
  return sum(x * y, dims) / (clamped_copy(norm(x, 2, dims), eps) * clamped_copy(norm(y, 2, dims), eps));
}

}  // namespace dlcore
