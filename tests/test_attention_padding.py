"""Key padding and grouped heads of the attentions that need no mask: what padding holds changes nothing."""

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn.attention import KeyPadding
from dlcore.nn.clustered_attention import lsh_attention, routing_attention
from dlcore.nn.linear_attention import linear_attention, orthogonal_features, performer_attention
from dlcore.nn.low_rank_attention import linformer_attention, memory_compressed_attention
from dlcore.nn.sinkhorn_attention import sinkhorn, sinkhorn_attention

N, HEADS, S, D = 2, 4, 12, 3
LENGTHS = (8, 4)
EPS = 2.0**-52


def normal(*shape, seed=0):
    return dlcore.tensor(np.random.default_rng((seed, *shape)).standard_normal(shape))


def lsh(q, k, v, key_padding_mask=None, **options):
    generator = dlcore.Generator().manual_seed(5)
    padding = {"key_padding_mask": key_padding_mask}
    return lsh_attention(q, None, v, buckets=4, chunk=3, rounds=2, generator=generator, **padding, **options)


def routing(q, k, v, key_padding_mask=None, causal=False, **options):
    """Self-attention: queries and keys are the same tokens."""
    if not causal:
        options["query_padding_mask"] = key_padding_mask
    options |= {"causal": causal, "key_padding_mask": key_padding_mask}
    return routing_attention(q, k, v, normal(HEADS, 3, D), window=5, **options)


def linformer(q, k, v, **options):
    return linformer_attention(q, k, v, normal(HEADS, 5, S)[..., : k.shape[-2]], **options)


def compressed(q, k, v, **options):
    weights = [normal(HEADS, 2 * D, D, seed=i) for i in (1, 2)]
    return memory_compressed_attention(q, k, v, *weights, normal(HEADS, 1, D, seed=3), **options)


def performer(q, k, v, **options):
    w = orthogonal_features(6, D, dlcore.Generator().manual_seed(1), dlcore.float64)
    return performer_attention(q, k, v, w, chunk=5, **options)


def sorted_blocks(q, k, v, causal=False, **options):
    module = nn.SinkhornAttention(HEADS, D, 4, causal=causal, gumbel=False, dtype=dlcore.float64)
    module.load_state_dict({"weight": normal(HEADS, D, D, seed=9)})
    return module(q, k, v, **options)


FUNCTIONS = {
    "linear": lambda q, k, v, **o: linear_attention(q, k, v, chunk=5, **o),
    "performer": performer,
    "linformer": linformer,
    "compressed": compressed,
    "lsh": lsh,
    "routing": routing,
    "sinkhorn": sorted_blocks,
}
CASES = [(name, causal) for name in FUNCTIONS for causal in (False, True) if (name, causal) != ("linformer", True)]


def causally(name, causal):
    return {"causal": True} if causal else {}


