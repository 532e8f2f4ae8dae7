// Views: tensors over another tensor's memory. Each states its geometry and, as its gradient, the view that leads back.
#include "ops/layout.h"

namespace dlcore {
namespace {

// Zeros shaped like the input, with dy where the view `of` a tensor of that shape lies.
template <class View>
Tensor place(const Tensor& dy, IntSpan sizes, const View& of) {
  Tensor x;
  {
    NoGrad no_grad;
    x = zeros(sizes, dy.dtype());
    copy_data(of(x), dy);
  }
  record("place", x, {dy}, [of](Gradients& g) { g.set(0, [&] { return of(g.dy()); }); });
  return x;
}

// A view whose elements are some of x's, each once. `of` takes the same view of any tensor shaped like x.
template <class View>
Tensor partial_view(const char* op, const Tensor& x, IntSpan sizes, IntSpan strides, int64_t offset, View of) {
  return make_view(op, x, sizes, strides, offset,
                   [shape = sizes_of(x), of](const Tensor& dy) { return place(dy, shape, of); });
}

// Several views with one gradient: backward(dy of every view) -> dx.
template <class F>
void record_views(const char* op, TensorList& views, const Tensor& x, F backward) {
  if (!needs_graph(x)) return;
  auto formula = [backward](Gradients& g) {
    g.set(0, [&] {
      TensorList dy;
      for (size_t i = 0; i < g.all_dy().size(); ++i) dy.push_back(g.dy(static_cast<int>(i)));
      return backward(dy);
    });
  };
  std::vector<Tensor*> outputs;
  for (Tensor& v : views) outputs.push_back(&v);
  const Tensor* input = &x;
  attach(Ref<Node>::adopt(new FunctionNode<decltype(formula)>(std::move(formula))), op, &input, 1, outputs.data(),
         outputs.size());
}

// The sizes with -1 replaced by what remains of numel.
Dims complete_sizes(const char* op, IntSpan sizes, const Tensor& x) {
  Dims result(sizes);
  int64_t known = 1, open = -1;
  for (int64_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == -1) {
      DLCORE_CHECK(open < 0, RuntimeError, op, ": only one size can be -1, got ", sizes);
      open = i;
      continue;
    }
    DLCORE_CHECK(sizes[i] >= 0, RuntimeError, op, ": sizes must be -1 or not negative, got ", sizes);
    DLCORE_CHECK(!__builtin_mul_overflow(known, sizes[i], &known), RuntimeError, op, ": shape ", sizes,
                 " has too many elements");
  }
  if (open >= 0) {
    DLCORE_CHECK(known != 0, RuntimeError, op, ": the size -1 in ", sizes, " is ambiguous: the others hold no element");
    result[open] = x.numel() / known;
    known *= result[open];
  }
  DLCORE_CHECK(known == x.numel(), RuntimeError, op, ": size must hold as many elements as the input; got ", sizes,
               " for an input of shape ", x.sizes());
  return result;
}

Tensor reshape_view(const char* op, const Tensor& x, IntSpan sizes, IntSpan strides) {
  return make_view(op, x, sizes, strides, x.storage_offset(),
                   [shape = sizes_of(x)](const Tensor& dy) { return reshape(dy, shape); });
}

}  // namespace

// Walks both shapes from the last dimension: each run of dimensions that lie behind one another in memory must be cut
// into the new sizes exactly.
std::optional<Dims> view_strides(IntSpan sizes, IntSpan strides, IntSpan new_sizes) {
  int64_t numel = 1;
  for (int64_t s : sizes) numel *= s;
  if (numel == 0) return sizes == new_sizes ? Dims(strides) : contiguous_strides(new_sizes);
  Dims result(new_sizes.size(), 1);
  int64_t next = new_sizes.size() - 1;
  int64_t run = 1;                                    // elements in the run of old dimensions
  int64_t step = sizes.empty() ? 1 : strides.back();  // stride of its last one
  for (int64_t i = sizes.size() - 1; i >= 0; --i) {
    run *= sizes[i];
    const bool ends = i == 0 || (sizes[i - 1] != 1 && strides[i - 1] != run * step);
    if (!ends) continue;
    int64_t cut = 1;
    for (; next >= 0 && (cut < run || new_sizes[next] == 1); --next) {
      result[next] = cut * step;
      cut *= new_sizes[next];
    }
    if (cut != run) return {};
    if (i > 0) {
      step = strides[i - 1];
      run = 1;
    }
  }
  return next < 0 || sizes.empty() ? std::optional(result) : std::nullopt;
}

