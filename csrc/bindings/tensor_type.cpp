#include "bindings/tensor_type.h"

#include "autograd/node.h"
#include "bindings/op.h"
#include "core/tensor_impl.h"
#include "dlcore/ops/sparse.h"
#include "ops/internal.h"

namespace dlcore::bindings {

PyTypeObject tensor_type = {PyVarObject_HEAD_INIT(nullptr, 0)};

namespace {

TensorObject* object(PyObject* o) { return reinterpret_cast<TensorObject*>(o); }

// Objects of freed tensors, kept for the next ones.
constexpr int kMaxFree = 128;
PyObject* free_list[kMaxFree];
int free_count = 0;

// ---- life

void track(PyObject* self) {
  if (!PyObject_GC_IsTracked(self)) PyObject_GC_Track(self);
}

void tensor_dealloc(PyObject* self) {
  if (PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self);
  TensorObject* t = object(self);
  if (t->weak_references) PyObject_ClearWeakRefs(self);
  Py_CLEAR(t->dict);
  if (t->tensor.defined()) t->tensor.impl()->python_object = nullptr;
  if (Py_TYPE(self) == &tensor_type && free_count < kMaxFree) {
    t->tensor = Tensor();
    if (free_count < kMaxFree) {  // freeing the tensor may have run Python code
      free_list[free_count++] = self;
      return;
    }
  }
  t->tensor.~Tensor();
  Py_TYPE(self)->tp_free(self);
}

int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(object(self)->dict);
  if (PyType_HasFeature(Py_TYPE(self), Py_TPFLAGS_HEAPTYPE)) Py_VISIT(Py_TYPE(self));
  return 0;
}

int tensor_clear(PyObject* self) {
  Py_CLEAR(object(self)->dict);
  return 0;
}

int tensor_setattro(PyObject* self, PyObject* name, PyObject* value) {
  const int result = PyObject_GenericSetAttr(self, name, value);
  if (object(self)->dict) track(self);
  return result;
}

// Tensor(sizes...), Tensor(size), Tensor(data): PyTorch's constructor, always of the default dtype.
PyObject* tensor_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    if (PyTuple_GET_SIZE(args) == 1 && is_size(PyTuple_GET_ITEM(args, 0))) args = PyTuple_GET_ITEM(args, 0);
    const Py_ssize_t n = PyTuple_GET_SIZE(args);
    bool sizes = n > 0;
    for (Py_ssize_t i = 0; i < n; ++i) sizes &= is_integer(PyTuple_GET_ITEM(args, i));
    if (n == 0) return wrap_as(type, empty({0}, default_dtype()));
    if (sizes) {
      std::vector<int64_t> shape;
      for (Py_ssize_t i = 0; i < n; ++i) shape.push_back(integer_of(PyTuple_GET_ITEM(args, i)));
      return wrap_as(type, empty(shape, default_dtype()));
    }
    if (type == &tensor_type)
      DLCORE_CHECK(n == 1, TypeError, "Tensor(): expected sizes or one sequence, array or tensor, got ", n,
                   " arguments");
    PyObject* data = PyTuple_GET_ITEM(args, 0);
    if (is_tensor(data)) return wrap_as(type, tensor_of(data).detach());
    return wrap_as(type, tensor_from_object(data, default_dtype(), true));
  });
}

// ---- operators: they go through the ops of the same names

template <OpName Name>
const Op& op_named() {
  static const Op* op = find_op(Name.text);
  DLCORE_CHECK(op, NotImplementedError, Name.text, " is not available");
  return *op;
}

template <OpName Name>
PyObject* unary(PyObject* x) {
  return guarded([&] { return call_op(op_named<Name>(), &x, 1, nullptr); });
}

template <OpName Name>
PyObject* binary(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    PyObject* args[] = {a, b};
    if (is_tensor(a)) return call_op(op_named<Name>(), args, 2, nullptr, true);
    if (!is_number(a) && !PyObject_HasAttrString(a, "__array_interface__")) Py_RETURN_NOTIMPLEMENTED;
    // The reflected operator: the number takes the tensor's place.
    const Owned left(wrap(is_number(a) ? number(number_of(a)) : tensor_from_object(a, {}, true)));
    tensor_of(left.get()).impl()->wrapped_number = is_number(a);  // still weak in type promotion
    args[0] = left.get();
    return call_op(op_named<Name>(), args, 2, nullptr, true);
  });
}

template <OpName Name>
PyObject* power(PyObject* a, PyObject* b, PyObject*) {
  return binary<Name>(a, b);
}

