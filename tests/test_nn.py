"""Layers and losses against their formulas in float64; the ops themselves are in the case table."""

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.autograd import gradcheck
from dlcore.nn import functional as F


def randn(*shape, grad=False):
    return dlcore.randn(shape, dtype=dlcore.float64, requires_grad=grad)


def close(tensor, expected, tol=1e-13):
    np.testing.assert_allclose(tensor.detach().numpy(), expected, rtol=tol, atol=tol)


ACTIVATIONS = {
    nn.ReLU: lambda x: np.maximum(x, 0),
    nn.ReLU6: lambda x: np.clip(x, 0, 6),
    nn.Sigmoid: lambda x: 1 / (1 + np.exp(-x)),
    nn.Tanh: np.tanh,
    nn.Hardtanh: lambda x: np.clip(x, -1, 1),
    nn.Hardsigmoid: lambda x: np.clip(x + 3, 0, 6) / 6,
    nn.Hardswish: lambda x: x * np.clip(x + 3, 0, 6) / 6,
    nn.SiLU: lambda x: x / (1 + np.exp(-x)),
    nn.Mish: lambda x: x * np.tanh(np.log1p(np.exp(x))),
    nn.ELU: lambda x: np.where(x > 0, x, np.expm1(x)),
    nn.CELU: lambda x: np.maximum(x, 0) + np.minimum(0, np.expm1(x)),
    nn.SELU: lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    nn.LeakyReLU: lambda x: np.where(x > 0, x, 0.01 * x),
    nn.PReLU: lambda x: np.where(x > 0, x, 0.25 * x),
    nn.LogSigmoid: lambda x: -np.log1p(np.exp(-x)),
    nn.Softplus: lambda x: np.log1p(np.exp(x)),
    nn.Softsign: lambda x: x / (1 + np.abs(x)),
    nn.Tanhshrink: lambda x: x - np.tanh(x),
    nn.Hardshrink: lambda x: np.where(np.abs(x) > 0.5, x, 0),
    nn.Softshrink: lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
}


@pytest.mark.parametrize("kind", ACTIVATIONS, ids=lambda kind: kind.__name__)
def test_activation_modules(kind):
    x = randn(40) * 3
    module = kind().double()
    close(module(x), ACTIVATIONS[kind](x.numpy()))
    if "inplace" in kind.__init__.__code__.co_varnames:
        inplace = kind(inplace=True)
        y = x.clone()
        assert inplace(y) is y and dlcore.equal(y, module(x))


@pytest.mark.parametrize("kind", [nn.ReLU, nn.SiLU, nn.ELU, nn.Hardswish, nn.Mish, nn.LeakyReLU, nn.SELU])
def test_gradients_through_an_overwritten_input(kind):
    x = randn(20, grad=True)
    v = randn(20)
    (expected,) = dlcore.autograd.grad(kind()(x * 2), x, v)
    (got,) = dlcore.autograd.grad(kind(inplace=True)(x * 2), x, v)
    close(got, expected.numpy())
    with pytest.raises(RuntimeError, match="leaf"):
        kind(inplace=True)(x)


def test_other_activations():
    x = randn(3, 6)
    a, b = x.numpy()[:, :3], x.numpy()[:, 3:]
    close(nn.GLU()(x), a / (1 + np.exp(-b)))
    exp = np.exp(x.numpy())
    close(nn.Softmax(1)(x), exp / exp.sum(1, keepdims=True))
    close(nn.LogSoftmax(0)(x), np.log(exp / exp.sum(0)))
    close(nn.Softmin(1)(x), (1 / exp) / (1 / exp).sum(1, keepdims=True))
    close(nn.Threshold(0.1, 20.0)(x), np.where(x.numpy() > 0.1, x.numpy(), 20.0))
    close(nn.Softmax2d()(x.reshape(3, 2, 3)).sum(0), np.ones((2, 3)))
    with pytest.raises(ValueError, match="3D or 4D"):
        nn.Softmax2d()(x)
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        nn.Softmax()(x)
    with pytest.raises(AssertionError):
        nn.Hardtanh(2, 1)
    module = nn.RReLU(0.2, 0.4)
    ratio = (module(-dlcore.ones(1000)) * -1).numpy()
    assert ratio.min() >= 0.2 and ratio.max() <= 0.4 and ratio.std() > 0.05
    assert module.eval()(-dlcore.ones(3)).tolist() == pytest.approx([-0.3] * 3)


def test_gumbel_softmax():
    dlcore.manual_seed(0)
    logits = dlcore.tensor([[0.0, 1.0, 2.0]], requires_grad=True)
    soft = F.gumbel_softmax(logits.expand(4000, 3), tau=0.5)
    close(soft.sum(1), np.ones(4000), 1e-5)
    hard = F.gumbel_softmax(logits.expand(4000, 3), hard=True)
    assert hard.detach().sum(1).sub(1).abs().max() < 1e-6 and hard.requires_grad
    frequencies = hard.detach().mean(0).numpy()
    expected = np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum()
    assert np.abs(frequencies - expected).max() < 5 * 0.5 / np.sqrt(4000)


