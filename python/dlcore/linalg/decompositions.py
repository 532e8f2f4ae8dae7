"""Factors of matrices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import _core
from .._core import Tensor
from ..autograd import Function, once_differentiable
from .lapack import check_finite, check_matrices, run, to_tensor, without_gradient
from .solvers import solve


class SVD(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


class Eigen(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class QR(NamedTuple):
    Q: Tensor
    R: Tensor


# ---- symmetric and positive definite matrices


class _Cholesky(Function):
    @staticmethod
    def forward(ctx, A):
        L = run("cholesky", np.linalg.cholesky, A)
        check_finite("cholesky", L)  # only A's lower triangle counts
        ctx.save_for_backward(A, L)
        return L

    @staticmethod
    def backward(ctx, dL):
        """dA is the symmetric part of L^-T phi(L^T dL) L^-1, with phi the lower triangle, half of its diagonal."""
        A, L = ctx.saved_tensors
        if _core.is_grad_enabled():
            L = _Cholesky.apply(A)
        phi = (L.mT @ dL).tril()
        phi = phi - 0.5 * _core.diag_embed(phi.diagonal(0, -2, -1))
        S = solve(L.mT, solve(L, phi, left=False))
        return 0.5 * (S + S.mT)


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular L with A = L L^T, or with `upper` its transpose. A (*, n, n), symmetric. Differentiable.

    Only A's lower triangle is read.

    Raises:
        LinAlgError: if A is not positive definite.
    """
    check_matrices("cholesky", A, square=True)
    L = _Cholesky.apply(A)
    return L.mT if upper else L


def _check_triangle(op: str, UPLO: str) -> str:
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"linalg.{op}: UPLO must be 'L' or 'U', but got {UPLO!r}")
    return UPLO.upper()


class _Eigh(Function):
    @staticmethod
    def forward(ctx, A, UPLO):
        values, vectors = run("eigh", lambda a: tuple(np.linalg.eigh(a, UPLO)), A)
        ctx.save_for_backward(A, values, vectors)
        ctx.UPLO = UPLO
        return values, vectors

    @staticmethod
    def backward(ctx, dvalues, dvectors):
        """dA = V (diag(dl) + (V^T dV) / (l_j - l_i)) V^T, i != j."""
        A, values, V = ctx.saved_tensors
        if _core.is_grad_enabled():
            values, V = _Eigh.apply(A, ctx.UPLO)
        n = values.shape[-1]
        diagonal = _core.eye(n, dtype=_core.bool)
        gaps = (values.unsqueeze(-2) - values.unsqueeze(-1)).masked_fill(diagonal, 1.0)
        inner = ((V.mT @ dvectors) / gaps).masked_fill(diagonal, 0.0) + _core.diag_embed(dvalues)
        return V @ inner @ V.mT, None


class _Eigvalsh(Function):
    @staticmethod
    def forward(ctx, A, UPLO):
        values, vectors = run("eigvalsh", lambda a: tuple(np.linalg.eigh(a, UPLO)), A)
        ctx.save_for_backward(A, vectors)
        ctx.UPLO = UPLO
        return values

    @staticmethod
    def backward(ctx, dvalues):
        A, V = ctx.saved_tensors
        if _core.is_grad_enabled():
            V = _Eigh.apply(A, ctx.UPLO)[1]
        return (V * dvalues.unsqueeze(-2)) @ V.mT, None


def eigh(A: Tensor, UPLO: str = "L") -> Eigen:
    """A = V diag(l) V^T of symmetric matrices: (eigenvalues l, ascending; eigenvectors V, in columns). Differentiable.

    Only the triangle `UPLO` ("L" or "U") of A (*, n, n) is read. The gradient through V is infinite where two
    eigenvalues are equal, and means something only for functions that a change of the vectors' signs does not change.
    """
    check_matrices("eigh", A, square=True)
    UPLO = _check_triangle("eigh", UPLO)
    check_finite("eigh", A)
    return Eigen(*_Eigh.apply(A, UPLO))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric matrices, ascending. Differentiable: dA = V diag(dl) V^T."""
    check_matrices("eigvalsh", A, square=True)
    UPLO = _check_triangle("eigvalsh", UPLO)
    check_finite("eigvalsh", A)
    return _Eigvalsh.apply(A, UPLO)


# ---- any matrices


def _real(op: str, x: np.ndarray) -> np.ndarray:
    if np.iscomplexobj(x):
        raise NotImplementedError(f"linalg.{op}: some eigenvalues are complex, and dlcore has no complex dtype")
    return x


def eig(A: Tensor) -> Eigen:
    """(eigenvalues l, eigenvectors V in columns) with A V = V diag(l), in no order. No gradient.

    PyTorch's result is complex always; this one is real.

    Raises:
        NotImplementedError: if an eigenvalue is complex.
    """
    check_matrices("eig", A, square=True)
    without_gradient("eig", A)
    check_finite("eig", A)
    return Eigen(*run("eig", lambda a: tuple(_real("eig", x) for x in np.linalg.eig(a)), A))


def eigvals(A: Tensor) -> Tensor:
    """The eigenvalues of square matrices, real ones only (see eig), in no order. No gradient."""
    check_matrices("eigvals", A, square=True)
    without_gradient("eigvals", A)
    check_finite("eigvals", A)
    return run("eigvals", lambda a: _real("eigvals", np.linalg.eigvals(a)), A)


def svd(A: Tensor, full_matrices: bool = True) -> SVD:
    """A = U diag(S) Vh with orthogonal U and Vh, singular values S descending. No gradient; svdvals has one.

    A (*, m, n), k = min(m, n): U (*, m, m), S (*, k), Vh (*, n, n), or (*, m, k) and (*, k, n) without `full_matrices`.
    """
    check_matrices("svd", A)
    without_gradient("svd", A)
    check_finite("svd", A)
    return SVD(*run("svd", lambda a: tuple(np.linalg.svd(a, full_matrices=bool(full_matrices))), A))


class _Svdvals(Function):
    @staticmethod
    def forward(ctx, A):
        if not ctx.needs_input_grad[0]:
            return run("svdvals", lambda a: np.linalg.svd(a, compute_uv=False), A)
        U, S, Vh = run("svdvals", lambda a: tuple(np.linalg.svd(a, full_matrices=False)), A)
        ctx.save_for_backward(U, Vh)
        return S

    @staticmethod
    @once_differentiable
    def backward(ctx, dS):
        U, Vh = ctx.saved_tensors
        return (U * dS.unsqueeze(-2)) @ Vh


def svdvals(A: Tensor) -> Tensor:
    """The singular values of A (*, m, n), descending: (*, min(m, n)). Differentiable once: dA = U diag(dS) Vh."""
    check_matrices("svdvals", A)
    check_finite("svdvals", A)
    return _Svdvals.apply(A)


def qr(A: Tensor, mode: str = "reduced") -> QR:
    """A = Q R with orthonormal columns in Q and upper triangular R. No gradient.

    A (*, m, n), k = min(m, n). mode "reduced": Q (*, m, k), R (*, k, n); "complete": Q (*, m, m), R (*, m, n);
    "r": Q is empty, R (*, k, n).
    """
    check_matrices("qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"linalg.qr: mode must be 'reduced', 'complete' or 'r', but got {mode!r}")
    without_gradient("qr", A)
    if mode == "r":
        return QR(to_tensor(np.empty(0, A.dtype.name)), run("qr", lambda a: np.linalg.qr(a, "r"), A))
    return QR(*run("qr", lambda a: tuple(np.linalg.qr(a, mode)), A))
