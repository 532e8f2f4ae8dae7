"""What the networks compute, written a second time as functions of a state_dict's names: as torchvision, where it has
the network, or as the paper."""

import numpy as np
import pytest

import dlcore
from dlcore.models import vision
from dlcore.nn import functional as F


class State:
    """The layers of a state_dict by their names."""

    def __init__(self, model, eps):
        self.values, self.training, self.eps = dict(model.state_dict()), model.training, eps

    def conv(self, name, x, stride=1, padding=0, groups=1):
        w = self.values[name + ".weight"]
        return F.conv2d(x, w, self.values.get(name + ".bias"), stride, padding, 1, groups)

    def norm(self, name, x):
        mean, var, w, b = (self.values[f"{name}.{v}"] for v in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean.clone(), var.clone(), w, b, self.training, eps=self.eps)

    def linear(self, name, x):
        return F.linear(x, self.values[name + ".weight"], self.values[name + ".bias"])


def lenet(s, x):
    x = F.max_pool2d(F.relu(s.conv("features.0", x, padding=2)), 2)
    x = F.max_pool2d(F.relu(s.conv("features.3", x)), 2).flatten(1)
    return s.linear("classifier.5", F.relu(s.linear("classifier.3", F.relu(s.linear("classifier.1", x)))))


def heads(s, x, names):
    """Linear layers with ReLU between them."""
    for name in names[:-1]:
        x = F.relu(s.linear(name, x))
    return s.linear(names[-1], x)


def alexnet(s, x):
    for i, pooled in ((0, True), (3, True), (6, False), (8, False), (10, True)):
        x = F.relu(s.conv(f"features.{i}", x, padding=2 if i < 6 else 1))
        x = F.max_pool2d(x, 3, 2) if pooled else x
    return heads(s, x.flatten(1), ["classifier.1", "classifier.4", "classifier.6"])


def vgg(depths, normed):
    def forward(s, x):
        i = 0
        for depth in depths:
            for _ in range(depth):
                x = s.conv(f"features.{i}", x, padding=1)
                x = F.relu(s.norm(f"features.{i + 1}", x) if normed else x)
                i += 3 if normed else 2
            x, i = F.max_pool2d(x, 2), i + 1
        return heads(s, x.flatten(1), ["classifier.0", "classifier.3", "classifier.6"])

    return forward


def nin(s, x):
    options = {0: {"stride": 4}, 7: {"padding": 2}, 14: {"padding": 1}, 22: {"padding": 1}}
    for i in (0, 7, 14, 22):
        x = F.relu(s.conv(f"features.{i}", x, **options[i]))
        x = F.relu(s.conv(f"features.{i + 4}", F.relu(s.conv(f"features.{i + 2}", x))))
        x = F.max_pool2d(x, 3, 2) if i < 22 else x
    return x.mean((2, 3))


def resnet(depths, convs):
    def forward(s, x):
        x = F.max_pool2d(F.relu(s.norm("bn1", s.conv("conv1", x, 2, 3))), 3, 2, 1)
        for stage, depth in enumerate(depths, 1):
            for i in range(depth):
                name, stride = f"layer{stage}.{i}.", 2 if stage > 1 and i == 0 else 1
                y = x
                for j in range(1, convs + 1):
                    wide = convs == 2 or j == 2
                    y = s.conv(f"{name}conv{j}", y, stride if j == convs - 1 else 1, 1 if wide else 0)
                    y = s.norm(f"{name}bn{j}", y)
                    y = F.relu(y) if j < convs else y
                if f"{name}downsample.0.weight" in s.values:
                    x = s.norm(f"{name}downsample.1", s.conv(f"{name}downsample.0", x, stride))
                x = F.relu(x + y)
        return s.linear("fc", x.mean((2, 3)))

    return forward


def densenet(s, x):
    x = F.max_pool2d(F.relu(s.norm("features.norm0", s.conv("features.conv0", x, 2, 3))), 3, 2, 1)
    for block, depth in enumerate((6, 12, 24, 16), 1):
        for i in range(1, depth + 1):
            name = f"features.denseblock{block}.denselayer{i}."
            y = s.conv(name + "conv1", F.relu(s.norm(name + "norm1", x)))
            x = dlcore.cat([x, s.conv(name + "conv2", F.relu(s.norm(name + "norm2", y)), padding=1)], 1)
        if block < 4:
            name = f"features.transition{block}."
            x = F.avg_pool2d(s.conv(name + "conv", F.relu(s.norm(name + "norm", x))), 2)
    return s.linear("classifier", F.relu(s.norm("features.norm5", x)).mean((2, 3)))


