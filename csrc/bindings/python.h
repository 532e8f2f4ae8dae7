#pragma once
// What every binding file needs: Python's C API, and the translation of errors in both directions. pybind11 comes with
// pybind.h, to the few files that use it: it takes the compiler longer than all that most files say.
#include <Python.h>

#include <memory>

#include "core/check.h"
#include "dlcore/dlcore.h"

namespace dlcore::bindings {

// A reference of one's own.
struct DropReference {
  void operator()(PyObject* o) const { Py_DECREF(o); }
};
using Owned = std::unique_ptr<PyObject, DropReference>;

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
[[noreturn]] void throw_python_error();
inline PyObject* checked(PyObject* o) {
  if (!o) throw_python_error();
  return o;
}

}  // namespace dlcore::bindings
