"""The networks for images: names and shapes of their state, sizes as published, and what `summary` tells."""

import pytest
from torchvision_shapes import NETWORKS

import dlcore
from dlcore import nn
from dlcore.models import vision
from dlcore.utils import summary

OWN = {"lenet", "nin", "resnet20", "densenet_small", "mobilenet", "go_policy"}  # not torchvision's


@pytest.fixture
def undrawn(monkeypatch):
    """Parameters stay as they are allocated: hundreds of millions of random numbers take seconds."""
    for name in ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_", "trunc_normal_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *arguments, **options: tensor)


def shapes(state):
    return [(name, tuple(value.shape)) for name, value in state.items()]


def test_every_network_is_tested():
    functions = {name for name in vision.__all__ if name.islower()}
    assert functions == OWN | set(NETWORKS)
    assert {name for name in dir(vision) if name in vision.__all__} == set(vision.__all__)


@pytest.mark.parametrize("name", NETWORKS)
def test_state_is_torchvisions(name, undrawn):
    state, parameters, _ = NETWORKS[name]
    model = getattr(vision, name)()
    assert shapes(model.state_dict()) == state
    assert sum(p.numel() for p in model.parameters()) == parameters
    if parameters < 20e6:
        theirs = {key: dlcore.full(shape, i) for i, (key, shape) in enumerate(state)}
        assert str(model.load_state_dict(theirs)) == "<All keys matched successfully>"
        assert all((value == i).all().item() for i, value in enumerate(model.state_dict().values()))


@pytest.mark.parametrize(
    "name", ["alexnet", "googlenet", "resnet18", "resnet50", "densenet121", "mobilenet_v2", "vgg11"]
)
def test_multiply_adds_are_the_published_ones(name, undrawn):
    _, parameters, billions = NETWORKS[name]
    result = getattr(vision, name)().summary((3, 224, 224), verbose=False)
    assert result.parameters == parameters and abs(result.multiply_adds / 1e9 - billions) < 5e-4


def test_sizes_of_the_papers(undrawn):
    def sizes(model, *shape):
        result = model.summary(shape, verbose=False)
        return result.parameters, result.multiply_adds

    parameters, multiply_adds = sizes(vision.mobilenet(), 3, 224, 224)
    assert round(parameters / 1e6, 1) == 4.2 and round(multiply_adds / 1e6) == 569
    parameters, multiply_adds = sizes(vision.resnet20(), 3, 32, 32)
    assert round(parameters / 1e6, 2) == 0.27 and 40 < multiply_adds / 1e6 < 42
    parameters, multiply_adds = sizes(vision.nin(num_classes=10, input_size=32), 3, 32, 32)
    assert round(parameters / 1e6, 2) == 0.97 and round(multiply_adds / 1e6) == 222


RECEPTIVE_FIELDS = [  # network, layer, size by hand: r += (kernel - 1) * step, layer for layer
    ("alexnet", "features.12", 195),
    ("vgg11", "features.20", 150),
    ("resnet18", "layer4.1.conv2", 435),
    ("resnet50", "layer4.2.conv3", 427),
    ("mobilenet_v2", "features.18.0", 491),
    ("googlenet", "inception5b.branch2.1.conv", 379),
]


@pytest.mark.parametrize(("name", "layer", "size"), RECEPTIVE_FIELDS)
def test_receptive_fields(name, layer, size, undrawn):
    layers = {each.name: each for each in getattr(vision, name)().summary((3, 224, 224), verbose=False).layers}
    assert layers[layer].receptive_field == (size, size)


