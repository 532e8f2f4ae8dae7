"""The shared case table: every op once, run for values, gradients, tiers, threads and parity with PyTorch.

A case is a function of a module (dlcore or torch) and tensors, the arrays to call it on, and a float64 reference:

    case("sum", lambda d, x: d.sum(x, 1), [arr(3, 4)], lambda x: x.sum(1))
"""

from __future__ import annotations

import importlib
import zlib

import numpy as np

CASES = []
FAMILIES = (
    "elementwise",
    "comparison",
    "activation",
    "reduction",
    "softmax",
    "loss",
    "margin_loss",
    "ctc",
    "shape",
    "creation",
    "inplace",
    "indexing",
    "linalg",
    "conv",
    "pool",
    "image",
    "norm",
    "recurrent",
    "attention",
)


class Arr:
    """A float array to call an op on. `low`, `high`: range of values; `kind`: normal, uniform, int, bool, distinct."""

    def __init__(self, shape, low=-1.0, high=1.0, kind="normal", grad=True):
        self.shape, self.low, self.high, self.kind, self.grad = shape, low, high, kind, grad

    def make(self, rng):
        if self.kind == "normal":
            return rng.standard_normal(self.shape)
        if self.kind == "uniform":
            return rng.uniform(self.low, self.high, self.shape)
        if self.kind == "int":
            return rng.integers(int(self.low), int(self.high), self.shape)
        if self.kind == "bool":
            return rng.random(self.shape) < 0.5
        if self.kind == "distinct":  # no ties and no two values close together: for max, sort, ...
            n = int(np.prod(self.shape))
            return (rng.permutation(n).reshape(self.shape) - n / 2) / 8.0
        raise ValueError(self.kind)


def arr(*shape, **kw):
    """Normally distributed values."""
    return Arr(shape, **kw)


def uniform(*shape, low=-1.0, high=1.0, **kw):
    return Arr(shape, low, high, "uniform", **kw)


def distinct(*shape, **kw):
    return Arr(shape, kind="distinct", **kw)


def ints(*shape, low=0, high=10):
    return Arr(shape, low, high, "int", grad=False)


def bools(*shape):
    return Arr(shape, kind="bool", grad=False)


class Case:
    """One call of one op. See `case`."""

    def __init__(self, op, fn, inputs, ref, grad, length, eps_factor, scale, dtypes, parity, gradgrad, id):
        self.op, self.fn, self.inputs, self.ref = op, fn, inputs, ref
        self.grad, self.length, self.eps_factor, self.dtypes = grad, length, eps_factor, dtypes
        self.scale, self.parity, self.gradgrad, self.id = scale, parity, gradgrad, id

    def arrays(self):
        """The same arrays every time, float64 (or int64, bool)."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        return [a.make(rng) if isinstance(a, Arr) else np.asarray(a) for a in self.inputs]


def case(
    op, fn, inputs, ref=None, *, grad=True, length=1, eps_factor=4.0, scale=0.0, dtypes=("float32", "float64"),
    parity=True, gradgrad=False, id=""
):  # fmt: skip
    """Adds a case.

    fn(d, *tensors) calls the op through module d; inputs are Arr or fixed numpy arrays; ref(*float64 arrays) ->
    array(s), or None where the only references are the op's own float64 run and PyTorch. length: number of roundings
    that add up (the tolerance is eps_factor * eps * length times the largest result, or for length 1 times each result).
    scale: how large the terms inside are, where they cancel and leave less than that. grad: check the gradient by central differences in
    float64. gradgrad: the second derivative too. parity: run against PyTorch where it is installed (same fn).
    """
    number = sum(c.op == op for c in CASES)
    id = id or f"{op}-{number}"
    CASES.append(Case(op, fn, inputs, ref, grad, length, eps_factor, scale, dtypes, parity, gradgrad, id))


def load():
    """Fills CASES from the family modules."""
    for family in FAMILIES:  # each adds its cases when it is imported first, here or by a test that uses its references
        importlib.import_module(f"cases.{family}")
    return CASES
