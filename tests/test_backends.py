"""Winograd's tiles, switched on and off, and of both sizes; and what is said to run."""

import os
import random
import subprocess
import sys

import image_definitions
import numpy as np
import pytest

import dlcore
from dlcore.backends import conv
from dlcore.nn import functional as F
from dlcore.profiler import profile


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
    assert conv.winograd_enabled() is True
    tiles = run(*layer)
    with conv.winograd(False):
        assert conv.winograd_enabled() is False
        sums = run(*layer)
    assert conv.winograd_enabled() is True
    exact = run(*(t.double() for t in layer))
    for a, b, e in zip(tiles, sums, exact):
        assert not dlcore.equal(a, b)
        scale, error = e.abs().max().item(), (a - e).abs().max().item()
        assert (b - e).abs().max().item() < error < 16 * 2**-23 * 32**0.5 * scale


def test_the_setting_takes_a_size(layer):
    chosen = run(*layer)
    with conv.winograd(4):
        assert conv.winograd_enabled() == 4
        large = run(*layer)
        with conv.winograd(2):
            assert conv.winograd_enabled() == 2
            small = run(*layer)
        assert conv.winograd_enabled() == 4
    exact = run(*(t.double() for t in layer))
    for a, b, c, e in zip(chosen, large, small, exact):
        assert dlcore.equal(a, b) and not dlcore.equal(b, c)
        assert (c - e).abs().max().item() < (b - e).abs().max().item()


