"""Scoring functions against the formulas in numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dlcore
from dlcore import nn
from dlcore.autograd import gradcheck

EPS = 2.0**-52


def drawn(*shape, grad=False):
    return dlcore.randn(*shape, dtype=dlcore.float64, requires_grad=grad)


def softmax(scores, lengths):
    """Of each row's first elements, one row after the other."""
    out = np.zeros_like(scores)
    for row in np.ndindex(scores.shape[:-1]):
        length = lengths[row[0]] if lengths.ndim == 1 else lengths[row[0], row[-1]]
        e = np.exp(scores[row][:length])
        out[row][:length] = e / e.sum() if length else 0
    return out


def attended(scores, value, lengths):
    return softmax(scores, lengths) @ value


@given(middle=st.sampled_from([(), (1,), (4,), (2, 3)]), keys=st.integers(0, 9), per_query=st.booleans())
def test_masked_softmax(middle, keys, per_query):
    n = 3
    scores = drawn(n, *middle, keys)
    lengths = np.random.default_rng(keys).integers(0, keys + 1, (n, middle[-1]) if per_query and middle else n)
    got = nn.masked_softmax(scores, dlcore.tensor(lengths))
    np.testing.assert_allclose(got.numpy(), softmax(scores.numpy(), lengths), rtol=(keys + 9) * EPS, atol=0)


def test_masked_softmax_without_lengths():
    scores = drawn(2, 5)
    assert dlcore.equal(nn.masked_softmax(scores), scores.softmax(-1))


def test_what_is_masked_is_not_looked_at():
    lengths = dlcore.tensor([0, 2])
    scores = dlcore.tensor([[np.nan, np.inf, 1.0], [1.0, 1.0, np.nan]], requires_grad=True)
    y = nn.masked_softmax(scores, lengths)
    assert y.tolist() == [[0, 0, 0], [0.5, 0.5, 0]]
    (y * dlcore.tensor([[1.0, 2.0, 3.0], [1.0, 5.0, 7.0]])).sum().backward()
    assert scores.grad.tolist() == [[0, 0, 0], [-1, 1, 0]]


@pytest.mark.parametrize("lengths", [[3, 0], [[1, 3, 0], [2, 2, 4]]])
def test_gradients(lengths):
    lengths = dlcore.tensor(lengths)
    dlcore.manual_seed(0)
    additive, dot = nn.AdditiveAttention(2, 3, 4, dtype=dlcore.float64), nn.DotProductAttention()
    weight = drawn(2, 3, 4)
    assert gradcheck(lambda s: nn.masked_softmax(s, lengths) * weight, [drawn(2, 3, 4, grad=True)])
    key, value = drawn(2, 4, 3, grad=True), drawn(2, 4, 2, grad=True)
    assert gradcheck(lambda q, k, v: additive(q, k, v, lengths), [drawn(2, 3, 2, grad=True), key, value])
    assert gradcheck(lambda q, k, v: dot(q, k, v, lengths), [drawn(2, 3, 3, grad=True), key, value])


@given(queries=st.integers(1, 4), keys=st.integers(1, 6), kind=st.sampled_from(["none", "one", "each"]))
def test_attention(queries, keys, kind):
    n, rng = 3, np.random.default_rng(queries * keys)
    shape = (n, queries) if kind == "each" else n
    lengths = np.full(n, keys) if kind == "none" else rng.integers(0, keys + 1, shape)
    given_lengths = None if kind == "none" else dlcore.tensor(lengths)
    model = nn.AdditiveAttention(5, 4, 7, dropout=0.5, dtype=dlcore.float64).eval()
    q, k, v = drawn(n, queries, 5), drawn(n, keys, 4), drawn(n, keys, 3)
    w_q, w_k, w_v = (p.detach().numpy() for p in model.parameters())
    hidden = np.tanh((q.numpy() @ w_q.T)[:, :, None] + (k.numpy() @ w_k.T)[:, None])
    want = attended((hidden @ w_v.T)[..., 0], v.numpy(), lengths)
    np.testing.assert_allclose(model(q, k, v, given_lengths).detach().numpy(), want, rtol=0, atol=100 * EPS)
    q = drawn(n, queries, 4)
    want = attended(q.numpy() @ k.numpy().swapaxes(1, 2) / 2, v.numpy(), lengths)
    got = nn.DotProductAttention(0.5).eval()(q, k, v, given_lengths)
    np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=100 * EPS)


