"""dlcore.linalg and torch.linalg: the same arguments, results and refusals."""

import inspect
import math

import numpy as np
import pytest

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

RNG = np.random.default_rng(0)
SQUARE, WIDE = RNG.normal(size=(2, 3, 3)) + 2 * np.eye(3), RNG.normal(size=(2, 3, 5))
SYMMETRIC = SQUARE @ SQUARE.swapaxes(-1, -2)
B, ONES = RNG.normal(size=(2, 3, 2)), np.ones((2, 3, 3))
CASES = {
    "inv": (lambda L, A: L.inv(A), SQUARE),
    "det": (lambda L, A: L.det(A), SQUARE),
    "slogdet": (lambda L, A: L.slogdet(A), SQUARE),
    "solve": (lambda L, A, B: L.solve(A, B), SQUARE, B),
    "solve_vectors": (lambda L, A, B: L.solve(A, B[..., 0]), SQUARE, B),
    "solve_right": (lambda L, A, B: L.solve(A, B.mT, left=False), SQUARE, B),
    "solve_triangular": (lambda L, A, B: L.solve_triangular(A, B, upper=True), SQUARE, B),
    "cholesky": (lambda L, A: L.cholesky(A, upper=True), SYMMETRIC),
    "eigvalsh": (lambda L, A: L.eigvalsh(A), SYMMETRIC),
    "svdvals": (lambda L, A: L.svdvals(A), WIDE),
    "matrix_power": (lambda L, A: L.matrix_power(A, -2), SQUARE),
    "multi_dot": (lambda L, A, B: L.multi_dot([A[0], B[0], B[1].T, A[1], B[0, :, 0]]), SQUARE, B),
    "vecdot": (lambda L, A: L.vecdot(A, A, dim=1), WIDE),
    "cross": (lambda L, A: L.cross(A, A.cos(), dim=1), WIDE),
    "diagonal": (lambda L, A: L.diagonal(A, offset=1), WIDE),
    "cond": (lambda L, A: L.cond(A), WIDE),
    "norm": (lambda L, A: L.norm(A), WIDE),
    "norm_keepdim": (lambda L, A: L.norm(A, dim=(0, 2), keepdim=True), WIDE),
    "norm_of_a_matrix": (lambda L, A: L.norm(A[0], 1), WIDE),
    "vector_norm": (lambda L, A: L.vector_norm(A, 3, dim=(0, 1)), WIDE),
    "vector_norm_keepdim": (lambda L, A: L.vector_norm(A, keepdim=True), WIDE),
    "matrix_norm": (lambda L, A: L.matrix_norm(A, "nuc", (2, 0), keepdim=True), WIDE),
    "matrix_norm_inf": (lambda L, A: L.matrix_norm(A, math.inf, (1, 0)), WIDE),
}
NO_GRADIENT = {
    "cond_1": (lambda L, A: L.cond(A, 1), SQUARE),  # PyTorch 2.13 has a defect in its backward
    "pinv": (lambda L, A: L.pinv(A), WIDE),
    "pinv_rtol": (lambda L, A: L.pinv(A, rtol=0.6), WIDE),
    "pinv_hermitian": (lambda L, A: L.pinv(A, hermitian=True), SYMMETRIC),
    "matrix_rank": (lambda L, A: L.matrix_rank(A), ONES),
    "matrix_rank_tol": (lambda L, A: L.matrix_rank(A, 1.5), SQUARE),
    "lstsq": (lambda L, A, B: L.lstsq(A, B), WIDE, B),
    "lstsq_tall": (lambda L, A, B: L.lstsq(A.mT, A.mT[..., :2], driver="gelsd"), WIDE, B),
    "qr_r": (lambda L, A: L.qr(A, mode="r").R.abs(), WIDE),
    "eig_of_triangle": (lambda L, A: L.eigvals(A.tril()).real if L is torch.linalg else L.eigvals(A.tril()), SQUARE),
}


def same(ours, theirs):
    """Well-conditioned 3 x 3 matrices: some hundreds of roundings, of numbers up to 100."""
    if isinstance(ours, tuple):
        assert set(ours._fields) <= set(dir(theirs))
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            same(a, b)
        return
    assert tuple(ours.shape) == tuple(theirs.shape) and ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", [*CASES, *NO_GRADIENT])
