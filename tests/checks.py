"""What the case runners share: calling a case, comparing, gradients by central differences."""

from __future__ import annotations

import numpy as np

EPS = {"float32": 2.0**-23, "float64": 2.0**-52, "bfloat16": 2.0**-7, "float16": 2.0**-10}
SUBNORMAL = {"float32": 2.0**-149, "float64": 2.0**-1074, "bfloat16": 2.0**-133, "float16": 2.0**-24}


def tensors(d, arrays, dtype, specs=None, requires_grad=False):
    """The arrays as tensors of module d: floating point ones in `dtype`, integers and bools as they are."""
    out = []
    for i, a in enumerate(map(np.asarray, arrays)):
        t = d.tensor(a)  # of the array's own dtype
        if a.dtype.kind == "f":
            t = t.to(getattr(d, dtype))
            wants = specs is None or getattr(specs[i], "grad", True)
            if requires_grad and wants:
                t = t.requires_grad_(True)
        out.append(t)
    return out


def flat(result):
    """Results as a list of tensors."""
    if isinstance(result, (tuple, list)):
        return [r for r in result if r is not None]
    return [result]


def to_array(t):
    t = t.detach()
    if str(t.dtype).split(".")[-1] in ("bfloat16", "float16"):
        t = t.float()
    return t.numpy()


def floating(t):
    return t.dtype.is_floating_point


def assert_close(got, want, bound, what, each=False, scale=0.0, tiny=0.0):
    """|got - want| <= bound * size, with the same NaNs and infinities.

    size: the largest |want|, for the terms of a sum are about as large as the largest of many sums are, or `scale`
    where a case knows better; with `each`, where nothing is summed, |want| of the element. tiny: what underflow leaves.
    """
    got, want = np.asarray(got, dtype=np.float64), np.asarray(want, dtype=np.float64)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite], err_msg=what)
    if finite.any():
        size = np.abs(want[finite]) if each else np.abs(want[finite]).max()
        error = np.abs(got[finite] - want[finite])
        worst = (error - (bound * np.maximum(size, scale) + tiny)).argmax()
        assert (error <= bound * np.maximum(size, scale) + tiny).all(), (
            f"{what}: {got[finite][worst]!r} for {want[finite][worst]!r}, bound {bound:.3g}"
        )


def cotangents(outputs, seed=1):
    """A fixed random weight for every element of every floating point output (never ones)."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(tuple(o.shape)) for o in outputs]


def contracted(d, case, xs, weights=None):
    """sum_i <output_i, w_i> with fixed random w."""
    outputs = [o for o in flat(case.fn(d, *xs)) if floating(o)]
    weights = weights or cotangents(outputs)
    total = None
    for o, w in zip(outputs, weights):
        term = (o * d.tensor(w).to(o.dtype).reshape(tuple(o.shape))).sum()
        total = term if total is None else total + term
    return total


def numeric_gradient(d, case, arrays, which, h=1e-6):
    """d contracted / d arrays[which] by central differences in float64."""
    grad = np.zeros_like(arrays[which])
    for index in np.ndindex(grad.shape):
        values = []
        for sign in (1, -1):
            moved = [a.copy() for a in arrays]
            moved[which][index] += sign * h
            values.append(contracted(d, case, tensors(d, moved, "float64")).item())
        grad[index] = (values[0] - values[1]) / (2 * h)
    return grad
