#pragma once
#include "autograd/node.h"
#include "bindings/python.h"
#include "dlcore/random.h"

// The Python types of the library: Tensor, Size, dtype. Tensor is written against the C API (not pybind11's instance
// machinery) so that one tensor has one Python object, subclasses work, and an op on a small tensor costs little.
namespace dlcore::bindings {

struct TensorObject {
  PyObject_HEAD Tensor tensor;
  PyObject* dict;
  PyObject* weak_references;
};
extern PyTypeObject tensor_type;

inline bool is_tensor(PyObject* o) { return PyObject_TypeCheck(o, &tensor_type); }
inline const Tensor& tensor_of(PyObject* o) { return reinterpret_cast<TensorObject*>(o)->tensor; }
// The Python object of a tensor, made where there is none yet; a new reference. An undefined tensor is None.
PyObject* wrap(const Tensor& t);
PyObject* wrap(const TensorList& list);  // a tuple
// A new object of a subclass of Tensor.
PyObject* wrap_as(PyTypeObject* type, const Tensor& t);

PyObject* wrap_size(IntSpan sizes);  // dlcore.Size
bool is_size(PyObject* o);

bool is_dtype(PyObject* o);
DType dtype_of_object(PyObject* o);
PyObject* wrap(DType t);

// Python number, bool, list, tuple, numpy array or tensor -> tensor; numpy memory is shared where `share`.
Tensor tensor_from_object(PyObject* o, std::optional<DType> dtype = {}, bool share = false);
// A Python int, float, bool, or numpy scalar.
bool is_number(PyObject* o);
Scalar number_of(PyObject* o);
bool is_integer(PyObject* o);
int64_t integer_of(PyObject* o);

// What Tensor.grad_fn shows of a node.
struct GradientFunction {
  Ref<Node> node;
  int32_t index;
};
PyObject* wrap(GradientFunction f);

Tensor tensor_from_array(PyObject* array, bool share);  // a numpy array (bindings/interop.cpp)
// A tensor over memory that somebody else owns; `release` is called when nobody needs it any more.
Tensor over_memory(void* data, IntSpan sizes, IntSpan strides, DType dtype, bool read_only,
                   std::function<void()> release);

Device device_of(PyObject* o);  // from "cpu", dlcore.device, or None
bool is_device(PyObject* o);    // a dlcore.device
PyObject* wrap(Device d);

bool is_generator(PyObject* o);
Generator* generator_of(PyObject* o);  // null for None

// x[key], x[key] = value (bindings/indexing.cpp).
PyObject* tensor_getitem(PyObject* self, PyObject* key);
int tensor_setitem(PyObject* self, PyObject* key, PyObject* value);

void bind_tensor_type(PyObject* module);
void bind_module_base(PyObject* module);

}  // namespace dlcore::bindings
