"""Counts and waits: what poisson and binomial draw against the laws (chi-square with a fixed seed), and the
distributions made of them against their formulas in float64."""

import itertools
import math

import numpy as np
import pytest

import dlcore
import dlcore.distributions as D

MANY = 1_000_000
CHANCE = 16.0  # what is seen with probability exp(-16) = 1e-7 or less is no chance
RATES = (0.0, 1e-3, 0.4, 3.0, 9.9, 10.0, 10.5, 40.0, 1000.0)
TRIALS = ((0, 0.3), (1, 0.3), (5, 0.0), (5, 1.0), (12, 0.5), (30, 0.02), (30, 0.34), (100, 0.1), (60, 0.9), (5000, 0.4))


def f64(values, grad=False):
    return dlcore.tensor(values, dtype=dlcore.float64, requires_grad=grad)


def poisson_law(k, rate):
    return math.exp(k * math.log(rate) - rate - math.lgamma(k + 1)) if rate else float(k == 0)


def binomial_law(k, n, p):
    return math.comb(n, k) * p**k * (1 - p) ** (n - k) if n < 1000 else math.exp(
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
    )  # fmt: skip


def chi_square(draws, law, mean, spread):
    """Draws against the law's cells of five or more expected draws; what is rarer is one cell more."""
    draws = draws.numpy()
    assert (draws == np.floor(draws)).all() and (draws >= 0).all()
    low, high = max(0, math.floor(mean - 9 * spread) - 2), math.ceil(mean + 9 * spread) + 10
    expected = np.array([law(k) for k in range(low, high)]) * draws.size
    seen = np.bincount(np.clip(draws.astype(np.int64) - low, 0, high - low), minlength=high - low + 1)[: high - low]
    common = expected >= 5
    e = np.append(expected[common], max(draws.size - expected[common].sum(), 0))
    s = np.append(seen[common], draws.size - seen[common].sum())
    if e[-1] < 5:  # too rare for the statistic
        assert s[-1] <= 20
        e, s = e[:-1], s[:-1]
    statistic, freedom = ((s - e) ** 2 / e).sum(), max(len(e) - 1, 1)
    # Laurent and Massart, "Adaptive estimation of a quadratic functional", 2000, lemma 1
    assert statistic <= freedom + 2 * math.sqrt(freedom * CHANCE) + 2 * CHANCE, (statistic, freedom)


@pytest.mark.parametrize("rate", RATES)
def test_poisson(rate):
    g = dlcore.Generator().manual_seed(3)
    draws = dlcore.poisson(dlcore.full((MANY,), rate, dtype=dlcore.float64), generator=g)
    chi_square(draws, lambda k: poisson_law(k, rate), rate, math.sqrt(rate))


@pytest.mark.parametrize(("n", "p"), TRIALS)
def test_binomial(n, p):
    g = dlcore.Generator().manual_seed(4)
    draws = dlcore.binomial(dlcore.full((MANY,), float(n)), dlcore.full((), p), generator=g)
    assert draws.dtype == dlcore.float32 and (draws <= n).all()
    chi_square(draws, lambda k: binomial_law(k, n, p) if 0 < p < 1 and k <= n else float(k == n * p), n * p,
               math.sqrt(n * p * (1 - p)))  # fmt: skip


@pytest.mark.parametrize(
    "draw",
    [
        lambda n, g: dlcore.poisson(dlcore.arange(n) % 97 * 0.7, generator=g),
        lambda n, g: dlcore.binomial(dlcore.arange(n) % 97 * 1.0, dlcore.full((n,), 0.4), generator=g),
    ],
)
def test_draws_depend_on_seed_and_place_alone(draw):
    g, before = dlcore.Generator(), dlcore.get_num_threads()
    try:
        whole = draw(5000, g.manual_seed(9))
        for threads in (1, 2, 3, 7):
            dlcore.set_num_threads(threads)
            assert dlcore.equal(draw(5000, g.manual_seed(9)), whole), threads
        assert dlcore.equal(draw(100, g.manual_seed(9)), whole[:100])
        assert not dlcore.equal(draw(5000, g), whole[:5000])
    finally:
        dlcore.set_num_threads(before)


