#include "bindings/op.h"

#include <pybind11/eval.h>
#include <structseq.h>

#include <map>

namespace dlcore::bindings {
namespace {

// Keyword names that numpy's users write, and the names that they stand for.
PyObject *axis_name, *dim_name, *keepdims_name, *keepdim_name, *out_name, *requires_grad_name, *device_name,
    *layout_name, *pin_memory_name, *dtype_name;

std::map<std::string, Op*>& registry() {
  static auto& r = *new std::map<std::string, Op*>;
  return r;
}

// ---- reading signatures

struct Reader {
  std::string text;
  size_t at = 0;

  void space() {
    while (at < text.size() && text[at] == ' ') ++at;
  }
  bool take(const char* token) {
    space();
    const size_t n = std::strlen(token);
    if (text.compare(at, n, token) != 0) return false;
    at += n;
    return true;
  }
  std::string word() {
    space();
    const size_t start = at;
    while (at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) || std::strchr("_.", text[at])))
      ++at;
    return text.substr(start, at - start);
  }
  [[noreturn]] void bad() const { fail<RuntimeError>("bad signature at ", at, ": ", text); }

  PyObject* value() {
    space();
    const size_t start = at;
    int depth = 0;
    bool quoted = false;
    for (; at < text.size(); ++at) {
      const char c = text[at];
      if (c == '"' || c == '\'') quoted = !quoted;
      if (quoted) continue;
      if (c == '[' || c == '(') ++depth;
      if ((c == ')' || c == ',') && depth == 0) break;
      if (c == ']' || c == ')') --depth;
    }
    std::string source = text.substr(start, at - start);
    if (source.rfind("dlcore.", 0) == 0) bad();
    return py::eval(source).release().ptr();
  }

  Param param() {
    Param p{};
    const std::string type = word();
    if (type == "Number") {
      p.kind = Kind::Number;
      if (take("|Tensor")) {
        p.kind = Kind::Tensor;
        p.accepts_number = true;
      }
    } else if (type == "Tensor") {
      p.kind = Kind::Tensor;
      if (take("|Number")) p.accepts_number = true;
      p.optional = take("?[]");  // the list's items are
      if (p.optional || take("[]")) p.kind = Kind::TensorList;
    } else if (type == "int...") {
      p.kind = Kind::Varargs;
      p.varargs = true;
    } else if (type == "Tensor...") {
      p.kind = Kind::TensorList;
      p.varargs = true;
    } else if (type == "int") {
      p.kind = Kind::Int;
      if (take("[")) {
        p.kind = Kind::IntList;
        if (const std::string n = word(); !n.empty()) p.repeat = std::stoi(n);
        if (!take("]")) bad();
      }
    } else {
      static const std::map<std::string, Kind> kinds = {{"float", Kind::Float},   {"bool", Kind::Bool},
                                                        {"str", Kind::Str},       {"dtype", Kind::DType},
                                                        {"device", Kind::Device}, {"Generator", Kind::Generator}};
      const auto found = kinds.find(type);
      if (found == kinds.end()) bad();
      p.kind = found->second;
    }
    if (take("?")) p.optional = true;
    const std::string n = word();
    if (n.empty()) bad();
    p.name = PyUnicode_InternFromString(n.c_str());
    if (take("=")) p.value = value();
    return p;
  }
};

PyTypeObject* named_tuple(const std::string& op, const std::vector<std::string>& fields) {
  auto* list = new PyStructSequence_Field[fields.size() + 1]();
  for (size_t i = 0; i < fields.size(); ++i) list[i].name = strdup(fields[i].c_str());
  PyStructSequence_Desc desc = {strdup(("dlcore.return_types." + op).c_str()), nullptr, list,
                                static_cast<int>(fields.size())};
  return PyStructSequence_NewType(&desc);
}