def test_values_and_gradients(name):
    f, *arrays = {**CASES, **NO_GRADIENT}[name]
    results, gradients = [], []
    for d in (dlcore, torch):
        inputs = [d.tensor(a, requires_grad=name in CASES) for a in arrays]
        y = f(d.linalg, *inputs)
        results.append(y)
        if name in CASES:
            parts = [p for p in (y if isinstance(y, tuple) else (y,)) if p.requires_grad]
            sum((p * p.cos()).sum() for p in parts).backward()
            gradients.append([x.grad for x in inputs])
    same(*results)
    for ours, theirs in zip(*gradients):
        same(ours, theirs)


def test_decompositions_have_the_same_shapes_and_names():
    for call in (
        lambda L, A: L.svd(A),
        lambda L, A: L.svd(A, full_matrices=False),
        lambda L, A: L.qr(A),
        lambda L, A: L.qr(A, mode="complete"),
        lambda L, A: L.eigh(A @ A.mT),
    ):
        ours, theirs = (call(d.linalg, d.tensor(WIDE)) for d in (dlcore, torch))
        for field, a, b in zip(ours._fields, ours, theirs):
            assert getattr(theirs, field) is b and tuple(a.shape) == tuple(b.shape)


def test_parameters():
    """Those that PyTorch documents in the same place, by name; its out= has no counterpart here."""
    for name in dlcore.linalg.__all__:
        ours, theirs = getattr(dlcore.linalg, name), getattr(torch.linalg, name)
        if name in ("LinAlgError", "matmul"):
            continue
        line = next(s for s in theirs.__doc__.splitlines() if s.strip())
        documented = line[line.index("(") + 1 : line.rindex(")")].replace("*, ", "")
        names = [p.split("=")[0].strip() for p in documented.split(",")]
        for parameter in inspect.signature(ours).parameters:
            if parameter not in ("rcond", "tol", "tensors"):
                assert parameter in names, (name, parameter, line)


REFUSED = [
    lambda d: d.linalg.inv(d.zeros(3, 3)),
    lambda d: d.linalg.inv(d.ones(2, 3)),
    lambda d: d.linalg.inv(d.ones(3)),
    lambda d: d.linalg.inv(d.ones(3, 3, dtype=d.int64)),
    lambda d: d.linalg.inv(d.ones(3, 3, dtype=d.float16)),
    lambda d: d.linalg.cholesky(-d.eye(3)),
    lambda d: d.linalg.svd(d.full((2, 2), math.nan)),
    lambda d: d.linalg.solve(d.eye(2), d.ones(3, 2)),
    lambda d: d.linalg.norm(d.ones(2, 2), ord="x"),
    lambda d: d.linalg.norm(d.ones(2, 2, 2), ord=2),
    lambda d: d.linalg.norm(d.ones(2, 2, 2), dim=(0, 1, 2)),
    lambda d: d.linalg.norm(d.ones(2, 2, 2), ord="fro", dim=0),
    lambda d: d.linalg.matrix_norm(d.ones(2, 2), ord=3),
    lambda d: d.linalg.matrix_norm(d.ones(2, 2), dim=(0, 0)),
    lambda d: d.linalg.matrix_norm(d.ones(2, 2), dim=(0, 5)),
    lambda d: d.linalg.vector_norm(d.ones(2, dtype=d.int64)),
    lambda d: d.linalg.vector_norm(d.ones(2), ord="fro"),
    lambda d: d.linalg.vector_norm(d.ones(2, dtype=d.float64), dtype=d.float32),
    lambda d: d.linalg.vector_norm(d.ones(0), math.inf),
    lambda d: d.linalg.multi_dot([d.ones(3)]),
    lambda d: d.linalg.cond(d.ones(2, 3), 1),
    lambda d: d.linalg.eigh(d.eye(2), "X"),
    lambda d: d.linalg.qr(d.eye(2), "full"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refusals(number):
    kinds = []
    for d in (dlcore, torch):
        with pytest.raises((RuntimeError, TypeError, ValueError, IndexError)) as error:
            REFUSED[number](d)
        kinds.append(next(k for k in (IndexError, ValueError, TypeError, RuntimeError) if isinstance(error.value, k)))
    assert kinds[0] is kinds[1]


def test_limits():
    for call in (
        lambda L, d: L.det(d.ones(0, 0)),
        lambda L, d: L.slogdet(d.zeros(2, 2)),
        lambda L, d: L.matrix_rank(d.ones(0, 3)),
        lambda L, d: L.pinv(d.ones(0, 3)),
        lambda L, d: L.matrix_norm(d.ones(0, 3), 2),
        lambda L, d: L.matrix_norm(d.ones(0, 3), 1),
        lambda L, d: L.cond(d.zeros(2, 2), 1),
        lambda L, d: L.matrix_power(d.ones(2, 0, 0), 0),
    ):
        same(*(call(d.linalg, d) for d in (dlcore, torch)))
