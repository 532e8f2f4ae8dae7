"""Norms of vectors and matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import _core
from .._core import Tensor
from .decompositions import svdvals
from .lapack import check_floating


def _converted(op: str, x: Tensor, dtype) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"linalg.{op}: expected a Tensor but got {type(x).__name__}")
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"linalg.{op}: expected a floating point tensor but got {x.dtype.name}")
    if dtype is None:
        return x
    if not isinstance(dtype, _core.dtype) or not dtype.is_floating_point:
        raise RuntimeError(f"linalg.{op}: dtype must be floating point, but got {dtype}")
    if dtype.itemsize < x.dtype.itemsize:
        raise RuntimeError(f"linalg.{op}: dtype must not be narrower than the input's {x.dtype.name}, but got {dtype}")
    return x.to(dtype)


def vector_norm(
    x: Tensor,
    ord: float = 2,  # noqa: A002
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: _core.dtype | None = None,
) -> Tensor:
    """(sum_i |x_i|^ord)^(1/ord) over `dim`, or over all elements.

    ord inf and -inf are the largest and the smallest |x_i|, ord 0 counts what is not 0. Differentiable.
    """
    if isinstance(ord, bool) or not isinstance(ord, (int, float)):
        raise TypeError(f"linalg.vector_norm: ord must be a number, but got {ord!r}")
    x = _converted("vector_norm", x, dtype)
    return _core.norm(x, float(ord), dim, keepdim)


def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",  # noqa: A002
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: _core.dtype | None = None,
) -> Tensor:
    """The norm of the matrices that lie along the two dimensions `dim`.

    ====== ==============================  ====== ==============================
    ord    norm                            ord    norm
    ====== ==============================  ====== ==============================
    "fro"  root of the sum of squares      "nuc"  sum of the singular values
    inf    largest sum of |row|            -inf   smallest sum of |row|
    1      largest sum of |column|         -1     smallest sum of |column|
    2      largest singular value          -2     smallest singular value
    ====== ==============================  ====== ==============================

    Differentiable.
    """
    A = _converted("matrix_norm", A, dtype)
    if A.dim() < 2:
        raise RuntimeError(f"linalg.matrix_norm: A must have at least 2 dimensions, but got shape {tuple(A.shape)}")
    if isinstance(dim, int) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must name two dimensions, but got {dim!r}")
    rows, columns = (_wrapped(d, A.dim()) for d in dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: the two dimensions must be different, but got {tuple(dim)}")
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord in ("nuc", 2, -2):
        check_floating("matrix_norm", A)
        S = svdvals(A.movedim((rows, columns), (-2, -1)))
        y = S.sum(-1) if ord == "nuc" else _extreme(S, ord, -1)
    elif ord in (1, -1, math.inf, -math.inf):
        summed, rest = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = A.abs().sum(summed)
        y = _extreme(sums, ord, rest - (rest > summed))
    else:
        raise RuntimeError(f"linalg.matrix_norm: ord {ord!r} is none of 'fro', 'nuc', inf, -inf, 1, -1, 2, -2")
    return y.unsqueeze(min(rows, columns)).unsqueeze(max(rows, columns)) if keepdim else y


def _wrapped(d: int, dims: int) -> int:
    if not isinstance(d, int) or not -dims <= d < dims:
        raise IndexError(f"linalg: a dimension must be in [{-dims}, {dims - 1}], but got {d!r}")
    return d % dims


def _extreme(values: Tensor, ord: float, dim: int) -> Tensor:  # noqa: A002
    """The largest of the values where ord > 0, the smallest where it is negative; the largest of none is 0."""
    if values.shape[dim] == 0 and ord > 0:
        return values.sum(dim)
    return values.amax(dim) if ord > 0 else values.amin(dim)


def norm(
    input: Tensor,  # noqa: A002
    ord: float | str | None = None,  # noqa: A002
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: _core.dtype | None = None,
) -> Tensor:
    """vector_norm where `dim` is one dimension, matrix_norm where it is two.

    Without `ord`: the root of the sum of squares over `dim`, or all dimensions. Without `dim` the input must be a
    vector or a matrix.
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"linalg.norm: expected a Tensor but got {type(input).__name__}")
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: dim must name one or two dimensions, but got {dim!r}")
    if ord is None:
        return vector_norm(input, 2, dims, keepdim, dtype=dtype)
    if dims is None:
        if input.dim() not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: without dim, input must be a vector or a matrix, but got shape {tuple(input.shape)}"
            )
        dims = (0,) if input.dim() == 1 else (0, 1)
    if len(dims) == 2:
        return matrix_norm(input, ord, dims, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: ord {ord!r} is for matrices, but dim names one dimension")
    return vector_norm(input, ord, dims, keepdim, dtype=dtype)
