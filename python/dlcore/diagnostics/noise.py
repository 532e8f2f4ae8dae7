"""`gradient_noise_scale`: how large a batch is worth its time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from ..train import Trainer
from .probe import unchanged


class GradientNoise(NamedTuple):
    """What `gradient_noise_scale` estimates.

    Attributes:
        noise_scale: trace / squared_norm, a number of samples; infinite where the estimate of the norm is not positive.
        trace: of the covariance of single samples' gradients.
        squared_norm: of the true gradient.
        small_batch, big_batch: the two sizes that were compared.
    """

    noise_scale: float
    trace: float
    squared_norm: float
    small_batch: int
    big_batch: int


def gradient_noise_scale(trainer: Trainer, loader: Iterable, big: int = 8, repeats: int = 10) -> GradientNoise:
    """The simple noise scale B = tr(S) / |G|^2 of the gradient, with mean G over all data and covariance S of a sample.
    Batches far smaller than B give gradients that are mostly noise, so that doubling them halves the steps that are
    needed; far larger ones are wasted.

    A batch of b samples has E|g|^2 = |G|^2 + tr(S) / b. So the squared norms of two sizes, those of the loader's
    batches and of means over `big` of them, give both unknowns. Nothing is trained; the model, its gradients and the
    generators are afterwards what they were.

    Args:
        trainer: with a model and a loss that is a mean over samples.
        loader: batches of one size (others, as at the end of an epoch, are passed over).
        big: how many batches make a big one. Default: 8.
        repeats: how many big batches, at most, are averaged over. Default: 10.

    Raises:
        ValueError: if the loader gives fewer than `big` batches, or `big` or `repeats` is too small.

    Source: McCandlish, Kaplan, Amodei: An empirical model of large-batch training, 2018, appendix A.1.
    """
    if not isinstance(trainer, Trainer):
        raise TypeError(f"gradient_noise_scale: trainer must be a Trainer, but got {type(trainer).__name__}")
    for name, count, least in (("big", big, 2), ("repeats", repeats, 1)):
        if not isinstance(count, int) or count < least:
            raise ValueError(f"gradient_noise_scale: {name} must be an int of at least {least}, but got {count!r}")
    size, small_squares, big_squares = 0, [], []  # of each batch, and of each big batch
    group: list[list] = []  # the gradients of the batches of the next big one
    with unchanged(trainer, loader) as probe:
        probe.model.train()
        parameters = [parameter for parameter in probe.model.parameters() if parameter.requires_grad]
        for batch in loader:
            size = size or probe.samples(batch)
            if probe.samples(batch) != size:
                continue
            for parameter in parameters:
                parameter.grad = None
            probe.compute(batch)[0].backward()
            gradients = [parameter.grad for parameter in parameters]
            small_squares.append(_square(gradients))
            group.append(gradients)
            if len(group) == big:
                big_squares.append(_square([_sum(each) for each in zip(*group)]) / big**2)
                group.clear()
            if len(big_squares) == repeats:
                break
    if not big_squares:
        raise ValueError(
            f"gradient_noise_scale: loader must give at least big = {big} batches of one size, but gave "
            f"{len(small_squares)}"
        )
    small_square = math.fsum(small_squares[: big * len(big_squares)]) / (big * len(big_squares))
    big_square = math.fsum(big_squares) / len(big_squares)
    squared_norm = (big * big_square - small_square) / (big - 1)
    trace = (small_square - big_square) / (1 / size - 1 / (big * size))
    scale = trace / squared_norm if squared_norm > 0 else math.inf
    return GradientNoise(scale, trace, squared_norm, size, big * size)


def _square(gradients: list) -> float:
    return math.fsum(each.double().square().sum().item() for each in gradients if each is not None)


def _sum(gradients: tuple):
    found = [each for each in gradients if each is not None]
    return sum(found[1:], found[0]) if found else None