Overload read_overload(const std::string& op, const char* signature) {
  Overload o;
  o.text = signature;
  Reader r{o.text};
  if (!r.take("(")) r.bad();
  bool keyword_only = false;
  while (!r.take(")")) {
    if (r.take("*")) {
      keyword_only = true;
    } else {
      Param p = r.param();
      p.keyword_only = keyword_only;
      if (!keyword_only) ++o.positional;
      o.params.push_back(p);
    }
    r.take(",");
  }
  if (r.take("->") && r.take("(")) {
    std::vector<std::string> fields;
    while (!r.take(")")) {
      (void)r.word();
      if (const std::string field = r.word(); !field.empty()) fields.push_back(field);
      r.take(",");
    }
    if (!fields.empty()) o.result_type = named_tuple(op, fields);
  }
  return o;
}

// ---- matching arguments

bool is_int_sequence(PyObject* o) {
  if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
  for (Py_ssize_t i = 0, n = PySequence_Fast_GET_SIZE(o); i < n; ++i)
    if (!is_integer(PySequence_Fast_GET_ITEM(o, i))) return false;
  return true;
}

bool is_array(PyObject* o) { return PyObject_HasAttrString(o, "__array_interface__"); }

bool fits(PyObject* o, const Param& p) {
  if (o == Py_None) return p.optional && p.kind != Kind::TensorList;
  switch (p.kind) {
    case Kind::Tensor:
      return is_tensor(o) || (p.accepts_number && (is_number(o) || is_array(o)));
    case Kind::TensorList: {
      if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
      for (Py_ssize_t i = 0, n = PySequence_Fast_GET_SIZE(o); i < n; ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(o, i);
        if (!is_tensor(item) && !(p.optional && item == Py_None)) return false;
      }
      return true;
    }
    case Kind::Number:
      return is_number(o) || (is_tensor(o) && tensor_of(o).dim() == 0 && !tensor_of(o).requires_grad());
    case Kind::Int:
      return is_integer(o);
    case Kind::Float:
      return is_number(o) || (is_tensor(o) && tensor_of(o).dim() == 0);
    case Kind::Bool:
      return PyBool_Check(o) || (is_number(o) && !PyFloat_Check(o) && !PyLong_Check(o));
    case Kind::Str:
      return PyUnicode_Check(o);
    case Kind::IntList:
      return is_int_sequence(o) || (p.repeat > 0 && is_integer(o));
    case Kind::Varargs:
      return is_int_sequence(o);
    case Kind::DType:
      return is_dtype(o) || o == reinterpret_cast<PyObject*>(&PyFloat_Type) ||
             o == reinterpret_cast<PyObject*>(&PyLong_Type) || o == reinterpret_cast<PyObject*>(&PyBool_Type);
    case Kind::Device:
      return PyUnicode_Check(o) || py::isinstance<Device>(o);
    case Kind::Generator:
      return py::isinstance<Generator>(o);
  }
  return false;
}

const char* describe(const Param& p) {
  switch (p.kind) {
    case Kind::Tensor:
      return p.accepts_number ? "Tensor or number" : "Tensor";
    case Kind::TensorList:
      return "tuple or list of Tensors";
    case Kind::Number:
      return "number";
    case Kind::Int:
      return "int";
    case Kind::Float:
      return "float";
    case Kind::Bool:
      return "bool";
    case Kind::Str:
      return "str";
    case Kind::IntList:
      return p.repeat ? "int or tuple of ints" : "tuple of ints";
    case Kind::Varargs:
      return "ints or a tuple of ints";
    case Kind::DType:
      return "dlcore.dtype";
    case Kind::Device:
      return "dlcore.device or str";
    case Kind::Generator:
      return "dlcore.Generator";
  }
  return "";
}

constexpr size_t kMaxParams = 24;

// Extra keywords that every function takes, whatever its signature.
struct Extras {
  PyObject* out = nullptr;
  bool requires_grad = false;
};

