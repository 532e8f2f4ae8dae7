"""Unary, binary and ternary arithmetic, with broadcasting and numbers on either side."""

import math

import numpy as np

from . import arr, bools, case, distinct, ints, uniform

erf, erfc = np.vectorize(math.erf, otypes=[float]), np.vectorize(math.erfc, otypes=[float])
pi = math.pi


def erfinv(p):
    """Newton's method on erf(x) = p."""
    x = np.zeros_like(p)
    for _ in range(60):
        x = x - (erf(x) - p) * (np.sqrt(pi) / 2) * np.exp(x * x)
    return x


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# --- one operand: name, reference, range of inputs

SMOOTH = [
    ("abs", np.abs, 0.1, 3),
    ("neg", np.negative, -3, 3),
    ("exp", np.exp, -3, 3),
    ("exp2", np.exp2, -3, 3),
    ("expm1", np.expm1, -2, 2),
    ("log", np.log, 0.2, 4),
    ("log1p", np.log1p, -0.7, 4),
    ("log2", np.log2, 0.2, 4),
    ("log10", np.log10, 0.2, 4),
    ("sqrt", np.sqrt, 0.2, 4),
    ("rsqrt", lambda x: 1 / np.sqrt(x), 0.2, 4),
    ("square", np.square, -3, 3),
    ("reciprocal", np.reciprocal, 0.3, 3),
    ("reciprocal", np.reciprocal, -3, -0.3),
    ("sin", np.sin, -7, 7),
    ("cos", np.cos, -7, 7),
    ("tan", np.tan, -1.2, 1.2),
    ("asin", np.arcsin, -0.9, 0.9),
    ("acos", np.arccos, -0.9, 0.9),
    ("atan", np.arctan, -5, 5),
    ("sinh", np.sinh, -3, 3),
    ("cosh", np.cosh, -3, 3),
    ("tanh", np.tanh, -4, 4),
    ("asinh", np.arcsinh, -5, 5),
    ("acosh", np.arccosh, 1.2, 5),
    ("atanh", np.arctanh, -0.9, 0.9),
    ("sigmoid", sigmoid, -6, 6),
    ("erf", erf, -3, 3),
    ("erfc", erfc, -3, 3),
    ("erfinv", erfinv, -0.9, 0.9),
    ("lgamma", np.vectorize(math.lgamma, otypes=[float]), 2.6, 9),
    ("logit", lambda p: np.log(p / (1 - p)), 0.1, 0.9),
    ("frac", lambda x: x - np.trunc(x), 1.05, 1.95),
]
for name, ref, low, high in SMOOTH:
    scale = {"logit": 1.0, "lgamma": 8.0}.get(name, 0.0)  # of the terms that cancel
    case(name, lambda d, x, name=name: getattr(d, name)(x), [uniform(5, 7, low=low, high=high)], ref, scale=scale)
    case(
        name + "_method",
        lambda d, x, name=name: getattr(x, name)(),
        [uniform(33, low=low, high=high)],
        ref,
        scale=scale,
    )
for name, ref, low, high in SMOOTH:
    if name != "abs" and name != "neg" and name != "frac":
        case(name + "_gradgrad", lambda d, x, name=name: getattr(d, name)(x), [uniform(4, low=low, high=high)], ref,
             gradgrad=name not in ("erfinv", "lgamma", "logit"))  # fmt: skip


def digamma(x):
    """The slope of lgamma, by its series at x + 40."""
    y = -sum(1 / (x + i) for i in range(40))
    x = x + 40
    return y + np.log(x) - 1 / (2 * x) - 1 / (12 * x**2) + 1 / (120 * x**4) - 1 / (252 * x**6)


case("digamma", lambda d, x: d.digamma(x), [uniform(33, low=0.05, high=30)], digamma, grad=False, length=8)
case("digamma_negative", lambda d, x: d.digamma(x), [np.array([-0.5, -1.25, -7.75, -20.5])],
     lambda x: digamma(1 - x) - pi / np.tan(pi * x), grad=False, length=8)  # fmt: skip
