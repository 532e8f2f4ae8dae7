#include "ops/axis_map.h"

#include "core/allocator.h"
#include "kernels/registry.h"

namespace dlcore {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

// The transposed map takes dy back; its own gradient is the map again. `inside` is the layout that the kernel sees.
Tensor run(const char* op, const Tensor& x, const SharedAxes& axes, Layout layout, Layout inside) {
  const Tensor from = to_layout(x, inside);
  Tensor y = new_tensor(target_sizes(x, *axes), inside, x.dtype());
  if (y.numel() > 0) {
    const kernel::Image g = image_of(from, *axes, inside);
    launch(op, image_cost(g), [&] {
      const Workspace scratch(kernels().resample_workspace(g));
      kernels().resample(g, from.raw_data(), y.raw_data(), scratch.data());
    });
  }
  y = to_layout(y, layout);
  record(op, y, {x}, [=](Gradients& grads) {
    grads.set(0, [&] { return run(op, grads.dy(), std::make_shared<const Axes>(transposed(*axes)), layout, inside); });
  });
  return y;
}

}  // namespace

AxisList::AxisList(int64_t in, int64_t out) : in_(in), out_(out), start_{0} { start_.reserve(at(out + 1)); }

AxisList AxisList::identity(int64_t n) {
  AxisList list(n, n);
  for (int64_t i = 0; i < n; ++i) {
    list.add(i);
    list.next();
  }
  return list;
}

void AxisList::add(int64_t place, int64_t tap, double weight) {
  place_.push_back(place);
  tap_.push_back(tap);
  weight_.push_back(weight);
}

void AxisList::next() {
  const auto entries = static_cast<int64_t>(place_.size());
  most_ = std::max(most_, entries - start_.back());
  start_.push_back(entries);
}

// Entries of a target stay in the order of the sources that they come from.
AxisList AxisList::transposed() const {
  AxisList t(out_, in_);
  const size_t entries = place_.size();
  t.start_.assign(at(in_ + 1), 0);
  t.place_.resize(entries), t.tap_.resize(entries), t.weight_.resize(entries);
  for (const int64_t p : place_) ++t.start_[at(p + 1)];
  for (int64_t i = 0; i < in_; ++i) {
    t.most_ = std::max(t.most_, t.start_[at(i + 1)]);
    t.start_[at(i + 1)] += t.start_[at(i)];
  }
  std::vector<int64_t> next(t.start_.begin(), t.start_.end() - 1);
  for (int64_t o = 0; o < out_; ++o)
    for (int64_t e = start_[at(o)]; e < start_[at(o + 1)]; ++e) {
      const size_t to = at(next[at(place_[at(e)])]++);
      t.place_[to] = o, t.tap_[to] = tap_[at(e)], t.weight_[to] = weight_[at(e)];
    }
  return t;
}

kernel::AxisMap AxisList::map() const {
  return {in_, out_, most_, start_.data(), place_.data(), tap_.data(), weight_.data()};
}

Axes transposed(const Axes& axes) { return {axes[0].transposed(), axes[1].transposed(), axes[2].transposed()}; }

Dims target_sizes(const Tensor& x, const Axes& axes) {
  Dims sizes(x.sizes());
  for (int64_t d = 2; d < x.dim(); ++d) sizes[d] = axes[at(3 - x.dim() + d)].out();
  return sizes;
}

kernel::Image image_of(const Tensor& x, const Axes& axes, Layout layout) {
  const bool last = layout == Layout::ChannelsLast;
  return {x.dtype(),    x.size(0) * (last ? 1 : x.size(1)), last ? x.size(1) : 1, axes[0].map(), axes[1].map(),
          axes[2].map()};
}

Cost image_cost(const kernel::Image& g) {
  const auto planes = static_cast<double>(g.outer * g.inner), inputs = static_cast<double>(g.d.in * g.h.in * g.w.in);
  const auto outputs = static_cast<double>(g.d.out * g.h.out * g.w.out);
  return {planes * (inputs + outputs) * static_cast<double>(item_size(g.dtype)),
          planes * outputs * static_cast<double>(g.d.most * g.h.most * g.w.most)};
}

Tensor resample(const char* op, const Tensor& x, Axes axes, std::optional<Layout> layout,
                std::optional<Layout> inside) {
  const Layout result = layout.value_or(layout_of(x));
  const Tensor y = run(op, to_dtype(x, compute_dtype(x.dtype())), std::make_shared<const Axes>(std::move(axes)), result,
                       inside.value_or(result));
  return to_dtype(y, x.dtype());
}

}  // namespace dlcore
