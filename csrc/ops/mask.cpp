// Elements named by a boolean mask.
#include "core/allocator.h"
#include "core/launch.h"
#include "dlcore/ops/indexing.h"
#include "kernels/registry.h"
#include "ops/indexed.h"

namespace dlcore {
namespace {

void check_mask(const char* op, const Tensor& mask) {
  DLCORE_CHECK(mask.dtype() == DType::Bool, RuntimeError, op, ": mask must be bool but got ", name(mask.dtype()));
}

// x as a contiguous tensor of this shape, without history.
Tensor packed(const Tensor& x, IntSpan sizes) {
  NoGrad no_grad;
  return contiguous(x.sizes() == sizes ? x : expand(x, sizes));
}

// The elements that a contiguous mask names, counted chunk by chunk.
class Named {
 public:
  explicit Named(const Tensor& mask) : scratch_(chunks(mask.numel()) * 8) {
    masked = {static_cast<const uint8_t*>(mask.raw_data()), mask.numel(), kChunk, nullptr, 0};
    if (masked.n == 0) return;
    auto* counts = static_cast<int64_t*>(scratch_.data());
    launch("mask_count", {static_cast<double>(masked.n), 0},
           [&] { kernels().mask_count(masked.mask, masked.n, kChunk, counts); });
    for (int64_t c = 0; c < chunks(masked.n); ++c) {
      const int64_t here = counts[c];
      counts[c] = masked.named;
      masked.named += here;
    }
    masked.first = counts;
  }

  kernel::Masked masked;
  int64_t count() const { return masked.named; }

 private:
  static constexpr int64_t kChunk = 1 << 15;
  static int64_t chunks(int64_t n) { return (n + kChunk - 1) / kChunk; }
  Workspace scratch_;
};

double bytes_of(const Tensor& x) { return static_cast<double>(x.numel() * (item_size(x.dtype()) + 1)); }

// y = mask ? value : x; all of y's shape once broadcast.
void fill_into(const Tensor& y, const Tensor& x, const Tensor& mask, const Tensor& value) {
  if (y.numel() == 0) return;
  NoGrad no_grad;
  const Tensor from = expand(x, y.sizes()), where = expand(mask, y.sizes());
  // Neighbouring dimensions that all three step through alike are walked as one.
  Dims sizes, ys, xs, ms;
  for (int64_t d = 0; d < y.dim(); ++d) {
    const int64_t size = y.sizes()[d];
    if (size == 1) continue;
    const bool merge = !sizes.empty() && ys.back() == y.strides()[d] * size && xs.back() == from.strides()[d] * size &&
                       ms.back() == where.strides()[d] * size;
    if (!merge) {
      sizes.push_back(1);
      ys.push_back(0);
      xs.push_back(0);
      ms.push_back(0);
    }
    const int64_t last = sizes.size() - 1;
    sizes[last] *= size;
    ys[last] = y.strides()[d];
    xs[last] = from.strides()[d];
    ms[last] = where.strides()[d];
  }
  const Tensor one = to_dtype(value, y.dtype());
  const kernel::MaskedFill f{static_cast<int>(sizes.size()),
                             sizes.data(),
                             y.impl()->data(),
                             ys.data(),
                             from.impl()->data(),
                             xs.data(),
                             reinterpret_cast<const uint8_t*>(where.impl()->data()),
                             ms.data(),
                             one.impl()->data()};
  launch("masked_fill", {bytes_of(y), 0}, [&] { kernels().masked_fill(f, item_size(y.dtype())); });
}

void check_fill(const char* op, const Tensor& mask, const Tensor& value) {
  check_mask(op, mask);
  DLCORE_CHECK(value.dim() == 0, RuntimeError, op, ": value must have no dimensions but got shape ", value.sizes());
}

// With respect to the value: all that flows to the elements it was written to.
Tensor fill_value_gradient(const Tensor& dy, const Tensor& mask) { return sum(masked_select(dy, mask)); }

void check_scatter_source(const char* op, const Tensor& x, const Tensor& mask, const Tensor& source) {
  check_mask(op, mask);
  DLCORE_CHECK(source.dtype() == x.dtype(), RuntimeError, op, ": source must have input's dtype; expected ",
               name(x.dtype()), " but got ", name(source.dtype()));
}

// In y's memory.
void scatter_into(const char* op, const Tensor& y, const Tensor& mask, const Tensor& source) {
  const Tensor m = packed(mask, y.sizes());
  const Named named(m);
  DLCORE_CHECK(named.count() <= source.numel(), RuntimeError, op,
               ": source must have an element for each true of mask; expected ", named.count(), " but got ",
               source.numel());
  if (named.count() == 0) return;
  const Tensor from =
      share_memory(y, source) && source.is_contiguous() ? fresh_copy(source) : packed(source, source.sizes());
  const Tensor to = y.is_contiguous() ? y : packed(y, y.sizes());
  launch(op, {bytes_of(y), 0},
         [&] { kernels().masked_scatter(named.masked, item_size(y.dtype()), to.impl()->data(), from.impl()->data()); });
  if (!to.is_same(y)) copy_data(y, to);
}

Tensor scattered(const char* op, bool in_place, const Tensor& x, const Tensor& mask, const Tensor& source) {
  check_scatter_source(op, x, mask, source);
  return written(
      op, in_place, x, {source}, [&](const Tensor& y) { scatter_into(op, y, mask, source); },
      [mask = Saved(mask), sizes = sizes_of(source)](Gradients& g) {
        g.set(0, [&] { return masked_fill(g.dy(), mask(), number(0)); });
        g.set(1, [&] {
          // The elements that were used, then zeros for those that were left over.
          const Tensor used = masked_select(g.dy(), expand(mask(), g.dy().sizes()));
          int64_t n = 1;
          for (int64_t s : sizes) n *= s;
          return reshape(as_strided_scatter(used, {n}, {1}, 0, {1}, 0), sizes);
        });
      });
}

}  // namespace

// ---- masked_fill

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value) {
  check_fill("masked_fill", mask, value);
  const Dims sizes = broadcast_shapes("masked_fill", x.sizes(), mask.sizes());
  Tensor y =
      x.sizes() == IntSpan(sizes) ? new_tensor(sizes, dense_strides_like(x), x.dtype()) : new_tensor(sizes, x.dtype());
  fill_into(y, x, mask, value);
  record("masked_fill", y, {x, value}, [mask = Saved(mask)](Gradients& g) {
    g.set(0, [&] { return masked_fill(g.dy(), mask(), number(0)); });
    g.set(1, [&] { return fill_value_gradient(g.dy(), mask()); });
  });
  return y;
}

