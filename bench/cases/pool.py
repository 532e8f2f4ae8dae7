"""Pooling on the layers of well-known networks, forward alone and with backward.

Each in both orders in memory for dlcore, channels last unless the row says so; PyTorch's better one counts.
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


for what, name, args, shape, batches in [
    ("max 2x2 VGG", "max_pool2d", (2,), (64, 56, 56), (8, 1)),
    ("max 2x2 LeNet", "max_pool2d", (2,), (6, 28, 28), (64, 1)),
    ("max 2x2 LeNet", "max_pool2d", (2,), (16, 10, 10), (64, 1)),
    ("max 3x3 stride 2 ResNet", "max_pool2d", (3, 2, 1), (64, 112, 112), (8, 1)),
    ("max 3x3 stride 1 GoogLeNet", "max_pool2d", (3, 1, 1), (192, 28, 28), (8, 1)),
    ("average 2x2 DenseNet", "avg_pool2d", (2,), (128, 56, 56), (8, 1)),
    ("average 3x3 stride 1", "avg_pool2d", (3, 1, 1), (192, 28, 28), (8, 1)),
    ("global average ResNet-18", "adaptive_avg_pool2d", (1,), (512, 7, 7), (64, 8, 1)),
    ("global average ResNet-50", "adaptive_avg_pool2d", (1,), (2048, 7, 7), (8, 1)),
    ("adaptive average 7x7 VGG", "adaptive_avg_pool2d", (7,), (512, 10, 10), (8, 1)),
]:
    for batch in batches:
        for channels_last in (True, False):
            for backward in (False, True):
                size = "x".join(map(str, (batch, *shape)))
                order = "" if channels_last else ", channels first"
                row(
                    "pooling",
                    f"{what} {size}{order}{', and backward' if backward else ''}",
                    pooling(name, (batch, *shape), backward, channels_last, *args),
                    length=49,
                    torch_layouts=[{"channels_last": False}, {"channels_last": True}],
                )
