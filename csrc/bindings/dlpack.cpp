// DLPack, both ways: tensors of other libraries without a copy. The structures are those of the DLPack 1.x
// specification.
#include "bindings/pybind.h"
#include "ops/internal.h"

namespace dlcore::bindings {
namespace {

struct DLDevice {
  int32_t type, id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape, *strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
};
constexpr int32_t kCpu = 1;
constexpr uint64_t kReadOnly = 1, kCopied = 2;
enum Code : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kBool = 6 };

DLDataType type_code(DType t) {
  const auto bits = static_cast<uint8_t>(8 * item_size(t));
  const Code code = t == DType::BFloat16 ? kBfloat
                    : is_floating(t)     ? kFloat
                    : t == DType::UInt8  ? kUInt
                    : t == DType::Bool   ? kBool
                                         : kInt;
  return {code, bits, 1};
}

DType dtype_of(DLDataType d) {
  for (int i = 0; i < kNumDTypes; ++i) {
    const DLDataType t = type_code(static_cast<DType>(i));
    if (t.code == d.code && t.bits == d.bits && d.lanes == 1) return static_cast<DType>(i);
  }
  fail<TypeError>("from_dlpack: unsupported element type (code ", int{d.code}, ", ", int{d.bits}, " bits, ", d.lanes,
                  " lanes)");
}

// What an exported tensor keeps alive.
struct Export {
  Exposed memory;
  std::vector<int64_t> shape, strides;
};

template <class Managed>
Managed* export_tensor(const Tensor& t) {
  auto* e = new Export{Exposed(t.impl()->storage), t.sizes().vec(), t.strides().vec()};
  auto* m = new Managed{};
  m->tensor = {t.raw_data(),      {kCpu, 0}, static_cast<int32_t>(t.dim()), type_code(t.dtype()), e->shape.data(),
               e->strides.data(), 0};
  m->context = e;
  m->deleter = [](Managed* self) {
    delete static_cast<Export*>(self->context);
    delete self;
  };
  return m;
}

// A consumer renames the capsule; one that nobody took frees its tensor.
template <class Managed>
py::object capsule(Managed* m, const char* name) {
  return owned(checked(PyCapsule_New(m, name, [](PyObject* c) {
    const char* n = PyCapsule_GetName(c);
    if (n && std::strncmp(n, "dltensor", 8) == 0) {
      auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(c, n));
      managed->deleter(managed);
    }
  })));
}

py::object to_dlpack(py::handle self, py::object max_version, std::optional<std::pair<int, int>> device,
                     std::optional<bool> copy) {
  DLCORE_CHECK(is_tensor(self.ptr()), TypeError, "__dlpack__: expected a Tensor but got ",
               Py_TYPE(self.ptr())->tp_name);
  Tensor t = tensor_of(self.ptr());
  DLCORE_CHECK(!t.requires_grad(), RuntimeError,
               "__dlpack__: can't export a tensor that requires grad; use tensor.detach()");
  DLCORE_CHECK(!device || device->first == kCpu, ValueError, "__dlpack__: this tensor is in the CPU's memory");
  if (copy.value_or(false)) t = clone(t);
  const bool versioned = !max_version.is_none() && max_version.cast<std::pair<int, int>>().first >= 1;
  if (!versioned) {
    DLCORE_CHECK(!t.impl()->storage->read_only, RuntimeError, "__dlpack__: the memory is read-only");
    return capsule(export_tensor<DLManagedTensor>(t), "dltensor");
  }
  auto* m = export_tensor<DLManagedTensorVersioned>(t);
  m->major = 1;
  m->minor = 0;
  m->flags = (t.impl()->storage->read_only ? kReadOnly : 0) | (copy.value_or(false) ? kCopied : 0);
  return capsule(m, "dltensor_versioned");
}

template <class Managed>
Tensor import_tensor(Managed* m, bool read_only) {
  // From here on the tensor owns it, also when something below throws.
  const std::shared_ptr<Managed> owner(m, [](Managed* p) {
    if (p->deleter) p->deleter(p);
  });
  const DLTensor& d = m->tensor;
  DLCORE_CHECK(d.device.type == kCpu, RuntimeError, "from_dlpack: expected memory of the CPU but got device type ",
               d.device.type);
  DLCORE_CHECK(d.ndim >= 0 && d.ndim <= kMaxDims, ValueError, "from_dlpack: ", d.ndim, " dimensions");
  const DType dtype = dtype_of(d.dtype);
  const IntSpan sizes(d.shape, static_cast<size_t>(d.ndim));
  const Dims strides = d.strides ? Dims(IntSpan(d.strides, static_cast<size_t>(d.ndim))) : contiguous_strides(sizes);
  char* data = static_cast<char*>(d.data) + d.byte_offset;
  DLCORE_CHECK(reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(item_size(dtype)) == 0, ValueError,
               "from_dlpack: misaligned memory");
  return over_memory(data, sizes, strides, dtype, read_only, [owner] {});
}

py::object from_dlpack(py::handle source) {
  py::object capsule;
  if (PyCapsule_CheckExact(source.ptr())) {
    capsule = py::reinterpret_borrow<py::object>(source);
  } else {
    DLCORE_CHECK(py::hasattr(source, "__dlpack__"), TypeError, "from_dlpack: ", Py_TYPE(source.ptr())->tp_name,
                 " has no __dlpack__");
    if (py::hasattr(source, "__dlpack_device__"))
      DLCORE_CHECK(source.attr("__dlpack_device__")().cast<py::tuple>()[0].cast<int>() == kCpu, RuntimeError,
                   "from_dlpack: expected memory of the CPU");
    try {
      capsule = source.attr("__dlpack__")(py::arg("max_version") = py::make_tuple(1, 0));
    } catch (py::error_already_set& e) {
      if (!e.matches(PyExc_TypeError)) throw;  // an exporter from before versions
      capsule = source.attr("__dlpack__")();
    }
  }
  Tensor t;
  if (void* p = PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned")) {
    auto* m = static_cast<DLManagedTensorVersioned*>(p);
    DLCORE_CHECK(m->major == 1, RuntimeError, "from_dlpack: DLPack version ", m->major, " is not supported");
    PyCapsule_SetName(capsule.ptr(), "used_dltensor_versioned");
    t = import_tensor(m, (m->flags & kReadOnly) != 0);
  } else {
    PyErr_Clear();
    void* old = PyCapsule_GetPointer(capsule.ptr(), "dltensor");
    if (!old) PyErr_Clear();
    DLCORE_CHECK(old, ValueError, "from_dlpack: expected an unused DLPack capsule");
    PyCapsule_SetName(capsule.ptr(), "used_dltensor");
    t = import_tensor(static_cast<DLManagedTensor*>(old), false);
  }
  return owned(wrap(t));
}

}  // namespace

void bind_dlpack(py::module_& m) {
  m.def("from_dlpack", &from_dlpack, py::arg("ext_tensor"), "A tensor over another library's memory, by DLPack.");
  m.def("_to_dlpack", &to_dlpack, py::arg("tensor"), py::arg("max_version") = py::none(),
        py::arg("dl_device") = py::none(), py::arg("copy") = py::none());
}

}  // namespace dlcore::bindings
