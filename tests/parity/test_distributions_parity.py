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
}


def both(function):
    """function(distributions module, array -> float64 tensor), run on both; the same random numbers for both."""
    global RNG
    results = []
    for library, module in ((dlcore, D), (torch, torch.distributions)):
        RNG = np.random.default_rng(1)
        results.append(function(module, lambda a, lib=library: lib.tensor(np.asarray(a)).to(lib.float64)))
    return results


def same(ours, theirs):
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    make, values = CASES[name]
    same(*both(lambda d, t: make(d, t).log_prob(values(t))))
    for quantity in ("mean", "variance", "stddev", "mode"):
        if quantity == "mode" and name == "Uniform":
            continue
        same(*both(lambda d, t, q=quantity: getattr(make(d, t), q)))
    same(*both(lambda d, t: make(d, t).entropy()))
    ours, theirs = both(make)
    assert tuple(ours.batch_shape) == tuple(theirs.batch_shape) and tuple(ours.event_shape) == ()
    assert repr(ours) == repr(theirs).replace("torch", "dlcore")
    for flag in ("has_rsample", "has_enumerate_support"):
        assert getattr(ours, flag) == getattr(theirs, flag)
    assert tuple(ours.sample((2, 3)).shape) == tuple(theirs.sample((2, 3)).shape)
    if ours.has_enumerate_support:
        for expand in (True, False):
            same(*both(lambda d, t, e=expand: make(d, t).enumerate_support(e).double()))
    else:
        same(*both(lambda d, t: make(d, t).cdf(values(t))))


@pytest.mark.parametrize("name", CASES)
def test_kl_divergence(name):
    make, _ = CASES[name]

    def kl(d, t):
        p, q = make(d, t), make(d, lambda a: t(0.7 * np.asarray(a)))
        return d.kl_divergence(p, q)

    same(*both(kl))
