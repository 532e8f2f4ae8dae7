"""dlcore.linalg: values against numpy's formulas, factors by what they are factors of, gradients, errors."""

import inspect
import math
import operator

import numpy as np
import pytest

import dlcore
from dlcore import linalg
from dlcore.autograd import gradcheck, gradgradcheck

EPS = {"float32": 2.0**-23, "float64": 2.0**-52}
RNG = np.random.default_rng(0)
SHAPES = [(3, 3), (1, 1), (2, 4, 4), (2, 1, 3, 3), (0, 3, 3), (0, 0), (2, 0, 0)]
TALL = [(5, 3), (3, 5), (2, 4, 3), (1, 4), (0, 3), (3, 0), (0, 4, 3)]


def matrix(*shape, dtype="float64", grad=False):
    return dlcore.tensor(RNG.normal(size=shape), dtype=getattr(dlcore, dtype), requires_grad=grad)


def good(*shape, dtype="float64"):
    """Square matrices with singular values near 2: errors are not magnified."""
    return matrix(*shape, dtype=dtype) * 0.3 + 2 * dlcore.eye(shape[-1], dtype=getattr(dlcore, dtype))


def positive(*shape, dtype="float64"):
    A = matrix(*shape, dtype=dtype)
    return A @ A.mT + dlcore.eye(shape[-1], dtype=A.dtype)


def close(got, want, n=8, factor=32):
    """Backward stable algorithms on n x n matrices err by a small multiple of n eps times the norms, here below 10."""
    want = want.numpy() if isinstance(want, dlcore.Tensor) else np.asarray(want)
    assert tuple(got.shape) == want.shape
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=0, atol=10 * factor * n * EPS[got.dtype.name])


def identity_like(A):
    return dlcore.eye(A.shape[-1], dtype=A.dtype).expand(*A.shape[:-2], A.shape[-1], A.shape[-1])


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_square(shape, dtype):
    A = good(*shape, dtype=dtype)
    n = shape[-1]
    close(A @ linalg.inv(A), identity_like(A))
    B = matrix(*shape[:-1], 2, dtype=dtype)
    close(A @ linalg.solve(A, B), B)
    close(linalg.solve(A, B.mT, left=False) @ A, B.mT)
    for upper in (False, True):
        T = A.triu() if upper else A.tril()
        close(T @ linalg.solve_triangular(A, B, upper=upper), B)
    one = A.tril(-1) + identity_like(A)
    close(one @ linalg.solve_triangular(A, B, upper=False, unitriangular=True), B, factor=1e3)
    close(linalg.det(A), np.linalg.det(A.double().numpy()), factor=32 * 3.0**n)
    sign, logabsdet = linalg.slogdet(A)
    close(sign * logabsdet.exp(), linalg.det(A), factor=32 * 3.0**n)
    close(linalg.matrix_power(A, 3), A @ A @ A, factor=1e3)
    close(linalg.matrix_power(A, -2) @ A @ A, identity_like(A), factor=1e3)
    close(linalg.matrix_power(A, 0), identity_like(A))


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_exponential(shape, dtype):
    """exp(V diag(l) V^T) = V diag(exp(l)) V^T; exp of a rotation's generator; products of reflections."""
    A = positive(*shape, dtype=dtype) * 0.1
    values, V = np.linalg.eigh(A.double().numpy())
    want = V * np.exp(values)[..., None, :] @ np.swapaxes(V, -1, -2)
    close(linalg.matrix_exp(A), want, factor=4)
    angles = dlcore.tensor([0.5, 0.25, 3.0], dtype=A.dtype)
    E = linalg.matrix_exp(angles[:, None, None] * dlcore.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=A.dtype))
    close(E, [[[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]] for a in angles.tolist()], factor=1)
    A = matrix(*shape, dtype=dtype).tril(-1)
    Q = linalg.householder_product(A, 2 / (1 + (A * A).sum(-2)))
    close(Q.mT @ Q, identity_like(A))


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_symmetric(shape, dtype):
    A = positive(*shape, dtype=dtype)
    L = linalg.cholesky(A)
    close(L @ L.mT, A)
    close(L, L.tril())
    close(linalg.cholesky(A, upper=True), L.mT)
    for UPLO, triangle in (("L", A.tril()), ("U", A.triu())):
        values, V = linalg.eigh(triangle, UPLO)
        close(V * values.unsqueeze(-2) @ V.mT, A, factor=100)
        close(V.mT @ V, identity_like(A))
        close(linalg.eigvalsh(triangle, UPLO), values, factor=100)
        assert (values.sort(-1)[0] == values).all()
    close(linalg.pinv(A, hermitian=True) @ A, identity_like(A), factor=1e3)
    assert (linalg.matrix_rank(A, hermitian=True) == shape[-1]).all()


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("shape", TALL)
def test_rectangular(shape, dtype):
    A = matrix(*shape, dtype=dtype)
    m, n = shape[-2:]
    k = min(m, n)
    for full in (False, True):
        U, S, Vh = linalg.svd(A, full_matrices=full)
        assert U.shape[-1] == (m if full else k) and Vh.shape[-2] == (n if full else k)
        close(U[..., :k] * S.unsqueeze(-2) @ Vh[..., :k, :], A)
        close(U.mT @ U, identity_like(U))
        close(Vh @ Vh.mT, identity_like(Vh.mT))
    close(linalg.svdvals(A), S)
    for mode in ("reduced", "complete"):
        Q, R = linalg.qr(A, mode)
        close(Q @ R, A)
        close(Q.mT @ Q, identity_like(Q))
        close(R, R.triu())
    close(linalg.qr(A, "r").R, linalg.qr(A).R)
    assert linalg.qr(A, "r").Q.shape == (0,)
    P = linalg.pinv(A)
    close(A @ P @ A, A, factor=1e3)
    close(P @ A, (P @ A).mT, factor=1e3)
    assert (linalg.matrix_rank(A) == k).all()


