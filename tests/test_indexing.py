"""Index expressions against numpy and PyTorch: reading, writing and gradients of random expressions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlcore as d

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")


class Positions:
    """An index array or mask inside an expression; becomes a tensor of the library at hand."""

    def __init__(self, array):
        self.array = array

    def __repr__(self):
        return f"{self.array.dtype}{self.array.tolist()}"


@st.composite
def slices(draw, size):
    bound = st.none() | st.integers(-size - 2, size + 2)
    return slice(draw(bound), draw(bound), draw(st.none() | st.integers(1, 3)))


@st.composite
def expressions(draw):
    """(shape, items): a shape and an index expression that fits it."""
    shape = draw(st.lists(st.integers(1, 4), max_size=4))
    common = draw(st.sampled_from([(), (1,), (3,), (2, 3), (0,)]))
    with_mask = draw(st.booleans())
    items, dim, masked = [], 0, False
    while dim < len(shape):
        kind = draw(st.sampled_from(["int", "slice", "slice", "array", "array", "mask", "rest"]))
        size = shape[dim]
        if kind == "int":
            items.append(draw(st.integers(-size, size - 1)))
        elif kind == "slice":
            items.append(draw(slices(size)))
        elif kind == "mask" and with_mask and not masked:
            dims = draw(st.integers(1, len(shape) - dim))
            sizes = shape[dim : dim + dims]
            bits = draw(st.lists(st.booleans(), min_size=int(np.prod(sizes)), max_size=int(np.prod(sizes))))
            items.append(Positions(np.array(bits).reshape(sizes)))
            masked = True
            dim += dims - 1
        elif kind == "array" and not with_mask:
            keep = draw(st.integers(0, len(common)))
            sizes = [s if draw(st.booleans()) else 1 for s in common[len(common) - keep :]]
            n = int(np.prod(sizes))
            values = draw(st.lists(st.integers(-size, size - 1), min_size=n, max_size=n))
            dtype = draw(st.sampled_from([np.int64, np.int32]))
            items.append(Positions(np.array(values, dtype=dtype).reshape(sizes)))
        elif kind == "rest":
            break
        else:
            items.append(slice(None))
        dim += 1
    if dim < len(shape) or draw(st.booleans()):
        rest = draw(st.sampled_from(["nothing", "ellipsis"]))
        if rest == "ellipsis":
            items.append(Ellipsis)
    for new in draw(st.lists(st.sampled_from([None, True]), max_size=1 if with_mask else 2)):
        items.insert(draw(st.integers(0, len(items))), new)
    return shape, items


def key(items, tensor):
    return tuple(tensor(i.array) if isinstance(i, Positions) else i for i in items)


def same_rules_in_numpy(items):
    """numpy broadcasts integers and bools with the index arrays, PyTorch takes them first."""
    arrays = sum(isinstance(i, Positions) and i.array.ndim > 0 for i in items)
    numbers = sum(isinstance(i, int) or (isinstance(i, Positions) and i.array.ndim == 0) for i in items)
    bools = sum(i is True for i in items)
    return (not arrays or not numbers) and bools <= 1 and (not bools or numbers == bools)


def values(shape):
    return np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)


@settings(max_examples=400)
@given(expressions())
def test_read_as_numpy(expression):
    shape, items = expression
    if not same_rules_in_numpy(items):
        return
    x = values(shape)
    np.testing.assert_array_equal(d.tensor(x)[key(items, d.tensor)].numpy(), x[key(items, np.asarray)])


@settings(max_examples=300)
@given(expressions(), st.booleans())
def test_write_as_numpy(expression, scalar):
    shape, items = expression
    if not same_rules_in_numpy(items):
        return
    x, y = values(shape), d.tensor(values(shape))
    v = -7.0 if scalar else -values(x[key(items, np.asarray)].shape)
    x[key(items, np.asarray)] = v
    y[key(items, d.tensor)] = v if scalar else d.tensor(v)
    np.testing.assert_array_equal(y.numpy(), x)


@needs_torch
@settings(max_examples=400)
@given(expressions(), st.booleans())
def test_read_as_torch(expression, transposed):
    shape, items = expression
    results = []
    for m in (d, torch):
        x = m.tensor(values(shape), requires_grad=True)
        y = (x.mT if transposed and len(shape) > 1 and shape[-1] == shape[-2] else x)[key(items, m.tensor)]
        w = m.tensor(np.asarray(np.cos(values(tuple(y.shape)))))
        y.backward(w)
        results.append((y.detach().numpy(), x.grad.numpy()))
    for got, want in zip(*results, strict=True):
        assert got.shape == want.shape
        # each gradient is a sum of at most prod(shape) cosines
        np.testing.assert_allclose(got, want, rtol=1e-14, atol=2.0**-52 * (1 + np.prod(shape)))


@needs_torch
@settings(max_examples=400)
@given(expressions(), st.integers(0, 2), st.booleans())
def test_write_as_torch(expression, leading, through_view):
    shape, items = expression
    results = []
    for m in (d, torch):
        leaf = m.tensor(values(shape), requires_grad=True)
        x = leaf * 1.0
        target = x.reshape(tuple(shape) + (1,))[..., 0] if through_view else x
        at = target[key(items, m.tensor)].shape
        v = m.tensor(np.asarray(-values(tuple(at)[min(leading, len(at)) :])), requires_grad=True)
        target[key(items, m.tensor)] = v
        w = m.tensor(np.asarray(np.cos(values(shape))))
        x.backward(w)
        results.append((x.detach().numpy(), leaf.grad.numpy(), v.grad.numpy()))
    for got, want in zip(*results, strict=True):
        assert got.shape == want.shape
        # each gradient is a sum of at most prod(shape) cosines
        np.testing.assert_allclose(got, want, rtol=1e-14, atol=2.0**-52 * (1 + np.prod(shape)))


def test_views_share_memory():
    x = d.tensor(values((3, 4)))
    x[1][2] = 100.0
    x[:, 1:][0, 0] = 200.0
    x[None, ..., 3][0, 2] = 300.0
    assert (x[1, 2].item(), x[0, 1].item(), x[2, 3].item()) == (100.0, 200.0, 300.0)
    y = x[...]
    y[0, 0] = -1.0
    assert x[0, 0].item() == -1.0
    z = x[d.tensor([0])]
    z[0, 0] = 5.0
    assert x[0, 0].item() == -1.0


def test_python_objects_as_indices():
    x = d.tensor(values((3, 4)))
    a = values((3, 4))
    for i in (
        [0, 2],
        [True, False, True],
        np.array([0, 2]),
        np.int64(1),
        range(2),
        (1, [0, 2]),
        np.array([True, False, True]),
    ):
        np.testing.assert_array_equal(x[i].numpy(), a[i])
    np.testing.assert_array_equal(x[[]].numpy(), a[[]])
    np.testing.assert_array_equal(x[d.tensor(1) : d.tensor(3)].numpy(), a[1:3])
    np.testing.assert_array_equal(x[[0, slice(1, 3)]].numpy(), a[0, 1:3])
    np.testing.assert_array_equal(x[d.tensor(2)].numpy(), a[2])


BAD = [
    (lambda x: x[3], IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
    (lambda x: x[0, -5], IndexError, "index -5 is out of bounds for dimension 1 with size 4"),
    (lambda x: x[d.tensor([0, 3])], IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
    (lambda x: x[:, d.tensor([[0], [-5]])], IndexError, "index -5 is out of bounds for dimension 1 with size 4"),
    (lambda x: x[0, 0, 0], IndexError, "too many indices"),
    (lambda x: x[::-1], ValueError, "step must be greater than zero"),
    (lambda x: x[1.0], IndexError, "float"),
    (lambda x: x["a"], TypeError, "str"),
    (lambda x: x[d.tensor([1.0])], IndexError, "float32"),
    (lambda x: x[d.tensor([True, False])], IndexError, "mask of shape"),
    (lambda x: x[d.tensor([0, 1]), d.tensor([0, 1, 2])], IndexError, "broadcast"),
    (lambda x: x[0, 0][0], IndexError, "no dimensions"),
    (lambda x: x.__setitem__(0, [1.0]), TypeError, "can't assign a list"),
    (lambda x: x.__setitem__(0, d.zeros(3)), RuntimeError, "broadcast"),
    (lambda x: x.__setitem__(d.tensor([0, 1]), d.zeros(3, 4, dtype=d.float64)), RuntimeError, "broadcast"),
    (lambda x: x.__setitem__(d.tensor([0]), d.zeros(4, dtype=d.int64)), RuntimeError, "dtype"),
    (lambda x: x.__delitem__(0), TypeError, "deleting"),
    (
        lambda x: d.gather(x, 1, d.tensor([[4]])),
        IndexError,
        "gather: index 4 is out of bounds for dimension 1 with size 4",
    ),
    (lambda x: d.gather(x, 1, d.tensor([[-1]])), IndexError, "gather: index -1"),
    (lambda x: d.gather(x, 2, d.tensor([[0]])), IndexError, "dim"),
    (lambda x: d.gather(x, 0, d.tensor([0])), RuntimeError, "as many dimensions"),
    (lambda x: d.gather(x, 0, d.tensor([[0.5]])), RuntimeError, "int64 or int32"),
    (lambda x: d.scatter(x, 0, d.tensor([[0, 3]]), 1.0), IndexError, "scatter: index 3"),
    (lambda x: d.index_select(x, 0, d.tensor([-1])), IndexError, "index_select: index -1"),
    (lambda x: d.index_add(x, 0, d.tensor([0]), d.zeros(2, 4, dtype=d.float64)), IndexError, "source"),
    (lambda x: d.take(x, d.tensor([12])), IndexError, "index 12"),
    (lambda x: d.masked_select(x, d.tensor([1, 0, 1, 0])), RuntimeError, "bool"),
    (
        lambda x: d.masked_scatter(x, d.tensor([True] * 4), d.zeros(3, dtype=d.float64)),
        RuntimeError,
        "expected 12 but got 3",
    ),
    (lambda x: d.topk(x, 5), RuntimeError, "k must be in"),
    (lambda x: d.kthvalue(x, 0), RuntimeError, "k must be in"),
    (lambda x: d.sort(x, 2), IndexError, "dim"),
]


@pytest.mark.parametrize("call,kind,text", BAD)
def test_errors(call, kind, text):
    x = d.tensor(values((3, 4)))
    with pytest.raises(kind, match=text.replace("[", r"\[").replace("(", r"\(")):
        call(x)


def test_writes_keep_index_order():
    """Where indices repeat, the last one wins and sums add up in order, whatever the number of threads."""
    rng = np.random.default_rng(0)
    n, rows, width = 20000, 50, 64
    index, source = rng.integers(0, rows, n), rng.standard_normal((n, width)).astype(np.float32)
    total, last = np.zeros((rows, width), np.float32), np.zeros((rows, width), np.float32)
    for i, r in enumerate(index):
        total[r] += source[i]
        last[r] = source[i]
    at, src, zero = d.tensor(index), d.tensor(source), d.zeros(rows, width)
    before = d.get_num_threads()
    try:
        for threads in (1, 2, 3, 7):
            d.set_num_threads(threads)
            np.testing.assert_array_equal(zero.index_add(0, at, src).numpy(), total)
            np.testing.assert_array_equal(zero.index_copy(0, at, src).numpy(), last)
            np.testing.assert_array_equal(zero.index_put((at,), src, accumulate=True).numpy(), total)
            np.testing.assert_array_equal(zero.index_put((at,), src).numpy(), last)
            wide = at.reshape(-1, 1).expand(n, width)
            np.testing.assert_array_equal(zero.scatter_add(0, wide, src).numpy(), total)
            np.testing.assert_array_equal(zero.scatter(0, wide, src).numpy(), last)
            column = src[:, 0].clone()
            np.testing.assert_array_equal(zero[:, 0].clone().scatter_add(0, at, column).numpy(), total[:, 0])
            np.testing.assert_array_equal(zero[:, 0].clone().scatter(0, at, column).numpy(), last[:, 0])
    finally:
        d.set_num_threads(before)


def sort_arrays():
    rng = np.random.default_rng(1)
    for n in (0, 1, 2, 3, 16, 63, 64, 65, 255, 2048, 2049, 5000, 200000):
        rows = 3 if n < 10000 else 1
        yield rng.standard_normal((rows, n))
        yield rng.integers(-3, 4, (rows, n)).astype(np.float64)  # many ties
        special = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -1.5], (rows, n))
        yield special


DTYPES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("descending", [False, True])
def test_sort(dtype, descending):
    for a in sort_arrays():
        with np.errstate(invalid="ignore", over="ignore"):
            a = (np.nan_to_num(a, posinf=7, neginf=-7) if "int" in dtype else a).astype(dtype)
        y, index = d.sort(d.tensor(a), 1, descending, stable=True)
        # descending and stable: equals keep their order, NaN first
        ranked = a if dtype != "float16" else a.astype(np.float64)
        if descending:
            want = a.shape[1] - 1 - np.argsort(ranked[:, ::-1], 1, kind="stable")[:, ::-1]
        else:
            want = np.argsort(ranked, 1, kind="stable")
        np.testing.assert_array_equal(index.numpy(), want)
        np.testing.assert_array_equal(y.numpy(), np.take_along_axis(a, want, 1))
        np.testing.assert_array_equal(d.argsort(d.tensor(a), 1, descending).numpy(), want)


def test_sort_64_bit_keys():
    rng = np.random.default_rng(2)
    for n in (50, 1000, 70000):
        a = rng.integers(-(2**63), 2**63 - 1, n)
        np.testing.assert_array_equal(d.sort(d.tensor(a))[0].numpy(), np.sort(a))
        b = rng.integers(-5, 5, n) * 2**40 + rng.integers(0, 3, n)
        np.testing.assert_array_equal(d.argsort(d.tensor(b)).numpy(), np.argsort(b, kind="stable"))


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_sort_dims(dim):
    a = np.random.default_rng(3).standard_normal((4, 5, 6))
    y, index = d.sort(d.tensor(a), dim)
    np.testing.assert_array_equal(y.numpy(), np.sort(a, dim))
    np.testing.assert_array_equal(index.numpy(), np.argsort(a, dim))
    np.testing.assert_array_equal(
        d.sort(d.tensor(a).transpose(0, 2), dim)[0].numpy(), np.sort(a.transpose(2, 1, 0), dim)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int8"])
@pytest.mark.parametrize("largest", [False, True])
def test_topk_and_kthvalue(dtype, largest):
    for a in sort_arrays():
        n = a.shape[1]
        with np.errstate(invalid="ignore"):
            a = (np.nan_to_num(a, posinf=7, neginf=-7) if "int" in dtype else a).astype(dtype)
        order = np.sort(a, 1)[:, ::-1] if largest else np.sort(a, 1)
        if largest and a.dtype.kind == "f":
            order = np.take_along_axis(a, n - 1 - np.argsort(a[:, ::-1], 1, kind="stable")[:, ::-1], 1)
        for k in sorted({0, 1, 2, 5, n // 20, n // 2, n}):
            if k > n:
                continue
            y, index = d.topk(d.tensor(a), k, 1, largest)
            np.testing.assert_array_equal(y.numpy(), order[:, :k])
            np.testing.assert_array_equal(np.take_along_axis(a, index.numpy(), 1), order[:, :k])
            assert all(len(set(row)) == k for row in index.tolist())
            if k:
                v, at = d.kthvalue(d.tensor(a), k, 1)
                np.testing.assert_array_equal(v.numpy(), np.sort(a, 1)[:, k - 1])
                np.testing.assert_array_equal(np.take_along_axis(a, at.numpy()[:, None], 1)[:, 0], v.numpy())


def test_topk_of_rising_rows():
    """The worst order for a running bound."""
    a = np.arange(100000.0)
    np.testing.assert_array_equal(d.topk(d.tensor(a), 40)[0].numpy(), a[::-1][:40])
    np.testing.assert_array_equal(d.topk(d.tensor(a), 40, largest=False)[0].numpy(), a[:40])


@settings(max_examples=100)
@given(st.lists(st.integers(-4, 4), max_size=200), st.sampled_from(["int64", "int32", "float32", "uint8"]))
def test_unique(numbers, dtype):
    a = np.array(numbers).astype(dtype)
    want, inverse, counts = np.unique(a, return_inverse=True, return_counts=True)
    y, i, c = d.unique(d.tensor(a), return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(y.numpy(), want)
    np.testing.assert_array_equal(i.numpy(), inverse.reshape(-1))
    np.testing.assert_array_equal(c.numpy(), counts)
    y, i, c = d.unique_consecutive(d.tensor(a), return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(y.numpy()[i.numpy()], a)
    np.testing.assert_array_equal(np.repeat(y.numpy(), c.numpy()), a)
    assert (y.numpy()[1:] != y.numpy()[:-1]).all()


@settings(max_examples=60)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=40), st.sampled_from([0, 1]))
def test_unique_slices(rows, dim):
    a = np.array(rows)
    want, inverse, counts = np.unique(a, axis=dim, return_inverse=True, return_counts=True)
    y, i, c = d.unique(d.tensor(a), return_inverse=True, return_counts=True, dim=dim)
    np.testing.assert_array_equal(y.numpy(), want)
    np.testing.assert_array_equal(i.numpy(), inverse.reshape(-1))
    np.testing.assert_array_equal(c.numpy(), counts)


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "int8", "float16"])
def test_search(dtype, right):
    rng = np.random.default_rng(4)
    for n in (0, 1, 2, 15, 16, 17, 1000):
        b = np.sort(rng.integers(-50, 50, n)).astype(dtype)
        v = rng.integers(-60, 60, (7, 11)).astype(dtype)
        want = np.searchsorted(b, v, "right" if right else "left")
        got = d.searchsorted(d.tensor(b), d.tensor(v), right=right)
        assert got.dtype == d.int64
        np.testing.assert_array_equal(got.numpy(), want)
        np.testing.assert_array_equal(d.bucketize(d.tensor(v), d.tensor(b), right=right, out_int32=True).numpy(), want)
        order = rng.permutation(n)
        shuffled = b[order]
        got = d.searchsorted(
            d.tensor(shuffled), d.tensor(v), right=right, sorter=d.tensor(np.argsort(shuffled, kind="stable"))
        )
        np.testing.assert_array_equal(got.numpy(), want)
    rows = np.sort(rng.integers(-50, 50, (5, 30)), 1).astype(dtype)
    v = rng.integers(-60, 60, (5, 9)).astype(dtype)
    want = np.stack([np.searchsorted(r, x, "right" if right else "left") for r, x in zip(rows, v, strict=True)])
    np.testing.assert_array_equal(d.searchsorted(d.tensor(rows), d.tensor(v), right=right).numpy(), want)


def test_search_numbers():
    assert d.searchsorted(d.tensor([1, 2, 5]), 2.5).item() == 2
    assert d.bucketize(3.0, d.tensor([1.0, 2.0, 5.0])).item() == 2
    assert d.searchsorted(d.tensor([1.0, 2.0]), float("nan")).item() == 2


@pytest.mark.parametrize("shape", [(), (1,), (7,), (0, 3), (3, 300), (2, 3, 5), (70000,)])
def test_masks(shape):
    rng = np.random.default_rng(5)
    for density in (0.0, 0.3, 1.0):
        a, m = rng.standard_normal(shape), rng.random(shape) < density
        x, mask = d.tensor(a), d.tensor(m)
        np.testing.assert_array_equal(d.masked_select(x, mask).numpy(), a[m])
        np.testing.assert_array_equal(x[mask].numpy(), a[m])
        np.testing.assert_array_equal(d.nonzero(mask).numpy().reshape(-1), np.argwhere(m).reshape(-1))
        for got, want in zip(d.nonzero(mask, as_tuple=True), np.nonzero(np.atleast_1d(m)), strict=True):
            np.testing.assert_array_equal(got.numpy(), want)
        np.testing.assert_array_equal(d.masked_fill(x, mask, 3.0).numpy(), np.where(m, 3.0, a))
        source = rng.standard_normal(int(m.sum()) + 2)
        want = a.copy()
        want[m] = source[: int(m.sum())]
        np.testing.assert_array_equal(d.masked_scatter(x, mask, d.tensor(source)).numpy(), want)
        y = x.clone()
        y[mask] = d.tensor(source[: int(m.sum())])
        np.testing.assert_array_equal(y.numpy(), want)
        y = x.clone()
        y[mask] = -1
        np.testing.assert_array_equal(y.numpy(), np.where(m, -1.0, a))


def test_half_accumulates_in_float32():
    """4096 + 1 is 4096 in bfloat16: only a wide sum sees the ones."""
    index = d.zeros(512, dtype=d.int64)
    ones = d.ones(512).to(d.bfloat16)
    x = d.full((1,), 4096.0).to(d.bfloat16)
    want = 4096.0 + 512
    assert x.index_add(0, index, ones).item() == want
    assert x.scatter_add(0, index, ones).item() == want
    assert x.index_put((index,), ones, accumulate=True).item() == want


def test_source_shares_memory():
    x = d.tensor([0.0, 1.0, 2.0, 3.0])
    x.index_copy_(0, d.tensor([1, 2, 3]), x[:3])
    assert x.tolist() == [0.0, 0.0, 1.0, 2.0]
    y = d.tensor([0.0, 1.0, 2.0, 3.0])
    y[d.tensor([1, 2, 3])] = y[:3]
    assert y.tolist() == [0.0, 0.0, 1.0, 2.0]
    z = d.tensor([0.0, 1.0, 2.0, 3.0])
    z[1:] = z[:-1]
    assert z.tolist() == [0.0, 0.0, 1.0, 2.0]
