"""Comparisons, predicates, logic on truth values and on bits."""

import operator

import numpy as np

from . import arr, bools, case, ints

SHAPES = [((5, 7), (5, 7)), ((5, 7), (7,)), ((5, 1), (1, 7)), ((), (3, 4)), ((9,), ()), ((0, 3), (3,)), ((65,), (65,))]
COMPARE = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, np.nan, np.inf])
other = np.array([np.nan, np.inf, np.inf, -0.0, 0.0, 2.0, 1.0, 1.0])
for name, op in COMPARE.items():
    for a, b in SHAPES:
        case(name, lambda d, x, y, name=name: getattr(d, name)(x.round(), y.round()), [arr(*a), arr(*b)],
             lambda x, y, op=op: op(np.round(x), np.round(y)), grad=False)  # fmt: skip
        case(name + "_int", lambda d, x, y, name=name: getattr(d, name)(x, y), [ints(*a, high=3), ints(*b, high=3)], op,
             grad=False)  # fmt: skip
    case(name + "_special", lambda d, x, y, name=name: getattr(x, name)(y), [special, other], op, grad=False)
    case(name + "_bool", lambda d, x, y, name=name: getattr(x, name)(y), [bools(9), bools(9)], op, grad=False)
    case(name + "_operator", lambda d, x, y, op=op: op(x, y), [arr(9), arr(9)], op, grad=False)
    case(name + "_number", lambda d, x, op=op: op(x, 2), [ints(20, high=5)], lambda x, op=op: op(x, 2), grad=False)
    case(
        name + "_fraction", lambda d, x, op=op: op(x, 1.5), [ints(20, high=5)], lambda x, op=op: op(x, 1.5), grad=False
    )
    case(name + "_reflected", lambda d, x, op=op: op(0.5, x), [arr(20)], lambda x, op=op: op(0.5, x), grad=False)
    case(name + "_mixed", lambda d, x, y, op=op: op(x, y), [ints(20, high=3), arr(20)], op, grad=False)

for name in ("isfinite", "isinf", "isnan"):
    case(name, lambda d, x, name=name: getattr(d, name)(x), [special], getattr(np, name), grad=False)
    case(name, lambda d, x, name=name: getattr(x, name)(), [ints(4)], getattr(np, name), grad=False)
for name in ("logical_and", "logical_or", "logical_xor"):
    for a, b in SHAPES:
        case(
            name,
            lambda d, x, y, name=name: getattr(d, name)(x, y),
            [bools(*a), bools(*b)],
            getattr(np, name),
            grad=False,
        )
    case(
        name, lambda d, x, y, name=name: getattr(x, name)(y), [special, ints(8, high=2)], getattr(np, name), grad=False
    )
case("logical_not", lambda d, x: d.logical_not(x), [special], np.logical_not, grad=False)
case("logical_not", lambda d, x: x.logical_not(), [bools(33)], np.logical_not, grad=False)

for name, op in [("bitwise_and", operator.and_), ("bitwise_or", operator.or_), ("bitwise_xor", operator.xor)]:
    for a, b in SHAPES:
        case(name, lambda d, x, y, name=name: getattr(d, name)(x, y), [ints(*a, low=-99, high=99), ints(*b, low=-99, high=99)],
             op, grad=False)  # fmt: skip
    case(name, lambda d, x, y, name=name: getattr(x, name)(y), [bools(33), bools(33)], op, grad=False)
    case(name + "_operator", lambda d, x, y, op=op: op(x, y), [ints(9), ints(9)], op, grad=False)
    case(
        name + "_reflected",
        lambda d, x, op=op: op(op(6, x), 3),
        [ints(9)],
        lambda x, op=op: op(op(6, x), 3),
        grad=False,
    )
case("bitwise_not", lambda d, x: d.bitwise_not(x), [ints(33, low=-99, high=99)], np.invert, grad=False)
case("bitwise_not", lambda d, x: ~x, [bools(33)], np.invert, grad=False)
for name, op in [("bitwise_left_shift", np.left_shift), ("bitwise_right_shift", np.right_shift)]:
    case(
        name,
        lambda d, x, y, name=name: getattr(d, name)(x, y),
        [ints(20, low=-99, high=99), ints(20, high=9)],
        op,
        grad=False,
    )

for equal_nan in (False, True):
    case("isclose", lambda d, x, y, e=equal_nan: d.isclose(x, y, equal_nan=e), [special, other],
         lambda x, y, e=equal_nan: np.isclose(x, y, equal_nan=e), grad=False)  # fmt: skip
near = np.array([1.0, 1.001, 1.01, 1.1, 0.5])
case("isclose_tolerances", lambda d, x, y: d.isclose(x, y, rtol=1e-2, atol=5e-3), [near, np.ones(5)],
     lambda x, y: np.isclose(x, y, rtol=1e-2, atol=5e-3), grad=False)  # fmt: skip
case("isclose_int", lambda d, x, y: x.isclose(y), [ints(20, high=2), ints(20, high=2)], np.equal, grad=False)

for invert in (False, True):
    case("isin", lambda d, x, y, i=invert: d.isin(x, y, invert=i), [ints(5, 7, high=30), ints(4, 3, high=30)],
         lambda x, y, i=invert: np.isin(x, y, invert=i), grad=False)  # fmt: skip
    case("isin_float", lambda d, x, y, i=invert: d.isin(x.round(), y.round(), invert=i), [arr(50), arr(2)],
         lambda x, y, i=invert: np.isin(np.round(x), np.round(y), invert=i), grad=False)  # fmt: skip
case("isin_empty", lambda d, x, y: d.isin(x, y), [ints(5), ints(0)], np.isin, grad=False)
case("isin_number", lambda d, x: d.isin(x, 3), [ints(20, high=5)], lambda x: np.isin(x, 3), grad=False)