PyObject* compare(PyObject* a, PyObject* b, int op) {
  if (!is_tensor(b) && !is_number(b) && !PyObject_HasAttrString(b, "__array_interface__")) Py_RETURN_NOTIMPLEMENTED;
  switch (op) {
    case Py_EQ:
      return binary<"eq">(a, b);
    case Py_NE:
      return binary<"ne">(a, b);
    case Py_LT:
      return binary<"lt">(a, b);
    case Py_LE:
      return binary<"le">(a, b);
    case Py_GT:
      return binary<"gt">(a, b);
    default:
      return binary<"ge">(a, b);
  }
}

Scalar only_element(const char* op, PyObject* self) {
  const Tensor& t = tensor_of(self);
  DLCORE_CHECK(t.numel() == 1, RuntimeError, op,
               ": only one-element tensors can be converted to Python scalars, got shape ", t.sizes());
  return t.item();
}

int tensor_bool(PyObject* self) {
  return guarded(
      [&] {
        DLCORE_CHECK(tensor_of(self).numel() == 1, RuntimeError, "bool: the truth value of a tensor with ",
                     tensor_of(self).numel() == 0 ? "no" : "more than one", " values is ambiguous");
        return static_cast<int>(only_element("bool", self).to_bool());
      },
      -1);
}
PyObject* tensor_int(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const Scalar s = only_element("int", self);
    return s.is_floating() ? PyLong_FromDouble(s.to_double()) : PyLong_FromLongLong(s.to_int());
  });
}
PyObject* tensor_float(PyObject* self) {
  return guarded([&] { return PyFloat_FromDouble(only_element("float", self).to_double()); });
}
PyObject* tensor_index(PyObject* self) {
  return guarded([&] {
    DLCORE_CHECK(!is_floating(tensor_of(self).dtype()) && tensor_of(self).numel() == 1, TypeError,
                 "only integer tensors of a single element can be converted to an index");
    return PyLong_FromLongLong(tensor_of(self).item().to_int());
  });
}

Py_ssize_t tensor_length(PyObject* self) {
  return guarded(
      [&] {
        DLCORE_CHECK(tensor_of(self).dim() > 0, TypeError, "len() of a 0-d tensor");
        return static_cast<Py_ssize_t>(tensor_of(self).size(0));
      },
      Py_ssize_t{-1});
}

PyObject* tensor_iter(PyObject* self) {
  return guarded([&]() -> PyObject* {
    DLCORE_CHECK(tensor_of(self).dim() > 0, TypeError, "iteration over a 0-d tensor");
    const Owned rows(checked(call_op(op_named<"unbind">(), &self, 1, nullptr)));
    return PyObject_GetIter(rows.get());
  });
}

Py_hash_t tensor_hash(PyObject* self) { return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(self) >> 4); }

// Written in Python (python/dlcore/_repr.py, _tensor.py), which replaces the slots' entries in the type's dictionary.
PyObject* tensor_repr(PyObject* self) { return PyObject_CallMethod(self, "__repr__", nullptr); }
int tensor_contains(PyObject* self, PyObject* element) {
  const Owned found(PyObject_CallMethod(self, "__contains__", "O", element));
  return found ? PyObject_IsTrue(found.get()) : -1;
}

PySequenceMethods sequence_methods = {};
PyNumberMethods number_methods;
PyMappingMethods mapping_methods = {tensor_length, tensor_getitem, tensor_setitem};

void fill_slots() {
  PyNumberMethods& n = number_methods;
  n.nb_add = binary<"add">;
  n.nb_subtract = binary<"sub">;
  n.nb_multiply = binary<"mul">;
  n.nb_true_divide = binary<"div">;
  n.nb_floor_divide = binary<"floor_divide">;
  n.nb_remainder = binary<"remainder">;
  n.nb_power = power<"pow">;
  n.nb_matrix_multiply = binary<"matmul">;
  n.nb_and = binary<"bitwise_and">;
  n.nb_or = binary<"bitwise_or">;
  n.nb_xor = binary<"bitwise_xor">;
  n.nb_lshift = binary<"bitwise_left_shift">;
  n.nb_rshift = binary<"bitwise_right_shift">;
  n.nb_invert = unary<"bitwise_not">;
  n.nb_negative = unary<"neg">;
  n.nb_positive = [](PyObject* x) { return Py_NewRef(x); };
  n.nb_absolute = unary<"abs">;
  n.nb_inplace_add = binary<"add_">;
  n.nb_inplace_subtract = binary<"sub_">;
  n.nb_inplace_multiply = binary<"mul_">;
  n.nb_inplace_true_divide = binary<"div_">;
  n.nb_inplace_floor_divide = binary<"floor_divide_">;
  n.nb_inplace_remainder = binary<"remainder_">;
  n.nb_inplace_power = power<"pow_">;
  n.nb_inplace_and = binary<"bitwise_and_">;
  n.nb_inplace_or = binary<"bitwise_or_">;
  n.nb_inplace_xor = binary<"bitwise_xor_">;
  n.nb_inplace_lshift = binary<"bitwise_left_shift_">;
  n.nb_inplace_rshift = binary<"bitwise_right_shift_">;
  n.nb_bool = tensor_bool;
  n.nb_int = tensor_int;
  n.nb_float = tensor_float;
  n.nb_index = tensor_index;
}

