"""Layers on images, argument combinations drawn at random, against their definitions in float64: values, gradients."""

import numpy as np
from cases import norm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from image_definitions import (
    adaptive_windows,
    along,
    averages,
    conv,
    conv_data,
    conv_weight,
    max_pool,
    padded,
    put,
    resampled,
    sampled,
    sums,
    transposed,
    windows,
)

import dlcore
from dlcore.nn import functional as F

CHANNELS = st.sampled_from([1, 2, 3, 8, 16, 17, 33])


def image(draw, dims, smallest=1, batched=None):
    """(N, C, ...) or (C, ...), and the number of its axes in front."""
    lead = [draw(st.integers(1, 2))] if (draw(st.booleans()) if batched is None else batched) else []
    sizes = [draw(st.integers(smallest, 7 if dims < 3 else 5)) for _ in range(dims)]
    return np.random.default_rng(draw(st.integers(0, 999))).standard_normal((*lead, draw(CHANNELS), *sizes))


def numbers(draw, dims, low, high):
    """As an argument, and one for each axis."""
    each = tuple(draw(st.integers(low, high)) for _ in range(dims))
    return (each[0], (each[0],) * dims) if draw(st.booleans()) else (each, each)


def tensor(draw, x, dtype):
    """In some order in memory."""
    t, n = dlcore.tensor(x).to(getattr(dlcore, dtype)), x.ndim
    if draw(st.booleans()):
        t = t.permute(0, *range(2, n), 1).contiguous().permute(0, n - 1, *range(1, n - 1))
    return t.requires_grad_()


def exact(x, dtype):
    return x.astype(dtype).astype(np.float64)


def gradient(y, leaf):
    """A cotangent and what it gives for the leaf."""
    dy = exact(np.random.default_rng(3).standard_normal(tuple(y.shape)), leaf.detach().numpy().dtype)
    (dx,) = dlcore.autograd.grad(y, leaf, dlcore.tensor(dy).to(leaf.dtype))
    return dy, dx.numpy()


def linear(draw, x, matrices, call, rearrange=lambda y: y, back=lambda dy: dy, weights=0):
    """A layer that is one matrix along each axis, and its gradient; weights: roundings in each weight."""
    dtype = draw(st.sampled_from(["float32", "float64"]))
    x, leaf = exact(x, dtype), tensor(draw, x, dtype)
    y = call(leaf)
    dy, dx = gradient(y, leaf)
    for got, m, source in (
        (y.detach().numpy(), matrices, x),
        (dx, transposed(matrices), back(dy)),
    ):
        want = along(m, source)
        want = rearrange(want) if m is matrices else want
        assert got.shape == want.shape
        terms = np.prod([(a != 0).sum(1).max(initial=0) for a in m])
        size = np.prod([np.abs(a).sum(1).max(initial=0) for a in m]) * np.abs(source).max(initial=0)
        eps = np.finfo(dtype).eps
        assert np.abs(got - want).max(initial=0) <= (terms + 4 + 3 * weights) * eps * size


DIMS = st.integers(1, 3)
many = settings(max_examples=60)


