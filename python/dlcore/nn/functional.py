"""Layers, activations and losses as functions, under PyTorch's names.

The arithmetic is C++ (`dlcore._core`); this module gives the functions their full signatures, with ``inplace`` and the
reductions, and composes the few that are plain sums of other ops.
"""

from __future__ import annotations

import math
import warnings

from .. import _core
from .._core import (
    Tensor,
    gelu,
    glu,
    hardshrink,
    linear,
    logsigmoid,
    prelu,
    sigmoid,
    softplus,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
)
from .._tensor import tensordot

__all__ = [
    "avg_pool2d",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "huber_loss",
    "l1_loss",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool2d",
    "mish",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]


# --- activations


def _in_place(op, input: Tensor, *args) -> Tensor:
    """`op` with its result written over `input`. The gradient is taken from a copy, since the values it may need are
    overwritten."""
    source = input.clone() if input.requires_grad and _core.is_grad_enabled() else input
    return input.copy_(op(source, *args))


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, x), elementwise. `inplace` overwrites the input."""
    return _in_place(_core.relu, input) if inplace else _core.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(0, x), 6), elementwise. `inplace` overwrites the input."""
    return _in_place(_core.relu6, input) if inplace else _core.relu6(input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1). `inplace` overwrites the input.

    Source: Clevert et al. 2016, arXiv:1511.07289."""
    return _in_place(_core.elu, input, alpha) if inplace else _core.elu(input, alpha)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1)). `inplace` overwrites the input.

    Source: Barron 2017, arXiv:1704.07483."""
    return _in_place(_core.celu, input, alpha) if inplace else _core.celu(input, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """scale (max(0, x) + min(0, alpha (exp(x) - 1))) with alpha = 1.6733, scale = 1.0507. `inplace` overwrites the
    input.

    Source: Klambauer et al. 2017, arXiv:1706.02515."""
    return _in_place(_core.selu, input) if inplace else _core.selu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope x. `inplace` overwrites the input."""
    return _in_place(_core.leaky_relu, input, negative_slope) if inplace else _core.leaky_relu(input, negative_slope)


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Leaky ReLU with a slope drawn from U(lower, upper) for every element while training, and their mean otherwise.

    Source: Xu et al. 2015, arXiv:1505.00853."""
    return (
        _in_place(_core.rrelu, input, lower, upper, training) if inplace else _core.rrelu(input, lower, upper, training)
    )


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """min(max(x, min_val), max_val). `inplace` overwrites the input."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, but got {min_val} and {max_val}")
    return _in_place(_core.hardtanh, input, min_val, max_val) if inplace else _core.hardtanh(input, min_val, max_val)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6. `inplace` overwrites the input."""
    return _in_place(_core.hardsigmoid, input) if inplace else _core.hardsigmoid(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6. `inplace` overwrites the input.

    Source: Howard et al. 2019, arXiv:1905.02244."""
    return _in_place(_core.hardswish, input) if inplace else _core.hardswish(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x). `inplace` overwrites the input.

    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415; Elfwing et al. 2017, arXiv:1702.03118."""
    return _in_place(_core.silu, input) if inplace else _core.silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)). `inplace` overwrites the input.

    Source: Misra 2019, arXiv:1908.08681."""
    return _in_place(_core.mish, input) if inplace else _core.mish(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else `value`. `inplace` overwrites the input."""
    return _in_place(_core.threshold, input, threshold, value) if inplace else _core.threshold(input, threshold, value)