def test_least_squares():
    A, B = matrix(2, 5, 3), matrix(2, 5, 2)
    X, residuals, rank, S = linalg.lstsq(A, B, driver="gelsd")
    close(A.mT @ (A @ X - B), np.zeros((2, 3, 2)))  # the error is at right angles to the columns
    close(residuals, (A @ X - B).square().sum(-2))
    close(S, linalg.svdvals(A))
    assert rank.tolist() == [3, 3]
    vector = linalg.lstsq(A[0], B[0, :, 0])
    close(vector.solution, X[0, :, 0])
    assert vector.residuals.numel() == 0 and vector.singular_values.numel() == 0
    wide = matrix(2, 4)
    x = linalg.lstsq(wide, matrix(2)).solution
    close(linalg.pinv(wide) @ (wide @ x), x)  # the smallest of the solutions lies in the rows' space


def test_rank_and_condition():
    S = dlcore.tensor([4.0, 2.0, 1e-3, 0.0], dtype=dlcore.float64)
    Q = linalg.qr(matrix(4, 4)).Q
    A = Q * S @ linalg.qr(matrix(4, 4)).Q
    assert linalg.matrix_rank(A).item() == 3
    assert linalg.matrix_rank(A, 0.1).item() == linalg.matrix_rank(A, atol=0.1).item() == 2
    assert linalg.matrix_rank(A, rtol=0.6).item() == 1
    assert linalg.matrix_rank(A.expand(2, 4, 4), atol=dlcore.tensor([0.1, 3.0])).tolist() == [2, 1]
    B = good(3, 3)
    for p in (None, 2, -2, "fro", "nuc", 1, -1, math.inf, -math.inf):
        close(linalg.cond(B, p), np.linalg.cond(B.numpy(), p), factor=1e3)
    singular = dlcore.stack([B, dlcore.ones(3, 3).double()])
    assert linalg.cond(singular, 1)[1].item() == math.inf and linalg.cond(singular, 1)[0].isfinite()
    assert linalg.det(singular[1]).item() == 0 or abs(linalg.det(singular[1]).item()) < 1e-14


ORDERS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


