#include "bindings/op.h"
#include "ops/internal.h"

// Python's index expressions, and the ops of the family.
namespace dlcore::bindings {
namespace {

[[noreturn]] void fail_kind(PyObject* item) {
  fail<IndexError>(
      "only integers, slices (`:`), ellipsis (`...`), None and integer or bool tensors are valid indices (got ",
      Py_TYPE(item)->tp_name, ")");
}

Index index_of_slice(PyObject* item) {
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(item, &start, &stop, &step) < 0) throw_python_error();
  if (step <= 0) fail<ValueError>("a slice's step must be greater than zero, got ", step);
  const auto* s = reinterpret_cast<PySliceObject*>(item);
  Index i = Index::slice({}, {}, step);
  if (s->start != Py_None) i.start = start;
  if (s->stop != Py_None) i.stop = stop;
  return i;
}

Index index_of(PyObject* item) {
  if (PySlice_Check(item)) return index_of_slice(item);
  if (PyBool_Check(item)) return Index::boolean(item == Py_True);
  if (PyLong_Check(item)) return Index::integer(integer_of(item));
  if (item == Py_None) return Index::new_axis();
  if (item == Py_Ellipsis) return Index::ellipsis();
  if (is_tensor(item)) return Index::at(tensor_of(item));
  if (is_number(item)) {
    const Scalar s = number_of(item);
    if (s.kind() == Scalar::Kind::Bool) return Index::boolean(s.to_bool());
    if (s.kind() == Scalar::Kind::Int) return Index::integer(s.to_int());
    fail_kind(item);
  }
  if (PyUnicode_Check(item) || PyBytes_Check(item)) fail<TypeError>("an index must not be a ", Py_TYPE(item)->tp_name);
  if (PySequence_Check(item)) {
    const Py_ssize_t n = PySequence_Size(item);
    if (n < 0) throw_python_error();
    const Tensor t = tensor_from_object(item);
    return Index::at(n == 0 && t.dim() == 1 && is_floating(t.dtype()) ? to_dtype(t, DType::Int64) : t);
  }
  if (PyIndex_Check(item)) return Index::integer(integer_of(item));
  fail_kind(item);
}

// numpy's old rule, which PyTorch keeps: a short list that holds sequences, tensors, slices, None or ... means the
// tuple.
bool means_tuple(PyObject* key) {
  if (!PyList_Check(key) || PyList_GET_SIZE(key) >= 32) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(key); ++i) {
    PyObject* item = PyList_GET_ITEM(key, i);
    if (is_tensor(item) || PySlice_Check(item) || PySequence_Check(item) || item == Py_None || item == Py_Ellipsis)
      return true;
  }
  return false;
}

std::vector<Index> indices_of(PyObject* key) {
  std::vector<Index> list;
  if (PyTuple_Check(key) || means_tuple(key)) {
    PyObject** items = PySequence_Fast_ITEMS(key);
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(key);
    list.reserve(static_cast<size_t>(n));
    for (Py_ssize_t i = 0; i < n; ++i) list.push_back(index_of(items[i]));
  } else {
    list.push_back(index_of(key));
  }
  return list;
}

void check_has_dims(const Tensor& x, PyObject* key) {
  if (x.dim() == 0 && ((PyLong_Check(key) && !PyBool_Check(key)) || PySlice_Check(key)))
    fail<IndexError>("a tensor with no dimensions cannot be indexed by an integer or a slice; item() gives its number");
}

// The value of an assignment: a tensor, or a number in x's dtype.
Tensor value_of(const Tensor& x, PyObject* value) {
  if (is_tensor(value)) return tensor_of(value);
  if (!is_number(value))
    fail<TypeError>("can't assign a ", Py_TYPE(value)->tp_name, " to a tensor of ", name(x.dtype()),
                    "; make a tensor of it first");
  return full({}, number_of(value), x.dtype());
}

}  // namespace

