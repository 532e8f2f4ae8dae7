"""How tensors reach numpy's LAPACK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core
from .._core import Tensor


class LinAlgError(RuntimeError):
    """A matrix for which there is no answer: singular, not positive definite, not finite."""


def check_matrices(op: str, *matrices: Tensor, square: bool = False) -> None:
    """Raises what PyTorch does for a tensor that is no (batch of) float32 or float64 matrices."""
    for A in matrices:
        if not isinstance(A, Tensor):
            raise TypeError(f"linalg.{op}: expected a Tensor but got {type(A).__name__}")
        if A.dim() < 2:
            raise RuntimeError(f"linalg.{op}: expected at least 2 dimensions but got shape {tuple(A.shape)}")
        check_floating(op, A)
        if square and A.shape[-1] != A.shape[-2]:
            raise RuntimeError(
                f"linalg.{op}: expected square matrices but got {A.shape[-2]} by {A.shape[-1]} (shape {tuple(A.shape)})"
            )
    if len({A.dtype for A in matrices}) > 1:
        raise RuntimeError(f"linalg.{op}: expected one dtype but got {', '.join(A.dtype.name for A in matrices)}")


def check_floating(op: str, x: Tensor) -> None:
    """Matrices are decomposed in float32 or float64."""
    if x.dtype not in (_core.float32, _core.float64):
        raise RuntimeError(f"linalg.{op}: expected a float32 or float64 tensor but got {x.dtype.name}")


def check_finite(op: str, *tensors: Tensor) -> None:
    """LAPACK's iterations need not end on NaN and infinities."""
    for x in tensors:
        if not np.isfinite(x.detach().numpy()).all():
            raise LinAlgError(f"linalg.{op}: the input has values that are not finite")


def without_gradient(op: str, *tensors: Tensor) -> None:
    """Raises where somebody would wait for a gradient that is not there."""
    if _core.is_grad_enabled() and any(x.requires_grad for x in tensors):
        raise NotImplementedError(
            f"linalg.{op}: there is no gradient for it; pass x.detach(), or call it inside dlcore.no_grad()"
        )


def to_tensor(x: np.ndarray) -> Tensor:
    """A tensor over the array's memory."""
    return _core.from_numpy(np.ascontiguousarray(x).reshape(np.shape(x)))


def run(op: str, function: Callable[..., Any], *tensors: Tensor) -> Any:
    """function of the tensors' arrays, as a tensor or a tuple of tensors."""
    try:
        result = function(*(x.detach().numpy() for x in tensors))
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"linalg.{op}: {str(error)[:1].lower() + str(error)[1:]}") from None
    return tuple(map(to_tensor, result)) if isinstance(result, tuple) else to_tensor(result)