# --- layers


def test_linear_and_bilinear():
    x, y = randn(2, 3, 4), randn(2, 3, 5)
    linear = nn.Linear(4, 6).double()
    close(linear(x), x.numpy() @ linear.weight.detach().numpy().T + linear.bias.detach().numpy())
    bilinear = nn.Bilinear(4, 5, 6).double()
    expected = np.einsum("abi,oij,abj->abo", x.numpy(), bilinear.weight.detach().numpy(), y.numpy())
    close(bilinear(x, y), expected + bilinear.bias.detach().numpy())
    w = randn(2, 4, 5, grad=True)
    gradcheck(lambda a, b, w: F.bilinear(a, b, w), (randn(3, 4, grad=True), randn(3, 5, grad=True), w))
    with pytest.raises(RuntimeError, match="bilinear: weight must have shape"):
        bilinear(y, x)
    with pytest.raises(ValueError, match="in1_features must be > 0"):
        nn.Bilinear(0, 1, 1)
    assert nn.Identity(1, a=2)(x) is x


def test_shapes():
    x = randn(2, 3, 4, 5)
    assert nn.Flatten()(x).shape == (2, 60) and nn.Flatten(0, 1)(x).shape == (6, 4, 5)
    assert nn.Unflatten(1, (1, -1))(x).shape == (2, 1, 3, 4, 5)
    for bad in [("a", (1,)), (1, 3), (1, (1, "a"))]:
        with pytest.raises(TypeError):
            nn.Unflatten(*bad)


def convolve(x, w, b, stride, dilation, groups):
    """The formula, on input that is already padded."""
    n, c, h, wide = x.shape
    k, per_group, kh, kw = w.shape
    oh = (h - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (wide - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n, k, oh, ow)) + b[:, None, None]
    for o in range(k):
        first = o // (k // groups) * per_group
        for u in range(kh):
            for v in range(kw):
                rows = slice(u * dilation[0], u * dilation[0] + (oh - 1) * stride[0] + 1, stride[0])
                columns = slice(v * dilation[1], v * dilation[1] + (ow - 1) * stride[1] + 1, stride[1])
                window = x[:, first : first + per_group, rows, columns]
                y[:, o] += np.einsum("nchw,c->nhw", window, w[o, :, u, v])
    return y