def test_extremes_and_gradients():
    for rate in (1e15, 1e300):  # far beyond what the dtype resolves: finite and near
        x = dlcore.poisson(f64([rate] * 100))
        assert (x.sub(rate).abs() <= max(10 * math.sqrt(rate), 1e-15 * rate)).all()
        y = dlcore.binomial(f64([rate] * 100), f64(0.25))
        assert (y.sub(rate / 4).abs() <= max(10 * math.sqrt(rate), 1e-15 * rate)).all()
    assert (dlcore.binomial(f64([1e300] * 9), f64([0.0, 1.0, 1e-300] * 3)) >= 0).all()
    assert dlcore.poisson(dlcore.zeros(0, 3)).shape == (0, 3)
    assert dlcore.poisson(dlcore.ones(3).half()).dtype == dlcore.float16
    assert dlcore.binomial(dlcore.ones(2, 1), dlcore.ones(3)).shape == (2, 3)
    assert dlcore.poisson(dlcore.arange(12.0).reshape(3, 4).t()[::2]).shape == (2, 3)
    x = dlcore.ones(3, requires_grad=True)
    (dlcore.poisson(x) + dlcore.binomial(x, x * 0.5)).sum().backward()
    assert x.grad.tolist() == [0, 0, 0]
    for bad in (
        lambda: dlcore.poisson(dlcore.tensor(-1.0)),
        lambda: dlcore.poisson(dlcore.tensor(math.nan)),
        lambda: dlcore.poisson(dlcore.tensor(math.inf)),
        lambda: dlcore.binomial(dlcore.tensor(-1.0), dlcore.tensor(0.5)),
        lambda: dlcore.binomial(dlcore.tensor(math.inf), dlcore.tensor(0.5)),
        lambda: dlcore.binomial(dlcore.tensor(1.0), dlcore.tensor(1.5)),
        lambda: dlcore.binomial(dlcore.tensor(1.0), dlcore.tensor(math.nan)),
        lambda: dlcore.binomial(dlcore.tensor(1.0), f64(0.5)),
        lambda: dlcore.binomial(dlcore.ones(2), dlcore.ones(3)),
    ):
        with pytest.raises(RuntimeError):
            bad()
    for bad in (lambda: dlcore.poisson(dlcore.tensor(3)), lambda: dlcore.binomial(dlcore.tensor(3), dlcore.tensor(1))):
        with pytest.raises(NotImplementedError):
            bad()


# ---- distributions


def close(got, want, rtol=1e-12, atol=1e-13):
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=rtol, atol=atol)


P = np.array([0.1, 0.5, 0.97])


def test_binomial_formulas():
    n = 7
    for b in (D.Binomial(n, f64(P)), D.Binomial(f64([7.0, 7.0, 7.0]), logits=f64(np.log(P / (1 - P))))):
        table = np.array([[binomial_law(k, n, p) for p in P] for k in range(n + 1)])
        k = np.arange(n + 1)[:, None]
        close(b.log_prob(f64(np.repeat(k, 3, 1))), np.log(table), rtol=1e-11)
        close(b.entropy(), -(table * np.log(table)).sum(0), rtol=1e-11)
        close(b.mean, (table * k).sum(0))
        close(b.variance, (table * k**2).sum(0) - (table * k).sum(0) ** 2, rtol=1e-11)
        close(b.log_prob(b.mode), np.log(table.max(0)), rtol=1e-11)
        assert b.enumerate_support().shape == (8, 3) and b.enumerate_support(False).shape == (8, 1)
    mixed = D.Binomial(f64([3.0, 5.0]), f64(0.5))
    with pytest.raises(NotImplementedError):
        mixed.entropy()
    assert D.Binomial(4, 0.5).sample((2,)).dtype == dlcore.float32
    assert D.Binomial(dlcore.tensor([3, 4]), 0.5).probs.dtype == dlcore.float32


