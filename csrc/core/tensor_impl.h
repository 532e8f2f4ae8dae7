#pragma once
#include <memory>

#include "core/dims.h"
#include "core/storage.h"
#include "dlcore/tensor.h"

namespace dlcore {

struct Node;       // autograd/node.h
struct LeafHooks;  // autograd/node.h

struct DLCORE_API TensorImpl : RefCounted {
  Ref<Storage> storage;
  int64_t offset = 0;  // elements from the storage's start
  Dims sizes, strides;
  int64_t numel = 0;
  DType dtype = DType::Float32;
  bool contiguous = true;
  bool requires_grad = false;    // set by the user on a leaf; true of every result that has a grad_fn
  bool wrapped_number = false;   // stands for a Python number: weak in type promotion
  bool untracked = false;        // alias made by x.data: its writes don't count as changes
  bool view_of_no_grad = false;  // a view made under no_grad: an in-place write to it cannot be recorded
  bool retains_grad = false;
  bool inference = false;

  // Autograd (autograd/node.h). A leaf has no grad_fn.
  Ref<Node> grad_fn;
  int32_t output_nr = 0;
  Tensor grad;
  Tensor base;                // what this is a view of; a view's base is never itself a view
  uint64_t view_version = 0;  // version of the storage when this view's grad_fn was made
  std::unique_ptr<LeafHooks> hooks;

  void* python_object = nullptr;  // the Python object of this tensor while there is one (borrowed)

  char* data() const { return static_cast<char*>(storage->elements()) + offset * item_size(dtype); }
  int64_t ndim() const { return sizes.size(); }
  uint64_t version() const { return storage->version.load(std::memory_order_relaxed); }
  void bump_version() {
    (untracked ? storage->unseen_writes : storage->version).fetch_add(1, std::memory_order_relaxed);
  }

  TensorImpl();
  static void destroy(TensorImpl* t);

 private:
  ~TensorImpl();
};

// Recomputes numel and contiguous after a change of sizes or strides.
DLCORE_API void refresh_geometry(TensorImpl& t);

// New tensors over new memory: contiguous, or with the given dense strides.
DLCORE_API Tensor new_tensor(IntSpan sizes, DType dtype);
DLCORE_API Tensor new_tensor(IntSpan sizes, IntSpan strides, DType dtype);
// A tensor over x's storage with another geometry and no history. Ops that differentiate through it use make_view
// (autograd/view.h) instead.
DLCORE_API Tensor alias(const Tensor& x, IntSpan sizes, IntSpan strides, int64_t offset);
// A zero-dimensional tensor that stands for a Python number.
DLCORE_API Tensor wrapped_number(Scalar value);

// True where the elements fill one block of memory, in whatever order of dimensions.
DLCORE_API bool is_dense(const TensorImpl& t);

inline const Dims& sizes_of(const Tensor& t) { return t.impl()->sizes; }

}  // namespace dlcore
