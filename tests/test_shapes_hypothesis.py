"""Random shapes, strides and broadcasts against numpy: elementwise ops, reductions, products, indexing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlcore as d

EPS = 2.0**-52
few = settings(max_examples=150)
sizes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
filled = st.lists(st.integers(1, 5), max_size=4).map(tuple)


def values(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


@st.composite
def strided(draw, shapes=sizes, seed=0):
    """An array, and a tensor of the same values in some layout: permuted, with gaps, sliced, or expanded."""
    shape = draw(shapes)
    a = values(shape, seed + draw(st.integers(0, 3)))
    n = len(shape)
    layout = draw(st.sampled_from(["plain", "permuted", "gaps", "offset", "expanded"]))
    if layout == "permuted" and n:
        order = draw(st.permutations(range(n)))
        return a, d.tensor(np.ascontiguousarray(a.transpose(order))).permute(*np.argsort(order).tolist())
    if layout == "gaps" and n:
        wide = np.full((*shape, 3), np.nan)
        wide[..., 1] = a
        return a, d.tensor(wide)[..., 1]
    if layout == "offset" and n:
        wide = np.full(tuple(s + 3 for s in shape), np.nan)
        wide[tuple(slice(2, 2 + s) for s in shape)] = a
        return a, d.tensor(wide)[tuple(slice(2, 2 + s) for s in shape)]
    if layout == "expanded" and n:
        dim = draw(st.integers(0, n - 1))
        thin = values(shape[:dim] + (1,) + shape[dim + 1 :], seed)
        return np.broadcast_to(thin, shape), d.tensor(thin).expand(*shape)
    return a, d.tensor(a)


@st.composite
def broadcasting(draw, count):
    """Shapes that broadcast together."""
    full = draw(sizes)
    shapes = []
    for _ in range(count):
        kept = full[draw(st.integers(0, len(full))) :]
        shapes.append(tuple(1 if draw(st.booleans()) and draw(st.booleans()) else s for s in kept))
    return [draw(strided(st.just(shape), seed=10 * i)) for i, shape in enumerate(shapes)]


BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": np.maximum,
    "atan2": np.arctan2,
    "lt": np.less,
    "ge": np.greater_equal,
    "fmod": np.fmod,
}


@few
@given(broadcasting(2), st.sampled_from(sorted(BINARY)))
def test_binary(pair, name):
    (a, x), (b, y) = pair
    got = getattr(d, name)(x, y)
    want = BINARY[name](a, b)
    assert tuple(got.shape) == want.shape
    np.testing.assert_allclose(got.numpy(), want, rtol=4 * EPS, atol=0)


@few
@given(broadcasting(3))
def test_ternary_and_gradients(triple):
    """A gradient has its input's shape: what was broadcast is summed."""
    (a, x), (b, y), (c, z) = triple
    np.testing.assert_array_equal(d.where(x > 0, y, z).numpy(), np.where(a > 0, b, c))
    np.testing.assert_allclose(d.addcmul(x, y, z).numpy(), a + b * c, rtol=0, atol=8 * EPS * 30)
    leaves = [t.detach().clone().requires_grad_() for t in (x, y, z)]
    p, q, r = leaves
    out = p * q + r
    w = values(tuple(out.shape), 99)
    (out * d.tensor(w)).sum().backward()
    for leaf, full in zip(leaves, (w * b, w * a, w)):
        full = np.broadcast_to(full, w.shape)
        shape = tuple(leaf.shape)
        lead = full.ndim - len(shape)
        axes = tuple(range(lead)) + tuple(lead + i for i, s in enumerate(shape) if s == 1 and full.shape[lead + i] != 1)
        np.testing.assert_allclose(
            leaf.grad.numpy(), full.sum(axis=axes).reshape(shape), rtol=0, atol=(full.size + 4) * EPS * 30
        )


@few
@given(strided(), strided(seed=50))
def test_shapes_that_do_not_broadcast(one, other):
    (a, x), (b, y) = one, other
    try:
        want = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        for call in (lambda: x + y, lambda: d.where(x > 0, x, y), lambda: d.broadcast_tensors(x, y)):
            with pytest.raises((RuntimeError, ValueError)):
                call()
    else:
        assert tuple((x + y).shape) == want


@few
@given(strided(filled), st.sampled_from(["add_", "mul_", "sub_", "div_", "copy_"]), st.data())
def test_in_place(target, name, data):
    """What is written lies where it should, and nowhere else."""
    a, x = target
    source = data.draw(strided(st.just(a.shape[data.draw(st.integers(0, a.ndim)) :]), seed=70))
    b, y = source
    if len(set(x.stride())) and 0 in x.stride() and any(s > 1 and t == 0 for s, t in zip(x.shape, x.stride())):
        return  # expanded: several elements in one place
    got = getattr(x, name)(y)
    ops = {"add_": np.add, "mul_": np.multiply, "sub_": np.subtract, "div_": np.divide, "copy_": lambda p, q: q + 0 * p}
    np.testing.assert_allclose(got.numpy(), ops[name](a, b), rtol=2 * EPS)
    assert got is x


