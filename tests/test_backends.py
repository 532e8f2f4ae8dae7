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
