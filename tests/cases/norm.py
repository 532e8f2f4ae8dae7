"""Normalization."""

import numpy as np

from . import arr, case, uniform

EPS = 1e-5


def normalized(x, axes, mean=None, var=None, eps=EPS):
    mean = x.mean(axes, keepdims=True) if mean is None else mean
    var = ((x - mean) ** 2).mean(axes, keepdims=True) if var is None else var
    return (x - mean) / np.sqrt(var + eps)


def per_channel(v, x):
    return v.reshape(1, -1, *[1] * (x.ndim - 2))


def affine(y, weight, bias):
    return y * per_channel(weight, y) + per_channel(bias, y)


# ---- batch; sums of n terms, and the result's own few roundings

SHAPES = [(5, 3), (4, 17, 2), (3, 16, 4, 4), (2, 5, 3, 7), (2, 3, 2, 3, 4), (1, 33, 6, 5), (70, 2, 3, 1)]
for shape in SHAPES:
    c, n = shape[1], int(np.prod(shape)) // shape[1]
    case(
        "batch_norm",
        lambda d, x, w, b: d.nn.functional.batch_norm(x, None, None, w, b, training=True),
        [arr(*shape), arr(c), arr(c)],
        lambda x, w, b: affine(normalized(x, (0, *range(2, x.ndim))), w, b),
        length=n + 8,
        gradgrad=n <= 48,
    )
    case(
        "batch_norm",
        lambda d, x, w, b, m, v: d.nn.functional.batch_norm(x, m, v, w, b),
        [arr(*shape), arr(c), arr(c), arr(c, grad=False), uniform(c, low=0.5, high=2, grad=False)],
        lambda x, w, b, m, v: affine(normalized(x, None, per_channel(m, x), per_channel(v, x)), w, b),
        length=8 + n,  # a gradient's sum
        gradgrad=n <= 48,
        id=f"batch_norm-evaluation-{shape}",
    )
case(
    "batch_norm",
    lambda d, x, w: d.nn.functional.batch_norm(x, None, None, w, None, True, eps=0.5),
    [arr(6, 4, 5), arr(4)],
    lambda x, w: normalized(x, (0, 2), eps=0.5) * per_channel(w, x),
    length=38,
)


def channels_last(x):
    """The same values with the channels innermost in memory."""
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


for shape in [(3, 16, 4, 4), (2, 5, 3, 7), (9, 70, 3, 3), (2, 3, 2, 3, 4)]:
    case(
        "batch_norm",
        lambda d, x, w, b: d.nn.functional.batch_norm(channels_last(x), None, None, w, b, training=True),
        [arr(*shape), arr(shape[1]), arr(shape[1])],
        lambda x, w, b: affine(normalized(x, (0, *range(2, x.ndim))), w, b),
        length=int(np.prod(shape)) // shape[1] + 8,
        gradgrad=shape[0] == 2,
        id=f"batch_norm-channels_last-{shape}",
    )


# ---- batch with its activation and residual: dlcore's own; elsewhere what its users write


def batch_norm_act(d, x, w, b, residual=None, activation="relu"):
    f = d.nn.functional
    if hasattr(f, "batch_norm_act"):
        return f.batch_norm_act(x, None, None, w, b, True, residual=residual, activation=activation)
    y = f.batch_norm(x, None, None, w, b, True)
    y = y if residual is None else y + residual
    return y if activation == "none" else getattr(f, activation)(y)


BOUNDS = {"none": (-np.inf, np.inf), "relu": (0, np.inf), "relu6": (0, 6)}


