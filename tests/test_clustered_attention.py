"""LSH and routing attention equal dense attention under the masks that their buckets and clusters describe."""

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn.clustered_attention import lsh_attention, routing_attention
from dlcore.nn.functional import scaled_dot_product_attention

HEADS, DEPTH, WIDTH = 2, 4, 3


def random(*shape, seed=0, **options):
    return dlcore.tensor(np.random.default_rng(seed).standard_normal(shape), **options)


def seeded(seed=0):
    return dlcore.Generator().manual_seed(seed)


def inputs(tokens, queries=None):
    return [
        random(2, HEADS, n, d, seed=i)
        for i, (n, d) in enumerate(((queries or tokens, DEPTH), (tokens, DEPTH), (tokens, WIDTH)))
    ]


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def assert_same(got, want):
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-12, atol=1e-13)


def lsh_mask(q, buckets, chunk, rounds, causal, seed):
    """Pairs that meet, by the definition, token by token; a token that meets no other meets itself."""
    directions = dlcore.randn(rounds, DEPTH, buckets // 2, dtype=q.dtype, generator=seeded(seed)).numpy()
    q = q.numpy()
    tokens = q.shape[-2]
    mask = np.zeros((*q.shape[:-1], tokens), bool)
    for n, h in np.ndindex(q.shape[:2]):
        for r in directions:
            x = q[n, h] @ r
            bucket = np.concatenate([x, -x], -1).argmax(-1)
            ranked = sorted(range(tokens), key=lambda i: (bucket[i], i))
            place = {token: p for p, token in enumerate(ranked)}
            for i in range(tokens):
                for j in range(tokens):
                    if i == j or bucket[i] != bucket[j]:
                        continue
                    if causal:
                        mask[n, h, i, j] |= 0 < place[i] - place[j] <= chunk
                    else:
                        mask[n, h, i, j] |= place[i] // chunk - place[j] // chunk in (0, 1)
    alone = ~mask.any(-1)
    return mask | (alone[..., None] & np.eye(tokens, dtype=bool))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("tokens", "buckets", "chunk", "rounds"),
    [(24, 4, 4, 1), (24, 4, 4, 3), (23, 8, 5, 2), (9, 2, 64, 2), (30, 16, 2, 5)],
)
def test_lsh_is_dense_under_its_mask(tokens, buckets, chunk, rounds, causal):
    q, _, v = inputs(tokens)
    mask = lsh_mask(q, buckets, chunk, rounds, causal, seed=3)
    assert causal or not mask.all()
    want = scaled_dot_product_attention(q, unit(q), v, attn_mask=dlcore.tensor(mask))
    options = {"buckets": buckets, "chunk": chunk, "rounds": rounds, "causal": causal}
    assert_same(lsh_attention(q, q, v, **options, generator=seeded(3)), want)


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("causal", [False, True])
def test_lsh_with_one_bucket_and_chunk_is_dense_without_self(causal, rounds):
    q, _, v = inputs(17)
    mask = ~dlcore.eye(17, dtype=dlcore.bool)
    if causal:
        mask = mask.tril()
        mask[0, 0] = True  # the first token has but itself
    want = scaled_dot_product_attention(q, unit(q), v, attn_mask=mask, scale=0.7)
    got = lsh_attention(q, None, v, buckets=1, chunk=17, rounds=rounds, causal=causal, scale=0.7)
    assert_same(got, want)


def test_lsh_follows_its_generator():
    q, _, v = inputs(40)
    a, b, c = (lsh_attention(q, q, v, buckets=8, chunk=4, generator=seeded(s)) for s in (1, 1, 2))
    assert bool((a == b).all()) and not np.allclose(a.numpy(), c.numpy())


def routing_reference(q, k, v, mu, window, scale):
    """Mean over clusters, cluster by cluster."""
    y, count = np.zeros((*q.shape[:-1], v.shape[-1])), np.zeros(q.shape[:-1])
    for n, h in np.ndindex(q.shape[:2]):
        for c in mu[h]:
            nearest = [
                np.argsort(-(x / np.linalg.norm(x, axis=-1, keepdims=True)) @ c)[:window] for x in (q[n, h], k[n, h])
            ]
            s = np.exp(scale * q[n, h][nearest[0]] @ k[n, h][nearest[1]].T)
            y[n, h, nearest[0]] += s / s.sum(-1, keepdims=True) @ v[n, h][nearest[1]]
            count[n, h, nearest[0]] += 1
    return y / np.maximum(count, 1)[..., None]


