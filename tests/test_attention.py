"""Attention: dropout that is replayed, threads, rows without keys, memory, second derivatives, changed inputs."""

import numpy as np
import pytest

import dlcore
from dlcore.nn.functional import scaled_dot_product_attention as attention

# lead, queries, keys, depth, width: few planes are cut over blocks, many planes are not cut
SHAPES = [((2, 3), 200, 330, 16, 24), ((1,), 600, 130, 17, 5), ((40,), 70, 66, 8, 8), ((33, 2), 5, 3, 4, 4)]


def inputs(lead, queries, keys, depth, width, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(*lead, queries, depth), (*lead, keys, depth), (*lead, keys, width)]
    return [dlcore.tensor(rng.standard_normal(s).astype(dtype), requires_grad=True) for s in shapes]


def random_like(t, seed=1):
    return dlcore.tensor(np.random.default_rng(seed).standard_normal(tuple(t.shape)), dtype=t.dtype)


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"dropout_p": 0.3}])
@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_for_any_thread_count(shape, options):
    q, k, v = inputs(*shape)
    before, results = dlcore.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 7):
            dlcore.set_num_threads(threads)
            dlcore.manual_seed(5)
            y = attention(q, k, v, **options)
            grads = dlcore.autograd.grad(y, (q, k, v), random_like(y))
            results.append([t.detach().numpy().tobytes() for t in (y, *grads)])
    finally:
        dlcore.set_num_threads(before)
    assert all(r == results[0] for r in results[1:])


def factors_of(q, k, options, seed):
    """What dropout multiplies each weight by: values that show every weight by itself."""
    keys = k.shape[-2]
    eye = dlcore.eye(keys, dtype=q.dtype).expand(*k.shape[:-1], keys)
    dlcore.manual_seed(seed)
    with dlcore.no_grad():
        dropped = attention(q, k, eye, **options)
        plain = attention(q, k, eye, **{n: o for n, o in options.items() if n != "dropout_p"})
    return plain, dropped


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_dropout_is_replayed_in_backward(shape, causal):
    """With the weights' factors recovered, y and all gradients are those of plain ops."""
    p, options = 0.25, {"dropout_p": 0.25, "is_causal": causal}
    q, k, v = inputs(*shape, dtype="float64")
    plain, dropped = factors_of(q, k, options, 7)
    kept = (dropped != 0) | (plain == 0)
    np.testing.assert_allclose(dropped.numpy(), (plain * kept / (1 - p)).numpy(), rtol=1e-13, atol=1e-300)
    n = float((plain != 0).sum())
    share = 1 - float(((plain != 0) & kept).sum()) / n
    assert abs(share - p) < 5 * (p * (1 - p) / n) ** 0.5
    dlcore.manual_seed(7)
    y = attention(q, k, v, **options)
    dy = random_like(y)
    grads = dlcore.autograd.grad(y, (q, k, v), dy)
    s = q @ k.mT * q.shape[-1] ** -0.5
    if causal:
        s = s.masked_fill(~dlcore.ones(*s.shape[-2:], dtype=dlcore.bool).tril(), -float("inf"))
    want = (s.softmax(-1) * kept / (1 - p)) @ v
    for a, b in zip((y, *grads), (want, *dlcore.autograd.grad(want, (q, k, v), dy)), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)


def test_dropout_is_independent():
    """Weights that lie apart by a plane, a query, a key, or a block of 64 of either are dropped together by chance."""
    p = 0.5
    q, k, _ = inputs((2, 3), 130, 200, 4, 4)
    _, dropped = factors_of(q, k, {"dropout_p": p}, 11)
    kept = (dropped.numpy() != 0).reshape(6, 130, 200)
    for axis, step in ((0, 1), (0, 3), (1, 1), (1, 2), (1, 64), (2, 1), (2, 4), (2, 16), (2, 64), (2, 128)):
        moved = np.moveaxis(kept, axis, 0)
        alike = moved[step:] == moved[:-step]
        assert abs(alike.mean() - 0.5) < 5 * 0.5 / alike.size**0.5


def test_dropout_follows_the_generator():
    q, k, v = inputs((2,), 30, 80, 8, 8)
    dlcore.manual_seed(3)
    a = attention(q, k, v, dropout_p=0.5)
    b = attention(q, k, v, dropout_p=0.5)
    dlcore.manual_seed(3)
    c = attention(q, k, v, dropout_p=0.5)
    assert bool((a == c).all()) and not bool((a == b).all())
    y = attention(q, k, v, dropout_p=1.0)
    assert bool((y == 0).all())
    for g in dlcore.autograd.grad(y, (q, k, v), random_like(y)):
        assert bool((g == 0).all())


def test_queries_without_keys():
    """Their results and gradients are zeros, and the others' what they are without them."""
    q, k, v = inputs((2,), 100, 90, 8, 8)
    allowed = np.random.default_rng(0).random((100, 90)) < 0.5
    allowed[[0, 40, 64, 99]] = False
    bias = np.where(allowed, 0.0, -np.inf).astype("float32")
    for mask in (dlcore.tensor(allowed), dlcore.tensor(bias, requires_grad=True)):
        y = attention(q, k, v, mask)
        leaves = (q, k, v, mask)[: 4 if mask.requires_grad else 3]
        dy = random_like(y)
        grads = dlcore.autograd.grad(y, leaves, dy)
        some = dlcore.tensor(allowed.any(1))
        for t in (y, grads[0]):
            assert bool((t[:, ~some] == 0).all()) and bool((t[:, some] != 0).any())
        assert all(bool(g.isfinite().all()) for g in grads)
        if len(grads) == 4:
            assert bool((grads[3][~dlcore.tensor(allowed)] == 0).all())
        rows = dlcore.autograd.grad(attention(q[:, some], k, v, mask[some]), (k, v), dy[:, some])
        for a, b in zip(grads[1:3], rows, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 7, 16, 33, 128])
