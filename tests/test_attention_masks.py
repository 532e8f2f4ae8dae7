"""Attention under masks given as structure equals dense attention under the same mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dlcore
from dlcore.nn.attention import BlockSparse, Causal, Global, KeyPadding, Mask, SlidingWindow, Strided, attention
from dlcore.nn.functional import scaled_dot_product_attention

BATCH = 2


@st.composite
def masks(draw, queries, keys, depth=2):
    """A mask, and the same as numpy (batch, queries, keys)."""
    i, j = np.arange(queries)[:, None], np.arange(keys)[None, :]
    kinds = ["causal", "window", "strided", "global", "padding", "blocks"]
    kind = draw(st.sampled_from(kinds + (["and", "or", "or"] if depth else [])))
    if kind in ("and", "or"):
        (a, x), (b, y) = draw(masks(queries, keys, depth - 1)), draw(masks(queries, keys, depth - 1))
        return (a & b, x & y) if kind == "and" else (a | b, x | y)
    if kind == "causal":
        mask, dense = Causal(), j <= i
    elif kind == "window":
        left, right = (draw(st.one_of(st.none(), st.integers(0, 150))) for _ in range(2))
        mask, dense = SlidingWindow(left, right), np.ones((queries, keys), bool)
        dense = dense if left is None else dense & (j >= i - left)
        dense = dense if right is None else dense & (j <= i + right)
    elif kind == "strided":
        step = draw(st.sampled_from([1, 2, 3, 7, 64, 65, 100, 200]))
        mask, dense = Strided(step), (i - j) % step == 0
    elif kind == "global":
        tokens = draw(st.lists(st.integers(0, max(queries, keys) - 1), max_size=3))
        mask, dense = Global(tokens), np.isin(i, tokens) | np.isin(j, tokens)
    elif kind == "padding":
        lengths = draw(st.lists(st.integers(0, keys), min_size=BATCH, max_size=BATCH))
        mask, dense = KeyPadding(lengths), j < np.array(lengths)[:, None, None]
    else:
        size = draw(st.sampled_from([1, 5, 32, 64, 100, 128]))
        shape = (-(-queries // size), -(-keys // size))
        blocks = np.random.default_rng(draw(st.integers(0, 99))).random(shape) < draw(st.sampled_from([0.1, 0.5]))
        mask, dense = BlockSparse(dlcore.tensor(blocks), size), blocks[i // size, j // size]
    return mask, np.broadcast_to(dense, (BATCH, queries, keys))


@st.composite
def problems(draw):
    lengths = st.sampled_from([1, 5, 63, 64, 65, 130, 200, 300])
    queries, keys = draw(lengths), draw(lengths)
    return queries, keys, draw(masks(queries, keys)), draw(st.sampled_from([0.0, 0.3])), draw(st.booleans())


@settings(max_examples=100)
@given(problem=problems())
def test_equals_dense_attention(problem):
    queries, keys, (mask, dense), dropout, grouped = problem
    assert isinstance(mask, Mask) and repr(mask)
    got = mask.dense(queries, keys, BATCH).numpy()
    np.testing.assert_array_equal(np.broadcast_to(got, dense.shape), dense)
    rng = np.random.default_rng(queries * keys)
    heads = 1 if grouped else 2
    shapes = [(BATCH, 2, queries, 4), (BATCH, heads, keys, 4), (BATCH, heads, keys, 3)]
    inputs = [dlcore.tensor(rng.standard_normal(s), requires_grad=True) for s in shapes]
    dy = dlcore.tensor(rng.standard_normal((BATCH, 2, queries, 3)))
    options = {"dropout_p": dropout, "enable_gqa": grouped}
    results = []
    for create_graph in (False, True):
        dlcore.manual_seed(1)
        y = attention(*inputs, mask, **options)
        results.append([y, *dlcore.autograd.grad(y, inputs, dy, create_graph=create_graph)])
    dlcore.manual_seed(1)
    y = scaled_dot_product_attention(*inputs, dlcore.tensor(dense[:, None].copy()), **options)
    want = [y, *dlcore.autograd.grad(y, inputs, dy)]
    for result in results:
        for a, b in zip(result, want, strict=True):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-11)


def test_same_bits_for_any_thread_count():
    mask = (Causal() & SlidingWindow(100, 0)) | Global([3]) | (Strided(70) & KeyPadding([500, 300]))
    inputs = [dlcore.randn(2, 2, 500, 8, requires_grad=True) for _ in range(3)]
    before, results = dlcore.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 7):
            dlcore.set_num_threads(threads)
            y = attention(*inputs, mask)
            grads = dlcore.autograd.grad((y * y).sum(), inputs)
            results.append([t.detach().numpy().tobytes() for t in (y, *grads)])
    finally:
        dlcore.set_num_threads(before)
    assert all(r == results[0] for r in results[1:])


def test_lengths_of_any_integers():
    x = dlcore.randn(2, 1, 7, 4)
    want = attention(x, x, x, KeyPadding([3, 7]))
    for lengths in (
        (3, 7),
        np.array([3, 7]),
        dlcore.tensor([3, 7], dtype=dlcore.int32),
        dlcore.tensor([3, 7], dtype=dlcore.uint8),
    ):
        assert dlcore.equal(attention(x, x, x, KeyPadding(lengths)), want)
    assert dlcore.equal(attention(x, x, x, Strided(2**70)), attention(x, x, x, SlidingWindow(0, 0)))  # oneself


def test_without_a_mask_it_is_dense():
    inputs = [dlcore.randn(2, 5, 4) for _ in range(3)]
    assert bool((attention(*inputs) == scaled_dot_product_attention(*inputs)).all())


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (Global([70]), "tokens"),
        (Global(dlcore.tensor([-1])), "tokens"),
        (Global(dlcore.tensor([[1]])), "tokens"),
        (KeyPadding([3]), "as many as"),
        (KeyPadding([3, 71]), "from 0 to 70"),
        (KeyPadding(dlcore.tensor([-1, 3])), "from 0 to 70"),
        (BlockSparse([[True]], 64), "shape"),
        (BlockSparse([[True]], 2**40), "positive"),
        (BlockSparse(dlcore.ones(2, 2), 64), "bool"),
    ],
)
def test_masks_that_do_not_fit(mask, message):
    x = dlcore.randn(2, 1, 70, 4)
    for m in (mask, Causal() & mask):
        with pytest.raises(ValueError, match=message):
            attention(x, x, x, m)


def test_bad_masks():
    x = dlcore.randn(2, 1, 7, 4)
    for bad, message in (
        (lambda: SlidingWindow(-1, 0), "SlidingWindow: left must not be negative, but got -1"),
        (lambda: Strided(0), "Strided: step must be positive, but got 0"),
        (lambda: BlockSparse([[True]], 0), "BlockSparse: size must be positive, but got 0"),
        (lambda: KeyPadding([3, -1]), "KeyPadding: lengths must not be negative, but got -1"),
        (lambda: Causal().dense(3, -1), "Causal.dense: keys must not be negative, but got -1"),
        (lambda: Causal().dense(2**40, 3), "Causal.dense: queries must be below 2147483648, but got"),
    ):
        with pytest.raises(ValueError, match=message):
            bad()
    for bad, message in (
        (lambda: SlidingWindow(0, 1.5), "SlidingWindow: right must be an int, but got 1.5"),
        (lambda: Strided("a"), "Strided: step must be an int, but got 'a'"),
        (lambda: Global([1.5]), "Global: tokens must be an int, but got 1.5"),
        (lambda: Global(dlcore.tensor([1.0])), "Global: tokens must be integers, but got dlcore.float32"),
        (lambda: KeyPadding([1, True]), "KeyPadding: lengths must be an int, but got True"),
        (lambda: KeyPadding(dlcore.ones(2, dtype=dlcore.bool)), "KeyPadding: lengths must be integers, but got"),
        (lambda: BlockSparse([[True]], 7.0), "BlockSparse: size must be an int, but got 7.0"),
    ):
        with pytest.raises(TypeError, match=message):
            bad()
    with pytest.raises(TypeError, match="Mask"):
        attention(x, x, x, dlcore.ones(7, 7))
    with pytest.raises(TypeError):
        Causal() & 3
    for program in ([], [0], [0, 1], [5], [9], [2, 0], [0, 0, 0, 0, 0, 0], [1, 0]):
        with pytest.raises(ValueError):
            dlcore._core._structured_attention(x, x, x, program, [])


def test_cost_is_proportional_to_what_is_left():
    """A window's memory beside the dense mask's 8192 x 8192 bytes, and no more time than its blocks need."""
    x = dlcore.randn(1, 1, 8192, 8, requires_grad=True)
    attention(x, x, x, SlidingWindow(10, 10)).sum().backward()
    before = dlcore.memory_stats()["allocated_bytes"]
    dlcore.reset_peak_memory_stats()
    attention(x, x, x, SlidingWindow(100, 100) | Global([0])).sum().backward()
    assert dlcore.memory_stats()["peak_allocated_bytes"] - before < 32 * 2**20
