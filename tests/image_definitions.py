"""Layers on images by their definitions, in numpy: what the tests compare with where PyTorch is not installed.

Many of them are a matrix along each axis: y = M_1 M_2 ... x, and so dx = M_1^T M_2^T ... dy.
"""

import itertools

import numpy as np
from cases.pool import out_size


def along(matrices, x):
    """The matrices (out, in) applied to x's last axes."""
    for axis, m in enumerate(reversed(matrices), 1):
        x = np.moveaxis(np.tensordot(m, x, (1, x.ndim - axis)), 0, x.ndim - axis)
    return x


def transposed(matrices):
    return [m.T for m in matrices]


def chosen(places, size):
    """The matrix whose row o shows element places[o]; nothing where that is -1."""
    m = np.zeros((len(places), size))
    for o, place in enumerate(places):
        if place >= 0:
            m[o, place] = 1
    return m


# ---- windows of one axis: for each, its elements' places


def windows(size, kernel, stride, padding, dilation=1, ceil_mode=False):
    for o in range(out_size(size, kernel, stride, padding, dilation, ceil_mode)):
        first = o * stride - padding
        yield first, [p for p in range(first, first + kernel * dilation, dilation) if 0 <= p < size]


def adaptive_windows(size, out):
    for o in range(out):
        yield 0, list(range(o * size // out, -(-(o + 1) * size // out)))


def sums(size, parts, divisor=lambda first, places: 1):
    rows = [(np.bincount(places, minlength=size) if places else np.zeros(size)) / divisor(f, places)
            for f, places in parts]  # fmt: skip
    return np.array(rows).reshape(-1, size)


def averages(size, kernel, stride, padding, ceil_mode, count_include_pad):
    def count(first, places):
        return min(first + kernel, size + padding) - first if count_include_pad else max(len(places), 1)

    return sums(size, windows(size, kernel, stride, padding, 1, ceil_mode), count)


def max_pool(x, axes):
    """The maxima and their places in the image, the first of equals; axes: for each, its windows' places."""
    n = len(axes)
    sizes, lead = x.shape[-n:], x.shape[:-n]
    flat = x.reshape(*lead, -1)
    y = np.zeros((*lead, *map(len, axes)))
    indices = np.zeros(y.shape, dtype=np.int64)
    for window in itertools.product(*(range(len(axis)) for axis in axes)):
        places = np.array(list(itertools.product(*(axis[o] for axis, o in zip(axes, window)))))
        places = np.ravel_multi_index(places.T, sizes)
        indices[(..., *window)] = places[flat[..., places].argmax(-1)]
        y[(..., *window)] = flat[..., places].max(-1)
    return y, indices


def put(values, indices, sizes):
    """The values added at their places in images of zeros."""
    n, lead = len(sizes), values.shape[: values.ndim - len(sizes)]
    out = np.zeros((int(np.prod(lead)), int(np.prod(sizes))))
    rows = np.arange(len(out))[:, None]
    np.add.at(out, (rows, indices.reshape(len(out), -1)), values.reshape(len(out), -1))
    assert values.ndim == len(lead) + n
    return out.reshape(*lead, *sizes)


# ---- padding


def padded(size, before, after, mode):
    def place(i):
        if 0 <= i < size:
            return i
        if mode in ("constant", "zeros"):
            return -1
        if mode == "reflect":
            return -i if i < 0 else 2 * (size - 1) - i
        return min(max(i, 0), size - 1) if mode == "replicate" else i % size

    return chosen([place(i) for i in range(-before, size + after)], size)


# ---- resampling


def keys(x, a):
    """Keys' cubic kernel."""
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0


def resampled(size, out, mode, align_corners=False, antialias=False, factor=None):
    """The matrix of one axis for "nearest", "nearest-exact", "linear", "cubic" and "area"; factor: where it is used."""
    if mode == "area":
        return sums(size, adaptive_windows(size, out), lambda _, places: len(places))
    step = 1 / factor if factor else size / out
    if mode.startswith("nearest"):
        half = 0.5 if mode == "nearest-exact" else 0
        return chosen([min(int((o + half) * step), size - 1) for o in range(out)], size)
    if align_corners:
        step = (size - 1) / (out - 1) if out > 1 else 0
    m = np.zeros((out, size))
    for o in range(out):
        center = step * o if align_corners else step * (o + 0.5) - 0.5
        if antialias:  # where it begins does not depend on align_corners, as in PyTorch
            center, wide = step * (o + 0.5) - 0.5, max(step, 1)
            reach = (2 if mode == "cubic" else 1) * wide
            for i in range(size):  # whole elements under the kernel
                if int(max(center + 1 - reach, 0)) <= i < int(center + 1 + reach):
                    d = (i - center) / wide
                    m[o, i] = keys(d, -0.5) if mode == "cubic" else max(1 - abs(d), 0)
            m[o] /= m[o].sum()
        elif mode == "cubic":
            first = int(np.floor(center)) - 1
            for i in range(first, first + 4):
                m[o, min(max(i, 0), size - 1)] += keys(i - center, -0.75)
        else:
            center = min(max(center, 0), size - 1)
            for i in range(size):
                m[o, i] = max(1 - abs(i - center), 0)
    return m


def sampled(coordinate, size, mode, outside, align_corners):
    """The weights of an axis' elements for a point of grid_sample."""

    def inside(p):
        if outside == "reflection":
            low, high = (0, size - 1) if align_corners else (-0.5, size - 0.5)
            span = high - low
            times, rest = divmod(abs(p - low), span) if span else (0, 0)
            p = low + (span - rest if times % 2 else rest)
        return p if outside == "zeros" else min(max(p, 0), size - 1)

    p = (coordinate + 1) / 2 * (size - 1) if align_corners else ((coordinate + 1) * size - 1) / 2
    p = p if mode == "bicubic" else inside(p)
    weights = np.zeros(size)
    first = int(np.rint(p)) if mode == "nearest" else int(np.floor(p)) - (1 if mode == "bicubic" else 0)
    for i in range(first, first + {"nearest": 1, "bilinear": 2, "bicubic": 4}[mode]):
        place = int(inside(i)) if mode == "bicubic" else i
        if 0 <= place < size:
            weights[place] += {
                "nearest": lambda: 1,
                "bilinear": lambda i=i: 1 - abs(i - p),
                "bicubic": lambda i=i: keys(i - p, -0.75),
            }[mode]()
    return weights


# ---- convolution: x (n, c, ...) and w (k, c / groups, ...)


def taps(x, kernel, stride, dilation, out):
    """(tap, the part of x that it meets for outputs of sizes `out`) for every tap of the kernel."""
    for tap in itertools.product(*map(range, kernel)):
        part = [slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, o, s in zip(tap, dilation, out, stride)]
        yield (..., *tap), (..., *part)


def grouped(a, axis, groups):
    return a.reshape(*a.shape[:axis], groups, -1, *a.shape[axis + 1 :])


def conv(x, w, stride, dilation, groups):
    """y, without padding."""
    kernel = w.shape[2:]
    out = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation)]
    y = np.zeros((x.shape[0], groups, w.shape[0] // groups, *out))
    xs, ws = grouped(x, 1, groups), grouped(w, 0, groups)
    for tap, part in taps(x, kernel, stride, dilation, out):
        y += np.einsum("ngc...,gkc->ngk...", xs[part], ws[tap])
    return y.reshape(x.shape[0], w.shape[0], *out)


def conv_data(dy, w, stride, dilation, groups, sizes):
    """dx of these sizes."""
    kernel, out = w.shape[2:], dy.shape[2:]
    dx = np.zeros((dy.shape[0], groups, w.shape[1], *sizes))
    dys, ws = grouped(dy, 1, groups), grouped(w, 0, groups)
    for tap, part in taps(dx, kernel, stride, dilation, out):
        dx[part] += np.einsum("ngk...,gkc->ngc...", dys, ws[tap])
    return dx.reshape(dy.shape[0], -1, *sizes)


def conv_weight(x, dy, kernel, stride, dilation, groups):
    xs, dys = grouped(x, 1, groups), grouped(dy, 1, groups)
    dw = np.zeros((groups, dys.shape[2], xs.shape[2], *kernel))
    for tap, part in taps(x, kernel, stride, dilation, dy.shape[2:]):
        a, b = (v.reshape(*v.shape[:3], -1) for v in (xs[part], dys))
        dw[tap] = np.einsum("ngcp,ngkp->gkc", a, b)
    return dw.reshape(dy.shape[1], -1, *kernel)
