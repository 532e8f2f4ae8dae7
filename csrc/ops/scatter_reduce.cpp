// scatter_reduce: elements that an index brings to the same place are summed, multiplied, averaged or compared.
#include <limits>

#include "ops/indexed.h"

namespace dlcore {
namespace {

using kernel::IndexWrite;

enum class Reduction : uint8_t { Sum, Prod, Mean, Amax, Amin };

Reduction reduction_of(const char* op, const std::string& text) {
  if (text == "sum" || text == "add") return Reduction::Sum;
  if (text == "prod" || text == "multiply") return Reduction::Prod;
  if (text == "mean") return Reduction::Mean;
  if (text == "amax") return Reduction::Amax;
  if (text == "amin") return Reduction::Amin;
  fail<RuntimeError>(op, ": reduce must be sum, prod, mean, amax or amin, got ", text);
}

// The value that changes nothing when it takes part.
Scalar identity(Reduction r, DType t) {
  const bool real = is_floating(t);
  switch (r) {
    case Reduction::Sum:
    case Reduction::Mean:
      return 0;
    case Reduction::Prod:
      return 1;
    default:
      break;
  }
  const bool lowest = r == Reduction::Amax;
  if (real) return lowest ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  switch (t) {
    case DType::Bool:
      return !lowest;
    case DType::UInt8:
      return lowest ? 0 : 255;
    default:
      break;
  }
  const int64_t top = static_cast<int64_t>(~uint64_t{0} >> (65 - 8 * item_size(t)));
  return lowest ? -top - 1 : top;
}

IndexWrite write_of(Reduction r) {
  switch (r) {
    case Reduction::Prod:
      return IndexWrite::Multiply;
    case Reduction::Amax:
      return IndexWrite::Max;
    case Reduction::Amin:
      return IndexWrite::Min;
    default:
      return IndexWrite::Add;
  }
}

// How many elements met in each place of a tensor shaped like x; 1 where none did.
Tensor meeting(const Tensor& x, int64_t dim, const Tensor& index, bool include_self, DType dtype) {
  NoGrad no_grad;
  const Tensor n = ones(x.sizes(), dtype);
  if (!include_self) scatter_into("scatter_reduce", IndexWrite::Copy, n, dim, index, zeros({}, dtype), true);
  scatter_into("scatter_reduce", IndexWrite::Add, n, dim, index, ones({}, dtype), true);
  return n;
}

void reduce_into(const Tensor& y, Reduction r, int64_t dim, const Tensor& index, const Tensor& src, bool include_self) {
  constexpr const char* op = "scatter_reduce";
  if (index.numel() == 0) return;
  NoGrad no_grad;
  accumulate_wide(y, src, [&](const Tensor& y, const Tensor& src) {
    if (!include_self)
      scatter_into(op, IndexWrite::Copy, y, dim, index, full({}, identity(r, y.dtype()), y.dtype()), true);
    scatter_into(op, write_of(r), y, dim, index, src);
    if (r != Reduction::Mean) return;
    const Tensor n = meeting(y, dim, index, include_self, y.dtype());
    copy_data(y, is_floating(y.dtype()) ? div(y, n) : floor_divide(y, n));
  });
}

// y and the inputs are what the forward pass saw; dx where first, else dsrc.
Tensor reduce_gradient(bool first, const Tensor& dy, Reduction r, int64_t dim, const Tensor& index, const Tensor& x,
                       const Tensor& src, const Tensor& y, bool include_self) {
  const auto without_self = [&](const Tensor& dx) { return include_self ? dx : scatter(dx, dim, index, Scalar(0)); };
  const auto read = [&](const Tensor& t) { return gather(t, dim, index); };
  switch (r) {
    case Reduction::Sum:
      return first ? without_self(dy) : read(dy);
    case Reduction::Mean: {
      const Tensor d = div(dy, meeting(x, dim, index, include_self, x.dtype()));
      return first ? without_self(d) : read(d);
    }
    case Reduction::Prod: {
      // The product of the others is y / x, or where x is 0 the product with 1 in its place.
      if (first) {
        const Tensor others = masked_fill(x, eq(x, number(0)), number(1));
        return without_self(div(mul(dy, scatter_reduce(others, dim, index, src, "prod", include_self)), others));
      }
      const Tensor zero = eq(src, number(0));
      const Tensor zeros_met = read(scatter_add(zeros_like(x), dim, index, to_dtype(zero, x.dtype())));
      const Tensor only_zero = logical_and(zero, eq(zeros_met, number(1)));
      const Tensor others = scatter_reduce(x, dim, index, masked_fill(src, only_zero, number(1)), "prod", include_self);
      return where(only_zero, read(mul(dy, others)), div(read(mul(dy, y)), masked_fill(src, zero, number(1))));
    }
    default: {
      // Those that equal the result share its gradient.
      const Tensor x_won = without_self(to_dtype(eq(x, y), x.dtype()));
      const Tensor src_won = to_dtype(eq(src, read(y)), x.dtype());
      const Tensor share = div(dy, scatter_add(x_won, dim, index, src_won));
      return first ? where(eq(x_won, number(0)), zeros_like(share), share) : mul(src_won, read(share));
    }
  }
}

Tensor scatter_reduced(const char* op, bool in_place, const Tensor& x, int64_t d, const Tensor& index,
                       const Tensor& src, const std::string& reduce, bool include_self) {
  const Reduction r = reduction_of(op, reduce);
  const int64_t dim = check_scatter(op, x, d, index, src);
  DLCORE_CHECK(!in_place || !needs_graph(x, src) || r == Reduction::Sum, NotImplementedError, op,
               ": the gradient of the in-place form is there for sum only; use scatter_reduce");
  Saved saved_x, saved_src;
  if (needs_graph(x, src) && r != Reduction::Sum) {
    DLCORE_CHECK(index.sizes() == src.sizes(), NotImplementedError, op,
                 ": the gradient needs index and src of one shape; got ", index.sizes(), " and ", src.sizes());
    saved_x = Saved(x);
    saved_src = Saved(src);
  }
  auto result = std::make_shared<Saved>();
  Tensor y = written(
      op, in_place, x, {src}, [&](const Tensor& y) { reduce_into(y, r, dim, index, src, include_self); },
      [=, index = Saved(index), x = std::move(saved_x), src = std::move(saved_src),
       src_sizes = sizes_of(src)](Gradients& g) {
        if (r == Reduction::Sum) {
          g.set(0, [&] { return include_self ? g.dy() : scatter(g.dy(), dim, index(), Scalar(0)); });
          g.set(1, [&] { return src_gradient(g.dy(), dim, index(), src_sizes); });
          return;
        }
        const Tensor y = result->get(g);
        for (size_t i : {0, 1})
          g.set(i, [&] { return reduce_gradient(i == 0, g.dy(), r, dim, index(), x(), src(), y, include_self); });
      });
  if (r != Reduction::Sum && y.impl()->grad_fn) *result = Saved::output(y);
  return y;
}

}  // namespace

Tensor scatter_reduce(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src, const std::string& reduce,
                      bool include_self) {
  return scatter_reduced("scatter_reduce", false, x, dim, index, src, reduce, include_self);
}
Tensor scatter_reduce_(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src, const std::string& reduce,
                       bool include_self) {
  return scatter_reduced("scatter_reduce_", true, x, dim, index, src, reduce, include_self);
}

}  // namespace dlcore