// ---- sizes

Tensor view(const Tensor& x, IntSpan sizes) {
  const Dims shape = complete_sizes("view", sizes, x);
  const auto strides = view_strides(x.sizes(), x.strides(), shape);
  // The library chose this order by itself: code that knows nothing of it must go on working.
  if (!strides && !x.impl()->base.defined() && layout_of(x) == Layout::ChannelsLast) return reshape(x, sizes);
  DLCORE_CHECK(strides, RuntimeError, "view: size ", shape, " is not compatible with an input of shape ", x.sizes(),
               " and strides ", x.strides(), ": a dimension would span two pieces of memory; use reshape instead");
  return reshape_view("view", x, shape, *strides);
}

Tensor reshape(const Tensor& x, IntSpan sizes) {
  const Dims shape = complete_sizes("reshape", sizes, x);
  if (const auto strides = view_strides(x.sizes(), x.strides(), shape))
    return reshape_view("reshape", x, shape, *strides);
  Tensor y;
  {
    NoGrad no_grad;
    y = clone_like(x, contiguous_strides(x.sizes()));
  }
  y.impl()->sizes = shape;
  y.impl()->strides = contiguous_strides(shape);
  record("reshape", y, {x}, [sizes = sizes_of(x)](Gradients& g) { g.set(0, [&] { return reshape(g.dy(), sizes); }); });
  return y;
}

Tensor view_dtype(const Tensor& x, DType dtype) {
  const int64_t from = item_size(x.dtype()), to = item_size(dtype), last = x.dim() - 1;
  Dims sizes = sizes_of(x), strides(x.strides());
  int64_t offset = x.storage_offset();
  if (from != to) {
    DLCORE_CHECK(x.dim() > 0, RuntimeError,
                 "view: a tensor with no dimensions can only be viewed as a dtype of its item size; got ",
                 name(x.dtype()), " as ", name(dtype));
    DLCORE_CHECK(strides[last] == 1, RuntimeError, "view: to be viewed as ", name(dtype),
                 " the last dimension's stride must be 1, got ", strides[last]);
  }
  if (from > to) {
    const int64_t ratio = from / to;
    sizes[last] *= ratio;
    for (int64_t i = 0; i < last; ++i) strides[i] *= ratio;
    offset *= ratio;
  } else if (from < to) {
    const int64_t ratio = to / from;
    DLCORE_CHECK(sizes[last] % ratio == 0 && offset % ratio == 0, RuntimeError, "view: to be viewed as ", name(dtype),
                 " the last size and the storage offset must be multiples of ", ratio, ", got ", sizes[last], " and ",
                 offset);
    for (int64_t i = 0; i < last; ++i) {
      DLCORE_CHECK(strides[i] % ratio == 0, RuntimeError, "view: to be viewed as ", name(dtype),
                   " the strides must be multiples of ", ratio, ", got ", x.strides());
      strides[i] /= ratio;
    }
    sizes[last] /= ratio;
    offset /= ratio;
  }
  Tensor y = alias(x, sizes, strides, offset);
  y.impl()->dtype = dtype;
  record("view", y, {x},
         [](Gradients&) { fail<NotImplementedError>("view: the view as another dtype has no gradient"); });
  return y;
}

