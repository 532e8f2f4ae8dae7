#include "ops/indexed.h"

#include "core/launch.h"
#include "kernels/registry.h"

namespace dlcore {
namespace {

// The space with dimensions of size 1 dropped and neighbours that all operands step through alike merged.
IndexSpace merged(const IndexSpace& s) {
  IndexSpace m{s.op, {}, {}, {}, s.operands, s.negative};
  for (IndexOperand& o : m.operands) o.strides.resize(0);
  for (int64_t d = 0; d < s.sizes.size(); ++d) {
    const int64_t size = s.sizes[d];
    if (size == 1) continue;
    const auto follows = [&](const Dims& merged_strides, const Dims& strides) {
      return merged_strides.back() == strides[d] * size;
    };
    bool merge = !m.sizes.empty() && follows(m.x_strides, s.x_strides) && follows(m.y_strides, s.y_strides);
    for (size_t k = 0; merge && k < s.operands.size(); ++k)
      merge = follows(m.operands[k].strides, s.operands[k].strides);
    if (merge) {
      const int64_t last = m.sizes.size() - 1;
      m.sizes[last] *= size;
      m.x_strides[last] = s.x_strides[d];
      m.y_strides[last] = s.y_strides[d];
      for (size_t k = 0; k < s.operands.size(); ++k) m.operands[k].strides[last] = s.operands[k].strides[d];
    } else {
      m.sizes.push_back(size);
      m.x_strides.push_back(s.x_strides[d]);
      m.y_strides.push_back(s.y_strides[d]);
      for (size_t k = 0; k < s.operands.size(); ++k) m.operands[k].strides.push_back(s.operands[k].strides[d]);
    }
  }
  return m;
}

template <class I>
void find_out_of_range(const char* op, const IndexOperand& o, const Tensor& index, bool negative) {
  const I* data = static_cast<const I*>(index.raw_data());
  for (int64_t i = 0; i < index.numel(); ++i)
    DLCORE_CHECK(data[i] < o.size && data[i] >= (negative ? -o.size : 0), IndexError, op, ": index ",
                 static_cast<int64_t>(data[i]), " is out of bounds for dimension ", o.dim, " with size ", o.size);
}

}  // namespace

void check_index_dtype(const char* op, const Tensor& index) {
  DLCORE_CHECK(index.dtype() == DType::Int64 || index.dtype() == DType::Int32, RuntimeError, op,
               ": index must be int64 or int32 but got ", name(index.dtype()));
}

Tensor fresh_copy(const Tensor& x) {
  Tensor y = new_tensor(x.sizes(), dense_strides_like(x), x.dtype());
  copy_data(y, x);
  return y;
}

void IndexSpace::fail_out_of_range() const {
  NoGrad no_grad;
  for (const IndexOperand& o : operands) {
    const Tensor index = contiguous(o.index);
    if (index.dtype() == DType::Int64)
      find_out_of_range<int64_t>(op, o, index, negative);
    else
      find_out_of_range<int32_t>(op, o, index, negative);
  }
  fail<RuntimeError>(op, ": the index changed while it was read");
}

template <class F>
void IndexSpace::run(const Tensor& x, const Tensor& y, const F& kernel) const {
  int64_t count = 1;
  for (int64_t s : sizes) count *= s;
  if (count == 0) return;
  const IndexSpace m = merged(*this);
  DLCORE_CHECK(m.operands.size() <= kernel::kIndexTensors, RuntimeError, op, ": at most ", kernel::kIndexTensors,
               " index tensors, got ", m.operands.size());
  kernel::IndexTensor index[kernel::kIndexTensors];
  for (size_t k = 0; k < m.operands.size(); ++k) {
    const IndexOperand& o = m.operands[k];
    index[k] = {o.index.raw_data(), o.index.dtype(), o.strides.data(), o.size, o.step};
  }
  kernel::Indexed s;
  s.ndim = static_cast<int>(m.sizes.size());
  s.sizes = m.sizes.data();
  s.x_strides = m.x_strides.data();
  s.y_strides = m.y_strides.data();
  s.indices = static_cast<int>(m.operands.size());
  s.index = index;
  s.negative = negative;
  bool ok = true;
  const double bytes = static_cast<double>(count) * static_cast<double>(2 * item_size(x.dtype()));
  launch(op, {bytes, 0}, [&] { ok = kernel(s); });
  if (!ok) fail_out_of_range();
}

void IndexSpace::read(const Tensor& x, const Tensor& y) const {
  run(x, y, [&](const kernel::Indexed& s) {
    return kernels().index_read(s, item_size(x.dtype()), x.impl()->data(), y.impl()->data());
  });
}

void IndexSpace::write(kernel::IndexWrite how, const Tensor& x, const Tensor& y) const {
  run(x, y, [&](const kernel::Indexed& s) {
    return kernels().index_write(s, how, x.dtype(), x.impl()->data(), y.impl()->data());
  });
}

}  // namespace dlcore
