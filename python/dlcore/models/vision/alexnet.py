"""AlexNet."""

from __future__ import annotations

from ... import nn
from ..._core import Tensor
from ._network import Network, check


class AlexNet(Network):
    """Five convolutions and three linear layers, in the arrangement for one device.

    Args:
        num_classes: how many classes to tell apart. Default: 1000.
        dropout: the share of inputs of the first two linear layers that training drops. Default: 0.5.
        in_channels: channels of the images. Default: 3.
        input_size: height and width of the images, at least 15. From 64 on it does not matter; under 64 the first
            convolution is 5x5 with stride 1 instead of 11x11 with stride 4, the linear layers have 512 features instead
            of 4096, and the first one takes as many as such images leave. Default: 224.

    Shapes: (N, in_channels, H, W) to (N, num_classes), the scores of the classes before softmax.

    Raises:
        ValueError: if `input_size` is under 15.

    Source: Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks"; the arrangement
    is that of Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks", with torchvision's
    parameter names.
    """

    def __init__(
        self, num_classes: int = 1000, dropout: float = 0.5, in_channels: int = 3, input_size: int = 224
    ) -> None:
        super().__init__()
        check("AlexNet", input_size, 15)
        small = input_size < 64
        side, hidden = 6, 4096
        if small:
            side, hidden = input_size, 512
            for _ in range(3):
                side = (side - 3) // 2 + 1  # after a pooling
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 5, padding=2) if small else nn.Conv2d(in_channels, 64, 11, 4, 2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((side, side))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * side * side, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(input)).flatten(1))


def alexnet(**options) -> AlexNet:
    """An `AlexNet` with these arguments."""
    return AlexNet(**options)
