"""Convolution."""

import numpy as np

from . import arr, case


def pair(v):
    return (v, v) if isinstance(v, int) else v


def conv2d(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """The definition, as a sum over the taps of the window."""
    (sh, sw), (dh, dw) = pair(stride), pair(dilation)
    unbatched = x.ndim == 3
    x = x[None] if unbatched else x
    kh, kw = w.shape[2:]
    if padding == "same":
        extra = dh * (kh - 1), dw * (kw - 1)
        sides = [(0, 0), (0, 0)] + [(e // 2, e - e // 2) for e in extra]
    else:
        ph, pw = pair(0 if padding == "valid" else padding)
        sides = [(0, 0), (0, 0), (ph, ph), (pw, pw)]
    x = np.pad(x, sides)
    oh, ow = (x.shape[2] - dh * (kh - 1) - 1) // sh + 1, (x.shape[3] - dw * (kw - 1) - 1) // sw + 1
    channels, rows = w.shape[1], w.shape[0] // groups
    y = np.zeros((x.shape[0], w.shape[0], oh, ow))
    for g in range(groups):
        part = x[:, g * channels : (g + 1) * channels]
        for u in range(kh):
            for v in range(kw):
                tap = part[:, :, u * dh : u * dh + (oh - 1) * sh + 1 : sh, v * dw : v * dw + (ow - 1) * sw + 1 : sw]
                taps = w[g * rows : (g + 1) * rows, :, u, v]
                y[:, g * rows : (g + 1) * rows] += np.einsum("nchw,kc->nkhw", tap, taps)
    y = y if b is None else y + b[:, None, None]
    return y[0] if unbatched else y


def add(x, w, bias=True, length=None, gradgrad=False, **options):
    def call(d, x, w, b=None):
        return d.conv2d(x, w, b, **options)

    inputs = [arr(*x), arr(*w)] + ([arr(w[0])] if bias else [])
    taps = w[1] * w[2] * w[3]
    case("conv2d", call, inputs, lambda *a: conv2d(*a, **options), length=taps + 1, gradgrad=gradgrad)


add((2, 3, 6, 7), (4, 3, 3, 3), gradgrad=True)
add((2, 3, 6, 7), (4, 3, 3, 3), bias=False, padding=1)
add((3, 6, 7), (4, 3, 3, 2), padding=(1, 2), stride=(2, 1))
add((2, 2, 8, 9), (3, 2, 3, 3), stride=2, padding=2, dilation=2, gradgrad=True)
add((1, 4, 7, 6), (6, 2, 2, 3), groups=2, stride=(1, 3))
add((2, 4, 6, 5), (8, 1, 3, 3), groups=4, padding=1, gradgrad=True)
add((2, 3, 5, 5), (2, 3, 1, 1), stride=2)
add((2, 2, 5, 6), (3, 2, 4, 2), padding="same", dilation=(1, 3))
add((2, 2, 5, 6), (3, 2, 4, 2), padding="valid")
add((2, 16, 5, 5), (5, 16, 5, 5))
add((1, 1, 28, 28), (6, 1, 5, 5), padding=2)
add((1, 70, 4, 5), (6, 70, 3, 3), padding=1)
add((0, 3, 5, 5), (4, 3, 3, 3))


def add_act(x, w, activation="relu", gradgrad=False, **options):
    """conv2d_act, which is not in PyTorch."""

    def call(d, x, w, b):
        f = d.nn.functional
        if hasattr(f, "conv2d_act"):
            return f.conv2d_act(x, w, b, **options, activation=activation)
        y = d.conv2d(x, w, b, **options)
        return y if activation == "none" else getattr(f, activation)(y)

    def definition(*a):
        y = conv2d(*a, **options)
        return y if activation == "none" else np.clip(y, 0, 6 if activation == "relu6" else None)

    length = w[1] * w[2] * w[3] + 1
    case("conv2d_act", call, [arr(*x), arr(*w), arr(w[0])], definition, length=length, gradgrad=gradgrad)


for activation in ("relu", "relu6"):
    add_act((2, 3, 6, 7), (4, 3, 3, 3), activation, gradgrad=True)  # blocks
    add_act((1, 70, 4, 5), (6, 70, 3, 3), activation, padding=1)  # blocks, matrix engine
    add_act((2, 8, 5, 5), (4, 8, 1, 1), activation)  # one product
    add_act((2, 16, 5, 6), (33, 16, 3, 3), activation, padding=1, stride=2)  # channels last
    add_act((2, 17, 6, 6), (17, 1, 3, 3), activation, padding=1, groups=17, gradgrad=True)  # depthwise
add_act((3, 6, 6), (4, 3, 3, 3), activation="none")
