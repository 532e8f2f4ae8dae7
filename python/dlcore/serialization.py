"""`save` and `load`: tensors, and what holds them, in safetensors files.

Other programs read the tensors of such a file (`_safetensors`); how they were nested stands in the header's metadata,
as JSON too. Nothing is ever unpickled, and a file is taken for what it claims to be only as far as it checks.

The nesting is a tree of JSON values: null, true, false, numbers and strings stand for themselves, and a list is a tag
and its arguments: ["tensor", name, requires_grad], ["parameter", name, requires_grad],
["uninitialized", kind, dtype, requires_grad], ["list", ...], ["tuple", ...], ["dict", [key, value], ...],
["ordered", [key, value], ...], ["float", "nan" | "inf" | "-inf"], ["dtype", name].
"""

from __future__ import annotations

import io
import json
import math
import os
from collections import OrderedDict
from collections.abc import Callable

from . import _core, _shards
from . import _safetensors as format
from ._core import Tensor
from .nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter, is_lazy

_TREE = "dlcore.tree"
_MAX_DEPTH = 100  # of nesting
_uninitialized = {"parameter": UninitializedParameter, "buffer": UninitializedBuffer}


# --- saving


def save(obj, f, *, max_shard_size: int | str | None = None) -> None:
    """Write tensors, and what holds them, into a safetensors file.

    A file of that name is replaced only when the new one is complete and on the disk, so that a process that dies
    half-way leaves the old one whole.

    Args:
        obj: a tensor, None, a number, a string, a dtype, or a list, tuple or dictionary of such; so a ``state_dict`` of
            a module or an optimizer. A tensor that occurs twice (the same object) is written once.
        f: a path, or a binary file open for writing.
        max_shard_size: bytes, or "500MB", "5GB" (powers of ten), "2GiB": tensors that take more go into several files
            of at most that size (or of one larger tensor) beside `f`, and ``f.index.json`` says which is where; no file
            `f` is there then. Default: None, one file.

    Raises:
        TypeError: for anything else, naming the place in `obj`.
        ValueError: for something that contains itself, or is nested more than 100 deep; for a size that is none.
    """
    writer = _Writer(obj)
    if max_shard_size is not None:
        shards = _shards.groups(writer.tensors, _shards.bytes_of(max_shard_size))
        if hasattr(f, "write"):
            raise TypeError("save: f must be a path where max_shard_size is given, but got a file")
        if len(shards) > 1:
            _shards.write(os.fsdecode(f), shards, writer.metadata)
            return
    if hasattr(f, "write"):
        format.write(f, writer.tensors, writer.metadata)
    else:
        write(f, writer.tensors, writer.metadata)


