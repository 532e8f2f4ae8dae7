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


@pytest.mark.parametrize(
    "x, w, options, order, kernels",
    [
        ((8, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}, "last", "Winograd"),
        ((1, 64, 8, 8), (64, 64, 3, 3), {"padding": 1}, "last", "read in place"),
        ((2, 3, 32, 32), (64, 3, 7, 7), {"stride": 2}, "last", "read in place"),
        ((2, 32, 9, 9), (32, 1, 3, 3), {"groups": 32}, "last", "one filter each"),
        ((2, 1, 28, 28), (6, 1, 5, 5), {}, "first", "padded blocks"),
        ((4, 8, 9, 9), (16, 8, 1, 1), {}, "first", "one product"),
    ],
)
def test_explain_says_what_runs(x, w, options, order, kernels):
    text = conv.explain(dlcore.zeros(x), dlcore.zeros(w), **options)
    assert f"channels {order}" in text and kernels in text
    y = dlcore.nn.functional.conv2d(dlcore.zeros(x), dlcore.zeros(w), **options)
    assert y.is_contiguous() == (order == "first")
    assert str(tuple(y.shape)) in text


def test_explain_checks_its_arguments():
    with pytest.raises(RuntimeError, match="conv2d: weight must have shape"):
        conv.explain(dlcore.zeros(1, 3, 8, 8), dlcore.zeros(4, 2, 3, 3))
