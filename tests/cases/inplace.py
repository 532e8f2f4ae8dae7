"""In-place twins: on a tensor that something was computed into, and on a view of its columns."""

import operator

import numpy as np

from . import arr, case, ints, uniform


def twin(name, call, inputs, ref, **kw):
    """call(d, x, *others) writes into x; ref(x, *others) is what it leaves there."""

    def into_result(d, x, *others):
        y = x * 1
        call(d, y, *others)
        return y

    def into_view(d, x, *others):
        y = d.cat([x, x], -1)
        call(d, y[..., : x.shape[-1]], *others)
        return y

    case(name, into_result, inputs, ref, **kw)
    case(name + "view", into_view, inputs, lambda x, *others: np.concatenate([ref(x, *others), x], -1), **kw)


for alias, op in [("less_", operator.lt), ("less_equal_", operator.le), ("greater_", operator.gt),
                  ("greater_equal_", operator.ge), ("not_equal_", operator.ne), ("eq_", operator.eq)]:  # fmt: skip
    twin(alias, lambda d, x, y, name=alias: getattr(x, name)(y), [arr(3, 4), arr(4)],
         lambda x, y, op=op: op(x, y).astype(float), grad=False)  # fmt: skip
for name, op in [("bitwise_left_shift_", np.left_shift), ("bitwise_right_shift_", np.right_shift)]:
    twin(name, lambda d, x, y, name=name: getattr(x, name)(y), [ints(3, 4, high=99), ints(4, high=5)], op, grad=False)
    twin(name, lambda d, x, name=name: getattr(x, name)(2), [ints(5)], lambda x, op=op: op(x, 2), grad=False)
OPERATORS = "iadd isub imul ifloordiv imod ipow iand ior ixor ilshift irshift".split()
for name in OPERATORS:
    twin(name, lambda d, x, y, name=name: getattr(operator, name)(x, y), [ints(3, 4), ints(4, low=1, high=4)],
         lambda x, y, name=name: getattr(operator, name)(x.copy(), y), grad=False)  # fmt: skip
    twin(name + "_number", lambda d, x, name=name: getattr(operator, name)(x, 3), [ints(7)],
         lambda x, name=name: getattr(operator, name)(x.copy(), 3), grad=False)  # fmt: skip
for name in ("iadd", "isub", "imul", "itruediv", "ipow"):
    twin(name + "_float", lambda d, x, y, name=name: getattr(operator, name)(x, y),
         [uniform(3, 4, low=0.5, high=2), uniform(4, low=0.5, high=2)],
         lambda x, y, name=name: getattr(operator, name)(x.copy(), y))  # fmt: skip
for name, op in [("lshift", operator.lshift), ("rshift", operator.rshift)]:
    case(name, lambda d, x, y, op=op: op(x, y), [ints(9), ints(9, high=5)], op, grad=False)
    case(name, lambda d, x, op=op: op(x, 2), [ints(9)], lambda x, op=op: op(x, 2), grad=False)
    case(name + "_reflected", lambda d, x, op=op: op(5, x), [ints(9, high=5)], lambda x, op=op: op(5, x), grad=False)

twin("cumsum_", lambda d, x: x.cumsum_(0), [arr(3, 4)], lambda x: x.cumsum(0), length=3)
twin("cumsum_", lambda d, x: x.cumsum_(-1), [arr(3, 17)], lambda x: x.cumsum(-1), length=17)
twin("cumprod_", lambda d, x: x.cumprod_(1), [arr(3, 4)], lambda x: x.cumprod(1), length=4)
twin("float_power_", lambda d, x: x.float_power_(3), [arr(3, 4)], lambda x: x**3, dtypes=("float64",))
twin("clamp_function_", lambda d, x: d.clamp_(x, -0.5, 0.7), [arr(3, 4)], lambda x: x.clip(-0.5, 0.7))
twin("clamp_min_function_", lambda d, x: d.clamp_min_(x, 0.1), [arr(3, 4)], lambda x: x.clip(0.1))
twin("clamp_max_function_", lambda d, x: d.clamp_max_(x, 0.1), [arr(3, 4)], lambda x: x.clip(None, 0.1))
twin("clamp_tensor_", lambda d, x, low: x.clamp_(low), [arr(3, 4), arr(4)], np.maximum)
twin("clip_", lambda d, x: x.clip_(max=0.5), [arr(3, 4)], lambda x: x.clip(None, 0.5))
twin("nan_to_num_", lambda d, x: d.nan_to_num_(x, 7.0), [np.array([np.nan, 1.0, 2.0])],
     lambda x: np.nan_to_num(x, nan=7.0), grad=False)  # fmt: skip
