"""Views share storage, count in-place writes, and follow numpy through random chains of views and writes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_chains import chain, run_chain

import dlcore as d

VIEWS = {
    "select": (lambda x: x.select(1, 2), lambda a: a[:, 2]),
    "narrow": (lambda x: x.narrow(2, 1, 3), lambda a: a[:, :, 1:4]),
    "transpose": (lambda x: x.transpose(0, 2), lambda a: a.swapaxes(0, 2)),
    "permute": (lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    "movedim": (lambda x: x.movedim(0, 2), lambda a: np.moveaxis(a, 0, 2)),
    "mT": (lambda x: x.mT, lambda a: a.swapaxes(1, 2)),
    "slice": (lambda x: x[::2, 1:], lambda a: a[::2, 1:]),
    "step": (lambda x: x[:, :, 1::3], lambda a: a[:, :, 1::3]),
    "integer": (lambda x: x[1], lambda a: a[1]),
    "negative": (lambda x: x[-1, ..., -2], lambda a: a[-1, ..., -2]),
    "newaxis": (lambda x: x[:, None, 0], lambda a: a[:, None, 0]),
    "view": (lambda x: x.view(3, 20), lambda a: a.reshape(3, 20)),
    "view -1": (lambda x: x.view(-1), lambda a: a.reshape(-1)),
    "reshape": (lambda x: x.reshape(12, 5), lambda a: a.reshape(12, 5)),
    "flatten": (lambda x: x.flatten(1), lambda a: a.reshape(3, 20)),
    "unflatten": (lambda x: x.unflatten(1, (2, 2)), lambda a: a.reshape(3, 2, 2, 5)),
    "unsqueeze": (lambda x: x.unsqueeze(1), lambda a: a[:, None]),
    "squeeze": (lambda x: x[:1].squeeze(0), lambda a: a[0]),
    "expand": (lambda x: x[:, :1].expand(3, 7, 5), lambda a: np.broadcast_to(a[:, :1], (3, 7, 5))),
    "diagonal": (lambda x: x.diagonal(0, 1, 2), lambda a: a.diagonal(0, 1, 2)),
    "split": (lambda x: x.split(2, 1)[1], lambda a: a[:, 2:4]),
    "chunk": (lambda x: x.chunk(2, 2)[0], lambda a: a[:, :, :3]),
    "unbind": (lambda x: x.unbind(1)[3], lambda a: a[:, 3]),
    "detach": (lambda x: x.detach(), lambda a: a),
    "as_strided": (lambda x: d.as_strided(x, (2, 3), (7, 2), 4), lambda a: a.reshape(-1)[[[4, 6, 8], [11, 13, 15]]]),
    "T": (lambda x: x[0].T, lambda a: a[0].T),
    "movedim back": (lambda x: x.transpose(0, 1)[1], lambda a: a.swapaxes(0, 1)[1]),
}


def fresh():
    a = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    return d.tensor(a), a


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_shares_storage(name):
    view, expected = VIEWS[name]
    x, a = fresh()
    v = view(x)
    np.testing.assert_array_equal(v.numpy(), expected(a))
    x[:] = x.clone() * 2 + 1
    np.testing.assert_array_equal(v.numpy(), expected(a * 2 + 1))
    if name == "expand":
        with pytest.raises(RuntimeError):
            v.add_(1)
        return
    v.zero_()
    left = np.ones_like(a, dtype=bool)
    touched = set(expected(a).ravel().astype(int).tolist())
    left.reshape(-1)[list(touched)] = False
    np.testing.assert_array_equal(x.numpy(), np.where(left, a * 2 + 1, 0))
    assert v.untyped_storage().data_ptr() == x.untyped_storage().data_ptr() if hasattr(v, "untyped_storage") else True


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_to_either_is_counted_on_both(name):
    view, _ = VIEWS[name]
    x, _ = fresh()
    v = view(x)
    assert v._version == x._version
    before = x._version
    x.mul_(2)
    assert x._version == v._version == before + 1
    if name != "expand":
        v.add_(1)
        assert x._version == v._version == before + 2
    copy = v.clone()
    copy.add_(1)
    assert x._version == v._version and copy._version == 1


@pytest.mark.parametrize("name", [n for n in VIEWS if n not in ("expand", "detach")])
def test_a_saved_tensor_notices_a_write_through_a_view(name):
    view, _ = VIEWS[name]
    x, _ = fresh()
    w = d.ones(3, 4, 5, requires_grad=True)
    y = (w * x).sum()
    view(x).add_(1)
    with pytest.raises(RuntimeError, match="modified|in-place|in place|inplace"):
        y.backward()


@pytest.mark.parametrize("name", [n for n in VIEWS if n not in ("expand", "detach")])
def test_recorded_writes_are_counted_too(name):
    """A write that becomes part of the base's history, through a view or to the base itself."""
    view, _ = VIEWS[name]
    for target in (view, lambda t: t):
        base = d.rand(3, 4, 5, requires_grad=True) * 1
        other = view(base)
        y = (base * base).sum()
        target(base).mul_(d.tensor(2.0, requires_grad=True))
        assert base._version == other._version == 1
        with pytest.raises(RuntimeError, match="modified|in-place|in place|inplace"):
            y.backward()