Tensor flatten(const Tensor& x, int64_t start_dim, int64_t end_dim) {
  const int64_t start = wrap_dim("flatten", start_dim, x.dim()), end = wrap_dim("flatten", end_dim, x.dim());
  DLCORE_CHECK(start <= end, RuntimeError, "flatten: start_dim must not come after end_dim; got ", start_dim, " and ",
               end_dim);
  if (x.dim() == 0) return reshape(x, {1});
  if (start == end) return x;
  Dims sizes;
  int64_t run = 1;
  for (int64_t i = start; i <= end; ++i) run *= x.sizes()[i];
  for (int64_t i = 0; i < start; ++i) sizes.push_back(x.sizes()[i]);
  sizes.push_back(run);
  for (int64_t i = end + 1; i < x.dim(); ++i) sizes.push_back(x.sizes()[i]);
  return reshape(x, sizes);
}

Tensor unflatten(const Tensor& x, int64_t dim, IntSpan sizes) {
  const int64_t d = wrap_dim("unflatten", dim, x.dim());
  DLCORE_CHECK(!sizes.empty(), RuntimeError, "unflatten: sizes must not be empty");
  int64_t known = 1, open = 0;
  for (int64_t s : sizes) s == -1 ? ++open : known *= s;
  const int64_t n = x.size(d);
  DLCORE_CHECK(open ? known != 0 && n % known == 0 : known == n, RuntimeError, "unflatten: sizes ", sizes,
               " must multiply to the size of dim ", dim, ", which is ", n);
  Dims shape;
  for (int64_t i = 0; i < d; ++i) shape.push_back(x.sizes()[i]);
  for (int64_t s : sizes) shape.push_back(s == -1 && open == 1 ? n / known : s);
  for (int64_t i = d + 1; i < x.dim(); ++i) shape.push_back(x.sizes()[i]);
  return view(x, shape);
}

Tensor ravel(const Tensor& x) { return reshape(x, {-1}); }

Tensor squeeze(const Tensor& x, std::optional<IntSpan> dim) {
  Dims drop(x.dim(), dim ? 0 : 1);
  if (dim)
    for (int64_t d : *dim) {
      const int64_t i = wrap_dim("squeeze", d, x.dim());
      if (x.dim() == 0) continue;
      DLCORE_CHECK(!drop[i], RuntimeError, "squeeze: dim ", d, " appears more than once in ", *dim);
      drop[i] = 1;
    }
  Dims sizes, strides;
  for (int64_t i = 0; i < x.dim(); ++i)
    if (!drop[i] || x.sizes()[i] != 1) {
      sizes.push_back(x.sizes()[i]);
      strides.push_back(x.strides()[i]);
    }
  return reshape_view("squeeze", x, sizes, strides);
}

Tensor unsqueeze(const Tensor& x, int64_t dim) {
  const int64_t d = wrap_dim("unsqueeze", dim, x.dim() + 1);
  Dims sizes = sizes_of(x), strides(x.strides());
  strides.insert(d, d < x.dim() ? sizes[d] * strides[d] : 1);
  sizes.insert(d, 1);
  return reshape_view("unsqueeze", x, sizes, strides);
}

// ---- order of dimensions

Tensor permute(const Tensor& x, IntSpan dims) {
  const int64_t n = x.dim();
  DLCORE_CHECK(dims.size() == n, RuntimeError, "permute: dims must name every dimension; expected ", n, " but got ",
               dims);
  Dims sizes(n, 0), strides(n, 0), back(n, -1);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t d = wrap_dim("permute", dims[i], n);
    DLCORE_CHECK(back[d] < 0, RuntimeError, "permute: dims must not repeat, got ", dims);
    back[d] = i;
    sizes[i] = x.sizes()[d];
    strides[i] = x.strides()[d];
  }
  return make_view("permute", x, sizes, strides, x.storage_offset(),
                   [back](const Tensor& dy) { return permute(dy, back); });
}

Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1) {
  const int64_t a = wrap_dim("transpose", dim0, x.dim()), b = wrap_dim("transpose", dim1, x.dim());
  Dims sizes = sizes_of(x), strides(x.strides());
  if (x.dim() > 0) {
    std::swap(sizes[a], sizes[b]);
    std::swap(strides[a], strides[b]);
  }
  return make_view("transpose", x, sizes, strides, x.storage_offset(),
                   [a, b](const Tensor& dy) { return transpose(dy, a, b); });
}

