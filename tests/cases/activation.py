"""The activations of nn.functional, smooth and piecewise, with their options."""

import math

import numpy as np

from . import arr, case, distinct, uniform

erf = np.vectorize(math.erf, otypes=[float])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x, beta=1.0, threshold=20.0):
    return np.where(beta * x > threshold, x, np.log1p(np.exp(np.minimum(beta * x, threshold))) / beta)


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def glu(x, dim=-1):
    a, b = np.split(x, 2, dim)
    return a * sigmoid(b)


def scaled_elu(x):
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    return scale * np.where(x > 0, x, alpha * np.expm1(x))


# name, positional arguments, reference; inputs: multiples of 1/8 offset so that none lies on a corner of the functions.
ACTIVATIONS = [
    ("relu", (), lambda x: np.maximum(x, 0)),
    ("relu6", (), lambda x: np.clip(x, 0, 6)),
    ("leaky_relu", (), lambda x: np.where(x > 0, x, 0.01 * x)),
    ("leaky_relu", (0.3,), lambda x: np.where(x > 0, x, 0.3 * x)),
    ("rrelu", (), lambda x: np.where(x > 0, x, (1 / 8 + 1 / 3) / 2 * x)),
    ("rrelu", (0.2, 0.4), lambda x: np.where(x > 0, x, 0.3 * x)),
    ("elu", (), lambda x: np.where(x > 0, x, np.expm1(x))),
    ("elu", (1.7,), lambda x: np.where(x > 0, x, 1.7 * np.expm1(x))),
    ("celu", (), lambda x: np.where(x > 0, x, np.expm1(x))),
    ("celu", (1.7,), lambda x: np.where(x > 0, x, 1.7 * np.expm1(x / 1.7))),
    ("selu", (), scaled_elu),
    ("gelu", (), lambda x: x * 0.5 * (1 + erf(x / math.sqrt(2)))),
    ("silu", (), lambda x: x * sigmoid(x)),
    ("mish", (), lambda x: x * np.tanh(softplus(x))),
    ("softplus", (), softplus),
    ("softplus", (2.0, 3.0), lambda x: softplus(x, 2.0, 3.0)),
    ("softsign", (), lambda x: x / (1 + np.abs(x))),
    ("logsigmoid", (), lambda x: -softplus(-x)),
    ("hardtanh", (), lambda x: np.clip(x, -1, 1)),
    ("hardtanh", (-0.6, 2.1), lambda x: np.clip(x, -0.6, 2.1)),
    ("hardswish", (), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    ("hardsigmoid", (), lambda x: np.clip(x + 3, 0, 6) / 6),
    ("hardshrink", (), lambda x: np.where(np.abs(x) > 0.5, x, 0)),
    ("hardshrink", (1.3,), lambda x: np.where(np.abs(x) > 1.3, x, 0)),
    ("softshrink", (), lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)),
    ("softshrink", (1.3,), lambda x: np.sign(x) * np.maximum(np.abs(x) - 1.3, 0)),
    ("tanhshrink", (), lambda x: x - np.tanh(x)),
    ("threshold", (0.3, -2.0), lambda x: np.where(x > 0.3, x, -2.0)),
    ("sigmoid", (), sigmoid),
    ("tanh", (), np.tanh),
]
# PyTorch computes these constants (1 / 6, 1 / alpha) in float32 even for float64: no oracle for the gradients.
FLOAT32_CONSTANTS = {("hardsigmoid", ()), ("celu", (1.7,))}
INPLACE = {"relu", "relu6", "leaky_relu", "rrelu", "elu", "celu", "selu", "silu", "mish", "hardtanh", "hardswish",
           "hardsigmoid", "threshold"}  # fmt: skip
for name, args, ref in ACTIVATIONS:
    parity = (name, args) not in FLOAT32_CONSTANTS
    for shape in ((9, 13), (1,), ()):
        case(name, lambda d, x, name=name, args=args: getattr(d.nn.functional, name)(x + 0.03125, *args),
             [distinct(*shape)] if shape == (9, 13) else [np.full(shape, 0.71)], lambda x, ref=ref: ref(x + 0.03125),
             grad=name not in ("hardshrink", "softshrink", "threshold", "hardtanh") or shape == (9, 13),
             length=2, parity=parity)  # fmt: skip
    case(name + "_of_negative", lambda d, x, name=name, args=args: getattr(d.nn.functional, name)(x, *args),
         [uniform(9, low=-2.9, high=-1.4)], ref, grad=name not in ("relu", "relu6", "hardtanh", "threshold"), length=2, parity=parity)  # fmt: skip
    if name in INPLACE:
        case(name + "_inplace", lambda d, x, name=name, args=args: getattr(d.nn.functional, name)(x * 1, *args, inplace=True),
             [arr(20)], ref, length=2, parity=parity)  # fmt: skip
    if name not in ("rrelu",):
        case(name + "_gradgrad", lambda d, x, name=name, args=args: getattr(d.nn.functional, name)(x * x * x, *args),
             [uniform(5, low=0.9, high=1.3)], lambda x, ref=ref: ref(x**3), length=6, gradgrad=True,
             grad=name != "hardtanh" or bool(args), parity=parity)  # fmt: skip
case("gelu_tanh", lambda d, x: d.nn.functional.gelu(x, approximate="tanh"), [arr(9, 13)], gelu_tanh, length=2)
case(
    "gelu_tanh_gradgrad",
    lambda d, x: d.nn.functional.gelu(x, approximate="tanh"),
    [arr(5)],
    gelu_tanh,
    length=2,
    gradgrad=True,
)
for dim in (-1, 0, 1):
    case(
        "glu",
        lambda d, x, dim=dim: d.nn.functional.glu(x, dim),
        [arr(4, 6)],
        lambda x, dim=dim: glu(x, dim),
        gradgrad=True,
    )
for shape, weights in [((3, 4, 5), 4), ((3, 4), 1), ((6,), 1), ((4, 3, 2, 2), 3)]:
    case("prelu", lambda d, x, w: d.nn.functional.prelu(x, w), [arr(*shape), uniform(weights, low=0.1, high=0.5)],
         lambda x, w: np.where(x > 0, x, x * w.reshape((1, -1) + (1,) * (x.ndim - 2) if w.size > 1 else 1)), gradgrad=True)  # fmt: skip

special = np.array([np.nan, np.inf, 100.0, 0.0, -0.0, 30.0])
for name, args, _ in ACTIVATIONS:  # PyTorch is the reference for what nan, infinity and zero give
    # ... except that its gelu(inf) is inf in float64 and nan in float32.
    own = name == "gelu" and not args
    case(
        name + "_special",
        lambda d, x, name=name, args=args: getattr(d.nn.functional, name)(x, *args),
        [special],
        (lambda x: x) if own else None,
        grad=False,
        parity=not own,
    )
case("dropout_eval", lambda d, x: d.nn.functional.dropout(x, 0.4, training=False), [arr(9)], lambda x: x)
case("dropout_none", lambda d, x: d.nn.functional.dropout(x, 0.0), [arr(9)], lambda x: x)
case("dropout_all", lambda d, x: d.nn.functional.dropout(x, 1.0), [arr(9)], np.zeros_like, grad=False)
