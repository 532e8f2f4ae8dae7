"""Pooling."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from . import functional as F
from .module import Module


class MaxPool2d(Module):
    """The largest value of each window.

    Args:
        kernel_size: the window, a number or a pair (height, width).
        stride: the step; `kernel_size` where it is None (the default).
        padding: minus infinities on both sides, at most half the window. Default: 0.
        dilation: the step between the elements of a window. Default: 1.
        return_indices: return also where in the (H, W) plane each value was. Default: False.
        ceil_mode: round the output's size up. Default: False.

    Shapes: (N, C, H, W) or (C, H, W) to the same with the sizes
        floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor):
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of each window.

    Args:
        kernel_size: the window, a number or a pair (height, width).
        stride: the step; `kernel_size` where it is None (the default).
        padding: zeros on both sides, at most half the window. Default: 0.
        ceil_mode: round the output's size up. Default: False.
        count_include_pad: count the zeros of the padding in the mean. Default: True.
        divisor_override: divide by this instead of by the size of the window. Default: None.

    Shapes: (N, C, H, W) or (C, H, W) to the same with the sizes floor((size + 2 padding - kernel) / stride) + 1.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return _core.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
