"""Pooling."""

import numpy as np

from . import arr, case, distinct, uniform


def pair(v):
    return (v, v) if isinstance(v, int) else v


def out_size(n, k, s, p, d, ceil):
    out = -(-(n + 2 * p - d * (k - 1) - 1) // s) + 1 if ceil else (n + 2 * p - d * (k - 1) - 1) // s + 1
    return out - 1 if ceil and (out - 1) * s >= n + p else out


def windows(x, k, stride, padding, dilation, ceil_mode):
    """For every output (i, j): the slices of x's planes in its window, clipped to the plane, and where it lies."""
    (kh, kw), (ph, pw), (dh, dw) = pair(k), pair(padding), pair(dilation)
    sh, sw = pair(k if stride is None else stride)
    h, w = x.shape[-2:]
    for i in range(out_size(h, kh, sh, ph, dh, ceil_mode)):
        for j in range(out_size(w, kw, sw, pw, dw, ceil_mode)):
            rows = [i * sh + u * dh - ph for u in range(kh)]
            cols = [j * sw + v * dw - pw for v in range(kw)]
            yield i, j, [r for r in rows if 0 <= r < h], [c for c in cols if 0 <= c < w], (rows[0], cols[0])


def max_pool2d(x, k, stride=None, padding=0, dilation=1, ceil_mode=False):
    parts = list(windows(x, k, stride, padding, dilation, ceil_mode))
    y = np.zeros((*x.shape[:-2], parts[-1][0] + 1, parts[-1][1] + 1))
    for i, j, rows, cols, _ in parts:
        y[..., i, j] = x[..., rows, :][..., cols].max((-2, -1))
    return y


def avg_pool2d(x, k, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    (kh, kw), (ph, pw) = pair(k), pair(padding)
    h, w = x.shape[-2:]
    parts = list(windows(x, k, stride, padding, 1, ceil_mode))
    y = np.zeros((*x.shape[:-2], parts[-1][0] + 1, parts[-1][1] + 1))
    for i, j, rows, cols, (r, c) in parts:
        count = len(rows) * len(cols)
        if count_include_pad:
            count = (min(r + kh, h + ph) - r) * (min(c + kw, w + pw) - c)
        y[..., i, j] = x[..., rows, :][..., cols].sum((-2, -1)) / (divisor_override or count)
    return y


def add_max(shape, k, gradgrad=False, **options):
    case(
        "max_pool2d",
        lambda d, x: d.nn.functional.max_pool2d(x, k, **options),
        [distinct(*shape)],
        lambda x: max_pool2d(x, k, **options),
        gradgrad=gradgrad,
    )


def add_avg(shape, k, gradgrad=False, **options):
    kh, kw = pair(k)
    case(
        "avg_pool2d",
        lambda d, x: d.nn.functional.avg_pool2d(x, k, **options),
        [arr(*shape)],
        lambda x: avg_pool2d(x, k, **options),
        length=kh * kw + 1,
        gradgrad=gradgrad,
    )


add_max((2, 3, 6, 8), 2, gradgrad=True)
add_max((3, 7, 9), 3, stride=2, padding=1)
add_max((2, 2, 8, 7), (3, 2), stride=(1, 2), padding=(1, 0), dilation=(2, 1), ceil_mode=True, gradgrad=True)
add_max((1, 2, 5, 5), 2, ceil_mode=True)
add_max((1, 1, 5, 40), (1, 3), stride=1)
add_avg((2, 3, 6, 8), 2, gradgrad=True)
add_avg((3, 7, 9), 3, stride=2, padding=1)
add_avg((2, 2, 7, 8), (3, 2), stride=(2, 3), padding=(1, 1), ceil_mode=True, gradgrad=True)
add_avg((2, 2, 7, 8), 3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)
add_avg((2, 2, 7, 8), 3, stride=1, divisor_override=4)


def with_indices(d, x):
    return d.nn.functional.max_pool2d(x, 2, 2, return_indices=True)


def max_places(x):
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // 2, 2, w // 2, 2).swapaxes(3, 4).reshape(n, c, h // 2, w // 2, 4)
    tap = blocks.argmax(-1)
    rows, cols = 2 * np.arange(h // 2)[:, None] + tap // 2, 2 * np.arange(w // 2) + tap % 2
    return blocks.max(-1), rows * w + cols


case("max_pool2d", with_indices, [distinct(2, 2, 6, 4)], max_places)


# ---- one and three dimensions, parts, and both orders in memory; PyTorch and differences are the references


def last(d, x):
    """x (N, C, ...) with its channels last in memory."""
    n = x.dim()
    return x.permute(0, *range(2, n), 1).contiguous().permute(0, n - 1, *range(1, n - 1))


def add(op, name, shape, *args, make=distinct, length=1, gradgrad=False, **options):
    for order in (lambda d, x: x, last):
        case(
            op,
            lambda d, x, order=order: getattr(d.nn.functional, name)(order(d, x), *args, **options),
            [make(*shape)],
            length=length,
            gradgrad=gradgrad,
        )


for name, shape, args, options in [
    ("max_pool1d", (2, 3, 9), (2,), {}),
    ("max_pool1d", (2, 5, 9), (3,), {"stride": 1, "padding": 1, "dilation": 2, "return_indices": True}),
    ("max_pool2d", (2, 5, 6, 7), (3,), {"stride": 2, "padding": 1, "return_indices": True}),
    ("max_pool2d", (2, 17, 5, 4), (2,), {"ceil_mode": True}),
    ("max_pool3d", (2, 3, 4, 5, 6), (2,), {}),
    ("max_pool3d", (1, 6, 4, 5, 6), ((2, 3, 1),), {"stride": (1, 2, 2), "padding": (1, 1, 0), "return_indices": True}),
    ("adaptive_max_pool1d", (2, 3, 7), (3,), {}),
    ("adaptive_max_pool2d", (2, 5, 7, 5), ((3, 5),), {"return_indices": True}),
    ("adaptive_max_pool3d", (1, 2, 3, 5, 4), ((2, None, 3),), {}),
]:
    add(name, name, shape, *args, gradgrad=not options.get("return_indices"), **options)

for name, shape, args, options in [
    ("avg_pool1d", (2, 3, 9), (2,), {}),
    ("avg_pool1d", (2, 5, 9), (3, 2, 1, True, False), {}),
    ("avg_pool2d", (2, 17, 6, 7), (3,), {"stride": 1, "padding": 1}),
    ("avg_pool2d", (2, 5, 6, 7), (3,), {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    ("avg_pool3d", (2, 3, 4, 5, 6), (2,), {}),
    ("avg_pool3d", (1, 6, 4, 5, 6), ((2, 3, 1),), {"stride": 2, "padding": (1, 1, 0), "divisor_override": 5}),
    ("adaptive_avg_pool1d", (2, 3, 7), (3,), {}),
    ("adaptive_avg_pool2d", (2, 5, 7, 5), ((3, 5),), {}),
    ("adaptive_avg_pool2d", (2, 5, 7, 5), (1,), {}),
    ("adaptive_avg_pool2d", (2, 3, 4, 4), ((2, 9),), {}),
    ("adaptive_avg_pool3d", (1, 2, 3, 5, 4), ((2, None, 3),), {}),
    ("lp_pool1d", (2, 3, 8), (2, 3), {}),
    ("lp_pool2d", (2, 3, 6, 8), (3, (2, 3)), {"stride": 2}),
    ("lp_pool3d", (1, 2, 4, 5, 6), (2.0, 2), {}),
]:
    positive = name.startswith("lp")
    make = (lambda *shape: uniform(*shape, low=0.5, high=2.0)) if positive else arr
    add(name, name, shape, *args, make=make, length=40 if positive else 35, gradgrad=not positive, **options)


def unpool(name, pool, *args, **options):
    def run(d, x):
        y, places = getattr(d.nn.functional, pool)(x.detach(), *args, return_indices=True, **options)
        smaller = d.nn.functional.interpolate(x, tuple(y.shape[2:]))  # something to differentiate
        return getattr(d.nn.functional, name)(smaller, places, *args, output_size=tuple(x.shape[2:]), **options)

    return run


case("max_unpool1d", unpool("max_unpool1d", "max_pool1d", 2), [distinct(2, 3, 9)])
case("max_unpool2d", unpool("max_unpool2d", "max_pool2d", 2, stride=2), [distinct(2, 3, 6, 7)])
case("max_unpool3d", unpool("max_unpool3d", "max_pool3d", (1, 2, 2)), [distinct(1, 2, 3, 4, 4)])
