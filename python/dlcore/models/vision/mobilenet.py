"""Networks of depthwise convolutions."""

from __future__ import annotations

from ... import nn
from ..._core import Tensor
from ._network import Network, check, initialize


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch norm, activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] = nn.ReLU6,
    ) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out_channels),
            activation(inplace=True),
        )


class MobileNet(Network):
    """MobileNet v1: a 3x3 convolution, then 13 pairs of a depthwise 3x3 convolution (each channel by itself) and a 1x1
    convolution (each position by itself), an average, and one linear layer.

    Args:
        num_classes: how many classes to tell apart. Default: 1000.
        width_mult: all channels are multiplied by it. Default: 1.0.
        in_channels: channels of the images. Default: 3.
        input_size: height and width of the images. Under 64 the first two of the five strided convolutions have
            stride 1. Default: 224.

    Shapes: (N, in_channels, H, W) to (N, num_classes), the scores of the classes before softmax.

    Raises:
        ValueError: if `input_size` is not positive.

    Source: Howard et al. 2017, "MobileNets: efficient convolutional neural networks for mobile vision applications".
    """

    PAIRS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0, in_channels: int = 3, input_size: int = 224
    ) -> None:
        super().__init__()
        check("MobileNet", input_size)
        small = input_size < 64
        channels = int(32 * width_mult)
        layers = [ConvNorm(in_channels, channels, 3, 1 if small else 2, activation=nn.ReLU)]
        for i, (wide, stride) in enumerate(self.PAIRS):
            out = int(wide * width_mult)
            layers += [
                ConvNorm(channels, channels, 3, 1 if small and i == 1 else stride, channels, activation=nn.ReLU),
                ConvNorm(channels, out, 1, activation=nn.ReLU),
            ]
            channels = out
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Linear(channels, num_classes)
        initialize(self)

    def forward(self, input: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(input)).flatten(1))


class InvertedResidual(nn.Module):
    """A block of `MobileNetV2`: 1x1 to `expand_ratio` times the channels, depthwise 3x3, and 1x1 back without an
    activation; added to the input where shapes agree.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expand_ratio: int) -> None:
        super().__init__()
        hidden = in_channels * expand_ratio
        self.residual = stride == 1 and in_channels == out_channels
        widen = [ConvNorm(in_channels, hidden, 1)] if expand_ratio != 1 else []
        self.conv = nn.Sequential(
            *widen,
            ConvNorm(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, input: Tensor) -> Tensor:
        return input + self.conv(input) if self.residual else self.conv(input)


class MobileNetV2(Network):
    """MobileNet v2: a 3x3 convolution, 17 inverted residuals, a 1x1 convolution, an average, and one linear layer.

    Args:
        num_classes: how many classes to tell apart. Default: 1000.
        width_mult: channels are multiplied by it, and rounded to multiples of 8. Default: 1.0.
        dropout: the share of the last layer's inputs that training drops. Default: 0.2.
        in_channels: channels of the images. Default: 3.
        input_size: height and width of the images. Under 64 the first two of the five strided convolutions have
            stride 1. Default: 224.

    Shapes: (N, in_channels, H, W) to (N, num_classes), the scores of the classes before softmax.

    Raises:
        ValueError: if `input_size` is not positive.

    Source: Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks", with torchvision's parameter
    names.
    """

    STAGES = (  # expansion, channels, blocks, stride of the first
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        dropout: float = 0.2,
        in_channels: int = 3,
        input_size: int = 224,
    ) -> None:
        super().__init__()
        check("MobileNetV2", input_size)
        small = input_size < 64
        channels, last = _multiple_of_8(32 * width_mult), _multiple_of_8(1280 * max(1.0, width_mult))
        layers: list[nn.Module] = [ConvNorm(in_channels, channels, 3, 1 if small else 2)]
        for i, (expand_ratio, wide, depth, stride) in enumerate(self.STAGES):
            out = _multiple_of_8(wide * width_mult)
            for j in range(depth):
                first = stride if j == 0 and not (small and i == 1) else 1
                layers.append(InvertedResidual(channels, out, first, expand_ratio))
                channels = out
        layers.append(ConvNorm(channels, last, 1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        initialize(self, linear_std=0.01)

    def forward(self, input: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(input)).flatten(1))


def _multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8, at least 8, and not under 90% of `channels`."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def mobilenet(**options) -> MobileNet:
    """A `MobileNet` (v1) with these arguments."""
    return MobileNet(**options)


def mobilenet_v2(**options) -> MobileNetV2:
    """A `MobileNetV2` with these arguments."""
    return MobileNetV2(**options)