Tensor t(const Tensor& x) {
  DLCORE_CHECK(x.dim() <= 2, RuntimeError, "t: expected a tensor of at most 2 dimensions but got shape ", x.sizes());
  return transpose(x, 0, x.dim() < 2 ? 0 : 1);
}

Tensor numpy_t(const Tensor& x) {
  Dims dims(x.dim(), 0);
  for (int64_t i = 0; i < x.dim(); ++i) dims[i] = x.dim() - 1 - i;
  return permute(x, dims);
}

Tensor mT(const Tensor& x) {
  DLCORE_CHECK(x.dim() >= 2, RuntimeError, "mT: expected a matrix or a batch of matrices but got shape ", x.sizes());
  return transpose(x, -2, -1);
}

Tensor matrix_t(const Tensor& x) {
  DLCORE_CHECK(x.dim() == 2 || x.dim() == 0, RuntimeError, "H: expected a matrix but got shape ", x.sizes());
  return x.dim() == 0 ? x : transpose(x, 0, 1);
}

Tensor movedim(const Tensor& x, IntSpan source, IntSpan destination) {
  const int64_t n = x.dim();
  DLCORE_CHECK(source.size() == destination.size(), RuntimeError,
               "movedim: source and destination must be equally long; got ", source, " and ", destination);
  Dims order(n, -1), taken(n, 0);
  for (int64_t i = 0; i < source.size(); ++i) {
    const int64_t from = wrap_dim("movedim", source[i], n), to = wrap_dim("movedim", destination[i], n);
    if (n == 0) return x;
    DLCORE_CHECK(!taken[from], RuntimeError, "movedim: source must not repeat a dimension, got ", source);
    DLCORE_CHECK(order[to] < 0, RuntimeError, "movedim: destination must not repeat a dimension, got ", destination);
    order[to] = from;
    taken[from] = 1;
  }
  for (int64_t to = 0, from = 0; to < n; ++to) {
    if (order[to] >= 0) continue;
    while (taken[from]) ++from;
    order[to] = from++;
  }
  return permute(x, order);
}

// ---- repeating without copying

Tensor expand(const Tensor& x, IntSpan sizes) {
  const int64_t added = sizes.size() - x.dim();
  DLCORE_CHECK(added >= 0, RuntimeError,
               "expand: size must have at least as many entries as the input has dimensions; got ", sizes,
               " for an input of shape ", x.sizes());
  Dims shape(sizes), strides(sizes.size(), 0);
  for (int64_t i = 0; i < sizes.size(); ++i) {
    if (i < added) {
      DLCORE_CHECK(sizes[i] >= 0, RuntimeError, "expand: a new leading dimension needs its size, got ", sizes);
      continue;
    }
    const int64_t have = x.sizes()[i - added];
    if (sizes[i] == -1) shape[i] = have;
    DLCORE_CHECK(shape[i] == have || (have == 1 && shape[i] >= 0), RuntimeError, "expand: size ", sizes,
                 " does not fit an input of shape ", x.sizes(), ": dimension ", i, " can't go from ", have, " to ",
                 sizes[i]);
    strides[i] = have == 1 && shape[i] != 1 ? 0 : x.strides()[i - added];
  }
  (void)checked_numel("expand", shape);
  // The engine sums a gradient over the dimensions that its input does not have.
  return make_view("expand", x, shape, strides, x.storage_offset(), [](const Tensor& dy) { return dy; });
}

Tensor expand_as(const Tensor& x, const Tensor& other) { return expand(x, other.sizes()); }
Tensor broadcast_to(const Tensor& x, IntSpan sizes) { return expand(x, sizes); }

TensorList broadcast_tensors(const TensorList& tensors) {
  Dims shape;
  for (const Tensor& x : tensors) shape = broadcast_shapes("broadcast_tensors", shape, x.sizes());
  TensorList result;
  for (const Tensor& x : tensors) result.push_back(expand(x, shape));
  return result;
}

