"""Checks that the attentions of linear_attention, low_rank_attention and clustered_attention share."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from .attention import KeyPadding


def check_operands(name: str, query: Tensor, key: Tensor, value: Tensor, *, dims: int = 2, same: bool = False) -> None:
    """query (..., L, D), key (..., S, D) and value (..., S, E) fit together; with `same`, L = S.

    Raises:
        TypeError: if one is no Tensor.
        RuntimeError: if one has fewer than `dims` dimensions, or dtypes or shapes do not fit.
    """
    for argument, x in (("query", query), ("key", key), ("value", value)):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: {argument} must be a Tensor, but got {type(x).__name__}")
        if not x.is_floating_point() or x.dtype != query.dtype:
            raise RuntimeError(
                f"{name}: {argument} must be of one floating point dtype with query, {query.dtype}; got {x.dtype}"
            )
        if x.dim() < dims:
            shape = "(..., heads, tokens, features)" if dims > 2 else "(..., tokens, features)"
            raise RuntimeError(f"{name}: {argument} must have shape {shape}; got {tuple(x.shape)}")
        if x.shape[:-2] != query.shape[:-2]:
            raise RuntimeError(
                f"{name}: {argument} must have query's leading sizes; expected {tuple(query.shape[:-2])} but got "
                f"{tuple(x.shape[:-2])}"
            )
    if key.shape[-1] != query.shape[-1]:
        raise RuntimeError(
            f"{name}: key must have query's features; expected {query.shape[-1]} but got {key.shape[-1]}"
        )
    if value.shape[-2] != key.shape[-2]:
        raise RuntimeError(f"{name}: value must be as long as key; expected {key.shape[-2]} but got {value.shape[-2]}")
    if same and query.shape[-2] != key.shape[-2]:
        raise RuntimeError(f"{name}: key must be as long as query; expected {query.shape[-2]} but got {key.shape[-2]}")


def prepared(
    name: str,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | KeyPadding | None = None,
    enable_gqa: bool = False,
    *,
    dims: int = 2,
    same: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """key and value after `check_operands`, with a head for each of query's, and which keys are padding, if any.

    With enable_gqa each head of key and value serves as many of query's, one after the other. Keys and values that are
    padding become zeros, whatever they were; the mask is of shape (..., 1, S), with 1 for the heads, or (S,) of (S, D).
    """
    if enable_gqa and all(isinstance(x, Tensor) and x.dim() > 2 for x in (query, key, value)):
        heads = query.shape[-3]
        for argument, x in (("key", key), ("value", value)):
            if not x.shape[-3] or heads % x.shape[-3]:
                raise RuntimeError(f"{name}: heads of {argument} must divide the {heads} of query; got {x.shape[-3]}")
        key, value = (x.repeat_interleave(heads // x.shape[-3], -3) for x in (key, value))
    check_operands(name, query, key, value, dims=dims, same=same)
    padding = padding_of(name, "key_padding_mask", key_padding_mask, key)
    if padding is not None:
        key, value = (x.masked_fill(padding.unsqueeze(-1), 0.0) for x in (key, value))
    return key, value, padding


def padding_of(name: str, argument: str, mask: Tensor | KeyPadding | None, x: Tensor) -> Tensor | None:
    """mask, True where a token of x (..., heads, S, D) is padding, as (..., 1, S); (S,) where x is (S, D).

    Raises:
        TypeError: if it is no bool Tensor or KeyPadding.
        RuntimeError, ValueError: if it is of another shape, or has lengths beyond S.
    """
    if mask is None:
        return None
    shape = (*x.shape[:-3], x.shape[-2])
    if isinstance(mask, KeyPadding):
        if len(shape) != 2:
            raise RuntimeError(
                f"{name}: {argument} can be KeyPadding where key has shape (N, heads, S, D); got {tuple(x.shape)}"
            )
        return ~mask.dense(1, shape[1], shape[0])
    if not isinstance(mask, Tensor) or mask.dtype != _core.bool:
        got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"{name}: {argument} must be a bool Tensor or KeyPadding; got {got}")
    if tuple(mask.shape) != shape:
        raise RuntimeError(f"{name}: {argument} must have shape {shape}; got {tuple(mask.shape)}")
    return mask.unsqueeze(-2) if x.dim() > 2 else mask


def check_count(name: str, argument: str, value: int, most: int = 2**31 - 1) -> None:
    """value is an int in [1, most]; else a ValueError."""
    if not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name}: {argument} must be an int in [1, {most}]; got {value!r}")


def check_scale(name: str, scale: float | None, features: int) -> float:
    """The factor of the products of queries and keys: by default 1 / sqrt(features)."""
    if scale is None:
        return max(features, 1) ** -0.5
    if not isinstance(scale, (int, float)) or not 0 < scale < float("inf"):
        raise ValueError(f"{name}: scale must be positive and finite; got {scale!r}")
    return float(scale)


def check_dropout(name: str, dropout_p: float) -> None:
    if not isinstance(dropout_p, (int, float)) or not 0 <= dropout_p < 1:
        raise ValueError(f"{name}: dropout must be in [0, 1); got {dropout_p!r}")


def check_shape(name: str, argument: str, x: Tensor, rows: int | None, columns: int, heads: int | None = None) -> None:
    """x is a matrix (rows, columns), of at least one row, or with `heads` given one for each head, or for all of them.

    Raises:
        RuntimeError: if it is not.
    """
    if isinstance(x, Tensor) and x.is_floating_point() and x.shape[-2:] and len(x.shape) >= 2:
        fits = x.shape[-1] == columns and (x.shape[-2] > 0 if rows is None else x.shape[-2] == rows)
        if fits and (x.dim() == 2 or (heads is not None and x.dim() == 3 and x.shape[0] in (1, heads))):
            return
    matrix = f"({'rows' if rows is None else rows}, {columns})"
    expected = matrix if heads is None else f"{matrix} or ({heads}, {matrix[1:]}"
    got = f"{tuple(x.shape)} of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
    raise RuntimeError(f"{name}: {argument} must have shape {expected}; got {got}")
