"""nn.utils.parametrize and parametrizations: tensors that are functions of others."""

import copy

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn.utils import parametrizations
from dlcore.nn.utils.parametrize import (
    cached,
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
    type_before_parametrizations,
)

EPS = 2.0**-52


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, a):
        return a.triu()


class Times(nn.Module):
    """No right_inverse; counts its calls."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.factor


class Sum(nn.Module):
    def forward(self, x, y):
        return x + y

    def right_inverse(self, z):
        return z / 4, z * 3 / 4


def square(n=4):
    return nn.Linear(n, n, dtype=dlcore.float64)


def test_parametrized():
    layer = square()
    before = layer.weight.detach().clone()
    assert not is_parametrized(layer)
    assert register_parametrization(layer, "weight", Symmetric()) is layer
    assert is_parametrized(layer) and is_parametrized(layer, "weight") and not is_parametrized(layer, "bias")
    assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, nn.Linear)
    assert type_before_parametrizations(layer) is nn.Linear
    assert list(dict(layer.named_parameters())) == ["bias", "parametrizations.weight.original"]
    assert dlcore.equal(layer.weight, before.triu() + before.triu(1).mT)

    x = dlcore.randn(3, 4, dtype=dlcore.float64)
    layer(x).sum().backward()
    # The cotangent of W is G = 1 x^T summed; that of the triangle is G + G^T above the diagonal.
    g = np.tile(x.numpy().sum(0), (4, 1))
    want = np.triu(g) + np.triu(g.T, 1)
    np.testing.assert_allclose(layer.parametrizations.weight.original.grad.numpy(), want, rtol=16 * EPS)

    new = Symmetric()(dlcore.randn(4, 4, dtype=dlcore.float64))
    layer.weight = new
    assert dlcore.equal(layer.weight, new)
    assert dlcore.equal(layer.parametrizations.weight.original, new.triu())
    assert remove_parametrizations(layer, "weight") is layer
    assert type(layer) is nn.Linear and not is_parametrized(layer) and not hasattr(layer, "parametrizations")
    assert isinstance(layer.weight, nn.Parameter) and dlcore.equal(layer.weight, new)
    assert sorted(layer.state_dict()) == ["bias", "weight"]


def test_one_after_the_other():
    layer = square()
    before = layer.weight.detach().clone()
    register_parametrization(layer, "weight", Symmetric())
    register_parametrization(layer, "weight", Times(2.0))
    register_parametrization(layer, "bias", Times(0.0))
    assert dlcore.equal(layer.weight, 2 * Symmetric()(before)) and not layer.bias.any()
    with pytest.raises(RuntimeError, match="parametrization Times does not implement right_inverse"):
        layer.weight = before
    remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert dlcore.equal(layer.weight, before.triu()) and type(layer).__name__ == "ParametrizedLinear"
    remove_parametrizations(layer, "bias")
    assert type(layer) is nn.Linear and list(dict(layer.named_parameters())) == ["weight", "bias"]


def test_several_originals():
    layer = square()
    before = layer.weight.detach().clone()
    register_parametrization(layer, "weight", Sum())
    assert list(dict(layer.named_parameters()))[1:] == [f"parametrizations.weight.original{i}" for i in range(2)]
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), rtol=2 * EPS)
    layer.weight = before * 4
    assert dlcore.equal(layer.parametrizations.weight.original0, before)
    with pytest.raises(ValueError, match="Cannot leave unparametrized"):
        remove_parametrizations(layer, "weight", leave_parametrized=False)
    remove_parametrizations(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter) and layer.weight.requires_grad


def test_buffers_modes_and_frozen_parameters():
    norm = nn.BatchNorm1d(3).eval()
    register_parametrization(norm, "running_mean", part := Times(2.0))
    assert not part.training and "parametrizations.running_mean.original" in dict(norm.named_buffers())
    norm.train()
    assert part.training
    layer = square()
    layer.weight.requires_grad_(False)
    register_parametrization(layer, "weight", Sum())
    assert not layer.weight.requires_grad and not layer.parametrizations.weight.original0.requires_grad
    remove_parametrizations(layer, "weight")
    assert not layer.weight.requires_grad


def test_cached():
    layer = square()
    register_parametrization(layer, "weight", part := Times(2.0))
    part.calls = 0
    with cached():
        first = layer.weight
        with cached():
            assert layer.weight is first
        assert layer.weight is first and part.calls == 1
    assert layer.weight is not first and part.calls == 2


def test_copies_are_apart():
    one = parametrizations.orthogonal(square())
    other = copy.deepcopy(one)
    remove_parametrizations(one, "weight")
    assert type(one) is nn.Linear and is_parametrized(other)
    assert dlcore.equal(other.weight, one.weight)
    with dlcore.no_grad():
        other.parametrizations.weight.original.normal_()
    assert not dlcore.equal(other.weight, one.weight)


def test_saved_and_moved(tmp_path):
    def made():
        net = nn.Sequential(nn.Linear(5, 4), nn.Conv1d(2, 3, 2), nn.Linear(3, 6))
        parametrizations.weight_norm(net[0])
        parametrizations.spectral_norm(net[1])
        parametrizations.orthogonal(net[2])
        return net.eval()

    one, other = made(), made()
    dlcore.save(one.state_dict(), tmp_path / "net.safetensors")
    other.load_state_dict(dlcore.load(tmp_path / "net.safetensors"))
    for a, b in zip(one, other):
        assert dlcore.equal(a.weight, b.weight)
    assert one.double()[2].weight.dtype == dlcore.float64


@pytest.mark.parametrize("wrap", [parametrizations.weight_norm, parametrizations.orthogonal])
def test_recurrent_layer(wrap):
    """A layer that reads its weights by name."""
    layer = nn.LSTM(3, 5).double()
    plain = copy.deepcopy(layer)
    wrap(layer, "weight_hh_l0")
    with dlcore.no_grad():
        plain.weight_hh_l0.copy_(layer.weight_hh_l0)
    x = dlcore.randn(4, 2, 3, dtype=dlcore.float64)
    out, _ = layer(x)
    assert dlcore.equal(out, plain(x)[0])
    out.sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in layer.parameters())


def test_errors():
    class Shrinks(nn.Module):
        def forward(self, x):
            return x[:2]

    class Casts(nn.Module):
        def forward(self, x):
            return x.float()

    class Numbers(nn.Module):
        def forward(self, x):
            return x

        def right_inverse(self, x):
            return 3.0

    layer = square()
    for name, part, message in [
        ("w", Times(1.0), "does not have a parameter, a buffer, or a parametrized element with name 'w'"),
        ("weight", Shrinks(), "may not change the shape of the tensor.*unless the `unsafe` flag is True"),
        ("weight", Casts(), "may not change the dtype"),
        ("weight", Numbers(), "'right_inverse' must return a Tensor or a Sequence of tensors.*Got float"),
    ]:
        with pytest.raises(ValueError, match=message):
            register_parametrization(layer, name, part)
        assert type(layer) is nn.Linear and isinstance(layer.weight, nn.Parameter)
    with pytest.raises(ValueError, match="Linear does not have a parametrization on weight"):
        remove_parametrizations(layer, "weight")
    register_parametrization(layer, "weight", Shrinks(), unsafe=True)
    assert layer.weight.shape == (2, 4) and layer.parametrizations.weight.unsafe
    safe = register_parametrization(square(), "weight", Times(1.0))
    assert not safe.parametrizations.weight.unsafe
    register_parametrization(safe, "weight", Shrinks(), unsafe=True)
    assert safe.weight.shape == (2, 4) and safe.parametrizations.weight.unsafe
    with pytest.raises(KeyError, match="already exists"):
        layer.weight = nn.Parameter(dlcore.zeros(2, 4))


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm(dim):
    layer = nn.Conv1d(3, 4, 2).double()
    older = nn.utils.weight_norm(copy.deepcopy(layer), dim=dim)
    before = layer.weight.detach().clone()
    parametrizations.weight_norm(layer, dim=dim)
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), rtol=8 * EPS)
    with dlcore.no_grad():
        older.weight_g.mul_(3.0)
        older.weight_v.normal_()
    layer.load_state_dict(older.state_dict())  # under the names of the older function
    x = dlcore.randn(2, 3, 5, dtype=dlcore.float64)
    assert dlcore.equal(layer(x), older(x))


def test_spectral_norm():
    layer = nn.Linear(6, 5, dtype=dlcore.float64)
    sigma = np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)[0]
    weight = layer.weight.detach().numpy().copy()
    parametrizations.spectral_norm(layer, n_power_iterations=400)
    np.testing.assert_allclose(layer.weight.detach().numpy(), weight / sigma, rtol=1e-12)
    layer.eval()
    state = {key: value.clone() for key, value in layer.state_dict().items()}
    layer(dlcore.randn(2, 6, dtype=dlcore.float64))
    assert all(dlcore.equal(value, state[key]) for key, value in layer.state_dict().items())
    layer.train()
    x = dlcore.randn(2, 6, dtype=dlcore.float64)
    (layer(x) - layer(-x)).sum().backward()  # the vectors of the first pass may change in the second
    vector = nn.LayerNorm(4)
    parametrizations.spectral_norm(vector)
    assert vector.weight.tolist() == [0.5] * 4
    parametrizations.spectral_norm(deconvolution := nn.ConvTranspose1d(2, 3, 4))
    assert deconvolution.parametrizations.weight[0]._u.shape == (3,)
    for call, error in [
        (lambda: parametrizations.spectral_norm(nn.Linear(2, 2), n_power_iterations=0), ValueError),
        (lambda: parametrizations.spectral_norm(nn.Linear(2, 2), dim=2), IndexError),
        (lambda: parametrizations.spectral_norm(nn.Linear(2, 2), "w"), ValueError),
    ]:
        with pytest.raises(error):
            call()


SHAPES = [(4, 4), (7, 3), (3, 7), (2, 5, 3), (1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("name", ["matrix_exp", "cayley", "householder"])
def test_orthogonal(name, trivial, shape):
    """It is orthogonal at first and after steps of any length."""

    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(dlcore.randn(shape, dtype=dlcore.float64))

    layer = parametrizations.orthogonal(Holder(), orthogonal_map=name, use_trivialization=trivial)
    optimizer = dlcore.optim.SGD(layer.parameters(), lr=1.0)
    coefficients = dlcore.randn(shape, dtype=dlcore.float64)
    for _ in range(4):
        q = layer.weight
        q = q.mT if shape[-2] < shape[-1] else q
        gram = (q.mT @ q).detach().numpy()
        # exp: 14 products, and a squaring for each doubling of the norm
        np.testing.assert_allclose(gram, np.broadcast_to(np.eye(q.shape[-1]), gram.shape), rtol=0, atol=2000 * EPS)
        optimizer.zero_grad()
        (layer.weight * coefficients).sum().backward()
        optimizer.step()
    original = layer.parametrizations.weight.original.detach().clone().requires_grad_()
    part = layer.parametrizations.weight[0]
    if name != "householder":  # its signs are no function of the original that could be differentiated
        assert dlcore.autograd.gradcheck(part, (original,))


def test_orthogonal_begins_with_the_parameter():
    layer = square()
    nn.init.orthogonal_(layer.weight)
    before = layer.weight.detach().clone()
    parametrizations.orthogonal(layer)
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy(), rtol=0, atol=64 * EPS)
    layer.weight = -before
    np.testing.assert_allclose(layer.weight.detach().numpy(), -before.numpy(), rtol=0, atol=64 * EPS)
    for call, error, message in [
        (lambda: parametrizations.orthogonal(square(), "w"), ValueError, "no parameter or buffer with name 'w'"),
        (lambda: parametrizations.orthogonal(square(), "bias"), ValueError, "Expected a matrix or batch of matrices"),
        (lambda: parametrizations.orthogonal(square(), "weight", "qr"), ValueError, "Got: qr"),
        (lambda: setattr(layer, "weight", before[:2]), ValueError, "of shape \\(4, 4\\). Got a tensor of shape"),
    ]:
        with pytest.raises(error, match=message):
            call()
    layer = parametrizations.orthogonal(square(), orthogonal_map="cayley", use_trivialization=False)
    with pytest.raises(NotImplementedError, match="cayley cannot be assigned to"):
        layer.weight = before