Tensor masked_fill_(const Tensor& x, const Tensor& mask, const Tensor& value) {
  check_fill("masked_fill_", mask, value);
  const Tensor m = share_memory(x, mask) ? fresh_copy(mask) : mask;
  return written(
      "masked_fill_", true, x, {value}, [&](const Tensor& y) { fill_into(y, y, m, value); },
      [mask = Saved(m)](Gradients& g) {
        g.set(0, [&] { return masked_fill(g.dy(), mask(), number(0)); });
        g.set(1, [&] { return fill_value_gradient(g.dy(), mask()); });
      });
}

// ---- masked_select, masked_scatter

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  check_mask("masked_select", mask);
  const Dims sizes = broadcast_shapes("masked_select", x.sizes(), mask.sizes());
  const Tensor from = packed(x, sizes), m = packed(mask, sizes);
  const Named named(m);
  Tensor y = new_tensor({named.count()}, x.dtype());
  if (y.numel())
    launch("masked_select", {bytes_of(from), 0},
           [&] { kernels().masked_select(named.masked, item_size(x.dtype()), from.impl()->data(), y.impl()->data()); });
  record("masked_select", y, {x}, [mask = Saved(m), sizes](Gradients& g) {
    g.set(0, [&] { return masked_scatter_(zeros(sizes, g.dy().dtype()), mask(), g.dy()); });
  });
  return y;
}

Tensor masked_scatter(const Tensor& x, const Tensor& mask, const Tensor& source) {
  const Dims sizes = broadcast_shapes("masked_scatter", x.sizes(), mask.sizes());
  return scattered("masked_scatter", false, x.sizes() == IntSpan(sizes) ? x : expand(x, sizes), mask, source);
}

Tensor masked_scatter_(const Tensor& x, const Tensor& mask, const Tensor& source) {
  return scattered("masked_scatter_", true, x, mask, source);
}

// ---- nonzero

namespace {

// (x.dim(), count): one row a dimension
Tensor coordinates(const Tensor& x) {
  NoGrad no_grad;
  const Tensor mask = contiguous(to_dtype(x, DType::Bool));
  const Named named(mask);
  Tensor y = new_tensor({x.dim(), named.count()}, DType::Int64);
  if (y.numel())
    launch("nonzero", {static_cast<double>(mask.numel() + y.numel() * 8), 0}, [&] {
      kernels().mask_coordinates(named.masked, static_cast<int>(x.dim()), mask.sizes().data(),
                                 static_cast<int64_t*>(y.raw_data()));
    });
  return y;
}

}  // namespace

Tensor nonzero(const Tensor& x) { return transpose(coordinates(x), 0, 1); }
TensorList nonzero_tuple(const Tensor& x) { return unbind(coordinates(x.dim() ? x : unsqueeze(x, 0)), 0); }
Tensor argwhere(const Tensor& x) { return nonzero(x); }

}  // namespace dlcore
