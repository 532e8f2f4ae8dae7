"""nn.utils: clipping, norms of weights, penalties; stochastic depth."""

import math

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn import functional as F


def parameter(*values):
    return dlcore.tensor(values, dtype=dlcore.float64, requires_grad=True)


def set_grad(p, *values):
    p.grad = dlcore.tensor(values, dtype=p.dtype)


def test_clipping():
    a, b = parameter(0.0, 0.0), parameter(0.0)
    set_grad(a, 3.0, 0.0)
    set_grad(b, 4.0)
    norm = nn.utils.clip_grad_norm_(iter([a, b, parameter(1.0)]), 1.0)
    assert norm.item() == pytest.approx(5.0)
    assert a.grad.tolist() == pytest.approx([0.6, 0.0], rel=1e-5) and b.grad.item() == pytest.approx(0.8, rel=1e-5)
    assert nn.utils.clip_grad_norm_([a, b], 10.0, norm_type=math.inf).item() == pytest.approx(0.8, rel=1e-5)
    assert b.grad.item() == pytest.approx(0.8, rel=1e-5)
    nn.utils.clip_grad_value_(a, 0.5)
    assert a.grad.tolist() == [0.5, 0.0]
    set_grad(b, math.inf)
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(b, 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_([parameter(1.0)], 1.0).item() == 0.0


def test_clipping_divides_by_a_little_more_than_the_norm():
    a = parameter(0.0, 0.0)
    set_grad(a, 3.0, 4.0)
    nn.utils.clip_grad_norm_(a, 0.5)
    assert a.grad.tolist() == pytest.approx([3 * 0.5 / (5 + 1e-6), 4 * 0.5 / (5 + 1e-6)], rel=1e-12)


def test_parameters_as_a_vector():
    net = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (9,)
    nn.utils.vector_to_parameters(dlcore.arange(9.0), net.parameters())
    assert net.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and net.bias.tolist() == [6, 7, 8]
    assert isinstance(net.weight, nn.Parameter)
    with pytest.raises(TypeError, match="must be a Tensor"):
        nn.utils.vector_to_parameters([1.0], net.parameters())


SIZES = [(), (0,), (1,), (17,), (33, 5), (40_000,), (2, 3, 4)]


@pytest.mark.parametrize("dtype", [dlcore.float32, dlcore.float64, dlcore.bfloat16, dlcore.float16])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, math.inf])
def test_total_norm(p, dtype):
    tensors = [dlcore.randn(size).to(dtype) for size in SIZES if p != 3 or size != (0,)]
    tensors.append(dlcore.randn(6, 4).to(dtype).t())
    tensors.append(dlcore.randn(1).to(dtype).expand(7))
    flat = np.concatenate([x.to(dlcore.float64).numpy().reshape(-1) for x in tensors])
    expected = np.abs(flat).max() if p == math.inf else (np.abs(flat) ** p).sum() ** (1 / p)
    total = nn.utils.get_total_norm(tensors, p)
    assert total.dtype == dtype and total.shape == ()
    # Lanes of 64 additions, then doubles; and the result is rounded to the dtype. p = 3 goes tensor by tensor.
    eps = dlcore.finfo(dtype).eps
    assert total.item() == pytest.approx(expected, rel=70 * 2**-24 + 4 * eps)


def test_norms_of_nan_and_infinity():
    tensors = [dlcore.ones(40_000), dlcore.tensor([1.0, math.nan]), dlcore.ones(3)]
    assert all(math.isnan(nn.utils.get_total_norm(tensors, p).item()) for p in (1, 2, math.inf))
    tensors[1] = dlcore.tensor([-math.inf])
    assert all(nn.utils.get_total_norm(tensors, p).item() == math.inf for p in (1, 2, math.inf))


@pytest.mark.parametrize("dtype", [dlcore.float32, dlcore.float64, dlcore.bfloat16])
def test_clipping_any_layout(dtype):
    params = [dlcore.empty(size).to(dtype).requires_grad_() for size in SIZES]
    params.append(dlcore.empty(6, 4).to(dtype).t().requires_grad_())
    for p in params:
        p.grad = dlcore.randn(p.shape).to(dtype)
    before = [p.grad.to(dlcore.float64).numpy().copy() for p in params]
    version = params[3].grad._version
    norm = nn.utils.clip_grad_norm_(params, 2.0).item()
    scale = 2.0 / (norm + 1e-6)
    eps = dlcore.finfo(dtype).eps
    for p, g in zip(params, before, strict=True):
        np.testing.assert_allclose(p.grad.to(dlcore.float64).numpy(), scale * g, rtol=4 * eps + 2**-22)
    assert params[3].grad._version > version
    nn.utils.clip_grad_value_(params, 1e-3)
    assert all(p.grad.abs().max().item() <= 1e-3 * (1 + eps) for p in params if p.numel())


