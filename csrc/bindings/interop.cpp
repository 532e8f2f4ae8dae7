// numpy arrays and Python's buffer protocol: memory that dlcore and others share.
#include <pybind11/numpy.h>

#include "bindings/pybind.h"
#include "core/half.h"
#include "io/file.h"
#include "ops/internal.h"

namespace dlcore::bindings {
namespace {

std::optional<DType> dtype_of_array(const py::array& a) {
  const char kind = a.dtype().kind();
  const auto size = a.dtype().itemsize();
  if (kind == 'b') return DType::Bool;
  if (kind == 'f')
    return size == 4   ? DType::Float32
           : size == 8 ? DType::Float64
           : size == 2 ? std::optional(DType::Float16)
                       : std::nullopt;
  if (kind == 'i') return size == 1 ? DType::Int8 : size == 2 ? DType::Int16 : size == 4 ? DType::Int32 : DType::Int64;
  if (kind == 'u' && size == 1) return DType::UInt8;
  return {};
}

const char* array_code(DType t) {
  switch (t) {
    case DType::Float32:
      return "f4";
    case DType::Float64:
      return "f8";
    case DType::Float16:
      return "f2";
    case DType::Int8:
      return "i1";
    case DType::Int16:
      return "i2";
    case DType::Int32:
      return "i4";
    case DType::Int64:
      return "i8";
    case DType::UInt8:
      return "u1";
    case DType::Bool:
      return "?";
    case DType::BFloat16:
      break;
  }
  fail<TypeError>("numpy: numpy has no ", name(t), "; convert with .float() first");
}

// Drops a Python reference from whatever thread frees the memory.
std::function<void()> release_later(py::object owner) {
  PyObject* o = owner.release().ptr();
  return [o] {
    if (!Py_IsInitialized()) return;
    const PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF(o);
    PyGILState_Release(state);
  };
}

py::array to_numpy(py::handle self, bool force) {
  DLCORE_CHECK(is_tensor(self.ptr()), TypeError, "numpy: expected a Tensor but got ", Py_TYPE(self.ptr())->tp_name);
  Tensor t = tensor_of(self.ptr());
  if (force) {
    t = t.detach();
  } else {
    DLCORE_CHECK(!t.requires_grad(), RuntimeError,
                 "numpy: can't call numpy() on a Tensor that requires grad; use tensor.detach().numpy()");
  }
  const py::dtype type(array_code(t.dtype()));
  std::vector<py::ssize_t> shape, strides;
  for (int64_t i = 0; i < t.dim(); ++i) {
    shape.push_back(t.sizes()[i]);
    strides.push_back(t.strides()[i] * item_size(t.dtype()));
  }
  // The array keeps the memory alive through a handle of its own.
  const py::capsule owner(new Exposed(t.impl()->storage), [](void* p) { delete static_cast<Exposed*>(p); });
  static char nothing[8];
  return py::array(type, shape, strides, t.raw_data() ? t.raw_data() : nothing, owner);
}

// ---- buffer protocol

struct BufferShape {
  Exposed memory;
  Py_ssize_t shape[kMaxDims], strides[kMaxDims];
};

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const Tensor& t = tensor_of(self);
  const char* format = nullptr;
  switch (t.dtype()) {
    case DType::Float32:
      format = "f";
      break;
    case DType::Float64:
      format = "d";
      break;
    case DType::Float16:
      format = "e";
      break;
    case DType::Int8:
      format = "b";
      break;
    case DType::Int16:
      format = "h";
      break;
    case DType::Int32:
      format = "i";
      break;
    case DType::Int64:
      format = "l";
      break;
    case DType::UInt8:
      format = "B";
      break;
    case DType::Bool:
      format = "?";
      break;
    case DType::BFloat16:
      break;
  }
  const bool writable = (flags & PyBUF_WRITABLE) != 0;
  if (!format || t.requires_grad() || (writable && t.impl()->storage->read_only) ||
      (!(flags & PyBUF_STRIDES) && !t.is_contiguous())) {
    PyErr_SetString(PyExc_BufferError, !format             ? "buffer: bfloat16 has no buffer format"
                                       : t.requires_grad() ? "buffer: the tensor requires grad; use detach()"
                                                           : "buffer: the memory is read-only or not contiguous");
    view->obj = nullptr;
    return -1;
  }
  auto* s = new BufferShape{Exposed(t.impl()->storage), {}, {}};
  for (int64_t i = 0; i < t.dim(); ++i) {
    s->shape[i] = t.sizes()[i];
    s->strides[i] = t.strides()[i] * item_size(t.dtype());
  }
  static char nothing[8];
  view->obj = Py_NewRef(self);
  view->buf = t.raw_data() ? t.raw_data() : nothing;
  view->len = t.numel() * item_size(t.dtype());
  view->readonly = t.impl()->storage->read_only;
  view->itemsize = item_size(t.dtype());
  view->format = (flags & PyBUF_FORMAT) ? const_cast<char*>(format) : nullptr;
  view->ndim = static_cast<int>(t.dim());
  view->shape = (flags & PyBUF_ND) ? s->shape : nullptr;
  view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? s->strides : nullptr;
  view->suboffsets = nullptr;
  view->internal = s;
  return 0;
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<BufferShape*>(view->internal); }

PyBufferProcs buffer_methods = {get_buffer, release_buffer};

}  // namespace

