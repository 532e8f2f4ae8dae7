// ModuleBase, the C base class of dlcore.nn.Module. Two things of a module are on the path of every call, so they are
// C here: `module(x)`, which starts `forward` directly while no hook is registered, and `module.weight`, which looks
// through the tables of parameters, buffers and children. Everything else of a module is Python.
#include "bindings/tensor_type.h"

#include <structmember.h>

namespace dlcore::bindings {
namespace {

// `hooked` says that hooks may be registered. It also makes the instance larger than a plain object with a __dict__, so
// that Python never picks a mix-in as the layout base of a subclass and moves `dict` away from under this code.
struct Module {
  PyObject ob_base;
  PyObject* dict;
  PyObject* weakrefs;
  char hooked;
};

struct Names {
  PyObject* forward = PyUnicode_InternFromString("forward");
  PyObject* call_with_hooks = PyUnicode_InternFromString("_call_with_hooks");
  PyObject* getattr = PyUnicode_InternFromString("__getattr__");
  PyObject* getattribute = PyUnicode_InternFromString("__getattribute__");
  PyObject* init_subclass = PyUnicode_InternFromString("__init_subclass__");
  PyObject* tables[3] = {PyUnicode_InternFromString("_parameters"), PyUnicode_InternFromString("_buffers"),
                         PyUnicode_InternFromString("_modules")};
};
Names* names;             // made once, with the type, and kept
PyTypeObject* base_type;  // ModuleBase

PyObject* new_reference(PyObject* object) {
  Py_INCREF(object);
  return object;
}

// The parameter, buffer or child of that name, borrowed; null where there is none (or with an error set).
PyObject* find_registered(Module* self, PyObject* name) {
  if (!self->dict) return nullptr;
  for (PyObject* key : names->tables) {
    PyObject* table = PyDict_GetItemWithError(self->dict, key);
    if (table && PyDict_Check(table)) {
      if (PyObject* found = PyDict_GetItemWithError(table, name)) return found;
    }
    if (PyErr_Occurred()) return nullptr;
  }
  return nullptr;
}

// Python's order (data descriptor, instance, class), then the tables. A name that no class defines, which is what a
// parameter is, never runs into the generic look-up and its AttributeError.
PyObject* get_attribute(PyObject* object, PyObject* name) {
  auto* self = reinterpret_cast<Module*>(object);
  if (!PyUnicode_Check(name)) return PyObject_GenericGetAttr(object, name);
  if (!_PyType_Lookup(Py_TYPE(object), name)) {
    PyObject* found = self->dict ? PyDict_GetItemWithError(self->dict, name) : nullptr;
    if (!found && !PyErr_Occurred()) found = find_registered(self, name);
    if (found) return new_reference(found);
    return PyErr_Occurred() ? nullptr : PyObject_GenericGetAttr(object, name);
  }
  PyObject* value = PyObject_GenericGetAttr(object, name);
  if (value || !PyErr_ExceptionMatches(PyExc_AttributeError)) return value;
  PyObject *type, *error, *trace;  // a property that failed: its own error stays, unless a table has the name
  PyErr_Fetch(&type, &error, &trace);
  PyObject* found = find_registered(self, name);
  if (!found && !PyErr_Occurred()) {
    PyErr_Restore(type, error, trace);
    return nullptr;
  }
  Py_XDECREF(type);
  Py_XDECREF(error);
  Py_XDECREF(trace);
  return found ? new_reference(found) : nullptr;
}

// __getattr__, for subclasses that override it and ask super() first.
PyObject* getattr_method(PyObject* object, PyObject* name) {
  if (PyObject* found = find_registered(reinterpret_cast<Module*>(object), name)) return new_reference(found);
  if (!PyErr_Occurred()) {
    PyErr_Format(PyExc_AttributeError, "'%.100s' object has no attribute '%U'", Py_TYPE(object)->tp_name, name);
  }
  return nullptr;
}

// module(*args, **kwargs)
PyObject* call(PyObject* object, PyObject* args, PyObject* kwargs) {
  auto* self = reinterpret_cast<Module*>(object);
  if (self->hooked) {
    PyObject* none_given = kwargs ? nullptr : PyDict_New();
    PyObject* keywords = kwargs ? kwargs : none_given;
    PyObject* result =
        keywords ? PyObject_CallMethodObjArgs(object, names->call_with_hooks, args, keywords, nullptr) : nullptr;
    Py_XDECREF(none_given);
    return result;
  }
  constexpr Py_ssize_t kMostArgs = 7;
  const Py_ssize_t count = PyTuple_GET_SIZE(args);
  PyObject* function = _PyType_Lookup(Py_TYPE(object), names->forward);
  const bool on_instance = self->dict && PyDict_Contains(self->dict, names->forward) == 1;
  if (function && !on_instance && count <= kMostArgs && PyFunction_Check(function)) {
    // A plain method: called with `self` in front, without making a bound method.
    PyObject* stack[kMostArgs + 1] = {object};
    for (Py_ssize_t i = 0; i < count; ++i) stack[i + 1] = PyTuple_GET_ITEM(args, i);
    Py_INCREF(function);  // the body may rebind the class's attribute
    PyObject* result = PyObject_VectorcallDict(function, stack, static_cast<size_t>(count) + 1, kwargs);
    Py_DECREF(function);
    return result;
  }
  PyObject* forward = PyObject_GetAttr(object, names->forward);
  if (!forward) return nullptr;
  PyObject* result = PyObject_Call(forward, args, kwargs);
  Py_DECREF(forward);
  return result;
}

// Defining __getattr__ makes Python give every subclass a slower look-up that calls it after a failed attempt. A
// subclass that keeps both methods as they are here gets `get_attribute` back, which already looks everywhere.
PyObject* init_subclass(PyObject* type, PyObject* args, PyObject* kwargs) {
  PyObject* super = PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(&PySuper_Type),
                                                 reinterpret_cast<PyObject*>(base_type), type, nullptr);
  PyObject* next = super ? PyObject_GetAttr(super, names->init_subclass) : nullptr;
  PyObject* result = next ? PyObject_Call(next, args, kwargs) : nullptr;
  Py_XDECREF(super);
  Py_XDECREF(next);
  if (!result) return nullptr;
  auto* subclass = reinterpret_cast<PyTypeObject*>(type);
  auto inherits = [&](PyObject* name) { return _PyType_Lookup(subclass, name) == _PyType_Lookup(base_type, name); };
  if (inherits(names->getattr) && inherits(names->getattribute)) subclass->tp_getattro = get_attribute;
  return result;
}

// The state that copy and pickle keep: the instance's __dict__ (the size of the layout would make Python refuse).
PyObject* get_state(PyObject* object, PyObject*) { return PyObject_GenericGetDict(object, nullptr); }

// object's, which refuses abstract classes, without the arguments: those are __init__'s.
PyObject* create(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* none_given = PyTuple_New(0);
  PyObject* object = none_given ? PyBaseObject_Type.tp_new(type, none_given, nullptr) : nullptr;
  Py_XDECREF(none_given);
  return object;
}

int traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(reinterpret_cast<Module*>(object)->dict);
  return 0;
}

