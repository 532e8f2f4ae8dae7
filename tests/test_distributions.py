"""Distributions: densities and entropies against the formulas, samples against their moments, gradients, errors."""

import itertools
import math

import numpy as np
import pytest

import dlcore
import dlcore.distributions as D

EPS = 2.0**-50  # of float64, for a handful of roundings


def f64(values, grad=False):
    return dlcore.tensor(values, dtype=dlcore.float64, requires_grad=grad)


def close(got, want, rtol=8 * EPS, atol=8 * EPS):
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=rtol, atol=atol)


LOC, SCALE = np.array([[-1.0], [0.5]]), np.array([0.3, 1.0, 4.0])
P = np.array([0.1, 0.5, 0.99])
ROWS = np.array([[0.2, 0.3, 0.5], [1.0, 7.0, 2.0]])


def test_normal():
    n = D.Normal(f64(LOC), f64(SCALE))
    assert n.batch_shape == (2, 3) and n.event_shape == () and n.has_rsample
    x = np.linspace(-3, 3, 6).reshape(2, 3)
    z = (x - LOC) / SCALE
    close(n.log_prob(f64(x)), -z * z / 2 - np.log(SCALE * math.sqrt(2 * math.pi)), rtol=1e-14)
    close(n.entropy(), np.broadcast_to(0.5 * np.log(2 * math.pi * math.e * SCALE**2), (2, 3)), rtol=1e-14)
    close(n.cdf(f64(x)), [[0.5 * (1 + math.erf(v / math.sqrt(2))) for v in row] for row in z], rtol=1e-14, atol=1e-15)
    close(n.cdf(n.icdf(f64([[0.1, 0.5, 0.9]] * 2))), [[0.1, 0.5, 0.9]] * 2, rtol=1e-12)
    close(n.mean, np.broadcast_to(LOC, (2, 3)))
    close(n.variance, np.broadcast_to(SCALE**2, (2, 3)))
    close(n.stddev, np.broadcast_to(SCALE, (2, 3)))
    close(n.mode, np.broadcast_to(LOC, (2, 3)))


def test_uniform():
    low, high = np.array([-1.0, 2.0]), np.array([1.0, 2.5])
    u = D.Uniform(f64(low), f64(high))
    close(u.log_prob(f64([0.3, 2.0])), -np.log(high - low))
    close(u.entropy(), np.log(high - low))
    close(u.mean, (low + high) / 2)
    close(u.variance, (high - low) ** 2 / 12)
    close(u.cdf(f64([-0.5, 2.25])), [0.25, 0.5])
    close(u.icdf(f64([0.25, 0.5])), [-0.5, 2.25])
    # the upper border belongs to the support and has no density; outside is an error, or -inf without validation
    assert u.log_prob(f64([1.0, 2.0])).tolist()[0] == -math.inf
    assert D.Uniform(f64(0.0), f64(1.0), validate_args=False).log_prob(f64(2.0)).item() == -math.inf


@pytest.mark.parametrize("by_logits", [False, True])
def test_bernoulli(by_logits):
    logits = np.log(P) - np.log1p(-P)
    b = D.Bernoulli(logits=f64(logits)) if by_logits else D.Bernoulli(f64(P))
    close(b.probs, P, rtol=1e-14)
    close(b.logits, logits, rtol=1e-14, atol=1e-15)
    close(b.log_prob(f64([1, 1, 1])), np.log(P), rtol=1e-13)
    close(b.log_prob(f64([0, 0, 0])), np.log1p(-P), rtol=1e-13)
    close(b.entropy(), -P * np.log(P) - (1 - P) * np.log1p(-P), rtol=1e-13)
    close(b.perplexity(), np.exp(-P * np.log(P) - (1 - P) * np.log1p(-P)), rtol=1e-13)
    close(b.mean, P, rtol=1e-14)
    close(b.variance, P * (1 - P), rtol=1e-13)
    if not by_logits:
        assert str(b.mode.tolist()) == "[0.0, nan, 1.0]"
    assert b.enumerate_support().shape == (2, 3) and b.enumerate_support(False).shape == (2, 1)


