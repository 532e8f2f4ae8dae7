"""Sinkhorn attention equals dense attention under block masks where its order is a permutation."""

from itertools import permutations

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn.attention import BlockSparse, Causal, attention
from dlcore.nn.functional import scaled_dot_product_attention
from dlcore.nn.sinkhorn_attention import sinkhorn, sinkhorn_attention

HEADS, DEPTH, WIDTH = 2, 4, 3


def random(*shape, seed=0, **options):
    return dlcore.tensor(np.random.default_rng(seed).standard_normal(shape), **options)


def seeded(seed=0):
    return dlcore.Generator().manual_seed(seed)


def inputs(tokens):
    return [random(2, HEADS, tokens, d, seed=i) for i, d in enumerate((DEPTH, DEPTH, WIDTH))]


def assert_same(got, want):
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("causal", [False, True])
def test_one_block_is_dense(causal):
    q, k, v = inputs(13)
    got = sinkhorn_attention(q, k, v, dlcore.ones(1, 1, dtype=q.dtype), causal=causal, scale=0.3)
    assert_same(got, scaled_dot_product_attention(q, k, v, is_causal=causal, scale=0.3))


def test_permutation_is_a_block_mask():
    """Blocks that stay where they are meet themselves twice, which changes no weight."""
    q, k, v = inputs(20)
    for seed in range(3):
        to = np.random.default_rng(seed).permutation(5)
        order = np.eye(5)[to]
        mask = BlockSparse(dlcore.tensor((order + np.eye(5)) > 0), 4)
        assert_same(sinkhorn_attention(q, k, v, dlcore.tensor(order)), attention(q, k, v, mask))


def test_causal_permutation_is_a_causal_block_mask():
    q, k, v = inputs(20)
    order = np.zeros((5, 5))
    order[[1, 2, 3, 4], [0, 0, 2, 1]] = 1
    mask = BlockSparse(dlcore.tensor((order + np.eye(5)) > 0), 4) & Causal()
    future = order.copy()
    future[[0, 2, 3], [3, 4, 3]] = 5.0  # do not count
    assert_same(sinkhorn_attention(q, k, v, dlcore.tensor(future), causal=True), attention(q, k, v, mask))


def test_mixed_blocks_are_the_formula():
    q, k, v = inputs(6)
    order = random(2, HEADS, 3, 3, seed=4).softmax(-1)
    got = sinkhorn_attention(q, k, v, order).numpy()
    cut = [x.numpy().reshape(2, HEADS, 3, 2, -1) for x in (q, k, v)]
    ks, vs = (np.concatenate([np.einsum("nhst,nhtid->nhsid", order.numpy(), x), x], -2) for x in cut[1:])
    s = np.exp(cut[0] @ ks.swapaxes(-1, -2) / 2)
    want = (s / s.sum(-1, keepdims=True) @ vs).reshape(got.shape)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_sinkhorn_is_its_formula_and_doubly_stochastic():
    scores = random(2, 6, 6)
    s = np.exp(scores.numpy() / 0.5)
    for _ in range(3):
        s /= s.sum(-2, keepdims=True)
        s /= s.sum(-1, keepdims=True)
    np.testing.assert_allclose(sinkhorn(scores, iterations=3, temperature=0.5).numpy(), s, rtol=1e-12)
    s = sinkhorn(scores, iterations=200).numpy()
    np.testing.assert_allclose(s.sum(-1), 1, rtol=1e-12)
    np.testing.assert_allclose(s.sum(-2), 1, rtol=1e-9)


def test_sinkhorn_turns_into_the_best_permutation():
    scores = random(5, 5, seed=3)
    s = sinkhorn(scores, iterations=1000, temperature=0.01).numpy()
    best = max(permutations(range(5)), key=lambda p: scores.numpy()[range(5), p].sum())
    assert tuple(s.argmax(-1)) == best and s.max(-1).min() > 0.99


