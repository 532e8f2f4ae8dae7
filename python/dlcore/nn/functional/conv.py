"""Convolutions."""

from __future__ import annotations

from ... import _core
from ..._core import Tensor


def conv1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0, dilation=1, groups: int = 1):
    """1-D convolution: `conv2d` of (N, C, L) or (C, L) with weight (out_channels, C / groups, kW)."""
    return _core.conv1d(input, weight, bias, stride, padding, dilation, groups)


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
    return _core.conv2d(input, weight, bias, stride, padding, dilation, groups)


def conv2d_act(
    input: Tensor, weight: Tensor, bias=None, stride=1, padding=0, dilation=1, groups: int = 1, activation="relu"
):
    """activation(conv2d(...)) in one pass over memory, and in one backward. dlcore's own.

    Args:
        padding: numbers, as in `conv2d`.
        activation: "relu", "relu6" or "none". Default: "relu".

    The other arguments are those of `conv2d`.
    """
    return _core.conv2d_act(input, weight, bias, stride, padding, dilation, groups, activation)


def conv3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0, dilation=1, groups: int = 1):
    """3-D convolution: `conv2d` of (N, C, D, H, W) or (C, D, H, W) with weight (out_channels, C / groups, kD, kH, kW).

    It is the sum of kD two-dimensional convolutions.
    """
    return _core.conv3d(input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias=None, stride=1, padding=0, output_padding=0, groups: int = 1, dilation=1
):
    """1-D transposed convolution: `conv_transpose2d` of (N, C, L) or (C, L), weight (C, out_channels / groups, kW)."""
    return _core.conv_transpose1d(input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias=None, stride=1, padding=0, output_padding=0, groups: int = 1, dilation=1
):
    """2-D transposed convolution, the gradient of `conv2d` by its input.

    y[n, k, a, b] = bias[k] + sum_{c, i, j, u, v} x[n, c, i, j] w[c, k, u, v]
        over the places with i stride + u dilation - padding = a and j stride + v dilation - padding = b.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (C, out_channels / groups, kH, kW).
        bias: (out_channels), or None.
        stride, dilation: one number, or a pair for the height and the width. Default: 1.
        padding: what is cut off on both sides. Default: 0.
        output_padding: what is added below and to the right; smaller than stride or dilation. Default: 0.
        groups: how many groups the channels fall into. Default: 1.

    Returns: sizes (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
    """
    return _core.conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias=None, stride=1, padding=0, output_padding=0, groups: int = 1, dilation=1
):
    """3-D transposed convolution: `conv_transpose2d` with a depth; weight (C, out_channels / groups, kD, kH, kW)."""
    return _core.conv_transpose3d(input, weight, bias, stride, padding, output_padding, groups, dilation)
