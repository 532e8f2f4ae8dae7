"""Kullback-Leibler divergences: the mean of log p(x) - log q(x) for x drawn from p."""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import _core
from .._core import Tensor, where
from .bernoulli import Bernoulli
from .binomial import Binomial
from .categorical import Categorical
from .distribution import Distribution
from .exponential import Exponential
from .laplace import Laplace
from .multinomial import Multinomial
from .normal import Normal
from .poisson import Poisson
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


@register_kl(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Tensor:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    trials = p.total_count * _bernoulli(p, q)
    return where(p.total_count > q.total_count, math.inf, trials)


@register_kl(Multinomial, Multinomial)
def _multinomial(p: Multinomial, q: Multinomial) -> Tensor:
    if p.total_count != q.total_count:
        raise NotImplementedError("KL between Multinomials of different total_count is not implemented")
    return p.total_count * _categorical(p, q)


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate.xlogy(p.rate) - p.rate.xlogy(q.rate) - (p.rate - q.rate)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    distance = (p.loc - q.loc).abs()
    return (q.scale / p.scale).log() + (p.scale * (-distance / p.scale).exp() + distance) / q.scale - 1


# ---- of two families: minus the entropy of p, minus the mean of log q


def _normal_cross_entropy(mean: Tensor, variance: Tensor, q: Normal) -> Tensor:
    squares = variance + (mean - q.loc).square()
    return 0.5 * (2 * math.pi * q.scale.square()).log() + 0.5 * squares / q.scale.square()


@register_kl(Uniform, Normal)
@register_kl(Exponential, Normal)
@register_kl(Laplace, Normal)
def _to_normal(p: Distribution, q: Normal) -> Tensor:
    return _normal_cross_entropy(p.mean, p.variance, q) - p.entropy()


@register_kl(Normal, Laplace)
def _normal_laplace(p: Normal, q: Laplace) -> Tensor:
    z = (p.loc - q.loc) / p.scale
    distance = p.scale * (math.sqrt(2 / math.pi) * (-0.5 * z * z).exp() + z * (z / math.sqrt(2)).erf())
    return (2 * q.scale).log() + distance / q.scale - p.entropy()


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Uniform, q: Exponential) -> Tensor:
    return where(p.low < 0, math.inf, q.rate * p.mean - q.rate.log() - p.entropy())


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Bernoulli, q: Poisson) -> Tensor:
    return q.rate - p.probs.xlogy(q.rate) - p.entropy()


@register_kl(Normal, Uniform)
@register_kl(Normal, Exponential)
@register_kl(Laplace, Uniform)
@register_kl(Laplace, Exponential)
@register_kl(Exponential, Uniform)
@register_kl(Poisson, Bernoulli)
@register_kl(Poisson, Binomial)
def _beyond_support(p: Distribution, q: Distribution) -> Tensor:
    """p's draws may lie where q has none."""
    return _core.full_like(p.mean, math.inf)
