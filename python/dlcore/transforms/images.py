"""Augmentation: transforms of batches of images (N, C, H, W), which draw anew for each image.

    augment = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), Normalize.of(train_set)], seed=0)
    for epoch in range(epochs):
        augment.set_epoch(epoch)
        for images, labels in loader:
            images = augment(images)

A transform is called with the images, and gives images of the same dtype. Called with images and labels, it gives both.
All randomness comes from the `generator` that the call is given; without one, from the library's own
(`dlcore.manual_seed`). `Compose` with a seed has one of its own, which `set_epoch` sets: the same seed, epoch and order
of batches give the same images.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from .. import _core
from .._core import Generator, Tensor
from ..nn import functional as F

Range = tuple[float, float]


class Transform:
    """Base class: a subclass defines ``apply(images, generator)``, which returns the images."""

    def __call__(self, images: Tensor, labels: Tensor | None = None, generator: Generator | None = None):
        name = type(self).__name__
        if not _core.is_floating_point(images):
            raise TypeError(f"{name}: images must be floating point, but got {images.dtype}")
        if images.dim() != 4:
            raise ValueError(f"{name}: images must have shape (N, C, H, W), but got {tuple(images.shape)}")
        images = self.apply(images, generator)
        return images if labels is None else (images, labels)

    def apply(self, images: Tensor, generator: Generator | None) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define apply")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value}' for key, value in vars(self).items())})"


class Compose(Transform):
    """Transforms one after the other.

    Args:
        transforms: what is done, in order.
        seed: of a generator of its own; None uses the call's. Default: None.
    """

    def __init__(self, transforms: Sequence[Transform], seed: int | None = None) -> None:
        self.transforms = list(transforms)
        self.seed = seed
        self._generator = None if seed is None else Generator()
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Let what follows depend on the seed and on `epoch` alone."""
        if self._generator is not None:
            self._generator.manual_seed(random.Random(f"{self.seed} {epoch}").getrandbits(62))

    def __call__(self, images: Tensor, labels: Tensor | None = None, generator: Generator | None = None):
        generator = self._generator if generator is None else generator
        for transform in self.transforms:
            if labels is None:
                images = transform(images, generator=generator)
            else:
                images, labels = transform(images, labels, generator)
        return images if labels is None else (images, labels)

    def __repr__(self) -> str:
        return f"Compose({self.transforms}, seed={self.seed})"


class Normalize(Transform):
    """(x - mean) / std of each channel.

    Args:
        mean, std: a number for each channel.

    Raises:
        ValueError: unless there are as many means as standard deviations, and these are positive.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = list(mean), list(std)
        if len(self.mean) != len(self.std):
            raise ValueError(f"Normalize: {len(self.mean)} means, but {len(self.std)} standard deviations")
        if not all(value > 0 for value in self.std):
            raise ValueError(f"Normalize: std must be positive, but got {self.std}")

    @classmethod
    def of(cls, dataset, batch_size: int = 256) -> Normalize:
        """With the statistics of a data set whose items are (image (C, H, W), label), the one to train on.

        A channel that is the same everywhere gets the standard deviation 1.

        Raises:
            ValueError: if the data set is empty.
        """
        from ..utils.data import DataLoader

        if len(dataset) == 0:
            raise ValueError("Normalize.of: the data set is empty")
        count, mean, m2 = 0, _core.zeros(1), _core.zeros(1)
        for images, *_ in DataLoader(dataset, batch_size):  # Chan's way of joining the statistics of parts
            images = images.double()
            n = images.numel() // images.shape[1]
            variance, center = _core.var_mean(images, (0, 2, 3), correction=0)
            delta, total = center - mean, count + n
            m2 = m2 + variance * n + delta.square() * (count * n / total)
            mean, count = mean + delta * (n / total), total
        std = (m2 / count).sqrt()
        return cls(mean.tolist(), std.where(std > 0, 1.0).tolist())

    def apply(self, images: Tensor, generator: Generator | None) -> Tensor:
        if images.shape[1] != len(self.mean):
            raise ValueError(
                f"Normalize: images must have {len(self.mean)} channels, but got shape {tuple(images.shape)}"
            )
        mean, std = (_core.tensor(v, dtype=images.dtype).reshape(1, -1, 1, 1) for v in (self.mean, self.std))
        return (images - mean) / std


class RandomHorizontalFlip(Transform):
    """Mirrors an image, left to right, with probability p.

    Args:
        p: the probability. Default: 0.5.
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = _probability(self, p)

    def apply(self, images: Tensor, generator: Generator | None) -> Tensor:
        return _core.where(_chosen(images, self.p, generator), images.flip(-1), images)