def relu_(input: Tensor) -> Tensor:
    """`relu`, in place."""
    return relu(input, inplace=True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu`, in place."""
    return elu(input, alpha, inplace=True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu`, in place."""
    return celu(input, alpha, inplace=True)


def selu_(input: Tensor) -> Tensor:
    """`selu`, in place."""
    return selu(input, inplace=True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu`, in place."""
    return leaky_relu(input, negative_slope, inplace=True)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """`rrelu`, in place."""
    return rrelu(input, lower, upper, training, inplace=True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh`, in place."""
    return hardtanh(input, min_val, max_val, inplace=True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold`, in place."""
    return globals()["threshold"](input, threshold, value, inplace=True)


def _implicit_dim(name: str, input: Tensor, stacklevel: int) -> int:
    dim = 0 if input.dim() in (0, 1, 3) else 1
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim={dim} as an "
        "argument.",
        stacklevel=stacklevel + 1,
    )
    return dim


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """exp(x_i) / sum_j exp(x_j) along `dim`; `dtype` converts the input first."""
    if dim is None:
        dim = _implicit_dim("softmax", input, _stacklevel)
    return _core.softmax(input, dim) if dtype is None else _core.softmax(input, dim, dtype=dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """softmax(-x) along `dim`; `dtype` converts the input first."""
    if dim is None:
        dim = _implicit_dim("softmin", input, _stacklevel)
    return softmax(-input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """log(softmax(x)) along `dim`, computed without overflow; `dtype` converts the input first."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input, _stacklevel)
    return _core.log_softmax(input, dim) if dtype is None else _core.log_softmax(input, dim, dtype=dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of the Gumbel-softmax distribution: softmax((logits + g) / tau), g ~ Gumbel(0, 1).

    Args:
        logits: unnormalized log-probabilities, (..., classes, ...).
        tau: the temperature. Default: 1.
        hard: return one-hot samples, with the gradient of the soft ones. Default: False.
        eps: accepted for older code, and without effect.
        dim: the dimension of the classes. Default: -1.

    Source: Jang et al. 2017, arXiv:1611.01144.
    """
    noise = -_core.empty_like(logits).exponential_().log()
    soft = _core.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    chosen = soft.detach().argmax(dim, keepdim=True)
    one = _core.zeros_like(soft).scatter_(dim, chosen, 1.0)
    return one - soft.detach() + soft


# --- layers


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_o = sum_ij x1_i w_oij x2_j + b_o.

    Args:
        input1: (..., in1_features).
        input2: (..., in2_features), with the same leading sizes.
        weight: (out_features, in1_features, in2_features).
        bias: (out_features), or None.

    Returns:
        (..., out_features).
    """
    if weight.dim() != 3 or input1.shape[-1:] != weight.shape[1:2] or input2.shape[-1:] != weight.shape[2:]:
        raise RuntimeError(
            "bilinear: weight must have shape (out_features, in1_features, in2_features); expected in1_features, "
            f"in2_features of inputs {tuple(input1.shape)}, {tuple(input2.shape)} but got weight of shape "
            f"{tuple(weight.shape)}"
        )
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            "bilinear: input2 must have input1's leading sizes; expected "
            f"{tuple(input1.shape[:-1])} but got {tuple(input2.shape[:-1])}"
        )
    # (..., o, i) = x2 w^T, then contracted with x1
    output = _core.matmul(tensordot(input2, weight, dims=([-1], [2])), input1.unsqueeze(-1)).squeeze(-1)
    return output if bias is None else output + bias


def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0, dilation=1, groups: int = 1):
    """2-D convolution (cross-correlation).

    y[n, k, i, j] = b[k] + sum_{c, u, v} x[n, c, i stride + u dilation - padding, ...] w[k, c, u, v]

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (out_channels, C / groups, kH, kW).
        bias: (out_channels), or None.
        stride, dilation: one number, or a pair for the height and the width. Default: 1.
        padding: zeros added on both sides, a number or a pair; "valid" for none, "same" for an output of the input's
            size (with stride 1). Default: 0.
        groups: how many groups the channels fall into. Default: 1.
    """
    if not isinstance(padding, str):
        return _core.conv2d(input, weight, bias, stride, padding, dilation, groups)
    if padding not in ("same", "valid"):
        raise ValueError(f"conv2d: padding must be 'same', 'valid', a number or a pair, but got {padding!r}")
    if padding == "valid":
        return _core.conv2d(input, weight, bias, stride, 0, dilation, groups)
    if pair(stride) != (1, 1):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    sides = same_padding(weight.shape[2:], pair(dilation))
    if all(sides[2 * i] == sides[2 * i + 1] for i in range(2)):
        return _core.conv2d(input, weight, bias, stride, (sides[2], sides[0]), dilation, groups)
    return _core.conv2d(pad(input, sides), weight, bias, stride, 0, dilation, groups)


def pair(value) -> tuple:
    """(value, value) for a number, and a tuple of the values otherwise."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def same_padding(kernel_size, dilation) -> list[int]:
    """The padding, in `pad`'s order (last dimension first), that keeps the size at stride 1; an odd one goes behind."""
    totals = [d * (k - 1) for k, d in zip(kernel_size, dilation, strict=True)]
    return [side for total in reversed(totals) for side in (total // 2, total - total // 2)]


def pad(input: Tensor, pad, mode: str = "constant", value: float | None = None) -> Tensor:
    """Add elements around a tensor, or take them away where a number is negative.

    Args:
        input: any shape. The modes other than "constant" pad the last dimensions only, as many as `pad` names.
        pad: (left, right) of the last dimension, then of the one before, and so on.
        mode: "constant", "reflect" (mirrored without the border), "replicate" (the border repeated) or "circular".
        value: what "constant" fills in. Default: 0.

    Raises:
        ValueError: for an odd number of sizes or an unknown mode.
        RuntimeError: where the input is smaller than the padding needs.
    """
    sides = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad) - 1, 2)]
    if len(pad) % 2 or len(sides) > input.dim():
        raise ValueError(f"pad: pad must hold two numbers for each of at most {input.dim()} dimensions, but got {pad}")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode must be constant, reflect, replicate or circular, but got {mode!r}")
    if mode != "constant" and value:
        raise ValueError(f'pad: mode "{mode}" takes no value, but got {value}')
    if mode == "constant":
        return _pad_constant(input, sides, 0 if value is None else value)
    for i, (before, after) in enumerate(sides):
        if before or after:
            dim = input.dim() - 1 - i
            places = _padded_places(input.shape[dim], before, after, mode)
            input = _core.index_select(input, dim, _core.tensor(places, dtype=_core.int64))
    return input