def test_poisson_formulas():
    rates = np.array([0.0, 0.3, 4.5, 60.0, 100.0, 101.0, 900.0])
    p = D.Poisson(f64(rates))
    ks = range(1600)
    table = np.array([[poisson_law(k, r) for r in rates] for k in ks])
    logs = np.log(np.where(table > 0, table, 1))
    close(p.entropy(), -(table * logs).sum(0), rtol=1e-9)
    for k in (0, 3, 100):
        close(p.log_prob(f64([float(k)] * 7)).exp(), table[k], rtol=1e-10)
    close(p.mean, rates)
    close(p.variance, rates)
    assert p.mode.tolist() == [0, 0, 4, 60, 100, 101, 900]
    assert D.Poisson(dlcore.zeros(0)).entropy().shape == (0,)


def test_exponential_and_laplace_formulas():
    x = np.linspace(1e-6, 60, 600_001)
    for d, law in (
        (D.Exponential(f64(0.7)), 0.7 * np.exp(-0.7 * x)),
        (D.Laplace(f64(0.0), f64(1.3)), np.exp(-x / 1.3) / 2.6),
    ):
        close(d.log_prob(f64(x)).exp(), law)
        close(d.cdf(d.icdf(f64([0.1, 0.5, 0.9]))), [0.1, 0.5, 0.9])
        both = 1 if isinstance(d, D.Exponential) else 2  # sides of 0
        step = x[1] - x[0]
        close(d.entropy(), -both * (law * np.log(law)).sum() * step, rtol=1e-3)
        close(d.variance + d.mean**2, both * (law * x * x).sum() * step, rtol=1e-3)
        close(d.stddev.square(), d.variance.numpy())
    assert D.Exponential(f64(0.7)).mean.item() == pytest.approx(1 / 0.7)
    assert D.Laplace(1.0, 2.0).mode.item() == 1.0 and D.Exponential(3.0).mode.item() == 0.0


ROWS = np.array([[0.2, 0.3, 0.5], [0.7, 0.2, 0.1]])


def test_multinomial_formulas():
    n = 4
    for m in (D.Multinomial(n, f64(ROWS * 3)), D.Multinomial(n, logits=f64(np.log(ROWS) + 2))):
        vectors = [v for v in itertools.product(range(n + 1), repeat=3) if sum(v) == n]
        ways = [math.factorial(n) / math.prod(math.factorial(k) for k in v) for v in vectors]
        table = np.array([[w * np.prod(row ** np.array(v)) for row in ROWS] for v, w in zip(vectors, ways)])
        got = m.log_prob(f64([[v, v] for v in vectors]))
        close(got.exp(), table, rtol=1e-11)
        close(m.entropy(), -(table * np.log(table)).sum(0), rtol=1e-11)
        close(m.mean, n * ROWS)
        close(m.variance, n * ROWS * (1 - ROWS))
        assert m.batch_shape == (2,) and m.event_shape == (3,)
    assert m.expand((5, 2)).sample((4,)).shape == (4, 5, 2, 3)
    assert D.Multinomial(3, logits=f64([0.0, -math.inf, 0.0])).log_prob(f64([1.0, 0.0, 2.0])).exp().item() == (
        pytest.approx(3 / 8)
    )


