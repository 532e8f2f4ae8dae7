"""Linear attention equals its quadratic form; Performer's features estimate softmax attention as they promise to."""

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn.linear_attention import elu_features, linear_attention, orthogonal_features, performer_attention

EPS = {dlcore.float32: 2.0**-23, dlcore.float64: 2.0**-52}


def random(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).standard_normal(shape) * scale


def seeded(seed=0):
    return dlcore.Generator().manual_seed(seed)


def weighted(a, v, causal):
    """sum_j a_ij v_j / sum_j a_ij"""
    a = np.tril(a) if causal else a
    return a @ v / a.sum(-1, keepdims=True)


def elu(x):
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize(("causal", "chunk"), [(False, 64), (True, 1), (True, 7), (True, 64), (True, 1000)])
def test_equals_the_quadratic_form(dtype, causal, chunk):
    """Each sum has at most 150 terms of one sign in the divisor; |v| bounds the quotient."""
    q, k, v = (dlcore.tensor(random(2, 3, 150, d, seed=i), dtype=dtype) for i, d in enumerate((8, 8, 5)))
    got = linear_attention(q, k, v, causal=causal, chunk=chunk)
    q, k, v = (x.double().numpy() for x in (q, k, v))
    want = weighted(elu(q) @ elu(k).swapaxes(-1, -2), v, causal)
    np.testing.assert_allclose(got.double().numpy(), want, rtol=0, atol=(150 + 8) * EPS[dtype] * np.abs(v).max())


def test_queries_may_be_fewer_than_keys():
    q, k, v = (dlcore.tensor(random(2, n, d, seed=i)) for i, (n, d) in enumerate(((3, 4), (9, 4), (9, 2))))
    want = weighted(elu(q.numpy()) @ elu(k.numpy()).swapaxes(-1, -2), v.numpy(), False)
    np.testing.assert_allclose(linear_attention(q, k, v).numpy(), want, rtol=1e-13)


def test_elu_features():
    x = np.array([-80.0, -20, -1e-3, 0, 1e-3, 2], np.float32)
    got = elu_features(dlcore.tensor(x))
    np.testing.assert_allclose(got.numpy(), elu(x.astype(np.float64)), rtol=4 * EPS[dlcore.float32])
    t = dlcore.tensor([-1.0, 0.0, 3.0], dtype=dlcore.float64, requires_grad=True)
    (slope,) = dlcore.autograd.grad(elu_features(t).sum(), t)
    np.testing.assert_allclose(slope.numpy(), [np.exp(-1), 1, 1])


def test_any_feature_map_and_a_trained_one():
    q, k, v = (dlcore.tensor(random(2, 9, 4, seed=i)) for i in range(3))
    got = linear_attention(q, k, v, causal=True, feature_map=lambda x: x.square() + 1)
    want = weighted((q.numpy() ** 2 + 1) @ (k.numpy() ** 2 + 1).swapaxes(-1, -2), v.numpy(), True)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)
    module = nn.LinearAttention(feature_map=nn.Sequential(nn.Linear(4, 6), nn.Softplus()))
    module(*(x.float() for x in (q, k, v))).square().sum().backward()
    assert len(list(module.parameters())) == 2
    assert all(float(p.grad.abs().sum()) > 0 for p in module.parameters())


@pytest.mark.parametrize("causal", [False, True])
def test_memory_grows_linearly(causal):
    peaks = []
    for tokens in (1024, 4096):
        x = [
            dlcore.tensor(random(1, 2, tokens, 16, seed=i), dtype=dlcore.float32, requires_grad=True) for i in range(3)
        ]
        before = dlcore.memory_stats()["allocated_bytes"]
        dlcore.reset_peak_memory_stats()
        dlcore.autograd.grad(linear_attention(*x, causal=causal).sum(), x)
        peaks.append(dlcore.memory_stats()["peak_allocated_bytes"] - before)
    assert peaks[1] < 4.2 * peaks[0]


def test_ten_thousand_chunks():
    x = [dlcore.tensor(random(1, 10000, 2, seed=i), dtype=dlcore.float32, requires_grad=True) for i in range(3)]
    grads = dlcore.autograd.grad(linear_attention(*x, causal=True, chunk=1).sum(), x)
    assert all(bool(g.isfinite().all()) for g in grads)


def test_orthogonal_features():
    w = orthogonal_features(10, 4, seeded(), dlcore.float64).numpy()
    assert w.shape == (10, 4)
    for rows in (w[:4], w[4:8], w[8:]):
        products = rows @ rows.T
        np.testing.assert_allclose(products, np.diag(np.diag(products)), atol=1e-14)
    assert (orthogonal_features(10, 4, seeded(), dlcore.float64).numpy() == w).all()
    assert (orthogonal_features(10, 4, seeded(1), dlcore.float64).numpy() != w).all()
    # Gaussian by themselves: mean 0 and variance 1 to 5 standard errors, sqrt(1 / n) and sqrt(2 / n).
    many = orthogonal_features(4000, 4, seeded(2), dlcore.float64).numpy()
    assert np.abs(many.mean(0)).max() < 5 / 4000**0.5
    assert np.abs((many**2).mean(0) - 1).max() < 5 * (2 / 4000) ** 0.5


@pytest.mark.parametrize("causal", [False, True])
def test_performer_equals_its_quadratic_form(causal):
    q, k, v = (random(2, 3, 40, d, seed=i) for i, d in enumerate((8, 8, 5)))
    w = orthogonal_features(20, 8, seeded(), dlcore.float64)

    def features(x):
        x = x * 0.3**0.5
        return np.exp(x @ w.numpy().T - (x**2).sum(-1, keepdims=True) / 2)

    want = weighted(features(q) @ features(k).swapaxes(-1, -2), v, causal)
    x = [dlcore.tensor(t) for t in (q, k, v)]
    got = performer_attention(*x, w, causal=causal, scale=0.3, chunk=7)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-13)