UNARY = {"exp": np.exp, "tanh": np.tanh, "abs": np.abs, "neg": np.negative, "sin": np.sin, "floor": np.floor}


@few
@given(strided(), st.sampled_from(sorted(UNARY)))
def test_unary(pair, name):
    a, x = pair
    np.testing.assert_allclose(getattr(d, name)(x).numpy(), UNARY[name](a), rtol=4 * EPS)


REDUCTIONS = {"sum": np.sum, "prod": np.prod, "amax": np.max, "any": np.any, "all": np.all, "mean": np.mean}


@few
@given(strided(), st.sampled_from(sorted(REDUCTIONS)), st.data(), st.booleans())
def test_reductions(pair, name, data, keepdim):
    a, x = pair
    if a.ndim == 0:
        return
    dims = tuple(data.draw(st.lists(st.integers(0, a.ndim - 1), min_size=1, unique=True)))
    if name == "prod":
        dims = dims[:1]
    if name in ("amax", "mean") and any(a.shape[k] == 0 for k in dims):
        return
    named = tuple(k - a.ndim if data.draw(st.booleans()) else k for k in dims)
    got = getattr(x, name)(named if len(named) > 1 else named[0], keepdim)
    want = REDUCTIONS[name](a, axis=dims, keepdims=keepdim)
    assert tuple(got.shape) == want.shape
    size = np.abs(a).sum(axis=dims, keepdims=keepdim) if name != "prod" else np.abs(want)
    assert (np.abs(got.numpy() * 1.0 - want * 1.0) <= (a.size + 2) * EPS * size).all()


@few
@given(strided(filled), st.data())
def test_running_results(pair, data):
    a, x = pair
    if a.ndim == 0:
        return
    dim = data.draw(st.integers(-a.ndim, a.ndim - 1))
    np.testing.assert_allclose(x.cumsum(dim).numpy(), a.cumsum(dim), rtol=0, atol=a.size * EPS * 20)
    np.testing.assert_array_equal(x.cummax(dim).values.numpy(), np.maximum.accumulate(a, dim))
    np.testing.assert_array_equal(x.sort(dim).values.numpy(), np.sort(a, dim))
    np.testing.assert_array_equal(x.flip(dim).numpy(), np.flip(a, dim))
    np.testing.assert_array_equal(x.roll(2, dim).numpy(), np.roll(a, 2, dim))
    y = x.softmax(dim).numpy()
    e = np.exp(a - a.max(dim, keepdims=True))
    np.testing.assert_allclose(y, e / e.sum(dim, keepdims=True), rtol=(a.shape[dim] + 12) * EPS)


@few
@given(st.data())
def test_matmul(data):
    """Vectors, matrices and broadcast batches of them, in any layout."""
    m, k, n = (data.draw(st.integers(0, 6)) for _ in range(3))
    kind = data.draw(st.sampled_from(["vv", "vm", "mv", "mm", "bmm", "b m", "m b"]))
    batch = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple))
    thinner = tuple(1 if data.draw(st.booleans()) else s for s in batch)[data.draw(st.integers(0, len(batch))) :]
    left = {"vv": (k,), "vm": (k,), "b m": (*batch, m, k), "bmm": (*batch, m, k)}.get(kind, (m, k))
    right = {"vv": (k,), "mv": (k,), "m b": (*batch, k, n), "bmm": (*thinner, k, n)}.get(kind, (k, n))
    a, x = data.draw(strided(st.just(left)))
    b, y = data.draw(strided(st.just(right), seed=30))
    got, want = x @ y, a @ b
    assert tuple(got.shape) == want.shape
    bound = (k + 2) * EPS * (np.abs(a) @ np.abs(b))
    assert (np.abs(got.numpy() - want) <= bound).all()


@few
@given(st.data())
def test_matmul_of_wrong_shapes(data):
    a, x = data.draw(strided())
    b, y = data.draw(strided(seed=30))
    try:
        want = np.matmul(a, b).shape
    except ValueError:
        with pytest.raises((RuntimeError, IndexError, ValueError)):
            x @ y
    else:
        assert tuple((x @ y).shape) == want