Tensor over_memory(void* data, IntSpan sizes, IntSpan strides, DType dtype, bool read_only,
                   std::function<void()> release) {
  auto storage = Ref<Storage>::adopt(new Storage);
  storage->release = std::move(release);
  const int64_t numel = checked_numel("from_numpy", sizes);
  int64_t last = 0;
  for (int64_t i = 0; i < sizes.size(); ++i) {
    DLCORE_CHECK(strides[i] >= 0 || sizes[i] <= 1, ValueError, "negative strides are not supported; make a copy first");
    last += numel ? (sizes[i] - 1) * std::max<int64_t>(strides[i], 0) : 0;
  }
  storage->data = data;
  storage->bytes = numel ? (last + 1) * item_size(dtype) : 0;
  storage->read_only = read_only;
  Tensor t = new_tensor({0}, dtype);
  TensorImpl& impl = *t.impl();
  impl.storage = std::move(storage);
  impl.sizes = Dims(sizes);
  impl.strides = Dims(strides);
  refresh_geometry(impl);
  return t;
}

Tensor tensor_from_array(PyObject* object, bool share) {
  py::array a = py::reinterpret_borrow<py::object>(object).cast<py::array>();
  const std::optional<DType> dtype = dtype_of_array(a);
  DLCORE_CHECK(dtype, TypeError, "from_numpy: cannot hold numpy's ",
               py::str(static_cast<py::object>(a.dtype())).cast<std::string>(),
               "; supported are float16, float32, float64, int8, int16, int32, int64, uint8 and bool");
  const int64_t item = item_size(*dtype);
  bool fits = a.dtype().byteorder() != '>' && reinterpret_cast<uintptr_t>(a.data()) % static_cast<uintptr_t>(item) == 0;
  std::vector<int64_t> sizes, strides;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) {
    sizes.push_back(a.shape(i));
    strides.push_back(a.strides(i) / item);
    fits &= a.shape(i) <= 1 || (a.strides(i) >= 0 && a.strides(i) % item == 0);
    if (a.shape(i) <= 1 && strides.back() < 0) strides.back() = 1;
  }
  if (!share) {
    for (py::ssize_t i = 0; i < a.ndim(); ++i)
      DLCORE_CHECK(a.shape(i) <= 1 || a.strides(i) >= 0, ValueError,
                   "from_numpy: arrays with negative strides are not supported; make a copy with array.copy()");
    DLCORE_CHECK(fits, ValueError,
                 "from_numpy: the array is not aligned, or not in this machine's byte order; make a copy");
  }
  if (!fits) {
    const py::object copy = py::module_::import("numpy").attr("array")(
        a, py::arg("dtype") = py::str(array_code(*dtype)), py::arg("copy") = true, py::arg("order") = "C");
    return tensor_from_array(copy.ptr(), true);
  }
  const bool read_only = !a.writeable();
  void* data = const_cast<void*>(a.data());
  return over_memory(data, sizes, strides, *dtype, read_only, release_later(std::move(a)));
}

void bind_interop(py::module_& m) {
  m.def(
      "from_numpy",
      [](py::handle array) {
        DLCORE_CHECK(py::isinstance<py::array>(array), TypeError, "from_numpy: expected a numpy array but got ",
                     Py_TYPE(array.ptr())->tp_name);
        return owned(wrap(tensor_from_array(array.ptr(), false)));
      },
      "A tensor over the array's own memory.");
  m.def("_to_numpy", &to_numpy);
  m.def("_map_tensors",
        [](int descriptor, const std::vector<std::tuple<int64_t, std::vector<int64_t>, py::object>>& places) {
          const auto file = std::make_shared<FileMemory>(descriptor, true);
          py::list tensors;
          for (const auto& [offset, sizes, dtype] : places)
            tensors.append(owned(wrap(tensor_in_file(file, offset, sizes, dtype_of_object(dtype.ptr())))));
          return tensors;
        });
  tensor_type.tp_as_buffer = &buffer_methods;
}

}  // namespace dlcore::bindings
