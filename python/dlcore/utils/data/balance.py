"""Classes of unequal size: weights for the loss, and a sampler that draws each class as often."""

from __future__ import annotations

from collections.abc import Sequence

from ... import _core
from ..._core import Tensor
from .sampler import WeightedRandomSampler


def _labels(name: str, labels: Tensor | Sequence[int]) -> Tensor:
    labels = _core.as_tensor(labels)
    if labels.dim() != 1 or len(labels) == 0 or labels.is_floating_point() or labels.dtype == _core.bool:
        raise ValueError(
            f"{name}: labels must be whole numbers of shape (N), N > 0, but got {labels.dtype} of shape "
            f"{tuple(labels.shape)}"
        )
    labels = labels.to(_core.int64)
    least, largest = labels.min().item(), labels.max().item()
    if least < 0 or largest >= MOST_CLASSES:
        raise ValueError(f"{name}: labels must be in [0, {MOST_CLASSES}), but go from {least} to {largest}")
    return labels


MOST_CLASSES = 2**24  # a label beyond is a mistake that would fill the memory


def class_weights(labels: Tensor | Sequence[int], num_classes: int | None = None) -> Tensor:
    """The weight of each class with which all count alike: N / (K count(c)), as scikit-learn's "balanced".

    Args:
        labels: (N), from 0.
        num_classes: how many weights there are; those of classes that do not occur are 0. None (the default) takes the
            largest label and one.

    Returns:
        (num_classes) float32, for `nn.CrossEntropyLoss(weight=...)`; K is the number of classes that occur.

    Raises:
        ValueError: if the labels are no whole numbers from 0, there are none, or num_classes is too small.

    Source: King and Zeng 2001, "Logistic regression in rare events data".
    """
    labels = _labels("class_weights", labels)
    least = int(labels.max().item()) + 1
    num_classes = least if num_classes is None else num_classes
    if not isinstance(num_classes, int) or not least <= num_classes <= MOST_CLASSES:
        raise ValueError(
            f"class_weights: num_classes must be an int in [{least}, {MOST_CLASSES}], but got {num_classes!r}"
        )
    counts = _core.bincount(labels, minlength=num_classes).double()
    there = counts > 0
    weights = len(labels) / (there.sum() * counts.clamp(min=1))
    return weights.masked_fill(~there, 0.0).float()


def balanced_sampler(labels: Tensor | Sequence[int], num_samples: int | None = None, generator=None):
    """A `WeightedRandomSampler` that draws every class with the same probability, and every item of a class, too.

    Args:
        labels: (N), from 0: the class of each item of the data set.
        num_samples: how many to draw; None (the default) takes N.
        generator: draws the items; the default generator where it is None.

    Raises:
        ValueError: if the labels are no whole numbers from 0, or there are none.
    """
    labels = _labels("balanced_sampler", labels)
    return WeightedRandomSampler(
        class_weights(labels)[labels], len(labels) if num_samples is None else num_samples, generator=generator
    )
