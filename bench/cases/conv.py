"""Convolution, forward alone and with backward, on the layers of well-known networks."""

from . import row, values

# network: in, size, out, kernel, and what is not stride 1, padding kernel // 2, groups 1
LAYERS = {
    "conv 3x3": [
        ("ResNet-18", 64, 56, 64, 3, {}),
        ("ResNet-18", 128, 28, 128, 3, {}),
        ("ResNet-18", 256, 14, 256, 3, {}),
        ("ResNet-18", 512, 7, 512, 3, {}),
        ("VGG", 64, 112, 128, 3, {}),
        ("VGG", 512, 14, 512, 3, {}),
        ("GoogLeNet", 96, 28, 128, 3, {}),
        ("DenseNet", 128, 28, 32, 3, {}),
    ],
    "conv stem": [
        ("ResNet", 3, 224, 64, 7, {"stride": 2}),
        ("VGG", 3, 112, 64, 3, {}),
        ("MobileNet", 3, 224, 32, 3, {"stride": 2}),
        ("LeNet", 1, 28, 6, 5, {}),
    ],
    "conv other": [
        ("ResNet-50 1x1", 256, 56, 64, 1, {}),
        ("ResNet-50 1x1", 512, 14, 2048, 1, {}),
        ("MobileNet 1x1", 32, 112, 64, 1, {}),
        ("GoogLeNet 1x1", 480, 14, 192, 1, {}),
        ("GoogLeNet 5x5", 32, 14, 96, 5, {}),
        ("LeNet 5x5", 6, 14, 16, 5, {"padding": 0}),
        ("ResNet-18 strided", 64, 56, 128, 3, {"stride": 2}),
        ("ResNet-18 1x1 strided", 128, 28, 256, 1, {"stride": 2}),
        ("dilated", 128, 28, 128, 3, {"dilation": 2, "padding": 2}),
        ("grouped", 128, 28, 128, 3, {"groups": 32}),
    ],
    "conv depthwise": [
        ("MobileNet", 32, 112, 32, 3, {"groups": 32}),
        ("MobileNet", 128, 56, 128, 3, {"groups": 128, "stride": 2}),
        ("MobileNet", 512, 14, 512, 3, {"groups": 512}),
    ],
}


def inputs(d, batch, channels, size, out, kernel, groups, backward, channels_last):
    x = d.tensor(values(batch, channels, size, size))
    fan_in = channels // groups * kernel * kernel
    w = d.tensor(values(out, channels // groups, kernel, kernel, seed="w", scale=fan_in**-0.5))
    if channels_last:
        x, w = (t.contiguous(memory_format=d.channels_last) for t in (x, w))
    return x.requires_grad_(backward), w.requires_grad_(backward)


def convolution(batch, channels, size, out, kernel, backward, stride=1, padding=None, dilation=1, groups=1):
    padding = kernel // 2 if padding is None else padding

    def make(d, channels_last=False):
        x, w = inputs(d, batch, channels, size, out, kernel, groups, backward, channels_last)
        b = d.tensor(values(out, seed="b")).requires_grad_(backward)

        def forward():
            return d.nn.functional.conv2d(x, w, b, stride, padding, dilation, groups)

        if not backward:
            return forward
        y = forward()
        dy = d.empty_like(y).copy_(d.tensor(values(*y.shape, seed="dy")))  # in the order of y, as networks give it
        return lambda: d.autograd.grad(forward(), (x, w, b), dy)

    return make


for group, layers in LAYERS.items():
    for network, channels, size, out, kernel, options in layers:
        for batch in (1, 64 if network.startswith("LeNet") else 8):
            for backward in (False, True):
                positions = batch * size * size // options.get("stride", 1) ** 2
                row(
                    group,
                    f"{network} {batch}x{channels}x{size}x{size} to {out}{', and backward' if backward else ''}",
                    convolution(batch, channels, size, out, kernel, backward, **options),
                    # what a network hands on: its input as it comes, then what its convolutions gave
                    layout={"channels_last": channels >= 16},
                    length=max(channels * kernel * kernel // options.get("groups", 1), positions if backward else 1),
                    torch_layouts=[{}, {"channels_last": True}],
                )
