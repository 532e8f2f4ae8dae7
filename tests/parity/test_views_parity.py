"""In-place writes through random chains of views: values and gradients as in PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_chains import chain, run_steps

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")


def outcome(module, shape, steps, retained):
    """Values of base and last view, and the leaf's gradient for a fixed cotangent of both."""
    rng = np.random.default_rng(3)
    leaf = module.tensor(rng.standard_normal(shape), requires_grad=True)
    base = leaf * 1.5 if not retained else leaf.clone()
    seen = run_steps(steps, base, module)
    total = 0
    for t in (seen[0], seen[-1]):
        weight = module.tensor(rng.standard_normal(tuple(t.shape)))
        total = total + (t * weight).sum()
    total.backward()
    return [t.detach().numpy() for t in seen] + [leaf.grad.numpy()]


@settings(max_examples=250)
@given(st.data(), st.booleans())
def test_chains_of_views_and_writes(data, retained):
    shape, steps = chain(data.draw)
    mine, theirs = outcome(dlcore, shape, steps, retained), outcome(torch, shape, steps, retained)
    for a, b in zip(mine, theirs):
        # The same float64 operations: a product of up to seven factors, each rounded once, and sums of repeats.
        np.testing.assert_allclose(a, b, rtol=32 * 2.0**-52, atol=32 * 2.0**-52 * max(1.0, np.abs(b).max(initial=0)))


WRITES = {
    "leaf": lambda x, y: x.add_(1),
    "view of a leaf": lambda x, y: x[0].add_(1),
    "expanded": lambda x, y: y[:1].expand(3, 4).add_(1),
    "shape": lambda x, y: y.add_(y.new_ones(5, 3, 4)),
    "integers": lambda x, y: y.long().add_(1.5),
    "saved": lambda x, y: (y.exp(), y.exp().mul_(2))[0],
}


@pytest.mark.parametrize("name", WRITES)
def test_the_same_writes_are_refused(name):
    def refused(module):
        x = module.ones(3, 4, requires_grad=True)
        try:
            WRITES[name](x, x * 2)
        except RuntimeError:
            return True
        return False

    assert refused(dlcore) == refused(torch)


def test_gradients_through_views_made_before_and_after_a_write():
    def gradient(module):
        x = module.arange(12, dtype=module.float64).reshape(3, 4).requires_grad_()
        y = x * 1.0
        before = y[1]
        y[0] = y[1] * 2
        before.mul_(3)
        after = y.t()
        after[2].mul_(y[:, 0].detach().clone())
        ((y * y).sum() + before.sum() + after[1].sum()).backward()
        return x.grad.numpy()

    np.testing.assert_allclose(gradient(dlcore), gradient(torch), rtol=1e-14)
