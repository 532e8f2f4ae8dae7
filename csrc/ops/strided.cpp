// The gradient of any view, seen as a geometry inside its base: gather takes the view's elements out of a tensor shaped
// like the base, scatter, its transpose, adds the view's gradient into zeros shaped like the base.
//
// Both go through cells: memory that covers base and view. Where several elements of the view share a cell their
// gradients add up; where several elements of the base share one, they share its gradient equally.
#include <numeric>

#include "ops/internal.h"

namespace dlcore {
namespace {

struct Geometry {
  Dims sizes, strides;
  int64_t offset;

  int64_t numel() const { return checked_numel("as_strided", sizes); }
  int64_t end() const { return offset + strided_extent("as_strided", sizes, strides); }
  bool empty() const { return numel() == 0; }
};

// False only where every element surely has a cell of its own: in order of their strides, each dimension steps beyond
// what the smaller ones reach.
bool may_overlap(IntSpan sizes, IntSpan strides) {
  Dims order(sizes.size(), 0);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return strides[a] < strides[b]; });
  int64_t reach = 0;
  for (int64_t d : order) {
    if (sizes[d] == 0) return false;
    if (sizes[d] == 1) continue;
    if (strides[d] <= reach) return true;
    reach += (sizes[d] - 1) * strides[d];
  }
  return false;
}

Tensor part(const Tensor& x, int64_t dim, int64_t i) {
  Dims sizes = sizes_of(x), strides(x.strides());
  const int64_t offset = x.storage_offset() + i * strides[dim];
  sizes.erase(dim);
  strides.erase(dim);
  return alias(x, sizes, strides, offset);
}

// to += x where elements of `to` may share cells: cut along the shortest dimension until they don't.
void accumulate(const Tensor& to, const Tensor& x) {
  if (!may_overlap(to.sizes(), to.strides())) return add_into(to, x);
  int64_t dim = -1;
  for (int64_t i = 0; i < to.dim(); ++i)
    if (to.sizes()[i] > 1 && (dim < 0 || to.sizes()[i] < to.sizes()[dim])) dim = i;
  for (int64_t i = 0; i < to.sizes()[dim]; ++i) accumulate(part(to, dim, i), part(x, dim, i));
}

// Cells for base and view, zero.
struct Cells {
  Tensor memory;
  int64_t first;

  Cells(const Geometry& a, const Geometry& b, DType dtype) : first(std::min(a.offset, b.offset)) {
    memory = zeros({std::max(a.end(), b.end()) - first}, dtype);
  }
  Tensor at(const Geometry& g) const { return alias(memory, g.sizes, g.strides, g.offset - first); }

  void add(const Geometry& g, const Tensor& x) {
    if (!may_overlap(g.sizes, g.strides)) return copy_data(at(g), x);  // the cells were zero
    Geometry once = g;
    for (int64_t i = 0; i < once.sizes.size(); ++i)
      if (once.strides[i] == 0) once.sizes[i] = 1;
    accumulate(at(once), sum_to(x, once.sizes));
  }
};

// x, shaped like g, divided by how many elements of g share each element's cell.
Tensor shared(const Tensor& x, const Geometry& g) {
  if (!may_overlap(g.sizes, g.strides)) return x;
  Cells count(g, g, x.dtype());
  count.add(g, expand(ones({}, x.dtype()), g.sizes));
  return div(x, count.at(g));
}

}  // namespace

Tensor as_strided_scatter(const Tensor& dy, IntSpan base_sizes, IntSpan base_strides, int64_t base_offset,
                          IntSpan strides, int64_t offset) {
  const Geometry base{base_sizes, base_strides, base_offset}, view{dy.sizes(), strides, offset};
  Tensor dx;
  {
    NoGrad no_grad;
    if (base.empty() || view.empty()) {
      dx = zeros(base.sizes, dy.dtype());
    } else {
      Cells cells(base, view, dy.dtype());
      cells.add(view, dy);
      dx = shared(cells.at(base), base);
    }
  }
  record("as_strided_scatter", dx, {dy}, [base, view](Gradients& g) {
    g.set(0, [&] {
      return as_strided_gather(g.dy(), base.sizes, base.strides, base.offset, view.sizes, view.strides, view.offset);
    });
  });
  return dx;
}

Tensor as_strided_gather(const Tensor& x, IntSpan base_sizes, IntSpan base_strides, int64_t base_offset, IntSpan sizes,
                         IntSpan strides, int64_t offset) {
  const Geometry base{base_sizes, base_strides, base_offset}, view{sizes, strides, offset};
  Tensor y;
  {
    NoGrad no_grad;
    const bool dense = base.end() - base.offset == base.numel() && !may_overlap(base.sizes, base.strides);
    if (base.empty() || view.empty()) {
      y = zeros(view.sizes, x.dtype());
    } else if (dense && view.offset >= base.offset && view.end() <= base.end()) {
      const Tensor same_order = x.strides() == base.strides ? x : clone_like(x, base.strides);
      y = alias(same_order, view.sizes, view.strides, same_order.storage_offset() + view.offset - base.offset);
    } else {
      Cells cells(base, view, x.dtype());
      cells.add(base, shared(x, base));
      y = cells.at(view);
    }
  }
  record("as_strided_gather", y, {x}, [base, view](Gradients& g) {
    g.set(0,
          [&] { return as_strided_scatter(g.dy(), base.sizes, base.strides, base.offset, view.strides, view.offset); });
  });
  return y;
}

}  // namespace dlcore