twin("xlogy_", lambda d, x, y: d.xlogy_(x, y), [arr(3, 4), uniform(4, low=0.5, high=2)], lambda x, y: x * np.log(y))
twin("lerp_", lambda d, x, y: x.lerp_(y, 0.3), [arr(3, 4), arr(4)], lambda x, y: x + 0.3 * (y - x), length=2)
twin("addcmul_", lambda d, x, a, b: x.addcmul_(a, b, value=0.5), [arr(3, 4), arr(4), arr(3, 1)],
     lambda x, a, b: x + 0.5 * a * b, length=2)  # fmt: skip
twin("addcdiv_", lambda d, x, a, b: x.addcdiv_(a, b, value=2), [arr(3, 4), arr(4), uniform(3, 1, low=1, high=2)],
     lambda x, a, b: x + 2 * a / b, length=3)  # fmt: skip
twin("addmm_", lambda d, x, a, b: x.addmm_(a, b, beta=0.5, alpha=2), [arr(3, 4), arr(3, 5), arr(5, 4)],
     lambda x, a, b: 0.5 * x + 2 * a @ b, length=12)  # fmt: skip
twin("addmv_", lambda d, x, a, b: d.addmv_(x, a, b), [arr(3), arr(3, 5), arr(5)], lambda x, a, b: x + a @ b, length=6)
twin(
    "addr_", lambda d, x, a, b: x.addr_(a, b), [arr(3, 4), arr(3), arr(4)], lambda x, a, b: x + np.outer(a, b), length=2
)
twin("baddbmm_", lambda d, x, a, b: x.baddbmm_(a, b, alpha=2), [arr(2, 3, 4), arr(2, 3, 5), arr(2, 5, 4)],
     lambda x, a, b: x + 2 * a @ b, length=12)  # fmt: skip
twin("addbmm_", lambda d, x, a, b: x.addbmm_(a, b), [arr(3, 4), arr(2, 3, 5), arr(2, 5, 4)],
     lambda x, a, b: x + (a @ b).sum(0), length=12)  # fmt: skip


def reshaped(name, call, ref, *shape):
    """x itself changes its shape."""

    def fn(d, x):
        y = x.contiguous() * 1
        result = call(y)
        assert result is y
        return y

    case(name, fn, [arr(*shape)], ref)


reshaped("squeeze_", lambda x: x.squeeze_(), lambda x: x.squeeze(), 1, 3, 1)
reshaped("squeeze_", lambda x: x.squeeze_(0), lambda x: x.squeeze(0), 1, 3, 1)
reshaped("unsqueeze_", lambda x: x.unsqueeze_(1), lambda x: x[:, None], 3, 4)
reshaped("transpose_", lambda x: x.transpose_(0, 2), lambda x: x.swapaxes(0, 2), 2, 3, 4)
reshaped("swapaxes_", lambda x: x.swapaxes_(0, 1), lambda x: x.T, 3, 4)
reshaped("t_", lambda x: x.t_(), lambda x: x.T, 3, 4)
reshaped("as_strided_", lambda x: x.as_strided_((2, 2), (4, 1), 1), lambda x: x[:2, 1:3], 3, 4)
