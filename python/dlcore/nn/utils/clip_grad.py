"""Limits for gradients, in one pass over all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ... import _core
from ..._core import Tensor
from ...autograd.grad_mode import no_grad

_IN_ONE_PASS = (1.0, 2.0, math.inf)  # norms that _core._total_norm knows


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [grad for parameter in parameters if (grad := parameter.grad) is not None]


def _dense(tensors: list[Tensor]) -> bool:
    return all(tensor.is_floating_point() and not tensor.is_sparse for tensor in tensors)


def _what_counts(tensor: Tensor, norm_type: float) -> Tensor:
    """What has the tensor's norm: of one of few rows these, as its other elements, zeros, add nothing to it."""
    if not tensor.is_sparse or norm_type <= 0:
        return tensor
    return tensor.coalesce().values() if tensor._nnz() else tensor.new_zeros(1)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors taken together as one vector. Partial sums are those of fixed chunks, added in order: the
    result does not depend on the number of threads.

    Args:
        tensors: a tensor or several.
        norm_type: the p of the p-norm; inf for the largest magnitude. Default: 2.
        error_if_nonfinite: raise RuntimeError where it is NaN or infinite. Default: False.
        foreach: accepted, and without effect.
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norm_type = float(norm_type)
    with no_grad():
        if not tensors:
            return _core.tensor(0.0)
        tensors = [_what_counts(tensor, norm_type) for tensor in tensors]
        if norm_type in _IN_ONE_PASS and _dense(tensors):
            total = _core._total_norm(tensors, norm_type)
        else:
            total = _core.stack([tensor.norm(norm_type) for tensor in tensors]).norm(norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients, in place, by min(1, max_norm / (total_norm + 1e-6)).

    Args:
        parameters: a parameter or several; those without a gradient are passed over.
        max_norm: the largest norm.
        total_norm: the norm of the gradients, of `get_total_norm`.
        foreach: accepted, and without effect.
    """
    grads = _gradients(parameters)
    with no_grad():
        scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        if scale.item() == 1.0:
            return
        if _dense(grads):
            _core._scale_all_(grads, scale.item())
        else:
            for grad in grads:
                grad.mul_(scale.to(grad.dtype))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients, in place, so that their norm (taken over all of them together) is at most `max_norm`.

    Args:
        parameters: a parameter or several; those without a gradient are passed over.
        max_norm: the largest norm.
        norm_type: the p of the p-norm; inf for the largest magnitude. Default: 2.
        error_if_nonfinite: raise RuntimeError where the norm is NaN or infinite. Default: False.
        foreach: accepted, and without effect.

    Returns:
        the norm before.

    Source: Pascanu et al. 2013, arXiv:1211.5063.
    """
    parameters = parameters if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients, in place, to [-clip_value, clip_value].

    Args:
        parameters: a parameter or several; those without a gradient are passed over.
        clip_value: the limit.
        foreach: accepted, and without effect.
    """
    limit = float(clip_value)
    grads = _gradients(parameters)
    with no_grad():
        if _dense(grads):
            _core._clamp_all_(grads, -limit, limit)
        else:
            for grad in grads:
                grad.clamp_(-limit, limit)