struct Mismatch {
  std::string why;
};

bool same_name(PyObject* a, PyObject* b) { return a == b || PyUnicode_Compare(a, b) == 0; }

bool extra_keyword(const Op& op, const Overload& o, PyObject* name, PyObject* value, Extras& extras) {
  if (!op.is_function) return false;
  if (same_name(name, out_name)) {
    if (value != Py_None) extras.out = value;
    return true;
  }
  bool creates = false;
  for (const Param& p : o.params) creates |= p.kind == Kind::DType;
  if (!creates) return false;
  if (same_name(name, requires_grad_name)) {
    extras.requires_grad = PyObject_IsTrue(value) == 1;
    return true;
  }
  if (same_name(name, device_name)) {
    (void)device_of(value);
    return true;
  }
  return same_name(name, layout_name) || same_name(name, pin_memory_name);
}

// Binds arguments to parameters: bound[i] is borrowed, or owned by `varargs`.
bool bind(const Op& op, const Overload& o, PyObject* const* args, Py_ssize_t n, PyObject* names, PyObject** bound,
          py::object& varargs, Extras& extras, Mismatch* mismatch) {
  const size_t count = o.params.size();
  size_t given = static_cast<size_t>(n);
  for (size_t i = 0; i < count; ++i) bound[i] = nullptr;
  for (size_t i = 0; i < given && i < o.positional; ++i) {
    if (o.params[i].varargs && (o.params[i].kind == Kind::Varargs ? is_integer(args[i]) : is_tensor(args[i]))) {
      varargs = py::reinterpret_steal<py::object>(checked(PyTuple_New(static_cast<Py_ssize_t>(given - i))));
      for (size_t k = i; k < given; ++k) {
        Py_INCREF(args[k]);
        PyTuple_SET_ITEM(varargs.ptr(), static_cast<Py_ssize_t>(k - i), args[k]);
      }
      bound[i] = varargs.ptr();
      given = i + 1;
      break;
    }
    bound[i] = args[i];
  }
  if (given > o.positional) {
    if (mismatch)
      mismatch->why = format("takes at most ", o.positional, " positional arguments but ", n, " were given");
    return false;
  }
  const Py_ssize_t keywords = names ? PyTuple_GET_SIZE(names) : 0;
  for (Py_ssize_t k = 0; k < keywords; ++k) {
    PyObject *name = PyTuple_GET_ITEM(names, k), *value = args[n + k];
    if (same_name(name, axis_name)) name = dim_name;
    if (same_name(name, keepdims_name)) name = keepdim_name;
    size_t i = 0;
    while (i < count && !same_name(o.params[i].name, name)) ++i;
    if (i < count && !bound[i]) {
      bound[i] = value;
    } else if (i < count) {
      if (mismatch) mismatch->why = format("got several values for argument '", PyUnicode_AsUTF8(name), "'");
      return false;
    } else if (!extra_keyword(op, o, name, value, extras)) {
      if (mismatch) mismatch->why = format("got an unexpected keyword argument '", PyUnicode_AsUTF8(name), "'");
      return false;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const Param& p = o.params[i];
    if (!bound[i]) {
      if (!p.value && p.varargs) {
        varargs = py::tuple();
        bound[i] = varargs.ptr();
        continue;
      }
      if (!p.value) {
        if (mismatch) mismatch->why = format("missing required argument '", PyUnicode_AsUTF8(p.name), "'");
        return false;
      }
      bound[i] = p.value;
    } else if (!fits(bound[i], p)) {
      if (mismatch)
        mismatch->why = format("argument '", PyUnicode_AsUTF8(p.name), "' must be ", describe(p),
                               p.optional ? " or None" : "", ", not ", Py_TYPE(bound[i])->tp_name);
      return false;
    }
  }
  return true;
}

[[noreturn]] void fail_to_match(const Op& op, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  std::string text = op.name + "(): ";
  if (op.overloads.size() == 1) {
    Mismatch m;
    PyObject* bound[kMaxParams];
    py::object varargs;
    Extras extras;
    bind(op, op.overloads[0], args, n, names, bound, varargs, extras, &m);
    text += m.why + "; expected " + op.name + op.overloads[0].text;
  } else {
    text += "no signature fits (";
    for (Py_ssize_t i = 0; i < n; ++i) text += std::string(i ? ", " : "") + Py_TYPE(args[i])->tp_name;
    for (Py_ssize_t k = 0; names && k < PyTuple_GET_SIZE(names); ++k)
      text += std::string(n + k ? ", " : "") + PyUnicode_AsUTF8(PyTuple_GET_ITEM(names, k)) + "=" +
              Py_TYPE(args[n + k])->tp_name;
    text += "); expected one of";
    for (const Overload& o : op.overloads) text += "\n  " + op.name + o.text;
  }
  throw TypeError(text);
}

PyObject* finish(PyObject* result, const Extras& extras) {
  if (!result || (!extras.out && !extras.requires_grad)) return result;
  py::object owner = py::reinterpret_steal<py::object>(result);
  if (extras.requires_grad) const_cast<Tensor&>(tensor_of(result)).set_requires_grad(true);
  if (!extras.out) return owner.release().ptr();
  DLCORE_CHECK(is_tensor(extras.out) && is_tensor(result), TypeError, "out: must be a Tensor, for ops with one result");
  PyObject* args[] = {extras.out, result};
  return call_op(*find_op("copy_"), args, 2, nullptr);
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

py::object op_object(PyTypeObject& type, const Op* op) {
  auto* o = PyObject_New(OpObject, &type);
  checked(reinterpret_cast<PyObject*>(o));
  o->vectorcall = op_vectorcall;
  o->op = op;
  return py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(o));
}

void prepare() {
  static bool done = false;
  if (done) return;
  done = true;
  const std::pair<PyObject**, const char*> names[] = {
      {&axis_name, "axis"},       {&dim_name, "dim"},       {&keepdims_name, "keepdims"},
      {&keepdim_name, "keepdim"}, {&out_name, "out"},       {&requires_grad_name, "requires_grad"},
      {&device_name, "device"},   {&layout_name, "layout"}, {&pin_memory_name, "pin_memory"},
      {&dtype_name, "dtype"}};
  for (auto& [target, text] : names) *target = PyUnicode_InternFromString(text);
  ready(function_type, "dlcore._core.op");
  ready(method_type, "dlcore._core.op_method");
}

// ---- type stubs

std::string stub_type(const Param& p) {
  static const std::map<Kind, const char*> types = {{Kind::Tensor, "Tensor"},
                                                    {Kind::TensorList, "Sequence[Tensor]"},
                                                    {Kind::Number, "Number"},
                                                    {Kind::Int, "int"},
                                                    {Kind::Float, "float"},
                                                    {Kind::Bool, "bool"},
                                                    {Kind::Str, "str"},
                                                    {Kind::IntList, "Sequence[int]"},
                                                    {Kind::Varargs, "int | Sequence[int]"},
                                                    {Kind::DType, "dtype"},
                                                    {Kind::Device, "device | str"},
                                                    {Kind::Generator, "Generator"}};
  if (p.kind == Kind::TensorList && p.optional) return "Sequence[Tensor | None]";
  std::string t = types.at(p.kind);
  if (p.accepts_number) t += " | Number";
  if (p.varargs && p.kind == Kind::TensorList) t += " | Tensor";
  if (p.repeat) t += " | int";
  if (p.optional) t += " | None";
  return t;
}

std::string stub_result(const std::string& text) {
  const size_t arrow = text.find("->");
  std::string result = arrow == std::string::npos ? "Any" : text.substr(arrow + 3);
  if (result == "Tensor[]") return "tuple[Tensor, ...]";
  if (result.front() == '(') return "Any";
  return result == "Number" ? "Number" : result;
}

// A name that Python's grammar takes: `from` cannot be written as a keyword anyway.
std::string stub_name(const Param& p) {
  const std::string name = PyUnicode_AsUTF8(p.name);
  return name == "from" || name == "lambda" ? name + "_" : name;
}

std::string stub_line(const Op& op, const Overload& o, bool method) {
  std::string text = std::string(method ? "    " : "") + "def " + op.name + "(";
  bool first = true, star = false;
  for (size_t i = 0; i < o.params.size(); ++i) {
    const Param& p = o.params[i];
    if (p.keyword_only && !star) {
      text += std::string(first ? "" : ", ") + "*";
      star = true;
      first = false;
    }
    std::string piece;
    if (method && i == 0)
      piece = "self";
    else if (p.varargs)
      piece = "*" + stub_name(p) + ": " + stub_type(p);
    else
      piece = stub_name(p) + ": " + stub_type(p);
    if (p.varargs) star = true;
    if (p.value && !(method && i == 0)) piece += " = " + py::repr(p.value).cast<std::string>();
    text += (first ? "" : ", ") + piece;
    first = false;
  }
  if (!method && op.is_function && o.text.find("-> Tensor") == o.text.size() - 9 && o.text.size() > 9) {
    text += std::string(star ? "" : ", *") + ", **extras: Any";
    if (!star) text.replace(text.rfind(", *, **"), 7, ", **");
  }
  return text + ") -> " + stub_result(o.text) + ": ...\n";
}

}  // namespace

