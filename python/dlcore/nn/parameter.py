"""Tensors that a module owns: parameters, buffers, and their not yet initialized forms."""

from __future__ import annotations

from .. import _core
from .._core import Tensor


class Parameter(Tensor):
    """A tensor that is a module's parameter: assigned to a module's attribute, it appears in ``module.parameters()``.

    It shares the memory of `data`.

    Args:
        data: the values; an empty tensor where it is None.
        requires_grad: whether gradients are computed for it. Default: True.

    Raises:
        TypeError: if `data` is not a tensor.
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True):
        if data is None:
            data = _core.empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter: data must be a Tensor, but got {type(data).__name__}")
        return _core._make_subclass(cls, data, requires_grad)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = _core._make_subclass(type(self), self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that is part of a module's state without being trained: assigned to a module's attribute, it is
    registered as a buffer.

    Args:
        data: the values; an empty tensor where it is None.
        persistent: whether it belongs to the module's ``state_dict``. Default: True.
    """

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True):
        if data is None:
            data = _core.empty(0)
        self = _core._make_subclass(cls, data, data.requires_grad)
        self.persistent = persistent
        return self

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = Buffer(self.data.clone(), persistent=self.persistent)
        return memo[id(self)]


# What may be done to a tensor that has no shape yet: conversions, and what a module and an optimizer ask of it.
_allowed = frozenset(
    "size copy_ is_floating_point is_complex half float double bfloat16 char short int long cuda cpu to get_device "
    "materialize requires_grad_ register_hook".split()
)


class UninitializedTensorMixin:
    """A tensor whose shape is known later: `materialize` gives it one, and makes it an ordinary parameter or buffer in
    place, so that whoever holds the object (an optimizer, say) sees it become real."""

    cls_to_become: type

    def materialize(self, shape, device=None, dtype=None) -> None:
        """Give the tensor its shape; its values are not set.

        Args:
            shape: the sizes.
            device, dtype: those of the uninitialized tensor where they are None.
        """
        self.data = _core.empty(shape, device=device or self.device, dtype=dtype or self.dtype)
        self.__class__ = self.cls_to_become

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. "
            "This error usually happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their attributes."
        )

    def __getattribute__(self, name: str):
        if not name.startswith("_") and name not in _allowed and callable(getattr(Tensor, name, None)):
            raise ValueError(
                f"Attempted to use an uninitialized parameter in {name}. Call the lazy module's `forward` with a batch "
                "to initialize its parameters before using them."
            )
        return super().__getattribute__(name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def is_lazy(tensor) -> bool:
    """Whether `tensor` is an `UninitializedParameter` or an `UninitializedBuffer`."""
    return isinstance(tensor, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter without a shape, as lazy modules hold until their first forward pass.

    Args:
        requires_grad: whether gradients will be computed for it. Default: True.
        device, dtype: those of the tensor to come.
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device=None, dtype=None):
        return _core._make_subclass(cls, _core.empty(0, device=device, dtype=dtype), requires_grad)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype)
        return memo[id(self)]


class UninitializedBuffer(UninitializedTensorMixin, Buffer):
    """A buffer without a shape, as lazy modules hold until their first forward pass.

    Args:
        requires_grad: whether gradients are computed for it. Default: False.
        device, dtype: those of the tensor to come.
        persistent: whether it belongs to the module's ``state_dict``. Default: True.
    """

    cls_to_become = Buffer

    def __new__(cls, requires_grad: bool = False, device=None, dtype=None, persistent: bool = True):
        self = _core._make_subclass(cls, _core.empty(0, device=device, dtype=dtype), requires_grad)
        self.persistent = persistent
        return self

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.requires_grad, self.device, self.dtype, self.persistent)
        return memo[id(self)]
