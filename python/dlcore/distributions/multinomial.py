"""The multinomial distribution."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _core
from .._core import Size, Tensor
from ..autograd import no_grad
from . import constraints
from .binomial import Binomial
from .categorical import Categorical
from .distribution import Distribution, broadcast_all


class Multinomial(Distribution):
    """How often each of K classes comes up in n draws: p(k) = n! prod_i probs_i^k_i / k_i!.

    Args:
        total_count: n, a whole number.
        probs: (..., K), not negative; divided by their sum.
        logits: (..., K), logarithms of the probabilities up to a constant, in their place. Exactly one is given.
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, total_count: int = 1, probs=None, logits=None, validate_args: bool | None = None) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("Multinomial: total_count must be one int for the whole batch")
        if total_count < 0:
            raise ValueError(f"Multinomial: total_count must not be negative, but got {total_count}")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits, validate_args=validate_args)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance=None) -> Multinomial:
        new = super().expand(batch_shape)
        new._categorical = self._categorical.expand(batch_shape)
        return new

    @property
    def probs(self) -> Tensor:
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        return self._categorical.logits

    @property
    def param_shape(self) -> Size:
        return self._categorical.param_shape

    @property
    def support(self):
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=()) -> Tensor:
        """Class by class: of the draws that are left, each is of class i with probability p_i / (p_i + p_i+1 + ...)."""
        with no_grad():
            shape = self._extended_shape(sample_shape)
            p = self.probs.double().expand(shape)
            rest = p.flip(-1).cumsum(-1).flip(-1)
            share = _core.where(rest > 0, p / rest, 0.0).clamp(max=1)
            last = (p > 0).double().cumsum(-1) == (p > 0).double().sum(-1, keepdim=True)
            share = _core.where(last & (p > 0), 1.0, share)  # the last class that can come takes all that is left
            left = _core.full(shape[:-1], float(self.total_count), dtype=_core.float64)
            counts = []
            for chance in share.unbind(-1):
                counts.append(_core.binomial(left, chance))
                left = left - counts[-1]
            return _core.stack(counts, -1).type_as(self.probs)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        powers = _core.where((value == 0) & (logits == -float("inf")), 0.0, logits * value)
        return (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1) + powers.sum(-1)

    def entropy(self) -> Tensor:
        """n H(probs) - log n! + sum_i E[log k_i!]"""
        n = self.total_count
        single = Binomial(n, probs=self.probs, validate_args=False)
        k = single.enumerate_support(expand=False)[1:]
        factorials = (single.log_prob(k).exp() * (k + 1).lgamma()).sum((0, -1))
        log_n = _core.tensor(n + 1.0, dtype=self.probs.dtype).lgamma()
        return n * self._categorical.entropy() - log_n + factorials
