"""Scaled dot product attention, against its formula."""

import numpy as np

from . import arr, bools, case


def attention(q, k, v, mask=None, causal=False, scale=None, gqa=False):
    """The whole matrix of weights at once; a row without keys gives zeros."""
    if gqa:
        k, v = (np.repeat(x, q.shape[-3] // x.shape[-3], axis=-3) for x in (k, v))
    s = (q.shape[-1] ** -0.5 if scale is None else scale) * (q @ np.swapaxes(k, -1, -2))
    if causal:
        mask = np.tri(*s.shape[-2:], dtype=bool)
    if mask is not None:
        s = np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask
    m = s.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(s - np.where(np.isinf(m), 0, m))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1, total) @ v


def add(q, k, v, mask=None, grad=True, parity=True, **options):
    names = {"causal": "is_causal", "gqa": "enable_gqa", "scale": "scale"}
    case(
        "scaled_dot_product_attention",
        lambda d, *inputs: d.nn.functional.scaled_dot_product_attention(
            *inputs, **{names[name]: value for name, value in options.items()}
        ),
        [arr(*q), arr(*k), arr(*v), *([] if mask is None else [mask])],
        lambda *inputs: attention(*inputs, **options),
        length=4 + k[-2] + q[-1],  # a weight's exponent is a sum over q's columns, a result one over the keys
        grad=grad,
        gradgrad=grad,
        parity=parity,
    )


add((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6))
add((3, 2), (4, 2), (4, 1))  # no heads
add((2, 5, 3), (2, 1, 3), (2, 1, 2))  # a query with one key has no gradient, to the bit
for queries, keys in [(1, 9), (9, 1), (6, 6), (4, 9), (9, 4)]:
    add((2, queries, 3), (2, keys, 3), (2, keys, 5), causal=True)
add((2, 1, 4, 3), (3, 5, 3), (2, 3, 5, 2))  # broadcast
add((1, 6, 3, 4), (2, 2, 5, 4), (2, 2, 5, 3), gqa=True)
add((4, 3, 2), (2, 3, 2), (2, 3, 2), gqa=True, causal=True)
add((4, 3, 2), (2, 5, 2), (1, 5, 2), gqa=True)  # keys and values shared by different numbers of heads
add((2, 4, 3), (2, 6, 3), (2, 6, 3), scale=0.3)
add((2, 4, 3), (2, 6, 3), (2, 6, 3), arr(4, 6))
add((2, 4, 3), (2, 6, 3), (2, 6, 3), arr(6))
add(
    (2, 4, 3), (2, 6, 3), (2, 6, 3), arr(2, 4, 1), scale=1.0, parity=False
)  # shifts all of a query's exponents: no gradient
add((2, 2, 4, 3), (2, 2, 6, 3), (2, 2, 6, 3), bools(2, 1, 4, 6))
add((2, 4, 3), (2, 6, 3), (2, 6, 3), bools(4, 1))  # queries with all keys and with none
add((2, 4, 3), (2, 6, 3), (2, 6, 3), np.zeros((4, 6), dtype=bool), grad=False)
add((1, 3, 17), (1, 70, 17), (1, 70, 33), causal=True)  # more than a block and a vector
add((1, 70, 2), (1, 66, 2), (1, 66, 1), causal=True)
