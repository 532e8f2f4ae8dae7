"""Convolutions of 1, 2 and 3 dimensions and their transposes with random arguments: results, gradients and errors."""

import random
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")


def draw(rng: random.Random):
    spatial, transposed = rng.choice([1, 2, 3]), rng.random() < 0.5
    groups = rng.choice([1, 1, 2, 4])
    inputs, outputs = groups * rng.choice([1, 2, 5, 16]), groups * rng.choice([1, 3, 8, 32])

    def each(low, high):
        return [rng.randint(low, high) for _ in range(spatial)]

    batch = [] if rng.random() < 0.2 else [rng.randint(1, 3)]
    x = (*batch, inputs, *each(1, 8))
    w = ((inputs, outputs // groups) if transposed else (outputs, inputs // groups)) + tuple(each(1, 3))
    stride, padding, dilation, more = each(1, 3), each(0, 2), each(1, 2), each(0, 2)
    if not transposed and rng.random() < 0.3:
        padding = rng.choice(["same", "valid"])
    last = (more, groups, dilation) if transposed else (dilation, groups)
    bias = (outputs,) if rng.random() < 0.6 else None
    return f"conv{'_transpose' if transposed else ''}{spatial}d", x, w, bias, (stride, padding, *last)


def run(d, name, tensors, arguments, dy):
    x, w, b = (*tensors, None)[:3]
    y = getattr(d.nn.functional, name)(x, w, b, *arguments)
    dy = dy(y)
    return [t.detach().numpy() for t in (y, *d.autograd.grad(y, tensors, d.tensor(dy)))]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_arguments(seed, dtype):
    rng, values = random.Random(seed), np.random.default_rng(seed)
    computed = 0
    for _ in range(40):
        name, x, w, b, arguments = draw(rng)
        arrays = [values.standard_normal(shape).astype(dtype) for shape in (x, w, b) if shape is not None]
        cotangent = values.standard_normal(1 << 16).astype(dtype)

        def dy(y, cotangent=cotangent):
            return np.resize(cotangent, tuple(y.shape))

        mine = [dlcore.tensor(a).requires_grad_() for a in arrays]
        theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyTorch's on padding='same'
                expected = run(torch, name, theirs, arguments, dy)
        except (RuntimeError, ValueError):
            with pytest.raises((RuntimeError, ValueError), match=name):
                run(dlcore, name, mine, arguments, dy)
            continue
        if expected[0].size == 0:  # of some dtypes only; the others raise
            continue
        computed += 1
        for got, want in zip(run(dlcore, name, mine, arguments, dy), expected):
            assert got.shape == want.shape and got.dtype == want.dtype
            # sums of at most 16 3^3 (outputs) or 3 24^3 (weights) products of normal numbers; both sides round
            tolerance = 8 * np.finfo(dtype).eps * (3 * 24**3) ** 0.5 * max(1, np.abs(want).max(initial=0))
            assert np.abs(got - want).max(initial=0) <= tolerance, (name, x, w, b, arguments)
    assert computed >= 15


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("kind", ["conv", "conv_transpose"])
def test_empty_batch(kind, spatial):
    """An empty batch gives an empty result and gradients of zeros."""
    shapes = (0, 4, *(5,) * spatial), (4, 4, *(3,) * spatial), (4,)
    for d in (torch, dlcore):
        tensors = [d.zeros(shape, requires_grad=True) for shape in shapes]
        y = getattr(d.nn.functional, f"{kind}{spatial}d")(*tensors, 1, 1)
        assert tuple(y.shape) == (0, 4, *(5,) * spatial)
        for t, g in zip(tensors, d.autograd.grad(y, tensors, d.zeros(tuple(y.shape)))):
            assert tuple(g.shape) == tuple(t.shape) and not g.numpy().any()


def layer(rng: random.Random, spatial: int, transposed: bool):
    """A layer's name, arguments and options."""
    groups = rng.choice([1, 1, 2, 3])

    def each(low, high):
        values = [rng.randint(low, high) for _ in range(spatial)]
        return values[0] if rng.random() < 0.4 else tuple(values)

    options = {"stride": each(1, 3), "padding": each(0, 2), "dilation": each(1, 2), "groups": groups}
    options["bias"] = rng.random() < 0.5
    if transposed:
        options["output_padding"] = each(0, 2)
    else:
        options["padding_mode"] = rng.choice(["zeros", "zeros", "reflect", "replicate", "circular"])
        if rng.random() < 0.3:
            options["padding"] = rng.choice(["same", "valid"])
    channels = groups * rng.choice([1, 2, 16, 17]), groups * rng.choice([1, 3, 16, 32])
    return f"Conv{'Transpose' if transposed else ''}{spatial}d", (*channels, each(1, 4)), options


@settings(max_examples=200)
@given(st.randoms(use_true_random=False), st.integers(1, 3), st.booleans())
def test_layers(rng, spatial, transposed):
    """Layers with any arguments, from the same parameters: the same errors, or the same results and gradients."""
    name, arguments, options = layer(rng, spatial, transposed)
    # PyTorch does not check the output padding of an empty batch.
    least = 0 if rng.random() < 0.1 and not transposed else 1
    batch = [] if rng.random() < 0.2 else [rng.randint(least, 3)]
    shape = (*batch, arguments[0], *(rng.randint(1, 8 if spatial < 3 else 5) for _ in range(spatial)))
    x = np.random.default_rng(rng.randint(0, 99)).standard_normal(shape)

    def outcome(d):
        module = getattr(d.nn, name)(*arguments, **options, dtype=d.float64)
        module.load_state_dict({key: d.tensor(value.numpy()) for key, value in state.items()})
        leaf = d.tensor(x, requires_grad=True)
        y = module(leaf)
        dy = np.random.default_rng(7).standard_normal(tuple(y.shape))
        y.backward(d.tensor(dy))
        return [t.numpy() for t in (y.detach(), leaf.grad, *(p.grad for p in module.parameters()))]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            state = getattr(torch.nn, name)(*arguments, **options, dtype=torch.float64).state_dict()
            expected = outcome(torch)
        except (RuntimeError, ValueError):
            with pytest.raises((RuntimeError, ValueError)):
                state = getattr(dlcore.nn, name)(*arguments, **options, dtype=dlcore.float64).state_dict()
                outcome(dlcore)
            return
    for got, want in zip(outcome(dlcore), expected):
        assert got.shape == want.shape
        # sums of fewer than 51 4^3 (outputs) or 3 27^3 (weights) products of normal numbers
        tolerance = 8 * 2.0**-52 * (3 * 27**3) ** 0.5 * max(1, np.abs(want).max(initial=0))
        assert np.abs(got - want).max(initial=0) <= tolerance


@pytest.mark.parametrize("channels, size, window", [(256, 14, 3), (512, 7, 3), (2048, 7, 1)])
def test_long_sums_are_as_accurate(channels, size, window):
    """The largest error of the direct sums against float64 is at most twice PyTorch's."""
    rng = np.random.default_rng(channels)
    x = rng.standard_normal((2, channels, size, size))
    w = rng.standard_normal((256, channels, window, window)) / window / np.sqrt(channels)
    cotangent = rng.standard_normal((2, 256, size, size))

    def results(d, dtype):
        tensors = [d.tensor(a.astype("float32")).to(getattr(d, dtype)).requires_grad_() for a in (x, w)]
        return run(d, "conv2d", tensors, (1, window // 2), lambda y: cotangent.astype("float32").astype(dtype))

    exact, theirs = results(torch, "float64"), results(torch, "float32")
    with dlcore.backends.conv.winograd(False):
        mine = results(dlcore, "float32")
    for name, m, t, e in zip(("y", "dx", "dw"), mine, theirs, exact):
        assert np.abs(m - e).max() <= 2 * np.abs(t - e).max(), name
