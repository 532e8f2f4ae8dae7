import numpy as np

from . import arr, case, ints

SHAPES = [
    ((4,), 0),
    ((3, 5), 1),
    ((3, 5), 0),
    ((2, 3, 4), 1),
    ((2, 3, 4), -3),
    ((9, 17), -1),
    ((17, 9), 0),
    ((1, 1), 0),
    ((1, 4), 0),
]
EMPTY = [((0,), 0), ((3, 0), 1), ((0, 3), 1), ((2, 0, 3), 2)]


def logsumexp(x, dim, keepdims=False):
    m = x.max(dim, keepdims=True)
    m = np.where(np.isfinite(m), m, 0)
    with np.errstate(divide="ignore"):
        y = np.log(np.exp(x - m).sum(dim, keepdims=True)) + m
    return y if keepdims else y.squeeze(dim)


def log_softmax(x, dim):
    if not x.size:
        return x
    x = x - x.max(dim, keepdims=True)
    return x - np.log(np.exp(x).sum(dim, keepdims=True))


def softmax(x, dim):
    return np.exp(log_softmax(x, dim))


for shape, dim in SHAPES + EMPTY:
    # Over one element softmax is the constant 1: no gradient to check.
    kw = dict(grad=0 not in shape and shape[dim] > 1, length=max(shape[dim], 1))
    case("softmax", lambda d, x, dim=dim: d.softmax(x, dim), [arr(*shape)], lambda x, dim=dim: softmax(x, dim), **kw)
    case(
        "log_softmax",
        lambda d, x, dim=dim: d.log_softmax(x, dim),
        [arr(*shape)],
        lambda x, dim=dim: log_softmax(x, dim),
        **kw,
    )
    case(
        "softmin",
        lambda d, x, dim=dim: d.nn.functional.softmin(x, dim),
        [arr(*shape)],
        lambda x, dim=dim: softmax(-x, dim),
        **kw,
    )
for op, ref in [("softmax", softmax), ("log_softmax", log_softmax)]:
    case(
        f"{op}_scalar",
        lambda d, x, op=op: getattr(d, op)(x, 0),
        [arr()],
        lambda x, op=op: 1.0 * (op == "softmax"),
        grad=False,
    )
    case(
        f"{op}_gradgrad",
        lambda d, x, op=op: getattr(d, op)(x, 1),
        [arr(2, 3)],
        lambda x, ref=ref: ref(x, 1),
        length=3,
        gradgrad=True,
    )
    case(
        f"{op}_permuted",
        lambda d, x, op=op: getattr(d, op)(x.permute(2, 0, 1), 1),
        [arr(3, 4, 5)],
        lambda x, ref=ref: ref(x.transpose(2, 0, 1), 1),
        length=4,
    )
    case(
        f"{op}_long",
        lambda d, x, op=op: getattr(d, op)(x, 0),
        [arr(70000)],
        lambda x, ref=ref: ref(x, 0),
        length=16,
        grad=False,
    )
    case(
        f"{op}_dtype",
        lambda d, x, op=op: getattr(d, op)(x, 1, dtype=d.float64),
        [ints(3, 4)],
        lambda x, ref=ref: ref(x, 1),
        length=4,
        grad=False,
    )
# Arguments far apart: nothing overflows, and what underflows is 0.
FAR = np.array([[1000.0, 999.0, -1000.0], [-1e4, -1e4, -1e4], [88.0, 89.0, 90.0]])
case("softmax_far", lambda d, x: d.softmax(x, 1), [FAR], lambda x: softmax(x, 1), length=4, grad=False)
case("log_softmax_far", lambda d, x: d.log_softmax(x, 1), [FAR], lambda x: log_softmax(x, 1), length=4, grad=False)
case(
    "softmax_masked",
    lambda d, x: d.softmax(x, 1),
    [np.array([[0.5, -np.inf, 1.0], [-np.inf, 2.0, -np.inf]])],
    lambda x: softmax(x, 1),
    length=3,
    grad=False,
)

for shape, dim in [
    ((3, 4), 0),
    ((3, 4), -1),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (-1, 1, 0)),
    ((9, 17), 1),
    ((17, 9), 0),
    ((1, 1), 0),
]:
    for keepdim in (False, True):
        case(
            "logsumexp",
            lambda d, x, dim=dim, k=keepdim: d.logsumexp(x, dim, k),
            [arr(*shape)],
            lambda x, dim=dim, k=keepdim: logsumexp(x, dim, k),
            length=4,
        )
case(
    "logsumexp_gradgrad",
    lambda d, x: d.logsumexp(x, 1),
    [arr(2, 3)],
    lambda x: logsumexp(x, 1),
    length=4,
    gradgrad=True,
)
case("logsumexp_empty", lambda d, x: d.logsumexp(x, 1), [arr(3, 0)], lambda x: np.full(3, -np.inf), grad=False)
case(
    "logsumexp_infinite",
    lambda d, x: d.logsumexp(x, 1),
    [np.array([[-np.inf, -np.inf], [np.inf, 1.0], [-np.inf, 3.0]])],
    lambda x: np.array([-np.inf, np.inf, 3.0]),
    grad=False,
    parity=False,
)
case("logsumexp_far", lambda d, x: d.logsumexp(x, 1), [FAR], lambda x: logsumexp(x, 1), length=4, grad=False)
case(
    "logsumexp_int",
    lambda d, x: d.logsumexp(x.to(d.float64), 1),
    [ints(3, 4)],
    lambda x: logsumexp(x, 1),
    length=4,
    grad=False,
)
