"""Transposed convolutions of 1, 2 and 3 dimensions."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from .conv import _Convolution


class _TransposedConvolution(_Convolution):
    _transposed = True

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        more = self.output_padding if output_size is None else self._output_padding(input, output_size)
        convolution = getattr(_core, f"conv_transpose{self._spatial}d")
        return convolution(
            input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation
        )  # fmt: skip

    def _output_padding(self, input: Tensor, output_size) -> list[int]:
        """What has to be added to the smallest output so that it has `output_size` (its last dimensions)."""
        n = self._spatial
        if len(output_size) == input.dim():
            output_size = output_size[-n:]
        if len(output_size) != n:
            raise ValueError(
                f"{type(self).__name__}: for {input.dim()}D input, output_size must have {n} or {input.dim()} "
                f"elements (got {len(output_size)})"
            )
        more = []
        for i, wanted in enumerate(output_size):
            window = self.dilation[i] * (self.kernel_size[i] - 1) + 1
            least = (input.shape[i - n] - 1) * self.stride[i] - 2 * self.padding[i] + window
            if not least <= wanted < least + self.stride[i]:
                raise ValueError(
                    f"{type(self).__name__}: output_size must be in [{least}, {least + self.stride[i] - 1}] in "
                    f"dimension {i}, but got {tuple(output_size)} for an input of shape {tuple(input.shape)}"
                )
            more.append(wanted - least)
        return more


class ConvTranspose1d(_TransposedConvolution):
    """1-D transposed convolution: the gradient of a `Conv1d` by its input, as a layer that makes images larger.

    y[n, k, a] = b[k] + sum_{c, i, u} x[n, c, i] w[c, k, u]
        over the places with i stride + u dilation - padding = a.

    Args:
        in_channels, out_channels: channels of the input and the output.
        kernel_size: the window, a number.
        stride: the step in the output, a number. Default: 1.
        padding: what is cut off on both sides, a number. Default: 0.
        output_padding: what is added behind, smaller than stride or dilation. Default: 0.
        groups: how many groups the channels fall into. Default: 1.
        bias: whether to add b. Default: True.
        dilation: the step between the elements of the window, a number. Default: 1.
        padding_mode: "zeros", the only one.
        device, dtype: those of the parameters.

    Attributes:
        weight: (in_channels, out_channels / groups, kW), drawn from U(-k, k) with
            k = 1 / sqrt(out_channels / groups times the elements of the window).
        bias: (out_channels), drawn from the same distribution.

    Shapes: (N, C, L) or (C, L) to the same with `out_channels` and the sizes
        (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1. ``layer(x, output_size=...)``
        chooses the output_padding for one call.

    Raises:
        ValueError: if `groups` does not divide the channels, for another padding mode, or for an `output_size` that no
            output_padding gives.
    """

    _spatial = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: int | tuple[int] = 0,
        output_padding: int | tuple[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int] = 1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip


class ConvTranspose2d(_TransposedConvolution):
    """2-D transposed convolution: the gradient of a `Conv2d` by its input, as a layer that makes images larger.

    y[n, k, a, ...] = b[k] + sum_{c, i, j, u, v} x[n, c, i, j] w[c, k, u, v]
        over the places with i stride + u dilation - padding = a, and so on.

    Args:
        in_channels, out_channels: channels of the input and the output.
        kernel_size: the window, a number or a pair (height, width).
        stride: the step in the output, a number or a pair (height, width). Default: 1.
        padding: what is cut off on both sides, a number or a pair (height, width). Default: 0.
        output_padding: what is added behind, smaller than stride or dilation. Default: 0.
        groups: how many groups the channels fall into. Default: 1.
        bias: whether to add b. Default: True.
        dilation: the step between the elements of the window, a number or a pair (height, width). Default: 1.
        padding_mode: "zeros", the only one.
        device, dtype: those of the parameters.

    Attributes:
        weight: (in_channels, out_channels / groups, kH, kW), drawn from U(-k, k) with
            k = 1 / sqrt(out_channels / groups times the elements of the window).
        bias: (out_channels), drawn from the same distribution.

    Shapes: (N, C, H, W) or (C, H, W) to the same with `out_channels` and the sizes
        (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1. ``layer(x, output_size=...)``
        chooses the output_padding for one call.

    Raises:
        ValueError: if `groups` does not divide the channels, for another padding mode, or for an `output_size` that no
            output_padding gives.
    """

    _spatial = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        output_padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int] = 1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip


class ConvTranspose3d(_TransposedConvolution):
    """3-D transposed convolution: the gradient of a `Conv3d` by its input, as a layer that makes images larger.

    y[n, k, a, ...] = b[k] + sum_{c, h, i, j, t, u, v} x[n, c, h, i, j] w[c, k, t, u, v]
        over the places with h stride + t dilation - padding = a, and so on.

    Args:
        in_channels, out_channels: channels of the input and the output.
        kernel_size: the window, a number or three (depth, height, width).
        stride: the step in the output, a number or three (depth, height, width). Default: 1.
        padding: what is cut off on both sides, a number or three (depth, height, width). Default: 0.
        output_padding: what is added behind, smaller than stride or dilation. Default: 0.
        groups: how many groups the channels fall into. Default: 1.
        bias: whether to add b. Default: True.
        dilation: the step between the elements of the window, a number or three (depth, height, width). Default: 1.
        padding_mode: "zeros", the only one.
        device, dtype: those of the parameters.

    Attributes:
        weight: (in_channels, out_channels / groups, kD, kH, kW), drawn from U(-k, k) with
            k = 1 / sqrt(out_channels / groups times the elements of the window).
        bias: (out_channels), drawn from the same distribution.

    Shapes: (N, C, D, H, W) or (C, D, H, W) to the same with `out_channels` and the sizes
        (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1. ``layer(x, output_size=...)``
        chooses the output_padding for one call.

    Raises:
        ValueError: if `groups` does not divide the channels, for another padding mode, or for an `output_size` that no
            output_padding gives.
    """

    _spatial = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: int | tuple[int, int, int] = 0,
        output_padding: int | tuple[int, int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int, int] = 1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip
