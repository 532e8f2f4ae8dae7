#include "ops/axis_map.h"

namespace dlcore {
namespace {

// What the new elements of one dimension show.
struct Sides {
  int64_t in, before, after;
  int64_t out() const { return in + before + after; }
  int64_t kept() const { return in + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0); }
};

// pad's numbers for dimension dim of x, or zeros.
Sides sides_of(const Tensor& x, IntSpan pad, int64_t dim) {
  const int64_t i = 2 * (x.dim() - 1 - dim);
  return i < pad.size() ? Sides{x.size(dim), pad[i], pad[i + 1]} : Sides{x.size(dim), 0, 0};
}

enum class PadMode { Reflect, Replicate, Circular };

// The source of place o of the padded dimension. What wraps around is what taking away leaves.
int64_t source(PadMode mode, int64_t o, const Sides& s) {
  const int64_t i = o - s.before;
  switch (mode) {
    case PadMode::Reflect:
      return s.in - 1 - std::abs(s.in - 1 - std::abs(i));
    case PadMode::Replicate:
      return std::min(std::max<int64_t>(i, 0), s.in - 1);
    case PadMode::Circular: {
      const int64_t first = std::max<int64_t>(-s.before, 0), n = s.kept();
      return first + ((i - first) % n + n) % n;
    }
  }
  return i;
}

void check_sides(PadMode mode, const Sides& s, int64_t dim, const Tensor& x) {
  DLCORE_CHECK(s.out() >= (mode == PadMode::Circular ? 0 : 1), RuntimeError, "pad: the padded size of dimension ", dim,
               mode == PadMode::Circular ? " must not be negative" : " must be positive", "; got ", s.in, " + ",
               s.before, " + ", s.after);
  if (mode == PadMode::Replicate) return;
  DLCORE_CHECK(mode == PadMode::Reflect || s.kept() > 0 || s.out() == 0, RuntimeError,
               "pad: mode \"circular\" has nothing to repeat in dimension ", dim, " of input of shape ", x.sizes(),
               " with a padding of ", s.before, ", ", s.after);
  const int64_t most = mode == PadMode::Reflect ? s.in - 1 : s.in;
  DLCORE_CHECK(std::max(s.before, s.after) <= most, RuntimeError, "pad: mode \"",
               mode == PadMode::Reflect ? "reflect" : "circular", "\" needs a padding of at most ", most,
               " in dimension ", dim, " of input of shape ", x.sizes(), ", but got ", s.before, ", ", s.after);
}

Tensor pad_constant(const Tensor& x, const Dims& pad, const Scalar& value) {
  Dims sizes(x.sizes());
  Tensor from = x.detach();
  for (int64_t dim = 0; dim < x.dim(); ++dim) {
    const Sides s = sides_of(x, pad, dim);
    DLCORE_CHECK(s.out() >= 0 && s.kept() >= 0, RuntimeError, "pad: the padded size of dimension ", dim,
                 " must not be negative; got ", s.in, " + ", s.before, " + ", s.after);
    sizes[dim] = s.out();
    if (s.before < 0 || s.after < 0)
      from = slice(from, dim, std::max<int64_t>(-s.before, 0), s.in - std::max<int64_t>(-s.after, 0));
  }
  checked_numel("pad", sizes);
  Tensor y = new_tensor(sizes, layout_of(x), x.dtype());
  if (from.numel() < y.numel()) copy_data(y, full({}, value, x.dtype()));
  Tensor inside = y.detach();
  for (int64_t dim = 0; dim < x.dim(); ++dim)
    inside = narrow(inside, dim, std::max<int64_t>(sides_of(x, pad, dim).before, 0), from.size(dim));
  if (from.numel() > 0) copy_data(inside, from);
  record("pad", y, {x}, [pad](Gradients& grads) {
    grads.set(0, [&] {
      Dims back = pad;
      for (int64_t& n : back) n = -n;
      return pad_constant(grads.dy(), back, 0);
    });
  });
  return y;
}

// Sources along each axis, as lists for numbers with gradients and otherwise as indices.
Tensor pad_from(const Tensor& x, IntSpan pad, PadMode mode) {
  const auto each = [&](int64_t dim, const auto& use) {
    const Sides s = sides_of(x, pad, dim);
    for (int64_t i = 0; i < s.out(); ++i) use(source(mode, i, s));
  };
  for (int64_t dim = 2; dim < x.dim(); ++dim) check_sides(mode, sides_of(x, pad, dim), dim, x);
  if (is_floating(x.dtype()))
    return resample("pad", x, make_axes(x, [&](int64_t i) {
                      AxisList list(x.size(2 + i), sides_of(x, pad, 2 + i).out());
                      each(2 + i, [&](int64_t place) {
                        list.add(place);
                        list.next();
                      });
                      return list;
                    }));
  Tensor y = x;
  for (int64_t dim = 2; dim < x.dim(); ++dim) {
    Tensor index = new_tensor({sides_of(x, pad, dim).out()}, DType::Int64);
    int64_t* to = index.data<int64_t>();
    each(dim, [&](int64_t place) { *to++ = place; });
    y = index_select(y, dim, index);
  }
  return y;
}

}  // namespace

Tensor pad(const Tensor& x, IntSpan pad, const std::string& mode, std::optional<Scalar> value) {
  DLCORE_CHECK(pad.size() % 2 == 0, RuntimeError, "pad: pad must hold two numbers a dimension, but got ", pad);
  DLCORE_CHECK(pad.size() <= 2 * x.dim(), RuntimeError, "pad: pad must hold at most two numbers for each of ", x.dim(),
               " dimensions, but got ", pad);
  constexpr int64_t kMost = int64_t{1} << 48;  // so that sums do not overflow
  for (const int64_t n : pad)
    DLCORE_CHECK(n < kMost && n > -kMost, RuntimeError, "pad: a padding of ", n, " is too large");
  if (mode == "constant") return pad_constant(x, pad, value.value_or(Scalar(0)));
  DLCORE_CHECK(mode == "reflect" || mode == "replicate" || mode == "circular", NotImplementedError,
               "pad: mode must be constant, reflect, replicate or circular, but got ", mode);
  DLCORE_CHECK(!value || value->to_double() == 0, RuntimeError, "pad: mode \"", mode, "\" takes no value");
  const int64_t spatial = pad.size() / 2;
  DLCORE_CHECK(spatial >= 1 && spatial <= 3 && (x.dim() == spatial + 1 || x.dim() == spatial + 2), NotImplementedError,
               "pad: mode \"", mode,
               "\" pads all spatial dimensions of (N, C, spatial...) or (C, spatial...); expected 2",
               " numbers for each of 1 to 3 of them but got ", pad.size(), " for input of shape ", x.sizes());
  for (int64_t dim = x.dim() - spatial - 1; dim < x.dim(); ++dim)
    DLCORE_CHECK(x.size(dim) > 0, RuntimeError, "pad: only the batch of input may be empty, but got shape ", x.sizes());
  const PadMode known = mode == "reflect"     ? PadMode::Reflect
                        : mode == "replicate" ? PadMode::Replicate
                                              : PadMode::Circular;
  return on_batch(x, spatial, [&](const Tensor& batch) { return pad_from(batch, pad, known); });
}

}  // namespace dlcore