def test_copies_are_no_views():
    x, a = fresh()
    for f in (
        lambda t: t.clone(),
        lambda t: t.transpose(0, 1).contiguous(),
        lambda t: t.transpose(0, 1).reshape(-1),
        lambda t: t.flip(0),
        lambda t: t[[0, 1, 2]],
        lambda t: t[t > -1],
        lambda t: t.repeat(1, 1, 1),
        lambda t: t.roll(0, 0),
        lambda t: d.cat([t]),
        lambda t: t.to(d.float64),
    ):
        f(x).zero_()
        np.testing.assert_array_equal(x.numpy(), a)


def test_views_that_cannot_be():
    x, _ = fresh()
    with pytest.raises(RuntimeError, match="view"):
        x.transpose(0, 1).view(-1)
    for bad in ((7, 9), (-1, -1), (-1, 7), (0, -1)):
        with pytest.raises(RuntimeError):
            x.view(*bad)
    with pytest.raises(RuntimeError):
        x.expand(3, 8, 5)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.select(3, 0),
        lambda x: x.select(0, 3),
        lambda x: x.select(0, -4),
        lambda x: x.transpose(0, 3),
        lambda x: x.permute(0, 1),
        lambda x: x.permute(0, 0, 1),
        lambda x: x.narrow(0, 1, 3),
        lambda x: x.narrow(0, -5, 1),
        lambda x: x.narrow(0, 0, -1),
        lambda x: x.unsqueeze(5),
        lambda x: x.squeeze(9),
        lambda x: x.diagonal(0, 1, 1),
        lambda x: x.split(-1),
        lambda x: x.split([1, 1]),
        lambda x: x.chunk(0),
        lambda x: x.unflatten(1, (3, 2)),
        lambda x: d.as_strided(x, (100,), (1,)),
        lambda x: d.as_strided(x, (2,), (-1,)),
        lambda x: d.as_strided(x, (2,), (2**62,)),
        lambda x: x[0, 0, 0, 0],
        lambda x: x["a"],
        lambda x: x[1.0],
        lambda x: x.view(2**40, 2**40),
        lambda x: d.as_strided(x, (2**40, 2**40), (1, 1)),
        lambda x: x.expand(2**40, 2**40, 3, 4, 5),
    ],
)
def test_views_with_wrong_arguments(call):
    with pytest.raises((RuntimeError, IndexError, ValueError, TypeError)):
        call(fresh()[0])


def test_a_view_outlives_its_base():
    v = d.arange(10.0)[3:6]
    for _ in range(100):
        d.full((10,), 7.0)  # would take the freed block
    assert v.tolist() == [3, 4, 5]


def test_overlapping_copies():
    for source, target in ((slice(0, 9), slice(1, 10)), (slice(1, 10), slice(0, 9)), (slice(9, None), slice(0, 1))):
        x, a = d.arange(10.0), np.arange(10.0, dtype=np.float32)
        x[target] = x[source]
        a[target] = a[source].copy()
        np.testing.assert_array_equal(x.numpy(), a)
    x, a = d.arange(9.0).view(3, 3), np.arange(9.0).reshape(3, 3)
    x.copy_(x.t())
    np.testing.assert_array_equal(x.numpy(), a.T)
    x += x.t()
    np.testing.assert_array_equal(x.numpy(), a.T + a)
    y = d.arange(6.0)
    y[1:].add_(y[:-1])
    np.testing.assert_array_equal(y.numpy(), [0, 1, 3, 5, 7, 9])


def test_a_view_of_a_written_base_feeds_two_ops():
    """The view's history is made anew when the first op asks for it: older than that op, or backward meets it twice."""
    x = d.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1.0
    v = y[0]
    y.mul_(3)
    (v.exp() + v).backward()
    np.testing.assert_allclose(x.grad.numpy(), [3 * np.exp(3.0) + 3, 0], rtol=1e-6)


@settings(max_examples=300)
@given(st.data())
def test_chains_of_views_and_writes(data):
    """The base and every view on the way hold what numpy's hold."""
    shape, steps = chain(data.draw)
    a = np.arange(1, 1 + int(np.prod(shape)), dtype=np.float64).reshape(shape)
    x = d.tensor(a)
    pairs = run_chain(steps, x, a)
    for t, b in pairs:
        np.testing.assert_array_equal(t.numpy(), b)
        assert t.shape == b.shape and t.is_contiguous() == t.numpy().flags.c_contiguous
