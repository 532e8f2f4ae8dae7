import numpy as np

from . import arr, bools, case, distinct, ints, uniform

# shape, dim: all of them, one, several, negative ones; sizes with 1; lengths around the vectors'.
DIMS = [
    ((3, 4), None),
    ((3, 4), 0),
    ((3, 4), -1),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (-1, -3)),
    ((2, 3, 4), (0, 1, 2)),
    ((2, 3, 4), 1),
    ((1, 5, 1), (0, 2)),
    ((1, 1), 0),
    ((5,), 0),
    ((), None),
    ((17, 9), 0),
    ((9, 17), 1),
    ((2, 3, 2, 3, 2), (1, 3)),
]
EMPTY = [((0,), None), ((3, 0), 1), ((3, 0), 0), ((2, 0, 3), (0, 1)), ((0, 0, 1), (0, 1)), ((3, 0, 1), (0, 1))]


def count(shape, dim):
    """Elements that one result is made of."""
    return int(np.prod(shape if dim is None else np.array(shape)[list(np.atleast_1d(dim))]))


def over(op, call, ref, make=arr, dims=DIMS, length=count, **kw):
    """A case of every shape and dim, without and with keepdim. call(d, x, dim, keepdim), ref(x, dim, keepdim)."""
    for shape, dim in dims:
        for keepdim in (False, True):
            grad = kw.get("grad", True) and 0 not in shape and shape != ()
            case(
                op,
                lambda d, x, dim=dim, keepdim=keepdim: call(d, x, dim, keepdim),
                [make(*shape)],
                lambda x, dim=dim, keepdim=keepdim: ref(x, dim, keepdim),
                length=max(length(shape, dim), 1),
                **{**kw, "grad": grad},
            )


def with_nan(*shape):
    """Fixed values with some NaNs among them."""
    x = np.random.default_rng(3).standard_normal(shape)
    return np.where(np.arange(x.size).reshape(shape) % 3 == 1, np.nan, x)


def named(shape_dims):
    """Those that say which dims."""
    return [(shape, dim) for shape, dim in shape_dims if dim is not None]


def single(shape_dims):
    """Those of one dim."""
    return [(shape, dim) for shape, dim in shape_dims if isinstance(dim, int)]


# ---- sums, means, products

over("sum", lambda d, x, dim, k: d.sum(x, dim, k), lambda x, dim, k: x.sum(dim, keepdims=k), dims=DIMS + EMPTY)
over(
    "mean",
    lambda d, x, dim, k: d.mean(x, dim, k),
    lambda x, dim, k: x.mean(dim, keepdims=k),
    make=lambda *s: uniform(*s, low=0.5, high=2),
)
case("mean_empty", lambda d, x: d.mean(x, 1), [arr(3, 0)], lambda x: np.full(3, np.nan), grad=False, parity=False)
case(
    "sum_method_axis", lambda d, x: x.sum(dim=(0, -1)), [arr(2, 3, 4)], lambda x: x.sum((0, 2)), length=8, gradgrad=True
)
case("sum_expanded", lambda d, x: d.sum(x.expand(4, 3, 5), (0, 2)), [arr(3, 1)], lambda x: 20 * x[:, 0], length=20)
case("sum_dtype", lambda d, x: d.sum(x, 0, dtype=d.float64), [arr(9, 3)], lambda x: x.sum(0), length=9)
case("sum_long", lambda d, x: d.sum(x), [arr(70000)], lambda x: x.sum(), length=64, grad=False)
case("sum_long", lambda d, x: d.sum(x, 0), [arr(5000, 7)], lambda x: x.sum(0), length=64, grad=False)
case("sum_long", lambda d, x: d.sum(x, 1), [arr(7, 5000)], lambda x: x.sum(1), length=64, grad=False)
for shape, dim in DIMS + EMPTY:
    case("sum_int", lambda d, x, dim=dim: d.sum(x, dim), [ints(*shape)], lambda x, dim=dim: x.sum(dim), grad=False)
    case("sum_bool", lambda d, x, dim=dim: d.sum(x, dim), [bools(*shape)], lambda x, dim=dim: x.sum(dim), grad=False)
