"""Distributions against PyTorch's: the same parameters and values, float64."""

import numpy as np
import pytest

import dlcore
import dlcore.distributions as D

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

RNG = np.random.default_rng(0)
LOC, SCALE, P = RNG.normal(size=(4, 1)), RNG.uniform(0.1, 3, size=(4, 5)), RNG.uniform(0.01, 0.99, size=(4, 5))
LOGITS = 3 * RNG.normal(size=(4, 5))
CASES = {
    "Normal": (lambda d, t: d.Normal(t(LOC), t(SCALE)), lambda t: t(RNG.normal(size=(3, 4, 5)))),
    "Uniform": (lambda d, t: d.Uniform(t(LOC), t(LOC + SCALE)), lambda t: t(LOC + 0.3 * SCALE)),
    "Bernoulli": (lambda d, t: d.Bernoulli(t(P)), lambda t: t(RNG.integers(0, 2, (4, 5)))),
    "Bernoulli_logits": (lambda d, t: d.Bernoulli(logits=t(LOGITS)), lambda t: t(RNG.integers(0, 2, (4, 5)))),
    "Categorical": (lambda d, t: d.Categorical(t(P)), lambda t: t(RNG.integers(0, 5, (3, 4)))),
    "Categorical_logits": (lambda d, t: d.Categorical(logits=t(LOGITS)), lambda t: t(RNG.integers(0, 5, (3, 4)))),
    "Binomial": (lambda d, t: d.Binomial(6, t(P)), lambda t: t(RNG.integers(0, 7, (3, 4, 5)))),
    "Binomial_logits": (lambda d, t: d.Binomial(6, logits=t(LOGITS)), lambda t: t(RNG.integers(0, 7, (4, 5)))),
    "Multinomial": (lambda d, t: d.Multinomial(6, t(P)), lambda t: t([[1, 0, 2, 3, 0]] * 4)),
    "Multinomial_logits": (lambda d, t: d.Multinomial(6, logits=t(LOGITS)), lambda t: t([[1, 0, 2, 3, 0]] * 4)),
    "Poisson": (lambda d, t: d.Poisson(t(SCALE)), lambda t: t(RNG.integers(0, 7, (3, 4, 5)))),
    "Exponential": (lambda d, t: d.Exponential(t(SCALE)), lambda t: t(RNG.uniform(0, 7, (3, 4, 5)))),
    "Laplace": (lambda d, t: d.Laplace(t(LOC), t(SCALE)), lambda t: t(RNG.normal(size=(3, 4, 5)))),
}


def both(function):
    """function(distributions module, array -> float64 tensor), run on both; the same random numbers for both."""
    global RNG
    results = []
    for library, module in ((dlcore, D), (torch, torch.distributions)):
        RNG = np.random.default_rng(1)
        results.append(function(module, lambda a, lib=library: lib.tensor(np.asarray(a)).to(lib.float64)))
    return results


def same(ours, theirs, rtol=1e-12):
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=rtol, atol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    make, values = CASES[name]
    same(*both(lambda d, t: make(d, t).log_prob(values(t))))
    for quantity in ("mean", "variance", "stddev", "mode"):
        if quantity == "mode" and name.split("_")[0] in ("Uniform", "Multinomial"):
            continue
        same(*both(lambda d, t, q=quantity: getattr(make(d, t), q)))
    if name != "Poisson":  # which has none in PyTorch
        rtol = 1e-6 if name.startswith("Multinomial") else 1e-12  # PyTorch takes log n! in float32
        same(*both(lambda d, t: make(d, t).entropy()), rtol=rtol)
    ours, theirs = both(make)
    assert tuple(ours.batch_shape) == tuple(theirs.batch_shape) and tuple(ours.event_shape) == tuple(theirs.event_shape)
    assert repr(ours) == repr(theirs).replace("torch", "dlcore")
    for flag in ("has_rsample", "has_enumerate_support"):
        assert getattr(ours, flag) == getattr(theirs, flag)
    assert tuple(ours.sample((2, 3)).shape) == tuple(theirs.sample((2, 3)).shape)
    if ours.has_enumerate_support:
        for expand in (True, False):
            same(*both(lambda d, t, e=expand: make(d, t).enumerate_support(e).double()))
    elif ours.has_rsample:
        same(*both(lambda d, t: make(d, t).cdf(values(t))))
        same(*both(lambda d, t: make(d, t).icdf(t(np.linspace(0.05, 0.95, 5)))))


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("Multinomial")])
def test_kl_divergence(name):
    make, _ = CASES[name]

    def kl(d, t):
        p, q = make(d, t), make(d, lambda a: t(0.7 * np.asarray(a)))
        return d.kl_divergence(p, q)

    same(*both(kl))


@pytest.mark.parametrize("pair", [(p, q) for p in CASES for q in CASES if p.split("_")[0] != q.split("_")[0]])
def test_kl_divergence_of_two_families(pair):
    """Where PyTorch has one; it knows more families, but not between these."""
    results = []
    for d, t in ((D, dlcore.tensor), (torch.distributions, torch.tensor)):
        global RNG
        RNG = np.random.default_rng(1)
        p, q = (CASES[name][0](d, lambda a, t=t: t(np.asarray(a, dtype=float))) for name in pair)
        try:
            results.append(d.kl_divergence(p, q))
        except NotImplementedError:
            results.append(None)
    assert (results[0] is None) == (results[1] is None)
    if results[0] is not None:
        same(*results)