def test_multinomial_draws():
    dlcore.manual_seed(5)
    m = D.Multinomial(6, f64([[0.2, 0.0, 0.3, 0.5, 0.0]]))
    x = m.sample((MANY,))
    assert (x.sum(-1) == 6).all() and (x[..., [1, 4]] == 0).all() and x.dtype == dlcore.float64
    for i, p in ((0, 0.2), (2, 0.3), (3, 0.5)):
        chi_square(x[:, 0, i], lambda k, p=p: binomial_law(k, 6, p) if k <= 6 else 0.0, 6 * p, 1.2)
    covariance = np.cov(x[:, 0].numpy().T)
    want = 6 * (np.diag(m.probs[0].numpy()) - np.outer(m.probs[0].numpy(), m.probs[0].numpy()))
    assert np.abs(covariance - want).max() <= 6 * 6 / math.sqrt(MANY)
    huge = D.Multinomial(10**12, f64(ROWS)).sample()  # memory does not depend on the count
    close(huge.sum(-1), [1e12, 1e12], rtol=0)
    close(huge / 1e12, ROWS, rtol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: D.Exponential(f64([0.3, 2.0])),
        lambda: D.Laplace(f64([-1.0, 2.0]), f64([0.3, 4.0])),
        lambda: D.Poisson(f64([0.5, 30.0])),
        lambda: D.Binomial(20, f64([0.1, 0.6])),
        lambda: D.Multinomial(9, f64([0.1, 0.6, 0.3])),
    ],
)
def test_samples_have_the_moments(make):
    dlcore.manual_seed(7)
    d = make()
    x = d.sample((MANY,))
    assert x.shape == (MANY, *d.batch_shape, *d.event_shape) and not x.requires_grad
    assert bool(d.support.check(x).all())
    stray = math.sqrt(2 * CHANCE / MANY)  # of the mean of MANY draws, in standard deviations of one
    assert (np.abs(x.mean(0).numpy() - d.mean.numpy()) <= stray * d.stddev.numpy()).all()
    squares = (x - d.mean).square().numpy()
    assert (np.abs(squares.mean(0) - d.variance.numpy()) <= stray * squares.std(0)).all()


def test_rsample_is_differentiable():
    rate = f64([0.5, 3.0], grad=True)
    x = D.Exponential(rate).rsample()
    x.sum().backward()
    close(rate.grad, (-x / rate).detach().numpy())
    loc, scale = f64(0.5, grad=True), f64(2.0, grad=True)
    y = D.Laplace(loc, scale).rsample()
    y.backward()
    close(scale.grad, ((y - loc) / scale).item())
    assert loc.grad.item() == 1
    for d in (D.Poisson(rate), D.Binomial(3, rate.sigmoid()), D.Multinomial(3, rate)):
        assert not d.has_rsample and not d.sample().requires_grad
        with pytest.raises(NotImplementedError):
            d.rsample()


def test_gradients():
    def check(f):
        assert dlcore.autograd.gradcheck(f, (f64([0.4, -0.6], grad=True), f64([0.2, 1.1], grad=True)))

    value = f64([2.0, 3.0])
    check(lambda a, b: D.Exponential(a.exp()).log_prob(value) + D.Exponential(b.exp()).entropy())
    check(lambda a, b: D.Laplace(a, b.exp()).log_prob(value) + D.Laplace(a, b.exp()).entropy())
    check(lambda a, b: D.Poisson(a.exp()).log_prob(value) + D.Poisson((b * 5).exp()).entropy())
    check(lambda a, b: D.Binomial(5, logits=a).log_prob(value) + D.Binomial(5, b.sigmoid()).entropy())
    check(lambda a, b: D.Multinomial(5, logits=a).log_prob(value) + D.Multinomial(4, b.exp()).entropy())
    check(lambda a, b: D.kl_divergence(D.Poisson(a.exp()), D.Poisson(b.exp())))
    check(lambda a, b: D.kl_divergence(D.Laplace(a, b.exp()), D.Laplace(b, a.exp())))
    check(lambda a, b: D.kl_divergence(D.Normal(a, b.exp()), D.Laplace(b, a.exp())))


