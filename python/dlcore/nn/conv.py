"""Convolutions."""

from __future__ import annotations

import math

from .. import _core
from .._core import Tensor
from . import functional as F
from . import init
from .lazy import LazyModuleMixin
from .module import Module
from .parameter import Parameter, UninitializedParameter


def pair(value) -> tuple:
    """(value, value) for a number, and a tuple of the values otherwise."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def same_padding(kernel_size, dilation) -> list[int]:
    """The padding, in `pad`'s order (last dimension first), that keeps the size at stride 1; an odd one goes behind."""
    totals = [d * (k - 1) for k, d in zip(kernel_size, dilation, strict=True)]
    return [side for total in reversed(totals) for side in (total // 2, total - total // 2)]


class Conv2d(Module):
    """2-D convolution (cross-correlation).

    y[n, k, i, j] = b[k] + sum_{c, u, v} x[n, c, i stride + u dilation - padding, ...] w[k, c, u, v]

    Args:
        in_channels, out_channels: channels of the input and the output.
        kernel_size: the window, a number or a pair (height, width).
        stride: the step, a number or a pair. Default: 1.
        padding: rows and columns added on both sides, a number or a pair; "valid" for none, "same" for an output of
            the input's size (with stride 1). Default: 0.
        dilation: the step between the elements of the window, a number or a pair. Default: 1.
        groups: how many groups the channels fall into, each convolved by itself. Default: 1.
        bias: whether to add b. Default: True.
        padding_mode: what is added: "zeros", "reflect", "replicate" or "circular". Default: "zeros".
        device, dtype: those of the parameters.

    Attributes:
        weight: (out_channels, in_channels / groups, kH, kW), drawn from U(-k, k) with
            k = 1 / sqrt(in_channels / groups kH kW).
        bias: (out_channels), drawn from the same distribution.

    Shapes: (N, C, H, W) or (C, H, W) to the same with `out_channels` and the sizes
        floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

    Raises:
        ValueError: if `groups` does not divide the channels, or for an unknown padding or padding mode.
    """

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
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                "padding_mode must be one of zeros, reflect, replicate, circular, but got "
                f"padding_mode={padding_mode!r}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size)
        self.stride = pair(stride)
        self.padding = padding if isinstance(padding, str) else pair(padding)
        self.dilation = pair(dilation)
        self.groups = groups
        self.padding_mode = padding_mode
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of 'same', 'valid'")
            if padding == "same" and self.stride != (1, 1):
                raise ValueError("padding='same' is not supported for strided convolutions")
        self._sides = self._padded_sides()
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(_core.empty(shape, device=device, dtype=dtype))
        bias = Parameter(_core.empty(out_channels, device=device, dtype=dtype)) if bias else None
        self.register_parameter("bias", bias)
        self.reset_parameters()

    def _padded_sides(self) -> list[int] | None:
        """What `F.pad` has to add before the convolution; None where the convolution's own zeros do."""
        if self.padding == "same":
            sides = same_padding(self.kernel_size, self.dilation)
            if self.padding_mode == "zeros" and sides[0] == sides[1] and sides[2] == sides[3]:
                self._zeros = (sides[2], sides[0])
                return None
        elif self.padding == "valid":
            sides = None
        elif self.padding_mode == "zeros":
            self._zeros = self.padding
            return None
        else:
            h, w = self.padding
            sides = [w, w, h, h]
        self._zeros = (0, 0)
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
        return _core.conv2d(input, self.weight, self.bias, self.stride, self._zeros, self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class LazyConv2d(LazyModuleMixin, Conv2d):
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
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the parameters anew, once they have a shape."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Give the parameters the shape that `input` asks for, and draw them."""
        if self.has_uninitialized_params():
            if input.dim() not in (3, 4):
                raise RuntimeError(
                    f"Expected 3D (unbatched) or 4D (batched) input to {type(self).__name__}, but got input of size: "
                    f"{input.shape}"
                )
            self.in_channels = input.shape[-3]
            if self.in_channels % self.groups != 0:
                raise ValueError("in_channels must be divisible by groups")
            self.weight.materialize((self.out_channels, self.in_channels // self.groups, *self.kernel_size))
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()
        elif self.in_channels == 0:  # the weight was loaded
            self.in_channels = self.weight.shape[1] * self.groups