// ---- attributes

template <auto F>
PyObject* get(PyObject* self, void*) {
  return guarded([&]() -> PyObject* { return F(tensor_of(self)); });
}
template <auto F>
int set(PyObject* self, PyObject* value, void*) {
  return guarded(
      [&] {
        F(self, value);
        return 0;
      },
      -1);
}
PyObject* get_grad_fn(const Tensor& t) {
  const Edge e = gradient_edge(t);
  if (!e.node) Py_RETURN_NONE;
  return wrap(GradientFunction{e.node, e.index});
}

void set_requires_grad(PyObject* self, PyObject* value) {
  DLCORE_CHECK(value, TypeError, "requires_grad: cannot be deleted");
  const int flag = PyObject_IsTrue(value);
  if (flag < 0) throw_python_error();
  object(self)->tensor.set_requires_grad(flag);
}

void set_grad(PyObject* self, PyObject* value) {
  DLCORE_CHECK(!value || value == Py_None || is_tensor(value), TypeError, "grad: expected a Tensor or None but got ",
               value ? Py_TYPE(value)->tp_name : "");
  tensor_of(self).set_grad(!value || value == Py_None ? Tensor() : tensor_of(value));
}

// x.data: the same memory, without history, and without telling anybody of writes.
PyObject* get_data(const Tensor& t) {
  Tensor d = t.detach();
  d.impl()->untracked = true;
  return wrap(d);
}
// x.data = y: x becomes y's memory, shape and dtype; its place in the graph stays.
void set_data(PyObject* self, PyObject* value) {
  DLCORE_CHECK(value && is_tensor(value), TypeError, "data: expected a Tensor");
  TensorImpl &to = *tensor_of(self).impl(), &from = *tensor_of(value).impl();
  DLCORE_CHECK(!requires_grad(to) || is_floating(from.dtype), RuntimeError,
               "data: a tensor that requires grad must stay floating point, got ", name(from.dtype));
  to.storage = from.storage;
  to.sizes = from.sizes;
  to.strides = from.strides;
  to.offset = from.offset;
  to.dtype = from.dtype;
  to.base = Tensor();
  refresh_geometry(to);
}

