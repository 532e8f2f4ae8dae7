// Size, dtype, device, numbers, and tensors made from Python data.
#include "bindings/pybind.h"
#include "core/half.h"
#include "ops/internal.h"

namespace dlcore::bindings {

// ---- errors

void throw_python_error() { throw py::error_already_set(); }

void set_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const IndexError& e) {
    PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const ValueError& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const TypeError& e) {
    PyErr_SetString(PyExc_TypeError, e.what());
  } catch (const NotImplementedError& e) {
    PyErr_SetString(PyExc_NotImplementedError, e.what());
  } catch (const OutOfMemoryError& e) {
    PyErr_SetString(PyExc_MemoryError, e.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "unknown C++ exception");
  }
}

namespace {

// ---- Size: a tuple with two methods more

PyTypeObject size_type = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyObject* as_size(PyObject* tuple) {  // steals
  if (!tuple) return nullptr;
  const Py_ssize_t n = PyTuple_GET_SIZE(tuple);
  PyObject* s = size_type.tp_alloc(&size_type, n);
  for (Py_ssize_t i = 0; s && i < n; ++i) PyTuple_SET_ITEM(s, i, Py_NewRef(PyTuple_GET_ITEM(tuple, i)));
  Py_DECREF(tuple);
  return s;
}

PyObject* size_repr(PyObject* self) {
  py::list items = py::reinterpret_borrow<py::tuple>(self);
  return PyUnicode_FromFormat("dlcore.Size(%R)", items.ptr());
}
PyObject* size_numel(PyObject* self, PyObject*) {
  return guarded([&] {
    int64_t n = 1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); ++i) n *= integer_of(PyTuple_GET_ITEM(self, i));
    return PyLong_FromLongLong(n);
  });
}
PyObject* size_subscript(PyObject* self, PyObject* key) {
  PyObject* r = PyTuple_Type.tp_as_mapping->mp_subscript(self, key);
  return r && PySlice_Check(key) ? as_size(r) : r;
}
PyObject* size_concat(PyObject* a, PyObject* b) {
  PyObject* r = PyTuple_Type.tp_as_sequence->sq_concat(a, b);
  return r && PyTuple_CheckExact(r) ? as_size(r) : r;
}
PyObject* size_new(PyTypeObject*, PyObject* args, PyObject*) {
  return guarded([&]() -> PyObject* {
    py::object values =
        PyTuple_GET_SIZE(args) ? py::reinterpret_borrow<py::object>(PyTuple_GET_ITEM(args, 0)) : py::tuple();
    py::tuple t(values);
    for (py::handle item : t)
      DLCORE_CHECK(is_integer(item.ptr()), TypeError, "Size: expected ints, got ", Py_TYPE(item.ptr())->tp_name);
    return as_size(t.release().ptr());
  });
}
PyMethodDef size_methods[] = {{"numel", size_numel, METH_NOARGS, "The product of the sizes."}, {}};
PyMappingMethods size_mapping;
PySequenceMethods size_sequence;

void ready_size() {
  PyTypeObject& t = size_type;
  t.tp_name = "dlcore.Size";
  t.tp_base = &PyTuple_Type;
  t.tp_flags = Py_TPFLAGS_DEFAULT;
  t.tp_repr = size_repr;
  t.tp_new = size_new;
  t.tp_methods = size_methods;
  size_mapping = *PyTuple_Type.tp_as_mapping;
  size_mapping.mp_subscript = size_subscript;
  size_sequence = *PyTuple_Type.tp_as_sequence;
  size_sequence.sq_concat = size_concat;
  t.tp_as_mapping = &size_mapping;
  t.tp_as_sequence = &size_sequence;
  if (PyType_Ready(&t) < 0) throw_python_error();
}

// ---- dtype: ten objects

struct DTypeObject {
  PyObject_HEAD DType value;
};
PyTypeObject dtype_type = {PyVarObject_HEAD_INIT(nullptr, 0)};
DTypeObject* dtype_objects[kNumDTypes];

