"""`save` and `load`: tensors, and what holds them, in safetensors files.

A safetensors file is a length (8 bytes, little-endian), a JSON header of that length that gives each tensor's dtype,
shape and place, and the tensors' bytes. Other programs read the tensors; how they were nested stands in the header's
metadata, as JSON too. Nothing is ever unpickled, and a file is taken for what it claims to be only as far as it checks.

The nesting is a tree of JSON values: null, true, false, numbers and strings stand for themselves, and a list is a tag
and its arguments: ["tensor", name, requires_grad], ["parameter", name, requires_grad],
["uninitialized", kind, dtype, requires_grad], ["list", ...], ["tuple", ...], ["dict", [key, value], ...],
["ordered", [key, value], ...], ["float", "nan" | "inf" | "-inf"], ["dtype", name].

Source of the format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import io
import json
import math
import os
from collections import OrderedDict
from collections.abc import Callable

from . import _core
from ._core import Tensor
from .nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter, is_lazy

_TREE = "dlcore.tree"
_MAX_HEADER = 100_000_000  # bytes; what the format's own reader allows
_MAX_DEPTH = 100  # of nesting
_CODES = {
    "F32": _core.float32,
    "F64": _core.float64,
    "BF16": _core.bfloat16,
    "F16": _core.float16,
    "I8": _core.int8,
    "I16": _core.int16,
    "I32": _core.int32,
    "I64": _core.int64,
    "U8": _core.uint8,
    "BOOL": _core.bool,
}
_code_of = {dtype: code for code, dtype in _CODES.items()}
_uninitialized = {"parameter": UninitializedParameter, "buffer": UninitializedBuffer}


# --- saving


def save(obj, f) -> None:
    """Write tensors, and what holds them, into a safetensors file.

    A file of that name is replaced only when the new one is complete and on the disk, so that a process that dies
    half-way leaves the old one whole.

    Args:
        obj: a tensor, None, a number, a string, a dtype, or a list, tuple or dictionary of such; so a ``state_dict`` of
            a module or an optimizer. A tensor that occurs twice (the same object) is written once.
        f: a path, or a binary file open for writing.

    Raises:
        TypeError: for anything else, naming the place in `obj`.
        ValueError: for something that contains itself, or is nested more than 100 deep.
    """
    writer = _Writer(obj)
    if hasattr(f, "write"):
        writer.write(f)
        return
    path = os.path.realpath(os.fspath(f))
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe or a device; a folder fails here
        with open(path, "wb") as file:
            writer.write(file)
        return
    folder = os.path.dirname(path)
    text = os.fsdecode if isinstance(path, str) else os.fsencode
    temporary = os.path.join(folder, text(f".dlcore-{os.getpid()}-{os.urandom(8).hex()}.tmp"))
    try:
        with open(temporary, "xb") as file:
            writer.write(file)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            os.chmod(temporary, os.stat(path).st_mode & 0o7777)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder) -> None:
    """Put the new name on the disk too, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


