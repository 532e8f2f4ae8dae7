"""Convolutions of any shape against their definition."""

import numpy as np
import pytest
from cases.conv import conv2d
from hypothesis import assume, given
from hypothesis import strategies as st

import dlcore as d

PAIR = st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(data=st.data())
def test_conv2d(dtype, data):
    groups, mine, others = (
        data.draw(st.sampled_from([1, 1, 2, 4])),
        data.draw(st.integers(1, 40)),
        data.draw(st.integers(1, 40)),
    )
    options = {"stride": data.draw(PAIR), "dilation": data.draw(PAIR), "groups": groups}
    options["padding"] = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    size = [data.draw(st.integers(1, 12)) for _ in range(2)]
    window = [data.draw(st.integers(1, 4)) for _ in range(2)]
    dilation = np.broadcast_to(options["dilation"], 2)
    assume(all(n + 2 * p > e * (k - 1) for n, p, e, k in zip(size, options["padding"], dilation, window)))
    x = rng.standard_normal((data.draw(st.integers(1, 3)), groups * mine, *size)).astype(dtype)
    w = rng.standard_normal((groups * others, mine, *window)).astype(dtype)
    b = rng.standard_normal(groups * others).astype(dtype)
    args = [a.astype(np.float64) for a in (x, w, b)]
    terms = mine * window[0] * window[1] + 1
    bound = (terms + 4) * np.finfo(dtype).eps * conv2d(*(np.abs(a) for a in args), **options)
    got = d.conv2d(d.tensor(x), d.tensor(w), d.tensor(b), **options)
    assert np.all(np.abs(got.numpy() - conv2d(*args, **options)) <= bound)
    fused = d.nn.functional.conv2d_act(d.tensor(x), d.tensor(w), d.tensor(b), **options)
    np.testing.assert_array_equal(fused.numpy(), got.relu().numpy())


TILES, DEPTHWISE = "Winograd F", "vectors of channels, one filter each"
IN_PLACE, BLOCKS = "products of matrices, read in place", "sums over padded blocks of the image"
WHOLE = "one product of matrices an image"
PATHS = [  # x, w, options, what runs forward
    ((2, 32, 28, 28), (32, 32, 3, 3), {"padding": 1}, TILES),
    ((1, 40, 30, 29), (33, 40, 3, 3), {"padding": 2}, TILES),
    ((3, 16, 9, 8), (33, 16, 3, 3), {"stride": 2, "padding": 1}, IN_PLACE),
    ((2, 32, 7, 7), (48, 32, 1, 1), {}, IN_PLACE),
    ((2, 3, 17, 16), (32, 3, 7, 7), {"stride": 2, "padding": 3}, IN_PLACE),  # a stem
    ((2, 32, 6, 6), (34, 16, 3, 3), {"groups": 2, "dilation": 2, "padding": 2}, IN_PLACE),
    ((2, 17, 9, 9), (17, 1, 3, 3), {"groups": 17, "padding": 1}, DEPTHWISE),
    ((2, 24, 9, 9), (24, 1, 5, 5), {"groups": 24, "padding": 2, "stride": 2}, DEPTHWISE),
    ((2, 1, 12, 13), (6, 1, 5, 5), {"padding": 2}, BLOCKS),  # LeNet's first
    ((2, 6, 6, 7), (4, 3, 3, 3), {"groups": 2}, BLOCKS),
    ((1, 70, 5, 6), (6, 70, 3, 3), {"padding": 1}, BLOCKS),  # on the matrix engine
    ((3, 8, 5, 5), (4, 8, 1, 1), {}, WHOLE),
    ((9, 16, 5, 5), (7, 16, 5, 5), {}, WHOLE),
]


def layer(x, w, dtype):
    """Outputs and gradients are of size 1 to 10: y, of variance 9, is about as often below 0, between, and above 6."""
    rng = np.random.default_rng(7)
    size = int(np.prod(w[1:]))
    arrays = rng.standard_normal(x), rng.standard_normal(w) * 3 / size**0.5, rng.uniform(0, 6, w[0])
    return [a.astype(dtype) for a in arrays]


