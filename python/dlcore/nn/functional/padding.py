"""Elements around a tensor."""

from __future__ import annotations

from ... import _core
from ..._core import Tensor


def pad(input: Tensor, pad, mode: str = "constant", value: float | None = None) -> Tensor:
    """Add elements around a tensor, or take them away where a number is negative.

    Args:
        input: any shape; for modes other than "constant" (N, C, spatial sizes) or (C, spatial sizes).
        pad: (left, right) of the last dimension, then of the one before, and so on; for modes other than "constant"
            of all spatial dimensions.
        mode: "constant", "reflect" (mirrored at the border's elements), "replicate" (the border repeated) or "circular"
            (from the other side).
        value: what "constant" fills in. Default: 0.

    Raises:
        RuntimeError: for an odd number of sizes, or where the input is smaller than the padding needs.
        NotImplementedError: for an unknown mode, or dimensions that it does not take.
    """
    return _core.pad(input, tuple(pad), mode, value)
