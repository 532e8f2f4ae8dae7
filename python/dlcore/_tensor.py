"""Methods of Tensor that are written in Python, and functions about tensors as Python objects."""

from __future__ import annotations

import builtins
import copy
import string

from . import _core
from ._core import Tensor

__all__ = [
    "broadcast_shapes",
    "einsum",
    "finfo",
    "get_default_device",
    "iinfo",
    "is_tensor",
    "set_default_device",
    "tensordot",
    "typename",
]


def is_tensor(obj) -> builtins.bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def typename(obj) -> str:
    """Name of an object's type with its module."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, builtins.type) else obj.__class__
    return f"{kind.__module__}.{kind.__qualname__}"


def tensordot(a, b, dims=2):
    """Sum of products over `dims`: the last of a with the first of b, or two lists that pair them."""
    if isinstance(dims, (tuple, list)):
        first, second = ([d] if isinstance(d, builtins.int) else list(d) for d in dims)
        return _core._tensordot(a, b, first, second)
    return _core._tensordot(a, b, dims)


def einsum(equation, *operands):
    """Sum of products by the letters of the dimensions: einsum("ij,jk->ik", a, b).

    Or by numbers in place of letters: einsum(a, [0, 1], b, [1, 2], [0, 2]).
    """
    if isinstance(equation, str):
        return _core.einsum(equation, *operands)
    arguments = (equation, *operands)
    tensors, subscripts = arguments[: len(arguments) // 2 * 2 : 2], arguments[1::2]
    equation = ",".join(_letters(s) for s in subscripts)
    if len(arguments) % 2:
        equation += "->" + _letters(arguments[-1])
    return _core.einsum(equation, *tensors)


def _letters(subscripts) -> str:
    if any(s is not Ellipsis and not 0 <= s < 52 for s in subscripts):
        raise ValueError(f"einsum: subscripts must be ... or numbers from 0 to 51 but got {subscripts}")
    return "".join("..." if s is Ellipsis else string.ascii_letters[s] for s in subscripts)


def broadcast_shapes(*shapes):
    """The size that shapes (or numbers) broadcast to."""
    shapes = [(s,) if isinstance(s, builtins.int) else tuple(s) for s in shapes]
    return _core.broadcast_tensors(*(_core.empty(()).expand(s) for s in shapes))[0].shape if shapes else _core.Size()


def get_default_device():
    """The device that tensors are made on: the CPU, where there is no other."""
    return _core.device("cpu")


def set_default_device(device):
    """Accepts the CPU, the one device there is."""
    _core._check_device(device)


def _method(function):
    _core._add_method(function.__name__, function)
    return function


# ---- creation


@_method
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A new tensor with a copy of `data`, of this tensor's dtype where none is given."""
    return _core.tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


# ---- conversion


@_method
def numpy(self, *, force: builtins.bool = False):
    """A numpy array over this tensor's memory. `force` detaches first."""
    return _core._to_numpy(self, force)


@_method
def __array__(self, dtype=None, copy=None):
    array = _core._to_numpy(self, False)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@_method
def __array_wrap__(self, array, context=None, return_scalar=False):
    return _core.from_numpy(array)  # what numpy's functions make of tensors


# Tells numpy that `array * tensor` and `np.float64(2) * tensor` are for the tensor to compute.
_core._add_method("__array_priority__", 1000)


@_method
def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    return _core._to_dlpack(self, max_version, dl_device, copy)


@_method
def __dlpack_device__(self):
    return (1, 0)  # the CPU


@_method
def tolist(self):
    """The elements as nested lists of Python numbers; a number for a tensor without dimensions."""
    return _core._tolist(self)


_DTYPE_OF_METHOD = {
    "float": _core.float32,
    "double": _core.float64,
    "half": _core.float16,
    "bfloat16": _core.bfloat16,
    "long": _core.int64,
    "int": _core.int32,
    "short": _core.int16,
    "char": _core.int8,
    "byte": _core.uint8,
    "bool": _core.bool,
}


def _conversion(name, dtype):
    def convert(self, memory_format=None):
        return _core._to_dtype(self, dtype)

    convert.__name__ = name
    convert.__doc__ = f"This tensor as {dtype}; itself where it has that dtype."
    return _method(convert)


for _name, _dtype in _DTYPE_OF_METHOD.items():
    _conversion(_name, _dtype)


@_method
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """to(dtype), to(device), to(device, dtype), to(other): a converted tensor, or itself where nothing changes."""
    for arg in args:
        if isinstance(arg, _core.dtype):
            dtype = arg
        elif isinstance(arg, Tensor):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, (str, _core.device)):
            device = arg
        elif arg is not None and not isinstance(arg, builtins.bool):
            raise TypeError(f"to: expected a dtype, a device or a Tensor but got {arg.__class__.__name__}")
    if device is not None:
        _core._check_device(device)
    result = self if dtype is None else _core._to_dtype(self, dtype)
    return result.clone() if copy and result is self else result


@_method
def where(self, condition, other):
    """This tensor where the condition holds, else `other`."""
    return _core.where(condition, self, other)


@_method
def type_as(self, other):
    """This tensor with the dtype of `other`."""
    return _core._to_dtype(self, other.dtype)