@pytest.mark.parametrize("wrong", [3, -1, 8])
def test_other_sizes_are_refused(wrong):
    message = f"set_winograd_enabled: enabled must be True, False, or a tile size of 2 or 4, got {wrong}"
    with pytest.raises(ValueError, match=message):
        conv.set_winograd_enabled(wrong)
    with pytest.raises(TypeError):
        conv.set_winograd_enabled("2")
    assert conv.winograd_enabled() is True


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("memory_format", [dlcore.contiguous_format, dlcore.channels_last])
@pytest.mark.parametrize(
    "x, outputs, padding",
    [
        ((2, 32, 27, 29), 40, (1, 1)),
        ((3, 33, 13, 21), 32, (0, 2)),
        ((50, 32, 4, 4), 32, (0, 0)),  # planes smaller than a tile
        ((50, 33, 6, 3), 32, (1, 1)),
        ((48, 32, 3, 7), 35, (1, 1)),
        ((13, 40, 17, 2), 32, (1, 1)),
    ],
)
def test_values_and_gradients(x, outputs, padding, memory_format, tile):
    """Against the definitions in float64, within what docs/convolution.md states, of normal numbers."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.standard_normal(shape, np.float32).astype(np.float64)

    x, w, b = normal(*x), normal(outputs, x[1], 3, 3), normal(outputs)
    ends = [(0, 0), (0, 0)] + [(p, p) for p in padding]
    wide, one = np.pad(x, ends), (1, 1)
    y = image_definitions.conv(wide, w, one, one, 1) + b[:, None, None]
    dy = normal(*y.shape)
    dx = image_definitions.conv_data(dy, w, one, one, 1, wide.shape[2:])
    dx = dx[:, :, padding[0] : padding[0] + x.shape[2], padding[1] : padding[1] + x.shape[3]]
    exact = y, dx, image_definitions.conv_weight(wide, dy, (3, 3), one, one, 1), dy.sum((0, 2, 3))

    inputs = [dlcore.tensor(a, dtype=dlcore.float32) for a in (x, w, b)]
    inputs[0] = inputs[0].contiguous(memory_format=memory_format)
    for t in inputs:
        t.requires_grad_()
    with conv.winograd(tile):
        assert conv.explain(*inputs[:2], padding=padding).count(f"Winograd F({tile}x{tile}, 3x3)") == 3
        got = dlcore.nn.functional.conv2d(*inputs, padding=padding)
        gradients = dlcore.autograd.grad(got, inputs, dlcore.tensor(dy, dtype=dlcore.float32))
    positions = dy[:, 0].size
    for a, e, terms in zip((got.detach(), *gradients), exact, (9 * x.shape[1], 9 * outputs, positions, positions)):
        bound = (16 if tile == 4 else 8) * 2**-23 * (terms / 9) ** 0.5 * terms**0.5
        assert a.shape == e.shape and np.abs(a.numpy() - e).max() <= bound


@pytest.mark.parametrize("setting", [True, False, 2, 4])
def test_no_images(setting):
    with conv.winograd(setting):
        y, dx, dw = run(dlcore.zeros(0, 32, 16, 16), dlcore.ones(40, 32, 3, 3))
    assert y.shape == (0, 40, 16, 16) and dx.shape == (0, 32, 16, 16)
    assert dlcore.equal(dw, dlcore.zeros(40, 32, 3, 3))


def test_the_setting_comes_back_after_an_error():
    with pytest.raises(KeyError), conv.winograd(False):
        raise KeyError
    assert conv.winograd_enabled()


def test_the_environment_sets_the_start():
    code = "import dlcore; print(dlcore.backends.conv.winograd_enabled())"
    for value, expected in (("0", "False"), ("1", "True"), ("", "True"), ("2", "2"), ("4", "4")):
        out = subprocess.run([sys.executable, "-c", code], env={**os.environ, "DLCORE_WINOGRAD": value},
                             capture_output=True, text=True, check=True)  # fmt: skip
        assert out.stdout.strip() == expected
    for value in ("3", "off", "22"):
        out = subprocess.run([sys.executable, "-c", code], env={**os.environ, "DLCORE_WINOGRAD": value},
                             capture_output=True, text=True)  # fmt: skip
        assert out.returncode and "ValueError: DLCORE_WINOGRAD: expected 0 (off), 1 (on), or 2 or 4" in out.stderr


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_same_bits_for_any_number_of_threads(layer, threads, tile):
    before = dlcore.get_num_threads()
    with conv.winograd(tile):
        expected = run(*layer)
        dlcore.set_num_threads(threads)
        try:
            for a, b in zip(run(*layer), expected):
                assert dlcore.equal(a, b)
        finally:
            dlcore.set_num_threads(before)


IN_PLACE, BLOCKS = "products of matrices, read in place", "sums over padded blocks of the image"
WHOLE, FEW = "one product of matrices an image", "products of positions with whole filters"
TILES, SMALL_TILES = "Winograd F(4x4, 3x3)", "Winograd F(2x2, 3x3)"
DEPTHWISE = "vectors of channels, one filter each"


@pytest.mark.parametrize(
    "x, w, options, order, kernels",
    [
        ((8, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}, "last", [TILES] * 3),
        ((8, 64, 56, 56), (64, 64, 3, 3), {"padding": "same"}, "last", [TILES] * 3),
        ((1, 64, 8, 8), (64, 64, 3, 3), {"padding": 1}, "last", [IN_PLACE] * 3),
        ((8, 64, 6, 6), (64, 64, 3, 3), {"padding": 1}, "last", [SMALL_TILES] * 3),
        ((8, 512, 14, 14), (512, 512, 3, 3), {"padding": 1}, "last", [SMALL_TILES] * 3),
        ((1, 512, 28, 28), (512, 512, 3, 3), {"padding": 1}, "last", [TILES] * 3),
        ((32, 512, 7, 7), (512, 512, 3, 3), {"padding": 1}, "last", [TILES] * 3),
        ((8, 512, 7, 7), (512, 512, 3, 3), {"padding": 1}, "last", [IN_PLACE] * 3),
        ((64, 128, 2, 2), (128, 128, 3, 3), {"padding": 1}, "last", [IN_PLACE] * 3),
        ((64, 128, 1, 3), (128, 128, 3, 3), {"padding": 1}, "last", [IN_PLACE] * 3),
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


@pytest.mark.parametrize("setting, path", [(True, TILES), (4, TILES), (2, SMALL_TILES), (False, IN_PLACE)])
def test_explain_follows_the_setting(setting, path):
    with conv.winograd(setting):
        text = conv.explain(dlcore.zeros(8, 64, 56, 56), dlcore.zeros(64, 64, 3, 3), padding=1)
        strided = conv.explain(dlcore.zeros(8, 64, 56, 56), dlcore.zeros(64, 64, 3, 3), stride=2)
    assert text.count(path) == 3
    assert strided.count(IN_PLACE) == 3


def test_explain_checks_its_arguments():
    with pytest.raises(RuntimeError, match="conv2d: weight must have shape"):
        conv.explain(dlcore.zeros(1, 3, 8, 8), dlcore.zeros(4, 2, 3, 3))
    with pytest.raises(RuntimeError, match="padding 'same' needs stride 1"):
        conv.explain(dlcore.zeros(1, 3, 8, 8), dlcore.zeros(4, 3, 3, 3), stride=2, padding="same")
    with pytest.raises(RuntimeError, match=r"explain: weight must have 3, 4 or 5 dimensions, .* got shape \(2, 3\)"):
        conv.explain(dlcore.zeros(2, 3), dlcore.zeros(2, 3))
    with pytest.raises(ValueError, match="explain: output_padding needs transposed=True, but got 1"):
        conv.explain(dlcore.zeros(1, 3, 8, 8), dlcore.zeros(4, 3, 3, 3), stride=2, output_padding=1)
    with pytest.raises(TypeError):
        conv.explain(dlcore.zeros(1, 4, 8, 8), dlcore.zeros(4, 3, 3, 3), padding="same", transposed=True)


EXPLAINED = [
    (
        (8, 64, 100), (128, 64, 3), {"padding": 1},
        """\
