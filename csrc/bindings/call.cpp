// Matching the arguments of a call with an op's signatures.
#include "bindings/signature.h"

namespace dlcore::bindings {
namespace {

// Keyword names that numpy's users write, and the names that they stand for.
PyObject* const axis_name = PyUnicode_InternFromString("axis");
PyObject* const dim_name = PyUnicode_InternFromString("dim");
PyObject* const keepdims_name = PyUnicode_InternFromString("keepdims");
PyObject* const keepdim_name = PyUnicode_InternFromString("keepdim");

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
      return PyUnicode_Check(o) || is_device(o);
    case Kind::Generator:
      return is_generator(o);
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

// Keywords that are in no signature: out= of functions, and those of ops that make tensors.
struct Extras {
  PyObject* out = nullptr;
  bool requires_grad = false;
};

struct Mismatch {
  std::string why;
};

bool same_name(PyObject* a, PyObject* b) { return a == b || PyUnicode_Compare(a, b) == 0; }
bool same_name(PyObject* a, const char* b) { return PyUnicode_CompareWithASCIIString(a, b) == 0; }

bool extra_keyword(const Op& op, const Overload& o, PyObject* name, PyObject* value, Extras& extras) {
  if (op.is_function && same_name(name, "out")) {
    if (value != Py_None) extras.out = value;
    return true;
  }
  if (!o.creates) return false;
  if (same_name(name, "requires_grad")) {
    extras.requires_grad = PyObject_IsTrue(value) == 1;
    return true;
  }
  if (same_name(name, "device")) {
    (void)device_of(value);
    return true;
  }
  return same_name(name, "layout") || same_name(name, "pin_memory");
}

// Binds arguments to parameters: bound[i] is borrowed, or owned by `varargs`.
bool bind_arguments(const Op& op, const Overload& o, PyObject* const* args, Py_ssize_t n, PyObject* names,
                    PyObject** bound, Owned& varargs, Extras& extras, Mismatch* mismatch) {
  const size_t count = o.params.size();
  size_t given = static_cast<size_t>(n);
  for (size_t i = 0; i < count; ++i) bound[i] = nullptr;
  for (size_t i = 0; i < given && i < o.positional; ++i) {
    if (o.params[i].varargs && (o.params[i].kind == Kind::Varargs ? is_integer(args[i]) : is_tensor(args[i]))) {
      varargs.reset(checked(PyTuple_New(static_cast<Py_ssize_t>(given - i))));
      for (size_t k = i; k < given; ++k) {
        Py_INCREF(args[k]);
        PyTuple_SET_ITEM(varargs.get(), static_cast<Py_ssize_t>(k - i), args[k]);
      }
      bound[i] = varargs.get();
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
        varargs.reset(checked(PyTuple_New(0)));
        bound[i] = varargs.get();
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
    Owned varargs;
    Extras extras;
    bind_arguments(op, op.overloads[0], args, n, names, bound, varargs, extras, &m);
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
  Owned owner(result);
  if (extras.requires_grad) const_cast<Tensor&>(tensor_of(result)).set_requires_grad(true);
  if (!extras.out) return owner.release();
  DLCORE_CHECK(is_tensor(extras.out) && is_tensor(result), TypeError, "out: must be a Tensor, for ops with one result");
  PyObject* args[] = {extras.out, result};
  return call_op(*find_op("copy_"), args, 2, nullptr);
}

}  // namespace

PyObject* call_op(const Op& op, PyObject* const* args, Py_ssize_t n, PyObject* names, bool or_not_implemented) {
  PyObject* bound[kMaxParams];
  Owned varargs;
  for (const Overload& o : op.overloads) {
    Extras extras;
    if (!bind_arguments(op, o, args, n, names, bound, varargs, extras, nullptr)) continue;
    return finish(o.target.invoke(o, bound), extras);
  }
  if (or_not_implemented) Py_RETURN_NOTIMPLEMENTED;
  fail_to_match(op, args, n, names);
}

}  // namespace dlcore::bindings
