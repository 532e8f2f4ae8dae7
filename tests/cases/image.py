"""Padding, resampling, sampling at points, rearrangement; PyTorch and differences are the references, numpy where it has the op."""

import numpy as np

from . import arr, case, uniform
from .pool import last


def both(op, call, shape, *others, **options):
    """A case for channels first and one for channels last."""
    for order in (lambda d, x: x, last):
        case(op, lambda d, x, *more, order=order: call(d, order(d, x), *more), [arr(*shape), *others], **options)


# ---- padding

NUMPY_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
for mode, numpy_mode in NUMPY_MODES.items():
    for shape, sides in [((2, 3, 5), (2, 1)), ((2, 3, 4, 5), (1, 3, 2, 0)), ((1, 2, 3, 4, 5), (1, 2, 0, 1, 2, 2))]:
        widths = [(0, 0), (0, 0), *zip(sides[-2::-2], sides[::-2])]
        both(
            f"pad {mode}",
            lambda d, x, sides=sides, mode=mode: d.nn.functional.pad(x, sides, mode),
            shape,
            ref=lambda x, widths=widths, numpy_mode=numpy_mode: np.pad(x, widths, numpy_mode),
            gradgrad=True,
        )
    both(f"pad {mode}", lambda d, x, mode=mode: d.nn.functional.pad(x, (-1, 2, 1, -2), mode), (2, 3, 4, 5))
case("pad constant", lambda d, x: d.nn.functional.pad(x, (1, -2, 0, 1, 2, 2), value=1.5), [arr(2, 4, 3)])
case("pad constant", lambda d, x: d.nn.functional.pad(x, (-2, -1)), [arr(5)])
case("pad reflect", lambda d, x: d.nn.functional.pad(x, (2, 1), "reflect"), [arr(3, 4)])

# ---- interpolation

for mode, shape, size in [
    ("linear", (2, 3, 7), (11,)),
    ("bilinear", (2, 3, 5, 6), (9, 4)),
    ("bilinear", (1, 17, 4, 3), (8, 6)),
    ("trilinear", (1, 2, 3, 4, 5), (5, 3, 10)),
    ("bicubic", (2, 3, 5, 6), (9, 4)),
]:
    for options in ({"align_corners": True}, {"align_corners": False}):
        both(
            f"interpolate {mode}",
            lambda d, x, size=size, mode=mode, options=options: d.nn.functional.interpolate(
                x, size, mode=mode, **options
            ),
            shape,
            length=30,
            gradgrad=True,
        )
for mode in ("nearest", "nearest-exact", "area"):
    for shape, size in [((2, 3, 7), 10), ((2, 3, 5, 6), (3, 13)), ((1, 2, 3, 4, 5), (2, 4, 9))]:
        both(
            f"interpolate {mode}",
            lambda d, x, size=size, mode=mode: d.nn.functional.interpolate(x, size, mode=mode),
            shape,
            length=60 if mode == "area" else 1,
        )
for mode in ("nearest", "nearest-exact", "area", "bilinear", "bicubic"):
    for factor in (2, 1.7, (0.6, 2.3)):
        for recompute in (None, True):
            both(
                f"interpolate {mode}",
                lambda d, x, mode=mode, factor=factor, recompute=recompute: d.nn.functional.interpolate(
                    x, scale_factor=factor, mode=mode, recompute_scale_factor=recompute
                ),
                (1, 2, 5, 6),
                length=30,
            )
for mode in ("bilinear", "bicubic"):
    for size in ((3, 2), (9, 4)):
        both(
            f"interpolate {mode}",
            lambda d, x, mode=mode, size=size: d.nn.functional.interpolate(x, size, mode=mode, antialias=True),
            (1, 2, 7, 9),
            length=60,
        )

# ---- sampling at points

for mode in ("bilinear", "nearest", "bicubic"):
    for outside in ("zeros", "border", "reflection"):
        for align in (False, True):
            for shape, grid in [
                ((2, 3, 4, 5), (2, 3, 4, 2)),
                ((1, 17, 3, 2), (1, 5, 2, 2)),
                ((1, 2, 3, 4, 3), (1, 2, 3, 2, 3)),
            ]:
                if mode == "bicubic" and len(shape) == 5:
                    continue
                both(
                    f"grid_sample {mode}",
                    lambda d, x, g, mode=mode, outside=outside, align=align: d.nn.functional.grid_sample(
                        x, g, mode, outside, align
                    ),
                    shape,
                    uniform(*grid, low=-1.6, high=1.6),
                    length=60,
                    eps_factor=16,
                )
case("affine_grid", lambda d, t: d.nn.functional.affine_grid(t, (2, 3, 4, 5), False), [arr(2, 2, 3)], length=8)
case("affine_grid", lambda d, t: d.nn.functional.affine_grid(t, [2, 1, 2, 3, 4], True), [arr(2, 3, 4)], length=8)

# ---- rearrangement

for shape, r in [((2, 8, 3, 4), 2), ((9, 2, 2), 3), ((2, 3, 4, 1, 5), 2)]:
    case("pixel_shuffle", lambda d, x, r=r: d.nn.functional.pixel_shuffle(x, r), [arr(*shape)], gradgrad=True)
for shape, r in [((2, 2, 6, 4), 2), ((2, 3, 6), 3)]:
    case("pixel_unshuffle", lambda d, x, r=r: d.nn.functional.pixel_unshuffle(x, r), [arr(*shape)], gradgrad=True)
both("channel_shuffle", lambda d, x: d.nn.functional.channel_shuffle(x, 3), (2, 6, 2, 3))
for options in ({}, {"stride": 2, "padding": 1}, {"dilation": (1, 2), "padding": (0, 2), "stride": (2, 1)}):
    both("unfold", lambda d, x, o=options: d.nn.functional.unfold(x, (2, 3), **o), (2, 3, 5, 6), gradgrad=True)

    def fold(d, x, o=options):
        columns = d.nn.functional.unfold(x, (2, 3), **o)
        return d.nn.functional.fold(columns * columns, (5, 6), (2, 3), **o)

    case("fold", fold, [arr(2, 3, 5, 6)], length=8, gradgrad=True)
case("unfold", lambda d, x: d.nn.functional.unfold(x, 2), [arr(3, 4, 4)])
case("fold", lambda d, x: d.nn.functional.fold(x, 3, 2), [arr(8, 4)], length=5)