class RandomCrop(Transform):
    """A window of each image, at a random place.

    Args:
        size: height and width of the window, a number or a pair.
        padding: rows and columns of `fill` that are added on all sides before. Default: 0.
        fill: what is added. Default: 0.

    Raises:
        ValueError: when called with images that are smaller than the window.
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0, fill: float = 0) -> None:
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.padding, self.fill = padding, fill

    def apply(self, images: Tensor, generator: Generator | None) -> Tensor:
        if self.padding:
            images = F.pad(images, [self.padding] * 4, value=self.fill)
        (n, _, h, w), (height, width) = images.shape, self.size
        if h < height or w < width:
            raise ValueError(f"RandomCrop: images with padding are {(h, w)}, smaller than the window {self.size}")
        if n == 0:
            return images[:, :, :height, :width]
        tops, lefts = (
            _core.randint(0, room + 1, (n,), generator=generator).tolist() for room in (h - height, w - width)
        )
        windows = [
            images[i, :, top : top + height, left : left + width]
            for i, (top, left) in enumerate(zip(tops, lefts, strict=True))
        ]
        return _core.stack(windows)


class RandomAffine(Transform):
    """Turns, scales and moves each image about its middle; values between pixels are interpolated linearly.

    Args:
        degrees: the angle, counter-clockwise, is drawn from -degrees to degrees, or from a pair's first to its second.
        scale: the factor is drawn from its first to its second, on a logarithmic scale. Default: (1, 1).
        translate: the move is drawn from -share to share of width and height (two shares). Default: (0, 0).
        padding_mode: what lies outside: "zeros", "border" or "reflection". Default: "zeros".

    Source: the affine sampling of Jaderberg et al. 2015, "Spatial transformer networks".
    """

    def __init__(
        self,
        degrees: float | Range,
        scale: Range = (1.0, 1.0),
        translate: tuple[float, float] = (0.0, 0.0),
        padding_mode: str = "zeros",
    ) -> None:
        self.degrees = (-degrees, degrees) if isinstance(degrees, (int, float)) else tuple(degrees)
        self.scale, self.translate, self.padding_mode = tuple(scale), tuple(translate), padding_mode
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"RandomAffine: scale must be positive and in order, but got {self.scale}")

    def apply(self, images: Tensor, generator: Generator | None) -> Tensor:
        n, _, h, w = images.shape
        if images.numel() == 0:
            return images
        angle = _uniform(n, self.degrees, generator) * (math.pi / 180)
        shrink = 1 / _uniform(n, _logarithms(self.scale), generator).exp()
        x, y = (2 * _uniform(n, (-share, share), generator) for share in self.translate)
        # From places in the result to places in the image, both from -1 to 1: the inverse of the change.
        cos, sin = angle.cos() * shrink, angle.sin() * shrink
        rows = [cos, -sin * (h / w), -x, sin * (w / h), cos, -y]
        theta = _core.stack(rows, 1).reshape(n, 2, 3).to(images.dtype)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, mode="bilinear", padding_mode=self.padding_mode, align_corners=False)


class ColorJitter(Transform):
    """Changes brightness, contrast, saturation and hue of each image, in this order. Values are kept from 0 to 1.

    Args:
        brightness, contrast, saturation: the factor is drawn from max(0, 1 - value) to 1 + value. Default: 0.
        hue: colours are turned about the grey axis by a share of the circle, drawn from -hue to hue. Default: 0.

    Images of one channel have brightness and contrast only.

    Raises:
        ValueError: for negative arguments, a hue above 0.5, or images of neither one nor three channels.
    """

    def __init__(self, brightness: float = 0, contrast: float = 0, saturation: float = 0, hue: float = 0) -> None:
        if min(brightness, contrast, saturation, hue) < 0 or hue > 0.5:
            raise ValueError("ColorJitter: arguments must not be negative, and hue at most 0.5")
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue

    def apply(self, images: Tensor, generator: Generator | None) -> Tensor:
        n, channels = images.shape[:2]
        if channels not in (1, 3):
            raise ValueError(f"ColorJitter: images must have 1 or 3 channels, but got shape {tuple(images.shape)}")

        def factors(strength: float) -> Tensor:
            return _per_image(_uniform(n, (max(0.0, 1 - strength), 1 + strength), generator), images)

        if self.brightness:
            images = (images * factors(self.brightness)).clamp(0, 1)
        if self.contrast:
            mean = _grey(images).mean((1, 2, 3), keepdim=True)
            images = (mean + (images - mean) * factors(self.contrast)).clamp(0, 1)
        if self.saturation and channels == 3:
            grey = _grey(images)
            images = (grey + (images - grey) * factors(self.saturation)).clamp(0, 1)
        if self.hue and channels == 3:
            angle = _uniform(n, (-self.hue, self.hue), generator) * (2 * math.pi)
            images = _core.einsum("nij,njhw->nihw", _turns(angle).to(images.dtype), images).clamp(0, 1)
        return images


class RandomErasing(Transform):
    """Fills a random rectangle of an image, with probability p.

    Args:
        p: the probability. Default: 0.5.
        scale: the rectangle's share of the area is drawn from its first to its second. Default: (0.02, 0.33).
        ratio: height / width is drawn from its first to its second, on a logarithmic scale. Default: (0.3, 3.3).
        value: what the rectangle is filled with. Default: 0.

    Sides that would be longer than the image's are cut to these.

    Source: Zhong et al. 2017, "Random erasing data augmentation".
    """

    def __init__(
        self, p: float = 0.5, scale: Range = (0.02, 0.33), ratio: Range = (0.3, 3.3), value: float = 0
    ) -> None:
        self.p, self.scale, self.ratio, self.value = _probability(self, p), tuple(scale), tuple(ratio), value
        if not 0 <= self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"RandomErasing: scale must be shares in order, but got {self.scale}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"RandomErasing: ratio must be positive and in order, but got {self.ratio}")

    def apply(self, images: Tensor, generator: Generator | None) -> Tensor:
        n, _, h, w = images.shape
        inside = _chosen(images, self.p, generator)
        area = _uniform(n, self.scale, generator) * (h * w)
        ratio = _uniform(n, _logarithms(self.ratio), generator).exp()
        for side, length, shape in ((h, area * ratio, (1, 1, -1, 1)), (w, area / ratio, (1, 1, 1, -1))):
            length = length.sqrt().round().clamp(max=side)
            begin = ((side - length + 1) * _core.rand(n, generator=generator)).floor()
            place = _core.arange(side, dtype=begin.dtype).reshape(shape)
            begin, length = begin.reshape(-1, 1, 1, 1), length.reshape(-1, 1, 1, 1)
            inside = inside & (place >= begin) & (place < begin + length)
        return images.masked_fill(inside, self.value)


class Mixup(Transform):
    """Mixes each image, and its label, with another one of the batch: lam a + (1 - lam) b, with one lam for the batch,
    drawn from the distribution Beta(alpha, alpha).

    Args:
        alpha: the larger, the more even the mixture. Default: 0.2.
        num_classes: how many classes there are.

    Called with images and labels, (N) int64 or (N, num_classes) shares, it gives images and shares
    (N, num_classes), which `nn.CrossEntropyLoss` takes as its target.

    Raises:
        TypeError: when called without labels.

    Source: Zhang et al. 2017, "mixup: beyond empirical risk minimization".
    """

    def __init__(self, num_classes: int, alpha: float = 0.2) -> None:
        if alpha <= 0:
            raise ValueError(f"Mixup: alpha must be positive, but got {alpha}")
        self.num_classes, self.alpha = num_classes, alpha

    def __call__(self, images: Tensor, labels: Tensor | None = None, generator: Generator | None = None):
        if labels is None:
            raise TypeError("Mixup: labels are mixed, too: call it with images and labels")
        seed = _core.randint(0, 1 << 62, (1,), generator=generator).item()
        lam = random.Random(seed).betavariate(self.alpha, self.alpha)
        other = _core.randperm(len(images), generator=generator)
        if labels.dim() == 1:
            labels = F.one_hot(labels, self.num_classes)
        labels = labels.to(images.dtype)
        return tuple(lam * x + (1 - lam) * x[other] for x in (images, labels))


def _uniform(n: int, bounds: Range, generator: Generator | None) -> Tensor:
    low, high = bounds
    return low + (high - low) * _core.rand(n, generator=generator)


def _logarithms(bounds: Range) -> Range:
    return math.log(bounds[0]), math.log(bounds[1])


def _per_image(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.dtype).reshape(-1, 1, 1, 1)


def _chosen(images: Tensor, p: float, generator: Generator | None) -> Tensor:
    """(N, 1, 1, 1): which images a transform of probability p is for."""
    return (_core.rand(images.shape[0], generator=generator) < p).reshape(-1, 1, 1, 1)


def _probability(transform: Transform, p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"{type(transform).__name__}: p must be from 0 to 1, but got {p}")
    return p


LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601: how bright red, green and blue are


def _grey(images: Tensor) -> Tensor:
    """(N, 1, H, W): the brightness of each pixel."""
    if images.shape[1] == 1:
        return images
    return sum(weight * images[:, i : i + 1] for i, weight in enumerate(LUMA))


def _turns(angle: Tensor) -> Tensor:
    """(N, 3, 3): rotations of RGB about the grey axis (1, 1, 1), by Rodrigues' formula: white and grey stay."""
    cos, sin = angle.cos(), angle.sin() / math.sqrt(3)
    same, before, after = (1 + 2 * cos) / 3, (1 - cos) / 3 - sin, (1 - cos) / 3 + sin
    return _core.stack([same, before, after, after, same, before, before, after, same], 1).reshape(-1, 3, 3)