def write(f, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors under these names, and strings beside them, into a file that is replaced when it is complete."""
    format.write_atomically(f, lambda file: format.write(file, tensors, metadata))


class _Writer:
    """The tree of an object, as metadata, and its tensors under names."""

    def __init__(self, obj) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[int, str] = {}  # by id of the tensor
        self._open: set[int] = set()  # ids of the containers around the current place
        tree = self._node(obj, ())
        self.metadata = {"format": "dlcore", _TREE: json.dumps(tree, separators=(",", ":"))}

    def _node(self, obj, path: tuple):
        """The JSON value of `obj`, which is at `path` of the whole."""
        if obj is None or isinstance(obj, (bool, str)):
            return obj
        if isinstance(obj, int):
            return int(obj)
        if isinstance(obj, float):
            return float(obj) if math.isfinite(obj) else ["float", str(float(obj))]
        if isinstance(obj, Tensor):
            return self._tensor(obj, path)
        if isinstance(obj, _core.dtype):
            return ["dtype", format.code_of(obj)]
        kind = "tuple" if isinstance(obj, _core.Size) else _containers.get(type(obj))
        if kind is None:
            where = "".join(f"[{key!r}]" for key in path)
            advice = "; save its state_dict()" if hasattr(obj, "state_dict") else ""
            raise TypeError(
                "save: obj must be made of tensors, numbers, strings, None, lists, tuples and dictionaries, but obj"
                f"{where} is a {type(obj).__module__}.{type(obj).__qualname__}{advice}"
            )
        if id(obj) in self._open:
            raise ValueError("save: obj contains itself at obj" + "".join(f"[{key!r}]" for key in path))
        if len(path) >= _MAX_DEPTH:
            raise ValueError(f"save: obj is nested more than {_MAX_DEPTH} deep")
        self._open.add(id(obj))
        if kind in ("dict", "ordered"):
            entries = [[self._key(key, path), self._node(value, (*path, key))] for key, value in obj.items()]
        else:
            entries = [self._node(value, (*path, i)) for i, value in enumerate(obj)]
        self._open.remove(id(obj))
        return [kind, *entries]

    def _key(self, key, path: tuple):
        if isinstance(key, Tensor) or not isinstance(key, (str, int, float, bool, tuple, type(None))):
            raise TypeError(f"save: a key of a dictionary must be a string, a number or a tuple, but got {key!r}")
        return self._node(key, (*path, "key"))

    def _tensor(self, tensor: Tensor, path: tuple):
        if is_lazy(tensor):
            kind = "parameter" if isinstance(tensor, UninitializedParameter) else "buffer"
            return ["uninitialized", kind, format.code_of(tensor.dtype), tensor.requires_grad]
        name = self._names.get(id(tensor))
        if name is None:
            base = name = ".".join(map(str, path)) or "tensor"
            again = 1
            while name in self.tensors or name == "__metadata__":
                again += 1
                name = f"{base}#{again}"
            format.code_of(tensor.dtype)
            self.tensors[name] = tensor
            self._names[id(tensor)] = name
        return ["parameter" if isinstance(tensor, Parameter) else "tensor", name, tensor.requires_grad]


_containers = {list: "list", tuple: "tuple", dict: "dict", OrderedDict: "ordered"}


# --- loading


def load(f, map_location=None, *, weights_only: bool = True, mmap: bool | None = None):
    """Read what `save` wrote, or any safetensors file (as a dictionary of tensors), or a ``.index.json`` of several.

    Args:
        f: a path, or a binary file. For a path without a file, ``f.index.json`` is read.
        map_location: the device to put the tensors on; None leaves them on the CPU.
        weights_only: accepted; nothing but data is ever read.
        mmap: whether the tensors lie in the file's mapping into memory. Then they are read when they are used, and
            writing to them does not change the file. The file may be replaced, as `save` does, or removed, but not cut
            short or written into: that ends the process. Default: None, for files of 16 MiB and more.

    Raises:
        ValueError: if the file is cut short, or is not what a safetensors file has to be, saying in which way.
    """
    if hasattr(f, "read"):
        if mmap:
            raise ValueError("load: mmap needs a path, but f is a file")
        if hasattr(f, "seekable") and f.seekable():
            begin = f.tell()
            end = f.seek(0, io.SEEK_END)
            f.seek(begin)
            return _read(getattr(f, "name", "the file"), map_location, format.read, f, end - begin, False)
        content = f.read()
        return _read("the file", map_location, format.read, io.BytesIO(content), len(content), False)
    path = os.fsdecode(f)
    if not path.endswith(_shards.SUFFIX) and not os.path.exists(path) and os.path.exists(path + _shards.SUFFIX):
        path += _shards.SUFFIX
    if path.endswith(_shards.SUFFIX):
        return _read(path, map_location, _shards.read, path, mmap)
    with open(path, "rb") as file:
        if not os.path.isfile(path):  # a pipe, a device
            content = file.read()
            return _read(path, map_location, format.read, io.BytesIO(content), len(content), False)
        return _read(path, map_location, format.read, file, os.fstat(file.fileno()).st_size, mmap)


def _read(source, map_location, read: Callable, *arguments):
    """The object that the tensors and metadata of ``read(*arguments)`` make up."""
    try:
        tensors, metadata = read(*arguments)
        if map_location is not None:
            tensors = {name: tensor.to(map_location) for name, tensor in tensors.items()}
        tree = metadata.get(_TREE)
        if tree is None:
            return tensors
        if not isinstance(tree, str):
            raise ValueError(f"its {_TREE} must be a string")
        return _Reader(tensors).value(format.parse(tree), 0)
    except ValueError as error:
        raise ValueError(f"load: {source} is not a complete safetensors file: {error}") from None


class _Reader:
    """Builds the object that a tree describes."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors
        self._made: dict[tuple, Tensor] = {}

    def value(self, node, depth: int):
        if not isinstance(node, (list, dict)):
            return node
        if depth > _MAX_DEPTH + 1:
            raise ValueError(f"its contents are nested more than {_MAX_DEPTH} deep")
        builder = _builders.get(node[0]) if isinstance(node, list) and node and isinstance(node[0], str) else None
        if builder is None:
            raise ValueError("its contents are described in an unknown way")
        return builder(self, node[0], node[1:], depth)

    def _tensor(self, kind: str, arguments: list, depth: int) -> Tensor:
        name, requires_grad = _of_types(arguments, str, bool)
        if name not in self._tensors:
            raise ValueError(f"its contents mention a tensor {name!r} that is not there")
        key = (kind, name, requires_grad)
        if key not in self._made:
            tensor = self._tensors[name]
            if requires_grad and not tensor.is_floating_point():
                raise ValueError(f"tensor {name!r} of dtype {tensor.dtype} can not require a gradient")
            if kind == "parameter":
                self._made[key] = Parameter(tensor, requires_grad)
            else:
                self._made[key] = tensor.detach().requires_grad_() if requires_grad else tensor
        return self._made[key]

    def _lazy(self, _, arguments: list, depth: int) -> Tensor:
        kind, code, requires_grad = _of_types(arguments, str, str, bool)
        if kind not in _uninitialized or code not in format.CODES or (requires_grad and "F" not in code):
            raise ValueError("its contents describe an uninitialized tensor in an unknown way")
        return _uninitialized[kind](requires_grad=requires_grad, dtype=format.CODES[code])

    def _sequence(self, kind: str, nodes: list, depth: int):
        values = [self.value(node, depth + 1) for node in nodes]
        return values if kind == "list" else tuple(values)

    def _mapping(self, kind: str, pairs: list, depth: int):
        result = {} if kind == "dict" else OrderedDict()
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) != 2:
                raise ValueError("its contents are described in an unknown way")
            key, value = (self.value(node, depth + 1) for node in pair)
            if not _is_key(key) or key in result:
                raise ValueError("its contents have a dictionary with a wrong or repeated key")
            result[key] = value
        return result

    def _float(self, _, arguments: list, depth: int) -> float:
        (text,) = _of_types(arguments, str)
        if text not in ("nan", "inf", "-inf"):
            raise ValueError("its contents have a number that is none")
        return float(text)

    def _dtype(self, _, arguments: list, depth: int):
        (code,) = _of_types(arguments, str)
        if code not in format.CODES:
            raise ValueError(f"its contents mention an unknown dtype {code!r}")
        return format.CODES[code]


_builders: dict[str, Callable] = {
    "tensor": _Reader._tensor,
    "parameter": _Reader._tensor,
    "uninitialized": _Reader._lazy,
    "list": _Reader._sequence,
    "tuple": _Reader._sequence,
    "dict": _Reader._mapping,
    "ordered": _Reader._mapping,
    "float": _Reader._float,
    "dtype": _Reader._dtype,
}


def _of_types(values: list, *types: type) -> list:
    if len(values) != len(types) or any(type(value) is not kind for value, kind in zip(values, types, strict=True)):
        raise ValueError("its contents are described in an unknown way")
    return values


def _is_key(key) -> bool:
    if isinstance(key, tuple):
        return all(map(_is_key, key))
    return isinstance(key, (str, int, float, bool, type(None)))
