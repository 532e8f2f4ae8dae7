"""Convolutions and transposed convolutions of 1, 2 and 3 dimensions, and their lazy forms."""

from __future__ import annotations

import math

from .. import _core
from .._core import Tensor
from . import functional as F
from . import init
from .lazy import LazyModuleMixin
from .module import Module
from .parameter import Parameter, UninitializedParameter

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

    def forward(self, input: Tensor) -> Tensor:
        if self._sides is not None:
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            input = F.pad(input, self._sides, mode)
        convolution = getattr(_core, f"conv{self._spatial}d")
        return convolution(input, self.weight, self.bias, self.stride, self._zeros, self.dilation, self.groups)

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


class _LazyConvolution(LazyModuleMixin):
    """A convolution that takes `in_channels` from its first input."""

    def _make_lazy(self, out_channels: int, bias: bool, device, dtype) -> None:
        if out_channels % self.groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the parameters anew, once they have a shape."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *_) -> None:
        """Give the parameters the shape that `input` asks for, and draw them."""
        n = self._spatial
        if self.has_uninitialized_params():
            if input.dim() not in (n + 1, n + 2):
                raise RuntimeError(
                    f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {type(self).__name__}, but got "
                    f"input of size: {input.shape}"
                )
            self.in_channels = input.shape[-n - 1]
            if self.in_channels % self.groups != 0:
                raise ValueError("in_channels must be divisible by groups")
            self.weight.materialize(self._weight_shape())
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()
        elif self.in_channels == 0:  # the weight was loaded
            self.in_channels = self.weight.shape[0] if self._transposed else self.weight.shape[1] * self.groups


class Conv1d(_Convolution):
    """1-D convolution (cross-correlation).

    y[n, k, i] = b[k] + sum_{c, u} x[n, c, i stride + u dilation - padding] w[k, c, u]

    Args:
        in_channels, out_channels: channels of the input and the output.
        kernel_size: the window, a number.
        stride: the step, a number. Default: 1.
        padding: what is added on both sides, a number; "valid" for none, "same" for an output of
            for an output of the input's size (with stride 1). Default: 0.
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


class LazyConv1d(_LazyConvolution, Conv1d):
    """A `Conv1d` that takes `in_channels` from its first input, and is a `Conv1d` from then on.

    The other arguments are those of `Conv1d`.
    """

    cls_to_become = Conv1d

    def __init__(
        self,
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
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device=device, dtype=dtype
        )
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConv2d(_LazyConvolution, Conv2d):
    """A `Conv2d` that takes `in_channels` from its first input, and is a `Conv2d` from then on.

    The other arguments are those of `Conv2d`.
    """

    cls_to_become = Conv2d

    def __init__(
        self,
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
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device=device, dtype=dtype
        )
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConv3d(_LazyConvolution, Conv3d):
    """A `Conv3d` that takes `in_channels` from its first input, and is a `Conv3d` from then on.

    The other arguments are those of `Conv3d`.
    """

    cls_to_become = Conv3d

    def __init__(
        self,
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
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device=device, dtype=dtype
        )
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvolution, ConvTranspose1d):
    """A `ConvTranspose1d` that takes `in_channels` from its first input, and is a `ConvTranspose1d` from then on.

    The other arguments are those of `ConvTranspose1d`.
    """

    cls_to_become = ConvTranspose1d

    def __init__(
        self,
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
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device=device,
            dtype=dtype,
        )
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConvTranspose2d(_LazyConvolution, ConvTranspose2d):
    """A `ConvTranspose2d` that takes `in_channels` from its first input, and is a `ConvTranspose2d` from then on.

    The other arguments are those of `ConvTranspose2d`.
    """

    cls_to_become = ConvTranspose2d

    def __init__(
        self,
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
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device=device,
            dtype=dtype,
        )
        self._make_lazy(out_channels, bias, device, dtype)


class LazyConvTranspose3d(_LazyConvolution, ConvTranspose3d):
    """A `ConvTranspose3d` that takes `in_channels` from its first input, and is a `ConvTranspose3d` from then on.

    The other arguments are those of `ConvTranspose3d`.
    """

    cls_to_become = ConvTranspose3d

    def __init__(
        self,
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
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device=device,
            dtype=dtype,
        )
        self._make_lazy(out_channels, bias, device, dtype)
