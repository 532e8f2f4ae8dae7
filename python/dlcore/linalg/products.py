"""Products of matrices and vectors."""

from __future__ import annotations

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
