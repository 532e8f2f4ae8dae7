"""Reductions on sizes that hurt, special values, far from zero, long, and with any number of threads."""

import math

import numpy as np
import pytest

import dlcore as d

EPS = {"float32": 2.0**-23, "float64": 2.0**-52, "float16": 2.0**-10, "bfloat16": 2.0**-7}
SHAPES = [(), (1,), (0,), (2, 0, 3), (0, 0), (1, 1), (7,), (8,), (9,), (15, 17), (3, 1, 5), (2, 3, 4, 5), (33, 65)]


def dims_of(shape):
    """None, each dimension, pairs, all of them, the same ones counted from the end."""
    n = len(shape)
    dims = [None] + list(range(-n, n)) + [tuple(range(n))] * (n > 0)
    return dims + [(i, j) for i in range(n) for j in range(-n, n) if i < j or (j < 0 and i < j + n)]


def axes(dim, n):
    if dim is None:
        return tuple(range(n))
    return tuple(k % n for k in (dim if isinstance(dim, tuple) else (dim,)))


# What each op does, and what numpy does; the bound is the number of roundings, times eps, of the terms' sum.
OPS = {
    "sum": (d.sum, np.sum, True),
    "mean": (d.mean, np.mean, True),
    "nansum": (d.nansum, np.nansum, True),
    "amax": (d.amax, np.amax, False),
    "amin": (d.amin, np.amin, False),
    "logsumexp": (d.logsumexp, lambda a, axis, keepdims: np.log(np.exp(a).sum(axis=axis, keepdims=keepdims)), True),
    "var": (d.var, lambda a, axis, keepdims: np.var(a, axis=axis, keepdims=keepdims, ddof=1), True),
    "std": (d.std, lambda a, axis, keepdims: np.std(a, axis=axis, keepdims=keepdims, ddof=1), True),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", OPS)
@pytest.mark.filterwarnings("ignore")
def test_any_dims(name, shape, dtype):
    op, reference, rounds = OPS[name]
    a = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    for dim in dims_of(shape):
        for keepdim in (False, True):
            axis = axes(dim, len(shape))
            count = math.prod(shape[k] for k in axis)
            if count == 0 and name in ("amax", "amin"):
                with pytest.raises((IndexError, RuntimeError)):
                    op(d.tensor(a), dim=dim if dim is not None else tuple(range(len(shape))), keepdim=keepdim)
                continue
            if dim is None and name in ("amax", "amin", "logsumexp"):
                dim = tuple(range(len(shape)))
            got = op(d.tensor(a), dim=dim, keepdim=keepdim)
            want = reference(a.astype(np.float64), axis=axis, keepdims=keepdim)
            assert str(got.dtype) == f"dlcore.{dtype}"
            assert tuple(got.shape) == want.shape
            bound = (count + 4) * EPS[dtype] * (np.abs(a).max(initial=1) ** 2) if rounds else 0
            if name == "sum" or name == "nansum":
                bound *= max(count, 1)
            np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=bound)


INDEXED = {"argmax": np.argmax, "argmin": np.argmin}


@pytest.mark.parametrize("shape", [s for s in SHAPES if 0 not in s], ids=str)
@pytest.mark.parametrize("name", INDEXED)
def test_places_of_extremes(name, shape):
    a = np.random.default_rng(2).integers(-3, 3, shape).astype(np.float32)  # with ties: the first one
    x = d.tensor(a)
    assert getattr(d, name)(x).item() == INDEXED[name](a)
    for dim in range(-len(shape), len(shape)):
        got = getattr(d, name)(x, dim=dim, keepdim=True)
        assert got.dtype == d.int64
        np.testing.assert_array_equal(got.numpy(), INDEXED[name](a, axis=dim, keepdims=True))
        values, places = (x.max if name == "argmax" else x.min)(dim=dim)
        np.testing.assert_array_equal(places.numpy(), INDEXED[name](a, axis=dim))
        np.testing.assert_array_equal(values.numpy(), (np.max if name == "argmax" else np.min)(a, axis=dim))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_truth_and_counts(shape):
    a = np.random.default_rng(3).integers(0, 2, shape)
    for dtype in ("bool", "uint8", "int64", "float32", "float16"):
        x = d.tensor(a).to(getattr(d, dtype))
        for dim in dims_of(shape):
            axis = axes(dim, len(shape))
            got_any, got_all = d.any(x, dim=dim), d.all(x, dim=dim)
            np.testing.assert_array_equal(got_any.numpy(), np.any(a, axis=axis))
            np.testing.assert_array_equal(got_all.numpy(), np.all(a, axis=axis))
            assert got_any.dtype == got_all.dtype == (d.uint8 if dtype == "uint8" else d.bool)
            np.testing.assert_array_equal(d.count_nonzero(x, dim=dim).numpy(), np.count_nonzero(a, axis=axis))


