"""Modules that hold other modules or parameters: in a chain, a list or a dictionary."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice

from .._core import Tensor
from .activation import ReLU, ReLU6
from .module import Module, format_repr, indent
from .parameter import Parameter


def _index(container, index) -> int:
    """`index` as a number from the start; IndexError outside the container."""
    index = operator.index(index)
    if not -len(container) <= index < len(container):
        raise IndexError(f"index {index} is out of range")
    return index % len(container)


def _require_iterable(values, called: str, of: str = ""):
    if not isinstance(values, Iterable) or isinstance(values, Tensor):
        raise TypeError(f"{called} should be called with an iterable{of}, but got {type(values).__name__}")
    return values


def _pairs(values, kind: str) -> Iterator[tuple]:
    """(key, value) of a mapping, a container or an iterable of pairs."""
    _require_iterable(values, f"{kind}.update", " of key/value pairs")
    if hasattr(values, "items"):
        yield from values.items()
        return
    for i, pair in enumerate(values):
        if not isinstance(pair, Iterable):
            raise TypeError(f"{kind} update sequence element #{i} should be Iterable; is {type(pair).__name__}")
        pair = tuple(pair)
        if len(pair) != 2:
            raise ValueError(f"{kind} update sequence element #{i} has length {len(pair)}; 2 is required")
        yield pair


class _Numbered(Module):
    """What `Sequential` and `ModuleList` share: children under the names "0", "1", ..."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def _key(self, index) -> str:
        return next(islice(self._modules, _index(self, index), None))

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        doomed = list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]
        kept = [module for key, module in self._modules.items() if key not in doomed]
        self._modules = {str(i): module for i, module in enumerate(kept)}

    def append(self, module: Module):
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]):
        """Add modules at the end; returns the container."""
        for module in list(_require_iterable(modules, f"{type(self).__name__}.extend")):
            self.append(module)
        return self

    def insert(self, index: int, module: Module):
        """Add a module in front of the one at `index`; returns the container."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        modules = list(self)
        modules.insert(index, module)
        self._modules = {str(i): each for i, each in enumerate(modules)}
        return self

    def pop(self, index: int | slice) -> Module:
        """Remove and return the module (or, for a slice, the container of modules) at `index`."""
        module = self[index]
        del self[index]
        return module


# What a layer in front may compute in its own pass over memory: those that name it in `_takes`.
_FUSED = {ReLU: "relu", ReLU6: "relu6"}


def _is_plain(module: Module) -> bool:
    """Whether nobody looks at the module's call from outside."""
    return not module._hooked and "forward" not in module.__dict__


class Sequential(_Numbered):
    """Calls its modules one after the other, each with the output of the one before.

    A convolution or batch norm and the ReLU or ReLU6 behind it run as one, unless one of them has hooks.
    It is made of modules, ``Sequential(a, b)``, or of names and modules, ``Sequential(OrderedDict(first=a, last=b))``.
    It can be indexed, sliced, added and multiplied like a list.
    """

    def __init__(self, *args: Module | OrderedDict) -> None:
        super().__init__()
        named = len(args) == 1 and isinstance(args[0], OrderedDict)
        for key, module in args[0].items() if named else enumerate(args):
            self.add_module(str(key) if not named else key, module)

    def forward(self, input):
        held = None  # a layer that may compute the activation behind it too
        for module in self._modules.values():
            if held is not None:
                activation = _FUSED.get(type(module))
                if activation in type(held)._takes and _is_plain(module):
                    input, held = held(input, activation=activation), None
                    continue
                input, held = held(input), None
            if "_takes" in type(module).__dict__ and _is_plain(module):
                held = module
            else:
                input = module(input)
        return input if held is None else held(input)

    def __getitem__(self, index: int | slice):
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._key(index)]

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *_sequential(other))

    def __iadd__(self, other: Sequential):
        return self.extend(_sequential(other))

    def __mul__(self, times: int) -> Sequential:
        return Sequential(*(list(self) * _positive(times, type(self))))

    __rmul__ = __mul__

    def __imul__(self, times: int):
        return self.extend(list(self) * (_positive(times, type(self)) - 1))


def _sequential(other) -> Sequential:
    if not isinstance(other, Sequential):
        raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
    return other


def _positive(times, kind: type) -> int:
    if not isinstance(times, int):
        raise TypeError(f"unsupported operand type(s) for *: {kind} and {type(times)}")
    if times <= 0:
        raise ValueError(f"Non-positive multiplication factor {times} for {kind}")
    return times


