"""The Poisson distribution."""

from __future__ import annotations

import math

from .. import _core
from .._core import Tensor
from .._tensor import finfo
from ..autograd import no_grad
from . import constraints
from .distribution import Distribution, broadcast_all

_SUMMED = 100.0  # rates up to which the entropy is a sum; beyond, its series is as exact


class Poisson(Distribution):
    """p(k) = rate^k exp(-rate) / k! for k = 0, 1, ...

    Args:
        rate: the mean, not negative, a number or a tensor.
    """

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def mode(self) -> Tensor:
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape=()) -> Tensor:
        with no_grad():
            return _core.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    def entropy(self) -> Tensor:
        """-sum_k p(k) log p(k) for rates up to 100, and its asymptotic series for larger ones (error below 1e-9)."""
        small = self.rate.clamp(max=_SUMMED)
        most = float(small.detach().max()) if small.numel() else 0.0
        if not most >= 0:  # NaN, or negative, where nothing is validated
            return self.rate * math.nan
        # sixteen standard deviations and some more: what is left out is below 1e-20
        k = _core.arange(math.ceil(most + 16 * math.sqrt(most)) + 20, dtype=self.rate.dtype)
        small = small.unsqueeze(-1)
        logs = (k.xlogy(small) - small - (k + 1).lgamma()).clamp(min=finfo(self.rate.dtype).min)
        summed = -(logs.exp() * logs).sum(-1)
        r = 1 / self.rate.clamp(min=_SUMMED)
        series = 0.5 * (2 * math.pi * math.e / r).log() - r / 12 - r * r / 24 - 19 * r * r * r / 360
        return _core.where(self.rate <= _SUMMED, summed, series)