def test_kl_divergence():
    def mean_of_ratio(p, q, x, step=1.0):
        x = f64(x)
        return (p.log_prob(x).exp() * (p.log_prob(x) - q.log_prob(x))).sum().item() * step

    grid = np.linspace(-60, 60, 600_001)
    step = grid[1] - grid[0]
    counts = np.arange(200.0)
    normal, laplace = D.Normal(f64(0.4), f64(1.7)), D.Laplace(f64(-0.3), f64(1.2))
    exponential = D.Exponential(f64(1.3))
    positive = np.linspace(1e-7, 60, 600_001)
    for p, q, x, dx in (
        (laplace, D.Laplace(f64(1.0), f64(0.8)), grid, step),
        (laplace, normal, grid, step),
        (normal, laplace, grid, step),
        (exponential, D.Exponential(f64(0.4)), positive, positive[1] - positive[0]),
        (exponential, normal, positive, positive[1] - positive[0]),
        (D.Uniform(f64(1.0), f64(3.0)), normal, np.linspace(1, 3, 100_001)[:-1] + 1e-5, 2e-5),
        (D.Uniform(f64(1.0), f64(3.0)), exponential, np.linspace(1, 3, 100_001)[:-1] + 1e-5, 2e-5),
        (D.Poisson(f64(4.0)), D.Poisson(f64(7.5)), counts, 1.0),
        (D.Binomial(9, f64(0.3)), D.Binomial(9, f64(0.6)), np.arange(10.0), 1.0),
        (D.Bernoulli(f64(0.3)), D.Poisson(f64(0.9)), np.arange(2.0), 1.0),
    ):
        assert D.kl_divergence(p, q).item() == pytest.approx(mean_of_ratio(p, q, x, dx), rel=2e-4), (p, q)
    inf = math.inf
    for p, q in (
        (D.Binomial(5, 0.5), D.Binomial(4, 0.5)),
        (D.Poisson(1.0), D.Binomial(4, 0.5)),
        (normal, exponential),
        (exponential, D.Uniform(0.0, 9.0)),
        (D.Uniform(-1.0, 1.0), D.Exponential(1.0)),
    ):
        assert D.kl_divergence(p, q).item() == inf
    assert D.kl_divergence(D.Poisson(0.0), D.Poisson(2.0)).item() == 2
    assert D.kl_divergence(D.Binomial(3, f64(0.0)), D.Binomial(3, f64(0.5))).item() == pytest.approx(3 * math.log(2))
    categories = D.kl_divergence(D.Categorical(f64(ROWS[0])), D.Categorical(f64(ROWS[1]))).item()
    assert D.kl_divergence(D.Multinomial(4, f64(ROWS[0])), D.Multinomial(4, f64(ROWS[1]))).item() == 4 * categories
    for p, q in (
        (D.Binomial(3, 0.5), D.Binomial(4, 0.5)),
        (D.Multinomial(3, f64(ROWS)), D.Multinomial(4, f64(ROWS))),
    ):
        with pytest.raises(NotImplementedError, match="total_count"):
            D.kl_divergence(p, q)


def test_errors():
    for bad in (
        lambda: D.Poisson(-1.0),
        lambda: D.Poisson(math.nan),
        lambda: D.Poisson(1.0).log_prob(dlcore.tensor(0.5)),
        lambda: D.Poisson(1.0).log_prob(dlcore.tensor(-1.0)),
        lambda: D.Exponential(0.0),
        lambda: D.Exponential(1.0).log_prob(dlcore.tensor(-1.0)),
        lambda: D.Laplace(0.0, 0.0),
        lambda: D.Laplace("a", 1.0),
        lambda: D.Binomial(2, 1.5),
        lambda: D.Binomial(-1, 0.5),
        lambda: D.Binomial(1.5, 0.5),
        lambda: D.Binomial(2),
        lambda: D.Binomial(2, 0.5, 0.5),
        lambda: D.Binomial(2, 0.5).log_prob(dlcore.tensor(3.0)),
        lambda: D.Multinomial(-1, dlcore.ones(2)),
        lambda: D.Multinomial(2, dlcore.tensor([-1.0, 2.0])),
        lambda: D.Multinomial(2, dlcore.ones(2)).log_prob(dlcore.tensor([2.0, 1.0])),
        lambda: D.Multinomial(2, dlcore.ones(2)).log_prob(dlcore.tensor([-1.0, 1.0])),
    ):
        with pytest.raises(ValueError):
            bad()
    with pytest.raises(NotImplementedError, match="total_count"):
        D.Multinomial(dlcore.tensor([1, 2]), dlcore.ones(2))
    assert repr(D.Poisson(1.0)) == "Poisson(rate: 1.0)"
    assert repr(D.Poisson.support) == "IntegerGreaterThan(lower_bound=0)"