def run_relu6(arrays, dy, options, dtype=None, fused=True):
    x, w, b = (d.tensor(a, dtype=dtype).requires_grad_() for a in arrays)
    f = d.nn.functional
    y = f.conv2d_act(x, w, b, **options, activation="relu6") if fused else f.relu6(f.conv2d(x, w, b, **options))
    return [t.detach() for t in (y, *d.autograd.grad(y, (x, w, b), d.tensor(dy, dtype=y.dtype)))]


def inner(arrays, options):
    """1 where the exact sum is away from the borders of relu6, on whose sides rounding decides about dy."""
    exact = conv2d(*(a.astype(np.float64) for a in arrays), **options)
    return (np.abs(exact) > 1e-3) & (np.abs(exact - 6) > 1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("x, w, options, path", PATHS)
def test_relu6_in_the_epilogue(x, w, options, path, dtype):
    arrays = layer(x, w, dtype)
    path = IN_PLACE if path == TILES and dtype == "float64" else path
    assert f"forward: {path}" in d.backends.conv.explain(d.tensor(arrays[0]), d.tensor(arrays[1]), **options)
    keep = inner(arrays, options)
    dy = np.random.default_rng(8).standard_normal(keep.shape).astype(dtype) * keep
    got = run_relu6(arrays, dy, options)
    for share in ((got[0] == 0), (got[0] == 6), (got[0] > 0) & (got[0] < 6)):
        assert share.double().mean().item() > 0.05
    # the same bits as one after the other, and for any number of threads
    threads = d.get_num_threads()
    try:
        for t, expected in zip(run_relu6(arrays, dy, options, fused=False), got):
            assert d.equal(t, expected)
        for count in (1, 2, 3, 7):
            d.set_num_threads(count)
            for t, expected in zip(run_relu6(arrays, dy, options), got):
                assert d.equal(t, expected)
    finally:
        d.set_num_threads(threads)
    # without a graph, with weights that come and stay packed
    with d.no_grad():
        tensors = [d.tensor(a) for a in arrays]
        for _ in range(3):
            assert d.equal(d.nn.functional.conv2d_act(*tensors, **options, activation="relu6"), got[0])
    # against float64: relu6 lets errors through, but makes none. Those of a sum of n products are under (n + 4) eps
    # times the sum of their magnitudes; with Winograd's tiles under 16 eps sqrt(n / 9) times the root mean square.
    wide = [a.astype(np.float64) for a in arrays]
    sums = conv2d(*wide, **options)
    exact = [np.clip(sums, 0, 6)] + gradients(wide, dy * ((sums > 0) & (sums < 6)), options)
    magnitudes = [conv2d(*map(np.abs, wide), **options)] + gradients(list(map(np.abs, wide)), np.abs(dy), options)
    places = dy.size // w[0]
    lengths = [np.prod(w[1:]) + 1, np.prod(w[2:]) * w[0] / options.get("groups", 1), places, places]
    for i, (t, e, magnitude, n) in enumerate(zip(got, exact, magnitudes, lengths)):
        bound = (n + 4) * np.finfo(dtype).eps * magnitude
        if path == TILES and i < 3:
            bound = 16 * np.finfo(dtype).eps * (n / 9) ** 0.5 * np.sqrt(np.mean((sums if i == 0 else e) ** 2))
        assert np.all(np.abs(t.numpy() - e) <= bound)


def gradients(arrays, dy, options):
    """The gradients of a convolution in float64."""
    tensors = [d.tensor(a).requires_grad_() for a in arrays]
    y = d.nn.functional.conv2d(*tensors, **options)
    return [g.numpy() for g in d.autograd.grad(y, tensors, d.tensor(dy))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [16, 17, 48])
def test_depthwise_weight_gradient_of_many_rows(channels, stride, dtype):
    """Large enough that the rows are summed in chunks; small integers, whose sums are exact in any order."""
    rng = np.random.default_rng(channels)
    x = rng.integers(-4, 5, (4, channels, 96, 64)).astype(dtype)
    dy = rng.integers(-4, 5, (4, channels, 96 // stride, 64 // stride)).astype(dtype)
    w, b = (d.tensor(np.zeros(shape, dtype)).requires_grad_() for shape in ((channels, 1, 3, 3), (channels,)))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    dw = np.empty((channels, 1, 3, 3), dtype)
    for u, v in np.ndindex(3, 3):
        dw[:, 0, u, v] = (padded[:, :, u : u + 96 : stride, v : v + 64 : stride] * dy).sum((0, 2, 3))

    image = d.tensor(x).contiguous(memory_format=d.channels_last)
    assert DEPTHWISE in d.backends.conv.explain(image, w, stride=stride, padding=1, groups=channels)
    threads = d.get_num_threads()
    try:
        for count in (1, 2, 3):
            d.set_num_threads(count)
            y = d.conv2d(image, w, b, stride, 1, groups=channels)
            got = d.autograd.grad(y, (w, b), d.tensor(dy))
            np.testing.assert_array_equal(got[0].numpy(), dw)
            np.testing.assert_array_equal(got[1].numpy(), dy.sum((0, 2, 3)))
    finally:
        d.set_num_threads(threads)


@pytest.mark.parametrize("x, w, options, path", PATHS)
def test_activations_keep_nan(x, w, options, path):
    """Wherever a NaN of x is in a sum, in y and, at the same places, in the gradient: dy goes through there."""
    arrays = layer(x, w, "float32")
    arrays[0][0, :, 2, 3] = np.nan
    plain = d.conv2d(*map(d.tensor, arrays), **options)
    assert 0 < plain.isnan().sum().item()
    for activation in ("relu", "relu6"):
        tensors = [d.tensor(a).requires_grad_() for a in arrays]
        y = d.nn.functional.conv2d_act(*tensors, **options, activation=activation)
        np.testing.assert_array_equal(y.detach().numpy(), getattr(d.nn.functional, activation)(plain).numpy())
        (db,) = d.autograd.grad(y, tensors[2], plain.isnan().float())
        np.testing.assert_array_equal(db.numpy(), plain.isnan().float().sum((0, 2, 3)).numpy())


def test_relu6_has_no_gradient_at_its_borders():
    x = d.tensor([-1.0, 0.0, 1.0, 5.0, 6.0, 7.0], requires_grad=True)
    w = d.ones(1, 1, 1, 1)
    for create_graph in (False, True):
        y = d.nn.functional.conv2d_act(x.reshape(1, 1, 1, 6), w, activation="relu6")
        (dx,) = d.autograd.grad(y.sum(), x, create_graph=create_graph)
        assert y.flatten().tolist() == [0, 0, 1, 5, 6, 6] and dx.tolist() == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("dtype", [d.float16, d.bfloat16])
def test_relu6_in_half_precision(dtype):
    x, w = d.randn(2, 16, 6, 6).to(dtype), d.randn(32, 16, 3, 3).to(dtype)
    y = d.nn.functional.conv2d_act(x, w, activation="relu6")
    assert y.dtype == dtype and d.equal(y, d.nn.functional.relu6(d.conv2d(x, w)))


def test_activations_are_named():
    with pytest.raises(ValueError, match="conv2d_act: activation must be 'none', 'relu' or 'relu6', but got 'gelu'"):
        d.nn.functional.conv2d_act(d.ones(1, 1, 3, 3), d.ones(1, 1, 1, 1), activation="gelu")
    conv, x = d.nn.Conv2d(3, 4, 3), d.randn(2, 3, 6, 6)
    assert d.equal(conv(x, "relu6"), d.nn.functional.relu6(conv(x)))


def test_output_size_of_transposed_layers():
    layer, x = d.nn.ConvTranspose2d(2, 3, 3, stride=2), d.ones(1, 2, 4, 5)
    for size in ((9, 11), (10, 12)):
        y = layer(x, output_size=size)
        assert y.shape == (1, 3, *size) and d.equal(layer(x, output_size=(1, 3, *size)), y)
        np.testing.assert_allclose(y[:, :, :9, :11].detach().numpy(), layer(x).detach().numpy(), rtol=0, atol=2.0**-20)
    for size in ((8, 11), (11, 11)):
        with pytest.raises(ValueError, match=r"output_size must be in \[9, 10\] in dimension 0"):
            layer(x, output_size=size)
    with pytest.raises(ValueError, match=r"output_size must have 2 or 4 elements \(got 1\)"):
        layer(x, output_size=(9,))