@pytest.mark.parametrize("keepdim", [False, True])
def test_norms(keepdim):
    A = matrix(2, 3, 4)
    a = A.numpy()
    for p in (2, 1, 0, 3, 0.5, -1.5, math.inf, -math.inf):
        for dim in (0, -1, 1):
            close(linalg.vector_norm(A, p, dim, keepdim), np.linalg.norm(a, p, dim, keepdim), factor=100)
        flat = np.linalg.norm(a.ravel(), p)
        close(linalg.vector_norm(A, p, None, keepdim), flat.reshape((1, 1, 1) if keepdim else ()), factor=1000)
        close(linalg.norm(A[0, 0], p, None, keepdim), np.linalg.norm(a[0, 0], p, None, keepdim), factor=100)
    for p in ORDERS:
        for dim in ((-2, -1), (0, 1), (2, 0), (1, 2)):
            want = np.linalg.norm(a, p, dim, keepdim)
            close(linalg.matrix_norm(A, p, dim, keepdim), want)
            close(linalg.norm(A, p, dim, keepdim), want)
        close(linalg.norm(A[0], p, None, keepdim), np.linalg.norm(a[0], p, None, keepdim))
    close(linalg.norm(A, None, (0, 2), keepdim), np.linalg.norm(a, None, (0, 2), keepdim))
    close(linalg.norm(A), np.sqrt((a * a).sum()))
    assert linalg.vector_norm(A.float(), dtype=dlcore.float64).dtype == dlcore.float64


def test_products():
    sizes = [4, 1, 6, 2, 3]
    chain = [matrix(a, b) for a, b in zip(sizes, sizes[1:])]
    close(linalg.multi_dot(chain), np.linalg.multi_dot([x.numpy() for x in chain]), factor=1e3)
    ends = [chain[0][0], *chain[1:-1], chain[-1][:, 0]]
    close(linalg.multi_dot(ends), np.linalg.multi_dot([x.numpy() for x in ends]), factor=1e3)
    x, y = matrix(2, 3), matrix(1, 3)
    close(linalg.cross(x, y), np.cross(x.numpy(), y.numpy()))
    close(linalg.vecdot(x, y), (x.numpy() * y.numpy()).sum(-1))
    assert linalg.diagonal(matrix(2, 3, 3)).shape == (2, 3)
    assert linalg.matmul(x, y.mT).shape == (2, 1)


def symmetric(f):
    """Only one triangle is read, so that differences are taken over both elements at once."""
    return lambda A: f(0.5 * (A + A.mT))


DIFFERENTIABLE = {
    "inv": linalg.inv,
    "solve": lambda A: linalg.solve(A, A[..., :2].cos()),
    "solve_broadcast": lambda A: linalg.solve(A[:1], A.sin()),
    "solve_vector": lambda A: linalg.solve(A, A[..., 0].cos()),
    "solve_right": lambda A: linalg.solve(A, A[..., :2, :].cos(), left=False),
    "solve_triangular": lambda A: linalg.solve_triangular(A, A.sin(), upper=True),
    "det": linalg.det,
    "slogdet": lambda A: linalg.slogdet(A).logabsdet,
    "cholesky": lambda A: linalg.cholesky(A @ A.mT),
    "eigvalsh": symmetric(linalg.eigvalsh),
    "eigh": symmetric(lambda A: linalg.eigh(A).eigenvectors.square() * linalg.eigh(A).eigenvalues.unsqueeze(-2)),
    "matrix_power": lambda A: linalg.matrix_power(A, -3),
    "multi_dot": lambda A: linalg.multi_dot([A[0], A[1], A[0]]),
    "cond": lambda A: linalg.cond(A, 1),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name):
    A = good(2, 3, 3).detach().requires_grad_()
    assert gradcheck(DIFFERENTIABLE[name], (A,))
    assert gradgradcheck(DIFFERENTIABLE[name], (A,))


def test_gradients_of_norms_and_singular_values():
    A = matrix(2, 3, 4, grad=True)
    for p in ORDERS:
        assert gradcheck(lambda A, p=p: linalg.matrix_norm(A, p), (A,))
    for p in (1, 2, 3.5, math.inf):
        assert gradcheck(lambda A, p=p: linalg.vector_norm(A, p, (0, 2)), (A,))
    assert gradcheck(linalg.svdvals, (A,))
    with pytest.raises(NotImplementedError):
        dlcore.autograd.grad(linalg.svdvals(A).sum(), A, create_graph=True)


def test_det_of_singular_matrices_has_a_gradient():
    u, v = matrix(3, 1), matrix(1, 3)
    A = (u @ v + dlcore.diag(dlcore.tensor([1.0, 0.0, 0.0]).double())).detach().requires_grad_()  # rank 2
    assert gradcheck(linalg.det, (A,))
    for B in (dlcore.zeros(3, 3).double(), dlcore.diag(dlcore.tensor([1.0, 0.0, 0.0])).double()):
        B.requires_grad_()
        linalg.det(B).backward()
        assert B.grad.abs().max().item() == 0