over(
    "prod", lambda d, x, dim, k: d.prod(x, dim, k), lambda x, dim, k: x.prod(dim, keepdims=k), dims=single(DIMS + EMPTY)
)
case("prod", lambda d, x: d.prod(x), [arr(2, 3, 2)], np.prod, length=12, gradgrad=True)
case("prod", lambda d, x: d.prod(x), [arr()], np.prod, grad=False)
case("prod_int", lambda d, x: d.prod(x, 1), [ints(3, 4)], lambda x: x.prod(1), grad=False)
for zeros in ([1], [1, 4], [0, 1, 2, 3, 4, 5]):
    x = np.where(np.isin(np.arange(6), zeros), 0.0, np.arange(6) / 2 - 1.2).reshape(2, 3)
    case("prod_zeros", lambda d, x: d.prod(x), [x], np.prod, length=6, grad=len(zeros) == 1)
    case("prod_zeros", lambda d, x: d.prod(x, 1), [x], lambda x: x.prod(1), length=3, grad=zeros != list(range(6)))
case("nansum", lambda d, x: d.nansum(x, 1), [with_nan(4, 5)], lambda x: np.nansum(x, 1), length=5, grad=False)
case("nansum", lambda d, x: d.nansum(x), [arr(4, 5)], np.nansum, length=20)
over(
    "count_nonzero",
    lambda d, x, dim, k: d.count_nonzero(x, dim),
    lambda x, dim, k: np.count_nonzero(x, dim),
    make=bools,
    dims=DIMS + EMPTY,
    grad=False,
)
case(
    "count_nonzero",
    lambda d, x: d.count_nonzero(x, (0, 1)),
    [ints(5, 6, 2, high=2)],
    lambda x: np.count_nonzero(x, (0, 1)),
    grad=False,
)
case("bincount", lambda d, x: d.bincount(x), [ints(20, high=6)], np.bincount, grad=False)
case(
    "bincount",
    lambda d, x: d.bincount(x, minlength=9),
    [ints(20, high=6)],
    lambda x: np.bincount(x, minlength=9),
    grad=False,
)
case("bincount", lambda d, x: d.bincount(x, minlength=2), [ints(0)], lambda x: np.zeros(2), grad=False)
case(
    "bincount_weights",
    lambda d, x, w: d.bincount(x, w),
    [ints(20, high=6), arr(20)],
    np.bincount,
    length=20,
    grad=False,
)

# ---- extremes

over(
    "amax",
    lambda d, x, dim, k: d.amax(x, () if dim is None else dim, k),
    lambda x, dim, k: x.max(dim, keepdims=k),
    length=lambda shape, dim: 0,
)
over(
    "amin",
    lambda d, x, dim, k: d.amin(x, () if dim is None else dim, k),
    lambda x, dim, k: x.min(dim, keepdims=k),
    length=lambda shape, dim: 0,
)
for op, arg, ref, ref_arg in [("max", "argmax", np.max, np.argmax), ("min", "argmin", np.min, np.argmin)]:
    case(op, lambda d, x, op=op: getattr(d, op)(x), [arr(3, 4)], ref)
    case(op, lambda d, x, op=op: getattr(d, op)(x), [arr()], ref, grad=False)
    case(op, lambda d, x, op=op: getattr(d, op)(x, 0), [arr()], lambda x: [x, 0], grad=False)
    case(f"{op}_int", lambda d, x, op=op: getattr(d, op)(x), [ints(3, 4, low=-9)], ref, grad=False)
    over(
        f"{op}_dim",
        lambda d, x, dim, k, op=op: getattr(d, op)(x, dim, k),
        lambda x, dim, k, ref=ref, ref_arg=ref_arg: [ref(x, dim, keepdims=k), ref_arg(x, dim, keepdims=k)],
        dims=single(DIMS) + [((0, 3), 1), ((2, 3, 0), 0)],
    )
    over(
        arg,
        lambda d, x, dim, k, arg=arg: getattr(d, arg)(x, dim, k),
        lambda x, dim, k, ref_arg=ref_arg: ref_arg(x, dim, keepdims=k),
        dims=single(DIMS) + [((3, 4), None), ((), None)],
        grad=False,
    )
    case(
        f"{arg}_permuted",
        lambda d, x, arg=arg: getattr(d, arg)(x.permute(2, 0, 1)),
        [distinct(3, 4, 5)],
        lambda x, ref_arg=ref_arg: ref_arg(x.transpose(2, 0, 1)),
        grad=False,
    )
    case(
        f"a{op}_ties",
        lambda d, x, op=op: getattr(d, f"a{op}")(x, 1),
        [ints(6, 40, high=3)],
        lambda x, ref=ref: ref(x, 1),
        grad=False,
    )