def googlenet(s, x):
    def conv(name, x, stride=1, padding=0):
        return F.relu(s.norm(name + ".bn", s.conv(name + ".conv", x, stride, padding)))

    def head(name, x):
        x = conv(name + ".conv", F.adaptive_avg_pool2d(x, 4)).flatten(1)
        return s.linear(name + ".fc2", F.relu(s.linear(name + ".fc1", x)))

    def pool(x, kernel=3):
        return F.max_pool2d(x, kernel, 2, ceil_mode=True)

    x = pool(conv("conv3", conv("conv2", pool(conv("conv1", x, 2, 3))), padding=1))
    auxiliary = []
    for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        name = f"inception{module}.branch"
        pooled = F.max_pool2d(x, 3, 1, 1, ceil_mode=True)
        branches = [conv(name + "1", x), *(conv(f"{name}{i}.1", conv(f"{name}{i}.0", x), padding=1) for i in (2, 3))]
        x = dlcore.cat([*branches, conv(name + "4.1", pooled)], 1)
        if module in ("4a", "4d"):
            auxiliary.insert(0, head("aux1" if module == "4a" else "aux2", x))
        x = pool(x) if module == "3b" else pool(x, 2) if module == "4e" else x
    x = s.linear("fc", x.mean((2, 3)))
    return (x, *auxiliary) if s.training else x


def mobilenet(s, x):
    def conv(i, x, stride=1, padding=0, groups=1):
        return F.relu(s.norm(f"features.{i}.1", s.conv(f"features.{i}.0", x, stride, padding, groups)))

    x = conv(0, x, 2, 1)
    for i, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)):
        x = conv(2 * i + 2, conv(2 * i + 1, x, stride, 1, x.shape[1]))
    return s.linear("classifier", x.mean((2, 3)))


def mobilenet_v2(s, x):
    def conv(name, x, stride=1, padding=0, groups=1):
        return F.relu6(s.norm(name + ".1", s.conv(name + ".0", x, stride, padding, groups)))

    x, i = conv("features.0", x, 2, 1), 1
    for wider, depth, first in ((1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1)):
        for j in range(depth):
            name, stride, y = f"features.{i}.conv.", first if j == 0 else 1, x
            y = conv(name + "0", y) if wider > 1 else y
            at = 1 if wider > 1 else 0
            y = conv(f"{name}{at}", y, stride, 1, y.shape[1])
            y = s.norm(f"{name}{at + 2}", s.conv(f"{name}{at + 1}", y))
            x, i = x + y if j > 0 else y, i + 1
    return s.linear("classifier.1", conv("features.18", x).mean((2, 3)))


NETWORKS = [  # name, size of the images, the function
    ("lenet", 28, lenet),
    ("alexnet", 32, alexnet),
    ("vgg11", 32, vgg((1, 1, 2, 2, 2), False)),
    ("vgg13_bn", 32, vgg((2, 2, 2, 2, 2), True)),
    ("nin", 70, nin),
    ("resnet18", 64, resnet((2, 2, 2, 2), 2)),
    ("resnet50", 64, resnet((3, 4, 6, 3), 3)),
    ("densenet121", 64, densenet),
    ("googlenet", 64, googlenet),
    ("mobilenet", 64, mobilenet),
    ("mobilenet_v2", 64, mobilenet_v2),
]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("name", "size", "forward"), NETWORKS, ids=[name for name, *_ in NETWORKS])
def test_outputs(name, size, forward, training):
    options = {"googlenet": {"dropout_aux": 0}}.get(name, {})
    if name in ("alexnet", "vgg11", "vgg13_bn", "nin", "googlenet", "mobilenet_v2"):
        options["dropout"] = 0
    dlcore.manual_seed(0)
    model = getattr(vision, name)(num_classes=5, in_channels=3, input_size=size, **options).double().train(training)
    with dlcore.no_grad():
        for key, value in model.state_dict().items():  # nothing stays at a value that hides a mistake
            if key.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif value.dim() == 1:
                value.copy_(value + 0.2 * dlcore.randn_like(value))
        x = dlcore.randn(2, 3, size, size, dtype=dlcore.float64)
        want = forward(State(model, 1e-3 if name == "googlenet" else 1e-5), x)
        got = model(x)
    pairs = list(zip(got, want, strict=True)) if isinstance(want, tuple) else [(got, want)]
    assert len(pairs) == (3 if name == "googlenet" and training else 1)
    for a, b in pairs:
        # the same float64 sums in another order, through up to 121 layers and their batch norms
        assert np.abs(a.numpy() - b.numpy()).max() <= 1e-8 * np.abs(b.numpy()).max()
        assert b.numpy().std() > 1e-3
