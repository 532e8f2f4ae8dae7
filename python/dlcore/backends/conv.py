"""How convolutions run: see docs/convolution.md."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .. import _core


def winograd_enabled() -> bool:
    """Whether float32 convolutions of 3x3 and stride 1 may use Winograd's tiles.

    They may, unless ``DLCORE_WINOGRAD=0`` stands in the environment.
    """
    return _core._winograd_enabled()


def set_winograd_enabled(enabled: bool) -> None:
    """Lets them, or not, from now on and in all threads."""
    _core._set_winograd_enabled(enabled)


@contextlib.contextmanager
def winograd(enabled: bool) -> Iterator[None]:
    """`set_winograd_enabled` for a while: ``with backends.conv.winograd(False): ...``."""
    before = winograd_enabled()
    set_winograd_enabled(enabled)
    try:
        yield
    finally:
        set_winograd_enabled(before)