std::vector<int64_t> broadcast_shapes(const std::vector<std::vector<int64_t>>& shapes) {
  Dims shape;
  for (const auto& s : shapes) {
    (void)checked_numel("broadcast_shapes", s);
    shape = broadcast_shapes("broadcast_shapes", shape, s);
  }
  return IntSpan(shape).vec();
}

// ---- parts

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  DLCORE_CHECK(x.dim() > 0, IndexError, "select: a tensor with no dimensions cannot be indexed by position");
  const int64_t d = wrap_dim("select", dim, x.dim()), n = x.sizes()[d];
  DLCORE_CHECK(index >= -n && index < n, IndexError, "select: index ", index, " is out of range for dimension ", d,
               " of size ", n);
  const int64_t i = index < 0 ? index + n : index;
  Dims sizes = sizes_of(x), strides(x.strides());
  const int64_t offset = x.storage_offset() + i * strides[d];
  sizes.erase(d);
  strides.erase(d);
  return partial_view("select", x, sizes, strides, offset, [d, i](const Tensor& z) { return select(z, d, i); });
}

Tensor slice(const Tensor& x, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end, int64_t step) {
  DLCORE_CHECK(x.dim() > 0, IndexError, "slice: a tensor with no dimensions cannot be sliced");
  DLCORE_CHECK(step > 0, ValueError, "slice: step must be greater than zero, got ", step);
  const int64_t d = wrap_dim("slice", dim, x.dim()), n = x.sizes()[d];
  const auto bound = [n](int64_t i, int64_t low) { return std::clamp(i < 0 ? i + n : i, low, n); };
  const int64_t first = bound(start.value_or(0), 0), last = bound(end.value_or(n), first);
  Dims sizes = sizes_of(x), strides(x.strides());
  const int64_t offset = x.storage_offset() + (first < n ? first * strides[d] : 0);
  sizes[d] = last > first ? (last - first - 1) / step + 1 : 0;
  if (sizes[d] > 1) strides[d] *= step;
  return partial_view("slice", x, sizes, strides, offset,
                      [d, first, last, step](const Tensor& z) { return slice(z, d, first, last, step); });
}

Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length) {
  DLCORE_CHECK(x.dim() > 0, RuntimeError, "narrow: a tensor with no dimensions cannot be narrowed");
  const int64_t d = wrap_dim("narrow", dim, x.dim()), n = x.sizes()[d];
  DLCORE_CHECK(length >= 0, RuntimeError, "narrow: length must not be negative, got ", length);
  DLCORE_CHECK(start >= -n && start <= n, IndexError, "narrow: start must be in [", -n, ", ", n, "] but got ", start);
  const int64_t first = start < 0 ? start + n : start;
  DLCORE_CHECK(length <= n - first, RuntimeError, "narrow: start ", start, " + length ", length,
               " goes beyond dimension ", d, " of size ", n);
  return slice(x, d, first, first + length);
}

TensorList unbind(const Tensor& x, int64_t dim) {
  DLCORE_CHECK(x.dim() > 0, IndexError, "unbind: a tensor with no dimensions cannot be taken apart");
  const int64_t d = wrap_dim("unbind", dim, x.dim());
  Dims sizes = sizes_of(x), strides(x.strides());
  sizes.erase(d);
  strides.erase(d);
  TensorList views;
  for (int64_t i = 0; i < x.sizes()[d]; ++i)
    views.push_back(view_alias(x, sizes, strides, x.storage_offset() + i * x.strides()[d]));
  record_views("unbind", views, x, [d](const TensorList& dy) { return stack(dy, d); });
  return views;
}

