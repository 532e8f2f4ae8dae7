#include "ops/optim.h"

namespace dlcore {
namespace {

constexpr int64_t kChunk = 1 << 14;  // elements of one unit of parallel work

// The same order of elements, given the same sizes.
bool lie_alike(const TensorImpl& a, const TensorImpl& b) {
  return (a.contiguous && b.contiguous) || a.strides == b.strides;
}

}  // namespace

OptimRuns::OptimRuns(const char* op, std::initializer_list<List> lists) : op_(op) {
  size_t slot = 0;
  for (const List& list : lists) {
    if (list.tensors) check(list);
    if (!first_) first_ = list.tensors;
    lists_[slot++] = list.tensors;
  }
  data_.resize(first_->size());
  for (size_t i = 0; i < data_.size(); ++i) flatten(i);
}

void OptimRuns::check(const List& list) const {
  const TensorList& tensors = *list.tensors;
  if (first_)
    DLCORE_CHECK(tensors.size() == first_->size(), ValueError, op_, ": ", list.name,
                 " must have one tensor for each of the ", first_->size(), " params but got ", tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    DLCORE_CHECK(tensors[i].defined(), ValueError, op_, ": ", list.name, "[", i, "] is missing");
    const TensorImpl& x = *tensors[i].impl();
    if (!first_) {
      DLCORE_CHECK(is_floating(x.dtype), TypeError, op_, ": ", list.name, "[", i,
                   "] must be a floating point tensor but got ", name(x.dtype));
      continue;
    }
    const TensorImpl& first = *(*first_)[i].impl();
    DLCORE_CHECK(x.sizes == first.sizes, RuntimeError, op_, ": ", list.name, "[", i,
                 "] must have the parameter's shape; expected ", first.sizes, " but got ", x.sizes);
    DLCORE_CHECK(x.dtype == first.dtype, RuntimeError, op_, ": ", list.name, "[", i,
                 "] must have the parameter's dtype; expected ", name(first.dtype), " but got ", name(x.dtype));
  }
}

void OptimRuns::flatten(size_t i) {
  const TensorImpl& first = *(*first_)[i].impl();
  bool alike = is_dense(first);
  for (const TensorList* list : lists_) alike = alike && (!list || lie_alike(*(*list)[i].impl(), first));
  for (size_t slot = 0; slot < kArrays; ++slot) {
    data_[i][slot] = nullptr;
    if (!lists_[slot]) continue;
    const Tensor& x = (*lists_[slot])[i];
    if (slot != kGradients) check_inplace(op_, x);
    if (alike) {
      data_[i][slot] = x.impl()->data();
      continue;
    }
    const Tensor run = contiguous(x);
    data_[i][slot] = run.raw_data();
    if (!run.is_same(x)) {
      slot == kGradients ? kept_.push_back(run) : copies_.push_back({x, run});
    }
  }
}

void OptimRuns::cut(DType dtype) {
  pieces_.clear();
  owner_.clear();
  chunks_.assign(1, 0);
  int64_t waiting = 0;  // elements of the chunk that is being filled
  const auto close_chunk = [&] {
    chunks_.push_back(static_cast<int64_t>(pieces_.size()));
    waiting = 0;
  };
  for (size_t i = 0; i < data_.size(); ++i) {
    const TensorImpl& first = *(*first_)[i].impl();
    if (first.dtype != dtype) continue;
    for (int64_t begin = 0; begin < first.numel; begin += kChunk) {
      const auto at = [&](size_t slot) -> void* {
        return data_[i][slot] ? static_cast<char*>(data_[i][slot]) + begin * item_size(dtype) : nullptr;
      };
      const int64_t n = std::min(kChunk, first.numel - begin);
      pieces_.push_back({at(0), at(1), {at(2), at(3), at(4)}, n, {}});
      owner_.push_back(i);
      if ((waiting += n) >= kChunk) close_chunk();
    }
  }
  if (waiting > 0) close_chunk();
}

Cost OptimRuns::cost(DType dtype) const {
  double elements = 0, lists = 0;
  for (const kernel::OptimPiece& piece : pieces_) elements += static_cast<double>(piece.n);
  for (const TensorList* list : lists_) lists += list != nullptr;
  return {(2 * lists - 1) * elements * static_cast<double>(item_size(dtype)), 6 * lists * elements};
}

void OptimRuns::finish() {
  for (const auto& [to, from] : copies_) copy_data(to, from);
  for (size_t slot = 0; slot < kArrays; ++slot) {
    if (slot == kGradients || !lists_[slot]) continue;
    for (const Tensor& x : *lists_[slot]) finish_inplace(x, Tensor());
  }
}

}  // namespace dlcore