@pytest.mark.parametrize("by_logits", [False, True])
def test_categorical(by_logits):
    c = D.Categorical(logits=f64(np.log(ROWS))) if by_logits else D.Categorical(f64(ROWS))
    p = ROWS / ROWS.sum(-1, keepdims=True)
    assert c.batch_shape == (2,) and c.event_shape == () and c.param_shape == (2, 3)
    close(c.probs, p, rtol=1e-14)
    close(c.log_prob(dlcore.tensor([2, 0])), np.log([p[0, 2], p[1, 0]]), rtol=1e-13)
    close(c.log_prob(dlcore.tensor([[2, 0], [0, 1], [1, 1]])),
          np.log([[p[0, 2], p[1, 0]], [p[0, 0], p[1, 1]], [p[0, 1], p[1, 1]]]), rtol=1e-13)  # fmt: skip
    close(c.entropy(), -(p * np.log(p)).sum(-1), rtol=1e-13)
    assert c.mode.tolist() == [2, 1]
    assert np.isnan(c.mean.numpy()).all() and np.isnan(c.variance.numpy()).all()
    assert c.enumerate_support().shape == (3, 2)
    assert c.sample((4, 5)).shape == (4, 5, 2) and c.sample().dtype == dlcore.int64


def test_categorical_with_probability_zero():
    c = D.Categorical(logits=f64([0.0, -math.inf, 0.0]))
    close(c.entropy(), math.log(2))
    assert not (c.sample((100,)) == 1).any()


MANY = 1_000_000
CHANCE = 16.0  # what is seen with probability exp(-16) = 1e-7 or less is no chance
STRAY = math.sqrt(2 * CHANCE / MANY)  # of the mean of MANY draws, in standard deviations of one


@pytest.mark.parametrize(
    "make",
    [
        lambda: D.Normal(f64(LOC), f64(SCALE)),
        lambda: D.Normal(dlcore.tensor(-2.0), dlcore.tensor(0.5)),
        lambda: D.Uniform(f64([-1.0, 2.0]), f64([1.0, 2.5])),
        lambda: D.Bernoulli(f64(P)),
        lambda: D.Bernoulli(logits=dlcore.tensor(0.3)),
    ],
)
def test_samples_have_the_moments(make):
    dlcore.manual_seed(7)
    d = make()
    x = d.sample((MANY,))
    assert x.shape == (MANY, *d.batch_shape) and not x.requires_grad
    x, mean, variance = (each.double().numpy() for each in (x, d.mean, d.variance))
    assert (np.abs(x.mean(0) - mean) <= STRAY * np.sqrt(variance)).all()
    squares = (x - mean) ** 2
    assert (np.abs(squares.mean(0) - variance) <= STRAY * squares.std(0)).all()


@pytest.mark.parametrize(
    "d",
    [
        D.Normal(f64(1.0), f64(0.7)),
        D.Uniform(f64(-1.0), f64(2.0)),
        D.Exponential(f64(0.4)),
        D.Laplace(f64(-2.0), f64(0.3)),
    ],
    ids=lambda d: type(d).__name__,
)
def test_samples_have_the_law(d):
    """The greatest distance of the distribution functions (Kolmogorov, Smirnov)."""
    dlcore.manual_seed(11)
    u = np.sort(d.cdf(d.sample((MANY,))).numpy())
    steps = np.arange(MANY + 1) / MANY
    distance = max((steps[1:] - u).max(), (u - steps[:-1]).max())
    # Massart, "The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality", 1990
    assert distance <= math.sqrt((CHANCE + math.log(2)) / (2 * MANY))


def test_categorical_frequencies():
    dlcore.manual_seed(7)
    c = D.Categorical(f64(ROWS))
    counts = dlcore.nn.functional.one_hot(c.sample((MANY,)), 3).double().mean(0)
    p = ROWS / ROWS.sum(-1, keepdims=True)
    assert (np.abs(counts.numpy() - p) <= STRAY * np.sqrt(p * (1 - p))).all()