@pytest.mark.parametrize("lengths", [None, [2, 4], [[1, 2, 3], [4, 4, 0]]])
def test_dropout_of_weights(lengths):
    """Doubled or gone, and only while training."""
    lengths = None if lengths is None else dlcore.tensor(lengths)
    value = dlcore.eye(4).expand(2, 4, 4).contiguous()  # the result is the weights
    for model in (nn.AdditiveAttention(3, 3, 8, dropout=0.5), nn.DotProductAttention(0.5)):
        q, k = dlcore.randn(2, 3, 3), dlcore.randn(2, 4, 3)
        plain, dropped = model.eval()(q, k, value, lengths), model.train()(q, k, value, lengths)
        near = (dropped - 2 * plain).abs() < 1e-5
        assert bool((near | (dropped == 0)).all()) and bool((dropped == 0).any())


def test_bits_do_not_depend_on_threads():
    model = nn.AdditiveAttention(32, 32, 64)
    q, k = dlcore.randn(4, 30, 32), dlcore.randn(4, 40, 32)
    before, results = dlcore.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            dlcore.set_num_threads(threads)
            model.zero_grad()
            y = model(q, k, k, dlcore.tensor([40, 3, 0, 17]))
            (y * y).sum().backward()
            results.append([y, *(p.grad for p in model.parameters())])
    finally:
        dlcore.set_num_threads(before)
    assert all(dlcore.equal(a, b) for other in results[1:] for a, b in zip(results[0], other))


def test_errors():
    scores = dlcore.zeros(2, 3, 4)
    for lengths, error, message in [
        ([1, 2], TypeError, "a Tensor of integers, but got list"),
        (dlcore.tensor([1.0, 2.0]), TypeError, "a Tensor of integers, but got .*float32"),
        (dlcore.tensor([True, False]), TypeError, "integers, but got .*bool"),
        (dlcore.tensor([1, 2, 3]), ValueError, r"shape \(2,\) or \(2, 3\), but got \(3,\)"),
        (dlcore.tensor([1, 5]), ValueError, r"in \[0, 4\], but got 1 to 5"),
        (dlcore.tensor([-1, 2]), ValueError, r"in \[0, 4\], but got -1 to 2"),
    ]:
        with pytest.raises(error, match="masked_softmax: valid_lengths must .*" + message):
            nn.masked_softmax(scores, lengths)
        with pytest.raises(error, match="DotProductAttention: valid_lengths must .*" + message):
            nn.DotProductAttention()(dlcore.zeros(2, 3, 5), dlcore.zeros(2, 4, 5), dlcore.zeros(2, 4, 5), lengths)
    with pytest.raises(TypeError, match="scores must be a floating point Tensor, but got .*int64"):
        nn.masked_softmax(dlcore.tensor([[1]]))
    with pytest.raises(ValueError, match=r"at least two dimensions, but got \(3,\)"):
        nn.masked_softmax(dlcore.zeros(3), dlcore.tensor([1]))
    with pytest.raises(ValueError, match="key_size must be a positive int, but got 0"):
        nn.AdditiveAttention(3, 0, 4)
    with pytest.raises(ValueError, match=r"query must have shape \(N, queries, 3\), but got \(1, 2, 4\)"):
        nn.AdditiveAttention(3, 3, 4)(dlcore.zeros(1, 2, 4), dlcore.zeros(1, 2, 3), dlcore.zeros(1, 2, 3))
    with pytest.raises(ValueError, match="as many keys"):
        nn.DotProductAttention()(dlcore.zeros(1, 2, 3), dlcore.zeros(1, 2, 3), dlcore.zeros(1, 3, 3))
    with pytest.raises(ValueError, match=r"key must have shape \(N, keys, 3\)"):
        nn.DotProductAttention()(dlcore.zeros(1, 2, 3), dlcore.zeros(1, 2, 4), dlcore.zeros(1, 2, 3))
    with pytest.raises(TypeError, match="query must be a Tensor, but got NoneType"):
        nn.DotProductAttention()(None, scores, scores)