conv1d: (8, 64, 100) by (128, 64, 3) to (8, 128, 100), float32, 39 MFLOP and 1 MB forward
run as: conv2d of (8, 64, 1, 100) by (128, 64, 1, 3) to (8, 128, 1, 100)
order in memory: channels last
forward: products of matrices, read in place
gradient of input: products of matrices, read in place
gradient of weight: products of matrices, read in place""",
    ),
    (
        (2, 32, 16, 28, 28), (64, 32, 3, 3, 3), {"padding": "same"},
        """\
conv3d: (2, 32, 16, 28, 28) by (64, 32, 3, 3, 3) to (2, 64, 16, 28, 28), float32, 2775 MFLOP and 29 MB forward
run as: 3 times conv2d of (32, 32, 28, 28) by (64, 32, 3, 3) to (32, 64, 28, 28), added up
order in memory: channels last
forward: Winograd F(4x4, 3x3)
gradient of input: Winograd F(4x4, 3x3)
gradient of weight: Winograd F(4x4, 3x3)""",
    ),
    (
        (1, 9, 9, 9), (4, 1, 2, 3, 3), {"stride": (2, 1, 1)},
        """\
conv3d: (1, 1, 9, 9, 9) by (4, 1, 2, 3, 3) to (1, 4, 4, 7, 7), float32, 0 MFLOP and 0 MB forward
run as: 2 times conv2d of (4, 1, 9, 9) by (4, 1, 3, 3) to (4, 4, 7, 7), added up
order in memory: channels first
forward: sums over padded blocks of the image
gradient of input: sums over padded blocks of the image
gradient of weight: sums over padded blocks of the image""",
    ),
    (
        (4, 64, 14, 14), (64, 3, 4, 4), {"transposed": True, "stride": 2, "padding": 1},
        """\
conv_transpose2d: (4, 64, 14, 14) by (64, 3, 4, 4) to (4, 3, 28, 28), float32, 5 MFLOP and 0 MB forward
run as: gradient of input of conv2d of (4, 3, 28, 28) by (64, 3, 4, 4) to (4, 64, 14, 14)
order in memory: channels last
forward: products of positions with whole filters
gradient of input: products of matrices, read in place
gradient of weight: products of matrices, read in place""",
    ),
    (
        (2, 32, 50), (32, 16, 5), {"transposed": True, "stride": 2, "output_padding": 1},
        """\