@st.composite
def indices(draw, shape):
    """A numpy index, and the same for tensors."""
    ours, theirs, left = [], [], list(shape)
    advanced, wide = 0, draw(st.integers(1, 3))
    ellipsis_left = True
    while left and draw(st.integers(0, 5)):
        kind = draw(st.sampled_from(["int", "slice", "slice", "none", "list", "mask", "ellipsis"]))
        size = left[0]
        if kind == "none":
            ours.append(None), theirs.append(None)
            continue
        if kind == "ellipsis":
            if ellipsis_left:
                skip = draw(st.integers(0, len(left)))
                del left[:skip]
                ellipsis_left = False
                # An ellipsis takes as many dimensions as are left over: the rest of the index takes the others.
                ours += [slice(None)] * skip
                theirs += [slice(None)] * skip
            continue
        if kind == "int" and size:
            i = draw(st.integers(-size, size - 1))
            if advanced:  # numpy counts an integer beside arrays as one more array
                ours.append(slice(None)), theirs.append(slice(None))
            else:
                ours.append(i), theirs.append(i)
        elif kind == "list" and size and not any(isinstance(i, int) for i in ours):
            chosen = np.array(
                draw(st.lists(st.integers(-size, size - 1), min_size=wide, max_size=wide)), dtype=np.int64
            )
            advanced += 1
            ours.append(d.tensor(chosen)), theirs.append(chosen)
        elif kind == "mask" and not advanced and not any(isinstance(i, int) for i in ours):
            mask = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=bool)
            advanced += 1
            wide = int(mask.sum()) or 1
            if mask.sum() == 0:
                advanced = 100
            ours.append(d.tensor(mask)), theirs.append(mask)
            if mask.sum() == 0:
                break
        else:
            s = slice(
                draw(st.none() | st.integers(-6, 6)), draw(st.none() | st.integers(-6, 6)), draw(st.integers(1, 3))
            )
            ours.append(s), theirs.append(s)
        del left[0]
    if draw(st.booleans()) and ellipsis_left:
        ours.append(...), theirs.append(...)
    return tuple(ours), tuple(theirs)


@settings(max_examples=400)
@given(strided(), st.data())
def test_indexing(pair, data):
    a, x = pair
    ours, theirs = data.draw(indices(a.shape))
    np.testing.assert_array_equal(x[ours].numpy(), a[theirs])


@settings(max_examples=400)
@given(strided(), st.data())
def test_writing_by_index(pair, data):
    a, _ = pair
    a = np.array(a)
    x = d.tensor(a)
    ours, theirs = data.draw(indices(a.shape))
    shape = a[theirs].shape
    arrays = [i for i in theirs if isinstance(i, np.ndarray) and i.dtype != bool]
    places = list(zip(*(i.tolist() for i in arrays)))
    sizes = [s for s, i in zip(a.shape, [i for i in theirs if i is not None]) if isinstance(i, np.ndarray)]
    unique = len({tuple(p % s for p, s in zip(place, sizes)) for place in places}) == len(places)
    value = values(shape[data.draw(st.integers(0, len(shape))) :], 5)
    if not unique:
        value = np.float64(2.5)  # who writes last is not said
    x[ours] = d.tensor(value)
    a[theirs] = value
    np.testing.assert_array_equal(x.numpy(), a)
    x[ours] += 1
    a[theirs] += 1
    np.testing.assert_array_equal(x.numpy(), a)


@few
@given(strided(filled), st.data())
def test_gather_and_scatter(pair, data):
    a, x = pair
    if a.ndim == 0:
        return
    dim = data.draw(st.integers(0, a.ndim - 1))
    shape = list(a.shape)
    shape[dim] = data.draw(st.integers(0, 6))
    seed = data.draw(st.integers(0, 9))
    index = np.random.default_rng(seed).integers(0, a.shape[dim], shape)
    np.testing.assert_array_equal(x.gather(dim, d.tensor(index)).numpy(), np.take_along_axis(a, index, dim))
    chosen = index.take(0, axis=(dim + 1) % a.ndim).ravel() if a.ndim > 1 and shape[dim] else index.ravel()
    np.testing.assert_array_equal(x.index_select(dim, d.tensor(chosen)).numpy(), a.take(chosen, dim))
    added = np.array(a)
    source = values(shape, 8)
    places = list(np.indices(shape))
    places[dim] = index
    np.add.at(added, tuple(places), source)
    np.testing.assert_allclose(
        x.scatter_add(dim, d.tensor(index), d.tensor(source)).numpy(), added, rtol=0, atol=40 * EPS
    )


@few
@given(st.data())
def test_cat_and_stack(data):
    shape = data.draw(filled.filter(len))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    pairs = []
    for i in range(data.draw(st.integers(1, 4))):
        one = list(shape)
        one[dim] = data.draw(st.integers(0, 4))
        pairs.append(data.draw(strided(st.just(tuple(one)), seed=i)))
    got = d.cat([x for _, x in pairs], dim)
    np.testing.assert_array_equal(got.numpy(), np.concatenate([a for a, _ in pairs], dim))
    same = [data.draw(strided(st.just(shape), seed=i)) for i in range(3)]
    np.testing.assert_array_equal(d.stack([x for _, x in same], dim).numpy(), np.stack([a for a, _ in same], dim))


@few
@given(strided(), st.data())
def test_reshape_and_permute(pair, data):
    a, x = pair
    order = data.draw(st.permutations(range(a.ndim)))
    np.testing.assert_array_equal(x.permute(*order).numpy() if order else x.numpy(), a.transpose(order))
    for shape in ((-1,), (a.size,), (*a.shape, 1), (1, *a.shape)):
        if a.size == 0 and -1 in shape:
            continue
        np.testing.assert_array_equal(x.permute(*order).reshape(shape).numpy() if order else x.reshape(shape).numpy(),
                                      a.transpose(order).reshape(shape))  # fmt: skip
    np.testing.assert_array_equal(x.to(d.float32).numpy(), a.astype(np.float32))
    np.testing.assert_array_equal(x.clone().numpy(), a)
    assert d.tensor(x.tolist(), dtype=d.float64).numel() == a.size
