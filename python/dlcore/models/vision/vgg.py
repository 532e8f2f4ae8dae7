"""VGG."""

from __future__ import annotations

from collections.abc import Sequence

from ... import nn
from ..._core import Tensor
from ._network import Network, check, initialize

CHANNELS = (64, 128, 256, 512, 512)  # of the five stages


class VGG(Network):
    """Five stages of 3x3 convolutions, each followed by a pooling that halves the size, and three linear layers.

    Args:
        depths: how many convolutions each stage has.
        batch_norm: normalize after each convolution. Default: False.
        num_classes: how many classes to tell apart. Default: 1000.
        dropout: the share of the linear layers' outputs that training drops. Default: 0.5.
        in_channels: channels of the images. Default: 3.
        input_size: height and width of the images. From 224 on it does not matter; under 224 the linear layers have 512
            features instead of 4096 and take the (input_size / 32)^2 positions that are left, and images of under 32
            are not pooled below one position. Default: 224.

    Shapes: (N, in_channels, H, W) to (N, num_classes), the scores of the classes before softmax.

    Raises:
        ValueError: if `input_size` is not positive.

    Source: Simonyan and Zisserman 2014, "Very deep convolutional networks for large-scale image recognition", with
    torchvision's parameter names.
    """

    def __init__(
        self,
        depths: Sequence[int],
        batch_norm: bool = False,
        num_classes: int = 1000,
        dropout: float = 0.5,
        in_channels: int = 3,
        input_size: int = 224,
    ) -> None:
        super().__init__()
        check("VGG", input_size)
        layers: list[nn.Module] = []
        channels, side = in_channels, min(input_size, 224)
        for depth, out in zip(depths, CHANNELS, strict=True):
            for _ in range(depth):
                layers.append(nn.Conv2d(channels, out, 3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(out))
                layers.append(nn.ReLU(inplace=True))
                channels = out
            layers.append(nn.MaxPool2d(2, 2) if side > 1 else nn.Identity())
            side = max(side // 2, 1)
        hidden = 4096 if side == 7 else 512
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((side, side))
        self.classifier = nn.Sequential(
            nn.Linear(channels * side * side, hidden),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        initialize(self, linear_std=0.01 if hidden == 4096 else None)

    def forward(self, input: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(input)).flatten(1))


def vgg11(**options) -> VGG:
    """A `VGG` of 8 convolutions and 3 linear layers."""
    return VGG((1, 1, 2, 2, 2), **options)


def vgg11_bn(**options) -> VGG:
    """`vgg11` with batch norm."""
    return vgg11(batch_norm=True, **options)


def vgg13(**options) -> VGG:
    """A `VGG` of 10 convolutions and 3 linear layers."""
    return VGG((2, 2, 2, 2, 2), **options)


def vgg13_bn(**options) -> VGG:
    """`vgg13` with batch norm."""
    return vgg13(batch_norm=True, **options)


def vgg16(**options) -> VGG:
    """A `VGG` of 13 convolutions and 3 linear layers."""
    return VGG((2, 2, 3, 3, 3), **options)


def vgg16_bn(**options) -> VGG:
    """`vgg16` with batch norm."""
    return vgg16(batch_norm=True, **options)


def vgg19(**options) -> VGG:
    """A `VGG` of 16 convolutions and 3 linear layers."""
    return VGG((2, 2, 4, 4, 4), **options)


def vgg19_bn(**options) -> VGG:
    """`vgg19` with batch norm."""
    return vgg19(batch_norm=True, **options)
