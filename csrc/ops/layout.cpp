#include "ops/layout.h"

namespace dlcore {

Dims layout_strides(IntSpan sizes, Layout layout) {
  if (layout == Layout::ChannelsFirst || sizes.size() < 3) return contiguous_strides(sizes);
  Dims strides(sizes.size(), 1);
  int64_t step = std::max<int64_t>(sizes[1], 1);
  for (int64_t d = sizes.size() - 1; d >= 2; --d) {
    strides[d] = step;
    step *= std::max<int64_t>(sizes[d], 1);
  }
  strides[0] = step;
  return strides;
}

bool has_layout(const Tensor& x, Layout layout) {
  if (layout == Layout::ChannelsFirst || x.dim() < 3) return x.is_contiguous();
  const IntSpan sizes = x.sizes(), strides = x.strides();
  int64_t step = 1;
  const auto lies = [&](int64_t d) {
    const bool fits = sizes[d] == 1 || strides[d] == step;
    step *= sizes[d];
    return fits;
  };
  if (x.numel() == 0) return true;
  if (!lies(1)) return false;
  for (int64_t d = x.dim() - 1; d >= 2; --d)
    if (!lies(d)) return false;
  return lies(0);
}

Layout layout_of(const Tensor& x) {
  return !x.is_contiguous() && has_layout(x, Layout::ChannelsLast) ? Layout::ChannelsLast : Layout::ChannelsFirst;
}

Tensor to_layout(const Tensor& x, Layout layout) {
  return has_layout(x, layout) ? x : clone_like(x, layout_strides(x.sizes(), layout));
}

Tensor new_tensor(IntSpan sizes, Layout layout, DType dtype) {
  return new_tensor(sizes, layout_strides(sizes, layout), dtype);
}

}  // namespace dlcore
