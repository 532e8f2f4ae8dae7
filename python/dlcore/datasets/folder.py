"""A folder of images."""

from __future__ import annotations

import os

import numpy as np

from .. import _core
from .._core import Tensor
from ..utils.data import Dataset

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")


class ImageFolder(Dataset):
    """Images in one folder a class: ``root/cat/1.png``, ``root/cat/more/2.jpg``, ``root/dog/1.png``, ...

    An image is read when it is asked for, scaled until its shorter side is `size`, and cut to the square in its middle.

    Args:
        root: the folder of the classes' folders.
        size: height and width of the images. Default: 64.
        channels: 3 for colours, 1 for grey. Default: 3.

    Attributes:
        classes: the names of the classes, in order; a label is a place in it.
        class_to_idx: the label of each name.
        samples: (path, label) of each image.

    Items: an image (channels, size, size), float32 from 0 to 1, and its label.

    Raises:
        ImportError: if Pillow, which reads the images, is missing.
        FileNotFoundError: if there is no such folder, it holds no folders, or one of them holds no images.
        ValueError: for another number of channels; by an item whose file is cut short or corrupt.
    """

    def __init__(self, root: str | os.PathLike, size: int = 64, channels: int = 3) -> None:
        try:
            import PIL.Image  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "dlcore.datasets.ImageFolder needs Pillow, which reads images; install it with "
                "pip install 'dlcore[examples]'"
            ) from error
        if channels not in (1, 3):
            raise ValueError(f"ImageFolder: channels must be 1 or 3, but got {channels}")
        if size < 1:
            raise ValueError(f"ImageFolder: size must be positive, but got {size}")
        root = os.fspath(root)
        if not os.path.isdir(root):
            raise FileNotFoundError(f"ImageFolder: there is no folder {root}")
        self.root, self.size, self.channels = root, size, channels
        self.classes = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        if not self.classes:
            raise FileNotFoundError(f"ImageFolder: {root} must hold a folder for each class, but holds none")
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        self.samples: list[tuple[str, int]] = []
        for name, label in self.class_to_idx.items():
            paths = _images(os.path.join(root, name))
            if not paths:
                raise FileNotFoundError(
                    f"ImageFolder: {os.path.join(root, name)} holds no images ({', '.join(EXTENSIONS)})"
                )
            self.samples += [(path, label) for path in paths]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image, ImageOps

        path, label = self.samples[index]
        try:
            with Image.open(path) as image:
                image = ImageOps.fit(image.convert("RGB" if self.channels == 3 else "L"), (self.size, self.size))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(f"ImageFolder: {path} cannot be read as an image: {error}") from error
        pixels = np.asarray(image, np.float32).reshape(self.size, self.size, self.channels) / 255
        return _core.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))), label


def _images(folder: str) -> list[str]:
    return sorted(
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(EXTENSIONS)
    )
