"""A layer that is used again without a graph keeps its weights packed, and sees every change to them."""

import ctypes

import numpy as np
import pytest

import dlcore as d
from dlcore import nn


def layers():
    yield "channels last", nn.Conv2d(16, 33, 3, stride=2), (2, 16, 9, 9)
    yield "Winograd", nn.Conv2d(32, 32, 3, padding=1), (1, 32, 26, 27)
    yield "Winograd of small tiles", nn.Conv2d(64, 64, 3, padding=1), (8, 64, 6, 6)
    yield "depthwise", nn.Conv2d(32, 32, 3, groups=32), (2, 32, 8, 9)
    yield "transposed", nn.ConvTranspose2d(32, 33, 3, stride=2), (2, 32, 6, 5)
    yield "1d", nn.Conv1d(32, 33, 3), (2, 32, 20)
    yield "linear", nn.Linear(70, 65), (9, 70)
    reordered = nn.Conv2d(16, 33, 3)
    reordered.weight.data = reordered.weight.data.contiguous(memory_format=d.channels_last)
    yield "weights channels last", reordered, (2, 16, 9, 9)


def add_by_data(w):
    w.data.add_(1)


def add_through_view(w):
    w[0].add_(1)


def copy(w):
    w.copy_(w.detach().clone() * 2)


def add_by_numpy(w):
    a = w.detach().numpy()
    a += 1


def add_by_dlpack(w):
    a = np.from_dlpack(w.detach())
    a += 1


def add_by_buffer(w):
    np.asarray(memoryview(w.detach()))[...] += 1


def add_by_address(w):
    a = np.ctypeslib.as_array(ctypes.cast(w.data_ptr(), ctypes.POINTER(ctypes.c_float)), (w.numel(),))
    a += 1


def replace_memory(w):
    w.data = d.randn(w.shape)


CHANGES = [
    add_by_data,
    add_through_view,
    copy,
    add_by_numpy,
    add_by_dlpack,
    add_by_buffer,
    add_by_address,
    replace_memory,
]


def fresh(layer, x):
    """What the layer gives with weights that were never seen before."""
    kept = layer.weight.data
    layer.weight.data = kept.clone()
    with d.no_grad():
        y = layer(x).numpy()
    layer.weight.data = kept
    return y


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", [name for name, *_ in layers()])
def test_every_change_is_seen(kind, change):
    layer, shape = next((layer, shape) for name, layer, shape in layers() if name == kind)
    x = d.randn(shape)
    with d.no_grad():
        first = [layer(x).numpy() for _ in range(3)]
        assert all(np.array_equal(y, first[0]) for y in first)
        for _ in range(2):
            change(layer.weight)
            expected = fresh(layer, x)
            assert not np.array_equal(expected, first[0])
            for _ in range(3):
                np.testing.assert_array_equal(layer(x).numpy(), expected)


def test_while_an_array_lives_its_writes_are_seen():
    layer, x = nn.Conv2d(16, 33, 3), d.randn(2, 16, 9, 9)
    with d.no_grad():
        for _ in range(3):
            layer(x)
        a = layer.weight.detach().numpy()
        for _ in range(4):
            before = layer(x).numpy()
            a *= 2
            assert not np.array_equal(layer(x).numpy(), before)


def test_training_steps_are_seen():
    layer, x = nn.Conv2d(32, 32, 3, padding=1), d.randn(1, 32, 26, 26)
    optimizer = d.optim.SGD(layer.parameters(), 0.1)
    for _ in range(3):
        layer(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        expected = fresh(layer, x)
        with d.no_grad():
            for _ in range(3):
                np.testing.assert_array_equal(layer(x).numpy(), expected)


def test_other_arguments_do_not_meet_the_wrong_form():
    """One weight in convolutions of other sizes, strides, dtypes and settings."""
    w = d.randn(32, 32, 3, 3)
    with d.no_grad():
        for _ in range(3):
            for size, options in ((26, {"padding": 1}), (5, {"padding": 1}), (26, {"stride": 2}), (9, {"dilation": 2})):
                x = d.randn(1, 32, size, size)
                for setting in (2, 4, False, True):
                    with d.backends.conv.winograd(setting):
                        expected = d.conv2d(x, w.clone(), **options)
                        np.testing.assert_array_equal(d.conv2d(x, w, **options).numpy(), expected.numpy())
            x = d.randn(1, 32, 6, 6, dtype=d.float64)
            np.testing.assert_array_equal(d.conv2d(x, w.double()).numpy(), d.conv2d(x, w.clone().double()).numpy())
            turned = w.transpose(0, 1)
            x = x.float()
            np.testing.assert_array_equal(d.conv2d(x, turned).numpy(), d.conv2d(x, turned.contiguous()).numpy())