case("lgamma_anywhere", lambda d, x: d.lgamma(x), [np.array([-2.5, -0.3, 0.2, 1.0, 2.0, 5.5, 100.0])],
     np.vectorize(math.lgamma, otypes=[float]), grad=False, length=8)  # fmt: skip

for name, ref in [("sign", np.sign), ("ceil", np.ceil), ("floor", np.floor), ("round", np.round), ("trunc", np.trunc)]:
    half = np.array([-2.5, -1.5, -0.5, -0.3, 0.0, 0.5, 1.5, 2.5, 3.49, 1e6 + 0.5])
    case(name, lambda d, x, name=name: getattr(d, name)(x), [half], ref, grad=False)
    case(name, lambda d, x, name=name: getattr(d, name)(x), [uniform(5, 7, low=-9, high=9)], ref, grad=False)
    case(name, lambda d, x, name=name: getattr(d, name)(x), [ints(9, low=-4, high=5)], ref, grad=False)
    case(name + "_gradient", lambda d, x, name=name: getattr(d, name)(x) * x, [uniform(9, low=0.1, high=0.4)],
         lambda x, ref=ref: ref(x) * x, grad=name in ("sign", "ceil"))  # fmt: skip
for decimals in (2, -1):
    case("round_decimals", lambda d, x, n=decimals: d.round(x, decimals=n), [uniform(20, low=-99, high=99)],
         lambda x, n=decimals: np.round(x, n), grad=False, parity=True)  # fmt: skip
case("abs_negative", lambda d, x: d.abs(x), [uniform(9, low=-3, high=-0.1)], np.abs)
case("logit_eps", lambda d, x: d.logit(x, 0.2), [uniform(30, low=0.01, high=0.99)],
     lambda p: np.log(np.clip(p, 0.2, 0.8) / (1 - np.clip(p, 0.2, 0.8))), scale=1.0)  # fmt: skip
for name in ("exp", "sqrt", "sigmoid", "reciprocal", "tanh", "log"):  # integers compute in float32
    case(
        name + "_of_int",
        lambda d, x, name=name: getattr(d, name)(x),
        [ints(9, low=1, high=5)],
        None,
        grad=False,
        dtypes=("float32",),
    )
for name, ref in [("abs", np.abs), ("neg", np.negative), ("square", np.square), ("sign", np.sign)]:
    case(name + "_of_int", lambda d, x, name=name: getattr(d, name)(x), [ints(9, low=-9, high=9)], ref, grad=False)
for alias, ref in [("absolute", np.abs), ("negative", np.negative), ("arctan", np.arctan), ("sgn", np.sign)]:
    case(alias, lambda d, x, name=alias: getattr(d, name)(x), [arr(9)], ref, grad=False)

# --- two operands

SHAPES = [
    ((5, 7), (5, 7)),
    ((5, 7), (7,)),
    ((5, 1), (1, 7)),
    ((), (3, 4)),
    ((2, 1, 4), (3, 1)),
    ((9,), ()),
    ((0, 3), (3,)),
]
BINARY = [
    ("add", np.add),
    ("sub", np.subtract),
    ("mul", np.multiply),
    ("div", np.divide),
    ("pow", np.power),
    ("atan2", np.arctan2),
    ("fmod", np.fmod),
    ("remainder", np.mod),
    ("xlogy", lambda x, y: x * np.log(y)),
    ("logaddexp", np.logaddexp),
]
for a, b in SHAPES:
    for (
        name,
        ref,
    ) in BINARY:  # denominators between 1 and 2, numerators between 2.1 and 2.9: no quotient is near an integer's jump
        low, high = ((2.1, 2.9), (1.5, 2.0)) if name in ("fmod", "remainder") else ((0.3, 2), (0.5, 2))
        case(name, lambda d, x, y, name=name: getattr(d, name)(x, y),
             [uniform(*a, low=low[0], high=low[1]), uniform(*b, low=high[0], high=high[1])], ref, grad=0 not in a)  # fmt: skip
    for name in ("maximum", "minimum", "fmax", "fmin"):
        case(name, lambda d, x, y, name=name: getattr(d, name)(x, y), [arr(*a), arr(*b)], getattr(np, name),
             grad=0 not in a)  # fmt: skip
