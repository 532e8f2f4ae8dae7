"""Multi-head attention and Transformers under masks that are described by their structure."""

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn.attention import Causal, KeyPadding, SlidingWindow

BOUND = {"rtol": 1e-11, "atol": 1e-11}  # sums of some tens of products, in another order
LENGTHS = dlcore.tensor([5, 1, 3])


def drawn(*shape):
    return dlcore.randn(*shape, dtype=dlcore.float64)


def excluded(mask, queries, keys, heads=2):
    return (~mask.dense(queries, keys, 3)).repeat_interleave(heads, 0)


@pytest.mark.parametrize(
    "options", [{}, {"need_weights": False}, {"key_padding_mask": dlcore.arange(5) > LENGTHS[:, None]}]
)
@pytest.mark.parametrize("appended", [{}, {"add_bias_kv": True}, {"add_zero_attn": True}])
@pytest.mark.parametrize("mask", [KeyPadding(LENGTHS), Causal() & KeyPadding(LENGTHS)])
def test_multihead(mask, appended, options):
    model = nn.MultiheadAttention(8, 2, batch_first=True, dtype=dlcore.float64, **appended)
    q, k = drawn(3, 4, 8), drawn(3, 5, 8)
    got, weights = model(q, k, k, attn_mask=mask, **options)
    want, dense = model(q, k, k, attn_mask=excluded(mask, 4, 5), **options)
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), **BOUND)
    assert (weights is None) == (dense is None) and (weights is None or dlcore.equal(weights, dense))


def test_multihead_without_batch():
    model = nn.MultiheadAttention(8, 2, dtype=dlcore.float64)
    x = drawn(6, 8)
    got = model(x, x, x, need_weights=False, attn_mask=SlidingWindow(1, 0))[0]
    want = model(x, x, x, attn_mask=~SlidingWindow(1, 0).dense(6, 6))[0]
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), **BOUND)


@pytest.mark.parametrize("norm_first", [False, True])
def test_transformer(norm_first):
    model = nn.Transformer(8, 2, 2, 2, 9, 0.0, batch_first=True, norm_first=norm_first, dtype=dlcore.float64)
    src, tgt, weight = drawn(3, 5, 8), drawn(3, 4, 8), drawn(3, 4, 8)
    padding, causal = KeyPadding(LENGTHS), Causal()
    results = []
    for masks in (
        {"src_mask": padding, "tgt_mask": causal, "memory_mask": padding},
        {"src_mask": excluded(padding, 5, 5), "tgt_mask": ~causal.dense(4, 4), "memory_mask": excluded(padding, 4, 5)},
    ):
        model.zero_grad()
        y = model(src, tgt, **masks)
        (y * weight).sum().backward()
        results.append([y.detach(), *(p.grad for p in model.parameters())])
    for got, want in zip(*results):
        np.testing.assert_allclose(got.numpy(), want.numpy(), **BOUND)


def test_cached_decoding():
    model = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 9, batch_first=True, dtype=dlcore.float64), 2).eval()
    tgt, memory, padding = drawn(3, 4, 8), drawn(3, 5, 8), KeyPadding(LENGTHS)
    caches = [(nn.KeyValueCache(), nn.KeyValueCache()) for _ in model.layers]
    with dlcore.no_grad():
        got = [model(tgt[:, t : t + 1], memory, memory_mask=padding, caches=caches) for t in range(4)]
        want = model(tgt, memory, tgt_mask=Causal(), memory_mask=padding)
        np.testing.assert_allclose(dlcore.cat(got, 1).numpy(), want.numpy(), **BOUND)
        with pytest.raises(ValueError, match="takes no masks; nor does memory but of padding"):
            model(tgt[:, :1], memory, memory_mask=Causal(), caches=caches)


def test_lengths_beyond_the_keys():
    model, x = nn.TransformerEncoderLayer(8, 2), dlcore.zeros(4, 2, 8)
    with pytest.raises(ValueError, match="lengths"):
        model(x, KeyPadding([5, 1]))