TensorList split_with_sizes(const Tensor& x, IntSpan sizes, int64_t dim) {
  DLCORE_CHECK(x.dim() > 0, RuntimeError, "split: a tensor with no dimensions cannot be split");
  const int64_t d = wrap_dim("split", dim, x.dim()), n = x.sizes()[d];
  int64_t total = 0;
  for (int64_t s : sizes) {
    DLCORE_CHECK(s >= 0 && s <= n - total, RuntimeError, "split: sizes must be non-negative and add up to ", n,
                 " (dimension ", d, "), got ", sizes);
    total += s;
  }
  DLCORE_CHECK(total == n, RuntimeError, "split: sizes must add up to ", n, " (dimension ", d, "), got ", sizes);
  TensorList views;
  Dims shape = sizes_of(x);
  for (int64_t i = 0, at = 0; i < sizes.size(); at += sizes[i++]) {
    shape[d] = sizes[i];
    views.push_back(view_alias(x, shape, x.strides(), x.storage_offset() + (at < n ? at * x.strides()[d] : 0)));
  }
  record_views("split", views, x, [d](const TensorList& dy) { return cat(dy, d); });
  return views;
}

TensorList split(const Tensor& x, int64_t size, int64_t dim) {
  DLCORE_CHECK(x.dim() > 0, RuntimeError, "split: a tensor with no dimensions cannot be split");
  const int64_t n = x.size(dim);
  DLCORE_CHECK(size > 0 || (size == 0 && n == 0), RuntimeError, "split: split_size must be positive, got ", size);
  std::vector<int64_t> sizes(static_cast<size_t>(n ? (n - 1) / size + 1 : 1), size);
  sizes.back() = n ? n - size * (static_cast<int64_t>(sizes.size()) - 1) : 0;
  return split_with_sizes(x, sizes, dim);
}

TensorList chunk(const Tensor& x, int64_t chunks, int64_t dim) {
  DLCORE_CHECK(x.dim() > 0, RuntimeError, "chunk: a tensor with no dimensions cannot be split");
  DLCORE_CHECK(chunks > 0, RuntimeError, "chunk: chunks must be positive, got ", chunks);
  const int64_t n = x.size(dim), size = n ? (n - 1) / chunks + 1 : 0;
  if (size == 0) return split_with_sizes(x, std::vector<int64_t>(static_cast<size_t>(chunks), 0), dim);
  return split(x, size, dim);
}

TensorList tensor_split(const Tensor& x, int64_t sections, int64_t dim) {
  DLCORE_CHECK(x.dim() > 0, RuntimeError, "tensor_split: a tensor with no dimensions cannot be split");
  DLCORE_CHECK(sections > 0, RuntimeError, "tensor_split: the number of sections must be positive, got ", sections);
  const int64_t n = x.size(dim);
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < sections; ++i) sizes.push_back(n / sections + (i < n % sections ? 1 : 0));
  return split_with_sizes(x, sizes, dim);
}

TensorList tensor_split_at(const Tensor& x, IntSpan indices, int64_t dim) {
  DLCORE_CHECK(x.dim() > 0, RuntimeError, "tensor_split: a tensor with no dimensions cannot be split");
  TensorList result;
  int64_t start = 0;
  for (int64_t end : indices) {
    result.push_back(slice(x, dim, start, end));
    start = end;
  }
  result.push_back(slice(x, dim, start, {}));
  return result;
}

namespace {

int64_t split_dim(const char* op, const Tensor& x, int64_t dim, int64_t least) {
  DLCORE_CHECK(x.dim() >= least, RuntimeError, op, ": input must have at least ", least, " dimensions but got shape ",
               x.sizes());
  return std::min(dim, x.dim() - 1);
}

TensorList equal_split(const char* op, const Tensor& x, int64_t sections, int64_t dim, int64_t least) {
  const int64_t d = split_dim(op, x, dim, least);
  DLCORE_CHECK(sections > 0 && x.sizes()[d] % sections == 0, RuntimeError, op, ": dimension ", d, " of size ",
               x.sizes()[d], " must be divisible by the number of sections, which is ", sections);
  return tensor_split(x, sections, d);
}

}  // namespace

