"""Pooling. Formulas, shapes and errors are those of the function of the same name in `dlcore.nn.functional`."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from . import functional as F
from .module import Module


def _numbers(value, n: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


class _MaxPool(Module):
    def __init__(
        self, kernel_size, stride=None, padding=0, dilation=1, return_indices: bool = False, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def _arguments(self):
        return self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest value of each window of (N, C, L) or (C, L); arguments as in MaxPool2d."""

    def forward(self, input: Tensor):
        return F.max_pool1d(input, *self._arguments())


class MaxPool2d(_MaxPool):
    """The largest value of each window.

    Args:
        kernel_size: the window, a number or one for each dimension.
        stride: the step; `kernel_size` where it is None (the default).
        padding: minus infinities on both sides, at most half the window. Default: 0.
        dilation: the step between the elements of a window. Default: 1.
        return_indices: return also where in the (H, W) plane each value was. Default: False.
        ceil_mode: round the output's size up. Default: False.

    Shapes: (N, C, H, W) or (C, H, W) to the same with the sizes
        floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
    """

    def forward(self, input: Tensor):
        return F.max_pool2d(input, *self._arguments())


class MaxPool3d(_MaxPool):
    """The largest value of each window of (N, C, D, H, W) or (C, D, H, W); arguments as in MaxPool2d."""

    def forward(self, input: Tensor):
        return F.max_pool3d(input, *self._arguments())


class _AvgPool(Module):
    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
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

    def _arguments(self):
        return (
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The mean of each window of (N, C, L) or (C, L); arguments as in AvgPool2d, without a divisor_override."""

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode: bool = False, count_include_pad: bool = True
    ) -> None:
        stride = _numbers(kernel_size if stride is None else stride, 1)
        super().__init__(_numbers(kernel_size, 1), stride, _numbers(padding, 1), ceil_mode, count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        return _core.avg_pool1d(input, *self._arguments()[:-1])


class AvgPool2d(_AvgPool):
    """The mean of each window.

    Args:
        kernel_size: the window, a number or one for each dimension.
        stride: the step; `kernel_size` where it is None (the default).
        padding: zeros on both sides, at most half the window. Default: 0.
        ceil_mode: round the output's size up. Default: False.
        count_include_pad: count the zeros of the padding in the mean. Default: True.
        divisor_override: divide by this instead of by the size of the window. Default: None.

    Shapes: (N, C, H, W) or (C, H, W) to the same with the sizes floor((size + 2 padding - kernel) / stride) + 1.
    """

    def forward(self, input: Tensor) -> Tensor:
        return _core.avg_pool2d(input, *self._arguments())


class AvgPool3d(_AvgPool):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W); arguments as in AvgPool2d."""

    def forward(self, input: Tensor) -> Tensor:
        return _core.avg_pool3d(input, *self._arguments())


class _AdaptiveAvgPool(Module):
    def __init__(self, output_size) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPool(_AdaptiveAvgPool):
    def __init__(self, output_size, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of `output_size` parts of (N, C, L) or (C, L); None keeps the input's size."""

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of `output_size` parts of (N, C, H, W) or (C, H, W); None keeps the input's size."""

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of `output_size` parts of (N, C, D, H, W) or (C, D, H, W); None keeps the input's size."""

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The maxima of `output_size` parts of (N, C, L) or (C, L); None keeps the input's size.
    With `return_indices` also where in the image they were."""

    def forward(self, input: Tensor):
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The maxima of `output_size` parts of (N, C, H, W) or (C, H, W); None keeps the input's size.
    With `return_indices` also where in the image they were."""

    def forward(self, input: Tensor):
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The maxima of `output_size` parts of (N, C, D, H, W) or (C, D, H, W); None keeps the input's size.
    With `return_indices` also where in the image they were."""

    def forward(self, input: Tensor):
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _LPPool(Module):
    def __init__(self, norm_type: float, kernel_size, stride=None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def _arguments(self):
        return float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(sum x^p)^(1 / p) over each window of (N, C, L) or (C, L), p being `norm_type`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool1d(input, *self._arguments())


class LPPool2d(_LPPool):
    """(sum x^p)^(1 / p) over each window of (N, C, H, W) or (C, H, W), p being `norm_type`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(input, *self._arguments())


class LPPool3d(_LPPool):
    """(sum x^p)^(1 / p) over each window of (N, C, D, H, W) or (C, D, H, W), p being `norm_type`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool3d(input, *self._arguments())


class _MaxUnpool(Module):
    _spatial: int

    def __init__(self, kernel_size, stride=None, padding=0) -> None:
        super().__init__()
        self.kernel_size = _numbers(kernel_size, self._spatial)
        self.stride = _numbers(kernel_size if stride is None else stride, self._spatial)
        self.padding = _numbers(padding, self._spatial)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Zeros with the maxima of (N, C, L) or (C, L) at the places that MaxPool1d gave for them."""

    _spatial = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: list[int] | None = None) -> Tensor:
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpool):
    """Zeros with the maxima of (N, C, H, W) or (C, H, W) at the places that MaxPool2d gave for them."""

    _spatial = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: list[int] | None = None) -> Tensor:
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpool):
    """Zeros with the maxima of (N, C, D, H, W) or (C, D, H, W) at the places that MaxPool3d gave for them."""

    _spatial = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: list[int] | None = None) -> Tensor:
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)
