"""Linformer and memory-compressed attention, against dense attention and convolutions."""

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn.functional import conv1d, scaled_dot_product_attention
from dlcore.nn.low_rank_attention import linformer_attention, memory_compressed_attention

HEADS, DEPTH, WIDTH = 2, 4, 3


def random(*shape, seed=0, **options):
    return dlcore.tensor(np.random.default_rng(seed).standard_normal(shape), **options)


def inputs(tokens, queries=None, width=WIDTH):
    rows = ((queries or tokens, DEPTH), (tokens, DEPTH), (tokens, width))
    return [random(2, HEADS, *r, seed=i) for i, r in enumerate(rows)]


def assert_same(got, want, **options):
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), **{"rtol": 1e-12, "atol": 1e-13} | options)


@pytest.mark.parametrize("heads", [None, 1, HEADS])
def test_linformer_with_the_identity_is_dense(heads):
    q, k, v = inputs(11, queries=7)
    eye = dlcore.eye(11, dtype=q.dtype)
    eye = eye if heads is None else eye.expand(heads, 11, 11)
    assert_same(linformer_attention(q, k, v, eye), scaled_dot_product_attention(q, k, v))
    turned = eye.flip(-2)  # the order of the sums does not matter, as long as it is that of the values
    assert_same(
        linformer_attention(q, k, v, turned, turned, scale=0.2), scaled_dot_product_attention(q, k, v, scale=0.2)
    )


def test_linformer_is_its_formula():
    q, k, v = inputs(11)
    e, f = random(HEADS, 5, 11, seed=3), random(5, 11, seed=4)
    s = q.numpy() @ (e.numpy() @ k.numpy()).swapaxes(-1, -2) / 2
    p = np.exp(s) / np.exp(s).sum(-1, keepdims=True)
    np.testing.assert_allclose(linformer_attention(q, k, v, e, f).numpy(), p @ (f.numpy() @ v.numpy()), rtol=1e-12)


def test_linformer_module():
    module = nn.LinformerAttention(12, 5, HEADS, dtype=dlcore.float64)
    q, k, v = inputs(9)
    e, f = module.key_projection, module.value_projection
    assert e.shape == f.shape == (HEADS, 5, 12)
    assert 0.7 < float(e.abs().max()) / (6 / 17) ** 0.5 <= 1
    assert_same(module(q, k, v), linformer_attention(q, k, v, e[..., :9], f[..., :9]))
    shared = nn.LinformerAttention(12, 5, shared=True, dtype=dlcore.float64)
    assert [n for n, _ in shared.named_parameters()] == ["key_projection"]
    assert_same(shared(q, k, v), linformer_attention(q, k, v, shared.key_projection[..., :9]))
    with pytest.raises(RuntimeError, match="at most 12 tokens; got 13"):
        module(*inputs(13))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("factor", [1, 2, 3, 5, 20])
def test_compressed_is_a_strided_convolution(factor, causal):
    """Against conv1d, grouped by heads, and for the causal form a dense mask."""
    q, k, v = inputs(14)
    weights = [random(HEADS, factor * d, d, seed=3 + d) for d in (DEPTH, WIDTH)]
    biases = [random(HEADS, 1, d, seed=8 + d) for d in (DEPTH, WIDTH)]

    def convolved(x, w, b):
        n, heads, tokens, d = x.shape
        x = nn.functional.pad(x, (0, 0, 0, -tokens % factor)).transpose(-1, -2).reshape(n, heads * d, -1)
        kernel = w.unflatten(1, (factor, d)).permute(0, 3, 2, 1).flatten(0, 1)
        return conv1d(x, kernel, b.flatten(), stride=factor, groups=heads).unflatten(1, (heads, d)).transpose(-1, -2)

    ks, vs = (convolved(*a) for a in zip((k, v), weights, biases))
    mask = None
    if causal:
        mask = dlcore.arange(14).unsqueeze(1) >= (dlcore.arange(ks.shape[-2]) + 1) * factor - 1
    want = scaled_dot_product_attention(q, ks, vs, attn_mask=mask)
    got = memory_compressed_attention(q, k, v, *weights, *biases, causal=causal)
    assert_same(got, want)
    if causal:
        assert not bool(got[..., : factor - 1, :].any())


