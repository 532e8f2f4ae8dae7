"""Pooling: one value of each window.

Inputs are (N, C, spatial sizes) or (C, spatial sizes); every number may be one for all spatial dimensions or one for
each. A window's size, the `stride` between windows, the `padding` on both sides (at most half the window) and the
`dilation` between the elements of a window give floor((size + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1
windows; `ceil_mode` rounds up, but no window begins behind the elements. The stride is the `kernel_size` where it is
None. Wrong shapes and arguments raise RuntimeError.
"""

from __future__ import annotations

import math

from ... import _core
from ..._core import Tensor


def max_pool1d(
    input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices=False
):
    """The largest value of each window of (N, C, L) or (C, L), with `return_indices` and its place; see max_pool2d."""
    op = _core.max_pool1d_with_indices if return_indices else _core.max_pool1d
    return op(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices=False
):
    """The largest value of each window; NaN counts as the largest.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: the window, a number or a pair.
        stride: the step; `kernel_size` where it is None.
        padding: minus infinities on both sides, at most half the window. Default: 0.
        dilation: the step between elements of a window. Default: 1.
        ceil_mode: round the output's size up. Default: False.
        return_indices: return also where in the (H, W) plane each value was. Default: False.
    """
    op = _core.max_pool2d_with_indices if return_indices else _core.max_pool2d
    return op(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices=False
):
    """The largest value of each window of (N, C, D, H, W) or (C, D, H, W), with `return_indices` and its place in
    (D, H, W); see max_pool2d."""
    op = _core.max_pool3d_with_indices if return_indices else _core.max_pool3d
    return op(input, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    input: Tensor, kernel_size, stride=None, padding=0, ceil_mode: bool = False, count_include_pad: bool = True
) -> Tensor:
    """The mean of each window of (N, C, L) or (C, L); see avg_pool2d."""
    return _core.avg_pool1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: the window, a number or a pair.
        stride: the step; `kernel_size` where it is None.
        padding: zeros on both sides, at most half the window. Default: 0.
        ceil_mode: round the output's size up. Default: False.
        count_include_pad: count the zeros of the padding in the mean. Default: True.
        divisor_override: divide by this instead of by the size of the window. Default: None.
    """
    return _core.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W); see avg_pool2d."""
    return _core.avg_pool3d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _sizes(input: Tensor, output_size, spatial: int):
    """One size for each spatial dimension; None keeps the input's."""
    if not isinstance(output_size, (tuple, list)):
        output_size = (output_size,) * spatial
    if None not in output_size:
        return output_size
    return [own if size is None else size for size, own in zip(output_size, input.shape[-len(output_size) :])]


def adaptive_avg_pool1d(input: Tensor, output_size) -> Tensor:
    """The mean of `output_size` parts of (N, C, L) or (C, L); see adaptive_avg_pool2d."""
    return _core.adaptive_avg_pool1d(input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size) -> Tensor:
    """The mean of each of `output_size` parts: part o of an axis goes from floor(o in / out) to ceil((o + 1) in / out).

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: how many parts, a number or a pair; None keeps the input's size.
    """
    return _core.adaptive_avg_pool2d(input, _sizes(input, output_size, 2))


def adaptive_avg_pool3d(input: Tensor, output_size) -> Tensor:
    """The mean of each of `output_size` parts of (N, C, D, H, W) or (C, D, H, W); see adaptive_avg_pool2d."""
    return _core.adaptive_avg_pool3d(input, _sizes(input, output_size, 3))


def adaptive_max_pool1d(input: Tensor, output_size, return_indices: bool = False):
    """The maxima of `output_size` parts of (N, C, L) or (C, L); see adaptive_max_pool2d."""
    both = _core.adaptive_max_pool1d(input, _sizes(input, output_size, 1))
    return both if return_indices else both[0]


def adaptive_max_pool2d(input: Tensor, output_size, return_indices: bool = False):
    """The maximum of each of `output_size` parts: part o of an axis goes from floor(o in / out) to
    ceil((o + 1) in / out).

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: how many parts, a number or a pair; None keeps the input's size.
        return_indices: return also where in the (H, W) plane each value was. Default: False.
    """
    both = _core.adaptive_max_pool2d(input, _sizes(input, output_size, 2))
    return both if return_indices else both[0]


