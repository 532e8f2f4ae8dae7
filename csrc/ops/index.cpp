// x[...]: an index expression is read from left to right. Integers, slices and new axes make a view; what tensors name
// in that view is then read or written element by element.
#include "dlcore/ops/indexing.h"

#include "core/launch.h"
#include "ops/indexed.h"
#include "ops/sparse_rows.h"

namespace dlcore {
namespace {

// ---- the basic part

bool is_mask(const Tensor& t) { return t.dtype() == DType::Bool || t.dtype() == DType::UInt8; }

// Dimensions of x that an item uses up.
int64_t dims_of(const Index& i) {
  switch (i.kind) {
    case Index::Kind::Integer:
    case Index::Kind::Slice:
      return 1;
    case Index::Kind::Tensor:
      return is_mask(i.tensor) ? i.tensor.dim() : 1;
    default:
      return 0;
  }
}

// The view that integers, slices and new axes make of x, and for each of its dimensions the tensor that indexes it
// (undefined: the whole dimension).
class Expression {
 public:
  Expression(const char* op, const Tensor& x, const std::vector<Index>& items)
      : op_(op), x_(x), sizes_(x.sizes()), strides_(x.strides()), offset_(x.storage_offset()) {
    int64_t used = 0;
    for (const Index& i : items) used += dims_of(i);
    DLCORE_CHECK(used <= x.dim(), IndexError, op, ": too many indices for a tensor of ", x.dim(), " dimensions, got ",
                 used);
    int64_t rest = x.dim() - used;  // what an ellipsis stands for; a second one stands for nothing
    for (const Index& i : items) {
      switch (i.kind) {
        case Index::Kind::Integer:
          integer(*i.start);
          break;
        case Index::Kind::Slice:
          slice(i);
          break;
        case Index::Kind::NewAxis:
          new_axis();
          break;
        case Index::Kind::Ellipsis:
          skip(std::exchange(rest, 0));
          break;
        case Index::Kind::Bool:
          boolean(*i.start != 0);
          break;
        case Index::Kind::Tensor:
          tensor(i.tensor);
          break;
      }
    }
  }

  Tensor view() const { return changed_ || tensors_.empty() ? make_view("index", x_, sizes_, strides_, offset_) : x_; }
  const TensorList& tensors() const { return tensors_; }

 private:
  void integer(int64_t i) {
    const int64_t size = sizes_[dim_];
    DLCORE_CHECK(i >= -size && i < size, IndexError, op_, ": index ", i, " is out of bounds for dimension ", input_dim_,
                 " with size ", size);
    offset_ += (i < 0 ? i + size : i) * strides_[dim_];
    sizes_.erase(dim_);
    strides_.erase(dim_);
    ++input_dim_;
    changed_ = true;
  }
  void slice(const Index& s) {
    DLCORE_CHECK(s.step > 0, ValueError, op_, ": a slice's step must be greater than zero, got ", s.step);
    const int64_t size = sizes_[dim_];
    const auto bound = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
    const int64_t start = s.start ? bound(*s.start) : 0, stop = s.stop ? std::max(bound(*s.stop), start) : size;
    offset_ += start * strides_[dim_];
    sizes_[dim_] = stop > start ? (stop - start - 1) / s.step + 1 : 0;
    // A step beyond the end is never taken; without the product nothing overflows.
    if (sizes_[dim_] > 1) strides_[dim_] *= s.step;
    changed_ |= sizes_[dim_] != size;
    skip(1);
  }
  void new_axis() {
    sizes_.insert(dim_, 1);
    strides_.insert(dim_, dim_ + 1 < sizes_.size() ? sizes_[dim_ + 1] * strides_[dim_] : 1);
    ++dim_;
    changed_ = true;
  }
  void skip(int64_t n) {
    dim_ += n;
    input_dim_ += n;
  }
  // A new dimension, of which True takes the one element and False none.
  void boolean(bool b) {
    new_axis();
    put(dim_ - 1, zeros({b ? 1 : 0}, DType::Int64));
  }
  void tensor(const Tensor& t) {
    if (t.dim() == 0 && is_mask(t)) return boolean(t.item().to_bool());
    if (t.dim() == 0 && is_integral(t.dtype(), false)) return integer(t.item().to_int());
    put(dim_, t);
    skip(is_mask(t) ? t.dim() : 1);
  }
  void put(int64_t dim, const Tensor& t) {
    tensors_.resize(static_cast<size_t>(dim));
    tensors_.push_back(t);
  }

