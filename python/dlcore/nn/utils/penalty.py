"""Penalties on the size of parameters, to be added to a loss."""

from __future__ import annotations

from collections.abc import Iterable

from ... import _core
from ..._core import Tensor


def _sum(terms: list[Tensor]) -> Tensor:
    return _core.stack(terms).sum() if terms else _core.tensor(0.0)


def l1_penalty(parameters: Tensor | Iterable[Tensor]) -> Tensor:
    """The sum of |p| over all elements of all parameters; its gradient sign(p) draws them to 0 (lasso).

    Args:
        parameters: a tensor or several, of one dtype.

    Source: Tibshirani 1996, "Regression Shrinkage and Selection via the Lasso".
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return _sum([parameter.abs().sum() for parameter in parameters])


def l2_penalty(parameters: Tensor | Iterable[Tensor]) -> Tensor:
    """The sum of p^2 over all elements of all parameters (ridge); w / 2 times it acts as the weight decay w of `SGD`.

    Args:
        parameters: a tensor or several, of one dtype.

    Source: Hoerl and Kennard 1970, "Ridge Regression: Biased Estimation for Nonorthogonal Problems".
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return _sum([(parameter * parameter).sum() for parameter in parameters])