PyObject* tensor_getitem(PyObject* self, PyObject* key) {
  return guarded([&] {
    const Tensor& x = tensor_of(self);
    check_has_dims(x, key);
    return wrap(index(x, indices_of(key)));
  });
}

int tensor_setitem(PyObject* self, PyObject* key, PyObject* value) {
  return guarded(
      [&] {
        if (!value) fail<TypeError>("Tensor does not support deleting items");
        const Tensor x = tensor_of(self);
        check_has_dims(x, key);
        index_assign(x, indices_of(key), value_of(x, value));
        return 0;
      },
      -1);
}

// ---- ops

namespace {

// A tensor, or a tuple, as the arguments ask for.
struct Results {
  TensorList list;
  bool tuple;
};
PyObject* to_python(const Results& r, const Overload&) { return r.tuple ? wrap(r.list) : wrap(r.list[0]); }

Results results(const Unique& u) {
  Results r{{u.values}, false};
  if (u.inverse.defined()) r.list.push_back(u.inverse);
  if (u.counts.defined()) r.list.push_back(u.counts);
  r.tuple = r.list.size() > 1;
  return r;
}

void check_dense(const char* op, bool sparse) {
  DLCORE_CHECK(!sparse, NotImplementedError, op, ": there are no sparse gradients");
}

Tensor gather_dense(const Tensor& x, int64_t dim, const Tensor& index, bool sparse_grad) {
  check_dense("gather", sparse_grad);
  return gather(x, dim, index);
}

// scatter(..., reduce="add" or "multiply")
template <auto F>
Tensor scatter_with(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src, const std::string& reduce) {
  DLCORE_CHECK(reduce == "add" || reduce == "multiply", RuntimeError, "scatter: reduce must be add or multiply, got ",
               reduce);
  return F(x, dim, index, src, reduce, true);
}
template <auto F>
Tensor scatter_value_with(const Tensor& x, int64_t dim, const Tensor& index, Scalar value, const std::string& reduce) {
  return scatter_with<F>(x, dim, index, expand(full({}, value, x.dtype()), index.sizes()), reduce);
}

const Ops::Signatures scatter_texts = {"(Tensor input, int dim, Tensor index, Tensor src) -> Tensor",
                                       "(Tensor input, int dim, Tensor index, Number value) -> Tensor",
                                       "(Tensor input, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor",
                                       "(Tensor input, int dim, Tensor index, Number value, *, str reduce) -> Tensor"};

using ScatterSrc = Tensor (*)(const Tensor&, int64_t, const Tensor&, const Tensor&);
using ScatterValue = Tensor (*)(const Tensor&, int64_t, const Tensor&, Scalar);

}  // namespace