def test_clipping_keeps_nan():
    p = parameter(1.0, 1.0, 1.0)
    set_grad(p, math.nan, math.inf, -3.0)
    nn.utils.clip_grad_value_(p, 2.0)
    assert math.isnan(p.grad[0].item()) and p.grad[1:].tolist() == [2.0, -2.0]


def test_penalties():
    a, b = parameter(1.0, -2.0), parameter(3.0)
    l1 = nn.utils.l1_penalty([a, b])
    assert l1.item() == 6.0
    l1.backward()
    assert a.grad.tolist() == [1, -1] and b.grad.item() == 1
    a.grad = None
    l2 = nn.utils.l2_penalty(iter([a, b]))
    assert l2.item() == 14.0
    l2.backward()
    assert a.grad.tolist() == [2, -4]
    assert nn.utils.l1_penalty(a).item() == 3.0 and nn.utils.l2_penalty([]).item() == 0.0


# --- weight norm


EPS = 2.0**-52


@pytest.mark.parametrize("dim", [0, 1, 2, None, -1])
def test_weight_norm(dim):
    dlcore.manual_seed(0)
    layer = nn.Conv1d(3, 4, 2, dtype=dlcore.float64)
    before, x = layer.weight.detach().clone(), dlcore.randn(2, 3, 5, dtype=dlcore.float64)
    expected, size = layer(x), nn.functional.conv1d(x.abs(), before.abs())
    assert nn.utils.weight_norm(layer, dim=dim) is layer
    assert sorted(dict(layer.named_parameters())) == ["bias", "weight_g", "weight_v"]
    others = tuple(d for d in range(3) if dim in (None, -1) or d != dim)
    lengths = np.sqrt((before.numpy() ** 2).sum(axis=others, keepdims=dim not in (None, -1)))
    # The root of a sum of n squares is off by n / 2 + 1 roundings, g v / |v| by three more; n is at most 24.
    off = (24 / 2 + 4) * EPS
    np.testing.assert_allclose(layer.weight_g.detach().numpy(), lengths, rtol=2 * off)
    # A sum of 6 products of such weights, and the bias, in both.
    assert bool(((layer(x) - expected).abs() <= (off + 2 * 8 * EPS) * (size + 1)).all())
    with dlcore.no_grad():
        layer.weight_g.mul_(2.0)
        layer.weight_v.mul_(3.0)
    y = layer(x)
    assert dlcore.allclose(layer.weight, 2 * before, rtol=2 * off, atol=0)
    y.sum().backward()
    # A longer direction changes nothing, so that the gradient is orthogonal to it: n products cancel.
    products = layer.weight_v.grad * layer.weight_v
    tops = products.abs().sum() + (layer.weight_g.grad * layer.weight_g).abs().sum()
    assert bool((products.sum(dim=others).abs() <= 2 * 24 * EPS * tops).all()) and layer.weight_g.grad is not None
    nn.utils.remove_weight_norm(layer)
    assert sorted(dict(layer.named_parameters())) == ["bias", "weight"]
    assert dlcore.allclose(layer.weight, 2 * before, rtol=2 * off, atol=0) and dlcore.equal(layer(x), y)


def test_weight_norm_errors():
    layer = nn.utils.weight_norm(nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="two weight_norm hooks on the same parameter weight"):
        nn.utils.weight_norm(layer)
    with pytest.raises(AttributeError, match="Linear has no parameter 'w'"):
        nn.utils.weight_norm(layer, "w")
    with pytest.raises(ValueError, match="weight_norm of 'bias' not found"):
        nn.utils.remove_weight_norm(layer, "bias")
    with pytest.raises(IndexError, match="dim must be from 0 to 1"):
        nn.utils.weight_norm(nn.Linear(2, 2), dim=2)
    with pytest.raises(ValueError, match="not initialized"):
        nn.utils.weight_norm(nn.LazyLinear(2))


# --- spectral norm


