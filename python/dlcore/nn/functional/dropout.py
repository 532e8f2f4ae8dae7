"""Elements and channels that are left out at random."""

from __future__ import annotations

import math
import warnings

from ... import _core
from ..._core import Tensor


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability `p` and scale the others by 1 / (1 - p); the identity unless `training`."""
    return _core.dropout_(input, p, training) if inplace else _core.dropout(input, p, training)


def _check_p(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _kept(input: Tensor, shape, p: float) -> Tensor:
    """1 with probability 1 - p, else 0."""
    return _core.empty(tuple(shape), dtype=input.dtype).bernoulli_(1 - p)


def _scaled(input: Tensor, scale, shift, inplace: bool) -> Tensor:
    if inplace:
        input.mul_(scale)
        return input if shift is None else input.add_(shift)
    output = input * scale
    return output if shift is None else output + shift


def _channels(op: str, input: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    if input.dim() < 2:
        raise RuntimeError(f"{op}: input must have at least 2 dimensions, but got shape {tuple(input.shape)}")
    if p == 0 or not training or input.numel() == 0:
        return input
    lead = 2 if batched else 1
    shape = (*input.shape[:lead], *(1 for _ in input.shape[lead:]))
    keep = _core.zeros(shape, dtype=input.dtype) if p == 1 else _kept(input, shape, p).div_(1 - p)
    return _scaled(input, keep, None, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each channel of (N, C, L) or (C, L) with probability `p` and scale the others by 1 / (1 - p); the identity
    unless `training`.

    Source: Tompson et al. 2014, arXiv:1411.4280.
    """
    _check_p(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(f"dropout1d: input must have 2 or 3 dimensions, but got shape {tuple(input.shape)}")
    return _channels("dropout1d", input, p, training, inplace, input.dim() == 3)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each channel of (N, C, H, W) with probability `p` and scale the others by 1 / (1 - p); the identity unless
    `training`. As in PyTorch, three dimensions are (N, C, L)."""
    _check_p(p)
    if input.dim() == 3:
        warnings.warn("dropout2d: an input of 3 dimensions is taken as (N, C, L); use dropout1d for that", stacklevel=2)
    elif input.dim() != 4:
        warnings.warn(f"dropout2d: input should have 4 dimensions, but got {input.dim()}; use dropout", stacklevel=2)
    return _channels("dropout2d", input, p, training, inplace, True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each channel of (N, C, D, H, W) or (C, D, H, W) with probability `p` and scale the others by 1 / (1 - p);
    the identity unless `training`."""
    _check_p(p)
    if input.dim() not in (4, 5):
        warnings.warn(
            f"dropout3d: input should have 4 or 5 dimensions, but got {input.dim()}; use dropout", stacklevel=2
        )
    return _channels("dropout3d", input, p, training, inplace, input.dim() == 5)


def _alpha(input: Tensor, shape, p: float, training: bool, inplace: bool) -> Tensor:
    """y = a (x m + alpha' (1 - m)) + b: what is left out becomes alpha' = -alpha lambda of SELU, and a, b restore mean
    0 and variance 1."""
    _check_p(p)
    if p == 0 or not training or input.numel() == 0:
        return input
    if p == 1:
        return _scaled(input, _core.zeros((), dtype=input.dtype), None, inplace)
    alpha = 1.7580993408473766
    a = 1 / math.sqrt((alpha * alpha * p + 1) * (1 - p))
    keep = _kept(input, shape, p)
    return _scaled(input, keep * a, (keep - 1) * (alpha * a) + alpha * a * p, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Bring each element to SELU's negative limit with probability `p`, and scale and shift so that mean 0 and variance
    1 stay; the identity unless `training`.

    Source: Klambauer et al. 2017, arXiv:1706.02515.
    """
    return _alpha(input, input.shape, p, training, inplace)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """alpha_dropout of whole channels of (N, C, *)."""
    if input.dim() < 2:
        _check_p(p)
        raise RuntimeError(
            f"feature_alpha_dropout: input must have at least 2 dimensions, but got shape {tuple(input.shape)}"
        )
    return _alpha(input, (*input.shape[:2], *(1 for _ in input.shape[2:])), p, training, inplace)


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """Zero the branch of a residual block with probability `p` and scale it by 1 / (1 - p) otherwise; the identity
    unless `training`. As torchvision.ops.stochastic_depth.

    Args:
        input: (N, *), the branch.
        p: the probability, from 0 to 1.
        mode: "batch" zeroes all of it or nothing, "row" decides for each of the N examples.
        training: as above. Default: True.

    Raises:
        ValueError: if `p` is outside [0, 1], for another mode, or rows of a tensor without dimensions.

    Source: Huang et al. 2016, arXiv:1603.09382.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if mode == "row" and input.dim() == 0:
        raise ValueError("stochastic_depth: input must have rows; expected at least 1 dimension but got 0")
    if not training or p == 0:
        return input
    shape = [1] * input.dim()
    if mode == "row":
        shape[0] = input.shape[0]
    keep = _kept(input, shape, p)
    return input * (keep.div_(1 - p) if p < 1 else keep)