for name, ref in BINARY:
    if name not in ("fmod", "remainder"):
        case(name + "_gradgrad", lambda d, x, y, name=name: getattr(d, name)(x, y),
             [uniform(3, 2, low=0.3, high=2), uniform(2, low=0.5, high=2)], ref, gradgrad=True)  # fmt: skip
for name in ("maximum", "minimum", "fmax", "fmin"):
    case(name + "_nan", lambda d, x, y, name=name: getattr(d, name)(x, y),
         [np.array([1.0, np.nan, 2.0, np.nan, np.inf]), np.array([np.nan, 1.0, 3.0, np.nan, -np.inf])],
         getattr(np, name), grad=False)  # fmt: skip
    case(name + "_int", lambda d, x, y, name=name: getattr(d, name)(x, y),
         [ints(9, low=-9, high=9), ints(9, low=-9, high=9)], getattr(np, name), grad=False)  # fmt: skip
case("maximum_tie", lambda d, x: d.maximum(x, x * 1), [arr(5)], lambda x: x)
case("fmod_signs", lambda d, x, y: d.fmod(x, y), [uniform(40, low=-9, high=9), uniform(40, low=-4, high=4)], np.fmod,
     grad=False, eps_factor=64)  # fmt: skip
case("remainder_signs", lambda d, x, y: d.remainder(x, y), [uniform(40, low=-9, high=9), uniform(40, low=-4, high=4)],
     np.mod, grad=False, eps_factor=64)  # fmt: skip
case("atan2_quadrants", lambda d, y, x: d.atan2(y, x), [arr(50), arr(50)], np.arctan2)
case("xlogy_zero", lambda d, x, y: d.xlogy(x, y), [np.array([0.0, 0.0, 1.0, 2.0]), np.array([0.0, 3.0, 2.0, 0.0])],
     lambda x, y: np.array([0, 0, np.log(2), -np.inf]), grad=False)  # fmt: skip
case("xlogy_number", lambda d, y: d.xlogy(2, y), [uniform(9, low=0.5, high=2)], lambda y: 2 * np.log(y))
case("xlogy_number_right", lambda d, x: d.xlogy(x, 3), [arr(9)], lambda x: x * np.log(3))
case("logaddexp_far", lambda d, x, y: d.logaddexp(x, y), [np.array([800.0, -800, 0, -np.inf, np.inf]),
     np.array([0.0, -801, 500, -np.inf, 1])], np.logaddexp, grad=False)  # fmt: skip
case("add_alpha", lambda d, x, y: d.add(x, y, alpha=2.5), [arr(3, 4), arr(4)], lambda x, y: x + 2.5 * y)
case("sub_alpha", lambda d, x, y: x.sub(y, alpha=-3), [arr(3, 4), arr(4)], lambda x, y: x + 3 * y)
case("add_alpha_number", lambda d, x: d.add(x, 2, alpha=3), [arr(3, 4)], lambda x: x + 6)
case("rsub", lambda d, x, y: d.rsub(x, y, alpha=2), [arr(3, 4), arr(4)], lambda x, y: y - 2 * x)
case("rsub_number", lambda d, x: d.rsub(x, 1.5), [arr(3, 4)], lambda x: 1.5 - x)
case("true_divide", lambda d, x, y: d.true_divide(x, y), [arr(9), uniform(9, low=1, high=2)], np.divide)
case(
    "same_operand", lambda d, x: x * x + x / x - x + x**x, [uniform(9, low=0.5, high=2)], lambda x: x * x + 1 - x + x**x
)

