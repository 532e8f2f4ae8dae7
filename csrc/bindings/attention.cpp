#include "dlcore/ops/attention.h"

#include "bindings/op.h"

namespace dlcore::bindings {

void bind_attention(Ops& ops) {
  ops.function<&scaled_dot_product_attention>(
      "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, "
      "float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor");
}

}  // namespace dlcore::bindings
