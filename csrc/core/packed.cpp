#include "core/packed.h"

namespace dlcore {

PackedForm::PackedForm(const TensorImpl& t, std::shared_ptr<const Workspace> memory)
    : address(t.data()),
      strides(t.strides),
      version(t.version()),
      unseen_writes(t.storage->unseen_writes),
      memory(std::move(memory)) {}

bool PackedForm::is_of(const TensorImpl& t) const {
  return address == t.data() && strides == t.strides && version == t.version() &&
         unseen_writes == t.storage->unseen_writes;
}

bool is_private(const TensorImpl& t) { return t.storage->others == 0 && !t.storage->release; }

}  // namespace dlcore
