"""nn.init and the first values of layers: bounds, moments, structure."""

import math

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn import init

BIG = (200, 300)  # 60,000 values
N = BIG[0] * BIG[1]


@pytest.fixture(autouse=True)
def _seed():
    dlcore.manual_seed(0)


def array(tensor):
    return tensor.detach().numpy().astype(np.float64)


def assert_uniform(tensor, bound):
    """The largest values, the mean and the variance, within 5 standard deviations."""
    x = array(tensor)
    assert np.abs(x).max() <= bound * (1 + 1e-6) and np.abs(x).max() >= bound * (1 - 20 / x.size)
    assert abs(x.mean()) < 5 * bound / math.sqrt(3 * x.size)
    assert abs((x * x).mean() * 3 / bound**2 - 1) < 5 * math.sqrt(0.8 / x.size)


def assert_normal(tensor, std, mean=0.0):
    x = (array(tensor) - mean) / std
    assert abs(x.mean()) < 5 / math.sqrt(x.size)
    assert abs((x * x).mean() - 1) < 5 * math.sqrt(2 / x.size)
    assert abs((np.abs(x) < 1).mean() - 0.6827) < 5 * 0.47 / math.sqrt(x.size)


def test_uniform_normal_constant():
    w = dlcore.empty(BIG, requires_grad=True)
    assert init.uniform_(w, -2, 2) is w and w.grad_fn is None and w.requires_grad
    assert_uniform(w, 2.0)
    assert_normal(init.normal_(w, 1.0, 3.0), 3.0, 1.0)
    assert init.constant_(w, 0.5).unique().tolist() == [0.5]
    assert init.ones_(w).sum().item() == N and not init.zeros_(w).any()


def test_generators():
    a, b = (init.normal_(dlcore.empty(5), generator=dlcore.Generator().manual_seed(3)) for _ in range(2))
    assert a.tolist() == b.tolist()
    a, b = (init.orthogonal_(dlcore.empty(4, 4), generator=dlcore.Generator().manual_seed(3)) for _ in range(2))
    assert a.tolist() == b.tolist()


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 300), ("fan_out", 200), ("FAN_IN", 300)])
def test_kaiming(mode, fan):
    w = dlcore.empty(BIG)
    assert_uniform(init.kaiming_uniform_(w, mode=mode, nonlinearity="relu"), math.sqrt(6 / fan))
    assert_normal(init.kaiming_normal_(w, a=2, mode=mode), math.sqrt(2 / (1 + 4) / fan))


def test_xavier():
    w = dlcore.empty(BIG)
    assert_uniform(init.xavier_uniform_(w, gain=2), 2 * math.sqrt(6 / 500))
    assert_normal(init.xavier_normal_(w, gain=2), 2 * math.sqrt(2 / 500))
    kernel = dlcore.empty(50, 40, 5, 6)
    assert_uniform(init.kaiming_uniform_(kernel, a=math.sqrt(5)), 1 / math.sqrt(40 * 30))


def test_gains():
    assert init.calculate_gain("linear") == init.calculate_gain("conv2d") == init.calculate_gain("sigmoid") == 1
    assert init.calculate_gain("conv_transpose3d") == 1 and init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("relu") == math.sqrt(2) and init.calculate_gain("selu") == 0.75
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / 1.0001)
    assert init.calculate_gain("leaky_relu", 1) == 1
    for bad in [("leaky_relu", True), ("leaky_relu", "a"), ("softmax", None)]:
        with pytest.raises(ValueError):
            init.calculate_gain(*bad)


def test_truncated_normal():
    x = array(init.trunc_normal_(dlcore.empty(BIG), mean=1.0, std=2.0, a=-1.0, b=4.0))
    assert x.min() >= -1 and x.max() <= 4
    low, high = -1.0, 1.5  # of the standard normal
    density = lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    mass = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
    expected = 1.0 + 2.0 * (density(low) - density(high)) / mass
    assert abs(x.mean() - expected) < 5 * 2.0 / math.sqrt(N)
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(dlcore.empty(3), mean=10.0)


