"""Residual networks."""

from __future__ import annotations

from collections.abc import Sequence

from ... import nn
from ..._core import Tensor
from ._network import Network, check, initialize, norm_relu


class BasicBlock(nn.Module):
    """y = relu(x + f(x)), where f is two convolutions of 3x3, each with batch norm.

    Args:
        inplanes, planes: channels of the input and of the output.
        stride: of the first convolution. Default: 1.
        downsample: what brings x to the shape of f(x); None where it has it. Default: None.
    """

    expansion = 1  # channels of the output / planes

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, input: Tensor) -> Tensor:
        identity = input if self.downsample is None else self.downsample(input)
        x = norm_relu(self.bn1, self.conv1(input))
        return norm_relu(self.bn2, self.conv2(x), identity)


class Bottleneck(nn.Module):
    """y = relu(x + f(x)), where f is convolutions of 1x1, 3x3 and 1x1, each with batch norm; the last one widens.

    Args:
        inplanes: channels of the input.
        planes: channels in the middle; the output has four times as many.
        stride: of the 3x3 convolution. Default: 1.
        downsample: what brings x to the shape of f(x); None where it has it. Default: None.
    """

    expansion = 4

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.downsample = downsample

    def forward(self, input: Tensor) -> Tensor:
        identity = input if self.downsample is None else self.downsample(input)
        x = norm_relu(self.bn1, self.conv1(input))
        x = norm_relu(self.bn2, self.conv2(x))
        return norm_relu(self.bn3, self.conv3(x), identity)


class ResNet(Network):
    """A stem, stages of residual blocks (each but the first halves the size and doubles the channels), an average, and
    one linear layer.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        layers: how many blocks each stage has; up to four stages.
        num_classes: how many classes to tell apart. Default: 1000.
        zero_init_residual: start every block as the identity, with the last batch norm's weight 0. Default: False.
        in_channels: channels of the images. Default: 3.
        input_size: height and width of the images. Under 64 the stem is a 3x3 convolution of stride 1 and no pooling,
            instead of 7x7 with stride 2 and a pooling. Default: 224.
        width: channels of the stem and of the first stage. Default: 64.

    Shapes: (N, in_channels, H, W) to (N, num_classes), the scores of the classes before softmax.

    Raises:
        ValueError: if `input_size` is not positive, or for no stage or more than four.

    Source: He et al. 2015, "Deep residual learning for image recognition", with torchvision's parameter names. As
    there, a strided `Bottleneck` has its stride in the 3x3 convolution.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        in_channels: int = 3,
        input_size: int = 224,
        width: int = 64,
    ) -> None:
        super().__init__()
        check("ResNet", input_size)
        if not 1 <= len(layers) <= 4:
            raise ValueError(f"ResNet: layers must have 1 to 4 stages, but got {len(layers)}")
        small = input_size < 64
        stem = {"kernel_size": 3, "padding": 1} if small else {"kernel_size": 7, "stride": 2, "padding": 3}
        self.conv1 = nn.Conv2d(in_channels, width, **stem, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1)
        self.stages = [f"layer{i + 1}" for i in range(len(layers))]
        channels = width
        for i, (name, depth) in enumerate(zip(self.stages, layers, strict=True)):
            planes = width << i
            setattr(self, name, _stage(block, channels, planes, depth, stride=1 if i == 0 else 2))
            channels = planes * block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, num_classes)
        initialize(self)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, block):
                    nn.init.zeros_((module.bn2 if block is BasicBlock else module.bn3).weight)

    def forward(self, input: Tensor) -> Tensor:
        x = self.maxpool(norm_relu(self.bn1, self.conv1(input)))
        for name in self.stages:
            x = getattr(self, name)(x)
        return self.fc(self.avgpool(x).flatten(1))


def _stage(block, channels: int, planes: int, depth: int, stride: int) -> nn.Sequential:
    out, downsample = planes * block.expansion, None
    if stride != 1 or channels != out:
        downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
    first = block(channels, planes, stride, downsample)
    return nn.Sequential(first, *(block(out, planes) for _ in range(depth - 1)))


def resnet18(**options) -> ResNet:
    """A `ResNet` of 2, 2, 2, 2 basic blocks."""
    return ResNet(BasicBlock, (2, 2, 2, 2), **options)


def resnet34(**options) -> ResNet:
    """A `ResNet` of 3, 4, 6, 3 basic blocks."""
    return ResNet(BasicBlock, (3, 4, 6, 3), **options)


def resnet50(**options) -> ResNet:
    """A `ResNet` of 3, 4, 6, 3 bottlenecks."""
    return ResNet(Bottleneck, (3, 4, 6, 3), **options)


def resnet101(**options) -> ResNet:
    """A `ResNet` of 3, 4, 23, 3 bottlenecks."""
    return ResNet(Bottleneck, (3, 4, 23, 3), **options)


def resnet20(**options) -> ResNet:
    """The paper's small `ResNet` for images of 32x32: three stages of 3 basic blocks, with 16, 32 and 64 channels.

    Its defaults are `num_classes` 10 and `input_size` 32. The paper's shortcuts pad with zeros; here they are
    convolutions of 1x1, as in the other networks.
    """
    return ResNet(BasicBlock, (3, 3, 3), **{"num_classes": 10, "input_size": 32, "width": 16, **options})
