"""Decoding with kept keys and values is decoding of the whole sequence."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dlcore
from dlcore import nn

# Sums of up to some tens of products, in another order and through a few layers and normalizations.
BOUND = {"rtol": 1e-11, "atol": 1e-11}


def drawn(*shape):
    return dlcore.randn(*shape, dtype=dlcore.float64)


def causal(length):
    return nn.Transformer.generate_square_subsequent_mask(length, dtype=dlcore.float64)


@given(
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    batch=st.sampled_from([None, 1, 3]),
    heads=st.sampled_from([1, 2]),
    batch_first=st.booleans(),
    norm_first=st.booleans(),
    bias=st.booleans(),
)
def test_encoder_stack(lengths, batch, heads, batch_first, norm_first, bias):
    options = {"batch_first": batch_first, "norm_first": norm_first, "bias": bias, "dtype": dlcore.float64}
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(6 * heads, heads, 9, **options), 2).eval()
    n, middle = sum(lengths), () if batch is None else (batch,)
    dim = 1 if batch_first and middle else 0
    x = drawn(n, *middle, 6 * heads) if dim == 0 else drawn(*middle, n, 6 * heads)
    caches = [nn.KeyValueCache() for _ in model.layers]
    with dlcore.no_grad():
        y = dlcore.cat([model(part, caches=caches) for part in x.split(lengths, dim)], dim)
    np.testing.assert_allclose(y.numpy(), model(x, mask=causal(n)).detach().numpy(), **BOUND)
    assert [len(c) for c in caches] == [n, n]


@given(
    lengths=st.lists(st.integers(1, 3), min_size=1, max_size=5),
    batch=st.sampled_from([None, 1, 3]),
    batch_first=st.booleans(),
    norm_first=st.booleans(),
    bias=st.booleans(),
    padding=st.sampled_from(["none", "bool", "float"]),
)
def test_decoder_stack(lengths, batch, batch_first, norm_first, bias, padding):
    options = {"batch_first": batch_first, "norm_first": norm_first, "bias": bias, "dtype": dlcore.float64}
    model = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 9, **options), 2, nn.LayerNorm(8).double()).eval()
    n, middle = sum(lengths), () if batch is None else (batch,)
    dim = 1 if batch_first and middle else 0
    x, memory = ((drawn(k, *middle, 8) if dim == 0 else drawn(*middle, k, 8)) for k in (n, 5))
    mask = None
    if padding != "none":
        mask = drawn(*middle, 5) > 0.5
        mask[..., 0] = False
        mask = dlcore.zeros(mask.shape, dtype=dlcore.float64).masked_fill(mask, -2.5) if padding == "float" else mask
    options = {"memory_key_padding_mask": mask}
    caches = [(nn.KeyValueCache(), nn.KeyValueCache()) for _ in model.layers]
    with dlcore.no_grad():
        y = [model(part, memory, caches=caches, **options) for part in x.split(lengths, dim)]
    whole = model(x, memory, tgt_mask=causal(n), **options)
    np.testing.assert_allclose(dlcore.cat(y, dim).numpy(), whole.detach().numpy(), **BOUND)


def test_memory_is_projected_once():
    model = nn.TransformerDecoderLayer(8, 2, 16).eval()
    memory, cache = dlcore.randn(5, 2, 8), (nn.KeyValueCache(), nn.KeyValueCache())
    with dlcore.no_grad():
        a = model(dlcore.ones(1, 2, 8), memory, cache=cache)
        kept = cache[1].keys.clone()
        cache[0].clear()
        b = model(dlcore.ones(1, 2, 8), memory * float("nan"), cache=cache)
    assert bool((a == b).all()) and bool((cache[1].keys == kept).all()) and len(cache[1]) == 5


def test_dropout_is_that_of_the_layers():
    """What joins the residual goes through it; weights of attention do while training."""
    layer = nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, norm_first=True)
    for part in (layer.dropout1, layer.dropout2, layer.dropout3):
        part.p = 1.0
    x, memory = dlcore.randn(3, 2, 8), dlcore.randn(5, 2, 8)
    with dlcore.no_grad():
        assert bool((layer(x, memory, cache=(nn.KeyValueCache(), nn.KeyValueCache())) == x).all())
        module = nn.MultiheadAttention(8, 2, dropout=0.5)
        for attend in (
            lambda: nn.KeyValueCache().attend(module, x),
            lambda: nn.KeyValueCache().attend_memory(module, x, memory),
        ):
            assert not bool((attend() == attend()).all())
            module.eval()
            assert bool((attend() == attend()).all())
            module.train()


def test_room_grows_and_keeps():
    cache = nn.KeyValueCache()
    assert cache.keys is None and cache.values is None and repr(cache) == "KeyValueCache(0 tokens)"
    tokens = [(dlcore.randn(2, 3, n, 4), dlcore.randn(2, 3, n, 5)) for n in (1, 1, 1, 0, 7, 1, 40)]
    copies, places = 0, None
    for i, pair in enumerate(tokens):
        for got, part in zip(cache.append(*pair), zip(*tokens[: i + 1])):
            np.testing.assert_array_equal(got.numpy(), dlcore.cat(part, 2).numpy())
    for _ in range(1000):
        cache.append(dlcore.ones(2, 3, 1, 4), dlcore.ones(2, 3, 1, 5))
        copies, places = copies + (places != cache.keys.data_ptr()), cache.keys.data_ptr()
    assert len(cache) == 1051 and copies <= 7
    twin = copy.deepcopy(cache)
    twin.append(*tokens[0])
    assert len(twin) == 1052 and len(cache) == 1051
    cache.clear()
    assert len(cache) == 0 and cache.keys is None


def test_reserved_room_is_not_left():
    cache = nn.KeyValueCache(capacity=6)
    places = set()
    with dlcore.no_grad():
        for tokens in (1, 2, 3):
            keys, _ = cache.append(drawn(2, 2, tokens, 3), drawn(2, 2, tokens, 4))
            places.add(keys.data_ptr())
        assert len(places) == 1 and len(cache) == 6
        assert cache.append(drawn(2, 2, 1, 3), drawn(2, 2, 1, 4))[0].data_ptr() not in places
    for wrong in (-1, 1.5, 2**31, "6"):
        with pytest.raises(ValueError, match="capacity must be an int"):
            nn.KeyValueCache(wrong)


def test_beams():
    """Sequences that were chosen go on as if they had always been there."""
    module = nn.MultiheadAttention(8, 2).eval()
    x, chosen = dlcore.randn(3, 2, 8), dlcore.tensor([1, 1, 0])
    cache = nn.KeyValueCache()
    with dlcore.no_grad():
        cache.attend(module, x)
        cache.reorder(chosen)
        last = dlcore.randn(1, 3, 8)
        y = cache.attend(module, last)
        whole = dlcore.cat([x[:, chosen], last])
        expected, _ = module(last, whole, whole)
    np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-4, atol=1e-6)
    nn.KeyValueCache().reorder(chosen)


def stepped(x, **options):
    with dlcore.no_grad():
        return nn.TransformerEncoderLayer(8, 2, 16)(x, cache=nn.KeyValueCache(), **options)


def grown(*shapes, dtype=dlcore.float32):
    cache = nn.KeyValueCache()
    cache.append(dlcore.ones(2, 3, 1, 4), dlcore.ones(2, 3, 1, 4))
    cache.append(*(dlcore.ones(*s, dtype=dtype) for s in shapes))


def remembered(*lengths, **options):
    cache, module = nn.KeyValueCache(), nn.MultiheadAttention(8, 2)
    with dlcore.no_grad():
        for n in lengths:
            cache.attend_memory(module, dlcore.ones(1, 2, 8), dlcore.ones(n, 2, 8), **options)


def paired(**options):
    with dlcore.no_grad():
        cache = (nn.KeyValueCache(), nn.KeyValueCache())
        return nn.TransformerDecoderLayer(8, 2, 16)(X, dlcore.ones(5, 1, 8), cache=cache, **options)


X = dlcore.ones(2, 1, 8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.TransformerEncoderLayer(8, 2)(X, cache=nn.KeyValueCache()), RuntimeError, "under no_grad"),
        (lambda: stepped(X, src_mask=causal(2)), ValueError, "takes no masks"),
        (lambda: stepped(X, src_key_padding_mask=dlcore.zeros(1, 2)), ValueError, "takes no masks"),
        (lambda: paired(memory_mask=dlcore.zeros(2, 5)), ValueError, "takes no masks"),
        (lambda: paired(tgt_key_padding_mask=dlcore.zeros(1, 2)), ValueError, "takes no masks"),
        (lambda: stepped(X[..., :6]), RuntimeError, "8 features"),
        (lambda: stepped(X.reshape(16)), RuntimeError, "2-D or 3-D"),
        (lambda: nn.KeyValueCache().attend(nn.MultiheadAttention(8, 2, kdim=3), X), ValueError, "not supported"),
        (lambda: nn.KeyValueCache().attend(nn.MultiheadAttention(8, 2, add_zero_attn=True), X), ValueError, "not su"),
        (lambda: nn.KeyValueCache().attend(nn.MultiheadAttention(8, 2, add_bias_kv=True), X), ValueError, "not supp"),
        (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 2)(X, caches=[]), ValueError, "2 layers"),
        (lambda: grown((2, 3, 4), (2, 3, 4)), RuntimeError, "tokens, features"),
        (lambda: grown((2, 3, 1, 4), (2, 3, 2, 4)), RuntimeError, "tokens, features"),
        (lambda: grown((1, 3, 1, 4), (1, 3, 1, 4)), RuntimeError, "like those before"),
        (lambda: grown((2, 3, 1, 4), (2, 3, 1, 5)), RuntimeError, "like those before"),
        (lambda: grown((2, 3, 1, 4), (2, 3, 1, 4), dtype=dlcore.float64), RuntimeError, "float64"),
        (lambda: remembered(3, 4), ValueError, "of 3 tokens, but got 4"),
        (lambda: remembered(3, key_padding_mask=dlcore.zeros(3, 2)), RuntimeError, r"shape \(2, 3\)"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
