"""The case table against PyTorch as a second oracle: same call, same dtype; dlcore's error at most twice PyTorch's."""

import numpy as np
import pytest
from cases import load
from checks import EPS, contracted, flat, floating, tensors, to_array

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")  # PyTorch says that it makes a copy

CASES = [c for c in load() if c.parity]
ids = [c.id for c in CASES]


def names(results):
    return [str(r.dtype).split(".")[-1] for r in results]


def check_error(got, torch_result, exact, dtype, length, what):
    """|dlcore - float64| <= 2 |torch - float64| + 2 eps of the largest value around.

    PyTorch may have been lucky where the numbers are few: hence the second term, four roundings. In float64 PyTorch is
    its own reference: there the roundings of both count, of each as many as terms are added, and of op and cotangent.
    """
    got, other, exact = (np.asarray(a, dtype=np.float64) for a in (got, torch_result, exact))
    assert got.shape == other.shape, f"{what}: shape {got.shape}, PyTorch's {other.shape}"
    finite = np.isfinite(exact) & np.isfinite(other)
    np.testing.assert_array_equal(got[~finite], other[~finite], err_msg=what)
    if not finite.any():
        return
    got, other, exact = got[finite], other[finite], exact[finite]
    scale = np.abs(exact).max()
    error, allowed = np.abs(got - exact).max(), np.abs(other - exact).max()
    slack = EPS[dtype] * scale * (4 * length if dtype == "float64" else 2)
    assert error <= 2 * allowed + slack, f"{what}: error {error:.3g}, PyTorch's {allowed:.3g}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_parity(case, dtype):
    if dtype not in case.dtypes:
        pytest.skip(f"{case.op} is not defined for {dtype}")
    arrays = case.arrays()
    mine = tensors(dlcore, arrays, dtype, case.inputs, requires_grad=case.grad)
    theirs = tensors(torch, arrays, dtype, case.inputs, requires_grad=case.grad)
    exact = tensors(torch, [to_array(t).astype(np.float64) if floating(t) else a for a, t in zip(arrays, theirs)],
                    "float64", case.inputs, requires_grad=case.grad)  # fmt: skip
    a, b, e = flat(case.fn(dlcore, *mine)), flat(case.fn(torch, *theirs)), flat(case.fn(torch, *exact))
    assert names(a) == names(b), "dtypes"
    for x, y, z in zip(a, b, e):
        if floating(x):
            check_error(to_array(x), to_array(y), to_array(z), names([x])[0], case.length, case.id)
        else:
            np.testing.assert_array_equal(to_array(x), to_array(y))
    if not case.grad:
        return
    for d, case_inputs in ((dlcore, mine), (torch, theirs), (torch, exact)):
        contracted(d, case, case_inputs).backward()
    for x, y, z in zip(mine, theirs, exact):
        if y.grad is not None:
            spread = sum(o.numel() for o in e) // max(x.numel(), 1)  # what was broadcast is summed
            length = max(case.length, spread)
            check_error(to_array(x.grad), to_array(y.grad), to_array(z.grad), dtype, length, f"{case.id} gradient")