def test_a_receptive_field_is_where_gradients_come_from():
    """Sums and concatenations of branches, strides, dilation, uneven padding and windows."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(1, 2, (3, 5), padding=(1, 2))
            self.b = nn.Conv2d(1, 2, 3, padding=2, dilation=2)
            self.c = nn.Conv2d(2, 2, 1)
            self.d = nn.Conv2d(4, 1, (2, 3), stride=2)

        def forward(self, x):
            a = self.a(x)
            return self.d(dlcore.cat([a.tanh() + self.c(a), self.b(x)], 1))

    model = Net()
    layers = {layer.name: layer for layer in summary(model, (1, 40, 40), verbose=False).layers}
    x = dlcore.randn(1, 1, 40, 40, requires_grad=True)
    model(x)[0, 0, 9, 9].backward()
    _, _, rows, columns = x.grad.nonzero().unbind(1)
    extent = tuple((side.max() - side.min() + 1).item() for side in (rows, columns))
    assert layers["d"].receptive_field == extent == (6, 7)
    assert layers["a"].receptive_field == (3, 5) and layers["b"].receptive_field == (5, 5)


def test_summary_as_table_and_data(capsys):
    model = vision.lenet()
    for p in model.features.parameters():
        p.requires_grad_(False)
    model.train()
    result = model.summary((1, 28, 28))
    assert str(result) in capsys.readouterr().out and model.training and model.classifier[1].training
    first, last = result.layers[0], result.layers[-1]
    assert (first.name, first.kind, first.output_shape) == ("features.0", "Conv2d", (6, 28, 28))
    assert (first.parameters, first.multiply_adds, first.receptive_field) == (156, 28 * 28 * 6 * 25, (5, 5))
    assert last.output_shape == (10,) and result.layers[4].name == "features.4"
    assert result.layers[5].receptive_field == (16, 16)
    # A position after the second pooling sees 16 places and 5 of them lie 4 apart, the borders included.
    assert last.receptive_field == (32, 32)
    assert result.parameters == 61_706 and result.trainable == 61_706 - 156 - 2416
    assert result.multiply_adds == sum(layer.multiply_adds for layer in result.layers) == 416_520
    text = str(result).splitlines()
    assert len({len(line) for line in text[:-1]}) == 1 and "416,520" in text[-2] and "2,572" in text[-1]


def test_summary_of_other_models():
    shared = nn.Linear(4, 4)
    result = summary(nn.Sequential(shared, nn.ReLU(), shared), (4,), verbose=False)
    assert [layer.parameters for layer in result.layers] == [20, 0, 0] and result.parameters == 20
    assert result.multiply_adds == 32 and result.layers[0].receptive_field is None
    result = summary(nn.Bilinear(3, 4, 5), [(3,), (4,)], verbose=False)
    assert result.multiply_adds == 60 and result.layers[0].output_shape == (5,)

    class Resized(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return self.conv(x.repeat_interleave(2, -1))

    assert summary(Resized(), (1, 8, 8), verbose=False).layers[0].receptive_field is None
    with pytest.raises(ValueError, match="summary: input_size must be positive"):
        summary(nn.ReLU(), (0, 3))


SMALL = [
    ("alexnet", 16),
    ("alexnet", 64),
    ("vgg11", 1),
    ("vgg11_bn", 16),
    ("vgg11", 64),
    ("nin", 8),
    ("nin", 67),
    ("googlenet", 8),
    ("googlenet", 64),
    ("resnet18", 8),
    ("resnet18", 64),
    ("resnet20", 8),
    ("resnet50", 8),
    ("densenet_small", 8),
    ("densenet_small", 64),
    ("mobilenet", 8),
    ("mobilenet_v2", 16),
]


@pytest.mark.parametrize(("name", "size"), SMALL)
def test_small_images(name, size):
    model = getattr(vision, name)(num_classes=3, in_channels=2, input_size=size)
    y = model(dlcore.randn(2, 2, size, size))
    outputs = list(y) if isinstance(y, tuple) else [y]
    assert len(outputs) == (3 if name == "googlenet" else 1)
    assert all(each.shape == (2, 3) and each.isfinite().all().item() for each in outputs)
    sum(each.sum() for each in outputs).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval()
    assert model(dlcore.randn(1, 2, size, size)).shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "size"), [("alexnet", 14), ("vgg11", 0), ("nin", 6), ("densenet121", 7), ("resnet18", 0)]
)
def test_images_that_are_too_small(name, size):
    with pytest.raises(ValueError, match=r"input_size must be (at least \d+|positive), but got"):
        getattr(vision, name)(input_size=size)
    with pytest.raises(ValueError, match="1 to 4 stages"):
        vision.ResNet(vision.resnet.BasicBlock, ())


def test_zero_init_residual():
    model = vision.resnet20(zero_init_residual=True)
    assert model.layer1[0].bn2.weight.abs().max().item() == 0 and model.layer1[0].bn1.weight.min().item() == 1


def test_googlenet_without_auxiliary_heads():
    model = vision.googlenet(aux_logits=False, num_classes=4, in_channels=1, input_size=8)
    assert sum(p.numel() for p in vision.GoogLeNet(aux_logits=False).parameters()) == 6_624_904
    assert not any(name.startswith("aux") for name in model.state_dict())
    assert model(dlcore.randn(2, 1, 8, 8)).shape == (2, 4)


class TestGo:
    def test_distribution_over_legal_moves(self):
        model = vision.go_policy(planes=3, channels=8, layers=3)
        boards = dlcore.randn(4, 3, 19, 19)
        free = model(boards)
        assert free.shape == (4, 361)
        dlcore.manual_seed(0)
        legal = dlcore.rand(4, 19, 19) < 0.3
        moves = model(boards, legal)
        assert (moves.exp() > 0).tolist() == legal.flatten(1).tolist()
        assert dlcore.allclose(moves.exp().sum(1), dlcore.ones(4))
        # The ratio of two legal moves' probabilities does not depend on what else is legal.
        a, b = legal[0].flatten().nonzero()[:2, 0].tolist()
        assert (moves[0, a] - moves[0, b]).item() == pytest.approx((free[0, a] - free[0, b]).item(), abs=1e-5)
        assert dlcore.equal(model(boards, legal.flatten(1)), moves)
        assert dlcore.equal(model(boards, legal[0])[0], moves[0])

    def test_it_learns_legal_moves_with_finite_gradients(self):
        model = vision.go_policy(planes=2, channels=8, layers=3, board_size=5)
        boards, legal, target = dlcore.randn(6, 2, 5, 5), dlcore.arange(25) < 7, dlcore.arange(6)
        optimizer = dlcore.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(100):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(boards, legal), target)
            loss.backward()
            assert all(p.grad.isfinite().all().item() for p in model.parameters())
            optimizer.step()
        assert loss.item() < 0.1 and model(boards, legal).argmax(1).tolist() == target.tolist()

    def test_errors(self):
        with pytest.raises(ValueError, match="layers must be at least 2"):
            vision.go_policy(layers=1)
        with pytest.raises(ValueError, match=r"boards must have shape \(N, planes, 19, 19\), but got \(1, 11, 9, 9\)"):
            vision.go_policy()(dlcore.zeros(1, 11, 9, 9))
