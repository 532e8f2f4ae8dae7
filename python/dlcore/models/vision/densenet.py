"""Densely connected networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from ... import nn
from ..._core import Tensor, cat
from ..._core import dropout as drop
from ._network import Network, check, initialize, norm_relu


class DenseLayer(nn.Module):
    """Batch norm, ReLU and a 3x3 convolution that gives `growth_rate` channels; with `bn_size`, after a batch norm, a
    ReLU and a 1x1 convolution to bn_size growth_rate channels.

    Called with the list of what the block's earlier layers gave, which it joins along the channels.
    """

    def __init__(self, in_channels: int, growth_rate: int, bn_size: int, drop_rate: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        if bn_size:
            self.conv1 = nn.Conv2d(in_channels, bn_size * growth_rate, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(bn_size * growth_rate)
            self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_channels, growth_rate, 3, padding=1, bias=False)
        self.bottleneck = bn_size > 0
        self.drop_rate = drop_rate

    def forward(self, features: list[Tensor]) -> Tensor:
        x = self.conv1(norm_relu(self.norm1, cat(features, 1)))
        if self.bottleneck:
            x = self.conv2(norm_relu(self.norm2, x))
        return drop(x, self.drop_rate, self.training) if self.drop_rate > 0 else x


class DenseBlock(nn.ModuleDict):
    """Layers of which each sees the outputs of all before it."""

    def __init__(self, depth: int, in_channels: int, growth_rate: int, bn_size: int, drop_rate: float) -> None:
        super().__init__()
        for i in range(depth):
            self[f"denselayer{i + 1}"] = DenseLayer(in_channels + i * growth_rate, growth_rate, bn_size, drop_rate)

    def forward(self, input: Tensor) -> Tensor:
        features = [input]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


def transition(in_channels: int, out_channels: int) -> nn.Sequential:
    """Fewer channels and half the size."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(in_channels),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(in_channels, out_channels, 1, bias=False),
            pool=nn.AvgPool2d(2, 2),
        )
    )


class DenseNet(Network):
    """A stem, blocks in which every layer sees the outputs of all layers before it, transitions that halve channels and
    size between them, an average, and one linear layer.

    Args:
        growth_rate: channels that a layer adds. Default: 32.
        block_config: how many layers each block has. Default: (6, 12, 24, 16).
        num_init_features: channels of the stem. Default: 64.
        bn_size: channels of a layer's 1x1 convolution / `growth_rate`; 0 for layers of one 3x3 convolution. Default: 4.
        drop_rate: the share of a layer's output that training drops. Default: 0.
        num_classes: how many classes to tell apart. Default: 1000.
        in_channels: channels of the images. Default: 3.
        input_size: height and width of the images, at least 8. Under 64 the stem is a 3x3 convolution of stride 1 and
            no pooling, instead of 7x7 with stride 2 and a pooling. Default: 224.

    Shapes: (N, in_channels, H, W) to (N, num_classes), the scores of the classes before softmax.

    Raises:
        ValueError: if `input_size` is under 8.

    Source: Huang et al. 2016, "Densely connected convolutional networks", with torchvision's parameter names.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int = 224,
    ) -> None:
        super().__init__()
        check("DenseNet", input_size, 8)
        channels = num_init_features
        small = input_size < 64
        stem = {"kernel_size": 3, "padding": 1} if small else {"kernel_size": 7, "stride": 2, "padding": 3}
        layers = OrderedDict(
            conv0=nn.Conv2d(in_channels, channels, **stem, bias=False),
            norm0=nn.BatchNorm2d(channels),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1),
        )
        for i, depth in enumerate(block_config, 1):
            layers[f"denseblock{i}"] = DenseBlock(depth, channels, growth_rate, bn_size, drop_rate)
            channels += depth * growth_rate
            if i < len(block_config):
                layers[f"transition{i}"] = transition(channels, channels // 2)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(layers)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Linear(channels, num_classes)
        initialize(self, mode="fan_in")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, input: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.relu(self.features(input))).flatten(1))


def densenet121(**options) -> DenseNet:
    """A `DenseNet` of blocks of 6, 12, 24 and 16 layers with bottlenecks."""
    return DenseNet(**options)


def densenet_small(**options) -> DenseNet:
    """The small `DenseNet` of textbooks: four blocks of 4 layers without bottlenecks. Default `num_classes`: 10."""
    return DenseNet(**{"block_config": (4, 4, 4, 4), "bn_size": 0, "num_classes": 10, **options})
