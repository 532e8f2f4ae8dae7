"""CIFAR-10 in its binary version."""

from __future__ import annotations

import os

import numpy as np

from .. import _core
from .._core import Tensor

FILES = {True: [f"data_batch_{i}.bin" for i in range(1, 6)], False: ["test_batch.bin"]}
IMAGES = 10_000  # in a file
RECORD = 1 + 3 * 32 * 32  # bytes: a label, then the red, green and blue planes


def cifar10(folder: str | os.PathLike, train: bool = True) -> tuple[Tensor, Tensor]:
    """CIFAR-10 from the files of its binary version ("CIFAR-10 binary version (suitable for C programs)").

    Args:
        folder: where ``data_batch_1.bin`` ... ``data_batch_5.bin`` and ``test_batch.bin`` are, or the folder above
            ``cifar-10-batches-bin``.
        train: take the part to train on, and not the one to test on. Default: True.

    Returns:
        images (N, 3, 32, 32), float32 from 0 to 1, and labels (N), int64 from 0 to 9.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file has another size than 10000 images need, or labels above 9.

    Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
    """
    folder = os.fspath(folder)
    inner = os.path.join(folder, "cifar-10-batches-bin")
    if os.path.isdir(inner):
        folder = inner
    batches = [_read(os.path.join(folder, name)) for name in FILES[train]]
    records = np.concatenate(batches) if len(batches) > 1 else batches[0]
    images = _core.from_numpy(np.ascontiguousarray(records[:, 1:])).reshape(-1, 3, 32, 32)
    return images.to(_core.float32).div_(255), _core.from_numpy(records[:, 0].astype("int64"))


def _read(path: str) -> np.ndarray:
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"cifar10: {path} is missing; the binary version of CIFAR-10 has {', '.join(FILES[True] + FILES[False])}"
        )
    size = os.path.getsize(path)
    if size != IMAGES * RECORD:
        what = "is cut short" if size < IMAGES * RECORD else "is not a file of CIFAR-10's binary version"
        raise ValueError(
            f"cifar10: {path} {what}: {IMAGES} images of {RECORD} bytes are {IMAGES * RECORD} bytes, but got {size}"
        )
    records = np.fromfile(path, np.uint8).reshape(IMAGES, RECORD)
    if (top := records[:, 0].max()) > 9:
        raise ValueError(f"cifar10: {path} is corrupt: labels must be 0 to 9, but got {top}")
    return records