int clear(PyObject* object) {
  Py_CLEAR(reinterpret_cast<Module*>(object)->dict);
  return 0;
}

void dealloc(PyObject* object) {
  auto* self = reinterpret_cast<Module*>(object);
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  if (self->weakrefs) PyObject_ClearWeakRefs(object);
  Py_CLEAR(self->dict);
  type->tp_free(object);
  Py_DECREF(type);
}

PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(Module, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Module, weakrefs), READONLY, nullptr},
    {"_hooked", T_BOOL, offsetof(Module, hooked), 0, "whether a call has to look for hooks"},
    {nullptr, 0, 0, 0, nullptr},
};
PyGetSetDef properties[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyMethodDef methods[] = {
    {"__getattr__", getattr_method, METH_O, nullptr},
    {"__getstate__", get_state, METH_NOARGS, nullptr},
    {"__init_subclass__", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(init_subclass)),
     METH_CLASS | METH_VARARGS | METH_KEYWORDS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

template <class Function>
PyType_Slot slot(int id, Function* value) {
  return {id, reinterpret_cast<void*>(value)};
}

}  // namespace

void bind_module_base(PyObject* module) {
  names = new Names;
  PyType_Slot slots[] = {
      slot(Py_tp_new, create),        slot(Py_tp_dealloc, dealloc),
      slot(Py_tp_traverse, traverse), slot(Py_tp_clear, clear),
      slot(Py_tp_call, call),         slot(Py_tp_getattro, get_attribute),
      slot(Py_tp_members, members),   slot(Py_tp_getset, properties),
      slot(Py_tp_methods, methods),   {0, nullptr},
  };
  PyType_Spec spec = {"dlcore._core.ModuleBase", sizeof(Module), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  PyObject* type = checked(PyType_FromSpec(&spec));
  base_type = reinterpret_cast<PyTypeObject*>(type);
  if (PyObject_SetAttrString(module, "ModuleBase", type) < 0) throw_python_error();
}

}  // namespace dlcore::bindings
