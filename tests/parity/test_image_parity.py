"""Layers on images, argument combinations drawn at random, against PyTorch: values, gradients, errors, both orders in
memory."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

CHANNELS = st.sampled_from([1, 2, 3, 5, 8, 16, 17, 33])


def image(draw, dims, smallest=1):
    sizes = [draw(st.integers(smallest, 7)) for _ in range(dims)]
    shape = ([draw(st.integers(1, 2))] if draw(st.booleans()) else []) + [draw(CHANNELS), *sizes]
    values = np.random.default_rng(draw(st.integers(0, 1000))).standard_normal(shape)
    return np.round(values * 4) / 4 if draw(st.booleans()) else values  # with ties


def numbers(draw, dims, low, high):
    values = [draw(st.integers(low, high)) for _ in range(dims)]
    return values[0] if draw(st.booleans()) else tuple(values)


def tensor(library, values, dims, channels_last):
    x = library.tensor(values)
    if channels_last and x.dim() == dims + 2:
        n = x.dim()
        x = x.permute(0, *range(2, n), 1).contiguous().permute(0, n - 1, *range(1, n - 1))
    return x.requires_grad_(True)


def compare(values, dims, channels_last, call):
    """The same error, or the same results and gradients."""
    theirs, ours = tensor(torch, values, dims, channels_last), tensor(dlcore, values, dims, channels_last)
    try:
        expected = call(torch, theirs)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        with pytest.raises(type(error)):
            call(dlcore, ours)
        return
    got = call(dlcore, ours)
    if not isinstance(expected, tuple):
        expected, got = (expected,), (got,)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-11, atol=1e-11)
    if 0 in expected[0].shape:
        return
    dy = np.random.default_rng(3).standard_normal(tuple(expected[0].shape))
    expected[0].backward(torch.tensor(dy))
    got[0].backward(dlcore.tensor(dy))
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-11, atol=1e-11)


@settings(max_examples=150)
@given(st.data())
def test_pooling(data):
    draw = data.draw
    dims = draw(st.integers(1, 3))
    name = draw(st.sampled_from(["max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool", "lp_pool"]))
    values = image(draw, dims)
    kernel, stride = numbers(draw, dims, 1, 3), draw(st.sampled_from([None, 1, 2, 3]))
    padding, ceil_mode = numbers(draw, dims, 0, 2), draw(st.booleans())
    options = {"stride": stride, "ceil_mode": ceil_mode}
    args = (kernel,)
    if name == "max_pool":
        # PyTorch measures the padding against the dilated kernel in some of its functions and the plain one in others.
        # Where dilation jumps over an image of one element its backward writes outside of its memory.
        within = (np.broadcast_to(padding, dims) <= np.broadcast_to(kernel, dims) // 2).all()
        dilation = numbers(draw, dims, 1, 2) if within and min(values.shape[-dims:]) >= 2 else 1
        options |= {"padding": padding, "dilation": dilation, "return_indices": draw(st.booleans())}
    elif name == "avg_pool":
        options |= {"padding": padding, "count_include_pad": draw(st.booleans())}
        if dims > 1:
            options["divisor_override"] = draw(st.sampled_from([None, 3, -2]))
    elif name == "lp_pool":
        kernel = draw(st.integers(1, 3)) if dims == 1 else kernel  # PyTorch's lp_pool1d takes no tuple
        args, values = (draw(st.sampled_from([1.0, 2.0, 3.0])), kernel), np.abs(values) + 0.5
    else:
        args, options = (numbers(draw, dims, 1, 8),), {}
        if name == "adaptive_max_pool":
            options["return_indices"] = draw(st.booleans())
    function = f"{name}{dims}d"
    compare(values, dims, draw(st.booleans()), lambda d, x: getattr(d.nn.functional, function)(x, *args, **options))


@settings(max_examples=100)
@given(st.data())
def test_padding(data):
    draw = data.draw
    dims = draw(st.integers(1, 3))
    values = image(draw, dims)
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    # Where nothing is left to wrap around, PyTorch reads what it has not written.
    sides = [draw(st.integers(0 if mode == "circular" else -2, 4)) for _ in range(2 * dims)]
    for i, size in enumerate(reversed(values.shape[-dims:])):  # PyTorch's empty results are not the point
        sides[2 * i] = max(sides[2 * i], 1 - size - min(sides[2 * i + 1], 0))
    value = draw(st.sampled_from([None, 1.5])) if mode == "constant" else None
    compare(values, dims, draw(st.booleans()), lambda d, x: d.nn.functional.pad(x, sides, mode, value))


@settings(max_examples=100)
@given(st.data())
def test_interpolate(data):
    draw = data.draw
    dims = draw(st.integers(1, 3))
    values = image(draw, dims)
    values = values if values.ndim == dims + 2 else values[None]
    mode = draw(st.sampled_from(["nearest", "nearest-exact", "area", "linear", "bilinear", "trilinear", "bicubic"]))
    options = {"mode": mode}
    if draw(st.booleans()):
        options["size"] = numbers(draw, dims, 1, 15)
    else:
        options["scale_factor"] = draw(st.sampled_from([0.5, 1.0, 1.3, 2, 2.7, 3]))
        # With a factor that leaves the size, these of PyTorch's do not look at the same elements forward and backward.
        recompute = mode.startswith("nearest") or mode == "bicubic"
        options["recompute_scale_factor"] = recompute or draw(st.sampled_from([None, False, True]))
    if mode.endswith(("linear", "cubic")):
        options["align_corners"] = draw(st.sampled_from([None, False, True]))
        options["antialias"] = draw(st.booleans()) and mode in ("bilinear", "bicubic")
    # PyTorch repeats the first row where an antialiased result is one pixel wide.
    width = np.ravel(options["size"])[-1] if "size" in options else int(values.shape[-1] * options["scale_factor"])
    assume(not options.get("antialias") or width > 1)
    compare(values, dims, draw(st.booleans()), lambda d, x: d.nn.functional.interpolate(x, **options))


@settings(max_examples=100)
@given(st.data())
def test_grid_sample(data):
    draw = data.draw
    dims = draw(st.integers(2, 3))
    values = image(draw, dims)
    values = values if values.ndim == dims + 2 else values[None]
    shape = (values.shape[0], *(draw(st.integers(1, 4)) for _ in range(dims)), dims)
    grid = np.random.default_rng(draw(st.integers(0, 1000))).uniform(-2.5, 2.5, shape)
    args = (
        draw(st.sampled_from(["bilinear", "nearest", "bicubic"])),
        draw(st.sampled_from(["zeros", "border", "reflection"])),
        draw(st.booleans()),
    )
    compare(values, dims, draw(st.booleans()), lambda d, x: d.nn.functional.grid_sample(x, d.tensor(grid), *args))
    for library_grid in (lambda d, x: d.nn.functional.grid_sample(d.tensor(values), x, *args),):
        compare(grid, dims, False, library_grid)


@settings(max_examples=60)
@given(st.data())
def test_unfold_and_fold(data):
    draw = data.draw
    values = image(draw, 2)
    kernel = numbers(draw, 2, 1, 3)
    options = {
        "dilation": numbers(draw, 2, 1, 2),
        "padding": numbers(draw, 2, 0, 2),
        "stride": numbers(draw, 2, 1, 3),
    }
    channels_last = draw(st.booleans())
    compare(values, 2, channels_last, lambda d, x: d.nn.functional.unfold(x, kernel, **options))

    def there_and_back(d, x):
        columns = d.nn.functional.unfold(x, kernel, **options)
        return d.nn.functional.fold(columns, tuple(values.shape[-2:]), kernel, **options)

    compare(values, 2, channels_last, there_and_back)