PyGetSetDef getset[] = {
    {"shape", get<[](const Tensor& t) { return wrap_size(t.sizes()); }>, nullptr, "The sizes.", nullptr},
    {"dtype", get<[](const Tensor& t) { return wrap(t.dtype()); }>, nullptr, "The element type.", nullptr},
    {"device", get<[](const Tensor& t) { return wrap(t.device()); }>, nullptr, nullptr, nullptr},
    {"ndim", get<[](const Tensor& t) { return PyLong_FromLongLong(t.dim()); }>, nullptr, nullptr, nullptr},
    {"itemsize", get<[](const Tensor& t) { return PyLong_FromLongLong(item_size(t.dtype())); }>, nullptr, nullptr,
     nullptr},
    {"nbytes", get<[](const Tensor& t) { return PyLong_FromLongLong(t.numel() * item_size(t.dtype())); }>, nullptr,
     nullptr, nullptr},
    {"requires_grad", get<[](const Tensor& t) { return PyBool_FromLong(t.requires_grad()); }>, set<set_requires_grad>,
     nullptr, nullptr},
    {"is_leaf", get<[](const Tensor& t) { return PyBool_FromLong(t.is_leaf()); }>, nullptr, nullptr, nullptr},
    {"grad_fn", get<get_grad_fn>, nullptr, nullptr, nullptr},
    {"grad", get<[](const Tensor& t) { return wrap(t.grad()); }>, set<set_grad>, "The accumulated gradient, or None.",
     nullptr},
    {"data", get<get_data>, set<set_data>, nullptr, nullptr},
    {"retains_grad", get<[](const Tensor& t) { return PyBool_FromLong(t.impl()->retains_grad); }>, nullptr, nullptr,
     nullptr},
    {"is_cuda", get<[](const Tensor& t) { return PyBool_FromLong(t.device().type == DeviceType::CUDA); }>, nullptr,
     nullptr, nullptr},
    {"is_cpu", get<[](const Tensor& t) { return PyBool_FromLong(t.device().type == DeviceType::CPU); }>, nullptr,
     nullptr, nullptr},
    {"layout", get<[](const Tensor& t) { return PyUnicode_InternFromString(is_sparse(t) ? "sparse_coo" : "strided"); }>,
     nullptr, nullptr, nullptr},
    {"output_nr", get<[](const Tensor& t) { return PyLong_FromLongLong(gradient_edge(t).index); }>, nullptr, nullptr,
     nullptr},
    {"is_sparse", get<[](const Tensor& t) { return PyBool_FromLong(is_sparse(t)); }>, nullptr,
     "Whether only some rows are known to be other than zero, and no element was made yet.", nullptr},
    {"_version", get<[](const Tensor& t) { return PyLong_FromUnsignedLongLong(t.impl()->version()); }>, nullptr,
     nullptr, nullptr},
    {"_base", get<[](const Tensor& t) { return wrap(t.impl()->base); }>, nullptr, nullptr, nullptr},
    {"T", get<[](const Tensor& t) { return wrap(numpy_t(t)); }>, nullptr, "The dimensions reversed.", nullptr},
    {"mT", get<[](const Tensor& t) { return wrap(mT(t)); }>, nullptr, "The last two dimensions swapped.", nullptr},
    {"H", get<[](const Tensor& t) { return wrap(matrix_t(t)); }>, nullptr, "A matrix transposed.", nullptr},
    {"mH", get<[](const Tensor& t) { return wrap(mT(t)); }>, nullptr, nullptr, nullptr},
    {"real", [](PyObject* self, void*) { return Py_NewRef(self); }, nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {}};

}  // namespace

// ---- wrapping

PyObject* wrap_as(PyTypeObject* type, const Tensor& t) {
  PyObject* o = checked(type->tp_alloc(type, 0));
  if (type == &tensor_type) PyObject_GC_UnTrack(o);  // only a tensor with attributes can be part of a cycle
  new (&object(o)->tensor) Tensor(t);
  t.impl()->python_object = o;
  return o;
}

PyObject* wrap(const Tensor& t) {
  if (!t.defined()) Py_RETURN_NONE;
  TensorImpl& impl = *t.impl();
  if (impl.python_object) return Py_NewRef(static_cast<PyObject*>(impl.python_object));
  if (impl.wrapped_number) impl.wrapped_number = false;  // what Python holds is a tensor like any other
  if (free_count == 0) return wrap_as(&tensor_type, t);
  PyObject* o = free_list[--free_count];
  _Py_NewReference(o);
  object(o)->tensor = t;
  impl.python_object = o;
  return o;
}

PyObject* wrap(const TensorList& list) {
  PyObject* tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(list.size())));
  for (size_t i = 0; i < list.size(); ++i) PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), wrap(list[i]));
  return tuple;
}

void bind_tensor_type(PyObject* module) {
  fill_slots();
  PyTypeObject& t = tensor_type;
  t.tp_name = "dlcore.Tensor";
  t.tp_doc = "A strided n-dimensional array that takes part in automatic differentiation.";
  t.tp_basicsize = sizeof(TensorObject);
  t.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  t.tp_dealloc = tensor_dealloc;
  t.tp_traverse = tensor_traverse;
  t.tp_clear = tensor_clear;
  t.tp_new = tensor_new;
  t.tp_init = [](PyObject*, PyObject*, PyObject*) { return 0; };
  t.tp_setattro = tensor_setattro;
  t.tp_dictoffset = offsetof(TensorObject, dict);
  t.tp_weaklistoffset = offsetof(TensorObject, weak_references);
  sequence_methods.sq_contains = tensor_contains;
  t.tp_repr = tensor_repr;
  t.tp_as_sequence = &sequence_methods;
  t.tp_as_number = &number_methods;
  t.tp_as_mapping = &mapping_methods;
  t.tp_richcompare = compare;
  t.tp_hash = tensor_hash;
  t.tp_iter = tensor_iter;
  t.tp_getset = getset;
  if (PyType_Ready(&t) < 0) throw_python_error();
  if (PyObject_SetAttrString(module, "Tensor", reinterpret_cast<PyObject*>(&t)) < 0) throw_python_error();
}

}  // namespace dlcore::bindings
