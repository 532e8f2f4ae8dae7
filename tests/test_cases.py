"""Runs the case table: values against float64 references, gradients, layouts, threads."""

import numpy as np
import pytest
from cases import load
from checks import EPS, SUBNORMAL, assert_close, contracted, flat, floating, numeric_gradient, tensors, to_array

import dlcore

CASES = load()
ids = [c.id for c in CASES]


def reference(case, arrays):
    if case.ref is not None:
        want = case.ref(*arrays)
        return [np.asarray(w) for w in (want if isinstance(want, (tuple, list)) else [want])]
    with dlcore.no_grad():
        return [to_array(t) for t in flat(case.fn(dlcore, *tensors(dlcore, arrays, "float64")))]


def rounded(case, arrays, dtype):
    """The arrays as `dtype` holds them, in float64: an op is not to blame for the rounding of its input."""
    return [to_array(t).astype(np.float64) if a.dtype.kind == "f" else a
            for a, t in zip(arrays, tensors(dlcore, arrays, dtype))]  # fmt: skip


def check_values(case, xs, want):
    got = flat(case.fn(dlcore, *xs))
    assert len(got) == len(want)
    for g, w in zip(got, want):
        if not floating(g):
            assert_close(to_array(g), w, 0, case.id)
            continue
        dtype = str(g.dtype).split(".")[-1]
        bound = case.eps_factor * EPS[dtype] * max(case.length, 1)
        assert_close(to_array(g), w, bound, case.id, case.length <= 1, case.scale, SUBNORMAL[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_value(case, dtype):
    if dtype not in case.dtypes:
        pytest.skip(f"{case.op} is not defined for {dtype}")
    arrays = rounded(case, case.arrays(), dtype)
    check_values(case, tensors(dlcore, arrays, dtype), reference(case, arrays))


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_strided_input(case):
    """Transposed-and-back and every-second-element views give what contiguous tensors give."""
    dtype = "float64" if "float64" in case.dtypes else case.dtypes[0]
    arrays = rounded(case, case.arrays(), dtype)
    want = reference(case, arrays)
    xs = []
    for a, t in zip(arrays, tensors(dlcore, arrays, dtype)):
        if a.ndim >= 2:
            t = t.transpose(0, -1).contiguous().transpose(0, -1)
        elif a.ndim == 1:
            wide = dlcore.stack([t, t], 1)
            t = wide[:, 0]
        xs.append(t)
    check_values(case, xs, want)


def unmade(t):
    """t, a floating point tensor, as one whose elements nobody has looked at yet: a view of an embedding's gradient."""
    weight = dlcore.zeros(t.numel(), 1, dtype=t.dtype, requires_grad=True)
    y = dlcore.embedding(weight, dlcore.arange(t.numel()), sparse=True)
    (rows,) = dlcore.autograd.grad(y, [weight], t.reshape(-1, 1))
    assert rows.is_sparse
    return rows.reshape(t.shape)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_elements_made_on_demand(case):
    dtype = "float64" if "float64" in case.dtypes else case.dtypes[0]
    arrays = rounded(case, case.arrays(), dtype)
    want = reference(case, arrays)
    xs = tensors(dlcore, arrays, dtype)
    for i, a in enumerate(arrays):
        if a.dtype.kind == "f" and not np.signbit(a[a == 0]).any():  # the sum that makes them has no -0
            xs[i] = unmade(xs[i])
    check_values(case, xs, want)


@pytest.mark.parametrize("case", [c for c in CASES if c.grad], ids=[c.id for c in CASES if c.grad])
def test_gradient(case):
    arrays = case.arrays()
    xs = tensors(dlcore, arrays, "float64", case.inputs, requires_grad=True)
    contracted(dlcore, case, xs).backward()
    checked = 0
    for i, x in enumerate(xs):
        if not floating(x) or not x.requires_grad:
            continue
        want = numeric_gradient(dlcore, case, arrays, i)
        if not want.size:
            assert x.grad is None or x.grad.shape == x.shape
            checked += 1
            continue
        got = np.zeros_like(want) if x.grad is None else to_array(x.grad)
        # Central differences: truncation h^2 f''' / 6 and rounding eps |f| / h, both about 1e-10 of the values' size.
        scale = np.abs(want).max() + 1.0
        assert got.shape == want.shape
        assert np.abs(got - want).max() <= 2e-7 * scale, f"{case.id}: input {i}\n{got}\n{want}"
        checked += np.abs(want).max() > 0
    assert checked, f"{case.id}: every gradient is zero, which would check nothing"


@pytest.mark.parametrize("case", [c for c in CASES if c.gradgrad], ids=[c.id for c in CASES if c.gradgrad])
def test_second_gradient(case):
    from dlcore.autograd import gradgradcheck

    xs = [x for x in tensors(dlcore, case.arrays(), "float64", case.inputs, requires_grad=True)]
    assert gradgradcheck(lambda *t: contracted(dlcore, case, t), xs)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_same_bits_for_any_thread_count(case):
    dtype = case.dtypes[0]
    arrays = case.arrays()
    before = dlcore.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 7):
            dlcore.set_num_threads(threads)
            xs = tensors(dlcore, arrays, dtype, case.inputs, requires_grad=case.grad)
            out = flat(case.fn(dlcore, *xs))
            bits = [to_array(o).tobytes() for o in out]
            if case.grad:
                contracted(dlcore, case, xs).backward()
                bits += [to_array(x.grad).tobytes() for x in xs if x.grad is not None]
            results.append(bits)
    finally:
        dlcore.set_num_threads(before)
    assert all(r == results[0] for r in results)
