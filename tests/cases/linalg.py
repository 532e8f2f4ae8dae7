import numpy as np

from . import arr, case, distinct, uniform

for a, b in [((3, 4), (4, 5)), ((1, 7), (7, 1)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)),
             ((4,), (4,)), ((4,), (4, 3)), ((3, 4), (4,)), ((2, 3, 4), (4,)), ((4,), (2, 4, 3)), ((33, 17), (17, 65)),
             ((3, 4), (2, 4, 5)), ((1, 1), (1, 1))]:  # fmt: skip
    case("matmul", lambda d, a, b: d.matmul(a, b), [arr(*a), arr(*b)], np.matmul, length=a[-1])
case("matmul_transposed", lambda d, a, b: a.T @ b.T, [arr(4, 3), arr(5, 4)], lambda a, b: a.T @ b.T, length=4)
case("matmul_gradgrad", lambda d, a, b: a @ b, [arr(2, 3), arr(3, 2)], np.matmul, length=3, gradgrad=True)
case("matmul_batch_strides", lambda d, a, b: d.matmul(a.permute(2, 0, 1), b), [arr(3, 4, 2), arr(4, 5)],
     lambda a, b: a.transpose(2, 0, 1) @ b, length=4)  # fmt: skip
case("mm", lambda d, a, b: d.mm(a, b), [arr(5, 6), arr(6, 3)], np.matmul, length=6)
case("bmm", lambda d, a, b: d.bmm(a, b), [arr(3, 5, 6), arr(3, 6, 2)], np.matmul, length=6)
case("mv", lambda d, a, x: d.mv(a, x), [arr(5, 6), arr(6)], np.matmul, length=6)
case("dot", lambda d, a, b: d.dot(a, b), [arr(9), arr(9)], np.dot, length=9)
case("inner", lambda d, a, b: d.inner(a, b), [arr(2, 3, 4), arr(5, 4)], np.inner, length=4)
case("outer", lambda d, a, b: d.outer(a, b), [arr(3), arr(4)], np.outer)
for c in [(3, 5), (5,), (1, 5), (3, 1), ()]:
    case("addmm", lambda d, c, a, b: d.addmm(c, a, b, beta=0.5, alpha=2), [arr(*c), arr(3, 4), arr(4, 5)],
         lambda c, a, b: 0.5 * c + 2 * (a @ b), length=5)  # fmt: skip
case("addmm_bias", lambda d, c, a, b: d.addmm(c, a, b), [arr(5), arr(3, 4), arr(4, 5)],
     lambda c, a, b: c + a @ b, length=5)  # fmt: skip
case("addmv", lambda d, c, a, x: d.addmv(c, a, x, beta=2, alpha=3), [arr(3), arr(3, 4), arr(4)],
     lambda c, a, x: 2 * c + 3 * (a @ x), length=5)  # fmt: skip
case("addr", lambda d, c, a, b: d.addr(c, a, b, beta=2, alpha=3), [arr(3, 4), arr(3), arr(4)],
     lambda c, a, b: 2 * c + 3 * np.outer(a, b), length=2)  # fmt: skip
case("baddbmm", lambda d, c, a, b: d.baddbmm(c, a, b, beta=2, alpha=3), [arr(2, 3, 5), arr(2, 3, 4), arr(2, 4, 5)],
     lambda c, a, b: 2 * c + 3 * (a @ b), length=5)  # fmt: skip
case("addbmm", lambda d, c, a, b: d.addbmm(c, a, b), [arr(3, 5), arr(2, 3, 4), arr(2, 4, 5)],
     lambda c, a, b: c + (a @ b).sum(0), length=9)  # fmt: skip
for x in [(4,), (3, 4), (2, 3, 4)]:
    case("linear", lambda d, x, w, b: d.nn.functional.linear(x, w, b), [arr(*x), arr(5, 4), arr(5)],
         lambda x, w, b: x @ w.T + b, length=5)  # fmt: skip
