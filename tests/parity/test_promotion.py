"""Result types, and values, of every pair of types against PyTorch's."""

import itertools

import numpy as np
import pytest
from checks import to_array

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()
OPS = ["add", "sub", "mul", "div", "eq", "lt", "pow", "floor_divide", "remainder", "fmod", "maximum", "atan2", "xlogy",
       "logical_and", "bitwise_and", "bitwise_xor", "true_divide"]  # fmt: skip
NUMBERS = [True, 2, 1.5]


def outcome(d, call):
    """The result, or None where the call raises."""
    try:
        return call(d)
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        return None


def agree(call, what):
    ours, theirs = outcome(dlcore, call), outcome(torch, call)
    assert (ours is None) == (theirs is None), f"{what}: {ours}, PyTorch: {theirs}"
    if theirs is None:
        return
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1], what
    dtype = str(ours.dtype).split(".")[-1]
    bound = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-21, "float64": 2.0**-50}.get(dtype, 0)
    np.testing.assert_allclose(
        to_array(ours).astype(float), to_array(theirs).astype(float), rtol=bound, atol=0, err_msg=what
    )


def make(d, dtype, values):
    return d.tensor(values).to(getattr(d, dtype))


@pytest.mark.parametrize("op", OPS)
def test_pairs(op):
    """Tensors of a shape, a 0-dim tensor on either side."""
    for a, b in itertools.product(DTYPES, DTYPES):
        for x, y in (([5.0, 1, 3], [2.0, 1, 3]), (3.0, [2.0, 1, 3]), ([5.0, 1, 3], 2.0), (3.0, 2.0)):
            agree(lambda d: getattr(d, op)(make(d, a, x), make(d, b, y)), f"{op}({a} {x}, {b} {y})")


@pytest.mark.parametrize("op", OPS)
def test_numbers(op):
    for a, number in itertools.product(DTYPES, NUMBERS):
        if op in ("maximum", "atan2"):
            continue
        agree(lambda d: getattr(make(d, a, [5.0, 1, 3]), op)(number), f"{a}.{op}({number})")


@pytest.mark.parametrize("op", ["__add__", "__radd__", "__rsub__", "__rmul__", "__truediv__", "__rtruediv__", "__pow__",
                                "__rpow__", "__floordiv__", "__rfloordiv__", "__mod__", "__rmod__", "__and__", "__ror__"])  # fmt: skip
def test_operators_with_numbers(op):
    for a, number in itertools.product(DTYPES, NUMBERS):
        agree(lambda d: getattr(make(d, a, [5.0, 1, 3]), op)(number), f"{a}.{op}({number})")


@pytest.mark.parametrize(
    "op", ["add_", "sub_", "mul_", "div_", "pow_", "floor_divide_", "remainder_", "eq_", "logical_or_"]
)
def test_in_place_keeps_the_type(op):
    """Where the result's type does not fit the tensor written to, both raise."""
    for a, b in itertools.product(DTYPES, DTYPES):
        agree(lambda d: getattr(make(d, a, [5.0, 1, 3]), op)(make(d, b, [2.0, 1, 3])), f"{a}.{op}({b})")
        agree(lambda d: getattr(make(d, a, [5.0, 1, 3]), op)(make(d, b, 2.0)), f"{a}.{op}({b} 0-dim)")


@pytest.mark.parametrize("op", ["exp", "sqrt", "sigmoid", "abs", "neg", "sign", "floor", "round", "square", "reciprocal",
                                "isnan", "isfinite", "logical_not", "bitwise_not", "erf", "nan_to_num", "relu", "rsqrt"])  # fmt: skip
def test_unary(op):
    for a in DTYPES:
        agree(lambda d: getattr(d, op)(make(d, a, [1.0, 0, 3])), f"{op}({a})")


@pytest.mark.parametrize("op", ["where", "lerp", "addcmul", "addcdiv", "clamp"])
def test_ternary(op):
    for a, b in itertools.product(DTYPES, DTYPES):

        def call(d):
            x, y = make(d, a, [5.0, 1, 3]), make(d, b, [2.0, 1, 3])
            if op == "where":
                return d.where(d.tensor([True, False, True]), x, y)
            if op == "clamp":
                return d.clamp(x, y, y)
            return d.lerp(x, y, 0.5) if op == "lerp" else getattr(d, op)(x, y, y)

        agree(call, f"{op}({a}, {b})")


def test_clamp_with_numbers():
    for a, low, high in itertools.product(DTYPES, [None, 1, 0.5], [None, 2, 2.5]):
        agree(lambda d: d.clamp(make(d, a, [5.0, 1, 3]), low, high), f"clamp({a}, {low}, {high})")


def test_where_with_numbers():
    for a, number in itertools.product(DTYPES, NUMBERS):
        agree(
            lambda d: d.where(d.tensor([True, False, True]), make(d, a, [5.0, 1, 3]), number), f"where({a}, {number})"
        )
        agree(
            lambda d: d.where(d.tensor([True, False, True]), number, make(d, a, [5.0, 1, 3])), f"where({number}, {a})"
        )