@pytest.mark.parametrize("form", ["bool", "lengths"])
@pytest.mark.parametrize(("name", "causal"), CASES)
def test_the_padded_sequence_is_the_shorter_one(name, causal, form):
    """Results and gradients of tokens that are no padding, whatever padding holds."""
    options = causally(name, causal)
    parts = [normal(N, HEADS, S, D, seed=i) for i in range(3)]
    dy = normal(N, HEADS, S, D, seed=7)
    inside = dlcore.tensor(np.arange(S) < np.array(LENGTHS)[:, None])
    for x in parts[1:] if name != "lsh" else parts[::2]:
        x.masked_fill_(~inside.view(N, 1, S, 1), float("nan"))
    padding = KeyPadding(LENGTHS) if form == "lengths" else ~inside
    leaves = [x.clone().requires_grad_() for x in parts]
    y = FUNCTIONS[name](*leaves, key_padding_mask=padding, **options)
    y.backward(dy.masked_fill(~inside.view(N, 1, S, 1), 0.0))
    for n, length in enumerate(LENGTHS):
        short = [x[n : n + 1, :, :length].clone().requires_grad_() for x in parts]
        expected = FUNCTIONS[name](*short, **options)
        expected.backward(dy[n : n + 1, :, :length])
        pairs = [(y[n, :, :length], expected[0])]
        pairs += [(a.grad[n, :, :length], b.grad[0]) for a, b in zip(leaves, short, strict=True) if b.grad is not None]
        for got, want in pairs:
            got, want = got.detach().numpy(), want.detach().numpy()
            assert np.abs(got - want).max() <= 400 * EPS * max(1.0, np.abs(want).max())


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "lsh"])
@pytest.mark.parametrize("groups", [1, 2])
def test_grouped_heads_are_repeated_ones(name, groups):
    q, k, v = normal(N, HEADS, S, D), *(normal(N, groups, S, D, seed=i) for i in (1, 2))
    options = {} if name == "sinkhorn" else {"enable_gqa": True}
    k, v = (x.requires_grad_() for x in (k, v))
    y = FUNCTIONS[name](q, k, v, **options)
    repeated = [x.detach().repeat_interleave(HEADS // groups, 1) for x in (k, v)]
    assert (y == FUNCTIONS[name](q, *repeated)).all()
    y.sum().backward()
    assert k.grad.shape == k.shape and v.grad.isfinite().all()


@pytest.mark.parametrize(("name", "causal"), CASES)
def test_nothing_but_padding(name, causal):
    q, k, v = (normal(N, HEADS, S, D, seed=i) for i in range(3))
    y = FUNCTIONS[name](q, k, v, key_padding_mask=dlcore.ones(N, S, dtype=dlcore.bool), **causally(name, causal))
    assert y.isfinite().all()
    if name not in ("linformer", "lsh"):
        assert not y.any()


@pytest.mark.parametrize("causal", [False, True])
def test_modules(causal):
    q, k, v = normal(N, HEADS, S, D), *(normal(N, 2, S, D, seed=i) for i in (1, 2))
    options = {"dtype": dlcore.float64}
    modules = [
        nn.LinearAttention(causal=causal),
        nn.PerformerAttention(D, 8, causal=causal, **options),
        nn.MemoryCompressedAttention(HEADS, D, causal=causal, **options),
        nn.RoutingAttention(HEADS, D, 3, 5, causal=causal, **options),
        nn.SinkhornAttention(HEADS, D, 4, causal=causal, gumbel=False, **options),
    ]
    if not causal:
        modules.append(nn.LinformerAttention(S, 5, HEADS, **options))
    for module in modules:
        module.eval()
        padding = KeyPadding(LENGTHS)
        changed = [x.clone() for x in (k, v)]
        for x in changed:
            x[0, :, 8:] = 7.0
        assert (module(q, k, v, padding) == module(q, *changed, padding)).all(), type(module).__name__
        assert not (module(q, k, v) == module(q, *changed)).all()


def test_centroids_follow_no_padding():
    q = normal(N, HEADS, S, D)
    centroids = []
    for fill in (0.0, 50.0):
        module = nn.RoutingAttention(HEADS, D, 3, 5, decay=0.5, dtype=dlcore.float64)
        module.centroids.copy_(normal(HEADS, 3, D))
        x = q.clone()
        x[0, :, 8:] = fill
        x[1, :, 4:] = fill
        module(x, x, x, KeyPadding(LENGTHS), KeyPadding(LENGTHS))
        centroids.append(module.centroids)
    assert (centroids[0] == centroids[1]).all()


def test_a_place_of_a_block_that_is_cut_short():
    """A permutation as order: attention to block s and block t(s) without their padding."""
    q, k, v = (normal(1, 1, 6, D, seed=i) for i in range(3))
    order = dlcore.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=dlcore.float64)
    y = sinkhorn_attention(q, k, v, order, key_padding_mask=KeyPadding([5]))
    expected = nn.functional.scaled_dot_product_attention(q, k[..., :5, :], v[..., :5, :])
    np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-12)


def attend(function=linear_attention, mask=None, heads=4, **options):
    q, k, v = normal(N, 4, S, D), *(normal(N, heads, S, D) for _ in range(2))
    return function(q, k, v, key_padding_mask=mask, **options)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: attend(mask=dlcore.ones(N, S)), TypeError, "must be a bool Tensor or KeyPadding; got dlcore.float32"),
        (lambda: attend(mask=[[True]]), TypeError, "key_padding_mask must be a bool Tensor or KeyPadding; got list"),
        (
            lambda: attend(mask=dlcore.ones(S, dtype=dlcore.bool)),
            RuntimeError,
            r"must have shape \(2, 12\); got \(12,\)",
        ),
        (lambda: attend(mask=KeyPadding([13, 1])), ValueError, "13"),
        (lambda: attend(mask=KeyPadding([1])), (RuntimeError, ValueError), "lengths"),
        (lambda: attend(heads=2), RuntimeError, "leading sizes"),
        (lambda: attend(heads=3, enable_gqa=True), RuntimeError, "heads of key must divide the 4 of query; got 3"),
        (lambda: attend(heads=0, enable_gqa=True), RuntimeError, "heads of key must divide the 4 of query; got 0"),
        (
            lambda: linear_attention(*[normal(S, D)] * 3, key_padding_mask=KeyPadding([3])),
            RuntimeError,
            "KeyPadding where key has shape",
        ),
        (
            lambda: attend(routing, query_padding_mask=KeyPadding(LENGTHS), causal=True),
            ValueError,
            "query_padding_mask must be None where causal",
        ),
        (lambda: sinkhorn(normal(3, 3), padding=dlcore.ones(2, dtype=dlcore.bool)), RuntimeError, "with 3 blocks"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_last_block_that_is_cut_short():
    """8 tokens in blocks of 3: the last 2 are padding, and with what fills their block no key at all."""
    dlcore.manual_seed(0)
    module = nn.MemoryCompressedAttention(2, 4, factor=3, dtype=dlcore.float64)
    x = dlcore.randn(1, 2, 8, 4, dtype=dlcore.float64)
    padding = dlcore.tensor([[False] * 6 + [True] * 2])
    y, alone = module(x, x, x, padding), module(x[:, :, :6], x[:, :, :6], x[:, :, :6])
    np.testing.assert_allclose(y[:, :, :6].detach().numpy(), alone.detach().numpy(), rtol=1e-12, atol=1e-14)
