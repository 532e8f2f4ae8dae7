"""Images resampled, sampled at points, and rearranged."""

from __future__ import annotations

from ... import _core
from ..._core import Tensor
from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

# mode: what it is along each axis, and the number of dimensions of the inputs that it takes
_MODES = {
    "nearest": ("nearest", (3, 4, 5)),
    "nearest-exact": ("nearest-exact", (3, 4, 5)),
    "area": ("area", (3, 4, 5)),
    "linear": ("linear", (3,)),
    "bilinear": ("linear", (4,)),
    "trilinear": ("linear", (5,)),
    "bicubic": ("cubic", (4,)),
}


def interpolate(
    input: Tensor,
    size: int | None = None,
    scale_factor: list[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Other spatial sizes for (N, C, L), (N, C, H, W) or (N, C, D, H, W).

    Target o along an axis looks at the source place (o + 1/2) in / out - 1/2, or with `align_corners` at
    o (in - 1) / (out - 1): at the elements around it, weighted by their distance.

    Args:
        input: as above.
        size: the new sizes, one number or one each; or instead
        scale_factor: what the sizes are multiplied with, one number or one each; the products are rounded down.
        mode: "nearest" (the element floor(o in / out)), "nearest-exact", "linear" (of 3 dimensions), "bilinear" (of 4),
            "trilinear" (of 5), "bicubic" (of 4; Keys' kernel with a = -3/4), or "area" (the mean of the elements that
            a target covers). Default: "nearest".
        align_corners: whether the first and last elements of both meet, rather than the edges. Default: None (no).
        recompute_scale_factor: compute the places from the rounded sizes rather than from `scale_factor`.
        antialias: where "bilinear" or "bicubic" make an image smaller, widen the kernel (then with a = -1/2) as much.

    Raises:
        ValueError: for arguments that contradict each other.
        NotImplementedError: for a mode that does not take so many dimensions.

    Source: R. Keys, "Cubic convolution interpolation for digital image processing", 1981.
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "interpolate: align_corners can only be set with the modes linear, bilinear, bicubic and trilinear"
            )
    dims = input.dim() - 2
    if size is not None and scale_factor is not None:
        raise ValueError("interpolate: only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("interpolate: either size or scale_factor should be defined")
    name, given = ("size", size) if size is not None else ("scale_factor", scale_factor)
    given = list(given) if isinstance(given, (tuple, list)) else [given] * dims
    if len(given) != dims:
        raise ValueError(
            f"interpolate: {name} must have one number for each spatial dimension; expected {dims} but got {given}"
        )
    if size is not None and recompute_scale_factor:
        raise ValueError("interpolate: recompute_scale_factor is not meaningful with an explicit size")
    if antialias and not (mode in ("bilinear", "bicubic") and input.dim() == 4):
        raise ValueError("interpolate: antialias needs the mode bilinear or bicubic and an input of 4 dimensions")
    along, takes = _MODES.get(mode, (None, ()))
    if input.dim() not in takes:
        raise NotImplementedError(
            f"interpolate: mode {mode!r} takes inputs of {' or '.join(map(str, takes)) or 'no'} dimensions, but got "
            f"{input.dim()}"
        )
    if size is not None:
        sizes, scales = given, []
    else:
        sizes = [int(n * scale) for n, scale in zip(input.shape[2:], given)]
        scales = [] if recompute_scale_factor else [float(scale) for scale in given]
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[dims - 1](input, sizes)
    return _core.interpolate(input, sizes, along, bool(align_corners), *scales, antialias=antialias)


def upsample(
    input: Tensor,
    size: int | None = None,
    scale_factor: float | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The older name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The image at the points of a grid: y[n, :, p] = sum_t w_t x[n, :, place_t] over the elements around grid[n, p].

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: (N, H', W', 2) or (N, D', H', W', 3): coordinates along the width, the height (and the depth), -1 to 1.
        mode: "bilinear", "nearest" or, of 4 dimensions, "bicubic". Default: "bilinear".
        padding_mode: what is beyond the edges: "zeros", "border" (the border repeated) or "reflection".
            Default: "zeros".
        align_corners: -1 and 1 are the first and last elements, rather than the image's edges. Default: None (no).

    Returns:
        (N, C, H', W') or (N, C, D', H', W').

    Raises:
        ValueError: for an unknown mode.
        RuntimeError: for shapes that do not fit.

    Source: Jaderberg et al. 2015, arXiv:1506.02025.
    """
    return _core.grid_sample(input, grid, mode, padding_mode, bool(align_corners))


def affine_grid(theta: Tensor, size: list[int], align_corners: bool | None = None) -> Tensor:
    """The grid for `grid_sample` that an affine map gives: grid[n, p] = theta[n] (p, 1).

    Args:
        theta: (N, 2, 3), or (N, 3, 4) for volumes.
        size: (N, C, H, W) or (N, C, D, H, W) of the result of grid_sample.
        align_corners: as in grid_sample. Default: None (no).

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3).

    Raises:
        ValueError: where theta and size do not fit.
        NotImplementedError: for a size of other than 4 or 5 dimensions.
    """
    if not theta.dtype.is_floating_point:
        raise ValueError(f"affine_grid: theta must be floating point, but got {theta.dtype}")
    size = list(size)
    if len(size) not in (4, 5):
        raise NotImplementedError(f"affine_grid: size must have 4 or 5 dimensions, but got {size}")
    dims = len(size) - 2
    if theta.dim() != 3 or tuple(theta.shape[1:]) != (dims, dims + 1) or theta.shape[0] != size[0]:
        raise ValueError(
            f"affine_grid: theta must have shape {(size[0], dims, dims + 1)} for size {size}, but got "
            f"{tuple(theta.shape)}"
        )
    if min(size) <= 0:
        raise ValueError(f"affine_grid: size must be positive, but got {size}")

    def places(n: int) -> Tensor:
        if n == 1:
            return _core.zeros((1,), dtype=theta.dtype)
        last = 1.0 if align_corners else 1.0 - 1.0 / n
        return _core.linspace(-last, last, n, dtype=theta.dtype)

    spatial = size[2:]
    axes = _core.meshgrid([places(n) for n in spatial], indexing="ij")
    points = _core.stack([*reversed(axes), _core.ones(spatial, dtype=theta.dtype)], -1)
    return _core.matmul(points.reshape(1, -1, dims + 1), theta.transpose(1, 2)).reshape(size[0], *spatial, dims)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels become pixels: (*, C r^2, H, W) to (*, C, H r, W r), r being the `upscale_factor`.

    Raises:
        RuntimeError: where the channels are not a multiple of r^2.

    Source: Shi et al. 2016, arXiv:1609.05158.
    """
    r = upscale_factor
    if input.dim() < 3:
        raise RuntimeError(f"pixel_shuffle: input must have at least 3 dimensions, but got shape {tuple(input.shape)}")
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle: upscale_factor must be positive, but got {r}")
    *lead, channels, h, w = input.shape
    if channels % (r * r):
        raise RuntimeError(
            f"pixel_shuffle: the channels must be divisible by upscale_factor^2 = {r * r}, but got shape "
            f"{tuple(input.shape)}"
        )
    if not input.numel():
        return input.reshape(*lead, channels // (r * r), h * r, w * r)
    x = input.reshape(-1, channels // (r * r), r, r, h, w)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(*lead, channels // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels become channels: (*, C, H r, W r) to (*, C r^2, H, W), r being the `downscale_factor`.

    Raises:
        RuntimeError: where the height or width is not a multiple of r.
    """
    r = downscale_factor
    if input.dim() < 3:
        raise RuntimeError(
            f"pixel_unshuffle: input must have at least 3 dimensions, but got shape {tuple(input.shape)}"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle: downscale_factor must be positive, but got {r}")
    *lead, channels, h, w = input.shape
    if h % r or w % r:
        raise RuntimeError(
            f"pixel_unshuffle: height and width must be divisible by downscale_factor = {r}, but got shape "
            f"{tuple(input.shape)}"
        )
    if not input.numel():
        return input.reshape(*lead, channels * r * r, h // r, w // r)
    x = input.reshape(-1, channels, h // r, r, w // r, r)
    return x.permute(0, 1, 3, 5, 2, 4).reshape(*lead, channels * r * r, h // r, w // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels of (N, C, *) take turns: one of each of the `groups` groups after another.

    Raises:
        RuntimeError: where the channels are not a multiple of the groups.

    Source: Zhang et al. 2017, arXiv:1707.01083.
    """
    if input.dim() < 3:
        raise RuntimeError(f"channel_shuffle: input must have more than 2 dimensions, but got {tuple(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"channel_shuffle: groups must be positive, but got {groups}")
    n, channels, *sizes = input.shape
    if channels % groups:
        raise RuntimeError(
            f"channel_shuffle: the channels must be divisible by groups = {groups}, but got {tuple(input.shape)}"
        )
    return input.reshape(n, groups, channels // groups, *sizes).transpose(1, 2).reshape(input.shape)


def unfold(input: Tensor, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """Windows as columns: y[n, (c, u, v), (i, j)] = x[n, c, i stride + u dilation - padding, ...].

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: the window, one number or two.
        dilation, padding, stride: one number or two, as in conv2d. Defaults: 1, 0, 1.

    Returns:
        (N, C kH kW, windows), or the same without N.

    Raises:
        RuntimeError: where no window fits.
    """
    return _core.im2col(input, kernel_size, dilation, padding, stride)


def fold(input: Tensor, output_size, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """Columns added up at the places in an image that `unfold` takes them from.

    Args:
        input: (N, C kH kW, windows) or (C kH kW, windows).
        output_size: the image's height and width.
        kernel_size, dilation, padding, stride: as in `unfold`.

    Returns:
        (N, C, *output_size), or the same without N.

    Raises:
        RuntimeError: where the sizes do not fit.
    """
    return _core.col2im(input, output_size, kernel_size, dilation, padding, stride)
