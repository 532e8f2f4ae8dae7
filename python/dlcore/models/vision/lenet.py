"""LeNet-5."""

from __future__ import annotations

from ... import nn
from ..._core import Tensor
from ._network import Network, check


class LeNet(Network):
    """LeNet-5, with ReLU and max pooling: two convolutions of 5x5, each followed by pooling, and three linear layers.

    Args:
        num_classes: how many classes to tell apart. Default: 10.
        in_channels: channels of the images. Default: 1.
        input_size: height and width of the images. Those under 28 (8x8 digits, say) are first enlarged by a whole
            factor, to 28 or more. Default: 28.

    Shapes: (N, in_channels, input_size, input_size) to (N, num_classes), the scores of the classes before softmax.

    Raises:
        ValueError: if `input_size` is not positive.

    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, input_size: int = 28) -> None:
        super().__init__()
        check("LeNet", input_size)
        self.scale = -(-28 // input_size)
        side = ((input_size * self.scale) // 2 - 4) // 2  # after the two convolutions and poolings
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * side * side, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )

    def forward(self, input: Tensor) -> Tensor:
        if self.scale > 1:
            input = input.repeat_interleave(self.scale, -2).repeat_interleave(self.scale, -1)
        return self.classifier(self.features(input))


def lenet(num_classes: int = 10, in_channels: int = 1, input_size: int = 28) -> LeNet:
    """A `LeNet` with these arguments."""
    return LeNet(num_classes, in_channels, input_size)
