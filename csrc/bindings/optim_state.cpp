#include "bindings/pybind.h"

// The way from an optimizer's dictionaries to the lists that its step takes. Python would spend more time on it than
// the step itself takes for many small parameters.
namespace dlcore::bindings {
namespace {

// dictionary[key]; null where there is none.
py::object find(PyObject* dictionary, PyObject* key) {
  PyObject* value = PyDict_GetItemWithError(dictionary, key);
  if (!value && PyErr_Occurred()) throw_python_error();
  return py::reinterpret_borrow<py::object>(value);
}

// state[param] as a dictionary; what start(param) makes where there is none or an empty one (`fresh`).
py::object state_of(PyObject* state, PyObject* param, PyObject* start, bool& fresh) {
  py::object own = find(state, param);
  fresh = !own || (PyDict_Check(own.ptr()) && PyDict_GET_SIZE(own.ptr()) == 0);
  if (fresh) {
    own = owned(checked(PyObject_CallOneArg(start, param)));
    if (PyDict_SetItem(state, param, own.ptr()) < 0) throw_python_error();
  }
  DLCORE_CHECK(PyDict_Check(own.ptr()), TypeError, "optim: the state of a parameter must be a dict, but got ",
               Py_TYPE(own.ptr())->tp_name);
  return own;
}

py::object entry(PyObject* own, PyObject* name) {
  py::object value = find(own, name);
  if (!value) {
    PyErr_SetObject(PyExc_KeyError, name);
    throw_python_error();
  }
  return value;
}

void append(const py::list& list, PyObject* item) {
  if (PyList_Append(list.ptr(), item) < 0) throw_python_error();
}

// own["step"] += 1
py::object count(PyObject* own) {
  static PyObject *const step = PyUnicode_InternFromString("step"), *const one = PyLong_FromLong(1);
  py::object next = owned(checked(PyNumber_Add(entry(own, step).ptr(), one)));
  if (PyDict_SetItem(own, step, next.ptr()) < 0) throw_python_error();
  return next;
}

// For the parameters that have a gradient: (parameters, gradients, [states[name] for name in names], steps, fresh).
// Steps are counted up where `counted`; fresh lists the numbers, among them, of those that began with this call.
py::tuple state_lists(const py::list& params, const py::dict& state, const py::tuple& names, py::handle start,
                      bool counted) {
  py::list with_grad, grads, steps, fresh;
  std::vector<py::list> states(names.size());
  for (size_t i = 0; i < params.size(); ++i) {
    const py::object param = params[i];
    DLCORE_CHECK(is_tensor(param.ptr()), TypeError, "optim: a parameter must be a Tensor, but got ",
                 Py_TYPE(param.ptr())->tp_name);
    const Tensor grad = tensor_of(param.ptr()).impl()->grad;
    if (!grad.defined()) continue;
    if (counted || !states.empty()) {
      bool begins = false;
      const py::object own = state_of(state.ptr(), param.ptr(), start.ptr(), begins);
      if (begins) fresh.append(with_grad.size());
      if (counted) append(steps, count(own.ptr()).ptr());
      for (size_t j = 0; j < names.size(); ++j)
        append(states[j], entry(own.ptr(), PyTuple_GET_ITEM(names.ptr(), static_cast<Py_ssize_t>(j))).ptr());
    }
    append(with_grad, param.ptr());
    append(grads, owned(wrap(grad)).ptr());
  }
  return py::make_tuple(with_grad, grads, states, steps, fresh);
}

}  // namespace

void bind_optim_state(py::module_& m) {
  m.def("_state_lists", &state_lists, py::arg("params"), py::arg("state"), py::arg("names"), py::arg("start"),
        py::arg("counted"));
}

}  // namespace dlcore::bindings