DType value_of(PyObject* o) { return reinterpret_cast<DTypeObject*>(o)->value; }
PyObject* dtype_repr(PyObject* o) { return PyUnicode_FromFormat("dlcore.%s", name(value_of(o))); }
PyObject* dtype_reduce(PyObject* o, PyObject*) { return PyUnicode_FromString(name(value_of(o))); }
PyMethodDef dtype_methods[] = {{"__reduce__", dtype_reduce, METH_NOARGS, nullptr}, {}};
PyGetSetDef dtype_getset[] = {
    {"is_floating_point", [](PyObject* o, void*) { return PyBool_FromLong(is_floating(value_of(o))); }, nullptr,
     nullptr, nullptr},
    {"is_complex", [](PyObject*, void*) { return PyBool_FromLong(0); }, nullptr, nullptr, nullptr},
    {"is_signed",
     [](PyObject* o, void*) { return PyBool_FromLong(value_of(o) != DType::UInt8 && value_of(o) != DType::Bool); },
     nullptr, nullptr, nullptr},
    {"itemsize", [](PyObject* o, void*) { return PyLong_FromLongLong(item_size(value_of(o))); }, nullptr, nullptr,
     nullptr},
    {"name", [](PyObject* o, void*) { return PyUnicode_FromString(name(value_of(o))); }, nullptr, nullptr, nullptr},
    {"__module__", [](PyObject*, void*) { return PyUnicode_FromString("dlcore"); }, nullptr, nullptr, nullptr},
    {}};

void ready_dtype(py::module_& m) {
  PyTypeObject& t = dtype_type;
  t.tp_name = "dlcore.dtype";
  t.tp_basicsize = sizeof(DTypeObject);
  t.tp_flags = Py_TPFLAGS_DEFAULT;
  t.tp_repr = dtype_repr;
  t.tp_methods = dtype_methods;
  t.tp_getset = dtype_getset;
  if (PyType_Ready(&t) < 0) throw_python_error();
  m.attr("dtype") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&t));
  for (int i = 0; i < kNumDTypes; ++i) {
    dtype_objects[i] = PyObject_New(DTypeObject, &t);
    dtype_objects[i]->value = static_cast<DType>(i);
    m.attr(name(static_cast<DType>(i))) =
        py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(dtype_objects[i]));
  }
  const std::pair<const char*, DType> aliases[] = {{"float", DType::Float32}, {"double", DType::Float64},
                                                   {"half", DType::Float16},  {"short", DType::Int16},
                                                   {"int", DType::Int32},     {"long", DType::Int64}};
  for (auto [alias, type] : aliases) m.attr(alias) = owned(wrap(type));
}

// ---- Python data -> tensors

bool is_numpy_generic(PyObject* o) {
  static PyObject* generic = PyObject_GetAttrString(py::module_::import("numpy").ptr(), "generic");
  return PyObject_IsInstance(o, generic) == 1;
}

// The dtype of a numpy scalar, which keeps it in a tensor; none for Python's own numbers.
std::optional<DType> numpy_scalar_dtype(PyObject* o) {
  if (PyFloat_CheckExact(o) || PyLong_CheckExact(o) || PyBool_Check(o) || !is_numpy_generic(o)) return {};
  const py::object array = py::module_::import("numpy").attr("asarray")(py::handle(o));
  return tensor_from_array(array.ptr(), true).dtype();
}

struct DataShape {
  std::vector<int64_t> sizes;
  bool any_float = false, any_int = false, any_bool = false;
  bool any_tensor = false;
  DType tensor_dtype = DType::Bool;
};

void measure(PyObject* o, DataShape& s, size_t depth, bool first) {
  DLCORE_CHECK(depth < static_cast<size_t>(kMaxDims), ValueError, "tensor: data is nested more than ", kMaxDims,
               " deep");
  if (PyList_Check(o) || PyTuple_Check(o)) {
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    if (first) {
      DLCORE_CHECK(s.sizes.size() == depth, ValueError, "tensor: ragged nested sequence at depth ", depth);
      s.sizes.push_back(n);
    }
    DLCORE_CHECK(depth < s.sizes.size() && s.sizes[depth] == n, ValueError, "tensor: expected a sequence of length ",
                 depth < s.sizes.size() ? s.sizes[depth] : 0, " at dimension ", depth, " but got length ", n);
    for (Py_ssize_t i = 0; i < n; ++i) {
      DLCORE_CHECK(PySequence_Fast_GET_SIZE(o) == n, RuntimeError, "tensor: the list changed while it was read");
      measure(PySequence_Fast_GET_ITEM(o, i), s, depth + 1, first && i == 0);
    }
    return;
  }
  IntSpan inner;
  if (is_tensor(o)) {
    inner = tensor_of(o).sizes();
    s.tensor_dtype = s.any_tensor ? promote_types(s.tensor_dtype, tensor_of(o).dtype()) : tensor_of(o).dtype();
    s.any_tensor = true;
  } else {
    DLCORE_CHECK(is_number(o), TypeError, "tensor: expected numbers or sequences of numbers, got ",
                 Py_TYPE(o)->tp_name);
    const Scalar v = number_of(o);
    if (const std::optional<DType> own = numpy_scalar_dtype(o)) {
      s.tensor_dtype = s.any_tensor ? promote_types(s.tensor_dtype, *own) : *own;
      s.any_tensor = true;
    } else
      (v.kind() == Scalar::Kind::Bool ? s.any_bool : v.is_floating() ? s.any_float : s.any_int) = true;
  }
  if (first) {
    for (int64_t k : inner) s.sizes.push_back(k);
  } else {
    DLCORE_CHECK(s.sizes.size() == depth + static_cast<size_t>(inner.size()), ValueError,
                 "tensor: expected a sequence of length ", depth < s.sizes.size() ? s.sizes[depth] : 0,
                 " at dimension ", depth, " but got ", is_tensor(o) ? "a tensor" : "a number");
    for (int64_t k = 0; k < inner.size(); ++k)
      DLCORE_CHECK(s.sizes[depth + static_cast<size_t>(k)] == inner[k], ValueError,
                   "tensor: tensors of different shapes in one list");
  }
}

