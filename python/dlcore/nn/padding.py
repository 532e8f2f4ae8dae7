"""Padding. Modes and errors are those of `dlcore.nn.functional.pad`.

`padding` is one number for all sides, or (left, right), (left, right, top, bottom), (left, right, top, bottom, front,
back); negative numbers take elements away. Shapes: (N, C, spatial sizes) or (C, spatial sizes).
"""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from .module import Module


class _Pad(Module):
    _spatial: int
    _mode: str

    def __init__(self, padding) -> None:
        super().__init__()
        sides = 2 * self._spatial
        self.padding = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * sides

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    _mode = "constant"

    def __init__(self, padding, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPad(_Pad):
    _mode = "reflect"


class _ReplicationPad(_Pad):
    _mode = "replicate"


class _CircularPad(_Pad):
    _mode = "circular"


class ConstantPad1d(_ConstantPad):
    """`value` around the last dimension."""

    _spatial = 1


class ConstantPad2d(_ConstantPad):
    """`value` around the last two dimensions."""

    _spatial = 2


class ConstantPad3d(_ConstantPad):
    """`value` around the last three dimensions."""

    _spatial = 3


class ZeroPad1d(_ZeroPad):
    """Zeros around the last dimension."""

    _spatial = 1


class ZeroPad2d(_ZeroPad):
    """Zeros around the last two dimensions."""

    _spatial = 2


class ZeroPad3d(_ZeroPad):
    """Zeros around the last three dimensions."""

    _spatial = 3


class ReflectionPad1d(_ReflectionPad):
    """The image mirrored at its border's elements, around the last dimension."""

    _spatial = 1


class ReflectionPad2d(_ReflectionPad):
    """The image mirrored at its border's elements, around the last two dimensions."""

    _spatial = 2


class ReflectionPad3d(_ReflectionPad):
    """The image mirrored at its border's elements, around the last three dimensions."""

    _spatial = 3


class ReplicationPad1d(_ReplicationPad):
    """The border repeated around the last dimension."""

    _spatial = 1


class ReplicationPad2d(_ReplicationPad):
    """The border repeated around the last two dimensions."""

    _spatial = 2


class ReplicationPad3d(_ReplicationPad):
    """The border repeated around the last three dimensions."""

    _spatial = 3


class CircularPad1d(_CircularPad):
    """The image's other side around the last dimension."""

    _spatial = 1


class CircularPad2d(_CircularPad):
    """The image's other side around the last two dimensions."""

    _spatial = 2


class CircularPad3d(_CircularPad):
    """The image's other side around the last three dimensions."""

    _spatial = 3
