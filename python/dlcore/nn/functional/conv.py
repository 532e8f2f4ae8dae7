"""Convolutions."""

from __future__ import annotations

from ... import _core
from ..._core import Tensor


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
