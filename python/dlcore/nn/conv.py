"""Convolutions of 1, 2 and 3 dimensions."""

from __future__ import annotations

import math

from .. import _core
from .._core import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def each_axis(value, spatial: int) -> tuple:
    """A number for each dimension, from one number or from as many."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * spatial


def same_padding(kernel_size, dilation) -> list[int]:
    """The padding, in `pad`'s order (last dimension first), that keeps the size at stride 1; an odd one goes behind."""
    totals = [d * (k - 1) for k, d in zip(kernel_size, dilation, strict=True)]
    return [side for total in reversed(totals) for side in (total // 2, total - total // 2)]


class _Convolution(Module):
    """What all convolutions share: arguments, parameters, their initial values and their description."""

    _spatial: int
    _transposed = False

    def __init__(
        self, in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
        padding_mode, device, dtype,
    ) -> None:  # fmt: skip
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {', '.join(PADDING_MODES)}, but got {padding_mode=}")
        n = self._spatial
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = each_axis(kernel_size, n)
        self.stride = each_axis(stride, n)
        self.padding = padding if isinstance(padding, str) else each_axis(padding, n)
        self.output_padding = each_axis(output_padding, n)
        self.dilation = each_axis(dilation, n)
        self.groups = groups
        self.padding_mode = padding_mode
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of 'same', 'valid'")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        self._sides = self._padded_sides()
        self.weight = Parameter(_core.empty(self._weight_shape(), device=device, dtype=dtype))
        bias = Parameter(_core.empty(out_channels, device=device, dtype=dtype)) if bias else None
        self.register_parameter("bias", bias)
        self.reset_parameters()

    def _weight_shape(self) -> tuple:
        rows, columns = self.out_channels, self.in_channels
        if self._transposed:
            rows, columns = columns, rows
        return rows, columns // self.groups, *self.kernel_size

    def _padded_sides(self) -> list[int] | None:
        """What `F.pad` has to add before the convolution; None where the convolution's own zeros do."""
        if self.padding == "same":
            sides = same_padding(self.kernel_size, self.dilation)
            if self.padding_mode == "zeros" and sides[::2] == sides[1::2]:
                self._zeros = tuple(reversed(sides[::2]))
                return None
        elif self.padding == "valid":
            sides = None
        elif self.padding_mode == "zeros":
            self._zeros = self.padding
            return None
        else:
            sides = [p for padding in reversed(self.padding) for p in (padding, padding)]
        self._zeros = (0,) * self._spatial
        return sides

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # a bound of 1 / sqrt(fan_in)
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def _arguments(self, input: Tensor) -> tuple:
        if self._sides is not None:
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            input = F.pad(input, self._sides, mode)
        return input, self.weight, self.bias, self.stride, self._zeros, self.dilation, self.groups

    def forward(self, input: Tensor) -> Tensor:
        return getattr(_core, f"conv{self._spatial}d")(*self._arguments(input))

    def extra_repr(self) -> str:
        n = self._spatial
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, default in (("padding", (0,) * n), ("dilation", (1,) * n), ("output_padding", (0,) * n)):
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv1d(_Convolution):
    """1-D convolution (cross-correlation).

    y[n, k, i] = b[k] + sum_{c, u} x[n, c, i stride + u dilation - padding] w[k, c, u]

    Args:
        in_channels, out_channels: channels of the input and the output.
        kernel_size: the window, a number.
        stride: the step, a number. Default: 1.
        padding: what is added on both sides, a number; "valid" for none, "same" for an output of the input's size
            (with stride 1). Default: 0.
        dilation: the step between the elements of the window, a number. Default: 1.
        groups: how many groups the channels fall into, each convolved by itself. Default: 1.
        bias: whether to add b. Default: True.
        padding_mode: what is added: "zeros", "reflect", "replicate" or "circular". Default: "zeros".
        device, dtype: those of the parameters.

    Attributes:
        weight: (out_channels, in_channels / groups, kW), drawn from U(-k, k) with
            k = 1 / sqrt(elements of a filter).
        bias: (out_channels), drawn from the same distribution.

    Shapes: (N, C, L) or (C, L) to the same with `out_channels` and the sizes
        floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

    Raises:
        ValueError: if `groups` does not divide the channels, or for an unknown padding or padding mode.
    """

    _spatial = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias, padding_mode, device,
            dtype,
        )  # fmt: skip


class Conv2d(_Convolution):
    """2-D convolution (cross-correlation).

    y[n, k, i, j] = b[k] + sum_{c, u, v} x[n, c, i stride + u dilation - padding, ...] w[k, c, u, v]

    Args:
        in_channels, out_channels: channels of the input and the output.
        kernel_size: the window, a number or a pair (height, width).
        stride: the step, a number or a pair (height, width). Default: 1.
        padding: what is added on both sides, a number or a pair (height, width); "valid" for none, "same"
            for an output of the input's size (with stride 1). Default: 0.
        dilation: the step between the elements of the window, a number or a pair (height, width). Default: 1.
        groups: how many groups the channels fall into, each convolved by itself. Default: 1.
        bias: whether to add b. Default: True.
        padding_mode: what is added: "zeros", "reflect", "replicate" or "circular". Default: "zeros".
        device, dtype: those of the parameters.

    Attributes:
        weight: (out_channels, in_channels / groups, kH, kW), drawn from U(-k, k) with
            k = 1 / sqrt(elements of a filter).
        bias: (out_channels), drawn from the same distribution.

    Shapes: (N, C, H, W) or (C, H, W) to the same with `out_channels` and the sizes
        floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

    Raises:
        ValueError: if `groups` does not divide the channels, or for an unknown padding or padding mode.
    """

    _spatial = 2
    _takes = ("relu", "relu6")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias, padding_mode, device,
            dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, activation: str = "none") -> Tensor:
        """activation(conv(input)) in one pass over memory; activation is "relu", "relu6" or "none"."""
        if activation == "none":
            return _core.conv2d(*self._arguments(input))
        return _core.conv2d_act(*self._arguments(input), activation)


class Conv3d(_Convolution):
    """3-D convolution (cross-correlation).

    y[n, k, h, i, j] = b[k] + sum_{c, t, u, v} x[n, c, h stride + t dilation - padding, ...] w[k, c, t, u, v]

    Args:
        in_channels, out_channels: channels of the input and the output.
        kernel_size: the window, a number or three (depth, height, width).
        stride: the step, a number or three (depth, height, width). Default: 1.
        padding: what is added on both sides, a number or three (depth, height, width); "valid" for none, "same"
            for an output of the input's size (with stride 1). Default: 0.
        dilation: the step between the elements of the window, a number or three (depth, height, width). Default: 1.
        groups: how many groups the channels fall into, each convolved by itself. Default: 1.
        bias: whether to add b. Default: True.
        padding_mode: what is added: "zeros", "reflect", "replicate" or "circular". Default: "zeros".
        device, dtype: those of the parameters.

    Attributes:
        weight: (out_channels, in_channels / groups, kD, kH, kW), drawn from U(-k, k) with
            k = 1 / sqrt(elements of a filter).
        bias: (out_channels), drawn from the same distribution.

    Shapes: (N, C, D, H, W) or (C, D, H, W) to the same with `out_channels` and the sizes
        floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

    Raises:
        ValueError: if `groups` does not divide the channels, or for an unknown padding or padding mode.
    """

    _spatial = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: str | int | tuple[int, int, int] = 0,
        dilation: int | tuple[int, int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias, padding_mode, device,
            dtype,
        )  # fmt: skip
