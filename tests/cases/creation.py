import numpy as np

from . import arr, case, ints


def values(op, fn, ref, **kw):
    """A case without inputs: what it creates, which the runner's dtype does not touch."""
    case(op, lambda d, fn=fn: fn(d), [], lambda ref=ref: ref, grad=False, dtypes=("float32",), **kw)


values("zeros", lambda d: d.zeros(2, 3), np.zeros((2, 3)))
values("zeros_tuple", lambda d: d.zeros((2, 0)), np.zeros((2, 0)))
values("ones", lambda d: d.ones([3]), np.ones(3))
values("ones_0d", lambda d: d.ones(()), np.ones(()))
values("full", lambda d: d.full((2, 3), 2.5), np.full((2, 3), 2.5))
values("full_int", lambda d: d.full((2,), 7), np.full(2, 7))
values("full_bool", lambda d: d.full((2,), True), np.full(2, True))
values("full_inf", lambda d: d.full((2,), float("-inf")), np.full(2, -np.inf))
for n, m in [(3, None), (2, 4), (4, 2), (0, None), (1, 0)]:
    values("eye", lambda d, n=n, m=m: d.eye(n) if m is None else d.eye(n, m), np.eye(n, m))
for args in [(5,), (0,), (2, 7), (7, 2, -1), (1, 10, 4), (-3, 3, 2), (0, 1, 100), (3, 3), (-(2**40), -(2**40) + 3)]:
    values("arange", lambda d, a=args: d.arange(*a), np.arange(*args))
for args in [(5.0,), (0, 1, 0.25), (1, 0, -0.125), (0.5, 3), (0, 1, 0.1), (-1.0, 1.0, 0.3), (0, 1000, 0.7)]:
    values("arange_float", lambda d, a=args: d.arange(*a), np.arange(*args), eps_factor=1)
for dtype in ("int8", "int16", "int32", "uint8", "float64", "bfloat16", "float16"):
    values(f"arange_{dtype}", lambda d, t=dtype: d.arange(2, 50, 3, dtype=getattr(d, t)), np.arange(2, 50, 3))
for start, end, steps in [(0, 1, 5), (3, -3, 7), (2, 2, 3), (0, 1, 1), (0, 1, 0), (-5.5, 10, 100), (0, 1, 33)]:
    values("linspace", lambda d, a=(start, end, steps): d.linspace(*a), np.linspace(start, end, steps), eps_factor=1)
values("linspace_float64", lambda d: d.linspace(0, 1, 7, dtype=d.float64), np.linspace(0, 1, 7))
values("logspace", lambda d: d.logspace(-2, 2, 5), np.logspace(-2, 2, 5))
values("tril_indices", lambda d: d.tril_indices(3, 4, 1), np.stack(np.tril_indices(3, 1, 4)))
values("triu_indices", lambda d: d.triu_indices(3, 4, -1), np.stack(np.triu_indices(3, -1, 4)))
values("tensor_nested", lambda d: d.tensor([[1, 2], [3, 4]]), np.array([[1, 2], [3, 4]]))
values("tensor_mixed", lambda d: d.tensor([1, 2.5, True]), np.array([1, 2.5, 1]))
values("tensor_tensors", lambda d: d.tensor([d.tensor(1.0), d.tensor(2.0)]), np.array([1.0, 2.0]))
values("as_tensor", lambda d: d.as_tensor([1.5, 2]), np.array([1.5, 2]))
values("from_numpy_gaps", lambda d: d.from_numpy(np.arange(12.0).reshape(3, 4)[:, ::2]) * 2,
       np.arange(12.0).reshape(3, 4)[:, ::2] * 2)  # fmt: skip

for name, value in [("zeros", 0.0), ("ones", 1.0)]:
    case(f"{name}_like", lambda d, x, f=f"{name}_like": getattr(d, f)(x), [arr(2, 3)],
         lambda x, v=value: np.full(x.shape, v), grad=False)  # fmt: skip
    case(f"new_{name}", lambda d, x, f=f"new_{name}": getattr(x, f)(3, 2), [arr(1)],
         lambda x, v=value: np.full((3, 2), v), grad=False)  # fmt: skip
case("full_like", lambda d, x: d.full_like(x, 2), [arr(2, 3)], lambda x: np.full(x.shape, 2.0), grad=False)
case("full_like_int", lambda d, i: d.full_like(i, 2.9), [ints(2, 3)], lambda i: np.full(i.shape, 2), grad=False)
case("new_full", lambda d, x: x.new_full((2, 3), 4), [arr(1)], lambda x: np.full((2, 3), 4.0), grad=False)
case("new_full_dtype", lambda d, x: x.new_full((2,), 4.5, dtype=d.int32), [arr(1)], lambda x: np.full(2, 4), grad=False)

# ---- small changes: they fill what is there

case("zero_", lambda d, x: x.clone().zero_(), [arr(5, 7)], np.zeros_like, grad=False)
case("fill_", lambda d, x: x.clone().fill_(2.5), [arr(5, 7)], lambda x: np.full(x.shape, 2.5), grad=False)
case(
    "fill_tensor_", lambda d, x, v: x.clone().fill_(v), [arr(5, 7), arr()], lambda x, v: np.full(x.shape, v), length=35
)
case(
    "copy_", lambda d, x, y: x.clone().copy_(y), [arr(3, 4), arr(4)], lambda x, y: np.broadcast_to(y, x.shape), length=3
)
case("copy_from_int", lambda d, x, i: x.clone().copy_(i), [arr(3), ints(3)], lambda x, i: i.astype(float), grad=False)

# ---- from a tensor: its dtype, unless told otherwise

case("new_tensor", lambda d, x: x.new_tensor([1.5, 2]), [arr(1)], lambda x: np.array([1.5, 2]), grad=False)
case("new_tensor_int", lambda d, x: x.new_tensor([1.5, 2]), [ints(1)], lambda x: np.array([1, 2]), grad=False)
case("new_empty_strided", lambda d, x: x.new_empty_strided((2, 3), (1, 2)).zero_(), [arr(1)], lambda x: np.zeros((2, 3)),
     grad=False)  # fmt: skip
case("scalar_tensor", lambda d, x: d.scalar_tensor(2.5, dtype=x.dtype), [arr(1)], lambda x: np.array(2.5), grad=False)
