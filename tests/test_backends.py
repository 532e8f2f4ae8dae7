"""Winograd's tiles, switched on and off."""

import os
import subprocess
import sys

import numpy as np
import pytest

import dlcore
from dlcore.backends import conv


@pytest.fixture
def layer():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 32, 16, 16)), rng.standard_normal((32, 32, 3, 3)) / np.sqrt(9 * 32)
    return [dlcore.tensor(a, dtype=dlcore.float32) for a in (x, w)]


def run(x, w):
    x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
    y = dlcore.nn.functional.conv2d(x, w, padding=1)
    dx, dw = dlcore.autograd.grad((y * y).sum(), (x, w))
    return y.detach(), dx, dw


def test_the_setting_changes_the_path_but_hardly_the_result(layer):
    assert conv.winograd_enabled()
    tiles = run(*layer)
    with conv.winograd(False):
        assert not conv.winograd_enabled()
        sums = run(*layer)
    assert conv.winograd_enabled()
    exact = run(*(t.double() for t in layer))
    for a, b, e in zip(tiles, sums, exact):
        assert not dlcore.equal(a, b)
        scale, error = e.abs().max().item(), (a - e).abs().max().item()
        assert (b - e).abs().max().item() < error < 16 * 2**-23 * 32**0.5 * scale


def test_the_setting_comes_back_after_an_error():
    with pytest.raises(KeyError), conv.winograd(False):
        raise KeyError
    assert conv.winograd_enabled()


def test_the_environment_sets_the_start():
    code = "import dlcore; print(dlcore.backends.conv.winograd_enabled())"
    for value, expected in (("0", "False"), ("1", "True")):
        out = subprocess.run([sys.executable, "-c", code], env={**os.environ, "DLCORE_WINOGRAD": value},
                             capture_output=True, text=True, check=True)  # fmt: skip
        assert out.stdout.strip() == expected


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_same_bits_for_any_number_of_threads(layer, threads):
    expected = run(*layer)
    before = dlcore.get_num_threads()
    dlcore.set_num_threads(threads)
    try:
        for a, b in zip(run(*layer), expected):
            assert dlcore.equal(a, b)
    finally:
        dlcore.set_num_threads(before)


IN_PLACE, BLOCKS = "products of matrices, read in place", "sums over padded blocks of the image"
WHOLE, FEW = "one product of matrices an image", "products of positions with whole filters"
TILES, DEPTHWISE = "Winograd F(4x4, 3x3)", "vectors of channels, one filter each"


@pytest.mark.parametrize(
    "x, w, options, order, kernels",
    [
        ((8, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}, "last", [TILES] * 3),
        ((8, 64, 56, 56), (64, 64, 3, 3), {"padding": "same"}, "last", [TILES] * 3),
        ((1, 64, 8, 8), (64, 64, 3, 3), {"padding": 1}, "last", [IN_PLACE] * 3),
        ((2, 3, 32, 32), (64, 3, 7, 7), {"stride": 2}, "last", [IN_PLACE, FEW, IN_PLACE]),
        ((2, 3, 32, 32), (64, 3, 3, 3), {"dilation": 2, "padding": "valid"}, "last", [IN_PLACE] * 3),
        ((2, 32, 9, 9), (32, 1, 3, 3), {"groups": 32}, "last", [DEPTHWISE] * 3),
        ((2, 1, 28, 28), (6, 1, 5, 5), {}, "first", [BLOCKS] * 3),
        ((2, 2, 9, 9), (6, 2, 2, 2), {"padding": "same"}, "first", [BLOCKS] * 3),
        ((4, 8, 9, 9), (16, 8, 1, 1), {}, "first", [WHOLE] * 3),
    ],
)
def test_explain_says_what_runs(x, w, options, order, kernels):
    text = conv.explain(dlcore.zeros(x), dlcore.zeros(w), **options)
    y = dlcore.nn.functional.conv2d(dlcore.zeros(x), dlcore.zeros(w), **options)
    assert f"channels {order}" in text and y.is_contiguous() == (order == "first")
    assert f" to {tuple(y.shape)}," in text
    passes = [
        f"{name}: {kernel}" for name, kernel in zip(("forward", "gradient of input", "gradient of weight"), kernels)
    ]
    assert text.splitlines()[2:] == passes


def test_explain_follows_the_setting():
    with conv.winograd(False):
        text = conv.explain(dlcore.zeros(8, 64, 56, 56), dlcore.zeros(64, 64, 3, 3), padding=1)
    assert text.count(IN_PLACE) == 3


def test_explain_checks_its_arguments():
    with pytest.raises(RuntimeError, match="conv2d: weight must have shape"):
        conv.explain(dlcore.zeros(1, 3, 8, 8), dlcore.zeros(4, 2, 3, 3))
    with pytest.raises(RuntimeError, match="padding 'same' needs stride 1"):
        conv.explain(dlcore.zeros(1, 3, 8, 8), dlcore.zeros(4, 3, 3, 3), stride=2, padding="same")