case("aminmax", lambda d, x: d.aminmax(x), [arr(3, 4)], lambda x: [x.min(), x.max()])
case(
    "aminmax",
    lambda d, x: d.aminmax(x, dim=1, keepdim=True),
    [arr(3, 4)],
    lambda x: [x.min(1, keepdims=True), x.max(1, keepdims=True)],
)
case("median", lambda d, x: d.median(x), [distinct(3, 5)], np.median)
case(
    "median_dim",
    lambda d, x: d.median(x, 1, True),
    [distinct(3, 6)],
    lambda x: [np.sort(x, 1)[:, 2:3], np.argsort(x, 1)[:, 2:3]],
)

# ---- truth

for op, ref in [("all", np.all), ("any", np.any)]:
    over(
        op,
        lambda d, x, dim, k, op=op: getattr(d, op)(x, dim, k),
        lambda x, dim, k, ref=ref: ref(x, dim, keepdims=k),
        make=bools,
        dims=DIMS + EMPTY,
        grad=False,
    )
    case(
        f"{op}_number",
        lambda d, x, op=op: getattr(d, op)(x, 1),
        [ints(9, 3, high=2)],
        lambda x, ref=ref: ref(x, 1),
        grad=False,
    )

# ---- variances: the error of sum (x - mean)^2 grows with the count alone

for correction in (0, 1, 2.5):
    kw = dict(dims=[(s, i) for s, i in DIMS if count(s, i) > 3])
    over(
        "var",
        lambda d, x, dim, k, c=correction: d.var(x, dim, correction=c, keepdim=k),
        lambda x, dim, k, c=correction: x.var(dim, ddof=c, keepdims=k),
        **kw,
    )
    over(
        "std",
        lambda d, x, dim, k, c=correction: d.std(x, dim, correction=c, keepdim=k),
        lambda x, dim, k, c=correction: x.std(dim, ddof=c, keepdims=k),
        **kw,
    )
case("var_mean", lambda d, x: d.var_mean(x), [arr(3, 4)], lambda x: [x.var(ddof=1), x.mean()], length=12)
case(
    "var_mean",
    lambda d, x: d.var_mean(x, (0, 2), keepdim=True),
    [arr(3, 2, 4)],
    lambda x: [x.var((0, 2), ddof=1, keepdims=True), x.mean((0, 2), keepdims=True)],
    length=12,
)
case("std_mean", lambda d, x: d.std_mean(x, 1), [arr(3, 4)], lambda x: [x.std(1, ddof=1), x.mean(1)], length=4)
case("var_unbiased", lambda d, x: d.var(x, 1, False), [arr(3, 4)], lambda x: x.var(1), length=4, gradgrad=True)
case("std_gradgrad", lambda d, x: d.std(x, 1), [arr(3, 4)], lambda x: x.std(1, ddof=1), length=4, gradgrad=True)
case(
    "var_of_nothing",
    lambda d, x: d.var(x, 1, correction=0),
    [arr(3, 0)],
    lambda x: np.full(3, np.nan),
    grad=False,
    parity=False,
)
case(
    "var_of_one",
    lambda d, x: d.var(x, 1, correction=1),
    [arr(3, 1)],
    lambda x: np.full(3, np.nan),
    grad=False,
    parity=False,
)

# ---- norms


def p_norm(x, p, dim=None, keepdims=False):
    size = np.abs(x)
    if p == 0:
        return (size != 0).sum(dim, keepdims=keepdims).astype(float)
    if np.isinf(p):
        return (size.max if p > 0 else size.min)(dim, keepdims=keepdims)
    return (size**p).sum(dim, keepdims=keepdims) ** (1 / p)


for p in (1, 2, 3, 0.5, -1, np.inf, -np.inf):
    over(
        "norm",
        lambda d, x, dim, k, p=p: d.norm(x, p, dim, k),
        lambda x, dim, k, p=p: p_norm(x, p, dim, k),
        make=lambda *s: uniform(*s, low=0.5, high=2),
        dims=[((3, 4), None), ((3, 4), 1), ((2, 3, 4), (0, -1)), ((17, 9), 0), ((1,), 0)],
    )
