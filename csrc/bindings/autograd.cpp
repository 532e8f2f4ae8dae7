// Backward, hooks, and nodes whose backward is a Python function.
#include "bindings/pybind.h"
#include "core/launch.h"
#include "ops/internal.h"

namespace dlcore::bindings {
namespace {

// A Python object that C++ holds and may let go of on any thread.
std::shared_ptr<py::object> keep(py::object o) {
  return {new py::object(std::move(o)), [](py::object* p) {
            if (!Py_IsInitialized()) return;  // the interpreter is gone, and the object with it
            py::gil_scoped_acquire gil;
            delete p;
          }};
}

py::object object_of(const Tensor& t) { return owned(wrap(t)); }
py::object object_of(const TensorList& l) { return owned(wrap(l)); }

Tensor optional_tensor(const char* what, py::handle o) {
  if (o.is_none()) return {};
  DLCORE_CHECK(is_tensor(o.ptr()), TypeError, what, ": expected a Tensor or None but got ", Py_TYPE(o.ptr())->tp_name);
  return tensor_of(o.ptr());
}

// One tensor or a sequence of tensors (or Nones).
TensorList tensor_list(const char* what, py::handle o) {
  TensorList list;
  if (o.is_none()) return list;
  if (is_tensor(o.ptr())) return {tensor_of(o.ptr())};
  DLCORE_CHECK(PySequence_Check(o.ptr()), TypeError, what, ": expected a Tensor or a sequence of Tensors but got ",
               Py_TYPE(o.ptr())->tp_name);
  for (py::handle item : o) list.push_back(optional_tensor(what, item));
  return list;
}

struct PythonNode final : Node {
  std::shared_ptr<py::object> function;  // (*dy) -> sequence of dx or None
  std::string owned_name;
  bool materialize;

