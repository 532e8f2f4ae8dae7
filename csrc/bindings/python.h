#pragma once
// What every binding file needs: Python's C API through pybind11, and the translation of errors in both directions.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "core/check.h"
#include "dlcore/dlcore.h"

namespace dlcore::bindings {

namespace py = pybind11;

// Sets the Python error for the C++ exception in flight; for use in catch (...).
void set_python_error() noexcept;

// Runs f, turning a C++ exception into a Python error and `failed`.
template <class F, class R>
R guarded(const F& f, R failed) noexcept {
  try {
    return f();
  } catch (...) {
    set_python_error();
    return failed;
  }
}
template <class F>
PyObject* guarded(const F& f) noexcept {
  return guarded(f, static_cast<PyObject*>(nullptr));
}

// Throws the Python error that is set.
[[noreturn]] inline void throw_python_error() { throw py::error_already_set(); }
inline PyObject* checked(PyObject* o) {
  if (!o) throw_python_error();
  return o;
}

}  // namespace dlcore::bindings
