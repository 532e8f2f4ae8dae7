"""Normalization, forward alone and with backward, on the layers of well-known networks."""

import numpy as np

from . import row, values


def image(d, array, channels_last):
    x = d.tensor(array)
    return x.contiguous(memory_format=d.channels_last) if channels_last else x


def over_images(shape, backward, call):
    """call(functional, x, weight, bias, running mean, running variance); dlcore gets the order that it has inside.

    Of x in halves, weight 1 and bias 1/4 no result is near 0, where rounding would decide what a ReLU lets through.
    """
    halves = call is with_relu

    def make(d, channels_last=None):
        last = d.__name__ == "dlcore" if channels_last is None else channels_last
        array, w, b = values(*shape), values(shape[1], seed="w"), values(shape[1], seed="b")
        if halves:
            array, w, b = np.round(array * 2) / 2, np.ones_like(w), np.full_like(b, 0.25)
        x = image(d, array, last).requires_grad_(backward)
        weight, bias = (d.tensor(v).requires_grad_(backward) for v in (w, b))
        running = d.zeros(shape[1]), d.ones(shape[1])
        functional = d.nn.functional

        def forward():
            return call(functional, x, weight, bias, *running)

        if not backward:
            return forward
        dy = image(d, values(*shape, seed="dy"), last)
        return lambda: d.autograd.grad(forward(), (x, weight, bias), dy)

    return make


def batch_norm(f, x, weight, bias, mean, var):
    return f.batch_norm(x, mean, var, weight, bias, training=True)


def evaluation(f, x, weight, bias, mean, var):
    return f.batch_norm(x, mean, var, weight, bias)


def with_relu(f, x, weight, bias, mean, var):
    if hasattr(f, "batch_norm_act"):
        return f.batch_norm_act(x, mean, var, weight, bias, training=True)
    return f.relu(f.batch_norm(x, mean, var, weight, bias, training=True), inplace=True)


def add(name, shape, call, backwards=(False, True)):
    for backward in backwards:
        row(
            "norm",
            f"{name} {'x'.join(map(str, shape))}{', and backward' if backward else ''}",
            over_images(shape, backward, call),
            length=shape[0] * shape[2] * shape[3],
            torch_layouts=[{"channels_last": False}, {"channels_last": True}],
        )


# ResNet-18 on 224x224 and on 32x32
for shape in [
    (1, 64, 56, 56), (8, 64, 112, 112), (8, 64, 56, 56), (8, 128, 28, 28), (8, 256, 14, 14), (8, 512, 7, 7),
    (64, 64, 32, 32), (64, 512, 4, 4),
]:  # fmt: skip
    add("batch", shape, batch_norm)
for shape in [(1, 64, 56, 56), (8, 64, 56, 56), (8, 512, 7, 7)]:
    add("batch, evaluation", shape, evaluation, backwards=(False,))
add("batch and ReLU", (8, 64, 56, 56), with_relu)
add("batch and ReLU", (64, 128, 16, 16), with_relu)
add("instance", (8, 64, 56, 56), lambda f, x, w, b, *_: f.instance_norm(x, weight=w, bias=b))
add("group of 32", (8, 64, 56, 56), lambda f, x, w, b, *_: f.group_norm(x, 32, w, b))
add("group of 32", (8, 512, 14, 14), lambda f, x, w, b, *_: f.group_norm(x, 32, w, b))


def over_rows(name, shape, backward):
    def make(d):
        x = d.tensor(values(*shape)).requires_grad_(backward)
        parameters = [d.tensor(values(shape[-1], seed=s)).requires_grad_(backward) for s in "wb"[: 2 - (name == "rms")]]
        normalize = getattr(d.nn.functional, f"{name}_norm")

        def forward():
            return normalize(x, shape[-1:], *parameters, eps=1e-5)

        if not backward:
            return forward
        dy = d.tensor(values(*shape, seed="dy"))
        return lambda: d.autograd.grad(forward(), (x, *parameters), dy)

    return make


for name, shape in [
    ("layer", (32, 128, 512)), ("layer", (8, 196, 768)), ("layer", (64, 64)),
    ("rms", (32, 128, 512)), ("rms", (1, 128, 2048)),
]:  # fmt: skip
    for backward in (False, True):
        row(
            "norm",
            f"{name} {'x'.join(map(str, shape))}{', and backward' if backward else ''}",
            over_rows(name, shape, backward),
            length=max(shape[-1], shape[0] * shape[-2]) if backward else 8,
        )


def local(d, channels_last=None):
    x = image(d, values(8, 64, 27, 27), d.__name__ == "dlcore" if channels_last is None else channels_last)
    return lambda: d.nn.functional.local_response_norm(x, 5)


row("norm", "local response 5 8x64x27x27", local, torch_layouts=[{"channels_last": False}, {"channels_last": True}])
