"""What follows from singular values: ranks, condition numbers, pseudo-inverses and least squares."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .. import _core
from .._core import Tensor
from ..autograd import no_grad
from .decompositions import eigvalsh, svdvals
from .lapack import check_finite, check_matrices, run, to_tensor, without_gradient
from .norms import matrix_norm
from .solvers import check_batches, inv

_EPS = {"float32": 2.0**-23, "float64": 2.0**-52}


class LeastSquares(NamedTuple):
    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def cond(A: Tensor, p: float | str | None = None) -> Tensor:
    """The condition number |A| |A^-1| in matrix_norm's norm p; None stands for 2. Infinite for a singular matrix."""
    if p in (None, 2, -2):
        check_matrices("cond", A)
        S = svdvals(A)
        if S.shape[-1] == 0:
            return S.sum(-1)
        return S[..., -1] / S[..., 0] if p == -2 else S[..., 0] / S[..., -1]
    check_matrices("cond", A, square=True)
    singular = matrix_rank(A.detach()) < A.shape[-1]
    if bool(singular.any()):
        A = _core.where(singular[..., None, None], _core.eye(A.shape[-1], dtype=A.dtype), A)
    return _core.where(singular, math.inf, matrix_norm(A, p) * matrix_norm(inv(A), p))


def _threshold(op: str, A: Tensor, S: Tensor, atol, rtol) -> Tensor:
    """max(atol, rtol * largest singular value): below it, they count as 0."""
    for name, value in (("atol", atol), ("rtol", rtol)):
        if not (value is None or isinstance(value, (int, float, Tensor)) and not isinstance(value, bool)):
            raise TypeError(f"linalg.{op}: {name} must be a number or a Tensor, but got {value!r}")
    if rtol is None:
        given = atol is not None and bool((_core.as_tensor(atol) > 0).any())
        rtol = 0.0 if given else max(A.shape[-2:]) * _EPS[A.dtype.name]
    largest = S.amax(-1) if S.shape[-1] else S.sum(-1)
    relative = largest * rtol
    return _core.maximum(relative, _core.as_tensor(0.0 if atol is None else atol).to(S.dtype))


def matrix_rank(A: Tensor, tol=None, hermitian: bool = False, *, atol=None, rtol=None) -> Tensor:
    """How many singular values are larger than max(atol, rtol * the largest): int64.

    Args:
        tol: another name of atol.
        hermitian: A is symmetric; eigenvalues are computed in place of singular values.
        atol: 0 unless given.
        rtol: max(rows, columns) eps unless given, or 0 where atol is given.
    """
    check_matrices("matrix_rank", A, square=hermitian)
    if tol is not None:
        atol, rtol = tol, 0.0
    A = A.detach()
    S = eigvalsh(A).abs() if hermitian else svdvals(A)
    return (S > _threshold("matrix_rank", A, S, atol, rtol).unsqueeze(-1)).sum(-1)


def pinv(A: Tensor, rcond=None, hermitian: bool = False, *, atol=None, rtol=None) -> Tensor:
    """The pseudo-inverse (Moore and Penrose) of A (*, m, n): (*, n, m). No gradient.

    Singular values up to max(atol, rtol * the largest) count as 0; see matrix_rank for their defaults. `rcond` is
    another name of rtol. hermitian: A is symmetric.
    """
    check_matrices("pinv", A, square=hermitian)
    without_gradient("pinv", A)
    check_finite("pinv", A)
    rtol = rcond if rtol is None else rtol
    with no_grad():
        if hermitian:
            values, U = run("pinv", lambda a: tuple(np.linalg.eigh(a)), A)
            S, Vh = values.abs(), (U * values.sign().unsqueeze(-2)).mT
        else:
            U, S, Vh = run("pinv", lambda a: tuple(np.linalg.svd(a, full_matrices=False)), A)
        kept = S > _threshold("pinv", A, S, atol, rtol).unsqueeze(-1)
        inverse = _core.where(kept, 1 / S, 0.0)
        return (Vh.mT * inverse.unsqueeze(-2)) @ U.mT


_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> LeastSquares:
    """The X that minimizes |A X - B|, the smallest of them: pinv(A, rtol=rcond) B. No gradient.

    A (*, m, n), B (*, m, k), or vectors (m) or (*, m). `driver` ("gels", "gelsy", "gelsd", "gelss"; "gelsy" unless
    given) chooses what is returned, as PyTorch's does: residuals (the squared errors of each column, where m > n and
    all A have full rank) not by gelsy, rank not by gels, singular_values by gelsd and gelss; empty otherwise. All
    compute by singular values.
    """
    check_matrices("lstsq", A)
    if driver is not None and driver not in _DRIVERS:
        raise RuntimeError(f"linalg.lstsq: driver must be one of {', '.join(_DRIVERS)} or None, but got {driver!r}")
    if not isinstance(B, Tensor):
        raise TypeError(f"linalg.lstsq: B must be a Tensor but got {type(B).__name__}")
    vector = B.dim() == 1 or (B.dim() == A.dim() - 1 and B.shape == A.shape[:-1])
    B = B.unsqueeze(-1) if vector else B
    check_matrices("lstsq", A, B)
    if B.shape[-2] != A.shape[-2]:
        raise RuntimeError(f"linalg.lstsq: A and B need as many rows; got {tuple(A.shape)} and {tuple(B.shape)}")
    check_batches("lstsq", A, B)
    without_gradient("lstsq", A, B)
    check_finite("lstsq", A, B)
    with no_grad():
        X = pinv(A, rtol=rcond) @ B
        none = to_tensor(np.empty(0, A.dtype.name))
        rank = matrix_rank(A, rtol=rcond)
        full = A.shape[-2] > A.shape[-1] and bool((rank == A.shape[-1]).all())
        wanted = driver not in (None, "gelsy") and full
        residuals = (A @ X - B).square().sum(-2) if wanted else none
        return LeastSquares(
            X.squeeze(-1) if vector else X,
            residuals,
            rank if driver != "gels" else none.long(),
            svdvals(A) if driver in ("gelsd", "gelss") else none,
        )
