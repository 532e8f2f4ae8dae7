// The Python objects of ops, their registration, and the conversion of arguments and results.
#include "bindings/op.h"

#include <structseq.h>

#include <cstring>
#include <map>

#include "bindings/signature.h"

namespace dlcore::bindings {
namespace {

std::map<std::string, Op*>& registry() {
  static auto& r = *new std::map<std::string, Op*>;
  return r;
}

// ---- the Python objects of an op: a plain callable, and a method descriptor

struct OpObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  const Op* op;
};

PyObject* op_vectorcall(PyObject* self, PyObject* const* args, size_t n, PyObject* names) {
  return guarded([&] { return call_op(*reinterpret_cast<OpObject*>(self)->op, args, PyVectorcall_NARGS(n), names); });
}

PyObject* op_name(PyObject* self, void*) {
  return PyUnicode_FromString(reinterpret_cast<OpObject*>(self)->op->name.c_str());
}
PyObject* op_doc(PyObject* self, void*) {
  const Op& op = *reinterpret_cast<OpObject*>(self)->op;
  std::string text;
  for (const Overload& o : op.overloads) text += (text.empty() ? "" : "\n") + op.name + o.text;
  return PyUnicode_FromString(text.c_str());
}
PyObject* op_module(PyObject*, void*) { return PyUnicode_FromString("dlcore._core"); }
PyObject* op_repr(PyObject* self) {
  return PyUnicode_FromFormat("<op %s>", reinterpret_cast<OpObject*>(self)->op->name.c_str());
}
PyObject* op_reduce(PyObject* self, PyObject*) { return op_name(self, nullptr); }
PyObject* method_get(PyObject* self, PyObject* instance, PyObject*) {
  if (!instance || instance == Py_None) {
    Py_INCREF(self);
    return self;
  }
  return PyMethod_New(self, instance);
}

PyGetSetDef op_getset[] = {{"__name__", op_name, nullptr, nullptr, nullptr},
                           {"__qualname__", op_name, nullptr, nullptr, nullptr},
                           {"__doc__", op_doc, nullptr, nullptr, nullptr},
                           {"__module__", op_module, nullptr, nullptr, nullptr},
                           {}};
PyMethodDef op_methods[] = {{"__reduce__", op_reduce, METH_NOARGS, nullptr}, {}};

PyTypeObject function_type = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyTypeObject method_type = {PyVarObject_HEAD_INIT(nullptr, 0)};

void ready(PyTypeObject& t, const char* name) {
  t.tp_name = name;
  t.tp_basicsize = sizeof(OpObject);
  t.tp_vectorcall_offset = offsetof(OpObject, vectorcall);
  t.tp_call = PyVectorcall_Call;
  t.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL;
  t.tp_repr = op_repr;
  t.tp_getset = op_getset;
  t.tp_methods = op_methods;
  if (&t == &method_type) {
    t.tp_flags |= Py_TPFLAGS_METHOD_DESCRIPTOR;
    t.tp_descr_get = method_get;
  }
  if (PyType_Ready(&t) < 0) throw_python_error();
}

Owned op_object(PyTypeObject& type, const Op* op) {
  auto* o = PyObject_New(OpObject, &type);
  checked(reinterpret_cast<PyObject*>(o));
  o->vectorcall = op_vectorcall;
  o->op = op;
  return Owned(reinterpret_cast<PyObject*>(o));
}

// Makes an op known in Python under a name.
void publish(PyObject* module, const char* name, const Op* op, bool function, bool method) {
  if (function && PyObject_SetAttrString(module, name, op_object(function_type, op).get()) < 0) throw_python_error();
  if (!method) return;
  if (PyDict_SetItemString(tensor_type.tp_dict, name, op_object(method_type, op).get()) < 0) throw_python_error();
  PyType_Modified(&tensor_type);
}

void prepare() {
  static bool done = false;
  if (done) return;
  done = true;
  ready(function_type, "dlcore._core.op");
  ready(method_type, "dlcore._core.op_method");
}

}  // namespace

const Op* find_op(const std::string& name) {
  const auto found = registry().find(name);
  return found == registry().end() ? nullptr : found->second;
}

void Ops::add(const char* signature, Target target, bool function, bool method) {
  const char* open = std::strchr(signature, '(');
  add(std::string(signature, open).c_str(), {open}, {target}, function, method);
}