case("linear_no_bias", lambda d, x, w: d.nn.functional.linear(x, w), [arr(7, 4), arr(5, 4)],
     lambda x, w: x @ w.T, length=4)  # fmt: skip
case("linear_gradgrad", lambda d, x, w, b: d.nn.functional.linear(x, w, b), [arr(3, 4), arr(2, 4), arr(2)],
     lambda x, w, b: x @ w.T + b, length=5, gradgrad=True)  # fmt: skip

for equation, shapes, length in [
    ("ij,jk->ik", [(2, 3), (3, 4)], 3),
    ("ij,jk", [(2, 1), (3, 4)], 3),
    ("bij,bjk->bki", [(5, 2, 3), (5, 3, 4)], 3),
    ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)], 3),
    ("ii->i", [(3, 3)], 1),
    ("ii", [(3, 3)], 3),
    ("iji->j", [(3, 2, 3)], 3),
    ("ba", [(2, 3)], 1),
    ("ij->", [(2, 3)], 6),
    ("i,j->ij", [(2,), (3,)], 1),
    ("ij,ij->i", [(2, 3), (2, 3)], 3),
    ("b h q d, b h k d -> b h q k", [(2, 3, 4, 5), (2, 3, 6, 5)], 5),
    ("b...d,d->b...", [(2, 3, 4, 5), (5,)], 5),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)], 12),
    ("ij,k->", [(2, 3), (4,)], 24),
]:
    case("einsum", lambda d, *x, equation=equation: d.einsum(equation, *x), [arr(*s) for s in shapes],
         lambda *x, equation=equation: np.einsum(equation.replace(" ", ""), *x) if "1" not in str(x[0].shape) else
         x[0].sum(1, keepdims=True) * x[1].sum(0), length=length, gradgrad=True)  # fmt: skip
case("tensordot", lambda d, a, b: d.tensordot(a, b), [arr(2, 3, 4), arr(3, 4, 5)], np.tensordot, length=12)
case("tensordot", lambda d, a, b: d.tensordot(a, b, ([1, 2], [1, 0])), [arr(2, 3, 4), arr(4, 3, 5)],
     lambda a, b: np.tensordot(a, b, ([1, 2], [1, 0])), length=12)  # fmt: skip
case("kron", lambda d, a, b: d.kron(a, b), [arr(2, 3), arr(4)], np.kron)
case("trace", lambda d, a: d.trace(a), [arr(3, 5)], np.trace, length=3)
case("cross", lambda d, a, b: d.cross(a, b, dim=1), [arr(2, 3), arr(2, 3)], np.cross, length=2)
case("einsum_sublists", lambda d, a, b: d.einsum(a, [0, 1], b, [1, 2], [2, 0]), [arr(2, 3), arr(3, 4)],
     lambda a, b: (a @ b).T, length=3)  # fmt: skip
case(
    "einsum_sublists", lambda d, a: d.einsum(a, [..., 0, 0]), [arr(2, 3, 3)], lambda a: np.einsum("...ii", a), length=3
)


def distances(a, b, p):
    d = np.abs(a[..., :, None, :] - b[..., None, :, :])
    return d.max(-1) if p == np.inf else (d**p).sum(-1) ** (1 / p)


for p in (1.0, 2.0, 3.0, np.inf):
    for a, b in [((3, 4), (5, 4)), ((2, 3, 4), (2, 5, 4)), ((2, 3, 4), (5, 4)), ((1, 1), (1, 1)), ((0, 4), (5, 4))]:
        case("cdist", lambda d, x, y, p=p: d.cdist(x, y, p), [distinct(*a), arr(*b)],
             lambda x, y, p=p: distances(x, y, p), length=8, grad=0 not in a)  # fmt: skip
# By a product of matrices; |a - b|^2 cancels, so the rows lie well apart.
case("cdist_product", lambda d, x, y: d.cdist(x, y, compute_mode="use_mm_for_euclid_dist"),
     [uniform(6, 5, low=2, high=3), uniform(4, 5, low=-3, high=-2)], lambda x, y: distances(x, y, 2), length=40)  # fmt: skip