@many
@given(st.data())
def test_averages(data):
    draw, dims = data.draw, data.draw(DIMS)
    x, (kernel, k) = image(draw, dims), numbers(draw, dims, 1, 4)
    (stride, s), (padding, p) = numbers(draw, dims, 1, 3), numbers(draw, dims, 0, 2)
    options = {"ceil_mode": draw(st.booleans()), "count_include_pad": draw(st.booleans())}
    assume(all(q <= kk // 2 and kk <= n for q, kk, n in zip(p, k, x.shape[-dims:])))
    matrices = [averages(n, *each, *options.values()) for n, *each in zip(x.shape[-dims:], k, s, p)]
    if dims > 1 and draw(st.booleans()):
        options["divisor_override"] = draw(st.sampled_from([1, 3, -2]))
        matrices = [
            sums(n, windows(n, kk, ss, q, 1, options["ceil_mode"])) for n, kk, ss, q in zip(x.shape[-dims:], k, s, p)
        ]
        matrices[0] = matrices[0] / options["divisor_override"]
    pool = getattr(F, f"avg_pool{dims}d")
    linear(draw, x, matrices, lambda t: pool(t, kernel, stride, padding, **options), weights=dims)


@many
@given(st.data())
def test_adaptive_averages(data):
    draw, dims = data.draw, data.draw(DIMS)
    x, (size, each) = image(draw, dims), numbers(draw, dims, 1, 9)
    area = draw(st.booleans()) and x.ndim == dims + 2
    matrices = [resampled(n, out, "area") for n, out in zip(x.shape[-dims:], each)]
    pool = getattr(F, f"adaptive_avg_pool{dims}d")
    call = (lambda t: F.interpolate(t, size, mode="area")) if area else lambda t: pool(t, size)
    linear(draw, x, matrices, call, weights=dims)


@many
@given(st.data())
def test_powers(data):
    draw, dims = data.draw, data.draw(DIMS)
    x, (kernel, k) = np.abs(image(draw, dims)) + 0.5, numbers(draw, dims, 1, 3)
    stride, power, ceil_mode = draw(st.integers(1, 3)), draw(st.sampled_from([1.0, 2.0, 3.0])), draw(st.booleans())
    assume(all(kk <= n for kk, n in zip(k, x.shape[-dims:])))
    # a window that reaches beyond the image counts as if it were full, as in PyTorch
    matrices = [kk * averages(n, kk, stride, 0, ceil_mode, True) for n, kk in zip(x.shape[-dims:], k)]
    leaf = tensor(draw, x, "float64")
    y = getattr(F, f"lp_pool{dims}d")(leaf, power, kernel, stride, ceil_mode)
    dy, dx = gradient(y, leaf)
    want = along(matrices, x**power) ** (1 / power)
    # positive terms: relative errors of a sum of up to 27, of powers and of a root
    np.testing.assert_allclose(y.detach().numpy(), want, rtol=64 * 2.0**-52, atol=0)
    size = along(transposed(matrices), np.abs(dy) * want ** (1 - power)) * x ** (power - 1)
    want = along(transposed(matrices), dy * want ** (1 - power)) * x ** (power - 1)
    assert (np.abs(dx - want) <= 128 * 2.0**-52 * size).all()


@many
@given(st.data())
def test_maxima_and_their_way_back(data):
    draw, dims = data.draw, data.draw(DIMS)
    x = image(draw, dims)
    x = np.round(2 * x) / 2 if draw(st.booleans()) else x  # with equals, of which the first counts
    sizes, adaptive = x.shape[-dims:], draw(st.booleans())
    dtype = draw(st.sampled_from(["float32", "float64"]))
    x, leaf = exact(x, dtype), tensor(draw, x, dtype)
    if adaptive:
        size, each = numbers(draw, dims, 1, 8)
        axes = [[places for _, places in adaptive_windows(n, out)] for n, out in zip(sizes, each)]
        y, indices = getattr(F, f"adaptive_max_pool{dims}d")(leaf, size, return_indices=True)
    else:
        (kernel, k), (stride, s) = numbers(draw, dims, 1, 4), numbers(draw, dims, 1, 3)
        (padding, p), (dilation, d) = numbers(draw, dims, 0, 2), numbers(draw, dims, 1, 2)
        ceil_mode = draw(st.booleans())
        axes = [[places for _, places in windows(*each, ceil_mode)] for each in zip(sizes, k, s, p, d)]
        assume(all(q <= kk // 2 for q, kk in zip(p, k)) and all(axes) and all(map(all, axes)))
        pool = getattr(F, f"max_pool{dims}d")
        y, indices = pool(leaf, kernel, stride, padding, dilation, ceil_mode, return_indices=True)
        assert dlcore.equal(pool(leaf.detach(), kernel, stride, padding, dilation, ceil_mode), y.detach())
    want, places = max_pool(x, axes)
    np.testing.assert_array_equal(y.detach().numpy(), want)
    np.testing.assert_array_equal(indices.numpy(), places)
    dy, dx = gradient(y, leaf)
    # an element is the maximum of at most 5^3 windows
    assert np.abs(dx - put(dy, places, sizes)).max() <= 125 * np.finfo(dtype).eps * np.abs(dy).max() * 125
    if adaptive or s != k or any(p):
        return
    again = getattr(F, f"max_unpool{dims}d")(y, indices, kernel, output_size=sizes) if all(
        (len(axis) - 1) * kk < n < (len(axis) + 1) * kk for axis, kk, n in zip(axes, k, sizes)
    ) else None  # fmt: skip
    if again is not None and len(set(d)) == 1 and d[0] == 1:
        np.testing.assert_array_equal(again.detach().numpy(), put(want, places, sizes))
        dy, dx = gradient(again, y)
        np.testing.assert_array_equal(dx, np.take_along_axis(
            dy.reshape(*dy.shape[:-dims], -1), places.reshape(*dy.shape[:-dims], -1), -1
        ).reshape(dx.shape))  # fmt: skip


@many
@given(st.data())
def test_padding(data):
    draw, dims = data.draw, data.draw(DIMS)
    x, mode = image(draw, dims), draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    sides = [(draw(st.integers(-1, 4)), draw(st.integers(-1, 4))) for _ in range(dims)]
    if mode == "circular":
        sides = [tuple(max(n, 0) for n in each) for each in sides]
    most = {"reflect": -1, "circular": 0}.get(mode, 9)
    assume(all(sum(each) + n > 0 and max(each) <= n + most for n, each in zip(x.shape[-dims:], sides)))
    assume(mode != "constant" or all(n + min(a, 0) + min(b, 0) > 0 for n, (a, b) in zip(x.shape[-dims:], sides)))
    matrices = [padded(n, *each, mode) for n, each in zip(x.shape[-dims:], sides)]
    value = draw(st.sampled_from([0.0, 1.5])) if mode == "constant" else None
    outside = 0 if value is None else value * (1 - along(matrices, np.ones(x.shape)))
    flat = [n for each in reversed(sides) for n in each]
    linear(draw, x, matrices, lambda t: F.pad(t, flat, mode, value), lambda y: y + outside)


@settings(max_examples=200)
@given(st.data())
def test_interpolation(data):
    draw, dims = data.draw, data.draw(st.sampled_from([1, 2, 2, 3]))
    x = image(draw, dims, batched=True)
    mode = draw(st.sampled_from(["nearest", "nearest-exact", "linear"] + ["cubic"] * (dims == 2)))
    name = {"linear": ["linear", "bilinear", "trilinear"][dims - 1], "cubic": "bicubic"}.get(mode, mode)
    options, arguments, factors = {"mode": name}, {}, [None] * dims
    if mode in ("linear", "cubic"):
        arguments["align_corners"] = options["align_corners"] = draw(st.booleans())
        if dims == 2:
            arguments["antialias"] = options["antialias"] = draw(st.booleans())
    if draw(st.booleans()):
        options["size"], out = numbers(draw, dims, 1, 13)
    else:
        options["scale_factor"] = factor = draw(st.sampled_from([0.5, 1.3, 2.0, 2.7]))
        recompute = options["recompute_scale_factor"] = draw(st.sampled_from([None, True]))
        out = [int(n * factor) for n in x.shape[-dims:]]
        assume(all(out))
        if not recompute:  # linear modes do not look at a factor that leaves the size
            factors = [None if n == o and mode == "linear" and not options.get("antialias") else factor
                       for n, o in zip(x.shape[-dims:], out)]  # fmt: skip
    matrices = [resampled(n, o, mode, **arguments, factor=f) for n, o, f in zip(x.shape[-dims:], out, factors)]
    if mode.startswith("nearest") and any(factors):
        # where the step's rounding decides, float32 and float64 choose differently
        steps = [(o + h) / f % 1 for n, out_n, f in zip(x.shape[-dims:], out, factors) for o in range(out_n)
                 for h in [0.5 * (mode != "nearest")]]  # fmt: skip
        assume(all(1e-6 < step < 1 - 1e-6 or step == 0 for step in steps))
    # weights from coordinates up to 13, through cubic polynomials
    linear(draw, x, matrices, lambda t: F.interpolate(t, **options), weights=0 if "nearest" in mode else 64)


@many
@given(st.data())
def test_samples_at_points(data):
    draw, dims = data.draw, data.draw(st.integers(2, 3))
    x = image(draw, dims, batched=True)
    mode = draw(st.sampled_from(["bilinear", "nearest"] + ["bicubic"] * (dims == 2)))
    arguments = mode, draw(st.sampled_from(["zeros", "border", "reflection"])), draw(st.booleans())
    shape = (x.shape[0], *(draw(st.integers(1, 3)) for _ in range(dims)), dims)
    points = np.random.default_rng(draw(st.integers(0, 999))).uniform(-2.5, 2.5, shape)
    leaf = tensor(draw, x, "float64")
    y = F.grid_sample(leaf, dlcore.tensor(points), *arguments)
    dy, dx = gradient(y, leaf)
    want, want_dx = np.zeros(y.shape), np.zeros(x.shape)
    for place in np.ndindex(shape[:-1]):
        weights = np.ones(())
        for c, n in zip(points[place][::-1], x.shape[2:]):
            weights = np.multiply.outer(weights, sampled(c, n, *arguments))
        at = (place[0], slice(None), *place[1:])
        want[at] = (x[place[0]] * weights).reshape(x.shape[1], -1).sum(1)
        want_dx[place[0]] += np.multiply.outer(dy[at], weights)
    # coordinates of up to 3.5 * 7 elements round, and polynomials of them; sums of 27 points
    for got, exactly, source in ((y.detach().numpy(), want, x), (dx, want_dx, dy)):
        assert np.abs(got - exactly).max() <= 2000 * 2.0**-52 * np.abs(source).max() * 27


@many
@given(st.data())
def test_unfold_and_fold(data):
    draw = data.draw
    x, (kernel, k) = image(draw, 2), numbers(draw, 2, 1, 3)
    (dilation, d), (padding, p), (stride, s) = (numbers(draw, 2, low, high) for low, high in ((1, 2), (0, 2), (1, 3)))
    counts = [(n + 2 * pp - dd * (kk - 1) - 1) // ss + 1 for n, kk, dd, pp, ss in zip(x.shape[-2:], k, d, p, s)]
    assume(min(counts) > 0)
    matrices = []
    for n, kk, dd, pp, ss, count in zip(x.shape[-2:], k, d, p, s, counts):
        places = [i * ss + t * dd - pp for t in range(kk) for i in range(count)]
        matrices.append(np.array([[float(place == j) for j in range(n)] for place in places]))
    lead, n = x.shape[:-3], len(x.shape) - 3
    order = [*range(n + 1), n + 1, n + 3, n + 2, n + 4]  # ..., c, taps, taps, windows, windows

    def rows(y):
        y = y.reshape(*x.shape[:-2], k[0], counts[0], k[1], counts[1]).transpose(order)
        return y.reshape(*lead, -1, counts[0] * counts[1])

    def back(dy):
        dy = dy.reshape(*x.shape[:-2], k[0], k[1], counts[0], counts[1]).transpose(order)
        return dy.reshape(*x.shape[:-2], k[0] * counts[0], k[1] * counts[1])

    arguments = kernel, dilation, padding, stride
    linear(draw, x, matrices, lambda t: F.unfold(t, *arguments), rows, back)
    columns = np.random.default_rng(4).standard_normal((*lead, x.shape[-3] * k[0] * k[1], counts[0] * counts[1]))
    leaf = dlcore.tensor(columns, requires_grad=True)
    y = F.fold(leaf, x.shape[-2:], *arguments)
    dy, dx = gradient(y, leaf)
    # sums of at most 9 elements; the gradient only moves them
    assert np.abs(y.detach().numpy() - along(transposed(matrices), back(columns))).max() <= 9 * 2.0**-52 * 9 * 5
    np.testing.assert_array_equal(dx, rows(along(matrices, dy)))


@many
@given(st.data())
def test_rearrangement(data):
    draw, r = data.draw, data.draw(st.integers(1, 3))
    n, c, h, w = (draw(st.integers(1, 3)) for _ in range(4))
    values = np.random.default_rng(0).standard_normal
    name = draw(st.sampled_from(["pixel_shuffle", "pixel_unshuffle", "channel_shuffle"]))
    shape, split, order, joined = {
        "pixel_shuffle": ((n, c * r * r, h, w), (n, c, r, r, h, w), (0, 1, 4, 2, 5, 3), (n, c, h * r, w * r)),
        "pixel_unshuffle": ((n, c, h * r, w * r), (n, c, h, r, w, r), (0, 1, 3, 5, 2, 4), (n, c * r * r, h, w)),
        "channel_shuffle": ((n, c * r, h, w), (n, r, c, h, w), (0, 2, 1, 3, 4), (n, c * r, h, w)),
    }[name]
    x = values(shape)
    leaf = tensor(draw, x, "float64")
    y = getattr(F, name)(leaf, r)
    np.testing.assert_array_equal(y.detach().numpy(), x.reshape(split).transpose(order).reshape(joined))
    dy, dx = gradient(y, leaf)
    turned = dy.reshape([split[i] for i in order]).transpose(np.argsort(order)).reshape(shape)
    np.testing.assert_array_equal(dx, turned)


@settings(max_examples=100)
@given(st.data())
def test_convolutions(data):
    """Layers with any arguments, forward and all gradients."""
    draw, dims, transpose = data.draw, data.draw(DIMS), data.draw(st.booleans())
    groups = draw(st.sampled_from([1, 1, 2, 3, 16]))
    inputs, outputs = (groups * draw(st.sampled_from([1, 2, 3] if groups > 3 else [1, 3, 16, 33])) for _ in "io")
    x = image(draw, dims, batched=True)
    x = np.random.default_rng(5).standard_normal((x.shape[0], inputs, *x.shape[2:]))
    (kernel, k), (stride, s), (dilation, d) = (numbers(draw, dims, 1, high) for high in (4, 3, 2))
    padding, p = numbers(draw, dims, 0, 2)
    options = {"stride": stride, "dilation": dilation, "groups": groups, "bias": draw(st.booleans())}
    dtype = draw(st.sampled_from(["float32", "float64"]))
    options["dtype"] = getattr(dlcore, dtype)
    sizes, mode = x.shape[2:], "zeros"
    if transpose:
        options["output_padding"], more = numbers(draw, dims, 0, 1)
        full = [(n - 1) * ss + dd * (kk - 1) + 1 + m for n, ss, dd, kk, m in zip(sizes, s, d, k, more)]
        assume(all(m < max(ss, dd) for m, ss, dd in zip(more, s, d)))
        assume(all(f - 2 * pp > 0 for f, pp in zip(full, p)))
        sides = [(pp, pp) for pp in p]
    else:
        options["padding_mode"] = mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
        if draw(st.booleans()) and all(ss == 1 for ss in s):
            padding, p = "same", [dd * (kk - 1) for dd, kk in zip(d, k)]
            sides = [(pp // 2, pp - pp // 2) for pp in p]
        else:
            sides = [(pp, pp) for pp in p]
        most = {"reflect": -1, "circular": 0}.get(mode, 99)
        assume(all(max(each) <= n + most for n, each in zip(sizes, sides)))
        assume(all(n + sum(each) > dd * (kk - 1) for n, each, dd, kk in zip(sizes, sides, d, k)))
    layer = getattr(dlcore.nn, f"Conv{'Transpose' * transpose}{dims}d")(
        inputs, outputs, kernel, padding=padding, **options
    )
    leaf = tensor(draw, x, dtype)
    y = layer(leaf)
    dy = exact(np.random.default_rng(3).standard_normal(tuple(y.shape)), dtype)
    y.backward(dlcore.tensor(dy).to(y.dtype))
    got = [t.numpy() for t in (y.detach(), leaf.grad, *(q.grad for q in layer.parameters()))]
    b = layer.bias.detach().numpy().astype(np.float64) if options["bias"] else 0

    def definition(x, w, dy, b):
        pads = [padded(n, *each, mode) for n, each in zip(y.shape[2:] if transpose else sizes, sides)]
        bias = np.reshape(b, (-1, *[1] * dims))
        if transpose:  # the padding is cut off: what the gradient of padding does
            pads = [padded(f - 2 * pp, pp, pp, "zeros") for f, pp in zip(full, p)]
            result = along(transposed(pads), conv_data(x, w, s, d, groups, full)) + bias
            wide = along(pads, dy)
            end = [slice(0, f - m) for f, m in zip(full, more)]
            used = wide[(..., *end)]
            return result, conv(used, w, s, d, groups), conv_weight(used, x, k, s, d, groups)
        wide = along(pads, x)
        dx = conv_data(dy, w, s, d, groups, wide.shape[2:])
        return conv(wide, w, s, d, groups) + bias, along(transposed(pads), dx), conv_weight(wide, dy, k, s, d, groups)

    arrays = exact(x, dtype), layer.weight.detach().numpy().astype(np.float64), dy
    want = [*definition(*arrays, b), dy.sum((0, *range(2, dims + 2)))]
    magnitude = [*definition(*map(np.abs, arrays), np.abs(b)), np.abs(dy).sum((0, *range(2, dims + 2)))]
    terms = max(inputs, outputs) // groups * np.prod(k) * 8 + dy[:, 0].size + x[:, 0].size
    for each, exactly, size in zip(got, want, magnitude):
        assert each.shape == exactly.shape
        # Winograd's tiles need images larger than these
        assert (np.abs(each - exactly) <= (terms + 8) * np.finfo(dtype).eps * size).all()


NORMS = ["batch_norm", "evaluation", "instance_norm", "group_norm", "layer_norm", "rms_norm", "local_response_norm"]


@many
@given(st.data())
def test_normalization(data):
    """Gradients along a direction: of a definition that takes complex numbers, Im f(x + i h v) / h."""
    draw, name = data.draw, data.draw(st.sampled_from(NORMS))
    x = image(draw, draw(DIMS), batched=True)
    channels, rng = x.shape[1], np.random.default_rng(draw(st.integers(0, 999)))
    size = x.shape[-1] if name in ("layer_norm", "rms_norm") else channels
    w, b = rng.standard_normal((2, size))
    mean, var = rng.standard_normal(channels), rng.random(channels) + 0.5
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    local = draw(st.integers(1, 6)), 0.3, draw(st.sampled_from([0.5, 0.75, 1.3])), 1.5
    eps, channel_axes = 0.01, tuple(range(2, x.ndim))
    count = {"batch_norm": x.size // channels, "instance_norm": x[0, 0].size, "group_norm": x[0].size // groups}
    assume(count.get(name, 2) > 1)
    definitions = {
        "batch_norm": lambda x, w, b: norm.affine(norm.normalized(x, (0, *channel_axes), eps=eps), w, b),
        "evaluation": lambda x, w, b: norm.affine(
            norm.normalized(x, None, norm.per_channel(mean, x), norm.per_channel(var, x), eps), w, b
        ),
        "instance_norm": lambda x, w, b: norm.affine(norm.normalized(x, channel_axes, eps=eps), w, b),
        "group_norm": lambda x, w, b: norm.affine(
            norm.normalized(x.reshape(len(x), groups, -1), 2, eps=eps).reshape(x.shape), w, b
        ),
        "layer_norm": lambda x, w, b: norm.row_normalized(x, 1, eps, True) * w + b,
        "rms_norm": lambda x, w, b: norm.row_normalized(x, 1, eps, False) * w,
        "local_response_norm": lambda x, w, b: norm.local_response(x, *local),
    }
    leaf, tw, tb = tensor(draw, x, "float64"), *(dlcore.tensor(v, requires_grad=True) for v in (w, b))
    running = [dlcore.tensor(v) for v in (mean, var)]
    y = {
        "batch_norm": lambda: F.batch_norm(leaf, *running, tw, tb, True, 0.3, eps),
        "evaluation": lambda: F.batch_norm(leaf, *running, tw, tb, False, 0.3, eps),
        "instance_norm": lambda: F.instance_norm(leaf, weight=tw, bias=tb, eps=eps),
        "group_norm": lambda: F.group_norm(leaf, groups, tw, tb, eps),
        "layer_norm": lambda: F.layer_norm(leaf, (size,), tw, tb, eps),
        "rms_norm": lambda: F.rms_norm(leaf, (size,), tw, eps),
        "local_response_norm": lambda: F.local_response_norm(leaf, *local),
    }[name]()
    want = definitions[name](x, w, b)
    # sums of x.size terms at most, 1 / spread <= 10 as a factor of roundings, squared backward
    bound = 100 * (np.sqrt(x.size) + 16) * 2.0**-52
    assert np.abs(y.detach().numpy() - want).max() <= bound * (1 + np.abs(want).max())
    dy = rng.standard_normal(x.shape)
    y.backward(dlcore.tensor(dy))
    for at, t in enumerate((leaf, tw, tb)):
        if t.grad is None:
            continue
        arguments, v = [x, w, b], rng.standard_normal(tuple(t.shape))
        arguments[at] = arguments[at] + 1e-30j * v
        along_v = (dy * definitions[name](*arguments).imag / 1e-30).sum()
        scale = np.abs(t.grad.numpy() * v).sum() + np.abs(dy).sum()
        assert abs((t.grad.numpy() * v).sum() - along_v) <= 10 * bound * scale
    if name == "batch_norm":  # the running statistics, the variance unbiased
        axes, n = (0, *channel_axes), x.size // channels
        for got, want in zip(running, (0.7 * mean + 0.3 * x.mean(axes), 0.7 * var + 0.3 * x.var(axes) * n / (n - 1))):
            np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=bound)
