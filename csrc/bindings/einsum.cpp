#include "bindings/op.h"
#include "dlcore/ops/linalg.h"

namespace dlcore::bindings {

void bind_einsum(Ops& ops) {
  ops.function<&einsum>("einsum(str equation, Tensor... operands) -> Tensor");
  // dims may be a number or two lists: Python calls these two (python/dlcore/_tensor.py).
  ops.function<[](const Tensor& a, const Tensor& b, int64_t dims) { return tensordot(a, b, dims); },
               [](const Tensor& a, const Tensor& b, IntSpan x, IntSpan y) { return tensordot(a, b, x, y); }>(
      "_tensordot",
      {"(Tensor a, Tensor b, int dims) -> Tensor", "(Tensor a, Tensor b, int[] dims_a, int[] dims_b) -> Tensor"});
  ops.op<&kron>("kron(Tensor input, Tensor other) -> Tensor");
  ops.op<&trace>("trace(Tensor input) -> Tensor");
  ops.function<&chain_matmul>("chain_matmul(Tensor... matrices) -> Tensor");
  ops.op<&cross>("cross(Tensor input, Tensor other, int? dim=None) -> Tensor");
  ops.function<&cdist>(
      "cdist(Tensor x1, Tensor x2, float p=2.0, str compute_mode='use_mm_for_euclid_dist_if_necessary') -> Tensor");
  ops.function<&pdist>("pdist(Tensor input, float p=2.0) -> Tensor");
  ops.function<&pairwise_distance>(
      "pairwise_distance(Tensor x1, Tensor x2, float p=2.0, float eps=1e-06, bool keepdim=False) -> Tensor");
  ops.function<&cosine_similarity>("cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor");
  ops.function<&vecdot>("vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor");
}

}  // namespace dlcore::bindings