@pytest.mark.parametrize("window", [1, 5, 12, 100])
def test_routing_is_its_definition(window):
    q, k, v = inputs(14, queries=11)
    mu = unit(random(HEADS, 3, DEPTH, seed=5))
    got = routing_attention(q, k, v, mu, window=window, scale=0.3)
    want = routing_reference(q.numpy(), k.numpy(), v.numpy(), mu.numpy(), window, 0.3)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-13)
    if window == 1:
        assert bool((got == 0).all(-1).any())  # tokens in no cluster


@pytest.mark.parametrize("causal", [False, True])
def test_routing_with_one_cluster_of_all_tokens_is_dense(causal):
    q, k, v = inputs(15)
    got = routing_attention(q, k, v, unit(random(1, DEPTH)), window=15, causal=causal)
    assert_same(got, scaled_dot_product_attention(q, k, v, is_causal=causal))


@pytest.mark.parametrize("window", [1, 3, 4, 7])
def test_causal_routing_is_dense_under_its_mask(window):
    q, k, v = inputs(33)
    mu = unit(random(HEADS, 3, DEPTH, seed=5))
    cluster = (unit(q) @ mu.mT).argmax(-1).numpy()
    mask = np.zeros((2, HEADS, 33, 33), bool)
    for n, h, i in np.ndindex(cluster.shape):
        same = [j for j in range(i + 1) if cluster[n, h, j] == cluster[n, h, i]]
        mask[n, h, i, same[-window:]] = True
    got = routing_attention(q, k, v, mu, window=window, causal=True)
    assert_same(got, scaled_dot_product_attention(q, k, v, attn_mask=dlcore.tensor(mask)))


@pytest.mark.parametrize("causal", [False, True])
def test_centroids_follow_the_tokens(causal):
    module = nn.RoutingAttention(HEADS, DEPTH, 3, 4, causal, decay=0.6, dtype=dlcore.float64, generator=seeded())
    mu = module.centroids.numpy().copy()
    np.testing.assert_allclose((mu**2).sum(-1), 1)
    mu[0, 2] = module.centroids[0, 2] = 0.0  # nothing is nearest to it: q . 0 is not the largest of three, mostly
    q, k, v = inputs(9)
    tokens = [q] if causal else [q, k]
    module(q, k, v)
    want = np.zeros_like(mu)
    for h in range(HEADS):
        x = np.concatenate([unit(t).numpy()[:, h].reshape(-1, DEPTH) for t in tokens])
        nearest = (x @ mu[h].T).argmax(-1)
        for c in range(3):
            total = x[nearest == c].sum(0)
            moved = 0.6 * mu[h, c] + (0.4 * total / np.linalg.norm(total) if (nearest == c).any() else 0)
            want[h, c] = moved / max(np.linalg.norm(moved), 1e-12)
    np.testing.assert_allclose(module.centroids.numpy(), want, rtol=1e-12, atol=1e-14)
    module.eval()(q, k, v)
    np.testing.assert_allclose(module.centroids.numpy(), want, rtol=1e-12, atol=1e-14)


def test_centroids_find_clusters():
    """Tokens around two directions: in the end each has its centroid, from a random start."""
    directions = unit(dlcore.tensor([[1.0, 2, 0, 0], [0, 0, -1, 1]], dtype=dlcore.float64))
    x = directions[dlcore.arange(40) % 2].expand(1, 1, 40, 4) + 0.01 * random(1, 1, 40, 4)
    module = nn.RoutingAttention(1, 4, 2, 20, decay=0.5, dtype=dlcore.float64, generator=seeded())
    for _ in range(20):
        module(x, x, x)
    near = (module.centroids[0] @ directions.mT).numpy()
    assert sorted(near.argmax(-1)) == [0, 1] and near.max(-1).min() > 0.999