def _pad_constant(input: Tensor, sides, value) -> Tensor:
    shape = list(input.shape)
    kept = [slice(None)] * len(shape)  # of the input
    place = [slice(None)] * len(shape)  # of the output
    for i, (before, after) in enumerate(sides):
        dim = len(shape) - 1 - i
        size = shape[dim] + before + after
        if size < 0:
            raise RuntimeError(
                f"pad: the padded size of dimension {dim} must not be negative; got {shape[dim]} + {before} + {after}"
            )
        kept[dim] = slice(max(-before, 0), shape[dim] - max(-after, 0))
        place[dim] = slice(max(before, 0), size - max(after, 0))
        shape[dim] = size
    output = input.new_full(shape, value)
    output[tuple(place)] = input[tuple(kept)]
    return output


def _padded_places(size: int, before: int, after: int, mode: str) -> list[int]:
    """For every place of the padded dimension, the place of the input that it shows."""
    most = {"reflect": size - 1, "circular": size, "replicate": math.inf if size else 0}[mode]
    if max(before, after) > most:
        raise RuntimeError(
            f'pad: mode "{mode}" needs a padding of at most {most} for an input of size {size}, but got '
            f"{before}, {after}"
        )
    places = range(-before, size + after)
    if mode == "circular":
        return [i % size for i in places]
    if mode == "replicate":
        return [min(max(i, 0), size - 1) for i in places]
    return [size - 1 - abs(size - 1 - abs(i)) for i in places]