def test_of_nothing():
    x = d.zeros(3, 0)
    assert x.sum() == 0 and x.prod() == 1 and not x.any() and x.all() and x.mean().isnan() and x.var().isnan()
    assert x.logsumexp(1).tolist() == [-math.inf] * 3
    assert x.sum(0).shape == (0,) and x.sum(1).tolist() == [0, 0, 0] and x.prod(1).tolist() == [1, 1, 1]
    assert x.amax(0).shape == (0,) and x.argmax(0).shape == (0,) and x.max(0).values.shape == (0,)
    assert x.cumsum(1).shape == (3, 0) and x.softmax(1).shape == (3, 0)
    for call in (
        lambda: x.max(),
        lambda: x.min(),
        lambda: x.amax(),
        lambda: x.argmax(),
        lambda: x.argmin(1),
        lambda: x.max(1),
        lambda: x.amin(1),
        lambda: x.median(1),
    ):
        with pytest.raises((IndexError, RuntimeError)):
            call()


@pytest.mark.parametrize("n", [1, 5, 16, 17, 100, 5000, 70_000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_nan_and_infinity_go_through(n, dtype):
    rng = np.random.default_rng(n)
    for at in {0, n // 2, n - 1}:
        for special in (math.nan, math.inf, -math.inf):
            x = d.tensor(rng.uniform(-1, 1, n)).to(getattr(d, dtype))
            x[at] = special
            for name in ("sum", "mean", "prod", "max", "min", "amax", "amin", "norm", "var", "std"):
                got = getattr(x, name)().item()
                if math.isnan(special):
                    assert math.isnan(got) or (name in ("var", "std") and n == 1), name
                elif name in ("sum", "mean"):
                    assert got == special, name
                elif name in ("max", "amax", "min", "amin"):
                    assert (got == special) == (n == 1 or (special > 0) == ("max" in name)), name
                    assert not math.isnan(got)
                elif name == "norm":
                    assert got == math.inf
                elif name in ("var", "std"):
                    assert math.isnan(got)
            if math.isnan(special):
                assert x.argmax() == at and x.argmin() == at
                assert x.max(0).indices == at and x.sort().indices[-1] == at
                assert x.cumsum(0)[at:].isnan().all() and not x.cumsum(0)[:at].isnan().any()
                assert x.cummax(0).values[at:].isnan().all() and not x.cummax(0).values[:at].isnan().any()
                assert x.softmax(0).isnan().all() and x.logsumexp(0).isnan()
                assert not x.nansum().isnan()
            else:
                assert x.logsumexp(0).item() == special if special > 0 or n == 1 else math.isfinite(x.logsumexp(0))


def test_infinities_cancel_to_nan():
    x = d.tensor([math.inf, 1.0, -math.inf])
    assert x.sum().isnan() and x.mean().isnan() and x.max() == math.inf and x.min() == -math.inf
    assert x.logsumexp(0) == math.inf and x.softmax(0).isnan().any()
    assert d.full((3,), -math.inf).logsumexp(0) == -math.inf
    assert d.full((3,), -math.inf).softmax(0).isnan().all()
    assert d.tensor([-math.inf, 0.0]).softmax(0).tolist() == [0, 1]
    assert d.tensor([1000.0, 0.0]).softmax(0).tolist() == [1, 0]
    assert d.tensor([1e38, 1e38]).logsumexp(0) == d.tensor(1e38)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float64"]
)
def test_dtypes(dtype):
    t = getattr(d, dtype)
    x = d.tensor([[1, 0], [1, 1]]).to(t)
    floating = t.is_floating_point
    wide = t if floating else d.int64
    assert x.sum().dtype == x.sum(0).dtype == x.prod().dtype == x.cumsum(0).dtype == x.cumprod(0).dtype == wide
    assert x.amax().dtype == x.max().dtype == x.max(0).values.dtype == t
    assert x.count_nonzero().dtype == d.int64
    if dtype != "bool":
        assert x.argmax().dtype == d.int64
    assert x.sum(dtype=d.float64).dtype == x.mean(dtype=d.float32).float().double().dtype == d.float64
    for name in ("mean", "var", "std", "norm"):
        if floating:
            assert getattr(x, name)().dtype == t
        else:
            with pytest.raises(RuntimeError):
                getattr(x, name)()
    if not floating:
        assert x.softmax(0, dtype=d.float32).dtype == d.float32


def test_integers_wrap_and_narrow_floats_accumulate_wide():
    assert d.full((300,), 100, dtype=d.uint8).sum() == 30_000
    assert d.full((1000,), 127, dtype=d.int8).sum() == 127_000
    assert d.tensor([2**62, 2**62, 2**62]).sum() == -(2**62)
    assert d.full((64,), 2).prod() == 0
    assert d.full((70_000,), 1.0, dtype=d.float16).sum() == math.inf  # 70,000 is beyond float16
    assert d.full((60_000,), 1.0, dtype=d.float16).sum() == 60_000
    assert d.full((60_000,), 1.0, dtype=d.float16).mean() == 1
    assert d.full((100_000,), 1.0, dtype=d.bfloat16).sum() == d.tensor(100_000.0).bfloat16()
    assert d.full((100_000,), 60_000.0, dtype=d.float16).mean() == 60_000


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e3, 1e5])
@pytest.mark.parametrize("shape, dim", [((100_003,), 0), ((40, 3000), 1), ((3000, 40), 0), ((30, 20, 50), (0, 2))])
def test_variance_far_from_zero(shape, dim, offset):
    """x itself is rounded; what the variance of these numbers is, it is to a few eps, however far their mean."""
    for dtype in ("float32", "float64"):
        a = (np.random.default_rng(5).standard_normal(shape) + offset).astype(dtype)
        exact = np.var(a.astype(np.longdouble), axis=dim, ddof=1).astype(np.float64)
        x, n = d.tensor(a), math.prod(shape[k] for k in axes(dim, len(shape)))
        # Means are taken in float64: off by e, they put 2 e sqrt(var) + e^2 into the variance.
        e = (n / 32 + 4) * 2.0**-53 * (offset + 1)
        bound = EPS[dtype] * exact + n * 2.0**-53 * exact + 2 * e * np.sqrt(exact) + e * e
        var, mean = d.var_mean(x, dim)
        assert (np.abs(var.numpy() - exact) <= bound).all()
        assert (np.abs(x.std(dim).numpy() ** 2 - exact) <= bound + 4 * EPS[dtype] * exact).all()
        exact_mean = a.astype(np.longdouble).mean(axis=dim).astype(np.float64)
        assert (np.abs(mean.numpy() - exact_mean) <= EPS[dtype] * np.abs(exact_mean) + e).all()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_long_sums_stay_accurate(dtype):
    """The error does not grow with the length: 4096 elements go to at least 16 lanes, blocks are added in float64."""
    steps = 4096 / 16 + 12
    n = 5_000_000
    x = d.rand(n, generator=d.Generator().manual_seed(1)).to(getattr(d, dtype))
    exact = x.double().numpy().astype(np.longdouble)
    total = float(exact.sum())
    allowed = steps * 2.0**-24 * total
    got = x.sum(dtype=d.float32).item()
    assert abs(got - total) <= allowed
    assert abs(got - total) <= 16 * 2.0**-24 * total  # what random roundings of so many steps add up to
    assert abs(x.double().mean().item() * n - total) <= 600 * 2.0**-53 * total
    columns = x.float().reshape(-1, 5)
    assert (
        np.abs(columns.sum(0).numpy() - exact.reshape(-1, 5).sum(0)) <= steps * 2.0**-24 * exact.reshape(-1, 5).sum(0)
    ).all()
    squares = float((exact**2).sum())
    assert abs(x.float().norm().item() ** 2 - squares) <= (2 * steps + 4) * 2.0**-24 * squares
    running = x.float().cumsum(0)
    np.testing.assert_allclose(running.numpy(), np.cumsum(exact).astype(np.float64), rtol=2.0**-24 * 1.01)
    ones = d.ones(2**25)
    assert ones.sum() == 2**25 and ones.cumsum(0)[-1] == 2**25  # where a plain float32 loop stops at 2^24


