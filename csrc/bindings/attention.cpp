#include "dlcore/ops/attention.h"
#include "bindings/op.h"
#include "dlcore/ops/attention_mask.h"

namespace dlcore::bindings {

void bind_attention(Ops& ops) {
  ops.function<&scaled_dot_product_attention>(
      "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, "
      "float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor");
  ops.function<&structured_attention>(
      "_structured_attention(Tensor query, Tensor key, Tensor value, int[] program, Tensor[] data, "
      "float dropout_p=0.0, float? scale=None, bool enable_gqa=False) -> Tensor");
  ops.function<&structured_pairs>(
      "_structured_pairs(int queries, int keys, int batch, int[] program, Tensor[] data) -> Tensor");
}

}  // namespace dlcore::bindings
