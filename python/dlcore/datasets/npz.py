"""Archives of arrays that `numpy.savez` wrote."""

from __future__ import annotations

import math
import os
import tokenize
import zipfile
import zlib

import numpy as np
from numpy.lib import format as npy

from .. import _core
from .._core import Tensor

KINDS = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npz(path: str | os.PathLike, max_bytes: int = 2**32) -> dict[str, Tensor]:
    """The arrays in a file of `numpy.savez` or `numpy.savez_compressed`, by name. Nothing is unpickled.

    Args:
        path: the file.
        max_bytes: what all arrays together may take; a small compressed file can hold a lot. Default: 4 GiB.

    Raises:
        OSError: if there is no such file.
        ValueError: naming file and member: if it is no zip archive, a member is no array, is cut short or corrupt, has
            another length than its shape needs, occurs twice, or is of another type than float16 to float64, int8 to
            int64, uint8 and bool; if the arrays take more than max_bytes.
    """
    path = os.fspath(path)
    tensors: dict[str, Tensor] = {}
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                total = sum(member.file_size for member in members)
                if total > max_bytes:
                    raise ValueError(
                        f"read_npz: {path}: its arrays take {total} bytes, more than max_bytes={max_bytes}"
                    )
                for member in members:
                    name = member.filename.removesuffix(".npy")
                    where = f"read_npz: {path}: member {member.filename!r}"
                    if name == member.filename:
                        raise ValueError(f"{where} must be an array: its name must end in .npy")
                    if name in tensors:
                        raise ValueError(f"{where} occurs twice")
                    with archive.open(member) as stream:
                        tensors[name] = _read(where, stream, member.file_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise ValueError(f"read_npz: {path} is not a complete archive of arrays: {error}") from error
    return tensors


def _read(where: str, stream, size: int) -> Tensor:
    """The array of a member of `size` bytes."""
    try:
        version = npy.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"version {version} of the format is for names of fields, which arrays here do not have")
        shape, fortran, dtype = _HEADERS[version](stream)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise ValueError(f"{where} must be an array of numpy: {error}") from error
    if dtype.name not in KINDS:
        raise ValueError(f"{where} must be of a type of {', '.join(KINDS)}, but is {dtype.name}; nothing is unpickled")
    wanted, got = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if wanted != got or any(n < 0 for n in shape):
        raise ValueError(f"{where}: its shape {shape} of {dtype.name} takes {wanted} bytes, but it has {got}")
    data = stream.read(wanted)
    if len(data) != wanted:
        raise ValueError(f"{where} is cut short: it must have {wanted} bytes, but has {len(data)}")
    if dtype.kind == "b" and data.translate(None, b"\0\1"):
        raise ValueError(f"{where} has other bytes than 0 and 1 for bool")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return _core.from_numpy(np.array(array, dtype.newbyteorder("="), order="C"))