  void backward(Gradients& g) override {
    py::gil_scoped_acquire gil;
    py::tuple args(outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i)
      args[i] = object_of(materialize ? g.dy(static_cast<int>(i)) : g.all_dy()[i]);
    py::object result = (*function)(*args);
    if (result.is_none() || is_tensor(result.ptr())) result = py::make_tuple(result);
    const py::sequence dx = result;
    DLCORE_CHECK(py::len(dx) == next.size(), RuntimeError, owned_name, ": backward returned ", py::len(dx),
                 " gradients, expected ", next.size());
    for (size_t i = 0; i < next.size(); ++i)
      if (!py::object(dx[i]).is_none()) g.set(i, [&] { return optional_tensor(name, py::object(dx[i])); });
  }
};

// Makes `outputs` the results of a node whose backward is `function`.
void attach_function(const std::string& name, py::object function, py::handle inputs, py::handle outputs,
                     bool materialize) {
  const TensorList in = tensor_list("Function", inputs);
  TensorList out = tensor_list("Function", outputs);
  if (!needs_graph(in)) return;
  auto* node = new PythonNode;
  Ref<Node> owner = Ref<Node>::adopt(node);
  node->function = keep(std::move(function));
  node->owned_name = name;
  node->materialize = materialize;
  std::vector<const Tensor*> from;
  std::vector<Tensor*> to;
  for (const Tensor& t : in) from.push_back(&t);
  for (Tensor& t : out) to.push_back(&t);
  attach(owner, node->owned_name.c_str(), from.data(), from.size(), to.data(), to.size());
}

TensorHook python_hook(py::object function) {
  return [f = keep(std::move(function))](const Tensor& g) {
    py::gil_scoped_acquire gil;
    return optional_tensor("hook", (*f)(object_of(g)));
  };
}

int64_t next_hook_id() {
  static int64_t id = 0;
  return ++id;
}

HookList& hooks_of(const Tensor& t) {
  TensorImpl& x = *t.impl();
  const Edge e = gradient_edge(t);
  if (!e.node) {
    if (!x.hooks) x.hooks = std::make_unique<LeafHooks>();
    return *x.hooks;
  }
  for (auto& [index, hooks] : e.node->output_hooks)
    if (index == e.index) return hooks;
  e.node->output_hooks.emplace_back(e.index, HookList{});
  return e.node->output_hooks.back().second;
}

template <class Entries>
bool erase_id(Entries& entries, int64_t id) {
  for (auto it = entries.begin(); it != entries.end(); ++it)
    if (it->first == id) {
      entries.erase(it);
      return true;
    }
  return false;
}

Tensor self_of(py::handle o) {
  DLCORE_CHECK(is_tensor(o.ptr()), TypeError, "expected a Tensor but got ", Py_TYPE(o.ptr())->tp_name);
  return tensor_of(o.ptr());
}

int64_t register_hook(py::handle self, py::object function) {
  const Tensor t = self_of(self);
  DLCORE_CHECK(t.requires_grad(), RuntimeError,
               "register_hook: cannot register a hook on a tensor that doesn't require gradient");
  const int64_t id = next_hook_id();
  hooks_of(t).entries.emplace_back(id, python_hook(std::move(function)));
  return id;
}

void remove_hook(py::handle self, int64_t id) {
  const Tensor t = self_of(self);
  if (t.impl()->hooks && (erase_id(t.impl()->hooks->entries, id) || erase_id(t.impl()->hooks->post_accumulate, id)))
    return;
  if (const Edge e = gradient_edge(t); e.node)
    for (auto& [index, hooks] : e.node->output_hooks) erase_id(hooks.entries, id);
}

int64_t register_post_accumulate(py::handle self, py::object function) {
  const Tensor t = self_of(self);
  DLCORE_CHECK(t.requires_grad() && t.is_leaf(), RuntimeError,
               "register_post_accumulate_grad_hook: expected a leaf tensor that requires gradient");
  if (!t.impl()->hooks) t.impl()->hooks = std::make_unique<LeafHooks>();
  const int64_t id = next_hook_id();
  t.impl()->hooks->post_accumulate.emplace_back(id, [f = keep(std::move(function))](const Tensor& leaf) {
    py::gil_scoped_acquire gil;
    (*f)(object_of(leaf));
  });
  return id;
}

void retain_grad_of(py::handle self) {
  const Tensor t = self_of(self);
  DLCORE_CHECK(t.requires_grad(), RuntimeError,
               "retain_grad: can't retain_grad on a tensor that has requires_grad=False");
  (void)gradient_edge(t);  // a view's history may be out of date
  retain_grad(*t.impl());
}

void backward_of(py::handle tensors, py::handle gradients, std::optional<bool> retain, bool create, py::handle inputs) {
  const TensorList roots = tensor_list("backward", tensors);
  TensorList seeds = tensor_list("backward", gradients);
  seeds.resize(std::max(seeds.size(), roots.size()));
  const TensorList leaves = tensor_list("backward", inputs);
  DLCORE_CHECK(inputs.is_none() || !leaves.empty(), RuntimeError, "backward: inputs must not be empty");
  dlcore::backward(roots, seeds, retain, create, leaves);
}

// ---- Ctrl-C

std::unique_ptr<py::error_already_set> pending_interrupt;

bool interrupted() {
  if (!PyGILState_Check() && PyGILState_GetThisThreadState() == nullptr) return false;
  py::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() == 0) return false;
  pending_interrupt = std::make_unique<py::error_already_set>();
  return true;
}

void raise_interrupt() {
  if (!PyGILState_Check()) return;
  if (pending_interrupt) {
    const py::error_already_set error = *pending_interrupt;
    pending_interrupt.reset();
    throw error;
  }
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

// ---- anomaly mode

// The lines of Python that led here, the last ones only.
std::string call_site() {
  if (!PyGILState_Check()) return {};
  std::string lines;
  for (py::handle line : py::module_::import("traceback").attr("format_stack")(py::none(), 8))
    lines += line.cast<std::string>();
  return lines;
}

void warn(const std::string& message) {
  py::gil_scoped_acquire gil;
  const py::error_scope pending;
  if (PyErr_WarnEx(PyExc_UserWarning, message.c_str(), 1) != 0) PyErr_Clear();  // the error itself is on its way
}

}  // namespace

PyObject* wrap(GradientFunction f) { return py::cast(std::move(f)).release().ptr(); }

void bind_autograd(py::module_& m) {
  host_hooks.release = []() -> void* { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; };
  host_hooks.acquire = [](void* state) {
    if (state) PyEval_RestoreThread(static_cast<PyThreadState*>(state));
  };
  host_hooks.interrupted = interrupted;
  host_hooks.raise_interrupt = raise_interrupt;
  host_hooks.call_site = call_site;
  host_hooks.warn = warn;

  m.def("is_grad_enabled", &is_grad_enabled, "Whether ops record what backward needs, on this thread.");
  m.def("_set_grad_enabled", &set_grad_enabled);
  m.def("_set_anomaly_mode", &set_anomaly_mode);
  m.def("is_anomaly_enabled", &is_anomaly_enabled, "Whether anomaly mode is on.");
  m.def("is_anomaly_check_nan_enabled", &is_anomaly_check_nan_enabled, "Whether anomaly mode looks for NaN.");
  m.def("_backward", &backward_of, py::arg("tensors"), py::arg("gradients") = py::none(),
        py::arg("retain_graph") = py::none(), py::arg("create_graph") = false, py::arg("inputs") = py::none());
  m.def("_grad", [](py::handle outputs, py::handle inputs, py::handle grad_outputs, std::optional<bool> retain,
                    bool create, bool allow_unused) {
    const TensorList roots = tensor_list("grad", outputs);
    TensorList seeds = tensor_list("grad", grad_outputs);
    seeds.resize(std::max(seeds.size(), roots.size()));
    return object_of(grad(roots, tensor_list("grad", inputs), seeds, retain, create, allow_unused));
  });
  m.def("_attach_function", &attach_function);
  m.def("_register_hook", &register_hook);
  m.def("_register_post_accumulate_grad_hook", &register_post_accumulate);
  m.def("_remove_hook", &remove_hook);
  m.def("_retain_grad", &retain_grad_of);
  m.def("_make_subclass", [](py::type cls, py::handle data, bool requires_grad) {
    Tensor t = self_of(data).detach();
    t.set_requires_grad(requires_grad);
    return owned(wrap_as(reinterpret_cast<PyTypeObject*>(cls.ptr()), t));
  });
  m.def("_mark_dirty", [](py::handle o) { self_of(o).impl()->bump_version(); });

  py::class_<Saved>(m, "_Saved", "A tensor kept for backward, with the version it had.")
      .def(py::init([](py::handle t, bool output) {
        const Tensor x = self_of(t);
        return output ? Saved::output(x) : Saved(x);
      }))
      .def("get", [](const Saved& s) { return object_of(s.get()); });

  py::class_<GradientFunction>(m, "_GradientFunction", "The node of the graph that made a tensor.")
      .def("name", [](const GradientFunction& f) { return std::string(f.node->name); })
      .def_property_readonly("next_functions",
                             [](const GradientFunction& f) {
                               py::list next;
                               for (const Edge& e : f.node->next) {
                                 if (e.node)
                                   next.append(py::make_tuple(GradientFunction{e.node, e.index}, e.index));
                                 else if (e.leaf.defined())
                                   next.append(py::make_tuple(object_of(e.leaf), 0));
                                 else
                                   next.append(py::make_tuple(py::none(), 0));
                               }
                               return py::tuple(next);
                             })
      .def("__eq__",
           [](const GradientFunction& a, py::object b) {
             return py::isinstance<GradientFunction>(b) && a.node.get() == b.cast<GradientFunction>().node.get();
           })
      .def("__hash__", [](const GradientFunction& f) { return reinterpret_cast<intptr_t>(f.node.get()) >> 4; })
      .def("__repr__", [](const GradientFunction& f) { return "<" + std::string(f.node->name) + ">"; });
}

}  // namespace dlcore::bindings
