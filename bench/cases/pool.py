"""Pooling on the layers of well-known networks, forward alone and with backward.

dlcore gets the order in memory that its convolution before that layer gives: channels last, except behind LeNet's few
channels and in the rows that say so. PyTorch's better one counts.
"""

from . import row, values


def pooling(name, shape, backward, own_layout, *args):
    def make(d, channels_last=own_layout):
        x = d.tensor(values(*shape))
        x = x.contiguous(memory_format=d.channels_last) if channels_last else x
        x.requires_grad_(backward)

        def forward():
            return getattr(d.nn.functional, name)(x, *args)

        if not backward:
            return forward
        y = forward()
        dy = d.tensor(values(*y.shape, seed="dy"))
        dy = dy.contiguous(memory_format=d.channels_last) if channels_last else dy
        return lambda: d.autograd.grad(forward(), x, dy)

    return make


LAST, FIRST = True, False
for what, name, shape, own_layout, args in [
    ("max 2x2 VGG", "max_pool2d", (8, 64, 56, 56), LAST, (2,)),
    ("max 2x2 VGG, channels first", "max_pool2d", (8, 64, 56, 56), FIRST, (2,)),
    ("max 2x2 LeNet", "max_pool2d", (64, 6, 28, 28), FIRST, (2,)),
    ("max 2x2 LeNet", "max_pool2d", (64, 16, 10, 10), LAST, (2,)),
    ("max 3x3 stride 2 ResNet", "max_pool2d", (8, 64, 112, 112), LAST, (3, 2, 1)),
    ("max 3x3 stride 2 ResNet", "max_pool2d", (1, 64, 112, 112), LAST, (3, 2, 1)),
    ("max 3x3 stride 1 GoogLeNet", "max_pool2d", (8, 192, 28, 28), LAST, (3, 1, 1)),
    ("average 2x2 DenseNet", "avg_pool2d", (8, 128, 56, 56), LAST, (2,)),
    ("average 2x2, channels first", "avg_pool2d", (8, 128, 56, 56), FIRST, (2,)),
    ("average 3x3 stride 1", "avg_pool2d", (8, 192, 28, 28), LAST, (3, 1, 1)),
    ("global average ResNet-18", "adaptive_avg_pool2d", (8, 512, 7, 7), LAST, (1,)),
    ("global average ResNet-50", "adaptive_avg_pool2d", (8, 2048, 7, 7), LAST, (1,)),
    ("adaptive average 7x7 VGG", "adaptive_avg_pool2d", (8, 512, 10, 10), LAST, (7,)),
]:
    for backward in (False, True):
        row(
            "pooling",
            f"{what} {'x'.join(map(str, shape))}{', and backward' if backward else ''}",
            pooling(name, shape, backward, own_layout, *args),
            length=49,
            torch_layouts=[{"channels_last": False}, {"channels_last": True}],
        )
