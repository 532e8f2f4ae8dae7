"""Kullback-Leibler divergences: the mean of log p(x) - log q(x) for x drawn from p."""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import _core
from .._core import Tensor, where
from .bernoulli import Bernoulli
from .categorical import Categorical
from .distribution import Distribution
from .normal import Normal
from .uniform import Uniform

_KL: dict[tuple[type, type], Callable[..., Tensor]] = {}


def register_kl(type_p: type, type_q: type):
    """Makes the decorated function(p, q) the divergence of these two families and their subclasses."""
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"register_kl: expected subclasses of Distribution but got {kind}")

    def decorator(function):
        _KL[type_p, type_q] = function
        return function

    return decorator


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), of the batch's shape.

    Raises:
        NotImplementedError: if nothing is registered for the two families.
    """
    for kind_p in type(p).__mro__:  # the nearest base classes win, p's before q's
        for kind_q in type(q).__mro__:
            if (kind_p, kind_q) in _KL:
                return _KL[kind_p, kind_q](p, q)
    raise NotImplementedError(f"No KL(p || q) is implemented for p type {type(p).__name__}, q type {type(q).__name__}")


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log())


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    inside = (q.low <= p.low) & (p.high <= q.high)
    return where(inside, ((q.high - q.low) / (p.high - p.low)).log(), math.inf)


def _masked(term: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """A term with weight p: nothing where p is 0, else infinite where q is."""
    return where(p == 0, 0.0, where(q == 0, math.inf, term))


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    ones = p.probs * (_core.softplus(-q.logits) - _core.softplus(-p.logits))
    zeros = (1 - p.probs) * (_core.softplus(q.logits) - _core.softplus(p.logits))
    return _masked(ones, p.probs, q.probs) + _masked(zeros, 1 - p.probs, 1 - q.probs)


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    return _masked(p.probs * (p.logits - q.logits), p.probs, q.probs).sum(-1)
