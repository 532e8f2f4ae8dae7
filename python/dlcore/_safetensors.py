"""The safetensors format: a length (8 bytes, little-endian), a JSON header of that length that gives each tensor's
dtype, shape and place, and the tensors' bytes, without gaps.

Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable

from . import _core
from ._core import Tensor

_MAX_HEADER = 100_000_000  # bytes; what the format's own reader allows
MAP_FROM = 16 << 20  # bytes; smaller files are read, which costs no more time (in C++: kMapFrom, io/file.cpp)
CODES = {
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
_code_of = {dtype: code for code, dtype in CODES.items()}


def code_of(dtype) -> str:
    """The dtype's name in a file."""
    if dtype not in _code_of:
        raise TypeError(f"save: tensors of dtype {dtype} can not be saved")
    return _code_of[dtype]


def size_of(tensor: Tensor) -> int:
    """Bytes of the elements."""
    return tensor.numel() * tensor.element_size()


def _memory(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous tensor that has some; the tensor has to outlive them."""
    import ctypes

    return memoryview((ctypes.c_char * size_of(tensor)).from_address(_core._address(tensor))).cast("B")


# --- writing


def write(file, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors by name into a binary file."""
    places, end = {}, 0
    # Large elements first: then every tensor begins at a multiple of its element's size.
    order = sorted(tensors, key=lambda name: -tensors[name].element_size())
    for name in order:
        begin, end = end, end + size_of(tensors[name])
        places[name] = [begin, end]
    header: dict = {"__metadata__": metadata} if metadata else {}
    for name, tensor in tensors.items():
        header[name] = {"dtype": code_of(tensor.dtype), "shape": list(tensor.shape), "data_offsets": places[name]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for name in order:
        tensor = tensors[name].detach().cpu().contiguous()
        if size_of(tensor):
            file.write(_memory(tensor))


def write_atomically(f, write: Callable) -> None:
    """``write(file)`` into a new file that gets the name `f` when it is complete and on the disk."""
    path = os.path.realpath(os.fspath(f))
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe or a device; a folder fails here
        with open(path, "wb") as file:
            write(file)
        return
    folder = os.path.dirname(path)
    text = os.fsdecode if isinstance(path, str) else os.fsencode
    temporary = os.path.join(folder, text(f".dlcore-{os.getpid()}-{os.urandom(8).hex()}.tmp"))
    try:
        with open(temporary, "xb") as file:
            write(file)
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


# --- reading


def read(file, size: int, mapped: bool | None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, in the header's order, and the metadata of a binary file of `size` bytes from where it
    stands. Where `mapped`, the tensors lie in the file's mapping into memory: it must then be one of the system, that
    stands at its beginning. None maps large files.

    Raises:
        ValueError: if it is not what the format asks for, saying in which way.
    """
    header, data_size = _read_header(file, size)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("__metadata__ must map strings to strings")
    places = {name: _Place(name, entry) for name, entry in header.items()}
    order = sorted(places.values(), key=lambda place: (place.begin, place.end))
    end = 0
    for place in order:
        if place.begin != end:
            raise ValueError(f"tensor {place.name!r} begins at {place.begin}, but the one before ends at {end}")
        end = place.end
    if end != data_size:
        raise ValueError(f"the tensors take {end} bytes, but {data_size} follow the header")
    try:
        if size >= MAP_FROM if mapped is None else mapped:
            start = size - data_size
            where = [(start + place.begin, place.shape, place.dtype) for place in order]
            values = _core._map_tensors(file.fileno(), where)
        else:
            values = [place.read(file) for place in order]
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"its tensors can not be made: {error}") from None
    tensors = {place.name: value for place, value in zip(order, values, strict=True)}
    for name, tensor in tensors.items():
        if tensor.dtype == _core.bool and size_of(tensor) and max(_memory(tensor)) > 1:
            raise ValueError(f"tensor {name!r} is of dtype BOOL and has other bytes than 0 and 1")
    return {name: tensors[name] for name in header}, metadata


def _read_header(file, size: int) -> tuple[dict, int]:
    """The header, and how many bytes follow it."""
    if size < 8:
        raise ValueError(f"it has {size} bytes, and its first 8 must give the header's length")
    begin = _exactly(file, 8)
    if begin[:4] == b"PK\x03\x04" or (begin[0] == 0x80 and begin[1] in (2, 3, 4, 5)):
        raise ValueError(
            "it is a pickle, or an archive of one, as PyTorch's .pt and .pth files are. Reading it would run the code "
            "that is in it, so dlcore never does. Convert it where PyTorch is installed: "
            "dlcore.save(dlcore.interop.torch.from_torch(torch.load('model.pt', weights_only=True)), "
            "'model.safetensors')"
        )
    length = int.from_bytes(begin, "little")
    if length > _MAX_HEADER:
        raise ValueError(f"the header's length is {length}; at most {_MAX_HEADER} is possible")
    if length > size - 8:
        raise ValueError(f"the header's length is {length}, but {size - 8} bytes follow")
    text = _exactly(file, length)
    if text[:1] != b"{":
        raise ValueError("the header is not a JSON object")
    return parse(text), size - 8 - length


def _exactly(file, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        part = file.read(count - len(content))
        if not part:
            raise ValueError("it ends too early")
        content += part
    return bytes(content)


def parse(text: str | bytes):
    """JSON without duplicate keys and the constants that JSON does not have."""

    def unique(pairs):
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("the header has a key twice")
        return result

    def refuse(constant):
        raise ValueError(f"the header contains {constant}, which is not JSON")

    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except UnicodeDecodeError:
        raise ValueError("the header is not UTF-8") from None
    except RecursionError:
        raise ValueError("the header is nested too deep") from None


class _Place:
    """What the header says of a tensor, checked."""

    def __init__(self, name: str, entry) -> None:
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"tensor {name!r} must have dtype, shape and data_offsets, and nothing else")
        self.name = name
        code, self.shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(code, str) or code not in CODES:
            raise ValueError(f"tensor {name!r} has the dtype {code!r}; known are {', '.join(CODES)}")
        if not _are_sizes(self.shape):
            raise ValueError(f"tensor {name!r} has the shape {self.shape!r}")
        if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
            raise ValueError(f"tensor {name!r} has the data_offsets {offsets!r}")
        self.dtype = CODES[code]
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
        tensor = _core.empty(self.shape, dtype=self.dtype)
        left = _memory(tensor) if size_of(tensor) else b""
        while len(left):
            count = file.readinto(left) if hasattr(file, "readinto") else _copy(file, left)
            if not count:
                raise ValueError("it ends too early")
            left = left[count:]
        return tensor


def _are_sizes(values) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _copy(file, memory: memoryview) -> int:
    part = file.read(len(memory))
    memory[: len(part)] = part
    return len(part)