void Ops::add(const char* name, Signatures signatures, std::initializer_list<Target> targets, bool function,
              bool method) {
  prepare();
  Op*& op = registry()[name];
  if (!op) op = new Op{name, {}, function, method, {}};
  op->is_function |= function;
  op->is_method |= method;
  DLCORE_CHECK(signatures.size() == targets.size(), RuntimeError, name, ": ", signatures.size(), " signatures for ",
               targets.size(), " functions");
  for (size_t i = 0; i < targets.size(); ++i) {
    const char* signature = signatures.begin()[i];
    Overload o = read_overload(name, signature);
    o.target = targets.begin()[i];
    DLCORE_CHECK(o.params.size() == o.target.arity && o.target.arity <= kMaxParams, RuntimeError, name, ": signature ",
                 signature, " does not have the function's ", o.target.arity, " parameters");
    op->overloads.push_back(std::move(o));
  }
  publish(module_, name, op, function, method);
}

void Ops::same(const char* alias, const char* name) {
  const Op* op = find_op(name);
  DLCORE_CHECK(op, RuntimeError, alias, ": there is no op ", name);
  registry()[alias] = const_cast<Op*>(op);
  publish(module_, alias, op, op->is_function, op->is_method);
}

std::string Ops::stubs() {
  std::string functions, methods;
  for (const auto& [name, op] : registry()) {
    Op named = *op;
    named.name = name;
    const bool several = named.overloads.size() > 1;
    for (const Overload& o : named.overloads) {
      if (named.is_function) functions += (several ? "@overload\n" : "") + stub_line(named, o, false);
      if (named.is_method) methods += (several ? "    @overload\n" : "") + stub_line(named, o, true);
    }
  }
  return methods + "\n" + functions;
}

// ---- casters

void Caster<const TensorList&>::load(PyObject* o, const Param&) {
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  value.reserve(static_cast<size_t>(n));
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(o, i);
    value.push_back(item == Py_None ? Tensor{} : tensor_of(item));
  }
}

void Caster<IntSpan>::load(PyObject* o, const Param& p) {
  if (is_integer(o)) {
    n = static_cast<size_t>(std::min(p.repeat, 8));
    std::fill(small, small + n, integer_of(o));
    return;
  }
  n = static_cast<size_t>(PySequence_Fast_GET_SIZE(o));
  int64_t* to = small;
  if (n > 8) {
    large.resize(n);
    to = large.data();
  }
  for (size_t i = 0; i < n; ++i) to[i] = integer_of(PySequence_Fast_GET_ITEM(o, static_cast<Py_ssize_t>(i)));
}

template <>
Scalar simple_cast(PyObject* o) {
  return is_tensor(o) ? tensor_of(o).item() : number_of(o);
}
template <>
int64_t simple_cast(PyObject* o) {
  return integer_of(o);
}
template <>
double simple_cast(PyObject* o) {
  return simple_cast<Scalar>(o).to_double();
}
template <>
bool simple_cast(PyObject* o) {
  return PyObject_IsTrue(o) == 1;
}
template <>
std::string simple_cast(PyObject* o) {
  Py_ssize_t n = 0;
  const char* text = PyUnicode_AsUTF8AndSize(o, &n);
  if (!text) throw_python_error();
  return {text, static_cast<size_t>(n)};
}
template <>
DType simple_cast(PyObject* o) {
  return dtype_of_object(o);
}
template <>
Device simple_cast(PyObject* o) {
  return device_of(o);
}

PyObject* to_python(Scalar s, const Overload&) {
  switch (s.kind()) {
    case Scalar::Kind::Bool:
      return PyBool_FromLong(s.to_bool());
    case Scalar::Kind::Int:
      return PyLong_FromLongLong(s.to_int());
    case Scalar::Kind::Float:
      break;
  }
  return PyFloat_FromDouble(s.to_double());
}
PyObject* to_python(const std::vector<int64_t>& v, const Overload&) { return wrap_size(v); }

PyObject* tuple_to_python(PyObject* const* items, Py_ssize_t n, const Overload& o) {
  PyObject* t = o.result_type ? PyStructSequence_New(o.result_type) : PyTuple_New(n);
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (o.result_type)
      PyStructSequence_SetItem(t, i, items[i]);
    else
      PyTuple_SET_ITEM(t, i, items[i]);
  }
  return t;
}

}  // namespace dlcore::bindings