def test_performer_converges_to_softmax_attention():
    """With a_j = (1 + d_j) exp(x . z_j), where E d_j = 0 and E d_j^2 <= r_j^2 = (exp(|x + z_j|^2) - 1) / F,

        y' - y = sum_j p_j d_j (v_j - y) / (1 + sum_j p_j d_j)

    and the root of E|sum_j p_j d_j u_j|^2 is at most sum_j p_j r_j |u_j| (Minkowski). By Chebyshev, with probability
    1 - 2 / t^2: |y' - y| <= t sum_j p_j r_j |v_j - y| / (1 - t sum_j p_j r_j).
    """
    q, k, v = random(50, 8, seed=0, scale=0.7), random(60, 8, seed=1, scale=0.7), random(60, 3, seed=2)
    x, z = q * 8**-0.25, k * 8**-0.25
    p = np.exp(x @ z.T)
    p /= p.sum(-1, keepdims=True)
    y = p @ v
    spread = np.linalg.norm(v - y[:, None], axis=-1)  # (queries, keys)
    growth = np.exp(((x[:, None] + z) ** 2).sum(-1)) - 1
    errors, t = {}, 5
    for features in (256, 65536):
        got = performer_attention(
            *map(dlcore.tensor, (q, k, v)), orthogonal_features(features, 8, seeded(3), dlcore.float64)
        )
        errors[features] = np.linalg.norm(got.numpy() - y, axis=-1)
        r = np.sqrt(growth / features)
        share = (p * r).sum(-1)
        sure = t * share < 0.5
        assert features == 256 or sure.sum() > 25
        assert (errors[features][sure] <= t * (p * r * spread).sum(-1)[sure] / (1 - t * share[sure])).all()
    # 256 times the features: errors fall like the root, by 16, give or take what one draw is off.
    assert np.median(errors[65536]) < np.median(errors[256]) / 6
    # Far closer than the plain mean of the values is.
    assert np.median(errors[65536]) < 0.1 * np.median(np.linalg.norm(v.mean(0) - y, axis=-1))


def test_performer_has_no_range_to_leave():
    """Keys and queries so long that exp(|x|^2 / 2) overflows float32."""
    q, k, v = (dlcore.tensor(random(1, 200, d, seed=i, scale=s), dtype=dlcore.float32) for i, d, s in
               ((0, 16, 6.0), (1, 16, 6.0), (2, 3, 1.0)))  # fmt: skip
    w = orthogonal_features(64, 16, seeded(), dlcore.float32)
    for causal in (False, True):
        y32 = performer_attention(q, k, v, w, causal=causal)
        y64 = performer_attention(q.double(), k.double(), v.double(), w.double(), causal=causal)
        assert bool(y32.isfinite().all())
        # exponents of some 1000 are off by 1000 eps; of the weights as much
        close = (y32.double() - y64).abs() < 1e-2
        assert float(close.to(dlcore.float32).mean()) > 0.9


def test_redraw():
    module = nn.PerformerAttention(8, 12, generator=seeded(1))
    first = module.projection.clone()
    assert first.shape == (12, 8) and "projection" in module.state_dict()
    module.redraw(seeded(2))
    assert bool((module.projection != first).all())
    module.redraw(seeded(1))
    assert bool((module.projection == first).all())
    assert nn.PerformerAttention(64).features == 266 and nn.PerformerAttention(1).features == 1


def ones(*shape, dtype=None):
    return dlcore.ones(*shape, dtype=dtype)


X = ones(2, 6, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: linear_attention(X, X, X, chunk=0), ValueError, "chunk must be an int in"),
        (lambda: linear_attention(X, X, X, chunk=2.0), ValueError, "chunk must be an int in"),
        (lambda: linear_attention(X, X, X, feature_map=3), TypeError, "feature_map must be callable; got int"),
        (lambda: linear_attention(X, X, X, feature_map=lambda x: x.sum(1)), RuntimeError, "the last dimension only"),
        (lambda: linear_attention(X, X, X, feature_map=lambda x: 3), RuntimeError, "and features but got int"),
        (lambda: linear_attention(X, ones(2, 5, 4), ones(2, 5, 4), causal=True), RuntimeError, "as long as query"),
        (lambda: performer_attention(X, X, X, ones(3, 5)), RuntimeError, r"projection must have shape \(rows, 4\)"),
        (lambda: performer_attention(X, X, X, ones(0, 4)), RuntimeError, "projection must have shape"),
        (lambda: performer_attention(X, X, X, ones(2, 3, 4)), RuntimeError, "projection must have shape"),
        (lambda: performer_attention(X, X, X, None), RuntimeError, "got NoneType"),
        (lambda: performer_attention(X, X, X, ones(3, 4), scale=0), ValueError, "scale must be positive"),
        (lambda: performer_attention(X, X, X, ones(3, 4), scale=float("nan")), ValueError, "scale must be positive"),
        (lambda: orthogonal_features(0, 4), ValueError, "features must be an int in"),
        (lambda: orthogonal_features(2**40, 1), ValueError, "features must be an int in"),
        (lambda: nn.PerformerAttention(0), ValueError, "head_dim must be"),
        (lambda: nn.PerformerAttention(4, 0), ValueError, "PerformerAttention: features must be"),
        (lambda: nn.LinearAttention(feature_map=None), TypeError, "LinearAttention: feature_map must be callable"),
        (lambda: nn.LinearAttention(chunk=-1), ValueError, "LinearAttention: chunk must be"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