@pytest.mark.parametrize(
    ("options", "pad"),
    [
        ({}, (0, 0, 0, 0)),
        ({"stride": (2, 1), "padding": (1, 2)}, (1, 1, 2, 2)),
        ({"padding": "valid", "dilation": 2}, (0, 0, 0, 0)),
        ({"padding": "same"}, (1, 1, 0, 1)),
        ({"padding": "same", "dilation": (2, 3)}, (2, 2, 1, 2)),
        ({"groups": 2, "padding": 1}, (1, 1, 1, 1)),
        ({"padding": (1, 2), "padding_mode": "reflect"}, (1, 1, 2, 2)),
        ({"padding": (2, 1), "padding_mode": "circular"}, (2, 2, 1, 1)),
        ({"padding": "same", "padding_mode": "replicate"}, (1, 1, 0, 1)),
    ],
)
def test_conv2d(options, pad):
    layer = nn.Conv2d(4, 6, (3, 2), **options).double()
    x = randn(2, 4, 7, 8)
    modes = {"zeros": "constant", "reflect": "reflect", "circular": "wrap", "replicate": "edge"}
    mode = modes[options.get("padding_mode", "zeros")]
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), pad[:2], pad[2:]), mode)
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    expected = convolve(padded, w, b, layer.stride, layer.dilation, layer.groups)
    close(layer(x), expected)
    close(layer(x[0]), expected[0])
    if layer.padding_mode == "zeros":
        y = F.conv2d(x, layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups)
        close(y, expected)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((3, 4, 3), {"groups": 2}, "in_channels must be divisible"),
        ((4, 3, 3), {"groups": 2}, "out_channels must be divisible"),
        ((4, 4, 3), {"groups": 0}, "groups must be a positive integer"),
        ((4, 4, 3), {"padding": "full"}, "Invalid padding string 'full'"),
        ((4, 4, 3), {"padding": "same", "stride": 2}, "not supported for strided"),
        ((4, 4, 3), {"padding_mode": "mirror"}, "padding_mode must be one of"),
    ],
)
def test_conv2d_errors(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        nn.Conv2d(*arguments, **options)


def test_pooling():
    x = randn(2, 3, 6, 8)
    windows = x.numpy().reshape(2, 3, 3, 2, 4, 2)
    close(nn.MaxPool2d(2)(x), windows.max((3, 5)))
    close(nn.AvgPool2d(2)(x), windows.mean((3, 5)))
    close(F.max_pool2d(x, 2, None), windows.max((3, 5)))
    close(F.avg_pool2d(x, 2, None), windows.mean((3, 5)))
    close(nn.AvgPool2d(2, divisor_override=3)(x), windows.sum((3, 5)) / 3)
    values, places = nn.MaxPool2d(2, return_indices=True)(x)
    flat = x.numpy().reshape(2, 3, 48)
    close(values, np.take_along_axis(flat, places.numpy().reshape(2, 3, 12), 2).reshape(2, 3, 3, 4))
    assert places.dtype == dlcore.int64


def test_dropout():
    x = dlcore.ones(100, 100)
    module = nn.Dropout(0.25)
    y = module(x)
    assert set(y.unique().tolist()) == {0.0, np.float32(4 / 3).item()}
    assert abs((y == 0).sum().item() - 2500) < 5 * np.sqrt(10000 * 0.25 * 0.75)
    assert dlcore.equal(module.eval()(x), x)
    assert nn.Dropout(1.0)(x).sum().item() == 0 and dlcore.equal(nn.Dropout(0.0)(x), x)
    for bad in (-0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            nn.Dropout(bad)


# --- pad and one_hot


@pytest.mark.parametrize(
    ("pad", "mode", "widths"),
    [
        ((1, 2), "constant", [(0, 0), (0, 0), (1, 2)]),
        ((1, 2, 3, 0, 0, 4), "constant", [(0, 4), (3, 0), (1, 2)]),
        ((3, 2), "reflect", [(0, 0), (0, 0), (3, 2)]),
        ((1, 0, 2, 3), "replicate", [(0, 0), (2, 3), (1, 0)]),
        ((5, 4, 0, 1), "circular", [(0, 0), (0, 1), (5, 4)]),
    ],
)
def test_pad(pad, mode, widths):
    x = randn(2, 4, 5)
    modes = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    close(F.pad(x, pad, mode), np.pad(x.numpy(), widths, modes[mode]))
    gradcheck(lambda x: F.pad(x, pad, mode), randn(2, 4, 5, grad=True))


def test_pad_takes_away_and_checks():
    x = randn(2, 4, 5)
    close(
        F.pad(x, (-1, -2, 1, -3), value=7.0), np.pad(x.numpy()[:, :1, 1:3], ((0, 0), (1, 0), (0, 0)), constant_values=7)
    )
    for bad, mode, error in [
        ((1,), "constant", RuntimeError),
        ((1,) * 8, "constant", RuntimeError),
        ((1, 1), "mirror", NotImplementedError),
        ((-3, -3), "constant", RuntimeError),
        ((5, 0), "reflect", RuntimeError),
        ((6, 0), "circular", RuntimeError),
    ]:
        with pytest.raises(error, match="pad"):
            F.pad(x, bad, mode)


def test_one_hot():
    assert F.one_hot(dlcore.tensor([[0, 2]])).tolist() == [[[1, 0, 0], [0, 0, 1]]]
    assert F.one_hot(dlcore.tensor(1), 3).tolist() == [0, 1, 0]
    assert F.one_hot(dlcore.empty(0, dtype=dlcore.int64), 3).shape == (0, 3)
    for bad in [(dlcore.tensor([1.0]),), (dlcore.tensor([-1]),), (dlcore.tensor([3]), 3), (dlcore.tensor([1]), 0)]:
        with pytest.raises(RuntimeError):
            F.one_hot(*bad)


# --- losses

X, Y = np.random.default_rng(0).normal(size=(2, 4, 3)) * 2
P, T = 1 / (1 + np.exp(-X)), (Y > 0).astype(np.float64)
D = np.abs(X - Y)
LOSSES = [
    (nn.MSELoss(reduction="none"), X, Y, (X - Y) ** 2),
    (nn.L1Loss(reduction="none"), X, Y, D),
    (nn.SmoothL1Loss(reduction="none"), X, Y, np.where(D < 1, D * D / 2, D - 0.5)),
    (nn.SmoothL1Loss(reduction="none", beta=2.0), X, Y, np.where(D < 2, D * D / 4, D - 1)),
    (nn.SmoothL1Loss(reduction="none", beta=0.0), X, Y, D),
    (nn.HuberLoss(reduction="none", delta=1.5), X, Y, np.where(D <= 1.5, D * D / 2, 1.5 * (D - 0.75))),
    (nn.BCELoss(reduction="none"), P, T, -(T * np.log(P) + (1 - T) * np.log(1 - P))),
    (nn.BCEWithLogitsLoss(reduction="none"), X, T, -(T * np.log(P) + (1 - T) * np.log(1 - P))),
    (
        nn.BCEWithLogitsLoss(reduction="none", pos_weight=dlcore.tensor([2.0, 3, 4], dtype=dlcore.float64)),
        X,
        T,
        -(np.array([2, 3, 4]) * T * np.log(P) + (1 - T) * np.log(1 - P)),
    ),
]


@pytest.mark.parametrize(("loss", "x", "y", "expected"), LOSSES, ids=lambda value: getattr(value, "_get_name", str)())
def test_losses(loss, x, y, expected):
    x, y = dlcore.tensor(x), dlcore.tensor(y)
    close(loss(x, y), expected, 1e-12)
    gradcheck(lambda x: loss(x, y), x.clone().requires_grad_())
    for reduction in ("mean", "sum"):
        loss.reduction = reduction
        close(loss(x, y), getattr(expected, reduction)(), 1e-12)
    loss.reduction = "none"


def test_weighted_losses():
    x, y, w = dlcore.tensor(X), dlcore.tensor(Y), np.arange(12.0).reshape(4, 3)
    close(F.mse_loss(x, y, weight=dlcore.tensor(w)), (w * (X - Y) ** 2).sum() / w.sum())
    close(F.l1_loss(x, y, reduction="sum", weight=dlcore.tensor(w)), (w * D).sum())
    bce = nn.BCELoss(weight=dlcore.tensor(w))
    close(bce(dlcore.tensor(P), dlcore.tensor(T)), (-w * (T * np.log(P) + (1 - T) * np.log(1 - P))).mean(), 1e-12)


def test_loss_extremes():
    huge = dlcore.tensor([1000.0, -1000.0])
    close(nn.BCEWithLogitsLoss(reduction="none")(huge, dlcore.tensor([0.0, 1.0])), [1000, 1000])
    close(nn.BCELoss(reduction="none")(dlcore.tensor([0.0, 1.0]), dlcore.tensor([1.0, 0.0])), [100, 100])


def test_classification_losses():
    x, target = randn(5, 4), dlcore.tensor([0, 3, 1, -100, 2])
    weight = np.array([1.0, 2, 3, 4])
    log_p = x.numpy() - np.log(np.exp(x.numpy()).sum(1, keepdims=True))
    kept = [0, 1, 2, 4]
    classes = target.numpy()[kept]
    losses, weights = -log_p[kept, classes], weight[classes]
    close(nn.CrossEntropyLoss()(x, target), losses.mean())
    close(nn.NLLLoss()(nn.LogSoftmax(1)(x), target), losses.mean())
    w = dlcore.tensor(weight)
    close(nn.CrossEntropyLoss(weight=w)(x, target), (losses * weights).sum() / weights.sum())
    close(nn.NLLLoss(weight=w, reduction="sum")(nn.LogSoftmax(1)(x), target), (losses * weights).sum())
    smooth = nn.CrossEntropyLoss(label_smoothing=0.1, reduction="none")(x, target)
    expected = np.zeros(5)
    expected[kept] = 0.9 * losses - 0.1 * log_p[kept].mean(1)
    close(smooth, expected)
    shares = dlcore.softmax(randn(5, 4), 1)
    close(nn.CrossEntropyLoss()(x, shares), -(shares.numpy() * log_p).sum(1).mean())


def test_loss_arguments():
    x, y = randn(3), randn(3)
    with pytest.warns(UserWarning, match="please use reduction='sum'"):
        close(nn.MSELoss(size_average=False)(x, y), ((x - y) ** 2).sum().item())
    with pytest.warns(UserWarning, match="please use reduction='none'"):
        assert F.l1_loss(x, y, reduce=False).shape == (3,)
    with pytest.warns(UserWarning, match="different to the input size"):
        F.mse_loss(randn(3, 1), y)
    with pytest.raises(ValueError, match="reduction must be"):
        F.l1_loss(x, y, reduction="average")
    for call, error in [
        (lambda: F.binary_cross_entropy(dlcore.tensor([0.5, 1.5]), dlcore.ones(2)), RuntimeError),
        (lambda: F.binary_cross_entropy(dlcore.zeros(2), dlcore.zeros(3)), ValueError),
        (lambda: F.binary_cross_entropy_with_logits(x, randn(4)), ValueError),
        (lambda: F.huber_loss(x, y, delta=0), RuntimeError),
        (lambda: F.smooth_l1_loss(x, y, beta=-1), RuntimeError),
    ]:
        with pytest.raises(error):
            call()


def test_class_weights_are_buffers():
    loss = nn.CrossEntropyLoss(weight=dlcore.ones(3))
    assert list(loss.state_dict()) == ["weight"] and nn.CrossEntropyLoss().state_dict() == {}
    assert loss.double().weight.dtype == dlcore.float64
