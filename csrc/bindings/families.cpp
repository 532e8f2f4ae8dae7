#include "bindings/op.h"

namespace dlcore::bindings {

// Each family's ops are bound in the file of its name.
void bind_optim(Ops& ops);

void bind_families(Ops& ops) {
  bind_optim(ops);
}

}  // namespace dlcore::bindings
