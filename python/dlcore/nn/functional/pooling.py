"""Pooling: one value of each window."""

from __future__ import annotations

from ... import _core
from ..._core import Tensor


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