THREADED = {
    "sum": lambda x: x.sum(),
    "sum rows": lambda x: x.sum(1),
    "sum columns": lambda x: x.sum(0),
    "mean": lambda x: x.mean(),
    "var": lambda x: x.var(),
    "var columns": lambda x: x.var(0),
    "norm": lambda x: x.norm(),
    "prod": lambda x: (1 + x * 1e-4).prod(),
    "max": lambda x: x.max(),
    "argmax": lambda x: x.argmax(),
    "max columns": lambda x: x.max(0).indices,
    "logsumexp": lambda x: x.logsumexp((0, 1)),
    "softmax": lambda x: x.softmax(0),
    "log_softmax": lambda x: x.log_softmax(1),
    "cumsum": lambda x: x.reshape(-1).cumsum(0),
    "cumprod": lambda x: (1 + x.reshape(-1) * 1e-4).cumprod(0),
    "cummax": lambda x: x.cummax(0).values,
    "any": lambda x: (x > 3).any(0),
    "count": lambda x: (x > 1).count_nonzero(),
    "bincount": lambda x: d.bincount((x.reshape(-1).abs() * 5).long(), x.reshape(-1)),
}


@pytest.mark.parametrize("name", THREADED)
@pytest.mark.parametrize("shape", [(1200, 331), (3, 140_001), (140_001, 3)], ids=str)
def test_the_same_bits_for_any_thread_count(name, shape):
    x = d.randn(shape, generator=d.Generator().manual_seed(4))
    before = d.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3, 7):
            d.set_num_threads(threads)
            y = x.clone().requires_grad_()
            out = THREADED[name](y)
            bits = [out.detach().numpy().tobytes()]
            if out.requires_grad:
                (out * d.linspace(0.5, 1.5, out.numel()).reshape(out.shape)).sum().backward()
                bits.append(y.grad.numpy().tobytes())
            results.append(bits)
        assert all(r == results[0] for r in results)
    finally:
        d.set_num_threads(before)