_TYPE_NAMES = {
    "float32": "FloatTensor",
    "float64": "DoubleTensor",
    "float16": "HalfTensor",
    "bfloat16": "BFloat16Tensor",
    "int8": "CharTensor",
    "int16": "ShortTensor",
    "int32": "IntTensor",
    "int64": "LongTensor",
    "uint8": "ByteTensor",
    "bool": "BoolTensor",
}


def _type(self, dtype=None, non_blocking=False):
    """The name of this tensor's type, or this tensor converted to `dtype` (a dtype or such a name)."""
    if dtype is None:
        return "dlcore." + _TYPE_NAMES[self.dtype.name]
    if isinstance(dtype, str):
        names = {v: k for k, v in _TYPE_NAMES.items()}
        short = dtype.rsplit(".", 1)[-1]
        if short not in names:
            raise ValueError(f"type: unknown tensor type {dtype!r}")
        dtype = getattr(_core, names[short])
    return _core._to_dtype(self, dtype)


_core._add_method("type", _type)


@_method
def cpu(self, memory_format=None):
    """This tensor in the CPU's memory."""
    return self


@_method
def cuda(self, device=None, non_blocking=False, memory_format=None):
    """This tensor on a CUDA device: an error in a CPU build."""
    _core._check_device("cuda")


# ---- autograd


@_method
def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Adds d(self)/d(leaf), weighted by `gradient`, to the grad of every leaf of the graph."""
    _core._backward(self, gradient, retain_graph, create_graph, inputs)


class RemovableHandle:
    """Removes a hook: `handle.remove()`, or at the end of a `with` block."""

    def __init__(self, tensor, hook_id):
        self._tensor, self.id = tensor, hook_id

    def remove(self):
        _core._remove_hook(self._tensor, self.id)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


@_method
def register_hook(self, hook):
    """Calls hook(grad) when this tensor's gradient is known; what it returns, if not None, replaces the gradient."""
    return RemovableHandle(self, _core._register_hook(self, hook))


@_method
def register_post_accumulate_grad_hook(self, hook):
    """Calls hook(self) after a gradient was added to this leaf's grad."""
    return RemovableHandle(self, _core._register_post_accumulate_grad_hook(self, hook))


@_method
def retain_grad(self):
    """Keeps the gradient of this non-leaf tensor in its grad."""
    _core._retain_grad(self)


# ---- Python's protocols


@_method
def __deepcopy__(self, memo):
    if not self.is_leaf:
        raise RuntimeError("deepcopy: only tensors created by the user (graph leaves) can be deep-copied; use clone()")
    if id(self) in memo:
        return memo[id(self)]
    result = _core._make_subclass(self.__class__, _core.clone(self.detach()), self.requires_grad)
    memo[id(self)] = result
    if self.grad is not None:
        result.grad = copy.deepcopy(self.grad, memo)
    for key, value in self.__dict__.items():
        setattr(result, key, copy.deepcopy(value, memo))
    return result


@_method
def __copy__(self):
    result = _core._make_subclass(self.__class__, self.detach(), self.requires_grad)
    result.__dict__.update(self.__dict__)
    return result


@_method
def __reduce_ex__(self, protocol):
    raise TypeError("tensors are not pickled; use dlcore.save and dlcore.load")


@_method
def __format__(self, spec):
    if self.ndim == 0 and spec:
        return format(self.item(), spec)
    return object.__format__(self, spec) if spec else repr(self)


@_method
def __reversed__(self):
    return self.flip(0) if self.dim() else self


@_method
def __contains__(self, element):
    if not isinstance(element, (Tensor, builtins.int, builtins.float, builtins.bool)):
        raise RuntimeError(f"in: expected a Tensor or a number but got {element.__class__.__name__}")
    return builtins.bool((self == element).any())


# ---- limits of the dtypes

_FLOAT_LIMITS = {  # bits, bits of the fraction, largest exponent
    "float32": (32, 23, 127),
    "float64": (64, 52, 1023),
    "bfloat16": (16, 7, 127),
    "float16": (16, 10, 15),
}


class finfo:
    """Limits of a floating point dtype: bits, eps, max, min, tiny, smallest_normal, resolution."""

    def __init__(self, type=None):  # noqa: A002
        type = type or _core.get_default_dtype()  # noqa: A001
        if not isinstance(type, _core.dtype) or type.name not in _FLOAT_LIMITS:
            raise TypeError(f"finfo: expected a floating point dtype but got {type}")
        self.bits, fraction, exponent = _FLOAT_LIMITS[type.name]
        self.dtype = type.name
        self.eps = 2.0**-fraction
        self.max = (2.0 - self.eps) * 2.0**exponent
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - exponent)
        self.resolution = 10.0 ** -builtins.int(fraction * 0.30103)

    def __repr__(self):
        limits = f"resolution={self.resolution}, min={self.min}, max={self.max}, eps={self.eps}"
        return f"finfo({limits}, dtype={self.dtype})"


class iinfo:
    """Limits of an integer dtype: bits, min, max."""

    def __init__(self, type):  # noqa: A002
        if not isinstance(type, _core.dtype) or type.is_floating_point or type.name == "bool":
            raise TypeError(f"iinfo: expected an integer dtype but got {type}")
        self.bits = 8 * type.itemsize
        self.dtype = type.name
        self.min = -(2 ** (self.bits - 1)) if type.is_signed else 0
        self.max = 2 ** (self.bits - 1) - 1 if type.is_signed else 2**self.bits - 1

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