@pytest.mark.parametrize("causal", [False, True])
def test_factor_one_with_the_identity_is_dense(causal):
    q, k, v = inputs(9)
    eyes = [dlcore.eye(d, dtype=q.dtype) for d in (DEPTH, WIDTH)]
    got = memory_compressed_attention(q, k, v, *eyes, causal=causal)
    assert_same(got, scaled_dot_product_attention(q, k, v, is_causal=causal))


def test_compressed_module():
    module = nn.MemoryCompressedAttention(HEADS, DEPTH, factor=2, dtype=dlcore.float64)
    q, k, v = inputs(9, width=DEPTH)
    assert module.key_weight.shape == (HEADS, 2 * DEPTH, DEPTH) and module.value_bias.shape == (HEADS, 1, DEPTH)
    p = dict(module.named_parameters())
    want = memory_compressed_attention(q, k, v, p["key_weight"], p["value_weight"], p["key_bias"], p["value_bias"])
    assert_same(module(q, k, v), want)
    assert len(list(nn.MemoryCompressedAttention(HEADS, DEPTH, bias=False).parameters())) == 2


@pytest.mark.parametrize("kind", ["linformer", "compressed"])
def test_dropout_only_while_training(kind):
    module = nn.LinformerAttention(9, 5, dropout=0.5) if kind == "linformer" else None
    module = module or nn.MemoryCompressedAttention(HEADS, DEPTH, dropout=0.5)
    x = [t.float() for t in inputs(9, width=DEPTH)]
    dlcore.manual_seed(0)
    assert not np.allclose(module(*x).detach().numpy(), module(*x).detach().numpy())
    module.eval()
    assert bool((module(*x) == module(*x)).all())


def ones(*shape):
    return dlcore.ones(*shape)


X = ones(1, HEADS, 6, DEPTH)
W = ones(2 * DEPTH, DEPTH)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: linformer_attention(X, X, X, ones(3, 5)), RuntimeError, r"key_projection must have shape \(rows, 6\)"),
        (lambda: linformer_attention(X, X, X, ones(3, 3, 6)), RuntimeError, r"or \(2, rows, 6\); got \(3, 3, 6\)"),
        (lambda: linformer_attention(X, X, X, ones(3, 6), ones(4, 6)), RuntimeError, "value_projection must have"),
        (lambda: linformer_attention(X, X, X, [1]), RuntimeError, "got list"),
        (lambda: linformer_attention(X[0, 0], X[0, 0], X[0, 0], ones(3, 6)), RuntimeError, "heads, tokens, features"),
        (lambda: linformer_attention(X, X, X, ones(3, 6), dropout_p=1.0), ValueError, r"dropout must be in \[0, 1\)"),
        (lambda: linformer_attention(X, X, X, ones(3, 6), scale="2"), ValueError, "scale must be positive"),
        (lambda: memory_compressed_attention(X, X, X, ones(7, DEPTH), W), RuntimeError, "key_weight must have shape"),
        (lambda: memory_compressed_attention(X, X, X, W, ones(4, DEPTH)), RuntimeError, "value_weight must have shape"),
        (lambda: memory_compressed_attention(X, X, X, W, W, ones(5)), RuntimeError, "key_bias must have shape"),
        (lambda: memory_compressed_attention(X, X, X, W, W, None, 2.0), RuntimeError, "value_bias must have shape"),
        (lambda: memory_compressed_attention(X, X[..., :3, :], X[..., :3, :], W, W, causal=True), RuntimeError, "long"),
        (lambda: nn.LinformerAttention(0, 4), ValueError, "LinformerAttention: length must be an int in"),
        (lambda: nn.LinformerAttention(4, 4, dropout=-1), ValueError, "LinformerAttention: dropout must be in"),
        (lambda: nn.MemoryCompressedAttention(2, 4, factor=0), ValueError, "factor must be an int in"),
        (lambda: nn.MemoryCompressedAttention(True, 4.0), ValueError, "head_dim must be an int in"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
