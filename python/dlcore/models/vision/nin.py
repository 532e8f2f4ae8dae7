"""Network in network."""

from __future__ import annotations

from ... import nn
from ..._core import Tensor
from ._network import Network, check, initialize


class NiN(Network):
    """Convolutions, each followed by two of 1x1 (a small network applied at every position), and an average as the last
    layer: no linear layer at all.

    Args:
        num_classes: how many classes to tell apart. Default: 1000.
        dropout: the share that training drops. Default: 0.5.
        in_channels: channels of the images. Default: 3.
        input_size: height and width of the images, at least 7. Under 67, it is the paper's network for CIFAR (kernels
            of 5, 5 and 3, with two poolings); from 67 on, the larger one (kernels of 11, 5, 3 and 3, with three
            poolings). Default: 224.

    Shapes: (N, in_channels, H, W) to (N, num_classes), the scores of the classes before softmax.

    Raises:
        ValueError: if `input_size` is under 7.

    Source: Lin et al. 2013, "Network in network".
    """

    def __init__(
        self, num_classes: int = 1000, dropout: float = 0.5, in_channels: int = 3, input_size: int = 224
    ) -> None:
        super().__init__()
        check("NiN", input_size, 7)
        if input_size < 67:  # what the larger one needs
            blocks = [
                *block(in_channels, (192, 160, 96), 5, padding=2),
                nn.MaxPool2d(3, 2, padding=1),
                nn.Dropout(dropout),
                *block(96, (192, 192, 192), 5, padding=2),
                nn.AvgPool2d(3, 2, padding=1),
                nn.Dropout(dropout),
                *block(192, (192, 192, num_classes), 3, padding=1),
            ]
        else:
            blocks = [
                *block(in_channels, (96, 96, 96), 11, stride=4),
                nn.MaxPool2d(3, 2),
                *block(96, (256, 256, 256), 5, padding=2),
                nn.MaxPool2d(3, 2),
                *block(256, (384, 384, 384), 3, padding=1),
                nn.MaxPool2d(3, 2),
                nn.Dropout(dropout),
                *block(384, (1024, 1024, num_classes), 3, padding=1),
            ]
        self.features = nn.Sequential(*blocks)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        initialize(self)

    def forward(self, input: Tensor) -> Tensor:
        return self.avgpool(self.features(input)).flatten(1)


def block(channels: int, out: tuple[int, int, int], kernel_size: int, **options) -> list[nn.Module]:
    """A convolution and two of 1x1, with ReLU after each."""
    return [
        nn.Conv2d(channels, out[0], kernel_size, **options),
        nn.ReLU(inplace=True),
        nn.Conv2d(out[0], out[1], 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(out[1], out[2], 1),
        nn.ReLU(inplace=True),
    ]


def nin(**options) -> NiN:
    """A `NiN` with these arguments."""
    return NiN(**options)