@pytest.mark.parametrize(
    ("kind", "sizes"), [(nn.Linear, (6, 4)), (nn.Conv2d, (2, 3, 2)), (nn.ConvTranspose2d, (3, 2, 2))]
)
def test_spectral_norm(kind, sizes):
    dlcore.manual_seed(0)
    layer = kind(*sizes, dtype=dlcore.float64)
    before = layer.weight.detach().clone()
    matrix = (before.movedim(1, 0) if isinstance(layer, nn.ConvTranspose2d) else before).flatten(1).numpy()
    nn.utils.spectral_norm(layer, n_power_iterations=50)
    assert sorted(layer.state_dict()) == ["bias", "weight_orig", "weight_u", "weight_v"]
    channels = before.shape[0 if isinstance(layer, nn.ConvTranspose2d) else 1]
    x = dlcore.randn(2, *((6,) if before.dim() == 2 else (channels, 4, 4)), dtype=dlcore.float64)
    layer(x).sum().backward()
    sigma, second = np.linalg.svd(matrix, compute_uv=False)[:2]
    # k iterations leave an angle of (second / sigma)^(2 k) of the first one's tangent, which is below 100 here, and
    # sigma is off by its square; a rounding for each of the 12 products in two sums, and for what the SVD does.
    off = (100 * (second / sigma) ** (2 * 50)) ** 2 + 8 * 12 * EPS
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy() / sigma, rtol=off)
    # sigma grows with the weight, so that the gradient has no part along it: as many products as weights cancel.
    products = layer.weight_orig.grad * before
    gradient = (layer.weight_orig.grad.norm() * before.norm()).item()
    assert abs(products.sum().item()) <= 8 * before.numel() * EPS * gradient * max(1.0, 1 / sigma)
    u = layer.weight_u.clone()
    layer.eval()(x)
    assert dlcore.equal(u, layer.weight_u)
    nn.utils.remove_spectral_norm(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"] and isinstance(layer.weight, nn.Parameter)
    np.testing.assert_allclose(layer.weight.detach().numpy(), before.numpy() / sigma, rtol=off)


def test_spectral_norm_can_be_called_twice_before_backward():
    layer = nn.utils.spectral_norm(nn.Linear(3, 3))
    x = dlcore.randn(2, 3)
    (layer(x) + layer(x)).sum().backward()
    assert layer.weight_orig.grad is not None


def test_spectral_norm_errors():
    layer = nn.utils.spectral_norm(nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="two spectral_norm hooks"):
        nn.utils.spectral_norm(layer)
    with pytest.raises(ValueError, match="n_power_iterations=0"):
        nn.utils.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(ValueError, match="spectral_norm of 'bias' not found"):
        nn.utils.remove_spectral_norm(layer, "bias")


# --- stochastic depth


def test_stochastic_depth():
    dlcore.manual_seed(0)
    x = dlcore.ones(4000, 2, 3, requires_grad=True)
    y = F.stochastic_depth(x, 0.25, "row")
    rows = y.detach().reshape(4000, 6).numpy()
    assert set(np.unique(rows)) == {0.0, np.float32(1 / 0.75)} and (rows == rows[:, :1]).all()
    assert abs((rows[:, 0] > 0).mean() - 0.75) < 6 * math.sqrt(0.75 * 0.25 / 4000)
    y.sum().backward()
    assert dlcore.equal(x.grad, y.detach())
    whole = [F.stochastic_depth(x, 0.5, "batch").detach() for _ in range(40)]
    assert {each.numpy().max() for each in whole} == {0.0, 2.0} and all((w == w.max()).all().item() for w in whole)
    layer = nn.StochasticDepth(0.5, "row")
    assert repr(layer) == "StochasticDepth(p=0.5, mode=row)" and layer.eval()(x) is x
    assert F.stochastic_depth(x, 1.0, "batch").abs().max().item() == 0.0 and F.stochastic_depth(x, 0.0, "row") is x


def test_stochastic_depth_errors():
    for call in (nn.StochasticDepth, lambda p, mode: F.stochastic_depth(dlcore.ones(2), p, mode)):
        with pytest.raises(ValueError, match="drop probability has to be between 0 and 1, but got 2"):
            call(2, "row")
        with pytest.raises(ValueError, match="mode has to be either 'batch' or 'row', but got x"):
            call(0.5, "x")
    with pytest.raises(ValueError, match="at least 1 dimension"):
        F.stochastic_depth(dlcore.tensor(1.0), 0.5, "row")
