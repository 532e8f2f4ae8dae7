// Copies of a tensor in another arrangement, and the in-place changes of a tensor's shape.
#include "core/launch.h"
#include "kernels/registry.h"
#include "ops/internal.h"

namespace dlcore {

// ---- repeating

namespace {

// y, whose elements in order are those of x read with these sizes and strides (0 repeats).
Tensor read_with(const Tensor& x, IntSpan y_sizes, IntSpan sizes, IntSpan strides) {
  Tensor y = new_tensor(y_sizes, x.dtype());
  copy_data(alias(y, sizes, contiguous_strides(sizes), 0), alias(x, sizes, strides, x.storage_offset()));
  return y;
}

}  // namespace

Tensor repeat(const Tensor& x, IntSpan repeats) {
  const int64_t n = repeats.size(), added = n - x.dim();
  DLCORE_CHECK(added >= 0, RuntimeError, "repeat: repeats must have at least one entry a dimension; expected ", x.dim(),
               " but got ", repeats);
  Dims shape, sizes, strides, summed;  // dimension i of y is (repeats_i, x_i) in sizes
  for (int64_t i = 0; i < n; ++i) {
    DLCORE_CHECK(repeats[i] >= 0, RuntimeError, "repeat: repeats must not be negative, got ", repeats);
    const int64_t size = i < added ? 1 : x.sizes()[i - added];
    int64_t total;
    DLCORE_CHECK(!__builtin_mul_overflow(repeats[i], size, &total), RuntimeError, "repeat: too many elements");
    shape.push_back(total);
    if (repeats[i] != 1) {
      summed.push_back(sizes.size());
      sizes.push_back(repeats[i]);
      strides.push_back(0);
    }
    sizes.push_back(size);
    strides.push_back(i < added ? 0 : x.strides()[i - added]);
  }
  Tensor y = read_with(x, shape, sizes, strides);
  record("repeat", y, {x}, [sizes, summed](Gradients& g) {
    g.set(0, [&] { return summed.empty() ? g.dy() : sum(reshape(g.dy(), sizes), IntSpan(summed)); });
  });
  return y;
}

Tensor tile(const Tensor& x, IntSpan dims) {
  Dims repeats(std::max<int64_t>(x.dim() - dims.size(), 0), 1);
  for (int64_t r : dims) repeats.push_back(r);
  return repeat(x, repeats);
}

Tensor repeat_interleave(const Tensor& x, int64_t repeats, std::optional<int64_t> dim,
                         std::optional<int64_t> output_size) {
  DLCORE_CHECK(repeats >= 0, RuntimeError, "repeat_interleave: repeats must not be negative, got ", repeats);
  if (!dim || x.dim() == 0) return repeat_interleave(reshape(x, {-1}), repeats, 0, output_size);
  const int64_t d = wrap_dim("repeat_interleave", *dim, x.dim());
  Dims shape = sizes_of(x), sizes = shape, strides(x.strides());
  DLCORE_CHECK(!__builtin_mul_overflow(shape[d], repeats, &shape[d]), RuntimeError,
               "repeat_interleave: too many elements");
  DLCORE_CHECK(!output_size || *output_size == shape[d], RuntimeError, "repeat_interleave: output_size must be ",
               shape[d], " but got ", *output_size);
  sizes.insert(d + 1, repeats);
  strides.insert(d + 1, 0);
  Tensor y = read_with(x, shape, sizes, strides);
  record("repeat_interleave", y, {x},
         [sizes, d](Gradients& g) { g.set(0, [&] { return sum(reshape(g.dy(), sizes), IntSpan{d + 1}); }); });
  return y;
}

Tensor repeat_interleave(const Tensor& repeats, std::optional<int64_t> output_size) {
  DLCORE_CHECK(repeats.dtype() == DType::Int64 || repeats.dtype() == DType::Int32, NotImplementedError,
               "repeat_interleave: repeats must be int64 or int32 but got ", name(repeats.dtype()));
  DLCORE_CHECK(repeats.dim() == 1, RuntimeError, "repeat_interleave: repeats must have 1 dimension but got shape ",
               repeats.sizes());
  const Tensor counts = contiguous(to_dtype(repeats, DType::Int64));
  const int64_t* count = counts.data<int64_t>();
  int64_t total = 0;
  for (int64_t i = 0; i < counts.numel(); ++i) {
    DLCORE_CHECK(count[i] >= 0, RuntimeError, "repeat_interleave: repeats must not be negative, got ", count[i]);
    DLCORE_CHECK(!__builtin_add_overflow(total, count[i], &total), RuntimeError,
                 "repeat_interleave: too many elements");
  }
  DLCORE_CHECK(!output_size || *output_size == total, RuntimeError, "repeat_interleave: output_size must be ", total,
               " but got ", output_size.value_or(0));
  Tensor y = new_tensor({total}, DType::Int64);
  int64_t* to = y.data<int64_t>();
  for (int64_t i = 0; i < counts.numel(); ++i) to = std::fill_n(to, count[i], i);
  return to_dtype(y, repeats.dtype());
}

Tensor repeat_interleave(const Tensor& x, const Tensor& repeats, std::optional<int64_t> dim,
                         std::optional<int64_t> output_size) {
  if (!dim || x.dim() == 0)
    return repeat_interleave(reshape(x, {-1}), repeats, x.dim() == 1 && dim ? *dim : 0, output_size);
  const int64_t d = wrap_dim("repeat_interleave", *dim, x.dim());
  DLCORE_CHECK(repeats.dim() == 0 || (repeats.dim() == 1 && (repeats.numel() == 1 || repeats.numel() == x.sizes()[d])),
               RuntimeError, "repeat_interleave: repeats must have one entry for each of the ", x.sizes()[d],
               " elements along dim ", d, ", or one for all, but got shape ", repeats.sizes());
  return index_select(x, d, repeat_interleave(expand(reshape(repeats, {-1}), {x.sizes()[d]}), output_size));
}

// ---- turning

Tensor flip(const Tensor& x, IntSpan dims) {
  kernel::Walk w{};
  Tensor y = new_tensor(x.sizes(), x.dtype());
  Dims steps(x.strides());
  Dims flipped(x.dim(), 0);
  int64_t start = 0;
  for (int64_t dim : dims) {
    const int64_t d = wrap_dim("flip", dim, x.dim());
    if (x.dim() == 0) continue;
    DLCORE_CHECK(!flipped[d], RuntimeError, "flip: dim ", dim, " appears more than once in ", dims);
    flipped[d] = 1;
    start += (x.sizes()[d] - 1) * steps[d];
    steps[d] = -steps[d];
  }
  for (int64_t d = 0; d < x.dim(); ++d) {
    if (x.sizes()[d] == 1) continue;
    int64_t last = w.ndim - 1;
    if (last >= 0 &&
        w.steps[last] == steps[d] * x.sizes()[d]) {  // walks on where dimension d ends: one dimension for both
      w.sizes[last] *= x.sizes()[d];
    } else {
      last = w.ndim++;
      w.sizes[last] = x.sizes()[d];
    }
    w.steps[last] = steps[d];
  }
  if (w.ndim == 0) w.sizes[w.ndim++] = 1;
  if (x.numel() > 0) {
    w.y = y.raw_data();
    w.item = item_size(x.dtype());
    w.x = static_cast<const char*>(x.raw_data()) + start * w.item;
    launch("flip", {2.0 * double(x.numel() * w.item)}, [&] { kernels().walk(w); });
  }
  record("flip", y, {x}, [dims = Dims(dims)](Gradients& g) { g.set(0, [&] { return flip(g.dy(), dims); }); });
  return y;
}

Tensor fliplr(const Tensor& x) {
  DLCORE_CHECK(x.dim() >= 2, RuntimeError, "fliplr: input must have at least 2 dimensions but got shape ", x.sizes());
  return flip(x, {1});
}

Tensor flipud(const Tensor& x) {
  DLCORE_CHECK(x.dim() >= 1, RuntimeError, "flipud: input must have at least 1 dimension but got shape ", x.sizes());
  return flip(x, {0});
}

Tensor roll(const Tensor& x, IntSpan shifts, IntSpan dims) {
  DLCORE_CHECK(!shifts.empty(), RuntimeError, "roll: shifts must not be empty");
  if (dims.empty() && shifts.size() == 1) return reshape(roll(reshape(x, {-1}), shifts, {0}), x.sizes());
  DLCORE_CHECK(shifts.size() == dims.size(), RuntimeError, "roll: shifts and dims must be equally long; got ", shifts,
               " and ", dims);
  DLCORE_CHECK(x.dim() > 0, IndexError, "roll: a tensor with no dimensions has no dimension ", dims[0]);
  Dims shift(x.dim(), 0), back;
  for (int64_t i = 0; i < dims.size(); ++i) {
    const int64_t d = wrap_dim("roll", dims[i], x.dim()), n = std::max<int64_t>(x.sizes()[d], 1);
    shift[d] = (shift[d] + shifts[i] % n + n) % n;
    back.push_back(-(shifts[i] % n));
  }
  Tensor y = new_tensor(x.sizes(), x.dtype());
  // Along each rolled dimension x falls into two parts that change places.
  const auto move = [&](const auto& self, const Tensor& from, const Tensor& to, int64_t d) -> void {
    while (d < x.dim() && shift[d] == 0) ++d;
    if (from.numel() == 0) return;
    if (d == x.dim()) return copy_data(to, from);
    const int64_t n = x.sizes()[d], s = shift[d];
    self(self, narrow(from, d, 0, n - s), narrow(to, d, s, n - s), d + 1);
    self(self, narrow(from, d, n - s, s), narrow(to, d, 0, s), d + 1);
  };
  {
    NoGrad no_grad;
    move(move, x, y, 0);
  }
  record("roll", y, {x},
         [back, dims = Dims(dims)](Gradients& g) { g.set(0, [&] { return roll(g.dy(), back, dims); }); });
  return y;
}

Tensor rot90(const Tensor& x, int64_t k, IntSpan dims) {
  DLCORE_CHECK(dims.size() == 2, RuntimeError, "rot90: dims must name two dimensions but got ", dims);
  DLCORE_CHECK(x.dim() >= 2, RuntimeError, "rot90: input must have at least 2 dimensions but got shape ", x.sizes());
  const int64_t a = wrap_dim("rot90", dims[0], x.dim()), b = wrap_dim("rot90", dims[1], x.dim());
  DLCORE_CHECK(a != b, RuntimeError, "rot90: dims must differ but got ", dims);
  switch ((k % 4 + 4) % 4) {
    case 1:
      return transpose(flip(x, {b}), a, b);
    case 2:
      return flip(x, {a, b});
    case 3:
      return transpose(flip(x, {a}), a, b);
    default:
      return clone(x);
  }
}

// ---- triangles and diagonals

namespace {

Tensor triangle(const char* op, const Tensor& x, int64_t diagonal, bool lower) {
  DLCORE_CHECK(x.dim() >= 2, RuntimeError, op, ": input must have at least 2 dimensions but got shape ", x.sizes());
  const int64_t n = x.dim(), rows = x.sizes()[n - 2], cols = x.sizes()[n - 1], item = item_size(x.dtype());
  Tensor y = new_tensor(x.sizes(), x.dtype());
  if (x.numel() > 0) {
    NoGrad no_grad;
    const Tensor dense = contiguous(x);
    const int64_t k = std::clamp(diagonal, -rows - 1, cols + 1);
    const kernel::Triangle t{y.raw_data(), dense.raw_data(), item, x.numel() / (rows * cols), rows, cols, k, lower};
    launch(op, {2.0 * double(x.numel() * item)}, [&] { kernels().triangle(t); });
  }
  record(op, y, {x},
         [op, diagonal, lower](Gradients& g) { g.set(0, [&] { return triangle(op, g.dy(), diagonal, lower); }); });
  return y;
}

}  // namespace

Tensor tril(const Tensor& x, int64_t diagonal) { return triangle("tril", x, diagonal, true); }
Tensor triu(const Tensor& x, int64_t diagonal) { return triangle("triu", x, diagonal, false); }

Tensor diag(const Tensor& x, int64_t diagonal) {
  DLCORE_CHECK(x.dim() == 1 || x.dim() == 2, RuntimeError, "diag: input must have 1 or 2 dimensions but got shape ",
               x.sizes());
  return x.dim() == 1 ? diag_embed(x, diagonal) : clone(dlcore::diagonal(x, diagonal));
}

Tensor diagflat(const Tensor& x, int64_t offset) { return diag_embed(reshape(x, {-1}), offset); }

Tensor diag_embed(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  DLCORE_CHECK(x.dim() > 0, RuntimeError, "diag_embed: input must have at least 1 dimension");
  const int64_t n = x.dim() + 1, a = wrap_dim("diag_embed", dim1, n), b = wrap_dim("diag_embed", dim2, n);
  DLCORE_CHECK(a != b, RuntimeError, "diag_embed: dim1 and dim2 must differ, got ", dim1, " and ", dim2);
  const int64_t last = x.sizes()[x.dim() - 1];
  DLCORE_CHECK(offset > -(int64_t{1} << 40) && offset < (int64_t{1} << 40), RuntimeError,
               "diag_embed: offset is too large: ", offset);
  const int64_t side = last + std::abs(offset);
  Dims sizes;
  for (int64_t d = 0, from = 0; d < n; ++d) sizes.push_back(d == a || d == b ? side : x.sizes()[from++]);
  Tensor y;
  {
    NoGrad no_grad;
    y = zeros(sizes, x.dtype());
    copy_data(dlcore::diagonal(y, offset, a, b), x);
  }
  record("diag_embed", y, {x},
         [offset, a, b](Gradients& g) { g.set(0, [&] { return diagonal(g.dy(), offset, a, b); }); });
  return y;
}

// ---- order in memory

bool is_contiguous(const Tensor& x, const std::string& format) {
  const Dims strides = strides_of_format("is_contiguous", x.sizes(), format);
  for (int64_t d = 0; d < x.dim() && x.numel() > 0; ++d)
    if (x.sizes()[d] != 1 && x.strides()[d] != strides[d]) return false;
  return true;
}

Tensor contiguous(const Tensor& x, const std::string& format) {
  return is_contiguous(x, format) ? x : clone_like(x, strides_of_format("contiguous", x.sizes(), format));
}

Tensor clone(const Tensor& x, const std::string& format) {
  return format == "preserve_format" ? clone(x) : clone_like(x, strides_of_format("clone", x.sizes(), format));
}

// ---- in place

namespace {

template <class View>
Tensor become(const char* op, const Tensor& x, const View& view_of) {
  TensorImpl& t = *x.impl();
  DLCORE_CHECK(!is_grad_enabled() || !t.requires_grad || t.grad_fn, RuntimeError, op,
               ": a leaf tensor that requires grad is being used in an in-place operation");
  GradMode mode(is_grad_enabled() || t.grad_fn);  // a tensor's history must lead to the shape that it has
  const Tensor y = view_of(t.base.defined() ? x : shadow(x));
  const TensorImpl& v = *y.impl();
  t.sizes = v.sizes;
  t.strides = v.strides;
  t.offset = v.offset;
  refresh_geometry(t);
  t.bump_version();  // whoever kept x for backward kept its old shape
  t.view_version = t.version();
  if (v.grad_fn) {
    t.grad_fn = v.grad_fn;
    t.output_nr = v.output_nr;
    t.requires_grad = true;
  }
  return x;
}

}  // namespace

Tensor squeeze_(const Tensor& x, std::optional<IntSpan> dim) {
  return become("squeeze_", x, [&](const Tensor& x) { return squeeze(x, dim); });
}
Tensor unsqueeze_(const Tensor& x, int64_t dim) {
  return become("unsqueeze_", x, [&](const Tensor& x) { return unsqueeze(x, dim); });
}
Tensor transpose_(const Tensor& x, int64_t dim0, int64_t dim1) {
  return become("transpose_", x, [&](const Tensor& x) { return transpose(x, dim0, dim1); });
}
Tensor t_(const Tensor& x) {
  return become("t_", x, [](const Tensor& x) { return t(x); });
}
Tensor as_strided_(const Tensor& x, IntSpan sizes, IntSpan strides, std::optional<int64_t> offset) {
  return become("as_strided_", x, [&](const Tensor& x) { return as_strided(x, sizes, strides, offset); });
}

}  // namespace dlcore