def test_a_query_with_one_key_has_no_gradient(width, dtype):
    """dy . v and dy . y are the same number then, and they are added up in the same order."""
    q, k, v = inputs((3,), 40, 70, 8, width, dtype)
    y = attention(q, k, v, is_causal=True)  # the first query has one key
    dy = random_like(y)
    dq, _, _ = dlcore.autograd.grad(y, (q, k, v), dy)
    assert (dq[:, 0] == 0).all() and (dq[:, 1:] != 0).any()


def test_a_column_of_infinities():
    """A mask (queries, 1) in float: -infinity leaves a query without keys, another number changes nothing."""
    q, k, v = inputs((2,), 100, 90, 8, 8, dtype="float64")
    column = np.where(np.arange(100) % 3 == 0, -np.inf, 1.5)[:, None]
    y, plain = attention(q, k, v, dlcore.tensor(column)).detach().numpy(), attention(q, k, v).detach().numpy()
    assert (y[:, ::3] == 0).all()
    np.testing.assert_allclose(y[:, 1::3], plain[:, 1::3], rtol=0, atol=(8 + 90) * 2.0**-52 * 8)


@pytest.mark.parametrize("queries", [1, 4, 5])
def test_few_queries_without_a_graph(queries):
    """Decoding reads keys where they lie: the same results as with a graph, which packs them."""
    q, k, v = inputs((2, 4), queries, 300, 17, 47, dtype="float64")
    k, v = k[:, :2], v[:, :2]
    rng = np.random.default_rng(0)
    some, bias = dlcore.tensor(rng.random((queries, 300)) < 0.5), dlcore.tensor(rng.standard_normal((2, 1, queries, 1)))
    for options in ({}, {"is_causal": True}, {"attn_mask": some}, {"attn_mask": some[:, :1]}, {"attn_mask": bias},
                    {"dropout_p": 0.4}):  # fmt: skip
        dlcore.manual_seed(1)
        want = attention(q, k, v, enable_gqa=True, **options)
        dlcore.manual_seed(1)
        with dlcore.no_grad():
            y = attention(q, k, v, enable_gqa=True, **options)
        # Sums of 17 and of 300 products, in another order.
        np.testing.assert_allclose(y.numpy(), want.detach().numpy(), rtol=0, atol=(17 + 300) * 2.0**-52 * 8)


def test_large_scores_and_infinities():
    q, k, v = inputs((1,), 70, 70, 4, 4)
    y = attention(q * 1e4, k * 1e4, v)  # one weight is 1
    assert bool(y.isfinite().all())
    best = (q @ k.mT)[0].argmax(-1)
    np.testing.assert_array_equal(y[0].detach().numpy(), v[0][best].detach().numpy())
    x = q.detach().clone()
    x[0, 5] = float("nan")
    assert bool(attention(x, k, v)[0, 5].isnan().all()) and bool(attention(x, k, v)[0, 6].isfinite().all())


def test_gradients_of_gradients_with_dropout():
    """Where the graph is made, backward runs in plain ops: the same gradients, which have gradients themselves."""
    q, k, v = inputs((2, 2), 9, 70, 3, 2, dtype="float64")
    for options in ({"dropout_p": 0.4}, {"dropout_p": 0.4, "is_causal": True}, {"dropout_p": 1.0}):
        results = []
        for create_graph in (False, True):
            dlcore.manual_seed(2)
            y = attention(q, k, v, **options)
            results.append(dlcore.autograd.grad(y, (q, k, v), random_like(y), create_graph=create_graph))
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-11, atol=1e-12)
    total = sum((g * random_like(g)).sum() for g in results[1])
    assert all(bool(g.isfinite().all()) for g in dlcore.autograd.grad(total, (q, k, v)))


def test_memory_is_linear():
    """Nothing of size queries x keys: 8192 x 8192 of float32 would be 256 MB."""
    q, k, v = inputs((1,), 8192, 8192, 8, 8)
    attention(q[:, :64], k[:, :64], v[:, :64], is_causal=True).sum().backward()
    before = dlcore.memory_stats()
    dlcore.reset_peak_memory_stats()
    y = attention(q, k, v, is_causal=True)
    y.backward(dlcore.ones_like(y))
    assert dlcore.memory_stats()["peak_allocated_bytes"] - before["allocated_bytes"] < 64 * 2**20


def test_changed_inputs_are_refused():
    q, k, v = inputs((1,), 4, 4, 4, 4)
    held = v * 1
    y = attention(q, k, held)
    held.add_(1)
    with pytest.raises(RuntimeError):
        y.sum().backward()


def test_views_of_one_tensor():
    """Heads split from one projection: read where they lie, and gradients flow back into it."""
    x = dlcore.tensor(np.random.default_rng(0).standard_normal((2, 70, 3, 2, 8)), requires_grad=True)
    q, k, v = (x.select(2, i).transpose(1, 2) for i in range(3))
    y = attention(q, k, v)
    assert y.transpose(1, 2).is_contiguous()  # so that heads join without a copy
    dy = random_like(y)
    (dx,) = dlcore.autograd.grad(y, (x,), dy)
    copies = [t.detach().clone().contiguous().requires_grad_() for t in (q, k, v)]
    for i, g in enumerate(dlcore.autograd.grad(attention(*copies), copies, dy)):
        np.testing.assert_allclose(dx.select(2, i).transpose(1, 2).numpy(), g.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("p", [-0.5, 1.5, float("nan")])
def test_dropout_is_a_probability(p):
    with pytest.raises(RuntimeError, match="dropout_p must be in"):
        attention(*inputs((1,), 4, 4, 4, 4), dropout_p=p)
