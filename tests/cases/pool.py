"""Pooling."""

import numpy as np

from . import arr, case, distinct


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
