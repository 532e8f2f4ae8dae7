#include "bindings/op.h"

namespace dlcore::bindings {

// Each family's ops are bound in the file of its name.

void bind_families(Ops& ops) {
  (void)ops;
}

}  // namespace dlcore::bindings
