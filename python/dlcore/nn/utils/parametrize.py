"""Parameters that are functions of others: a module's tensor is computed anew whenever it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..._core import Tensor
from ...autograd.grad_mode import no_grad
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

_cache: dict[tuple[int, str], Tensor] | None = None  # what was computed within `cached`


@contextmanager
def cached() -> Iterator[None]:
    """Within it each parametrized tensor is computed once, at its first use: for recurrent loops and shared weights."""
    global _cache
    outer, _cache = _cache, {} if _cache is None else _cache
    try:
        yield
    finally:
        _cache = outer


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied one after the other, and the tensors that it is computed from:
    `original`, or `original0`, `original1`, ... where `right_inverse` of the first gives several.

    Attributes:
        unsafe: whether they may change the tensor's shape and dtype.
        is_tensor: whether there is one original.
        ntensors: how many originals there are.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        value = original
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    try:
                        value = module.right_inverse(value)
                    except NotImplementedError:
                        pass
        self.is_tensor = isinstance(value, Tensor)
        if not self.is_tensor and not isinstance(value, Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(value).__name__}"
            )
        self.ntensors = 1 if self.is_tensor else len(value)
        if self.is_tensor:
            self._check_inverse(original, value)
            with no_grad():
                original.data = value.detach()
            _register(self, "original", original)
        for i, each in enumerate(() if self.is_tensor else value):
            if not isinstance(each, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got element "
                    f"{i} of the sequence with type {type(each).__name__}."
                )
            if isinstance(original, Parameter):
                each = Parameter(each.detach(), original.requires_grad)
            _register(self, f"original{i}", each)
        if not unsafe:
            _check_same("The parametrization", original, self())

    @property
    def _originals(self) -> list[Tensor]:
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    @staticmethod
    def _check_inverse(original: Tensor, value) -> None:
        if not isinstance(value, Tensor):
            raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
        if value.dtype != original.dtype:
            raise ValueError(
                f"The tensor that `right_inverse` returns must have the dtype of the original, {original.dtype}. "
                f"Got {value.dtype}"
            )

    def right_inverse(self, value: Tensor) -> None:
        """Give the originals values for which the tensor is `value`; what assigning to the tensor does.

        Raises:
            RuntimeError: if a parametrization has no method `right_inverse`.
            ValueError: if one gives tensors of another number or dtype.
        """
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                value = module.right_inverse(value)
            values = [value] if self.is_tensor else value
            if not self.is_tensor and (not isinstance(value, Sequence) or len(value) != self.ntensors):
                got = len(value) if isinstance(value, Sequence) else type(value).__name__
                raise ValueError(f"'right_inverse' must return a sequence of {self.ntensors} tensors. Got {got}")
            for original, each in zip(self._originals, values, strict=True):
                self._check_inverse(original, each)
                original.data = each.detach()

    def forward(self) -> Tensor:
        """The tensor."""
        first, *others = self
        value = first(*self._originals)
        for module in others:
            value = module(value)
        return value


def _register(module: Module, name: str, tensor: Tensor) -> None:
    (module.register_parameter if isinstance(tensor, Parameter) else module.register_buffer)(name, tensor)


def _check_same(what: str, original: Tensor, value) -> None:
    """What is registered safely gives a tensor like the one before."""
    if not isinstance(value, Tensor):
        raise ValueError(f"{what} must return a tensor. Got {type(value).__name__}")
    for name in ("dtype", "shape"):
        if getattr(value, name) != getattr(original, name):
            raise ValueError(
                f"{what} may not change the {name} of the tensor, {getattr(original, name)}, unless the `unsafe` flag "
                f"is True. Got {getattr(value, name)}"
            )


def _property(name: str) -> property:
    def read(self) -> Tensor:
        if _cache is None:
            return self.parametrizations[name]()
        key = id(self), name
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def write(self, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def _set_class(module: Module) -> None:
    """Make the module's class one with a property for every parametrized tensor, or its former one where none is left.
    A new class each time: copies of the module keep theirs."""
    kind = type_before_parametrizations(module)
    properties = {name: _property(name) for name in getattr(module, "parametrizations", ())}
    if properties:
        kind = type(f"Parametrized{kind.__name__}", (kind,), {"_before": kind, **properties})
    module.__class__ = kind


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had before its first parametrization."""
    return getattr(type(module), "_before", type(module))


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has a parametrization (of that tensor)."""
    lists = getattr(module, "parametrizations", None)
    if not isinstance(lists, ModuleDict):
        return False
    return len(lists) > 0 if tensor_name is None else tensor_name in lists


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """From now on ``module.tensor_name`` is ``parametrization(original)``, computed whenever it is read. A second
    parametrization is applied to the result of the first.

    The original is ``module.parametrizations.<name>.original``. Where the parametrization has a method `right_inverse`,
    it begins as ``right_inverse(tensor)``, and the tensor can be assigned to; if that gives several tensors, they are
    `original0`, `original1`, ..., and `forward` takes all of them.

    Args:
        module: it gets a class of its own, "Parametrized..."; is copied and saved (`state_dict`) as before.
        tensor_name: its parameter or buffer.
        parametrization: a module of one tensor, or of several.
        unsafe: allow the tensor's shape and dtype to change, and check nothing. Default: False.

    Returns:
        the module.

    Raises:
        ValueError: if there is no such tensor, or its shape or dtype would change.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        parametrizations = module.parametrizations[tensor_name]
        if not unsafe:
            before = getattr(module, tensor_name)
            after = parametrization(before)
            _check_same("A parametrization", before, after)
            if hasattr(parametrization, "right_inverse"):
                try:
                    _check_same(
                        "The `right_inverse` of a parametrization", before, parametrization.right_inverse(after)
                    )
                except NotImplementedError:
                    pass
        parametrizations.append(parametrization)
        parametrizations.unsafe |= unsafe
        return module
    own = module.__dict__
    original = own["_parameters"].get(tensor_name, own["_buffers"].get(tensor_name))
    if original is None:
        raise ValueError(
            f"Module '{type(module).__name__}' does not have a parameter, a buffer, or a parametrized element with "
            f"name '{tensor_name}'"
        )
    parametrizations = ParametrizationList([parametrization], original, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = parametrizations
    _set_class(module)
    return module


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Undo all parametrizations of a tensor.

    Args:
        module, tensor_name: as in `register_parametrization`.
        leave_parametrized: the tensor keeps its present value; else it becomes the original. Default: True.

    Returns:
        the module, of its former class when none is left.

    Raises:
        ValueError: if there is none, or for leave_parametrized=False where there are several originals.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {type(module).__name__} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        tensor = parametrizations.original
        if leave_parametrized:
            with no_grad():
                tensor.data = getattr(module, tensor_name).detach().clone()
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        tensor = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
    _set_class(module)
    _register(module, tensor_name, tensor)
    return module
