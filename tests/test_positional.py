"""Positional encodings: formulas, layouts, offsets, what rotation leaves alone, errors."""

import copy
import math

import numpy as np
import pytest

import dlcore
from dlcore import nn


def sinusoidal(length, features):
    """As written, in Python's numbers."""
    return np.array(
        [
            [(math.cos if j % 2 else math.sin)(t / 10000 ** ((j - j % 2) / features)) for j in range(features)]
            for t in range(length)
        ]
    )


@pytest.mark.parametrize("features", [1, 2, 7, 16])
def test_sinusoidal(features):
    module = nn.SinusoidalPositionalEncoding(features, 300, dropout=0.0, dtype=dlcore.float64)
    expected = sinusoidal(300, features)
    # The angle is up to 300, rounded to double before its sine.
    np.testing.assert_allclose(module.weight.numpy(), expected, rtol=0, atol=300 * 4 * 2.0**-53)
    x = dlcore.randn(9, 2, features, dtype=dlcore.float64)
    np.testing.assert_allclose(module(x, offset=20).numpy(), x.numpy() + expected[20:29, None], atol=1e-12)
    assert not module.state_dict() and not list(module.parameters())
    single = nn.SinusoidalPositionalEncoding(features, 300)
    assert single.weight.dtype == dlcore.float32
    np.testing.assert_allclose(single.weight.numpy(), expected, rtol=0, atol=2.0**-24)


@pytest.mark.parametrize("kind", [nn.SinusoidalPositionalEncoding, nn.LearnedPositionalEncoding])
def test_layouts_and_offsets(kind):
    tokens, batches = kind(6, 10, dropout=0.0), kind(6, 10, dropout=0.0, batch_first=True)
    with dlcore.no_grad():
        batches.weight.copy_(tokens.weight)
    x = dlcore.randn(7, 3, 6)
    y = tokens(x, 2)
    np.testing.assert_array_equal(y.detach().numpy(), (x + tokens.weight[2:9].unsqueeze(1)).detach().numpy())
    np.testing.assert_array_equal(batches(x.transpose(0, 1), 2).detach().numpy(), y.transpose(0, 1).detach().numpy())
    for module in (tokens, batches):
        np.testing.assert_array_equal(module(x[:, 0], offset=2).detach().numpy(), y[:, 0].detach().numpy())
        assert tuple(module(dlcore.zeros(0, 6)).shape) == (0, 6)
    assert all(tokens(x.to(t)).dtype == t for t in (dlcore.bfloat16, dlcore.float64))
    assert copy.deepcopy(tokens)(x).shape == x.shape
    assert repr(tokens).startswith(f"{kind.__name__}(\n  6, max_len=10, batch_first=False\n  (dropout): Dropout(p=0.0")


def test_learned():
    module = nn.LearnedPositionalEncoding(40, 500)
    assert list(module.state_dict()) == ["weight"] and module.weight.requires_grad
    # The standard deviation of n draws is right to a few parts in the root of n.
    assert abs(module.weight.std().item() / 0.02 - 1) <= 6 / 20000**0.5
    module.eval()
    x, dy = dlcore.randn(3, 2, 40, requires_grad=True), dlcore.randn(3, 2, 40)
    dx, dw = dlcore.autograd.grad(module(x, 4), [x, module.weight], dy)
    np.testing.assert_array_equal(dx.numpy(), dy.numpy())
    expected = np.zeros((500, 40), np.float32)
    expected[4:7] = dy.numpy().sum(1)
    np.testing.assert_allclose(dw.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [nn.SinusoidalPositionalEncoding, nn.LearnedPositionalEncoding])
def test_dropout_is_on_by_default(kind):
    module = kind(50)
    x = dlcore.ones(100, 50)
    assert module.dropout.p == 0.1
    # 5000 draws with probability 0.1: six standard deviations around 500.
    assert abs((module(x) == 0).sum().item() - 500) <= 6 * (5000 * 0.1 * 0.9) ** 0.5
    assert not (module.eval()(x) == 0).any()


