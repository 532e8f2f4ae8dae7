#pragma once
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/op.h"

// For what is written with pybind11: classes and functions that are not ops.
namespace dlcore::bindings {

namespace py = pybind11;

inline py::object owned(PyObject* o) { return py::reinterpret_steal<py::object>(o); }

void bind_types(py::module_& m);  // Size, dtype, device
void bind_profiler(py::module_& m);
void bind_autograd(py::module_& m);   // backward, hooks, Function
void bind_interop(py::module_& m);    // numpy, buffers
void bind_generator(py::module_& m);  // Generator, seeds (random.cpp)
void bind_dlpack(py::module_& m);
void bind_optim_state(py::module_& m);

}  // namespace dlcore::bindings
