"""How convolutions run: see docs/convolution.md."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .. import _core


def winograd_enabled() -> bool | int:
    """Whether float32 convolutions of 3x3 and stride 1 may use Winograd's tiles: the setting of `set_winograd_enabled`.

    ``DLCORE_WINOGRAD`` in the environment, 0, 1, 2 or 4, is what it starts with; else they may.
    """
    setting = _core._winograd_enabled()
    return setting if setting > 1 else setting == 1


def set_winograd_enabled(enabled: bool | int) -> None:
    """Lets them, or not, from now on and in all threads.

    Args:
        enabled: True: where and in the size that the library chooses from the shape. False: nowhere. 2 or 4: where the
            library chooses to, but only with tiles of 2x2 outputs, F(2x2, 3x3), which round like direct sums, or only
            with 4x4, F(4x4, 3x3), which take fewer multiplications.

    Raises:
        ValueError: another number.
    """
    _core._set_winograd_enabled(enabled)


@contextlib.contextmanager
def winograd(enabled: bool | int) -> Iterator[None]:
    """`set_winograd_enabled` for a while: ``with backends.conv.winograd(False): ...``."""
    before = winograd_enabled()
    set_winograd_enabled(enabled)
    try:
        yield
    finally:
        set_winograd_enabled(before)


def explain(
    input: _core.Tensor,
    weight: _core.Tensor,
    stride=1,
    padding=0,
    dilation=1,
    groups: int = 1,
    *,
    transposed: bool = False,
    output_padding=0,
) -> str:
    """How a convolution with these arguments runs: its cost, the order in memory, and the kernels of each pass.

    Convolutions of 1 and 3 dimensions are made of two-dimensional ones, and transposed ones are gradients of such by
    their input; a line "run as" tells how many of which shapes.

    Args:
        input, weight, stride, padding, dilation, groups: those of `nn.functional.conv1d`, `conv2d` or `conv3d`, as the
            dimensions of `weight` have it; nothing is computed.
        transposed: explain `conv_transpose1d`, `conv_transpose2d` or `conv_transpose3d`. Default: False.
        output_padding: of a transposed convolution. Default: 0.

    Raises:
        RuntimeError: if `weight` does not have 3, 4 or 5 dimensions, and where the convolution would raise.
        ValueError: for an output padding without `transposed`.

    >>> print(explain(dlcore.empty(8, 64, 56, 56), dlcore.empty(64, 64, 3, 3), padding=1))
    conv2d: (8, 64, 56, 56) by (64, 64, 3, 3) to (8, 64, 56, 56), float32, 1850 MFLOP and 13 MB forward
    order in memory: channels last
    forward: Winograd F(4x4, 3x3)
    gradient of input: Winograd F(4x4, 3x3)
    gradient of weight: Winograd F(4x4, 3x3)
    """

    def each_axis(value):  # a number for each dimension, as the convolutions take it
        return (value,) * (weight.dim() - 2) if isinstance(value, int) else value

    stride, padding, dilation = each_axis(stride), each_axis(padding), each_axis(dilation)
    if transposed:
        more = each_axis(output_padding)
        return _core._explain_transposed_convolution(input, weight, stride, padding, more, groups, dilation)
    if output_padding != 0:
        raise ValueError(f"explain: output_padding needs transposed=True, but got {output_padding}")
    return _core._explain_convolution(input, weight, stride, padding, dilation, groups)