def test_causal_sinkhorn():
    scores = random(2, 6, 6)
    s = np.exp(scores.numpy()) * np.tril(np.ones((6, 6)), -1)
    for _ in range(3):
        s = np.divide(s, s.cumsum(-2), out=np.zeros_like(s), where=s > 0)
        s = s / np.maximum(s.sum(-1, keepdims=True), 1e-300)
    got = sinkhorn(scores, iterations=3, causal=True)
    np.testing.assert_allclose(got.numpy(), s, rtol=1e-12)
    np.testing.assert_allclose(got.numpy().sum(-1)[:, 1:], 1, rtol=1e-12)
    # Row i knows nothing of later rows, or of columns from i on.
    changed = scores.clone()
    changed[:, 4:] += 3 * random(2, 2, 6, seed=1)
    changed[:, :, 3:] -= 2
    again = sinkhorn(changed, iterations=3, causal=True)
    np.testing.assert_allclose(again.numpy()[:, :4], got.numpy()[:, :4], rtol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("iterations", [1, 4])
def test_gradients(causal, iterations):
    scores = random(2, 4, 4, requires_grad=True)
    weight = random(2, 4, 4, seed=1)

    def f(s):
        return (sinkhorn(s, iterations=iterations, temperature=0.7, causal=causal) * weight).sum()

    assert dlcore.autograd.gradcheck(f, [scores])
    order = random(2, HEADS, 3, 3, seed=4).softmax(-1).requires_grad_()
    x = [t.requires_grad_() for t in inputs(6)]
    assert dlcore.autograd.gradcheck(lambda *a: sinkhorn_attention(*a, causal=causal), [*x, order])


def test_gumbel_noise():
    """The noise has variance pi^2 / 6, to 5 standard errors, and follows its generator."""
    a, b, c = (sinkhorn(random(4, 4), gumbel=True, generator=seeded(s)) for s in (1, 1, 2))
    assert bool((a == b).all()) and not np.allclose(a.numpy(), c.numpy())
    s = sinkhorn(
        dlcore.zeros(20000, 2, 2, dtype=dlcore.float64), iterations=60, gumbel=True, generator=seeded()
    ).numpy()
    d = np.log(s[:, 0, 0] / s[:, 0, 1])  # ((g00 + g11) - (g01 + g10)) / 2: variance pi^2 / 6
    assert abs(d.mean()) < 5 * (np.pi**2 / 6 / len(d)) ** 0.5
    assert abs(d.var() / (np.pi**2 / 6) - 1) < 5 * (3 / len(d)) ** 0.5


@pytest.mark.parametrize("causal", [False, True])
def test_module_is_its_formula(causal):
    module = nn.SinkhornAttention(HEADS, DEPTH, 3, causal, gumbel=False, iterations=2, dtype=dlcore.float64)
    q, k, v = inputs(12)
    b = k.numpy().reshape(2, HEADS, 4, 3, DEPTH).mean(-2)
    a = q.numpy().reshape(2, HEADS, 4, 3, DEPTH).mean(-2)
    if causal:
        a = np.stack([q.numpy()[:, :, : 3 * s + 1].mean(-2) for s in range(4)], -2)
    scores = a @ module.weight.detach().numpy() @ b.swapaxes(-1, -2) / 2
    order = sinkhorn(dlcore.tensor(scores), iterations=2, temperature=0.75, causal=causal)
    assert_same(module.order(q, k), order)
    assert_same(module(q, k, v), sinkhorn_attention(q, k, v, order, causal=causal))


def test_module_learns_which_block_to_look_at():
    """Values of block s must be those of block s + 1: the order must find it."""
    dlcore.manual_seed(0)
    module = nn.SinkhornAttention(1, 8, 4, gumbel=False, temperature=0.5)
    marks = dlcore.eye(8).repeat_interleave(4, 0)[:24].reshape(1, 1, 24, 8)  # block t has mark t
    target = marks.roll(-4, -2)
    optimizer = dlcore.optim.Adam(module.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss = (module.order(4 * marks, 4 * marks) @ marks[..., ::4, :] - target[..., ::4, :]).square().mean()
        loss.backward()
        optimizer.step()
    order = module.order(4 * marks, 4 * marks).detach().numpy()[0, 0]
    np.testing.assert_array_equal(order.argmax(-1), (np.arange(6) + 1) % 6)
    assert order.max(-1).min() > 0.9


def ones(*shape, **options):
    return dlcore.ones(*shape, **options)


X = ones(1, HEADS, 6, DEPTH)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sinkhorn(3), TypeError, "scores must be a Tensor, but got int"),
        (lambda: sinkhorn(ones(2, 3)), RuntimeError, "scores must be square matrices"),
        (lambda: sinkhorn(ones(3, 3, dtype=dlcore.int64)), RuntimeError, "scores must be square matrices"),
        (lambda: sinkhorn(ones(3, 3), iterations=0), ValueError, r"iterations must be an int in \[1, 1000\]"),
        (lambda: sinkhorn(ones(3, 3), temperature=0), ValueError, "temperature must be positive"),
        (lambda: sinkhorn_attention(X, X, X, ones(4, 4)), RuntimeError, "where B divides 6"),
        (lambda: sinkhorn_attention(X, X, X, ones(2, 3)), RuntimeError, "order must have shape"),
        (lambda: sinkhorn_attention(X, X, X, ones(3, 2, 2)), RuntimeError, "order must have shape"),
        (lambda: sinkhorn_attention(X, X, X, ones(0, 0)), RuntimeError, "order must have shape"),
        (lambda: sinkhorn_attention(X, X, X, ones(2, 2).double()), RuntimeError, "of dlcore.float64"),
        (lambda: sinkhorn_attention(X, X, X, None), RuntimeError, "got NoneType"),
        (lambda: nn.SinkhornAttention(2, 4, 0), ValueError, "block must be an int in"),
        (lambda: nn.SinkhornAttention(2, 4, 2, temperature=-1), ValueError, "temperature must be positive"),
        (lambda: nn.SinkhornAttention(2, 4, 4)(X, X, X), RuntimeError, "a multiple of 4 tokens; got 6"),
        (lambda: nn.SinkhornAttention(3, 4, 3)(X, X, X), RuntimeError, "weight must have shape"),
        (lambda: nn.SinkhornAttention(2, 5, 3)(X, X, X), RuntimeError, "weight must have shape"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