def max_pool2d(
    input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices=False
):
    """The largest value of each window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: the window, a number or a pair.
        stride: the step; `kernel_size` where it is None.
        padding: minus infinities on both sides, at most half the window. Default: 0.
        dilation: the step between elements of a window. Default: 1.
        ceil_mode: round the output's size up. Default: False.
        return_indices: return also where in the (H, W) plane each value was. Default: False.
    """
    stride = kernel_size if stride is None else stride
    if return_indices:
        return _core.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _core.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool2d(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: the window, a number or a pair.
        stride: the step; `kernel_size` where it is None.
        padding: zeros on both sides, at most half the window. Default: 0.
        ceil_mode: round the output's size up. Default: False.
        count_include_pad: count the zeros of the padding in the mean. Default: True.
        divisor_override: divide by this instead of by the size of the window. Default: None.
    """
    stride = kernel_size if stride is None else stride
    return _core.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability `p` and scale the others by 1 / (1 - p); the identity unless `training`."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return _in_place(_core.dropout, input, p, training) if inplace else _core.dropout(input, p, training)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers as rows with a one.

    Args:
        tensor: (*), of int64.
        num_classes: the length of a row; the largest number plus 1 where it is -1.

    Returns:
        (*, num_classes), of int64.
    """
    if tensor.dtype != _core.int64:
        raise RuntimeError(f"one_hot: tensor must be of dtype int64, but got {tensor.dtype}")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("one_hot: num_classes must be positive for an empty tensor")
        return _core.empty((*tensor.shape, num_classes), dtype=_core.int64)
    if tensor.min().item() < 0:
        raise RuntimeError("Class values must be non-negative.")
    largest = tensor.max().item()
    if num_classes == -1:
        num_classes = largest + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif largest >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    rows = _core.zeros((*tensor.shape, num_classes), dtype=_core.int64)
    return rows.scatter_(-1, tensor.unsqueeze(-1), 1)


# --- losses


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str = "mean") -> str:
    """`reduction`, or what the older arguments `size_average` and `reduce` say in its place."""
    if size_average is None and reduce is None:
        return reduction
    average = True if size_average is None else size_average
    reduction = "none" if reduce is False else "mean" if average else "sum"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.", stacklevel=4
    )
    return reduction


def _reduced(loss: Tensor, reduction: str, weight: Tensor | None = None) -> Tensor:
    """The mean (weighted: over the sum of weights), the sum, or the losses as they are."""
    if weight is not None:
        loss = loss * weight
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    if reduction != "mean":
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return loss.mean() if weight is None else loss.sum() / weight.expand_as(loss).sum()


def _warn_of_broadcast(input: Tensor, target: Tensor) -> None:
    if target.shape != input.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-sum_c target_c log(softmax(input)_c): see `dlcore.nn.CrossEntropyLoss`."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce)
    return _core.cross_entropy(
        input, target, weight=weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
    )


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input[target], averaged: see `dlcore.nn.NLLLoss`."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce)
    return _core.nll_loss(input, target, weight=weight, ignore_index=ignore_index, reduction=reduction)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)^2, reduced. With `weight` (of the input's shape) the mean is over the sum of weights."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce)
    _warn_of_broadcast(input, target)
    if weight is None:
        return _core.mse_loss(input, target, reduction=reduction)
    return _reduced(_core.mse_loss(input, target, reduction="none"), reduction, weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|, reduced. With `weight` (of the input's shape) the mean is over the sum of weights."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce)
    _warn_of_broadcast(input, target)
    return _reduced((input - target).abs(), reduction, weight)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d^2 / (2 beta) where d = |input - target| < beta, else d - beta / 2; reduced."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, but got {beta}")
    _warn_of_broadcast(input, target)
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    distance = (input - target).abs()
    near = distance.clamp(max=beta)  # its slope is 0 where the loss is linear
    return _reduced(near * near / (2 * beta) + (distance - near), reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d^2 / 2 where d = |input - target| <= delta, else delta (d - delta / 2); reduced."""
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, but got {delta}")
    _warn_of_broadcast(input, target)
    distance = (input - target).abs()
    near = distance.clamp(max=delta)
    return _reduced(near * near / 2 + delta * (distance - near), reduction, weight)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t log(x) + (1 - t) log(1 - x)) for probabilities x, with the logarithms no less than -100; reduced."""
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    if input.numel() and not bool(((input >= 0) & (input <= 1)).all()):
        raise RuntimeError("all elements of input should be between 0 and 1")
    loss = -(target * input.log().clamp(min=-100) + (1 - target) * (1 - input).log().clamp(min=-100))
    return _reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-(p t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x))), computed without overflow; reduced.

    `weight` scales each loss, `pos_weight` (p above) those of the positive examples; both broadcast.
    """
    if size_average is not None or reduce is not None:
        reduction = reduction_of(size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    positive = -_core.logsigmoid(input)  # -log(sigmoid(x)); the other one is x more
    scale = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
    loss = (1 - target) * input + scale * positive
    return _reduced(loss if weight is None else loss * weight, reduction)
