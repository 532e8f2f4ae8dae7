"""nn.MultiheadAttention: dropout, queries without keys, errors."""

import numpy as np
import pytest

import dlcore
from dlcore import nn


def test_weights_are_optional():
    module = nn.MultiheadAttention(12, 3)
    x = dlcore.randn(7, 2, 12)
    (a, weights), (b, none) = module(x, x, x), module(x, x, x, need_weights=False)
    assert none is None and tuple(weights.shape) == (2, 7, 7)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weights.sum(-1).detach().numpy(), 1, rtol=1e-5)


def test_queries_without_keys_give_the_bias():
    module = nn.MultiheadAttention(8, 2)
    nn.init.ones_(module.out_proj.bias)
    x = dlcore.randn(5, 2, 8, requires_grad=True)
    padding = dlcore.tensor([[True] * 5, [False] * 5])
    for need_weights in (True, False):
        y, _ = module(x, x, x, key_padding_mask=padding, need_weights=need_weights)
        assert bool((y[:, 0] == 1).all())
        grads = dlcore.autograd.grad(y.sum(), [x, *module.parameters()])
        assert all(bool(g.isfinite().all()) for g in grads)


def test_dropout_in_training_only():
    for need_weights in (True, False):
        module = nn.MultiheadAttention(8, 2, dropout=0.5)
        x = dlcore.randn(6, 2, 8)

        def call(module=module, x=x, need_weights=need_weights):
            return module(x, x, x, need_weights=need_weights)[0]

        dlcore.manual_seed(1)
        a, b = call(), call()
        dlcore.manual_seed(1)
        assert bool((a == call()).all()) and not bool((a == b).all())
        module.eval()
        assert bool((call() == call()).all())


@pytest.mark.parametrize(
    ("shapes", "options"),
    [
        (((5, 2, 7), (5, 2, 8), (5, 2, 8)), {}),
        (((5, 2, 8), (5, 3, 8), (5, 3, 8)), {}),
        (((5, 2, 8), (5, 2, 8), (4, 2, 8)), {}),
        (((5, 2, 8), (5, 8), (5, 8)), {}),
        (((8,), (5, 8), (5, 8)), {}),
        (((5, 2, 8), (4, 2, 8), (4, 2, 8)), {"attn_mask": (4, 5)}),
        (((5, 2, 8), (4, 2, 8), (4, 2, 8)), {"attn_mask": (2, 5, 4)}),
        (((5, 2, 8), (4, 2, 8), (4, 2, 8)), {"key_padding_mask": (4, 2)}),
        (((5, 8), (4, 8), (4, 8)), {"key_padding_mask": (1, 4)}),
        (((5, 2, 8), (4, 2, 8), (4, 2, 8)), {"is_causal": True}),
    ],
)
def test_errors(shapes, options):
    module = nn.MultiheadAttention(8, 2)
    options = {n: dlcore.zeros(*o) if isinstance(o, tuple) else o for n, o in options.items()}
    with pytest.raises(RuntimeError, match="multi_head_attention_forward: "):
        module(*(dlcore.randn(*s) for s in shapes), **options)


def test_features_of_key_and_value():
    module = nn.MultiheadAttention(8, 2, kdim=5, vdim=3)
    for shapes, message in ((((5, 2, 8), (5, 2, 8), (5, 2, 3)), "key must have 5 features, but got 8"),
                            (((5, 2, 8), (5, 2, 5), (5, 2, 8)), "value must have 3 features, but got 8")):  # fmt: skip
        with pytest.raises(RuntimeError, match=f"multi_head_attention_forward: {message}"):
            module(*(dlcore.randn(*s) for s in shapes))


def test_heads_divide_features():
    with pytest.raises(ValueError, match="divide"):
        nn.MultiheadAttention(10, 3)
    with pytest.raises(ValueError, match="positive"):
        nn.MultiheadAttention(0, 1)
    module, x = nn.MultiheadAttention(4, 2), dlcore.randn(3, 1, 4)
    with pytest.raises(RuntimeError, match="bool or floating"):
        module(x, x, x, attn_mask=dlcore.zeros(3, 3, dtype=dlcore.int64), key_padding_mask=dlcore.zeros(1, 3))