@pytest.mark.parametrize("interleaved", [True, False])
def test_rotation_is_its_formula(interleaved):
    module = nn.RotaryEmbedding(6, base=100.0, interleaved=interleaved)
    x, offset = dlcore.randn(2, 3, 5, 6, dtype=dlcore.float64), 3
    expected = np.empty((2, 3, 5, 6))
    for t in range(5):
        for i in range(3):
            angle = (t + offset) * 100.0 ** (-2 * i / 6)
            first, second = (2 * i, 2 * i + 1) if interleaved else (i, i + 3)
            a, b = x.numpy()[..., t, first], x.numpy()[..., t, second]
            expected[..., t, first] = a * math.cos(angle) - b * math.sin(angle)
            expected[..., t, second] = a * math.sin(angle) + b * math.cos(angle)
    q, k = module(x, x[..., :2, :], offset)
    np.testing.assert_allclose(q.numpy(), expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(k.numpy(), expected[..., :2, :], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("interleaved", [True, False])
def test_products_depend_on_distances(interleaved):
    module = nn.RotaryEmbedding(8, interleaved=interleaved)
    q, k = dlcore.randn(20, 8, dtype=dlcore.float64), dlcore.randn(20, 8, dtype=dlcore.float64)
    near, far = (a @ b.mT for a, b in (module(q, k), module(q, k, offset=1000)))
    np.testing.assert_allclose(near.numpy(), far.numpy(), atol=1e-10)
    np.testing.assert_allclose(module(q, k, 77)[0].norm(dim=-1).numpy(), q.norm(dim=-1).numpy(), rtol=1e-12)
    assert not module.state_dict()


def test_rotation_of_parts_is_that_of_the_whole():
    """Token by token, as decoding does; the kept tables grow on the way."""
    whole, parts = nn.RotaryEmbedding(4), nn.RotaryEmbedding(4)
    x = dlcore.randn(2, 9, 4)
    q, _ = whole(x, x)
    for t in range(9):
        a, b = parts(x[:, t : t + 1], x[:, t : t + 1], offset=t)
        assert bool((a == q[:, t : t + 1]).all()) and bool((b == a).all())
    assert whole(x, x)[0].dtype == dlcore.float32


def test_gradient_of_rotation():
    module = nn.RotaryEmbedding(4)
    q, k = (dlcore.randn(2, n, 4, dtype=dlcore.float64, requires_grad=True) for n in (3, 5))
    assert dlcore.autograd.gradcheck(lambda q, k: module(q, k, 2), [q, k])


def ones(*shape):
    return dlcore.ones(*shape)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.SinusoidalPositionalEncoding(0), ValueError, "d_model must be positive"),
        (lambda: nn.LearnedPositionalEncoding(4, -1), ValueError, "max_len must be positive"),
        (lambda: nn.LearnedPositionalEncoding(4, dropout=2.0), ValueError, "between 0 and 1"),
        (lambda: nn.SinusoidalPositionalEncoding(4, 3)(ones(4, 1, 4)), ValueError, r"\[0, 3\), but got 4 of them"),
        (lambda: nn.LearnedPositionalEncoding(4, 3)(ones(2, 4), 2), ValueError, "2 of them from offset 2"),
        (lambda: nn.LearnedPositionalEncoding(4, 3)(ones(2, 4), -1), ValueError, "offset -1"),
        (lambda: nn.LearnedPositionalEncoding(4, 3)(ones(2, 5)), RuntimeError, "4 features"),
        (lambda: nn.LearnedPositionalEncoding(4, 3)(ones(4)), RuntimeError, "2-D or 3-D"),
        (lambda: nn.RotaryEmbedding(5), ValueError, "positive and even, but got 5"),
        (lambda: nn.RotaryEmbedding(4, base=0), ValueError, "base must be positive"),
        (lambda: nn.RotaryEmbedding(4)(ones(2, 4), ones(2, 6)), RuntimeError, "key must have shape"),
        (lambda: nn.RotaryEmbedding(4)(ones(4), ones(2, 4)), RuntimeError, "query must have shape"),
        (lambda: nn.RotaryEmbedding(4)(ones(2, 4), ones(2, 4), -1), ValueError, "offset"),
        (lambda: nn.apply_rotary(ones(2, 4), ones(2, 4), ones(2, 4)), RuntimeError, "two features for each angle"),
        (lambda: nn.apply_rotary(ones(2, 4), ones(2, 2), ones(2, 1)), RuntimeError, "two features for each angle"),
        (lambda: nn.apply_rotary(ones(3, 4), ones(2, 2), ones(2, 2)), RuntimeError, "3"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