def adaptive_max_pool3d(input: Tensor, output_size, return_indices: bool = False):
    """The maxima of `output_size` parts of (N, C, D, H, W) or (C, D, H, W); see adaptive_max_pool2d."""
    both = _core.adaptive_max_pool3d(input, _sizes(input, output_size, 3))
    return both if return_indices else both[0]


def _lp(average, input: Tensor, norm_type: float, kernel_size, stride, ceil_mode: bool, spatial: int) -> Tensor:
    size = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * spatial
    mean = average(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return (_core.sign(mean) * _core.relu(_core.abs(mean))).mul(math.prod(size)).pow(1.0 / norm_type)


def lp_pool1d(input: Tensor, norm_type: int | float, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """(sum x^p)^(1 / p) over each window of (N, C, L) or (C, L); p is `norm_type`."""
    return _lp(_core.avg_pool1d, input, norm_type, kernel_size, stride, ceil_mode, 1)


def lp_pool2d(input: Tensor, norm_type: int | float, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """(sum x^p)^(1 / p) over each window of (N, C, H, W) or (C, H, W); p is `norm_type`."""
    return _lp(_core.avg_pool2d, input, norm_type, kernel_size, stride, ceil_mode, 2)


def lp_pool3d(input: Tensor, norm_type: int | float, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """(sum x^p)^(1 / p) over each window of (N, C, D, H, W) or (C, D, H, W); p is `norm_type`."""
    return _lp(_core.avg_pool3d, input, norm_type, kernel_size, stride, ceil_mode, 3)


def _unpool(op: str, spatial: int, input: Tensor, indices: Tensor, kernel_size, stride, padding, output_size):
    def numbers(value):
        return tuple(value) if isinstance(value, (tuple, list)) else (value,) * spatial

    kernel_size, padding = numbers(kernel_size), numbers(padding)
    stride = kernel_size if stride is None else numbers(stride)
    if input.dim() not in (spatial + 1, spatial + 2):
        raise RuntimeError(f"{op}: input must have {spatial + 1} or {spatial + 2} dimensions; got {tuple(input.shape)}")
    if indices.dtype != _core.int64:
        raise RuntimeError(f"{op}: indices must be of dtype int64, but got {indices.dtype}")
    if indices.shape != input.shape:
        raise RuntimeError(
            f"{op}: indices must have input's shape; expected {tuple(input.shape)} but got {tuple(indices.shape)}"
        )
    lead, sizes = input.shape[:-spatial], input.shape[-spatial:]
    default = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(sizes, stride, kernel_size, padding)]
    if output_size is None:
        output_size = default
    else:
        output_size = list(output_size)[-spatial:] if len(output_size) == spatial + 2 else list(output_size)
        if len(output_size) != spatial:
            raise ValueError(
                f"{op}: output_size should be a sequence containing {spatial} or {spatial + 2} elements, but it has a "
                f"length of {len(output_size)}"
            )
        for size, usual, step in zip(output_size, default, stride):
            if not usual - step < size < usual + step:
                raise ValueError(
                    f"{op}: invalid output_size {tuple(output_size)}; expected between {usual - step} and "
                    f"{usual + step} but got {size}"
                )
    if min(output_size) < 0:
        raise ValueError(f"{op}: output_size must not be negative, but got {tuple(output_size)}")
    volume = math.prod(output_size)
    if indices.numel() and not 0 <= indices.min().item() <= indices.max().item() < volume:
        raise RuntimeError(f"{op}: indices must be in [0, {volume}) for an output of sizes {tuple(output_size)}")
    flat = _core.zeros((*lead, volume), dtype=input.dtype)
    return flat.scatter(-1, indices.flatten(-spatial), input.flatten(-spatial)).reshape(*lead, *output_size)


def max_unpool1d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Zeros with the maxima at their places in (N, C, L) or (C, L); see max_unpool2d."""
    return _unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Zeros with the maxima at their places: what max_pool2d with these arguments took away stays zero.

    Args:
        input: (N, C, H, W) or (C, H, W).
        indices: of the same shape, from max_pool2d with `return_indices`.
        kernel_size, stride, padding: those of the pooling.
        output_size: the sizes before pooling, where (size - 1) stride - 2 padding + kernel_size is not it.
            Default: None.

    Raises:
        RuntimeError: where the indices do not fit.
        ValueError: for an output_size that this pooling could not have had.
    """
    return _unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Zeros with the maxima at their places in (N, C, D, H, W) or (C, D, H, W); see max_unpool2d."""
    return _unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)
