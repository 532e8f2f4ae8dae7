#include "bindings/op.h"

namespace dlcore::bindings {

// Each family's ops are bound in the file of its name.
void bind_linalg(Ops& ops);
void bind_einsum(Ops& ops);
void bind_attention(Ops& ops);
void bind_activations(Ops& ops);
void bind_elementwise(Ops& ops);
void bind_image(Ops& ops);
void bind_indexing(Ops& ops);
void bind_nn(Ops& ops);
void bind_norm(Ops& ops);
void bind_pool(Ops& ops);
void bind_optim(Ops& ops);
void bind_reduction(Ops& ops);
void bind_loss(Ops& ops);
void bind_creation(Ops& ops);
void bind_random(Ops& ops);
void bind_rnn(Ops& ops);
void bind_shape(Ops& ops);
void bind_sparse(Ops& ops);

void bind_families(Ops& ops) {
  bind_linalg(ops);
  bind_einsum(ops);
  bind_elementwise(ops);
  bind_attention(ops);
  bind_activations(ops);
  bind_image(ops);
  bind_indexing(ops);
  bind_nn(ops);
  bind_norm(ops);
  bind_pool(ops);
  bind_optim(ops);
  bind_reduction(ops);
  bind_loss(ops);
  bind_creation(ops);
  bind_random(ops);
  bind_rnn(ops);
  bind_shape(ops);
  bind_sparse(ops);
}

}  // namespace dlcore::bindings
