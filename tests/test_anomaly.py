"""Anomaly mode names the op that made the first NaN, in forward and in backward, and where it was called."""

import math

import pytest

import dlcore
from dlcore import nn
from dlcore.autograd import Function, detect_anomaly, set_detect_anomaly


def leaf(*values):
    return dlcore.tensor(values, requires_grad=True)


def test_forward_names_the_op():
    x = leaf(1.0, -1.0)
    with (
        detect_anomaly(),
        pytest.raises(RuntimeError, match=r"Function 'log' returned nan values in its 0th output") as e,
    ):
        (x * 2).log().exp().sum()
    assert "test_anomaly.py" in str(e.value) and "(x * 2).log()" in str(e.value)
    (x * 2).log()  # nobody looks any more


def test_forward_follows_a_nan_that_was_given():
    x = leaf(1.0, math.nan)
    with detect_anomaly():
        y = (x * 2).exp()  # the input has it: no op made it
        assert math.isnan(y[1].item())
        with pytest.raises(RuntimeError, match="'sub'"):
            z = leaf(math.inf)
            z - z


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("sqrt", lambda x: x.sqrt()),
        ("div", lambda x: x * 0 / (x * 0)),
        ("softmax", lambda x: (x * 0 - math.inf).softmax(0)),
        ("matmul", lambda x: (x * math.inf).reshape(1, 2) @ dlcore.zeros(2, 2)),
    ],
)
def test_ops(name, call):
    with detect_anomaly(), pytest.raises(RuntimeError, match=f"Function '{name}"):
        call(leaf(-1.0, -2.0) * 1)


def test_in_place_leaves_the_tensor_as_it_was():
    x = leaf(-1.0, 4.0) * 1
    with detect_anomaly(), pytest.raises(RuntimeError, match="'sqrt'"):
        x.sqrt_()
    assert x.tolist() == [-1.0, 4.0]


def test_backward_names_the_op_and_the_output():
    x = leaf(0.0, 1.0)
    with detect_anomaly():
        y = x.sqrt()  # 0 / 0 in backward
        loss = (y * 0).sum()
        with pytest.raises(RuntimeError, match=r"Function 'sqrt' returned nan values in its 0th output") as e:
            loss.backward()
        assert "y = x.sqrt()" in str(e.value) and "input 0, of shape (2,)" in str(e.value)
    assert x.grad is None
    loss = (x.sqrt() * 0).sum()
    loss.backward()
    assert math.isnan(x.grad[0].item())


def test_backward_names_the_second_input():
    a, b = leaf(1.0), leaf(math.inf)
    with detect_anomaly():
        y = a * b
        with pytest.raises(RuntimeError, match="Function 'mul' returned nan values in its 0th output"):
            y.backward(dlcore.tensor([0.0]))
    with detect_anomaly():
        y = b * a
        with pytest.raises(RuntimeError, match="Function 'mul' returned nan values in its 1st output"):
            y.backward(dlcore.tensor([0.0]))


def test_a_nan_that_came_is_told():
    x = leaf(1.0)
    with detect_anomaly():
        y = x.exp()
        with pytest.raises(RuntimeError, match="gradient that came to it has some already"):
            y.backward(dlcore.tensor([math.nan]))


class Faulty(Function):
    @staticmethod
    def forward(ctx, x, kind):
        ctx.kind = kind
        return x.clone() if kind != "forward" else x * math.nan

    @staticmethod
    def backward(ctx, dy):
        if ctx.kind == "raise":
            raise KeyError("mine")
        return dy * math.nan, None


def test_functions_in_python():
    x = leaf(1.0)
    with detect_anomaly():
        with pytest.raises(RuntimeError, match="Function 'Faulty' returned nan values in its 0th output in forward"):
            Faulty.apply(x, "forward")
        y = Faulty.apply(x, "backward")
        with pytest.raises(RuntimeError, match="Function 'Faulty' returned nan values in its 0th output in backward"):
            y.backward()


def test_errors_in_backward_come_with_a_warning():
    x = leaf(1.0)
    for check_nan in (True, False):
        with detect_anomaly(check_nan):
            y = Faulty.apply(x, "raise").sum()
            with (
                pytest.warns(UserWarning, match="Error detected in the backward of Faulty") as seen,
                pytest.raises(KeyError),
            ):
                y.backward()
            assert "Faulty.apply(x" in str(seen[0].message)


def test_without_check_nan():
    x = leaf(-1.0)
    with detect_anomaly(check_nan=False):
        x.log().backward()
    assert x.grad.item() == -1.0


def test_what_is_not_watched():
    with detect_anomaly():
        dlcore.tensor([-1.0]).log()  # no gradient goes through
        with dlcore.no_grad():
            leaf(-1.0).log()


def test_modes():
    def mode():
        return dlcore.is_anomaly_enabled(), dlcore.is_anomaly_check_nan_enabled()

    assert mode() == (False, False)
    with detect_anomaly(check_nan=False):
        assert mode() == (True, False)
        with detect_anomaly():
            assert mode() == (True, True)
            with set_detect_anomaly(False):
                assert mode() == (False, False)
            assert mode() == (True, True)
        assert mode() == (True, False)
    assert mode() == (False, False)
    set_detect_anomaly(True)
    try:
        assert mode() == (True, True)
    finally:
        set_detect_anomaly(False)
    for bad in (None, 1, "yes"):
        with pytest.raises(TypeError):
            detect_anomaly(bad)
        with pytest.raises(TypeError):
            set_detect_anomaly(bad)
    assert mode() == (False, False)


def test_a_healthy_model_passes():
    dlcore.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))
    attention, recurrent = nn.TransformerEncoderLayer(8, 2, 16), nn.LSTM(8, 8)
    with detect_anomaly():
        for p in (loss(model), attention(dlcore.randn(5, 2, 8)).sum(), recurrent(dlcore.randn(5, 2, 8))[0].sum()):
            p.backward()
    g = leaf(0.3)
    with detect_anomaly():  # second derivatives
        (first,) = dlcore.autograd.grad(g.tanh().sum(), g, create_graph=True)
        first.sum().backward()


def loss(model):
    return nn.functional.cross_entropy(model(dlcore.randn(3, 1, 8, 8)), dlcore.tensor([0, 1, 4]))