template <class T>
void fill_from(PyObject* o, T*& to) {
  if (PyList_Check(o) || PyTuple_Check(o)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) fill_from(PySequence_Fast_GET_ITEM(o, i), to);
    return;
  }
  if (is_tensor(o)) {
    NoGrad no_grad;
    const Tensor same = contiguous(to_dtype(tensor_of(o), dtype_of<T>::value));
    std::copy_n(same.data<T>(), same.numel(), to);
    to += same.numel();
    return;
  }
  const Scalar v = number_of(o);
  *to++ = std::is_floating_point_v<T> ? static_cast<T>(v.to_double()) : static_cast<T>(v.to_int());
}

Tensor from_sequence(PyObject* o, std::optional<DType> dtype) {
  DataShape s;
  measure(o, s, 0, true);
  DType natural = s.any_float ? default_dtype() : s.any_int ? DType::Int64 : s.any_bool ? DType::Bool : default_dtype();
  if (s.any_tensor) natural = s.any_float && !is_floating(s.tensor_dtype) ? default_dtype() : s.tensor_dtype;
  const DType wanted = dtype.value_or(natural);
  // Floats go through float64 and integers through int64, then to the dtype asked for.
  const bool floats = s.any_float || is_floating(natural) || is_floating(wanted);
  Tensor t = empty(s.sizes, floats ? DType::Float64 : DType::Int64);
  if (floats) {
    double* to = static_cast<double*>(t.raw_data());
    fill_from(o, to);
  } else {
    int64_t* to = static_cast<int64_t*>(t.raw_data());
    fill_from(o, to);
  }
  NoGrad no_grad;
  return to_dtype(t, wanted);
}

}  // namespace

bool is_size(PyObject* o) { return PyObject_TypeCheck(o, &size_type); }

PyObject* wrap_size(IntSpan sizes) {
  PyObject* s = checked(size_type.tp_alloc(&size_type, static_cast<Py_ssize_t>(sizes.size())));
  for (int64_t i = 0; i < sizes.size(); ++i) PyTuple_SET_ITEM(s, i, PyLong_FromLongLong(sizes[i]));
  return s;
}

bool is_dtype(PyObject* o) { return Py_TYPE(o) == &dtype_type; }
DType dtype_of_object(PyObject* o) {
  if (is_dtype(o)) return value_of(o);
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) return DType::Float64;
  if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::Int64;
  if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::Bool;
  fail<TypeError>("dtype: expected a dlcore.dtype but got ", Py_TYPE(o)->tp_name);
}
PyObject* wrap(DType t) { return Py_NewRef(reinterpret_cast<PyObject*>(dtype_objects[static_cast<int>(t)])); }

bool is_number(PyObject* o) {
  return PyFloat_Check(o) || PyLong_Check(o) ||
         (Py_TYPE(o)->tp_as_number && !is_tensor(o) && !PyType_Check(o) && is_numpy_generic(o));
}

Scalar number_of(PyObject* o) {
  if (PyBool_Check(o)) return o == Py_True;
  if (PyFloat_Check(o)) return PyFloat_AS_DOUBLE(o);
  if (PyLong_Check(o)) {
    int overflow = 0;
    const int64_t v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {
      PyErr_SetString(PyExc_OverflowError, "an integer does not fit into 64 bits");
      throw_python_error();
    }
    return v;
  }
  const py::object item = py::reinterpret_borrow<py::object>(o).attr("item")();
  DLCORE_CHECK(PyFloat_Check(item.ptr()) || PyLong_Check(item.ptr()), TypeError, "expected a number but got ",
               Py_TYPE(o)->tp_name);
  return number_of(item.ptr());
}

bool is_integer(PyObject* o) {
  if (PyLong_Check(o)) return !PyBool_Check(o);
  if (is_tensor(o)) {
    const Tensor& t = tensor_of(o);
    return t.numel() == 1 && t.dim() == 0 && is_integral(t.dtype(), false);
  }
  return PyIndex_Check(o) && !PyType_Check(o) && is_numpy_generic(o);
}

