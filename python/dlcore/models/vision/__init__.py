"""Networks for images. `docs/vision.md` lists them with their sources, sizes and commands.

A function a network, named as torchvision names it, takes the arguments of its class by keyword. Where torchvision has
the network, parameters and buffers have its names and shapes, so that its weights load. All take `in_channels` and
`input_size` besides, and fit their first layers to small images.
"""

from .alexnet import AlexNet, alexnet
from .densenet import DenseNet, densenet121, densenet_small
from .go import GoPolicy, go_policy
from .googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from .lenet import LeNet, lenet
from .mobilenet import MobileNet, MobileNetV2, mobilenet, mobilenet_v2
from .nin import NiN, nin
from .resnet import ResNet, resnet18, resnet20, resnet34, resnet50, resnet101
from .vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = [
    "AlexNet",
    "DenseNet",
    "GoPolicy",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "LeNet",
    "MobileNet",
    "MobileNetV2",
    "NiN",
    "ResNet",
    "VGG",
    "alexnet",
    "densenet121",
    "densenet_small",
    "go_policy",
    "googlenet",
    "lenet",
    "mobilenet",
    "mobilenet_v2",
    "nin",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "resnet101",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]
