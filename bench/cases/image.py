"""Padding, resampling and rearrangement of images, forward alone and with backward.

PyTorch's better order in memory counts; dlcore gets what a network has there.
"""

from . import row, values

LAST, FIRST = True, False


def image_op(call, shape, backward, own_layout):
    def make(d, channels_last=own_layout):
        x = d.tensor(values(*shape))
        x = x.contiguous(memory_format=d.channels_last) if channels_last else x
        x.requires_grad_(backward)
        if not backward:
            return lambda: call(d, x)
        dy = d.tensor(values(*call(d, x).shape, seed="dy"))
        dy = dy.contiguous(memory_format=d.channels_last) if channels_last and dy.dim() == 4 else dy
        return lambda: d.autograd.grad(call(d, x), x, dy)

    return make


def rotate(d, x):
    theta = d.tensor([[[0.9, -0.3, 0.1], [0.3, 0.9, -0.1]]]).expand(x.shape[0], 2, 3)
    grid = d.nn.functional.affine_grid(theta, tuple(x.shape), False)
    return d.nn.functional.grid_sample(x, grid, "bilinear", "zeros", False)


for what, shape, own_layout, call in [
    ("pad zeros", (8, 64, 56, 56), LAST, lambda d, x: d.nn.functional.pad(x, (1, 1, 1, 1))),
    ("pad reflect", (8, 64, 56, 56), LAST, lambda d, x: d.nn.functional.pad(x, (1, 1, 1, 1), "reflect")),
    ("nearest twice as large", (8, 64, 28, 28), LAST, lambda d, x: d.nn.functional.interpolate(x, scale_factor=2)),
    (
        "bilinear twice as large",
        (8, 64, 28, 28),
        LAST,
        lambda d, x: d.nn.functional.interpolate(x, scale_factor=2, mode="bilinear"),
    ),
    (
        "bilinear photographs to 224",
        (8, 3, 256, 320),
        FIRST,
        lambda d, x: d.nn.functional.interpolate(x, (224, 224), mode="bilinear"),
    ),
    (
        "bicubic photographs to 224",
        (8, 3, 256, 320),
        FIRST,
        lambda d, x: d.nn.functional.interpolate(x, (224, 224), mode="bicubic", align_corners=False),
    ),
    ("rotation", (64, 3, 32, 32), FIRST, rotate),
    ("unfold 3x3", (8, 64, 28, 28), FIRST, lambda d, x: d.nn.functional.unfold(x, 3, padding=1)),
    ("pixel shuffle", (8, 64, 56, 56), FIRST, lambda d, x: d.nn.functional.pixel_shuffle(x, 2)),
]:
    for backward in (False, True):
        row(
            "image",
            f"{what} {'x'.join(map(str, shape))}{', and backward' if backward else ''}",
            image_op(call, shape, backward, own_layout),
            length=256**2,  # PyTorch rounds places of up to 256 elements to float32
            torch_layouts=[{"channels_last": False}, {"channels_last": True}],
        )
