// The extension module: what python/dlcore builds on.
#include "bindings/pybind.h"
#include "core/stream.h"
#include "dlcore/parallel.h"
#include "kernels/registry.h"
#include "ops/internal.h"

namespace dlcore::bindings {
namespace {

Tensor self_of(py::handle o) {
  DLCORE_CHECK(is_tensor(o.ptr()), TypeError, "expected a Tensor but got ", Py_TYPE(o.ptr())->tp_name);
  return tensor_of(o.ptr());
}

py::object object_of(const Tensor& t) { return owned(wrap(t)); }

py::dict build_info() {
  const MemoryStats memory = memory_stats();
  py::dict info;
  info["version"] = DLCORE_VERSION;
  info["compiler"] = "g++ " __VERSION__;
  info["tiers_compiled"] = compiled_tiers();
  info["tiers_available"] = available_tiers();
  info["tier"] = kernels().tier;
  info["threads"] = get_num_threads();
  info["threads_reason"] = thread_count_reason();
  info["allocated_bytes"] = memory.allocated_bytes;
  info["peak_allocated_bytes"] = memory.peak_allocated_bytes;
  info["cached_bytes"] = memory.cached_bytes;
  return info;
}

py::object tolist(const Tensor& t, int64_t dim, int64_t at) {
  if (dim == t.dim()) {
    const Overload none{};
    Tensor element = alias(t, {}, {}, at);
    return owned(to_python(element.item(), none));
  }
  py::list list(static_cast<size_t>(t.sizes()[dim]));
  for (int64_t i = 0; i < t.sizes()[dim]; ++i)
    list[static_cast<size_t>(i)] = tolist(t, dim + 1, at + i * t.strides()[dim]);
  return list;
}

void bind_basics(py::module_& m) {
  m.def("build_info", &build_info);
  m.def("get_num_threads", &get_num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  m.def("_winograd_enabled", &winograd_enabled);
  m.def("_set_winograd_enabled", &set_winograd_enabled, py::arg("enabled"));
  m.def("_set_stream_bytes", &set_stream_bytes, py::arg("bytes"));
  m.def("get_default_dtype", [] { return owned(wrap(default_dtype())); });
  m.def("set_default_dtype", [](py::handle d) { set_default_dtype(dtype_of_object(d.ptr())); }, py::arg("d"));
  m.def(
      "memory_stats",
      [] {
        const MemoryStats s = memory_stats();
        py::dict d;
        d["allocated_bytes"] = s.allocated_bytes;
        d["peak_allocated_bytes"] = s.peak_allocated_bytes;
        d["cached_bytes"] = s.cached_bytes;
        d["allocations"] = s.allocations;
        d["system_allocations"] = s.system_allocations;
        return d;
      },
      "Bytes in tensors now, at the peak, and kept for reuse.");
  m.def("reset_peak_memory_stats", &reset_peak_memory_stats);
  m.def("empty_cache", &empty_cache, "Gives cached memory back to the operating system.");
  m.def("_stubs", &Ops::stubs);
  // Methods of Tensor that are written in Python.
  m.def("_add_method", [](const char* name, py::object function) {
    if (PyDict_SetItemString(tensor_type.tp_dict, name, function.ptr()) < 0) throw py::error_already_set();
    PyType_Modified(&tensor_type);
  });

  m.def(
      "tensor",
      [](py::handle data, py::handle dtype, py::handle device, bool requires_grad, bool) {
        (void)device_of(device.ptr());
        Tensor t = tensor_from_object(data.ptr(),
                                      dtype.is_none() ? std::nullopt : std::optional(dtype_of_object(dtype.ptr())));
        return object_of(t.set_requires_grad(requires_grad));
      },
      py::arg("data"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      py::arg("requires_grad") = false, py::arg("pin_memory") = false, "A new tensor with a copy of `data`.");
  m.def(
      "as_tensor",
      [](py::handle data, py::handle dtype, py::handle device) {
        (void)device_of(device.ptr());
        return object_of(tensor_from_object(
            data.ptr(), dtype.is_none() ? std::nullopt : std::optional(dtype_of_object(dtype.ptr())), true));
      },
      py::arg("data"), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      "Like tensor, sharing memory where possible.");
  m.def("_tolist", [](py::handle o) {
    const Tensor t = self_of(o);
    return tolist(t, 0, t.storage_offset());
  });
  m.def("_to_dtype",
        [](py::handle o, py::handle dtype) { return object_of(to_dtype(self_of(o), dtype_of_object(dtype.ptr()))); });
  m.def("_check_device", [](py::handle device) { (void)device_of(device.ptr()); });
}

}  // namespace

namespace {
int64_t address(const Tensor& x) { return static_cast<int64_t>(reinterpret_cast<intptr_t>(x.raw_data())); }
}  // namespace

void bind_core(Ops& ops) {
  ops.method<[](const Tensor& x) { return x.item(); }>("item(Tensor input) -> Number");
  ops.op<[](const Tensor& x) { return x.numel(); }>("numel(Tensor input) -> int");
  ops.method<[](const Tensor& x) { return x.dim(); }>("dim(Tensor input) -> int");
  ops.method<[](const Tensor& x) { return x.sizes().vec(); }, [](const Tensor& x, int64_t d) { return x.size(d); }>(
      "size", {"(Tensor input) -> Size", "(Tensor input, int dim) -> int"});
  ops.method<[](const Tensor& x) { return x.strides().vec(); },
             [](const Tensor& x, int64_t d) { return x.strides()[wrap_dim("stride", d, x.dim())]; }>(
      "stride", {"(Tensor input) -> Size", "(Tensor input, int dim) -> int"});
  ops.method<[](const Tensor& x) { return x.storage_offset(); }>("storage_offset(Tensor input) -> int");
  ops.method<[](const Tensor& x) { return item_size(x.dtype()); }>("element_size(Tensor input) -> int");
  ops.function<&address>("_address(Tensor input) -> int");
  ops.method<[](const Tensor& x) {
    ++x.impl()->storage->others;  // as in Tensor::data
    return address(x);
  }>("data_ptr(Tensor input) -> int");
  ops.op<[](const Tensor& x) { return is_floating(x.dtype()); }>("is_floating_point(Tensor input) -> bool");
  ops.op<[](const Tensor&) { return false; }>("is_complex(Tensor input) -> bool");
  ops.op<[](const Tensor& x) {
    return is_floating(x.dtype()) || (x.dtype() != DType::UInt8 && x.dtype() != DType::Bool);
  }>("is_signed(Tensor input) -> bool");
  ops.op<[](const Tensor& x, const Tensor& other) { return x.sizes() == other.sizes(); }>(
      "is_same_size(Tensor input, Tensor other) -> bool");
  ops.op<[](const Tensor& x) {
    DLCORE_CHECK(x.numel() == 1, RuntimeError, "is_nonzero: expected one element but got shape ", x.sizes());
    return x.item().to_bool();
  }>("is_nonzero(Tensor input) -> bool");
  ops.op<[](const Tensor&) { return int64_t{-1}; }>("get_device(Tensor input) -> int");
  ops.op<[](const Tensor& x) { return x.detach(); }>("detach(Tensor input) -> Tensor");
  ops.op<[](const Tensor& x) {
    TensorImpl& t = *x.impl();
    DLCORE_CHECK(!t.base.defined(), RuntimeError, "detach_: can't detach views in-place; use detach()");
    t.grad_fn = {};
    t.requires_grad = false;
    return x;
  }>("detach_(Tensor input) -> Tensor");
  ops.same("nelement", "numel");
  ops.same("ndimension", "dim");
  ops.method<[](const Tensor& x, bool value) {
    Tensor t = x;
    t.set_requires_grad(value);
    return t;
  }>("requires_grad_(Tensor input, bool requires_grad=True) -> Tensor");
  ops.function<[](const Tensor& a, const Tensor& b) { return result_type(a, b); }>(
      "result_type(Number|Tensor tensor, Number|Tensor other) -> dtype");
  ops.function<&promote_types>("promote_types(dtype type1, dtype type2) -> dtype");
  ops.function<&can_cast>("can_cast(dtype from_, dtype to) -> bool");
}

PYBIND11_MODULE(_core, m) {
  py::register_local_exception_translator([](std::exception_ptr p) {
    if (!p) return;
    try {
      std::rethrow_exception(p);
    } catch (const Error&) {
      set_python_error();
    }
  });
  bind_types(m);
  bind_interop(m);
  bind_generator(m);
  bind_dlpack(m);
  bind_tensor_type(m.ptr());
  bind_autograd(m);
  bind_profiler(m);
  bind_optim_state(m);
  bind_module_base(m.ptr());
  bind_basics(m);
  Ops ops(m.ptr());
  bind_core(ops);
  bind_families(ops);
  (void)kernels();  // a DLCORE_ISA that cannot be had is an error here, not at the first op
}

}  // namespace dlcore::bindings
