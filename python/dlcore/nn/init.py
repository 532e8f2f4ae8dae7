"""Filling tensors with the values that training starts from. All work in place, without recording gradients, and return
the tensor; `generator` draws from a generator of one's own.

For a weight of shape (out, in, *window): fan_in = in prod(window), fan_out = out prod(window).
"""

from __future__ import annotations

import math
import warnings

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import no_grad


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on the standard deviation that keeps the variance through a nonlinearity.

    1 for linear, conv*d, conv_transpose*d and sigmoid; 5/3 for tanh; sqrt(2) for relu; sqrt(2 / (1 + slope^2)) for
    leaky_relu, with the slope `param` (default 0.01); 3/4 for selu.

    Raises:
        ValueError: for another name, or a slope that is no number.
    """
    linear = {"linear", "sigmoid"} | {f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)}
    gains = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    if nonlinearity in linear:
        return 1
    if nonlinearity in gains:
        return gains[nonlinearity]
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {slope} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator=None) -> Tensor:
    """Values of U(a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator=None) -> Tensor:
    """Values of N(mean, std^2)."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator=None
) -> Tensor:
    """Values of N(mean, std^2) within [a, b]: the inverse of the distribution function, of a uniform variable.

    Raises:
        ValueError: if `std` is not positive.
    """
    if not std > 0:
        raise ValueError(f"trunc_normal_: std must be positive, but got {std}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
            "incorrect.",
            stacklevel=2,
        )
    low, high = (math.erf((bound - mean) / (std * math.sqrt(2.0))) for bound in (a, b))
    with no_grad():
        drawn = _core.empty(tensor.shape, dtype=_core.float64).uniform_(low, high, generator=generator).erfinv_()
        return tensor.copy_(drawn.mul_(std * math.sqrt(2.0)).add_(mean).clamp_(a, b))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """The value `val` everywhere."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity, for a matrix; ValueError for another shape."""
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with no_grad():
        return tensor.copy_(_core.eye(*tensor.shape, dtype=tensor.dtype))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """The convolution that returns its input: a 1 in the middle of the window from each channel to the same channel.

    Args:
        tensor: the weight, of 3 to 5 dimensions.
        groups: how many groups of channels keep theirs. Default: 1.

    Raises:
        ValueError: for another number of dimensions, or if `groups` does not divide the first.
    """
    if tensor.dim() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    out_channels, in_channels, *window = tensor.shape
    if out_channels % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = out_channels // groups
    middle = tuple(size // 2 for size in window)
    with no_grad():
        tensor.zero_()
        for first in range(0, out_channels, per_group) if per_group else ():
            for channel in range(min(per_group, in_channels)):
                tensor[(first + channel, channel, *middle)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    out_channels, in_channels, *window = tensor.shape
    area = math.prod(window)
    return in_channels * area, out_channels * area


def _fan(tensor: Tensor, mode: str) -> int:
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    fans = {"fan_in": fan_in, "fan_out": fan_out}
    if mode.lower() not in fans:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(fans)}")
    return fans[mode.lower()]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator=None) -> Tensor:
    """U(-a, a) with a = gain sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator=None) -> Tensor:
    """N(0, s^2) with s = gain sqrt(2 / (fan_in + fan_out)). Source: as `xavier_uniform_`."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    return calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator=None
) -> Tensor:
    """U(-k, k) with k = gain sqrt(3 / fan).

    Args:
        tensor: the weight.
        a: the slope below 0, for leaky_relu. Default: 0.
        mode: "fan_in" keeps the variance forward, "fan_out" backward. Default: "fan_in".
        nonlinearity: a name that `calculate_gain` knows. Default: "leaky_relu".

    Source: He et al. 2015, arXiv:1502.01852.
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator=None
) -> Tensor:
    """N(0, s^2) with s = gain / sqrt(fan); the arguments and the source are those of `kaiming_uniform_`."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator=None) -> Tensor:
    """`gain` times a random (semi-)orthogonal matrix; further dimensions count as columns.

    Raises:
        ValueError: for fewer than 2 dimensions.

    Source: Saxe et al. 2013, arXiv:1312.6120.
    """
    import numpy as np

    if tensor.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    drawn = _core.empty((max(rows, columns), min(rows, columns)), dtype=_core.float64).normal_(generator=generator)
    q, r = np.linalg.qr(drawn.numpy())
    q = q * np.sign(np.diag(r))  # makes q uniform: Mezzadri 2007, arXiv:math-ph/0609050
    q = np.ascontiguousarray(gain * (q.T if rows < columns else q))
    with no_grad():
        return tensor.copy_(_core.from_numpy(q).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator=None) -> Tensor:
    """N(0, std^2), with the fraction `sparsity` of the elements of each column (rounded up) set to 0.

    Raises:
        ValueError: unless the tensor is a matrix.

    Source: Martens 2010, "Deep learning via Hessian-free optimization".
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[_core.randperm(rows, generator=generator)[:zeros], column] = 0
    return tensor