class _Writer:
    """The tree of an object, its tensors under names, and the header that says where they will be."""

    def __init__(self, obj) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[int, str] = {}  # by id of the tensor
        self._open: set[int] = set()  # ids of the containers around the current place
        tree = self._node(obj, ())
        places, end = {}, 0
        # Large elements first: then every tensor begins at a multiple of its element's size.
        self._order = sorted(self.tensors, key=lambda name: -self.tensors[name].element_size())
        for name in self._order:
            begin, end = end, end + _size(self.tensors[name])
            places[name] = [begin, end]
        header = {"__metadata__": {"format": "dlcore", _TREE: json.dumps(tree, separators=(",", ":"))}}
        for name, tensor in self.tensors.items():
            header[name] = {
                "dtype": _code_of[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": places[name],
            }
        text = json.dumps(header, separators=(",", ":")).encode()
        self._header = text + b" " * (-len(text) % 8)

    def write(self, file) -> None:
        file.write(len(self._header).to_bytes(8, "little"))
        file.write(self._header)
        for name in self._order:
            tensor = self.tensors[name].detach().cpu().contiguous()
            if _size(tensor):
                file.write(_memory(tensor))

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
            return ["dtype", _code(obj)]
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
            return ["uninitialized", kind, _code(tensor.dtype), tensor.requires_grad]
        name = self._names.get(id(tensor))
        if name is None:
            base = name = ".".join(map(str, path)) or "tensor"
            again = 1
            while name in self.tensors or name == "__metadata__":
                again += 1
                name = f"{base}#{again}"
            _code(tensor.dtype)
            self.tensors[name] = tensor
            self._names[id(tensor)] = name
        return ["parameter" if isinstance(tensor, Parameter) else "tensor", name, tensor.requires_grad]


_containers = {list: "list", tuple: "tuple", dict: "dict", OrderedDict: "ordered"}


def _code(dtype) -> str:
    if dtype not in _code_of:
        raise TypeError(f"save: tensors of dtype {dtype} can not be saved")
    return _code_of[dtype]


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _memory(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous tensor that has some; the tensor has to outlive them."""
    import ctypes

    return memoryview((ctypes.c_char * _size(tensor)).from_address(_core._address(tensor))).cast("B")


# --- loading


def load(f, map_location=None, *, weights_only: bool = True):
    """Read what `save` wrote, or any safetensors file (as a dictionary of tensors).

    Args:
        f: a path, or a binary file.
        map_location: the device to put the tensors on; None leaves them on the CPU.
        weights_only: accepted; nothing but data is ever read.

    Raises:
        ValueError: if the file is cut short, or is not what a safetensors file has to be, saying in which way.
    """
    if hasattr(f, "read"):
        if hasattr(f, "seekable") and f.seekable():
            begin = f.tell()
            end = f.seek(0, io.SEEK_END)
            f.seek(begin)
            return _read(f, end - begin, getattr(f, "name", "the file"), map_location)
        content = f.read()
        return _read(io.BytesIO(content), len(content), "the file", map_location)
    with open(f, "rb") as file:
        return _read(file, os.fstat(file.fileno()).st_size, os.fspath(f), map_location)


def _read(file, size: int, source, map_location):
    try:
        header, data_size = _read_header(file, size)
        tree = _take_tree(header)
        places = {name: _Place(name, entry) for name, entry in header.items()}
        order = sorted(places.values(), key=lambda place: (place.begin, place.end))
        end = 0
        for place in order:
            if place.begin != end:
                raise ValueError(f"tensor {place.name!r} begins at {place.begin}, but the one before ends at {end}")
            end = place.end
        if end != data_size:
            raise ValueError(f"the tensors take {end} bytes, but {data_size} follow the header")
        tensors = {place.name: place.read(file) for place in order}
        if map_location is not None:
            tensors = {name: tensor.to(map_location) for name, tensor in tensors.items()}
        if tree is _NO_TREE:
            return {name: tensors[name] for name in header}
        return _Reader(tensors).value(tree, 0)
    except ValueError as error:
        raise ValueError(f"load: {source} is not a complete safetensors file: {error}") from None


def _read_header(file, size: int) -> tuple[dict, int]:
    """The header, and how many bytes follow it."""
    if size < 8:
        raise ValueError(f"it has {size} bytes, and its first 8 must give the header's length")
    length = int.from_bytes(_exactly(file, 8), "little")
    if length > _MAX_HEADER or length > size - 8:
        raise ValueError(f"the header's length is {length}, but {size - 8} bytes follow")
    text = _exactly(file, length)
    if text[:1] != b"{":
        raise ValueError("the header is not a JSON object")
    try:
        header = _parse(text.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("the header is not UTF-8") from None
    return header, size - 8 - length


def _exactly(file, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        part = file.read(count - len(content))
        if not part:
            raise ValueError("it ends too early")
        content += part
    return bytes(content)


def _parse(text: str):
    """JSON without duplicate keys and the constants that JSON does not have."""

    def unique(pairs):
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("the header has a key twice")
        return result

    def refuse(constant):
        raise ValueError(f"the header contains {constant}, which is not JSON")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except RecursionError:
        raise ValueError("the header is nested too deep") from None


_NO_TREE = object()


def _take_tree(header: dict):
    """Take the metadata out of the header, and give the tree that it holds, if it holds one."""
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("__metadata__ must map strings to strings")
    return _parse(metadata[_TREE]) if _TREE in metadata else _NO_TREE


class _Place:
    """What the header says of a tensor, checked."""

    def __init__(self, name: str, entry) -> None:
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"tensor {name!r} must have dtype, shape and data_offsets, and nothing else")
        self.name = name
        code, self.shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(code, str) or code not in _CODES:
            raise ValueError(f"tensor {name!r} has the dtype {code!r}; known are {', '.join(_CODES)}")
        if not _are_sizes(self.shape):
            raise ValueError(f"tensor {name!r} has the shape {self.shape!r}")
        if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
            raise ValueError(f"tensor {name!r} has the data_offsets {offsets!r}")
        self.dtype = _CODES[code]
        self.begin, self.end = offsets
        if math.prod(size or 1 for size in self.shape) >= 2**60:
            raise ValueError(f"tensor {name!r} has the shape {self.shape!r}, which is too large")
        item = _core.empty(0, dtype=self.dtype).element_size()
        if math.prod(self.shape) * item != self.end - self.begin:
            raise ValueError(
                f"tensor {name!r} of shape {self.shape!r} and dtype {code} takes {math.prod(self.shape) * item} bytes, "
                f"but its data_offsets say {self.end - self.begin}"
            )

    def read(self, file) -> Tensor:
        """The tensor, from a file that stands where it begins."""
        try:
            tensor = _core.empty(self.shape, dtype=self.dtype)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"tensor {self.name!r} of shape {self.shape!r} can not be made: {error}") from None
        left = _memory(tensor) if _size(tensor) else b""
        while len(left):
            count = file.readinto(left) if hasattr(file, "readinto") else _copy(file, left)
            if not count:
                raise ValueError("it ends too early")
            left = left[count:]
        if self.dtype == _core.bool and _size(tensor) and max(_memory(tensor)) > 1:
            raise ValueError(f"tensor {self.name!r} is of dtype BOOL and has other bytes than 0 and 1")
        return tensor


def _are_sizes(values) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _copy(file, memory: memoryview) -> int:
    part = file.read(len(memory))
    memory[: len(part)] = part
    return len(part)


class _Reader:
    """Builds the object that a tree describes."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors
        self._made: dict[tuple, Tensor] = {}
        self._builders: dict[str, Callable] = {
            "tensor": self._tensor,
            "parameter": self._tensor,
            "uninitialized": self._lazy,
            "list": self._sequence,
            "tuple": self._sequence,
            "dict": self._mapping,
            "ordered": self._mapping,
            "float": self._float,
            "dtype": self._dtype,
        }

    def value(self, node, depth: int):
        if not isinstance(node, (list, dict)):
            return node
        if depth > _MAX_DEPTH + 1:
            raise ValueError(f"its contents are nested more than {_MAX_DEPTH} deep")
        builder = self._builders.get(node[0]) if isinstance(node, list) and node and isinstance(node[0], str) else None
        if builder is None:
            raise ValueError("its contents are described in an unknown way")
        return builder(node[0], node[1:], depth)

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
        if kind not in _uninitialized or code not in _CODES or (requires_grad and "F" not in code):
            raise ValueError("its contents describe an uninitialized tensor in an unknown way")
        return _uninitialized[kind](requires_grad=requires_grad, dtype=_CODES[code])

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
        if code not in _CODES:
            raise ValueError(f"its contents mention an unknown dtype {code!r}")
        return _CODES[code]


def _of_types(values: list, *types: type) -> list:
    if len(values) != len(types) or any(type(value) is not kind for value, kind in zip(values, types, strict=True)):
        raise ValueError("its contents are described in an unknown way")
    return values


def _is_key(key) -> bool:
    if isinstance(key, tuple):
        return all(map(_is_key, key))
    return isinstance(key, (str, int, float, bool, type(None)))
