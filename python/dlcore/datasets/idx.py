"""IDX files, the format of MNIST and of the data sets made in its image."""

from __future__ import annotations

import gzip
import math
import os
import zlib

import numpy as np

from .. import _core
from .._core import Tensor

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}  # by the third byte of the file


def read_idx(path: str | os.PathLike) -> Tensor:
    """The tensor in an IDX file: two zero bytes, a byte for the type, a byte for the number of dimensions, the sizes as
    32-bit numbers and the elements, most significant byte first.

    Args:
        path: the file; one whose name ends in ".gz" is decompressed.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an IDX file, is cut short, goes on after its end, or cannot be decompressed.
    """
    path = os.fspath(path)
    with gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb") as file:
        try:
            magic = file.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
                raise ValueError(
                    f"read_idx: {path} is not an IDX file: it must begin with two zero bytes, a type ("
                    f"{', '.join(map(str, TYPES))}) and the number of dimensions, but begins with {list(magic)}"
                )
            dtype = np.dtype(TYPES[magic[2]])
            header = file.read(4 * magic[3])
            if len(header) < 4 * magic[3]:
                raise ValueError(f"read_idx: {path} is cut short: it ends within the sizes of its dimensions")
            sizes = np.frombuffer(header, ">u4").tolist()
            wanted = math.prod(sizes) * dtype.itemsize
            data = _read(file, wanted + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"read_idx: {path} cannot be decompressed: {error}") from error
    if len(data) != wanted:
        got = len(data) if len(data) < wanted else "more"
        what = "is cut short" if len(data) < wanted else "goes on after its end"
        raise ValueError(f"read_idx: {path} {what}: sizes {sizes} need {wanted} bytes, but got {got}")
    return _core.from_numpy(np.frombuffer(data, dtype).astype(dtype.newbyteorder("=")).reshape(sizes))


def _read(file, limit: int) -> bytes:
    """At most `limit` bytes, taken in pieces: a header that promises a lot must not reserve it."""
    pieces, left = [], limit
    while left > 0 and (piece := file.read(min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def mnist(folder: str | os.PathLike, train: bool = True) -> tuple[Tensor, Tensor]:
    """MNIST, Fashion-MNIST, or another data set in the four files of MNIST.

    Args:
        folder: where ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
            ``t10k-labels-idx1-ubyte`` are, with or without ".gz".
        train: take the part to train on, and not the one to test on. Default: True.

    Returns:
        images (N, 1, H, W), float32 from 0 to 1, and labels (N), int64.

    Raises:
        FileNotFoundError: if one of the two files is missing.
        ValueError: if a file is cut short or corrupt, or if the two do not belong together.

    Source: LeCun et al. 1998 (MNIST); Xiao et al. 2017, "Fashion-MNIST".
    """
    part = "train" if train else "t10k"
    images, labels = (_read_bytes(folder, f"{part}-{what}", dims) for what, dims in (("images", 3), ("labels", 1)))
    if len(images) != len(labels):
        raise ValueError(
            f"mnist: {os.fspath(folder)} holds {len(images)} images, but {len(labels)} labels ({part}-*): they do not "
            "belong together"
        )
    return images.unsqueeze(1).to(_core.float32).div_(255), labels.to(_core.int64)


def _read_bytes(folder, stem: str, dims: int) -> Tensor:
    names = [f"{stem}{dot}idx{dims}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    for name in names:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            data = read_idx(path)
            if data.dim() != dims or data.dtype != _core.uint8:
                raise ValueError(
                    f"mnist: {path} must hold bytes in {dims} dimension{'s' * (dims > 1)}, but got {data.dtype} of "
                    f"shape {tuple(data.shape)}"
                )
            return data
    raise FileNotFoundError(f"mnist: {os.fspath(folder)} holds none of {', '.join(names)}")
