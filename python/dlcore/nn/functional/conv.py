"""Convolutions, and the padding around their inputs."""

from __future__ import annotations

import math

from ... import _core
from ..._core import Tensor


def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride=1, padding=0, dilation=1, groups: int = 1):
    """2-D convolution (cross-correlation).

    y[n, k, i, j] = b[k] + sum_{c, u, v} x[n, c, i stride + u dilation - padding, ...] w[k, c, u, v]

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (out_channels, C / groups, kH, kW).
        bias: (out_channels), or None.
        stride, dilation: one number, or a pair for the height and the width. Default: 1.
        padding: zeros added on both sides, a number or a pair; "valid" for none, "same" for an output of the input's
            size (with stride 1). Default: 0.
        groups: how many groups the channels fall into. Default: 1.
    """
    return _core.conv2d(input, weight, bias, stride, padding, dilation, groups)


def pad(input: Tensor, pad, mode: str = "constant", value: float | None = None) -> Tensor:
    """Add elements around a tensor, or take them away where a number is negative.

    Args:
        input: any shape. The modes other than "constant" pad the last dimensions only, as many as `pad` names.
        pad: (left, right) of the last dimension, then of the one before, and so on.
        mode: "constant", "reflect" (mirrored without the border), "replicate" (the border repeated) or "circular".
        value: what "constant" fills in. Default: 0.

    Raises:
        ValueError: for an odd number of sizes or an unknown mode.
        RuntimeError: where the input is smaller than the padding needs.
    """
    sides = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad) - 1, 2)]
    if len(pad) % 2 or len(sides) > input.dim():
        raise ValueError(f"pad: pad must hold two numbers for each of at most {input.dim()} dimensions, but got {pad}")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode must be constant, reflect, replicate or circular, but got {mode!r}")
    if mode != "constant" and value:
        raise ValueError(f'pad: mode "{mode}" takes no value, but got {value}')
    if mode == "constant":
        return _pad_constant(input, sides, 0 if value is None else value)
    for i, (before, after) in enumerate(sides):
        if before or after:
            dim = input.dim() - 1 - i
            places = _padded_places(input.shape[dim], before, after, mode)
            input = _core.index_select(input, dim, _core.tensor(places, dtype=_core.int64))
    return input


def _pad_constant(input: Tensor, sides, value) -> Tensor:
    shape = list(input.shape)
    kept = [slice(None)] * len(shape)  # of the input
    place = [slice(None)] * len(shape)  # of the output
    for i, (before, after) in enumerate(sides):
        dim = len(shape) - 1 - i
        size = shape[dim] + before + after
        if size < 0:
            raise RuntimeError(
                f"pad: the padded size of dimension {dim} must not be negative; got {shape[dim]} + {before} + {after}"
            )
        kept[dim] = slice(max(-before, 0), shape[dim] - max(-after, 0))
        place[dim] = slice(max(before, 0), size - max(after, 0))
        shape[dim] = size
    output = input.new_full(shape, value)
    output[tuple(place)] = input[tuple(kept)]
    return output


def _padded_places(size: int, before: int, after: int, mode: str) -> list[int]:
    """For every place of the padded dimension, the place of the input that it shows."""
    most = {"reflect": size - 1, "circular": size, "replicate": math.inf if size else 0}[mode]
    if max(before, after) > most:
        raise RuntimeError(
            f'pad: mode "{mode}" needs a padding of at most {most} for an input of size {size}, but got '
            f"{before}, {after}"
        )
    places = range(-before, size + after)
    if mode == "circular":
        return [i % size for i in places]
    if mode == "replicate":
        return [min(max(i, 0), size - 1) for i in places]
    return [size - 1 - abs(size - 1 - abs(i)) for i in places]