def test_rsample_is_differentiable():
    loc, scale = f64([0.5, -1.0], grad=True), f64([1.0, 2.0], grad=True)
    x = D.Normal(loc, scale).rsample((3,))
    x.sum().backward()
    close(loc.grad, [3, 3])
    close(scale.grad, ((x.detach() - loc.detach()) / scale.detach()).sum(0).numpy(), rtol=1e-12, atol=1e-12)
    low, high = f64(0.0, grad=True), f64(2.0, grad=True)
    u = D.Uniform(low, high).rsample()
    u.backward()
    close(high.grad, u.item() / 2, rtol=1e-14)
    assert not D.Normal(loc, scale).sample().requires_grad
    with pytest.raises(NotImplementedError):
        D.Bernoulli(f64(0.5)).rsample()


def test_gradients_of_log_prob_and_entropy():
    value, index = f64([0.3, 0.7]), dlcore.tensor([2, 0])
    functions = [
        lambda a, b: D.Normal(a, b.exp()).log_prob(value),
        lambda a, b: D.Normal(a, b.exp()).entropy(),
        lambda a, b: D.Bernoulli(logits=a).entropy() + D.Bernoulli(b.sigmoid()).log_prob(f64([1.0, 0.0])),
        lambda a, b: D.Categorical(logits=dlcore.stack([a, b, a * b], -1)).log_prob(index),
        lambda a, b: D.Categorical(logits=dlcore.stack([a, b, a * b], -1)).entropy(),
        lambda a, b: D.kl_divergence(D.Normal(a, b.exp()), D.Normal(b, a.exp())),
        lambda a, b: D.kl_divergence(D.Bernoulli(logits=a), D.Bernoulli(logits=b)),
        lambda a, b: D.kl_divergence(D.Categorical(logits=a), D.Categorical(logits=b)),
    ]
    for f in functions:
        assert dlcore.autograd.gradcheck(f, (f64([0.4, -0.6], grad=True), f64([0.2, 1.1], grad=True)))


def test_a_lazy_parameter_keeps_its_gradient():
    """Sampling computes probs without recording; the entropy after it is differentiable all the same."""
    logits = f64([0.4, -0.6], grad=True)
    c = D.Categorical(logits=logits)
    c.sample()
    c.entropy().backward()
    assert logits.grad is not None and logits.grad.abs().sum() > 0


def sum_over_support(p, q):
    """KL by its definition, for distributions with a finite support."""
    total = 0
    for value in p.enumerate_support():
        total = total + p.log_prob(value).exp() * (p.log_prob(value) - q.log_prob(value))
    return total.detach().numpy()


def test_kl_divergence():
    p, q = D.Normal(f64(LOC), f64(SCALE)), D.Normal(f64(0.5), f64(2.0))
    grid = np.linspace(-40, 40, 400_001)
    for i, j in itertools.product(range(2), range(3)):
        one = D.Normal(f64(LOC[i, 0]), f64(SCALE[j]))
        log_p, log_q = one.log_prob(f64(grid)).numpy(), q.log_prob(f64(grid)).numpy()
        integral = (np.exp(log_p) * (log_p - log_q)).sum() * (grid[1] - grid[0])
        np.testing.assert_allclose(D.kl_divergence(p, q)[i, j].item(), integral, rtol=1e-9)
    b, c = D.Bernoulli(f64(P)), D.Bernoulli(f64(P[::-1].copy()))
    close(D.kl_divergence(b, c), sum_over_support(b, c), rtol=1e-12, atol=1e-14)
    k, m = D.Categorical(f64(ROWS)), D.Categorical(f64(ROWS[::-1].copy()))
    close(D.kl_divergence(k, m), sum_over_support(k, m), rtol=1e-12)
    u, v = D.Uniform(f64(0.0), f64(1.0)), D.Uniform(f64(-1.0), f64(3.0))
    close(D.kl_divergence(u, v), math.log(4))
    assert D.kl_divergence(v, u).item() == math.inf


