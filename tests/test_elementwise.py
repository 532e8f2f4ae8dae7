"""Elementwise ops: in-place twins, out=, integers divided by zero, signed zeros, 16-bit floats."""

import numpy as np
import pytest
from checks import to_array

import dlcore

UNARY = ("abs neg sign ceil floor round trunc exp exp2 expm1 log log1p log2 log10 sqrt rsqrt square reciprocal sin cos "
         "tan asin acos atan sinh cosh tanh asinh atanh sigmoid erf erfc erfinv logit frac relu "
         "nan_to_num").split()  # fmt: skip
BINARY = ("add sub mul div floor_divide fmod remainder pow atan2 xlogy eq ne lt le gt ge logical_and logical_or "
          "logical_xor").split()  # fmt: skip


def values(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 0.9, shape)


@pytest.mark.parametrize("op", UNARY + ["acosh"] + [f"clamp_{side}" for side in ("min", "max")] + BINARY)
def test_in_place_twin(op):
    """x.op_() writes into x, returns x, and gives the gradient of x.op(), also through a view."""
    a, b = values(4, 5) + (1 if op == "acosh" else 0), values(5, seed=1)
    args = [dlcore.tensor(b)] if op in BINARY else [0.5] if op.startswith("clamp") else []
    results = []
    for name in (op, op + "_"):
        leaf = dlcore.tensor(a, requires_grad=True)
        x = leaf * 1
        y = getattr(x, name)(*args)
        if name == op + "_":
            assert y is x and x._version == 1
        plain = y.dtype == dlcore.float64
        if y.requires_grad and plain:
            (y * dlcore.tensor(values(4, 5, seed=2))).sum().backward()
        results.append((to_array(y).astype(float), None if leaf.grad is None else to_array(leaf.grad)))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    if results[0][1] is not None:
        np.testing.assert_array_equal(results[0][1], results[1][1])
    whole = dlcore.tensor(a)
    getattr(whole[:, 1], op + "_")(*([dlcore.tensor(b[0])] if op in BINARY else args))
    want = a.copy()
    want[:, 1] = to_array(
        getattr(dlcore.tensor(a[:, 1].copy()), op)(*([dlcore.tensor(b[0])] if op in BINARY else args))
    )
    np.testing.assert_array_equal(to_array(whole), want)


@pytest.mark.parametrize("op", [*UNARY, "add", "mul", "div", "pow", "atan2", "maximum", "xlogy"])
def test_out(op):
    args = [dlcore.tensor(values(4, 5))] + ([dlcore.tensor(values(5, seed=1))] if op not in UNARY else [])
    out = dlcore.zeros(5, 4, dtype=dlcore.float64).t()
    result = getattr(dlcore, op)(*args, out=out)
    assert result is out
    np.testing.assert_array_equal(to_array(out), to_array(getattr(dlcore, op)(*args)))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_integer_division_by_zero_raises(dtype):
    x = dlcore.tensor([7, 8, 9]).to(getattr(dlcore, dtype))
    zeros = [dlcore.tensor([1, 0, 2]).to(x.dtype), 0]
    for zero in zeros:
        for call in (dlcore.floor_divide, dlcore.remainder, dlcore.fmod, 
                     lambda a, b: dlcore.div(a, b, rounding_mode="trunc"),
                     lambda a, b: a.clone().floor_divide_(b), lambda a, b: a.clone().remainder_(b)):  # fmt: skip
            with pytest.raises(RuntimeError, match="zero"):
                call(x, zero)
    assert np.isinf(to_array(x / 0)).all()


def test_signed_zeros():
    zero = dlcore.tensor([0.0, -0.0])
    negative = [False, True]
    for op in ("floor", "ceil", "trunc", "round", "sqrt", "sin", "tan", "asin", "atan", "sinh", "tanh", "asinh",
               "atanh", "expm1", "log1p", "erf", "erfinv"):  # fmt: skip
        assert np.signbit(to_array(getattr(zero, op)())).tolist() == negative, op
    assert np.signbit(to_array(-zero)).tolist() == [True, False]
    assert np.signbit(to_array(abs(zero))).tolist() == [False, False]
    assert to_array(1 / zero).tolist() == [np.inf, -np.inf]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_sixteen_bits_are_float32_rounded(dtype):
    half = getattr(dlcore, dtype)
    x, y = (dlcore.tensor(values(3, 37, seed=s)).to(half) for s in (0, 1))
    for op in UNARY:
        got, want = getattr(x, op)(), getattr(x.float(), op)().to(half)
        assert got.dtype == half
        np.testing.assert_array_equal(to_array(got), to_array(want), err_msg=op)
    for op in ("add", "sub", "mul", "div", "pow", "atan2", "maximum", "xlogy", "logaddexp"):
        got, want = getattr(x, op)(y), getattr(x.float(), op)(y.float()).to(half)
        assert got.dtype == half
        np.testing.assert_array_equal(to_array(got), to_array(want), err_msg=op)