const Op* find_op(const std::string& name) {
  const auto found = registry().find(name);
  return found == registry().end() ? nullptr : found->second;
}

PyObject* call_op(const Op& op, PyObject* const* args, Py_ssize_t n, PyObject* names, bool or_not_implemented) {
  PyObject* bound[kMaxParams];
  py::object varargs;
  for (const Overload& o : op.overloads) {
    Extras extras;
    if (!bind(op, o, args, n, names, bound, varargs, extras, nullptr)) continue;
    return finish(o.call(o, bound), extras);
  }
  if (or_not_implemented) Py_RETURN_NOTIMPLEMENTED;
  fail_to_match(op, args, n, names);
}

void Ops::add(const char* name, const std::vector<const char*>& signatures, std::vector<Call> calls,
              std::vector<size_t> arities, bool function, bool method) {
  prepare();
  Op*& op = registry()[name];
  if (!op) op = new Op{name, {}, function, method, {}};
  op->is_function |= function;
  op->is_method |= method;
  DLCORE_CHECK(signatures.size() == calls.size(), RuntimeError, name, ": ", signatures.size(), " signatures for ",
               calls.size(), " functions");
  for (size_t i = 0; i < calls.size(); ++i) {
    Overload o = read_overload(name, signatures[i]);
    DLCORE_CHECK(o.params.size() == arities[i] && arities[i] <= kMaxParams, RuntimeError, name, ": signature ",
                 signatures[i], " does not have the function's ", arities[i], " parameters");
    o.call = calls[i];
    op->overloads.push_back(std::move(o));
  }
  if (function) module_.attr(name) = op_object(function_type, op);
  if (method) {
    PyDict_SetItemString(tensor_type.tp_dict, name, op_object(method_type, op).ptr());
    PyType_Modified(&tensor_type);
  }
}

void Ops::same(const char* alias, const char* name) {
  const Op* op = find_op(name);
  DLCORE_CHECK(op, RuntimeError, alias, ": there is no op ", name);
  registry()[alias] = const_cast<Op*>(op);
  if (op->is_function) module_.attr(alias) = op_object(function_type, op);
  if (op->is_method) {
    PyDict_SetItemString(tensor_type.tp_dict, alias, op_object(method_type, op).ptr());
    PyType_Modified(&tensor_type);
  }
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
