"""Products of matrices and vectors."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

from .. import _core
from .._core import Tensor
from .lapack import check_matrices
from .solvers import inv

matmul = _core.matmul
"""The matrix product, `dlcore.matmul`."""


def matrix_power(A: Tensor, n: int) -> Tensor:
    """A^n of square matrices by repeated squaring; of the inverse where n is negative. Differentiable."""
    check_matrices("matrix_power", A, square=True)
    n = operator.index(n)
    if n < 0:
        A, n = inv(A), -n
    result = None
    while n > 0:
        if n % 2:
            result = A if result is None else result @ A
        n //= 2
        A = A @ A if n else A
    return _core.eye(A.shape[-1], dtype=A.dtype).expand(A.shape).clone() if result is None else result


def matrix_exp(A: Tensor) -> Tensor:
    """exp(A) = I + A + A^2 / 2! + ... of square matrices. Differentiable.

    Taylor's polynomial of degree 14 of A / 2^s, whose norm is at most 1/2, squared s times: the rest of the series is
    below 2^-54.

    Source: Higham 2008, "Functions of Matrices", section 10.3.
    """
    check_matrices("matrix_exp", A, square=True)
    norm = float(A.detach().abs().sum(-1).max()) if A.numel() else 0.0
    squarings = max(0, math.frexp(norm)[1] + 1) if math.isfinite(norm) else 0
    A = A * 0.5**squarings
    eye = _core.eye(A.shape[-1], dtype=A.dtype)
    E = eye + A / 14
    for degree in range(13, 0, -1):
        E = eye + A @ E / degree
    for _ in range(squarings):
        E = E @ E
    return E


def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first n columns of H_1 H_2 ... H_k with H_i = I - tau_i v_i v_i^T, where v_i is column i of A below the
    diagonal, 1 on it and 0 above. Differentiable.

    A (*, m, n) with m >= n; tau (*, k) with k <= n.
    """
    check_matrices("householder_product", A)
    m, n = A.shape[-2:]
    if m < n or tau.shape[:-1] != A.shape[:-2] or tau.shape[-1] > n:
        raise RuntimeError(
            "linalg.householder_product: expected A (*, m, n) with m >= n and tau (*, k) with k <= n; got "
            f"{tuple(A.shape)} and {tuple(tau.shape)}"
        )
    eye = _core.eye(m, n, dtype=A.dtype)
    V, Q = A.tril(-1) + eye, eye.expand(A.shape)
    for i in reversed(range(tau.shape[-1])):
        v = V[..., i : i + 1]
        Q = Q - tau[..., i, None, None] * v @ (v.mT @ Q)
    return Q


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices, in the order that needs the fewest multiplications. Differentiable.

    The first may be a vector, which is a row; the last one a vector, which is a column.
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"linalg.multi_dot: expected at least 2 tensors but got {len(tensors)}")
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(f"linalg.multi_dot: expected Tensors but got {type(x).__name__}")
        ends = i in (0, len(tensors) - 1)
        if x.dim() != 2 and not (ends and x.dim() == 1):
            raise RuntimeError(f"linalg.multi_dot: tensor {i} must be a matrix, but has shape {tuple(x.shape)}")
    row, column = tensors[0].dim() == 1, tensors[-1].dim() == 1
    if row:
        tensors[0] = tensors[0].unsqueeze(0)
    if column:
        tensors[-1] = tensors[-1].unsqueeze(1)
    for a, b in zip(tensors, tensors[1:]):
        if a.shape[1] != b.shape[0]:
            raise RuntimeError(f"linalg.multi_dot: shapes {tuple(a.shape)} and {tuple(b.shape)} cannot be multiplied")
    y = _core.chain_matmul(*tensors)
    if row:
        y = y.squeeze(0)
    return y.squeeze(-1) if column else y


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The sum of x y along `dim`, after broadcasting. Differentiable."""
    return (x * y).sum(dim)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:  # noqa: A002
    """The vector product along `dim`, of size 3. Differentiable."""
    return _core.cross(input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonals of matrices."""
    return _core.diagonal(A, offset, dim1, dim2)