case(
    "norm_0",
    lambda d, x: d.norm(x, 0, 1),
    [ints(4, 5, high=2).make(np.random.default_rng(1)) * 1.0],
    lambda x: p_norm(x, 0, 1),
    grad=False,
)
case("norm_fro", lambda d, x: d.norm(x), [arr(3, 4)], lambda x: p_norm(x, 2), length=12)
case("norm_signs", lambda d, x: x.norm(3, -1), [distinct(3, 4)], lambda x: p_norm(x, 3, 1), length=4)
case("norm_gradgrad", lambda d, x: d.norm(x, 2, 1), [arr(3, 4)], lambda x: p_norm(x, 2, 1), length=4, gradgrad=True)
case("norm_empty", lambda d, x: d.norm(x, 2, 1), [arr(3, 0)], lambda x: np.zeros(3), grad=False)

# ---- running results

LINES = [((5,), 0), ((3, 4), 0), ((3, 4), -1), ((2, 3, 4), 1), ((9, 17), 1), ((17, 9), 0), ((1, 3), 0), ((), 0)]
for shape, dim in LINES + [((0,), 0), ((3, 0), 0), ((3, 0), 1)]:
    kw = dict(grad=0 not in shape and shape != (), length=max(count(shape, dim) if shape else 1, 1))
    case(
        "cumsum",
        lambda d, x, dim=dim: d.cumsum(x, dim),
        [arr(*shape)],
        lambda x, dim=dim: np.cumsum(x, dim).reshape(x.shape),
        **kw,
    )
    case(
        "cumprod",
        lambda d, x, dim=dim: d.cumprod(x, dim),
        [arr(*shape)],
        lambda x, dim=dim: np.cumprod(x, dim).reshape(x.shape),
        **kw,
    )
    case(
        "logcumsumexp",
        lambda d, x, dim=dim: d.logcumsumexp(x, dim),
        [arr(*shape)],
        lambda x, dim=dim: np.logaddexp.accumulate(x, dim) if x.ndim else x,
        **kw,
    )
    for op, ref in [("cummax", np.maximum), ("cummin", np.minimum)]:
        case(
            op,
            lambda d, x, op=op, dim=dim: getattr(d, op)(x, dim)[0],
            [arr(*shape)],
            lambda x, ref=ref, dim=dim: ref.accumulate(x, dim) if x.ndim else x,
            **kw,
        )
for x in ([[1.5, 0, 2, 3], [0, 2, 0, 1], [2, 1, 3, 0]],):
    case("cumprod_zeros", lambda d, x: d.cumprod(x, 1), [np.array(x)], lambda x: np.cumprod(x, 1), length=4)
case("cumsum_int", lambda d, x: d.cumsum(x, 1), [ints(3, 40)], lambda x: np.cumsum(x, 1), grad=False)
case(
    "cumsum_gradgrad",
    lambda d, x: d.cumsum(x * x, 1),
    [arr(2, 3)],
    lambda x: np.cumsum(x * x, 1),
    length=4,
    gradgrad=True,
)
case(
    "cumprod_gradgrad",
    lambda d, x: d.cumprod(x, 1),
    [uniform(2, 3, low=0.5, high=2)],
    lambda x: np.cumprod(x, 1),
    length=3,
    gradgrad=True,
)
case(
    "logcumsumexp_infinite",
    lambda d, x: d.logcumsumexp(x, 0),
    [np.array([-np.inf, -np.inf, 1.0, 2.0])],
    lambda x: np.logaddexp.accumulate(x),
    grad=False,
    parity=False,
)
for op, sign in [("cummax", 1), ("cummin", -1)]:

    def last_of_equals(x, sign=sign):
        best = np.maximum.accumulate(sign * x, 1)
        place = np.maximum.accumulate(np.where(sign * x == best, np.arange(x.shape[1]), 0), 1)
        return [sign * best, place]

    case(f"{op}_index", lambda d, x, op=op: getattr(d, op)(x, 1), [ints(4, 30, high=6)], last_of_equals, grad=False)