class ModuleList(_Numbered):
    """Holds modules in a list, so that a parent finds their parameters.

    Args:
        modules: the modules to start with.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: int | slice):
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._modules[self._key(index)]

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __iadd__(self, modules: Iterable[Module]):
        return self.extend(modules)

    def __repr__(self) -> str:
        """Neighbours that print the same are printed once, with their count."""
        blocks: list[list] = []  # [first, last, text]
        for i, text in enumerate(map(repr, self)):
            if blocks and blocks[-1][2] == text:
                blocks[-1][1] = i
            else:
                blocks.append([i, i, text])
        lines = []
        for first, last, text in blocks:
            label = f"({first}): " if first == last else f"({first}-{last}): {last - first + 1} x "
            lines.append(label + indent(text))
        return format_repr(self._get_name(), [], lines)


class ModuleDict(Module):
    """Holds modules in a dictionary, in order of insertion, so that a parent finds their parameters.

    Args:
        modules: a mapping of names to modules, or an iterable of pairs.
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Remove and return the module of that name."""
        return self._modules.pop(key)

    def keys(self):
        """The names."""
        return self._modules.keys()

    def items(self):
        """The pairs of name and module."""
        return self._modules.items()

    def values(self):
        """The modules."""
        return self._modules.values()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add modules, or replace those of the same name."""
        for key, module in _pairs(modules, "ModuleDict"):
            self[key] = module


class _ParameterHolder(Module):
    """What `ParameterList` and `ParameterDict` share."""

    def _put(self, name: str, value) -> None:
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        setattr(self, name, value)

    def _describe(self, items) -> str:
        lines = []
        for key, value in items:
            if isinstance(value, Tensor):
                kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
                size = "x".join(str(size) for size in value.shape)
                lines.append(f"  ({key}): {kind} containing: [{value.dtype} of size {size}]")
            else:
                lines.append(f"  ({key}): Object of type: {type(value).__name__}")
        return "\n".join(lines)

    def __call__(self, *args, **kwargs):
        raise RuntimeError(f"{type(self).__name__} should not be called.")


class ParameterList(_ParameterHolder):
    """Holds parameters in a list. Tensors put in become parameters; other values are kept as they are.

    Args:
        values: the values to start with.
    """

    def __init__(self, values: Iterable | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def __getitem__(self, index: int | slice):
        if isinstance(index, slice):
            return type(self)(self[i] for i in range(*index.indices(len(self))))
        return getattr(self, str(_index(self, index)))

    def __setitem__(self, index: int, value) -> None:
        self._put(str(_index(self, index)), value)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator:
        return (self[i] for i in range(len(self)))

    def __iadd__(self, values: Iterable):
        return self.extend(values)

    def append(self, value):
        """Add a value at the end; returns the list."""
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values: Iterable):
        """Add values at the end; returns the list."""
        for value in list(_require_iterable(values, "ParameterList.extend")):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        return self._describe(enumerate(self))


class ParameterDict(_ParameterHolder):
    """Holds parameters in a dictionary. Tensors put in become parameters; other values are kept as they are.

    Args:
        parameters: a mapping (a plain one is taken in the order of its sorted keys, as PyTorch does; an ordered
            dictionary or another ParameterDict in its own order), or an iterable of pairs.
    """

    def __init__(self, parameters: Mapping | Iterable[tuple] | None = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    @staticmethod
    def _check_key(key) -> str:
        if not isinstance(key, str):
            raise TypeError(f"ParameterDict: a key must be a string, but got {type(key).__name__}")
        return key

    def __getitem__(self, key: str):
        return getattr(self, self._check_key(key))

    def __setitem__(self, key: str, value) -> None:
        self._put(self._check_key(key), value)
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def copy(self) -> ParameterDict:
        """A new dictionary of the same parameters."""
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default=None):
        """The value of `key`, which is first set to `default` if it is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Remove everything."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str):
        """Remove and return the value of `key`."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple:
        """Remove and return the last pair."""
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def get(self, key: str, default=None):
        """The value of `key`, or `default` if it is not there."""
        return self[key] if key in self else default

    def fromkeys(self, keys: Iterable[str], default=None) -> ParameterDict:
        """A new dictionary with these keys, all set to `default`."""
        return ParameterDict((key, default) for key in keys)

    def keys(self):
        """The keys."""
        return self._keys.keys()

    def items(self):
        """The pairs of key and value."""
        return ((key, self[key]) for key in self._keys)

    def values(self):
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters: Mapping | Iterable[tuple]) -> None:
        """Add values, or replace those of the same key."""
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            parameters = sorted(parameters.items())
        for key, value in _pairs(parameters, "ParameterDict"):
            self[key] = value

    def extra_repr(self) -> str:
        return self._describe(self.items())

    def __or__(self, other: ParameterDict) -> ParameterDict:
        result = self.copy()
        result.update(other)
        return result

    def __ror__(self, other: Mapping) -> ParameterDict:
        result = ParameterDict(other)
        result.update(self)
        return result

    def __ior__(self, other: ParameterDict):
        self.update(other)
        return self