int64_t integer_of(PyObject* o) {
  const py::object index = owned(checked(PyNumber_Index(o)));
  const int64_t v = PyLong_AsLongLong(index.ptr());
  if (v == -1 && PyErr_Occurred()) throw_python_error();
  return v;
}

bool is_device(PyObject* o) { return py::isinstance<Device>(o); }
PyObject* wrap(Device d) { return py::cast(d).release().ptr(); }
Device device_of(PyObject* o) {
  if (o == Py_None) return {};
  if (is_device(o)) {
    const Device d = py::cast<Device>(py::handle(o));
    DLCORE_CHECK(d.type == DeviceType::CPU, RuntimeError,
                 "device: this build of dlcore has no CUDA; build it with -DDLCORE_CUDA=ON to use device 'cuda'");
    return d;
  }
  DLCORE_CHECK(PyUnicode_Check(o), TypeError, "device: expected a dlcore.device or str but got ", Py_TYPE(o)->tp_name);
  return device_of(py::module_::import("dlcore._core").attr("device")(py::handle(o)).ptr());
}

Tensor tensor_from_object(PyObject* o, std::optional<DType> dtype, bool share) {
  NoGrad no_grad;
  if (is_tensor(o)) {
    const Tensor t = dtype ? to_dtype(tensor_of(o), *dtype) : tensor_of(o);
    return share || !t.is_same(tensor_of(o)) ? t : clone(t).detach();
  }
  if (PyList_Check(o) || PyTuple_Check(o) || PyFloat_Check(o) || PyLong_Check(o)) return from_sequence(o, dtype);
  if (PyObject_HasAttrString(o, "__array_interface__")) {
    const Tensor t = tensor_from_array(o, true);
    const Tensor cast = dtype ? to_dtype(t, *dtype) : t;
    return share || !cast.is_same(t) ? cast : clone(t);
  }
  if (PyObject_CheckBuffer(o) || PyObject_HasAttrString(o, "__array__") || PyObject_HasAttrString(o, "__dlpack__"))
    return tensor_from_object(py::module_::import("numpy").attr("asarray")(py::handle(o)).ptr(), dtype, share);
  if (PySequence_Check(o) && !PyUnicode_Check(o) && !PyBytes_Check(o)) {
    const py::object list = owned(checked(PySequence_List(o)));
    return from_sequence(list.ptr(), dtype);
  }
  fail<TypeError>("tensor: cannot make a tensor from ", Py_TYPE(o)->tp_name);
}

void bind_types(py::module_& m) {
  ready_size();
  m.attr("Size") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&size_type));
  ready_dtype(m);
  py::class_<Device>(m, "device", "Where a tensor lives: device('cpu').")
      .def(py::init([](const std::string& text, std::optional<int> index) {
             const size_t colon = text.find(':');
             const std::string type = text.substr(0, colon);
             DLCORE_CHECK(type == "cpu" || type == "cuda", RuntimeError, "device: expected 'cpu' or 'cuda' but got '",
                          text, "'");
             Device d{type == "cpu" ? DeviceType::CPU : DeviceType::CUDA, static_cast<int8_t>(index.value_or(0))};
             if (colon != std::string::npos) {
               const std::string digits = text.substr(colon + 1);
               DLCORE_CHECK(
                   !digits.empty() && digits.size() < 3 && digits.find_first_not_of("0123456789") == std::string::npos,
                   RuntimeError, "device: bad index in '", text, "'");
               d.index = static_cast<int8_t>(std::stoi(digits));
             }
             return d;
           }),
           py::arg("type"), py::arg("index") = py::none())
      .def(py::init([](const Device& d) { return d; }))
      .def_property_readonly("type", [](Device d) { return d.type == DeviceType::CPU ? "cpu" : "cuda"; })
      .def_property_readonly("index",
                             [](Device d) -> std::optional<int> {
                               return d.type == DeviceType::CPU ? std::nullopt : std::optional<int>(d.index);
                             })
      .def("__eq__", [](Device a, py::object b) { return py::isinstance<Device>(b) && a == b.cast<Device>(); })
      .def("__hash__", [](Device d) { return static_cast<int>(d.type) * 256 + d.index; })
      .def("__str__",
           [](Device d) { return d.type == DeviceType::CPU ? std::string("cpu") : "cuda:" + std::to_string(d.index); })
      .def("__repr__", [](Device d) {
        return d.type == DeviceType::CPU ? std::string("device(type='cpu')")
                                         : "device(type='cuda', index=" + std::to_string(d.index) + ")";
      });
}

}  // namespace dlcore::bindings
