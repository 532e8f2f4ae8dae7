#include "core/tensor_impl.h"

#include <numeric>

#include "autograd/node.h"
#include "core/allocator.h"
#include "core/half.h"

namespace dlcore {

void Storage::destroy(Storage* s) {
  if (s->release)
    s->release();
  else if (s->data)
    deallocate(s->data, s->bytes);
  delete s;
}

Ref<Storage> new_storage(int64_t bytes, Device device) {
  auto s = Ref<Storage>::adopt(new Storage);
  s->device = device;
  s->bytes = bytes;
  if (bytes > 0) s->data = allocate(bytes);
  return s;
}

TensorImpl::TensorImpl() = default;
TensorImpl::~TensorImpl() {
  if (retains_grad && grad_fn) forget_retained(*this);
}
void TensorImpl::destroy(TensorImpl* t) { delete t; }

void refresh_geometry(TensorImpl& t) {
  t.numel = 1;
  for (int64_t s : t.sizes) t.numel *= s;
  t.contiguous = true;
  int64_t expected = 1;
  for (int64_t i = t.ndim() - 1; i >= 0 && t.numel > 0; --i) {
    if (t.sizes[i] == 1) continue;
    if (t.strides[i] != expected) {
      t.contiguous = false;
      break;
    }
    expected *= t.sizes[i];
  }
}

Tensor new_tensor(IntSpan sizes, DType dtype) {
  auto* t = new TensorImpl;
  Tensor owner = Tensor::adopt(t);
  t->numel = checked_numel("empty", sizes);
  t->sizes = Dims(sizes);
  t->strides = contiguous_strides(sizes);
  t->dtype = dtype;
  t->storage = new_storage(t->numel * item_size(dtype));
  return owner;
}

Tensor new_tensor(IntSpan sizes, IntSpan strides, DType dtype) {
  Tensor t = new_tensor(sizes, dtype);
  t.impl()->strides = Dims(strides);
  refresh_geometry(*t.impl());
  return t;
}

Tensor alias(const Tensor& x, IntSpan sizes, IntSpan strides, int64_t offset) {
  auto* t = new TensorImpl;
  t->storage = x.impl()->storage;
  t->offset = offset;
  t->sizes = Dims(sizes);
  t->strides = Dims(strides);
  t->dtype = x.impl()->dtype;
  t->untracked = x.impl()->untracked;
  t->inference = x.impl()->inference;
  refresh_geometry(*t);
  return Tensor::adopt(t);
}

Tensor wrapped_number(Scalar value) {
  Tensor t = new_tensor({}, value.dtype());
  t.impl()->wrapped_number = true;
  switch (value.kind()) {
    case Scalar::Kind::Bool:
      *static_cast<bool*>(t.raw_data()) = value.to_bool();
      break;
    case Scalar::Kind::Int:
      *static_cast<int64_t*>(t.raw_data()) = value.to_int();
      break;
    case Scalar::Kind::Float:
      *static_cast<double*>(t.raw_data()) = value.to_double();
      break;
  }
  return t;
}

bool is_dense(const TensorImpl& t) {
  if (t.contiguous) return true;
  int64_t order[kMaxDims];
  std::iota(order, order + t.ndim(), 0);
  std::sort(order, order + t.ndim(), [&](int64_t a, int64_t b) { return t.strides[a] < t.strides[b]; });
  int64_t expected = 1;
  for (int64_t i = 0; i < t.ndim(); ++i) {
    const int64_t d = order[i];
    if (t.sizes[d] == 1) continue;
    if (t.strides[d] != expected) return false;
    expected *= t.sizes[d];
  }
  return true;
}

// ---- the public handle

Tensor::Tensor(const Tensor& o) : impl_(o.impl_) {
  if (impl_) impl_->refs.fetch_add(1, std::memory_order_relaxed);
}
Tensor::~Tensor() {
  if (impl_ && impl_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) TensorImpl::destroy(impl_);
}

int64_t Tensor::dim() const { return impl_->ndim(); }
int64_t Tensor::size(int64_t dim) const {
  DLCORE_CHECK(impl_->ndim() > 0, IndexError, "size: a tensor with no dimensions has no dimension ", dim);
  return impl_->sizes[wrap_dim("size", dim, impl_->ndim())];
}
IntSpan Tensor::sizes() const { return impl_->sizes; }
IntSpan Tensor::strides() const { return impl_->strides; }
int64_t Tensor::numel() const { return impl_->numel; }
int64_t Tensor::storage_offset() const { return impl_->offset; }
DType Tensor::dtype() const { return impl_->dtype; }
Device Tensor::device() const { return impl_->storage->device; }
bool Tensor::is_contiguous() const { return impl_->contiguous; }
void* Tensor::exposed_data() const {
  ++impl_->storage->others;  // for ever: nobody says when the address is forgotten
  return raw_data();
}
void* Tensor::raw_data() const { return impl_->storage->elements() ? impl_->data() : nullptr; }
bool Tensor::requires_grad() const { return dlcore::requires_grad(*impl_); }
bool Tensor::is_leaf() const { return !impl_->grad_fn; }
Tensor Tensor::grad() const { return impl_->grad; }
Tensor Tensor::detach() const { return alias(*this, sizes(), strides(), storage_offset()); }

Scalar Tensor::item() const {
  DLCORE_CHECK(numel() == 1, RuntimeError, "item: expected a tensor with one element but got shape ", sizes());
  const void* p = impl_->data();
  switch (dtype()) {
    case DType::Float32:
      return *static_cast<const float*>(p);
    case DType::Float64:
      return *static_cast<const double*>(p);
    case DType::BFloat16:
      return bf16_to_float(*static_cast<const uint16_t*>(p));
    case DType::Float16:
      return fp16_to_float(*static_cast<const uint16_t*>(p));
    case DType::Int8:
      return *static_cast<const int8_t*>(p);
    case DType::Int16:
      return *static_cast<const int16_t*>(p);
    case DType::Int32:
      return *static_cast<const int32_t*>(p);
    case DType::Int64:
      return *static_cast<const int64_t*>(p);
    case DType::UInt8:
      return *static_cast<const uint8_t*>(p);
    case DType::Bool:
      return *static_cast<const uint8_t*>(p) != 0;
  }
  return {};
}

}  // namespace dlcore