@pytest.mark.parametrize("causal", [False, True])
def test_memory_grows_linearly(causal):
    mu = unit(random(8, 16, dtype=dlcore.float32))
    calls = {
        "lsh": lambda q, k, v: lsh_attention(
            q, None, v, buckets=16, chunk=32, rounds=2, causal=causal, generator=seeded()
        ),
        "routing": lambda q, k, v: routing_attention(q, k, v, mu, window=64, causal=causal),
    }
    for call in calls.values():
        peaks = []
        for tokens in (512, 2048):
            x = [random(1, 2, tokens, 16, seed=i, dtype=dlcore.float32, requires_grad=True) for i in range(3)]
            before = dlcore.memory_stats()["allocated_bytes"]
            dlcore.reset_peak_memory_stats()
            call(*x).sum().backward()
            peaks.append(dlcore.memory_stats()["peak_allocated_bytes"] - before)
        assert peaks[1] < 4.2 * peaks[0]


def test_dropout_of_weights():
    """Each weight is dropped by itself, and the others grow: values of the identity show them."""
    q = random(1, 1, 64, DEPTH)
    eye = dlcore.eye(64, dtype=q.dtype).expand(1, 1, 64, 64)
    dlcore.manual_seed(0)
    for call in (
        lambda p: lsh_attention(q, q, eye, buckets=1, chunk=64, rounds=1, dropout_p=p),
        lambda p: routing_attention(q, q, eye, unit(random(1, DEPTH)), window=64, causal=True, dropout_p=p),
        lambda p: routing_attention(q, q, eye, unit(random(1, DEPTH)), window=64, dropout_p=p),
    ):
        plain, dropped = call(0.0).numpy(), call(0.5).numpy()
        kept = dropped != 0
        np.testing.assert_allclose(dropped[kept], 2 * plain[kept], rtol=1e-12)
        share = kept.sum() / (plain != 0).sum()
        assert abs(share - 0.5) < 5 * 0.5 / (plain != 0).sum() ** 0.5


def ones(*shape):
    return dlcore.ones(*shape)


X, Y = ones(1, HEADS, 6, DEPTH), ones(1, HEADS, 2, DEPTH)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lsh_attention(X, X.clone(), X), ValueError, "key must be query itself, or None"),
        (lambda: lsh_attention(X, X, X, buckets=3), ValueError, "buckets must be even or 1; got 3"),
        (lambda: lsh_attention(X, X, X, buckets=0), ValueError, "buckets must be an int in"),
        (lambda: lsh_attention(X, X, X, chunk=0), ValueError, "chunk must be an int in"),
        (lambda: lsh_attention(X, X, X, rounds=10**9), ValueError, r"rounds must be an int in \[1, 64\]"),
        (lambda: lsh_attention(X, X, X, dropout_p=1), ValueError, "dropout must be in"),
        (lambda: lsh_attention(X, X, X, scale=-1), ValueError, "scale must be positive"),
        (lambda: routing_attention(X, X, X, ones(3, 5), window=2), RuntimeError, "centroids must have shape"),
        (lambda: routing_attention(X, X, X, ones(3, 2, DEPTH), window=2), RuntimeError, "centroids must have shape"),
        (lambda: routing_attention(X, X, X, ones(2, DEPTH), window=0), ValueError, "window must be an int in"),
        (lambda: routing_attention(X, Y, Y, ones(2, DEPTH), window=2, causal=True), RuntimeError, "as long as"),
        (lambda: nn.RoutingAttention(2, 4, 0, 4), ValueError, "RoutingAttention: clusters must be an int in"),
        (lambda: nn.RoutingAttention(2, 4, 2, 4, decay=2), ValueError, r"decay must be in \[0, 1\]"),
        (lambda: nn.RoutingAttention(2, 4, 2, 4)(X, X, Y), RuntimeError, "as long as key"),
        (lambda: nn.RoutingAttention(3, 4, 2, 4)(X, X, X), RuntimeError, "centroids must have shape"),
    ],
)  # fmt: skip
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
