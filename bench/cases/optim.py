"""One step of every optimizer, against PyTorch's fused one where there is one and its default otherwise: on the 161
parameters of ResNet-50 (25.6 million elements; ResNet-18 has only 62 tensors), and on 1,000 of 16 elements. And
clipping of their gradients."""

import numpy as np

from . import row

FUSED = ("SGD", "Adam", "AdamW", "Adagrad")  # PyTorch's fused=True on CPU
CASES = [
    ("SGD", {"lr": 1e-3}),
    ("SGD", {"lr": 1e-3, "momentum": 0.9, "weight_decay": 1e-4}),
    ("Adam", {"lr": 1e-4}),
    ("AdamW", {"lr": 1e-4}),
    ("Adagrad", {"lr": 1e-4}),
    ("RMSprop", {"lr": 1e-4}),
    ("Adadelta", {"lr": 1e-2}),
    ("Adamax", {"lr": 1e-4}),
    ("NAdam", {"lr": 1e-4}),
    ("RAdam", {"lr": 1e-4}),
]


def resnet50() -> list[tuple[int, ...]]:
    """The shapes of its parameters."""

    def conv(inputs, outputs, window):
        return [(outputs, inputs, window, window), (outputs,), (outputs,)]  # and the normalization after it

    shapes, inputs = conv(3, 64, 7), 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            shapes += conv(inputs, width, 1) + conv(width, width, 3) + conv(width, 4 * width, 1)
            shapes += conv(inputs, 4 * width, 1) if block == 0 else []
            inputs = 4 * width
    return [*shapes, (1000, inputs), (1000,)]


def parameters(d, shapes):
    """Parameters of all ones but for a pattern, with gradients: cheap to make, and the same for both."""
    params = []
    for i, shape in enumerate(shapes):
        pattern = np.resize(np.sin(np.arange(101) + i).astype("float32"), shape)
        params.append(d.tensor(1 + pattern).requires_grad_())
        params[-1].grad = d.tensor(0.1 * np.cos(pattern))
    return params


def step(name, options, shapes):
    def make(d):
        params = parameters(d, shapes)
        fused = {"fused": True} if d.__name__ == "torch" and name in FUSED else {}
        optimizer = getattr(d.optim, name)(params, **options, **fused)

        def call():
            optimizer.step()
            return params[::10]

        return call

    return make


def clip(shapes):
    def make(d):
        params = parameters(d, shapes)

        def call():
            for limit in (1e9, 0.9999):  # nothing to do, and next to nothing: gradients stay of a size
                norm = d.nn.utils.clip_grad_norm_(params, limit)
            return norm

        return call

    return make


for group, shapes in (("optimizer step", resnet50()), ("optimizer step, tiny", [(16,)] * 1000)):
    for name, options in CASES:
        row(group, f"{name}{' with momentum' if 'momentum' in options else ''}", step(name, options, shapes))
    row(group, "clip_grad_norm_", clip(shapes), length=max(int(np.prod(shape)) for shape in shapes))