for order in (lambda x: x, channels_last):
    for shape in [(3, 16, 4, 4), (2, 5, 3, 7), (5, 3)]:
        layout = {"length": int(np.prod(shape)) // shape[1] + 8, "gradgrad": shape[0] == 2}
        if len(shape) == 2 and order is channels_last:
            continue
        case(
            "batch_norm_act",
            lambda d, x, w, b, order=order: batch_norm_act(d, order(x), w, b),
            [arr(*shape), arr(shape[1]), arr(shape[1])],
            lambda x, w, b: np.maximum(affine(normalized(x, (0, *range(2, x.ndim))), w, b), 0),
            **layout,
        )
        case(
            "batch_norm_act",
            lambda d, x, w, b, order=order: batch_norm_act(d, order(x), 3 * w, b + 3, activation="relu6"),
            [arr(*shape), arr(shape[1]), arr(shape[1])],
            lambda x, w, b: np.clip(affine(normalized(x, (0, *range(2, x.ndim))), 3 * w, b + 3), 0, 6),
            **layout,
        )
        for activation in ("relu", "relu6", "none"):
            case(
                "batch_norm_act",
                lambda d, x, w, b, r, order=order, activation=activation: batch_norm_act(
                    d, order(x), w, b, 3 * order(r), activation
                ),
                [arr(*shape), arr(shape[1]), arr(shape[1]), arr(*shape)],
                lambda x, w, b, r, activation=activation: np.clip(
                    affine(normalized(x, (0, *range(2, x.ndim))), w, b) + 3 * r, *BOUNDS[activation]
                ),
                **layout,
            )


# ---- instance and group


def grouped(x, groups):
    return normalized(x.reshape(x.shape[0], groups, -1), 2).reshape(x.shape)


for order in (lambda x: x, channels_last):
    for shape in [(2, 3, 5), (3, 16, 4, 4), (1, 5, 3, 7), (2, 4, 2, 3, 4), (18, 2, 3, 3)]:
        if len(shape) == 3 and order is channels_last:
            continue
        c, n = shape[1], int(np.prod(shape[2:]))
        case(
            "instance_norm",
            lambda d, x, w, b, order=order: d.nn.functional.instance_norm(order(x), weight=w, bias=b),
            [arr(*shape), arr(c), arr(c)],
            lambda x, w, b: affine(normalized(x, tuple(range(2, x.ndim))), w, b),
            length=n * shape[0] + 8,
            gradgrad=shape[0] == 1,
        )
        for groups in {1, c if n > 1 else 1, 2 if c % 2 == 0 else 1}:
            case(
                "group_norm",
                lambda d, x, w, b, order=order, groups=groups: d.nn.functional.group_norm(order(x), groups, w, b),
                [arr(*shape), arr(c), arr(c)],
                lambda x, w, b, groups=groups: affine(grouped(x, groups), w, b),
                length=n * max(shape[0], c // groups) + 8,
                gradgrad=shape[0] == 1,
            )
case(
    "group_norm",
    lambda d, x: d.nn.functional.group_norm(x, 3, eps=0.1),
    [arr(7, 6)],
    lambda x: normalized(x.reshape(7, 3, 2), 2, eps=0.1).reshape(7, 6),
    length=10,
)


# ---- layer and root mean square


def row_normalized(x, dims, eps, centered):
    axes = tuple(range(x.ndim - dims, x.ndim))
    x = x - x.mean(axes, keepdims=True) if centered else x
    return x / np.sqrt((x * x).mean(axes, keepdims=True) + eps)


for shape, dims in [
    ((4, 5), 1),
    ((3, 2, 17), 1),
    ((2, 64), 1),
    ((3, 1), 1),
    ((2, 3, 4, 5), 2),
    ((70, 33), 1),
    ((6,), 1),
]:
    sizes, n = shape[len(shape) - dims :], int(np.prod(shape[len(shape) - dims :]))
    options = {"length": n + int(np.prod(shape)) // n + 8, "gradgrad": shape[0] < 5 and n < 64, "grad": n > 1}
    case(
        "layer_norm",
        lambda d, x, w, b, sizes=sizes: d.nn.functional.layer_norm(x, sizes, w, b),
        [arr(*shape), arr(*sizes), arr(*sizes)],
        lambda x, w, b, dims=dims: row_normalized(x, dims, EPS, True) * w + b,
        **options,
    )
    case(
        "rms_norm",
        lambda d, x, w, sizes=sizes: d.nn.functional.rms_norm(x, sizes, w, 1e-5),
        [arr(*shape), arr(*sizes)],
        lambda x, w, dims=dims: row_normalized(x, dims, 1e-5, False) * w,
        **options,
    )
long = int(2.5 * 2048)  # more than one block
case(
    "layer_norm",
    lambda d, x: d.nn.functional.layer_norm(x, (long,), eps=0.5),
    [arr(3, long)],
    lambda x: row_normalized(x, 1, 0.5, True),
    length=long,
    grad=False,
)
case(
    "layer_norm",
    lambda d, x, w: d.nn.functional.layer_norm(x, (7,), w),
    [arr(3, 7), arr(7)],
    lambda x, w: row_normalized(x, 1, EPS, True) * w,
    length=20,
)
case(
    "layer_norm",
    lambda d, x, b: d.nn.functional.layer_norm(x, (7,), None, b),
    [arr(3, 7), arr(7)],
    lambda x, b: row_normalized(x, 1, EPS, True) + b,
    length=20,
)
case(
    "rms_norm",
    lambda d, x: d.nn.functional.rms_norm(x, (long,), eps=0.5),
    [arr(3, long)],
    lambda x: row_normalized(x, 1, 0.5, False),
    length=long,
    grad=False,
)

# ---- local response


def local_response(x, size, alpha, beta, k):
    total = np.zeros_like(x)
    for c in range(x.shape[1]):
        total[:, c] = (x[:, max(c - size // 2, 0) : c - size // 2 + size] ** 2).sum(1)
    return x / (k + alpha / size * total) ** beta


for order in (lambda x: x, channels_last):
    for shape, args in [
        ((2, 3, 5), (2, 1e-4, 0.75, 1.0)),
        ((2, 17, 3, 3), (5, 0.5, 0.75, 2.0)),
        ((1, 6, 4, 9), (3, 0.9, 0.5, 1.5)),
        ((2, 4, 2, 3, 4), (4, 0.3, 1.25, 1.0)),
        ((3, 3, 7, 2), (9, 0.4, 0.75, 1.0)),
        ((1, 2, 2, 2), (1, 0.4, 2.0, 1.0)),
    ]:
        if len(shape) == 3 and order is channels_last:
            continue
        case(
            "local_response_norm",
            lambda d, x, order=order, args=args: d.nn.functional.local_response_norm(order(x), *args),
            [arr(*shape)],
            lambda x, args=args: local_response(x, *args),
            length=args[0] + 12,
            gradgrad=shape[0] == 1,
        )