void bind_indexing(Ops& ops) {
  ops.op<&gather_dense>("gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor");
  ops.op<ScatterSrc(&scatter), ScatterValue(&scatter), &scatter_with<&scatter_reduce>,
         &scatter_value_with<&scatter_reduce>>("scatter", scatter_texts);
  ops.method<ScatterSrc(&scatter_), ScatterValue(&scatter_), &scatter_with<&scatter_reduce_>,
             &scatter_value_with<&scatter_reduce_>>("scatter_", scatter_texts);
  ops.op<&scatter_add>("scatter_add(Tensor input, int dim, Tensor index, Tensor src) -> Tensor");
  ops.method<&scatter_add_>("scatter_add_(Tensor input, int dim, Tensor index, Tensor src) -> Tensor");
  ops.op<&scatter_reduce>(
      "scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> "
      "Tensor");
  ops.method<&scatter_reduce_>(
      "scatter_reduce_(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> "
      "Tensor");
  ops.op<&take_along_dim>("take_along_dim(Tensor input, Tensor indices, int? dim=None) -> Tensor");

  ops.op<&index_select>("index_select(Tensor input, int dim, Tensor index) -> Tensor");
  ops.op<&index_add>("index_add(Tensor input, int dim, Tensor index, Tensor source, *, Number alpha=1) -> Tensor");
  ops.method<&index_add_>(
      "index_add_(Tensor input, int dim, Tensor index, Tensor source, *, Number alpha=1) -> Tensor");
  ops.op<&index_copy>("index_copy(Tensor input, int dim, Tensor index, Tensor source) -> Tensor");
  ops.method<&index_copy_>("index_copy_(Tensor input, int dim, Tensor index, Tensor source) -> Tensor");
  ops.op<&index_fill>("index_fill(Tensor input, int dim, Tensor index, Number|Tensor value) -> Tensor");
  ops.method<&index_fill_>("index_fill_(Tensor input, int dim, Tensor index, Number|Tensor value) -> Tensor");
  ops.op<&index_put>("index_put(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor");
  ops.op<&index_put_>("index_put_(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor");
  ops.op<&take>("take(Tensor input, Tensor index) -> Tensor");
  ops.op<&put>("put(Tensor input, Tensor index, Tensor source, bool accumulate=False) -> Tensor");
  ops.method<&put_>("put_(Tensor input, Tensor index, Tensor source, bool accumulate=False) -> Tensor");
  ops.function<[](const Tensor& weight, const Tensor& indices, int64_t padding_idx, bool scale_grad_by_freq,
                  bool sparse) {
    DLCORE_CHECK(!scale_grad_by_freq, NotImplementedError, "embedding: scale_grad_by_freq is not there");
    return embedding(indices, weight, padding_idx < 0 ? std::nullopt : std::optional(padding_idx), sparse);
  }>("embedding(Tensor weight, Tensor indices, int padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) "
     "-> Tensor");

  ops.op<&masked_fill>("masked_fill(Tensor input, Tensor mask, Number|Tensor value) -> Tensor");
  ops.method<&masked_fill_>("masked_fill_(Tensor input, Tensor mask, Number|Tensor value) -> Tensor");
  ops.op<&masked_select>("masked_select(Tensor input, Tensor mask) -> Tensor");
  ops.op<&masked_scatter>("masked_scatter(Tensor input, Tensor mask, Tensor source) -> Tensor");
  ops.method<&masked_scatter_>("masked_scatter_(Tensor input, Tensor mask, Tensor source) -> Tensor");
  ops.op<[](const Tensor& x, bool as_tuple) {
    return as_tuple ? Results{nonzero_tuple(x), true} : Results{{nonzero(x)}, false};
  }>("nonzero(Tensor input, *, bool as_tuple=False) -> Tensor");
  ops.op<&argwhere>("argwhere(Tensor input) -> Tensor");

  ops.op<&sort>(
      "sort(Tensor input, int dim=-1, bool descending=False, bool stable=False) -> (Tensor values, Tensor indices)");
  ops.op<&argsort>("argsort(Tensor input, int dim=-1, bool descending=False, bool stable=False) -> Tensor");
  ops.op<&msort>("msort(Tensor input) -> Tensor");
  ops.op<&topk>(
      "topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)");
  ops.op<&kthvalue>("kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)");
  ops.op<[](const Tensor& x, bool, bool return_inverse, bool return_counts, std::optional<int64_t> dim) {
    return results(unique(x, return_inverse, return_counts, dim));
  }>("unique(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None) -> "
     "Tensor");
  ops.op<[](const Tensor& x, bool return_inverse, bool return_counts, std::optional<int64_t> dim) {
    return results(unique_consecutive(x, return_inverse, return_counts, dim));
  }>("unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Tensor");
  ops.function<&searchsorted>(
      "searchsorted(Tensor sorted_sequence, Number|Tensor input, *, bool out_int32=False, bool right=False, str? "
      "side=None, "
      "Tensor? sorter=None) -> Tensor");
  ops.function<&bucketize>(
      "bucketize(Number|Tensor input, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor");
}

}  // namespace dlcore::bindings