@pytest.mark.parametrize("shape", [(20, 20), (10, 40), (40, 10), (6, 2, 3)])
@pytest.mark.parametrize("dtype", [dlcore.float32, dlcore.float64])
def test_orthogonal(shape, dtype):
    w = array(init.orthogonal_(dlcore.empty(shape, dtype=dtype), gain=3)).reshape(shape[0], -1) / 3
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert np.abs(small - np.eye(len(small))).max() < 40 * dlcore.finfo(dtype).eps


def test_eye_dirac_sparse():
    assert init.eye_(dlcore.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    x = dlcore.randn(2, 4, 6, 6)
    weight = init.dirac_(dlcore.empty(4, 4, 3, 3))
    assert weight.sum().item() == 4 and all(weight[i, i, 1, 1].item() == 1 for i in range(4))
    assert dlcore.equal(nn.functional.conv2d(x, weight, padding=1), x)
    grouped = init.dirac_(dlcore.empty(4, 2, 3), groups=2)
    assert [grouped[i, i % 2, 1].item() for i in range(4)] == [1.0] * 4 and grouped.sum().item() == 4
    sparse = array(init.sparse_(dlcore.empty(50, 8), 0.29, std=2.0))
    assert ((sparse == 0).sum(axis=0) == 15).all()
    assert len({tuple(np.flatnonzero(column == 0)) for column in sparse.T}) > 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: init.eye_(dlcore.empty(2)),
        lambda: init.dirac_(dlcore.empty(2, 2)),
        lambda: init.dirac_(dlcore.empty(3, 2, 3), groups=2),
        lambda: init.sparse_(dlcore.empty(2), 0.5),
        lambda: init.orthogonal_(dlcore.empty(2)),
        lambda: init.xavier_uniform_(dlcore.empty(2)),
        lambda: init.kaiming_uniform_(dlcore.empty(2, 2), mode="fan"),
        lambda: init.kaiming_normal_(dlcore.empty(2, 2), nonlinearity="none"),
    ],
)
def test_errors(call):
    with pytest.raises(ValueError):
        call()


def test_empty_tensors():
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
        init.kaiming_uniform_(dlcore.empty(0, 3))
    assert init.orthogonal_(dlcore.empty(0, 3)).shape == (0, 3)


# --- layers


@pytest.mark.parametrize(
    ("layer", "bound"),
    [
        (lambda: nn.Linear(300, 2000), 1 / math.sqrt(300)),
        (lambda: nn.Bilinear(16, 20, 1000), 1 / math.sqrt(16)),
        (lambda: nn.Conv2d(12, 2000, (3, 5)), 1 / math.sqrt(12 * 15)),
        (lambda: nn.Conv2d(12, 2000, 3, groups=4), 1 / math.sqrt(3 * 9)),
    ],
)
def test_layers(layer, bound):
    module = layer()
    assert_uniform(module.weight, bound)
    assert_uniform(module.bias, bound)


def test_the_seed_decides():
    dlcore.manual_seed(7)
    a = nn.Linear(5, 5)
    dlcore.manual_seed(7)
    assert nn.Linear(5, 5).weight.tolist() == a.weight.tolist() != nn.Linear(5, 5).weight.tolist()


def test_degenerate_layers():
    with pytest.warns(UserWarning, match="no-op"):
        empty = nn.Linear(0, 3)
    assert empty(dlcore.zeros(2, 0)).tolist() == [[0.0] * 3] * 2
    assert nn.PReLU(3).weight.tolist() == [0.25] * 3


def test_orthogonal_matrices_are_uniform():
    """The first element is as often positive as negative, which the Q of a QR decomposition alone is not."""
    dlcore.manual_seed(3)
    first = np.array([nn.init.orthogonal_(dlcore.empty(3, 3))[0, 0].item() for _ in range(400)])
    # Its variance is 1 / 3; five times the deviation of the mean of 400.
    assert abs(first.mean()) <= 5 * (1 / 3 / 400) ** 0.5
