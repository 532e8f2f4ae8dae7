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


def explain(input: _core.Tensor, weight: _core.Tensor, stride=1, padding=0, dilation=1, groups: int = 1) -> str:
    """How `conv2d` with these arguments runs: its cost, the order in memory, and the kernels of each pass.

    Args: those of `nn.functional.conv2d`; nothing is computed.

    >>> print(explain(dlcore.empty(8, 64, 56, 56), dlcore.empty(64, 64, 3, 3), padding=1))
    conv2d: (8, 64, 56, 56) by (64, 64, 3, 3) to (8, 64, 56, 56), float32, 1850 MFLOP and 13 MB forward
    order in memory: channels last
    forward: Winograd F(4x4, 3x3)
    gradient of input: Winograd F(4x4, 3x3)
    gradient of weight: Winograd F(4x4, 3x3)
    """
    return _core._explain_conv2d(input, weight, stride, padding, dilation, groups)