def test_kl_divergence_at_the_border():
    p = D.Bernoulli(f64([0.0, 1.0, 0.0, 0.5, 1.0]))
    q = D.Bernoulli(f64([0.0, 1.0, 1.0, 0.0, 0.25]))
    kl = D.kl_divergence(p, q).numpy()
    np.testing.assert_allclose(kl, [0, 0, math.inf, math.inf, math.log(4)], rtol=1e-12, atol=1e-12)
    p, q = (
        D.Categorical(f64([0.5, 0.5, 0.0])),
        D.Categorical(f64([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.25, 0.25, 0.5]])),
    )
    np.testing.assert_allclose(D.kl_divergence(p, q).numpy(), [0, math.inf, math.log(2)], rtol=1e-12, atol=1e-12)


def test_register_kl():
    class Wide(D.Normal):
        pass

    assert D.kl_divergence(Wide(0.0, 1.0), D.Normal(0.0, 1.0)).item() == 0  # a subclass is one of its base

    @D.register_kl(Wide, D.Normal)
    def wide(p, q):
        return dlcore.tensor(5.0)

    assert D.kl_divergence(Wide(0.0, 1.0), D.Normal(0.0, 1.0)).item() == 5
    with pytest.raises(NotImplementedError, match="p type Normal, q type Bernoulli"):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Bernoulli(0.5))
    with pytest.raises(TypeError, match="subclasses of Distribution"):
        D.register_kl(int, D.Normal)


def test_expand():
    for d in (D.Normal(f64([0.0, 1.0]), f64([1.0, 2.0])), D.Bernoulli(f64([0.2, 0.7])), D.Categorical(f64(ROWS))):
        e = d.expand((3, 2))
        assert e.batch_shape == (3, 2) and e.sample((4,)).shape == (4, 3, 2) and type(e) is type(d)
        assert e.entropy().shape == (3, 2)
        close(e.entropy()[1], d.entropy().numpy())


def test_shapes_and_repr():
    assert D.Normal(0.0, 1.0).sample().shape == ()
    assert D.Normal(0, 1).sample((2,)).dtype == dlcore.float32
    assert repr(D.Normal(0.0, 1.0)) == "Normal(loc: 0.0, scale: 1.0)"
    assert repr(D.Bernoulli(dlcore.ones(3) / 2)) == "Bernoulli(probs: dlcore.Size([3]))"
    assert repr(D.Normal(0.0, 1.0).support) == "Real()"
    assert dlcore.distributions is D


def test_errors():
    for bad in (
        lambda: D.Normal(0.0, -1.0),
        lambda: D.Normal(math.nan, 1.0),
        lambda: D.Bernoulli(1.5),
        lambda: D.Uniform(1.0, 1.0),
        lambda: D.Categorical(dlcore.tensor([-0.5, 1.5])),
        lambda: D.Categorical(dlcore.tensor(0.5)),
        lambda: D.Bernoulli(),
        lambda: D.Bernoulli(0.5, 0.0),
        lambda: D.Categorical(dlcore.ones(2), dlcore.ones(2)),
        lambda: D.Normal("a", 1.0),
        lambda: D.Normal(0.0, 1.0).log_prob(2.0),
        lambda: D.Normal(0.0, 1.0).log_prob(dlcore.tensor(math.nan)),
        lambda: D.Normal(dlcore.zeros(3), 1.0).log_prob(dlcore.zeros(2)),
        lambda: D.Bernoulli(0.5).log_prob(dlcore.tensor(0.5)),
        lambda: D.Uniform(0.0, 1.0).log_prob(dlcore.tensor(2.0)),
        lambda: D.Categorical(dlcore.ones(3)).log_prob(dlcore.tensor(3)),
        lambda: D.Distribution.set_default_validate_args("no"),
    ):
        with pytest.raises(ValueError):
            bad()
    with pytest.raises(ValueError, match=r"Expected parameter scale \(Tensor of shape \(\)\).*GreaterThan"):
        D.Normal(0.0, -1.0)
    D.Normal(0.0, -1.0, validate_args=False)  # unchecked on request