@pytest.mark.parametrize("name", ["svd", "qr", "eig", "eigvals", "pinv"])
def test_gradients_that_are_not_there(name):
    f = getattr(linalg, name)
    A = positive(3, 3).requires_grad_()
    with pytest.raises(NotImplementedError, match=r"detach.*no_grad"):
        f(A)
    with dlcore.no_grad():
        f(A)
    f(A.detach())
    with pytest.raises(NotImplementedError, match="detach"):
        linalg.lstsq(A.detach(), A)


def test_eig():
    A = matrix(2, 3, 3)
    A = linalg.solve(A, dlcore.tensor([3.0, -1.0, 0.5]).double().diag() @ A)  # real eigenvalues
    values, V = linalg.eig(A)
    close(A @ V, V * values.unsqueeze(-2), factor=1e4)
    close(linalg.eigvals(A).sort(-1)[0], np.broadcast_to([-1.0, 0.5, 3.0], (2, 3)), factor=1e4)
    with pytest.raises(NotImplementedError, match="complex"):
        linalg.eig(dlcore.tensor([[0.0, 1.0], [-1.0, 0.0]]))
    with pytest.raises(NotImplementedError, match="complex"):
        linalg.eigvals(dlcore.tensor([[0.0, 1.0], [-1.0, 0.0]]))


def test_errors():
    eye, wide = dlcore.eye(3), dlcore.ones(2, 3)
    for f in (linalg.inv, linalg.det, linalg.slogdet, linalg.cholesky, linalg.eigh, linalg.eigvalsh, linalg.eig):
        with pytest.raises(RuntimeError, match=f"linalg.{f.__name__}: expected square"):
            f(wide)
        with pytest.raises(RuntimeError, match="at least 2 dimensions"):
            f(dlcore.ones(3))
        with pytest.raises(RuntimeError, match="float32 or float64"):
            f(eye.half())
        with pytest.raises(RuntimeError, match="float32 or float64"):
            f(eye.long())
        with pytest.raises(TypeError):
            f([[1.0]])
    for f in (linalg.inv, lambda A: linalg.solve(A, A), lambda A: linalg.cholesky(A - dlcore.eye(3))):
        with pytest.raises(linalg.LinAlgError):
            f(dlcore.zeros(3, 3))
    for bad in (math.nan, math.inf):
        for f in (
            linalg.svd,
            linalg.svdvals,
            linalg.eigh,
            linalg.eig,
            linalg.pinv,
            linalg.matrix_rank,
            linalg.cholesky,
        ):
            with pytest.raises(linalg.LinAlgError, match="not finite"):
                f(dlcore.full((3, 3), bad))
    assert issubclass(linalg.LinAlgError, RuntimeError)
    for call in (
        lambda: linalg.solve(eye, dlcore.ones(2, 3)),
        lambda: linalg.solve(eye.expand(2, 3, 3), dlcore.ones(4, 3, 1)),
        lambda: linalg.solve(eye, eye.double()),
        lambda: linalg.eigh(eye, "X"),
        lambda: linalg.qr(eye, "full"),
        lambda: linalg.lstsq(eye, dlcore.ones(2, 2)),
        lambda: linalg.lstsq(eye, eye, driver="fast"),
        lambda: linalg.norm(dlcore.ones(2, 2, 2), 2),
        lambda: linalg.norm(eye, "nuc", 0),
        lambda: linalg.norm(eye, dim=(0, 1, 1)),
        lambda: linalg.matrix_norm(eye, 3),
        lambda: linalg.matrix_norm(eye, dim=(1, -1)),
        lambda: linalg.vector_norm(eye.long()),
        lambda: linalg.vector_norm(eye.double(), dtype=dlcore.float32),
        lambda: linalg.multi_dot([eye]),
        lambda: linalg.multi_dot([eye, wide]),
    ):
        with pytest.raises(RuntimeError, match=r"^linalg"):
            call()


def test_names():
    for name in linalg.__all__:
        thing = getattr(linalg, name)
        assert operator.attrgetter("__doc__")(thing), name
        if name not in ("matmul", "LinAlgError"):
            assert inspect.signature(thing)
