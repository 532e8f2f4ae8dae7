"""Determinants, inverses, and solutions of linear equations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import _core
from .._core import Tensor
from .._tensor import broadcast_shapes
from ..autograd import Function
from .lapack import check_matrices, run


class SignLogDet(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


# ---- inverses and equations


class _Inv(Function):
    @staticmethod
    def forward(ctx, A):
        Y = run("inv", np.linalg.inv, A)
        ctx.save_for_backward(A, Y)
        return Y

    @staticmethod
    def backward(ctx, dY):
        """dA = -Y^T dY Y^T"""
        A, Y = ctx.saved_tensors
        if _core.is_grad_enabled():
            Y = _Inv.apply(A)
        return -(Y.mT @ dY @ Y.mT)


def inv(A: Tensor) -> Tensor:
    """The inverse matrices of A (*, n, n). Differentiable.

    Raises:
        LinAlgError: if a matrix is singular.
    """
    check_matrices("inv", A, square=True)
    return _Inv.apply(A)


class _Solve(Function):
    @staticmethod
    def forward(ctx, A, B):
        X = run("solve", np.linalg.solve, A, B)
        ctx.save_for_backward(A, B, X)
        return X

    @staticmethod
    def backward(ctx, dX):
        """dB = A^-T dX, dA = -dB X^T"""
        A, B, X = ctx.saved_tensors
        if _core.is_grad_enabled():
            X = _Solve.apply(A, B)
        dB = _Solve.apply(A.mT, dX)
        return -(dB @ X.mT), dB


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The X with A X = B, or X A = B where not `left`. Differentiable.

    A (*, n, n); B (*, n, k), or for left=False (*, k, n), with the same batch or one that broadcasts; or vectors (n)
    or (*, n), one for each matrix.

    Raises:
        LinAlgError: if a matrix is singular.
    """
    check_matrices("solve", A, square=True)
    if not isinstance(B, Tensor):
        raise TypeError(f"linalg.solve: B must be a Tensor but got {type(B).__name__}")
    vector = B.dim() == 1 or (B.dim() == A.dim() - 1 and B.shape == A.shape[:-1])
    if vector:
        B = B.unsqueeze(-1)
        left = True
    check_matrices("solve", A, B)
    if B.shape[-2 if left else -1] != A.shape[-1]:
        raise RuntimeError(
            f"linalg.solve: shapes of A and B do not fit the equation {'A X' if left else 'X A'} = B: "
            f"{tuple(A.shape)} and {tuple(B.shape)}"
        )
    check_batches("solve", A, B)
    X = _Solve.apply(A, B) if left else _Solve.apply(A.mT, B.mT).mT
    return X.squeeze(-1) if vector else X


def check_batches(op: str, A: Tensor, B: Tensor) -> None:
    """Raises if the batches of two matrices do not broadcast."""
    try:
        broadcast_shapes(A.shape[:-2], B.shape[:-2])
    except (RuntimeError, ValueError):
        raise RuntimeError(
            f"linalg.{op}: batches of A and B do not broadcast: {tuple(A.shape)} and {tuple(B.shape)}"
        ) from None


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """`solve` with only A's upper or lower triangle read, and ones for its diagonal if `unitriangular`.

    Differentiable. It factors the triangle as any matrix; what it saves is the caller's masking.
    """
    check_matrices("solve_triangular", A, B)
    check_matrices("solve_triangular", A, square=True)
    T = A.triu() if upper else A.tril()
    if unitriangular:
        one = _core.eye(A.shape[-1], dtype=_core.bool)
        T = T.masked_fill(one, 1.0)
    return solve(T, B, left=left)


# ---- determinants


def _cofactors(A: np.ndarray) -> np.ndarray:
    """d det(A) / dA = det(U) det(Vh) U diag(product of the other singular values) Vh, for singular matrices, too."""
    U, S, Vh = np.linalg.svd(A)
    n = S.shape[-1]
    others = np.repeat(S[..., None, :], n, -2)
    others[..., np.arange(n), np.arange(n)] = 1
    sign = np.linalg.det(U) * np.linalg.det(Vh)
    return sign[..., None, None] * (U * others.prod(-1)[..., None, :]) @ Vh


class _Det(Function):
    @staticmethod
    def forward(ctx, A):
        ctx.save_for_backward(A)
        return run("det", np.linalg.det, A)

    @staticmethod
    def backward(ctx, dy):
        (A,) = ctx.saved_tensors
        if _core.is_grad_enabled():
            return (dy * _Det.apply(A))[..., None, None] * _Inv.apply(A).mT
        return dy[..., None, None] * run("det", _cofactors, A)


def det(A: Tensor) -> Tensor:
    """The determinants of A (*, n, n). Differentiable, once where a matrix is singular."""
    check_matrices("det", A, square=True)
    return _Det.apply(A)


class _Slogdet(Function):
    @staticmethod
    def forward(ctx, A):
        sign, logabsdet = run("slogdet", lambda a: tuple(np.linalg.slogdet(a)), A)
        ctx.save_for_backward(A)
        ctx.mark_non_differentiable(sign)
        return sign, logabsdet

    @staticmethod
    def backward(ctx, _, dy):
        """d log |det A| / dA = A^-T"""
        (A,) = ctx.saved_tensors
        return dy[..., None, None] * _Inv.apply(A).mT


def slogdet(A: Tensor) -> SignLogDet:
    """(sign, logabsdet) with det(A) = sign exp(logabsdet), for A (*, n, n). logabsdet is differentiable."""
    check_matrices("slogdet", A, square=True)
    return SignLogDet(*_Slogdet.apply(A))