  const char* op_;
  const Tensor& x_;
  Dims sizes_, strides_;
  int64_t offset_;
  int64_t dim_ = 0, input_dim_ = 0;  // where the next item applies: in the view, and in x
  bool changed_ = false;
  TensorList tensors_;
};

// ---- the advanced part

// Masks as the positions of what they name, one tensor for each of their dimensions.
TensorList positions_of(const char* op, const Tensor& x, const TensorList& indices) {
  TensorList list;
  for (size_t k = 0; k < indices.size(); ++k) {
    const Tensor& t = indices[k];
    const int64_t dim = static_cast<int64_t>(list.size());
    if (!t.defined()) {
      list.emplace_back();
    } else if (is_mask(t) && t.dim() > 0) {
      for (int64_t d = 0; d < t.dim(); ++d)
        DLCORE_CHECK(dim + d < x.dim() && t.sizes()[d] == x.sizes()[dim + d], IndexError, op, ": a mask of shape ",
                     t.sizes(), " at dimension ", dim, " does not fit the indexed shape ", x.sizes());
      for (const Tensor& position : nonzero_tuple(t)) list.push_back(position);
      // In a list made from an expression the dimensions that the mask stands for are there, undefined.
      for (int64_t d = 1; d < t.dim() && k + 1 < indices.size() && !indices[k + 1].defined(); ++d) ++k;
    } else {
      DLCORE_CHECK(t.dtype() == DType::Int64 || t.dtype() == DType::Int32, IndexError, op,
                   ": tensors used as indices must be int64, int32 or bool, got ", name(t.dtype()));
      list.push_back(t);
    }
  }
  DLCORE_CHECK(static_cast<int64_t>(list.size()) <= x.dim(), IndexError, op, ": too many indices for a tensor of ",
               x.dim(), " dimensions, got ", list.size());
  return list;
}

// The elements that index tensors name, and the shape of what is read: the tensors' common shape stands where the first
// of them does if they are neighbours, and in front otherwise.
struct Advanced {
  IndexSpace space;
  Dims sizes;  // of the result
};

Advanced advanced(const char* op, const Tensor& x, const TensorList& list) {
  Dims shape;
  int64_t first = -1, last = -1, count = 0;
  for (size_t d = 0; d < list.size(); ++d) {
    if (!list[d].defined()) continue;
    const IntSpan sizes = list[d].sizes();
    for (int64_t j = 1; j <= std::min(shape.size(), sizes.size()); ++j) {
      const int64_t a = shape[shape.size() - j], b = sizes[sizes.size() - j];
      DLCORE_CHECK(a == b || a == 1 || b == 1, IndexError, op, ": index tensors of shapes ", shape, " and ", sizes,
                   " cannot be broadcast together");
    }
    shape = broadcast_shapes(op, shape, sizes);
    last = static_cast<int64_t>(d);
    if (first < 0) first = last;
    ++count;
  }
  const int64_t at = last - first + 1 == count ? first : 0;  // where the common shape goes
  Advanced a{{op, {}, {}, {}, {}, true}, {}};
  for (int64_t d = first; d <= last; ++d)
    if (list[static_cast<size_t>(d)].defined())
      a.space.operands.push_back({list[static_cast<size_t>(d)], {}, d, x.sizes()[d], x.strides()[d]});
  const auto index_dims = [&] {
    for (int64_t j = 0; j < shape.size(); ++j) {
      a.space.sizes.push_back(shape[j]);
      a.space.x_strides.push_back(0);
      for (IndexOperand& o : a.space.operands) {
        const int64_t k = j - (shape.size() - o.index.dim());
        o.strides.push_back(k < 0 || o.index.sizes()[k] == 1 ? 0 : o.index.strides()[k]);
      }
    }
  };
  bool placed = false;
  for (int64_t d = 0; d <= x.dim(); ++d) {
    if (d >= at && !placed) {
      index_dims();
      placed = true;
    }
    if (d == x.dim() || (d < static_cast<int64_t>(list.size()) && list[static_cast<size_t>(d)].defined())) continue;
    a.space.sizes.push_back(x.sizes()[d]);
    a.space.x_strides.push_back(x.strides()[d]);
    for (IndexOperand& o : a.space.operands) o.strides.push_back(0);
  }
  a.sizes = a.space.sizes;
  return a;
}

bool any_defined(const TensorList& list) {
  for (const Tensor& t : list)
    if (t.defined()) return true;
  return false;
}

// A single mask of x's leading dimensions, if that is all there is.
const Tensor* only_mask(const Tensor& x, const TensorList& indices) {
  if (indices.empty() || !indices[0].defined() || indices[0].dtype() != DType::Bool || indices[0].dim() == 0)
    return nullptr;
  for (size_t k = 1; k < indices.size(); ++k)
    if (indices[k].defined()) return nullptr;
  const Tensor& mask = indices[0];
  if (mask.dim() > x.dim()) return nullptr;
  for (int64_t d = 0; d < mask.dim(); ++d)
    if (mask.sizes()[d] != x.sizes()[d]) return nullptr;
  return &mask;
}

// The mask with dimensions of size 1 for the rest of x's, so that it broadcasts from the left.
Tensor aligned(const Tensor& mask, const Tensor& x) {
  Dims sizes(mask.sizes());
  while (sizes.size() < x.dim()) sizes.push_back(1);
  return sizes.size() == mask.dim() ? mask : reshape(mask, sizes);
}

// Values strides for a result of these sizes.
Dims broadcast_strides(const char* op, const Tensor& values, const Dims& sizes) {
  Dims strides(sizes.size(), 0);
  bool fits = values.dim() <= sizes.size();
  for (int64_t d = 0; fits && d < values.dim(); ++d) {
    const int64_t at = sizes.size() - values.dim() + d, size = values.sizes()[d];
    fits = size == sizes[at] || size == 1;
    strides[at] = size == 1 ? 0 : values.strides()[d];
  }
  DLCORE_CHECK(fits, RuntimeError, op, ": shape mismatch: values of shape ", values.sizes(),
               " cannot be broadcast to the indexed shape ", sizes);
  return strides;
}

Tensor read_at(const Tensor& x, const TensorList& list) {
  Advanced a = advanced("index", x, list);
  Tensor y = new_tensor(a.sizes, x.dtype());
  a.space.y_strides = Dims(y.strides());
  a.space.read(x, y);
  std::vector<Saved> saved;
  if (needs_graph(x))
    for (const Tensor& t : list) saved.emplace_back(t);
  record("index", y, {x}, [saved = std::move(saved), sizes = sizes_of(x)](Gradients& g) {
    g.set(0, [&] {
      TensorList list;
      for (const Saved& s : saved) list.push_back(s());
      return index_put_(zeros(sizes, g.dy().dtype()), list, g.dy(), true);
    });
  });
  return y;
}

Tensor write_at(const char* op, bool in_place, const Tensor& x, const TensorList& indices, const Tensor& values,
                bool accumulate) {
  if (!any_defined(indices)) {
    // Nothing but whole dimensions.
    const auto f = [&](const Tensor& x) {
      return accumulate ? add(x, values) : expand(to_dtype(values, x.dtype()), x.sizes());
    };
    return in_place ? inplace(op, x, f) : f(x);
  }
  if (const Tensor* mask = only_mask(x, indices); mask && values.numel() == 1 && !accumulate) {
    const Tensor value = values.dim() ? reshape(values, {}) : values, m = aligned(*mask, x);
    return in_place ? masked_fill_(x, m, value) : masked_fill(x, m, value);
  }
  DLCORE_CHECK(values.dtype() == x.dtype(), RuntimeError, op, ": values must have the dtype of the tensor; expected ",
               name(x.dtype()), " but got ", name(values.dtype()));
  TensorList list = positions_of(op, x, indices);
  for (Tensor& t : list)
    if (t.defined() && share_memory(t, x)) t = fresh_copy(t);
  const Tensor from = share_memory(values, x) ? fresh_copy(values) : values;
  std::vector<Saved> saved;
  if (needs_graph(x, values))
    for (const Tensor& t : list) saved.emplace_back(t);
  return written(
      op, in_place, x, {values},
      [&](const Tensor& y) {
        NoGrad no_grad;
        const bool wide = accumulate && is_half(y.dtype());
        const Tensor to = wide ? to_dtype(y, DType::Float32) : y, what = wide ? to_dtype(from, DType::Float32) : from;
        Advanced a = advanced(op, to, list);
        a.space.y_strides = broadcast_strides(op, what, a.sizes);
        a.space.write(accumulate ? kernel::IndexWrite::Add : kernel::IndexWrite::Copy, to, what);
        if (wide) copy_data(y, to);
      },
      [saved = std::move(saved), accumulate](Gradients& g) {
        TensorList list;
        for (const Saved& s : saved) list.push_back(s());
        g.set(0, [&] { return accumulate ? g.dy() : index_put(g.dy(), list, zeros({}, g.dy().dtype())); });
        g.set(1, [&] { return index_tensors(g.dy(), list); });
      });
}

// values without leading dimensions of size 1 beyond ndim, as an assignment takes them.
Tensor without_leading_ones(const Tensor& values, int64_t ndim) {
  int64_t drop = 0;
  while (values.dim() - drop > ndim && values.sizes()[drop] == 1) ++drop;
  return drop ? reshape(values, IntSpan(values.sizes().data() + drop, static_cast<size_t>(values.dim() - drop)))
              : values;
}

// view <- value, broadcast and cast.
void assign(const Tensor& view, const Tensor& value) {
  written(
      "copy_", true, view, {value},
      [&](const Tensor& y) {
        NoGrad no_grad;
        copy_data(y, share_memory(y, value) ? fresh_copy(value) : value);
      },
      [](Gradients& g) {
        g.set(0, [&] { return zeros(g.dy().sizes(), g.dy().dtype()); });
        g.set(1, [&] { return g.dy(); });
      });
}

}  // namespace

// ---- expressions

Tensor index(const Tensor& x, const std::vector<Index>& indices) {
  const Expression e("index", x, indices);
  return e.tensors().empty() ? e.view() : index_tensors(e.view(), e.tensors());
}

void index_assign(const Tensor& x, const std::vector<Index>& indices, const Tensor& value) {
  constexpr const char* op = "index_put_";
  const Expression e(op, x, indices);
  const Tensor view = e.view();
  if (e.tensors().empty()) {
    assign(view, without_leading_ones(value, view.dim()));
    return;
  }
  int64_t ndim = value.dim();
  if (ndim > 0 && value.sizes()[0] == 1) ndim = advanced(op, view, positions_of(op, view, e.tensors())).sizes.size();
  index_put_(view, e.tensors(), without_leading_ones(value, ndim));
}

// ---- tensors

Tensor index_tensors(const Tensor& x, const TensorList& indices) {
  if (!any_defined(indices)) return clone(x);
  if (const Tensor* mask = only_mask(x, indices); mask && mask->dim() == x.dim()) return masked_select(x, *mask);
  return read_at(x, positions_of("index", x, indices));
}

Tensor index_put(const Tensor& x, const TensorList& indices, const Tensor& values, bool accumulate) {
  return write_at("index_put", false, x, indices, values, accumulate);
}
Tensor index_put_(const Tensor& x, const TensorList& indices, const Tensor& values, bool accumulate) {
  return write_at("index_put_", true, x, indices, values, accumulate);
}

Tensor take(const Tensor& x, const Tensor& index) {
  check_index_dtype("take", index);
  return reshape(index_tensors(reshape(x, {-1}), {index}), index.sizes());
}

namespace {

Tensor put_flat(const char* op, const Tensor& x, const Tensor& index, const Tensor& source, bool accumulate) {
  check_index_dtype(op, index);
  DLCORE_CHECK(index.numel() == source.numel(), RuntimeError, op,
               ": source must have as many elements as index; expected ", index.numel(), " but got ", source.numel());
  return reshape(index_put(reshape(x, {-1}), {reshape(index, {-1})}, reshape(source, {-1}), accumulate), x.sizes());
}

}  // namespace

Tensor put(const Tensor& x, const Tensor& index, const Tensor& source, bool accumulate) {
  return put_flat("put", x, index, source, accumulate);
}
Tensor put_(const Tensor& x, const Tensor& index, const Tensor& source, bool accumulate) {
  return inplace("put_", x, [&](const Tensor& x) { return put_flat("put_", x, index, source, accumulate); });
}

namespace {

// The rows that an embedding's gradient has, without those of the padding.
Tensor embedding_rows(const Dims& sizes, const Tensor& index, const Tensor& dy, std::optional<int64_t> padding_idx) {
  const int64_t n = index.numel();
  const Tensor flat = contiguous(dy);  // not a view: whoever gets the rows may then be the only owner of this memory
  Tensor values = alias(flat, {n, sizes[1]}, {sizes[1], 1}, flat.storage_offset());
  Tensor indices =
      fresh_copy(to_dtype(reshape(index, {n}), DType::Int64));  // the input may change before they are used
  if (padding_idx) {
    const Tensor kept = reshape(nonzero(ne(indices, number(*padding_idx))), {-1});
    if (kept.numel() < n) {
      indices = index_select(indices, 0, kept);
      values = index_select(values, 0, kept);
    }
  }
  return tensor_of_rows({sizes, indices, values, indices.numel() < 2});
}

}  // namespace

Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx, bool sparse) {
  DLCORE_CHECK(weight.dim() == 2, RuntimeError, "embedding: weight must have two dimensions but got shape ",
               weight.sizes());
  check_index_dtype("embedding", input);
  const int64_t rows = weight.size(0), width = weight.size(1);
  if (padding_idx) {
    DLCORE_CHECK(*padding_idx >= -rows && *padding_idx < rows, ValueError, "embedding: padding_idx must be in [", -rows,
                 ", ", rows, ") but got ", *padding_idx);
    if (*padding_idx < 0) padding_idx = *padding_idx + rows;
  }
  Dims sizes(input.sizes());
  sizes.push_back(width);
  Tensor y = new_tensor(sizes, weight.dtype());
  const Tensor index = contiguous(input);
  IndexSpace space{"embedding", {index.numel(), width}, {0, weight.strides()[1]}, {width, 1}, {}};
  space.operands.push_back({index, {1, 0}, 0, rows, weight.strides()[0]});
  space.read(weight, y);
  record("embedding", y, {weight}, [index = Saved(index), rows, width, padding_idx, sparse](Gradients& g) {
    g.set(0, [&] {
      if (sparse && !is_grad_enabled()) return embedding_rows({rows, width}, index(), g.dy(), padding_idx);
      const Tensor dw =
          index_add_(zeros({rows, width}, g.dy().dtype()), 0, reshape(index(), {-1}), reshape(g.dy(), {-1, width}));
      return padding_idx ? index_fill_(dw, 0, full({1}, *padding_idx, DType::Int64), number(0)) : dw;
    });
  });
  return y;
}

}  // namespace dlcore