TensorList hsplit(const Tensor& x, int64_t sections) { return equal_split("hsplit", x, sections, 1, 1); }
TensorList vsplit(const Tensor& x, int64_t sections) { return equal_split("vsplit", x, sections, 0, 2); }
TensorList dsplit(const Tensor& x, int64_t sections) { return equal_split("dsplit", x, sections, 2, 3); }
TensorList hsplit_at(const Tensor& x, IntSpan indices) {
  return tensor_split_at(x, indices, split_dim("hsplit", x, 1, 1));
}
TensorList vsplit_at(const Tensor& x, IntSpan indices) {
  return tensor_split_at(x, indices, split_dim("vsplit", x, 0, 2));
}
TensorList dsplit_at(const Tensor& x, IntSpan indices) {
  return tensor_split_at(x, indices, split_dim("dsplit", x, 2, 3));
}

Tensor diagonal(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  const int64_t a = wrap_dim("diagonal", dim1, x.dim()), b = wrap_dim("diagonal", dim2, x.dim());
  DLCORE_CHECK(a != b, RuntimeError, "diagonal: dim1 and dim2 must differ, got ", dim1, " and ", dim2);
  const int64_t rows = x.sizes()[a], cols = x.sizes()[b];
  const int64_t length = std::max<int64_t>(
      0, offset >= 0 ? std::min(rows, cols - std::min(offset, cols)) : std::min(rows + std::max(offset, -rows), cols));
  int64_t at = x.storage_offset();
  if (length > 0) at += offset >= 0 ? offset * x.strides()[b] : -offset * x.strides()[a];
  Dims sizes, strides;
  for (int64_t i = 0; i < x.dim(); ++i)
    if (i != a && i != b) {
      sizes.push_back(x.sizes()[i]);
      strides.push_back(x.strides()[i]);
    }
  sizes.push_back(length);
  strides.push_back(x.strides()[a] + x.strides()[b]);
  return partial_view("diagonal", x, sizes, strides, at,
                      [offset, a, b](const Tensor& z) { return diagonal(z, offset, a, b); });
}

Tensor unfold(const Tensor& x, int64_t dim, int64_t size, int64_t step) {
  const int64_t d = wrap_dim("unfold", dim, x.dim()), n = x.dim() ? x.sizes()[d] : 1;
  DLCORE_CHECK(size >= 0 && size <= n, RuntimeError, "unfold: size must be in [0, ", n, "], the size of dimension ", d,
               ", but got ", size);
  DLCORE_CHECK(step > 0, RuntimeError, "unfold: step must be positive, got ", step);
  Dims sizes = sizes_of(x), strides(x.strides());
  sizes.push_back(size);
  strides.push_back(x.dim() ? strides[d] : 1);
  if (x.dim()) {
    sizes[d] = (n - size) / step + 1;
    if (sizes[d] > 1) strides[d] *= step;
  }
  return make_view("unfold", x, sizes, strides, x.storage_offset());
}

Tensor as_strided(const Tensor& x, IntSpan sizes, IntSpan strides, std::optional<int64_t> offset) {
  DLCORE_CHECK(sizes.size() == strides.size(), RuntimeError, "as_strided: size and stride must be equally long; got ",
               sizes, " and ", strides);
  const int64_t at = offset.value_or(x.storage_offset()), extent = strided_extent("as_strided", sizes, strides);
  const int64_t available = x.impl()->storage->bytes / item_size(x.dtype());
  DLCORE_CHECK(at >= 0 && (extent == 0 || at <= available - extent), RuntimeError, "as_strided: sizes ", sizes,
               " with strides ", strides, " from offset ", at, " go beyond the storage of ", available, " elements");
  return make_view("as_strided", x, sizes, strides, at);
}

Tensor atleast_1d(const Tensor& x) { return x.dim() >= 1 ? x : reshape(x, {1}); }
Tensor atleast_2d(const Tensor& x) { return x.dim() >= 2 ? x : x.dim() == 1 ? unsqueeze(x, 0) : reshape(x, {1, 1}); }
Tensor atleast_3d(const Tensor& x) { return x.dim() >= 3 ? x : unsqueeze(atleast_2d(x), -1); }

}  // namespace dlcore
