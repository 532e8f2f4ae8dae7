#pragma once
// Weights in the order in which a kernel reads them. Those that are used again, unchanged and without a graph, as in
// inference, are kept in that form next to their own memory until they change.
#include "core/allocator.h"
#include "core/tensor_impl.h"

namespace dlcore {

// What became of a tensor's elements at a certain time.
struct DLCORE_API PackedForm {
  const void* address;  // of the first element
  Dims strides;
  uint64_t version, unseen_writes;
  std::shared_ptr<const Workspace> memory;  // null while they were used only once

  PackedForm(const TensorImpl& t, std::shared_ptr<const Workspace> memory);
  virtual ~PackedForm() = default;
  bool is_of(const TensorImpl& t) const;
};

template <class Key>
struct PackedFor final : PackedForm {
  Key key;
  PackedFor(const TensorImpl& t, std::shared_ptr<const Workspace> memory, const Key& key)
      : PackedForm(t, std::move(memory)), key(key) {}
};

// Whether nobody writes to t's memory but through tensors.
DLCORE_API bool is_private(const TensorImpl& t);

// w's packed form where it is kept, else null. pack(void* to) writes its `bytes`, which depend on w's elements and the
// key alone; `keep`: w may be used like this again.
template <class Key, class F>
std::shared_ptr<const Workspace> kept_packed(const Tensor& w, bool keep, const Key& key, int64_t bytes, const F& pack) {
  const TensorImpl& t = *w.impl();
  const std::shared_ptr<const PackedForm> last = t.storage->packed.load();
  const bool kept = keep && is_private(t);
  const auto* same = kept ? dynamic_cast<const PackedFor<Key>*>(last.get()) : nullptr;
  if (same && !(same->key == key && same->is_of(t))) same = nullptr;
  if (same && same->memory) return same->memory;
  auto form = kept ? std::make_shared<PackedFor<Key>>(t, nullptr, key) : nullptr;  // notes the version before it reads
  std::shared_ptr<const Workspace> memory;
  if (same) {
    form->memory = memory = std::make_shared<const Workspace>(bytes);
    pack(memory->data());
  }
  if (form || last) t.storage->packed.store(std::move(form));
  return memory;
}

// The same, packed for this once where it is not kept.
template <class Key, class F>
std::shared_ptr<const Workspace> packed(const Tensor& w, bool keep, const Key& key, int64_t bytes, const F& pack) {
  if (auto kept = kept_packed(w, keep, key, bytes, pack)) return kept;
  auto memory = std::make_shared<const Workspace>(bytes);
  pack(memory->data());
  return memory;
}

}  // namespace dlcore