conv_transpose1d: (2, 32, 50) by (32, 16, 5) to (2, 16, 104), float32, 1 MFLOP and 0 MB forward
run as: gradient of input of conv2d of (2, 16, 1, 104) by (32, 16, 1, 5) to (2, 32, 1, 50)
order in memory: channels last
forward: products of matrices, read in place
gradient of input: products of matrices, read in place
gradient of weight: products of matrices, read in place""",
    ),
    (
        (2, 16, 4, 8, 8), (16, 8, 3, 3, 3), {"transposed": True, "stride": 2, "padding": 1, "groups": 2},
        """\
conv_transpose3d: (2, 16, 4, 8, 8) by (16, 8, 3, 3, 3) to (2, 16, 7, 15, 15), float32, 4 MFLOP and 0 MB forward
run as: 3 times gradient of input of conv2d of (8, 16, 15, 15) by (16, 8, 3, 3) to (8, 16, 8, 8), added up
order in memory: channels first
forward: sums over padded blocks of the image
gradient of input: sums over padded blocks of the image
gradient of weight: sums over padded blocks of the image""",
    ),
]  # fmt: skip


@pytest.mark.parametrize("x, w, options, text", EXPLAINED)
def test_explain_of_all_dimensions(x, w, options, text):
    assert conv.explain(dlcore.empty(x), dlcore.empty(w), **options) == text


def sample(rng):
    """A convolution of any kind, with arguments that mostly fit."""
    spatial, transposed, groups = rng.choice([1, 2, 3]), rng.random() < 0.5, rng.choice([1, 1, 2, 16])
    inputs, outputs = groups * rng.choice([1, 2, 3, 16, 40]), groups * rng.choice([1, 3, 32])

    def each(low, high):
        values = [rng.randint(low, high) for _ in range(spatial)]
        return values[0] if rng.random() < 0.4 else values

    def sizes(low, high):
        return tuple(rng.randint(low, high) for _ in range(spatial))

    batch = () if rng.random() < 0.2 else (rng.randint(0, 3),)
    x = (*batch, inputs, *sizes(1, 9 if spatial == 3 else 24))
    w = ((inputs, outputs // groups) if transposed else (outputs, inputs // groups)) + sizes(1, 4)
    options = {"stride": each(1, 5), "padding": each(0, 2), "dilation": each(1, 2), "groups": groups}
    if transposed:
        options["output_padding"] = each(0, 1)
    elif rng.random() < 0.3:
        options["padding"] = rng.choice(["same", "valid"])
    return f"conv{'_transpose' if transposed else ''}{spatial}d", x, w, options


def test_explain_knows_what_the_convolutions_do():
    """Shapes, kernels and cost are those of the run, and errors its errors."""
    rng, explained = random.Random(0), 0
    for _ in range(400):
        name, x, w, options = sample(rng)
        dtype = rng.choice([dlcore.float32, dlcore.float64, dlcore.float16])
        x, w = dlcore.zeros(x, dtype=dtype), dlcore.zeros(w, dtype=dtype)
        try:
            with profile() as p:
                y = getattr(F, name)(x, w, **options)
        except RuntimeError as error:
            with pytest.raises(RuntimeError) as raised:
                conv.explain(x, w, transposed="transpose" in name, **options)
            assert str(raised.value) == str(error)
            continue
        text = conv.explain(x, w, transposed="transpose" in name, **options)
        explained += 1
        kernel = "conv2d_backward_data" if "transpose" in name else "conv2d"
        runs = [e for e in p.events() if e.name == kernel]
        batch = () if x.dim() == w.dim() else (1,)
        assert f"{name}: {(*batch, *x.shape)} by {tuple(w.shape)} to {(*batch, *y.shape)}, " in text
        flops = sum(e.flops for e in runs)
        assert f" {int(flops / 1e6 + 0.5)} MFLOP " in text
        assert (f"run as: {len(runs)} times " in text) == (len(runs) > 1)
    assert explained > 200