@pytest.mark.parametrize("layout", ["transposed", "steps", "expanded", "reversed copy", "offset"])
def test_layouts(layout):
    a = np.random.default_rng(8).standard_normal((24, 35)).astype(np.float64)
    x = d.tensor(a)
    x, a = {
        "transposed": lambda: (x.t(), a.T),
        "steps": lambda: (x[::3, 1::2], a[::3, 1::2]),
        "expanded": lambda: (x[:, :1].expand(24, 35), np.broadcast_to(a[:, :1], a.shape)),
        "reversed copy": lambda: (x.flip(0), a[::-1]),
        "offset": lambda: (x[5:, 3:], a[5:, 3:]),
    }[layout]()
    for dim in (None, 0, 1):
        np.testing.assert_allclose(x.sum(dim).numpy(), a.sum(dim), rtol=0, atol=900 * 2.0**-52 * 35)
        np.testing.assert_array_equal(x.argmax(dim).numpy(), a.argmax(dim))
        np.testing.assert_allclose(x.var(dim).numpy(), a.var(dim, ddof=1), rtol=1e3 * 2.0**-52, atol=1e-30)
    np.testing.assert_allclose(x.cumsum(1).numpy(), a.cumsum(1), rtol=0, atol=35 * 35 * 2.0**-52)
    np.testing.assert_array_equal(x.amax((0, 1)).numpy(), a.max())


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.sum(2),
        lambda x: x.sum(-3),
        lambda x: x.sum((0, 0)),
        lambda x: x.sum((0, -2)),
        lambda x: x.sum("0"),
        lambda x: x.sum(0.5),
        lambda x: x.argmax(2),
        lambda x: x.max(5),
        lambda x: x.cumsum(2),
        lambda x: x.cumsum(),
        lambda x: x.softmax(2),
        lambda x: x.amax((0, 3)),
        lambda x: x.sum(dim=0, axis=0),
        lambda x: x.sum(0, keepdim=True, out=3),
        lambda x: x.var(0, correction="1"),
        lambda x: x.norm(p="nonsense"),
        lambda x: d.bincount(x),
        lambda x: d.bincount(d.tensor([-1])),
    ],
)
def test_errors(call):
    with pytest.raises((IndexError, TypeError, RuntimeError, ValueError)):
        call(d.ones(2, 3))


def test_numpys_spellings():
    x = d.arange(6.0).reshape(2, 3)
    assert x.sum(axis=1, keepdims=True).tolist() == [[3], [12]]
    assert d.max(x, axis=0).indices.tolist() == [1, 1, 1]
    assert d.std(x, axis=0, correction=0).tolist() == [1.5] * 3