OPERATORS = [
    ("add", lambda a, b: a + b),
    ("sub", lambda a, b: a - b),
    ("mul", lambda a, b: a * b),
    ("truediv", lambda a, b: a / b),
    ("pow", lambda a, b: a**b),
    ("mod", lambda a, b: a % b),
]
for name, op in OPERATORS:
    for number in (2, 2.5):
        case(f"{name}_operator_number", lambda d, x, op=op, n=number: op(x, n), [uniform(3, 5, low=1.1, high=1.9)],
             lambda x, op=op, n=number: op(x, n))  # fmt: skip
        # 2.5 % x stays on one branch for x in (1.3, 2.4)
        case(f"{name}_operator_reflected", lambda d, x, op=op, n=number: op(n, x), [uniform(3, 5, low=1.3, high=1.9)],
             lambda x, op=op, n=number: op(n, x), parity=name != "mod")  # PyTorch has no such derivative  # fmt: skip
case("floordiv_operator", lambda d, x: x // 0.7, [uniform(30, low=-5, high=5)], lambda x: x // 0.7, grad=False)
case("floordiv_reflected", lambda d, x: 5.0 // x, [uniform(30, low=0.3, high=3)], lambda x: 5.0 // x, grad=False)
case("neg_abs_operators", lambda d, x: -x + abs(x) - (+x), [uniform(9, low=0.1, high=1)], lambda x: -x)

numerators = np.array([7, -7, 7, -7, 6, -6, 0, 1, -1, 2])
denominators = np.array([2, 2, -2, -2, 3, 3, 5, 7, 7, -5])
for mode, ref in [("trunc", lambda x, y: np.trunc(x / y)), ("floor", np.floor_divide)]:
    case(f"div_{mode}", lambda d, x, y, m=mode: d.div(x, y, rounding_mode=m), [uniform(30, low=-9, high=9), uniform(30, low=1, high=3)],
         ref, grad=False)  # fmt: skip
    case(
        f"div_{mode}_int",
        lambda d, x, y, m=mode: d.div(x, y, rounding_mode=m),
        [numerators, denominators],
        ref,
        grad=False,
    )
case("div_none", lambda d, x, y: d.div(x, y, rounding_mode=None), [arr(4), uniform(4, low=1, high=2)], np.divide)
case("floor_divide", lambda d, x, y: d.floor_divide(x, y), [uniform(30, low=-9, high=9), uniform(30, low=1, high=3)],
     np.floor_divide, grad=False)  # fmt: skip
for name, ref in [("floor_divide", np.floor_divide), ("remainder", np.mod), ("fmod", np.fmod)]:
    case(name + "_int", lambda d, x, y, name=name: getattr(d, name)(x, y), [numerators, denominators], ref, grad=False)
    case(name + "_int_number", lambda d, x, name=name: getattr(d, name)(x, -3), [numerators],
         lambda x, ref=ref: ref(x, -3), grad=False)  # fmt: skip
for name, ref in [("add", np.add), ("sub", np.subtract), ("mul", np.multiply)]:
    case(name + "_int", lambda d, x, y, name=name: getattr(d, name)(x, y), [numerators, denominators], ref, grad=False)
case("div_int", lambda d, x, y: d.div(x, y), [numerators, denominators], np.divide, grad=False, dtypes=("float32",))

for exponent in (0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.7, 1 / 3):
    case("pow_number", lambda d, x, e=exponent: d.pow(x, e), [uniform(3, 5, low=0.4, high=2)],
         lambda x, e=exponent: x**e, grad=exponent != 0, gradgrad=exponent not in (0, 1))  # fmt: skip
for exponent in (2, 3, -1, -3):
    case(
        "pow_negative_base", lambda d, x, e=exponent: x**e, [uniform(9, low=-2, high=-0.4)], lambda x, e=exponent: x**e
    )
case("pow_base_number", lambda d, y: d.pow(2.5, y), [arr(3, 4)], lambda y: 2.5**y, gradgrad=True)
case("pow_int", lambda d, x, y: d.pow(x, y), [ints(20, low=-5, high=6), ints(20, low=0, high=6)], np.power, grad=False)
case("pow_int_number", lambda d, x: x**3, [ints(20, low=-5, high=6)], lambda x: x**3, grad=False)
case("pow_special", lambda d, x, y: d.pow(x, y), [np.array([0.0, 0.0, -8.0, -2.0, np.inf, 2.0, np.nan, 1.0]),
     np.array([0.0, -1.0, 1 / 3, 3.0, -1.0, np.inf, 0.0, np.nan])],
     lambda x, y: np.array([1, np.inf, np.nan, -8, 0, np.inf, 1, 1]), grad=False)  # fmt: skip
case("pow_zero_base_gradient", lambda d, x, y: d.pow(x, y), [np.array([0.0, 0.0]), np.array([2.0, 3.0])],
     lambda x, y: np.zeros(2), grad=False)  # fmt: skip
case("float_power", lambda d, x, y: d.float_power(x, y), [ints(9, low=1, high=4), ints(9, low=-2, high=3)],
     lambda x, y: np.power(x.astype(float), y), grad=False)  # fmt: skip

# --- three operands

for low, high in [(-0.5, 0.5), (None, 0.3), (-0.3, None), (0.5, -0.5)]:
    case("clamp", lambda d, x, lo=low, hi=high: d.clamp(x, lo, hi), [distinct(5, 7)],
         lambda x, lo=low, hi=high: np.minimum(np.maximum(x, -np.inf if lo is None else lo), np.inf if hi is None else hi),
         grad=low is None or high is None or low < high)  # fmt: skip
case("clamp_tensors", lambda d, x, lo, hi: d.clamp(x, lo, hi), [arr(5, 7), uniform(7, low=-1, high=-0.2),
     uniform(5, 1, low=0.2, high=1)], lambda x, lo, hi: np.minimum(np.maximum(x, lo), hi))  # fmt: skip
case("clamp_min_tensor", lambda d, x, lo: d.clamp(x, min=lo), [arr(5, 7), arr(7)], np.maximum)
case("clamp_max_tensor", lambda d, x, hi: x.clamp(max=hi), [arr(5, 7), arr(7)], np.minimum)
case("clip", lambda d, x: d.clip(x, -0.5, 0.5), [arr(5, 7)], lambda x: np.clip(x, -0.5, 0.5))
case("clamp_int", lambda d, x: d.clamp(x, -2, 3), [ints(20, low=-9, high=9)], lambda x: np.clip(x, -2, 3), grad=False)
case("clamp_min", lambda d, x: d.clamp_min(x, 0.1), [arr(5, 7)], lambda x: np.maximum(x, 0.1))
case("clamp_max", lambda d, x: x.clamp_max(0.1), [arr(5, 7)], lambda x: np.minimum(x, 0.1))
case("clamp_min", lambda d, x, y: d.clamp_min(x, y), [arr(5, 7), arr(7)], np.maximum)
case("clamp_max", lambda d, x, y: d.clamp_max(x, y), [arr(5, 7), arr(7)], np.minimum)
case("clamp_nan", lambda d, x: d.clamp(x, -1, 1), [np.array([np.nan, np.inf, -np.inf, 0.5])],
     lambda x: np.clip(x, -1, 1), grad=False)  # fmt: skip

for shapes in [((5, 7), (5, 7), (5, 7)), ((7,), (5, 1), ()), ((1, 7), (5, 7), (5, 1))]:
    x, y, z = shapes
    case("where", lambda d, c, x, y: d.where(c, x, y), [bools(*x), arr(*y), arr(*z)], np.where)
    case(
        "lerp",
        lambda d, x, y, w: d.lerp(x, y, w),
        [arr(*x), arr(*y), arr(*z)],
        lambda x, y, w: x + w * (y - x),
        length=3,
    )
    case("addcmul", lambda d, x, y, z: d.addcmul(x, y, z, value=0.7), [arr(*x), arr(*y), arr(*z)],
         lambda x, y, z: x + 0.7 * y * z, length=2)  # fmt: skip
    case("addcdiv", lambda d, x, y, z: d.addcdiv(x, y, z, value=-2), [arr(*x), arr(*y), uniform(*z, low=0.5, high=2)],
         lambda x, y, z: x - 2 * y / z, length=2)  # fmt: skip
for w in (0.0, 0.3, 0.5, 0.8, 1.0):
    case(
        "lerp_number",
        lambda d, x, y, w=w: d.lerp(x, y, w),
        [arr(3, 4), arr(4)],
        lambda x, y, w=w: x + w * (y - x),
        length=3,
    )
case(
    "addcmul_default",
    lambda d, x, y, z: x.addcmul(y, z),
    [arr(3), arr(3), arr(3)],
    lambda x, y, z: x + y * z,
    gradgrad=True,
)
case("addcdiv_default", lambda d, x, y, z: x.addcdiv(y, z), [arr(3), arr(3), uniform(3, low=1, high=2)],
     lambda x, y, z: x + y / z, gradgrad=True)  # fmt: skip
case("lerp_gradgrad", lambda d, x, y, w: d.lerp(x, y, w), [arr(3), arr(3), arr(3)], lambda x, y, w: x + w * (y - x),
     length=3, gradgrad=True)  # fmt: skip
case("where_number", lambda d, c, x: d.where(c, x, 0.5), [bools(5, 7), arr(5, 7)], lambda c, x: np.where(c, x, 0.5))
case("where_number_left", lambda d, c, x: d.where(c, 2, x), [bools(7), arr(5, 7)], lambda c, x: np.where(c, 2, x))
case("where_method", lambda d, c, x, y: x.where(c, y), [bools(7), arr(5, 7), arr(5, 1)], np.where)
case("where_int", lambda d, c, x, y: d.where(c, x, y), [bools(9), ints(9), ints(9)], np.where, grad=False)
case("where_positions", lambda d, c: d.where(c), [bools(5, 7)], np.nonzero, grad=False)
# The branch not taken gives no nan to the gradient.
case("where_guards", lambda d, x: d.where(x > 0, x, d.zeros_like(x)), [arr(20)], lambda x: np.maximum(x, 0))

special = np.array([np.nan, np.inf, -np.inf, 1.5, -0.0])
largest = {"nan": 0.0, "posinf": 3.0, "neginf": -4.0}
case(
    "nan_to_num", lambda d, x: d.nan_to_num(x, **largest), [special], lambda x: np.nan_to_num(x, **largest), grad=False
)
case("nan_to_num", lambda d, x: x.nan_to_num(2.0), [special], lambda x: np.nan_to_num(x, nan=2.0), grad=False,
     dtypes=("float64",))  # fmt: skip
case("nan_to_num_gradient", lambda d, x: d.nan_to_num(x) * x, [arr(9)], np.square)
for name in ("exp", "expm1", "tanh", "sinh", "cosh", "atan", "asinh", "sqrt", "log", "log1p", "log2", "log10", "sin", "cos",
             "abs", "neg", "floor", "ceil", "trunc", "round", "square", "reciprocal", "acosh", "asin", "atanh"):  # fmt: skip
    numpy_name = {"abs": "abs", "neg": "negative", "asin": "arcsin", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
                  "atanh": "arctanh"}.get(name, name)  # fmt: skip
    case(name + "_special", lambda d, x, name=name: getattr(d, name)(x),
         [np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.0, 1e-30, -1e-30])],
         lambda x, name=numpy_name: quiet(getattr(np, name), x), grad=False)  # fmt: skip
for name, ref in [("sigmoid", lambda x: sigmoid(x)), ("erf", erf), ("erfc", erfc)]:
    case(name + "_special", lambda d, x, name=name: getattr(d, name)(x),
         [np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 30.0, -30.0])], lambda x, ref=ref: quiet(ref, x), grad=False)  # fmt: skip


def quiet(f, x):
    """f(x) where 1 / 0 and the like are meant."""
    with np.errstate(all="ignore"):
        return f(x)
