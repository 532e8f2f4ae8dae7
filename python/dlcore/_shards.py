"""Tensors in several safetensors files with an index beside them, ``model.safetensors.index.json``:

{"metadata": {"total_size": bytes, ...}, "weight_map": {name of a tensor: name of its file, ...}}
"""

from __future__ import annotations

import json
import os
import re

from . import _safetensors as format
from ._core import Tensor

SUFFIX = ".index.json"
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def bytes_of(size: int | str) -> int:
    """A number of bytes, also from "500MB" (10^6 bytes each) and "2GiB" (2^30 bytes each)."""
    match = re.fullmatch(r"(\d{1,18})\s*([A-Za-z]*)", size) if isinstance(size, str) else None
    unit = _UNITS.get(match[2].upper()) if match else 1
    count = int(match[1]) * unit if match and unit else size
    if not isinstance(count, int) or isinstance(count, bool) or count <= 0:
        raise ValueError(f"save: max_shard_size must be a positive number of bytes, or such as '5GB', but got {size!r}")
    return count


def groups(tensors: dict[str, Tensor], limit: int) -> list[dict[str, Tensor]]:
    """The tensors in their order, in groups of at most `limit` bytes; a larger tensor is alone."""
    result: list[dict[str, Tensor]] = []
    room = -1
    for name, tensor in tensors.items():
        size = format.size_of(tensor)
        if room < size:
            result.append({})
            room = limit
        result[-1][name] = tensor
        room -= size
    return result or [{}]


def write(path: str, shards: list[dict[str, Tensor]], metadata: dict[str, str]) -> None:
    """Write the shards of ``model.safetensors`` beside it, then the index.

    The files' names are new ones, so that those of an index that is there already stay whole until the new index has
    taken its place. What the old one led to is removed then, and a file `path` too.
    """
    folder, base = os.path.split(os.path.realpath(path))
    stem, extension = os.path.splitext(base)
    index = os.path.join(folder, base + SUFFIX)
    old = _files_of(index)
    tag = os.urandom(4).hex()
    weight_map = {}
    try:
        for i, shard in enumerate(shards, 1):
            name = f"{stem}-{tag}-{i:05}-of-{len(shards):05}{extension}"
            weight_map |= dict.fromkeys(shard, name)
            format.write_atomically(
                os.path.join(folder, name), lambda file, shard=shard: format.write(file, shard, {"format": "pt"})
            )
        total = sum(format.size_of(tensor) for shard in shards for tensor in shard.values())
        content = {"metadata": {"total_size": total, **metadata}, "weight_map": weight_map}
        text = json.dumps(content, indent=2).encode()
        format.write_atomically(index, lambda file: file.write(text))
    except BaseException:
        _remove(folder, set(weight_map.values()))
        raise
    _remove(folder, old | {base})


def _files_of(index: str) -> set[str]:
    """The files that an index leads to, as far as it is one."""
    try:
        return set(read_index(index)[0].values())
    except (OSError, ValueError):
        return set()


def _remove(folder: str, names: set[str]) -> None:
    for name in names:
        try:
            os.unlink(os.path.join(folder, name))
        except OSError:
            pass


def read_index(path) -> tuple[dict[str, str], dict]:
    """The file of each tensor, and the metadata.

    Raises:
        ValueError: if it is no index, or leads out of its folder.
    """
    with open(path, "rb") as file:
        content = format.parse(file.read(format._MAX_HEADER + 1))
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    weight_map, metadata = content.get("weight_map"), content.get("metadata", {})
    if not isinstance(weight_map, dict) or not isinstance(metadata, dict):
        raise ValueError("it must have a weight_map, and its metadata must be an object")
    for name, file in weight_map.items():
        if not isinstance(file, str) or os.path.basename(file) != file or file in ("", ".", "..") or "\0" in file:
            raise ValueError(f"the file of tensor {name!r} must be one beside the index, but is {file!r}")
    return weight_map, metadata


def read(path: str, mapped: bool | None) -> tuple[dict[str, Tensor], dict]:
    """The tensors that an index leads to, and its metadata.

    Raises:
        ValueError: if the index or a file is wrong, or a tensor is not in its file.
    """
    weight_map, metadata = read_index(path)
    folder = os.path.dirname(path)
    shards = {}
    for name in dict.fromkeys(weight_map.values()):
        with open(os.path.join(folder, name), "rb") as file:
            try:
                shards[name] = format.read(file, os.fstat(file.fileno()).st_size, mapped)[0]
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    for name, file in weight_map.items():
        if name not in shards[file]:
            raise ValueError(f"tensor {name!r} is not in {file}")
    return {name: shards[file][name] for name, file in weight_map.items()}, metadata
