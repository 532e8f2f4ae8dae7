"""Reading and writing by position, masks, sorting and search."""

import numpy as np

from . import arr, bools, case, distinct


def at(*values):
    return np.array(values)


ROWS = at(2, 0, 2, 1)
GRID = np.array([[0, 2, 1], [1, 1, 0]])
MASK = np.array([[True, False, True, False], [False, False, True, True], [True, False, False, False]])


def wrote(a, key, v, add=False):
    a = a.copy()
    if add:
        np.add.at(a, key, v)
    else:
        a[key] = v
    return a


case(
    "gather",
    lambda d, x, i: d.gather(x, 1, i),
    [arr(2, 4), GRID],
    lambda x, i: np.take_along_axis(x, i, 1),
    gradgrad=True,
)
case("gather", lambda d, x, i: d.gather(x, 0, i), [arr(3, 4), GRID], lambda x, i: np.take_along_axis(x[:, :3], i, 0))
case("take_along_dim", lambda d, x, i: d.take_along_dim(x, i, 1), [arr(2, 4, 1), GRID[:, :, None]])
case("take", lambda d, x, i: d.take(x, i), [arr(3, 4), at(0, 5, -1, 5)], lambda x, i: x.reshape(-1)[i])
case(
    "scatter", lambda d, x, i, s: d.scatter(x, 0, i, s), [arr(3, 4), at([0, 2, 1], [1, 0, 0]), arr(2, 3)],
    lambda x, i, s: wrote(x, (i, np.arange(3)[None]), s), gradgrad=True,
)  # fmt: skip
case(
    "scatter", lambda d, x, i: d.scatter(x, 1, i, 2.5), [arr(2, 4), GRID], lambda x, i: wrote(x, (at([0], [1]), i), 2.5)
)
case("scatter", lambda d, x, i: d.scatter(x, 1, i, 1.5, reduce="multiply"), [arr(2, 4), at([0, 2], [1, 3])], grad=False)
case(
    "scatter_add", lambda d, x, i, s: x.scatter_add(1, i, s), [arr(2, 4), GRID, arr(2, 3)],
    lambda x, i, s: wrote(x, (at([0], [1]), i), s, add=True), length=3, gradgrad=True,
)  # fmt: skip
case(
    "index_select", lambda d, x, i: d.index_select(x, 1, i), [arr(2, 3, 4), ROWS],
    lambda x, i: x[:, i], gradgrad=True,
)  # fmt: skip
case(
    "index_select", lambda d, x, i: d.index_select(x.mT, 0, i), [arr(4, 3), ROWS.astype(np.int32)], lambda x, i: x.T[i]
)
case(
    "index_add", lambda d, x, i, s: d.index_add(x, 0, i, s, alpha=-2), [arr(3, 4), ROWS, arr(4, 4)],
    lambda x, i, s: wrote(x, i, -2 * s, add=True), length=4, gradgrad=True,
)  # fmt: skip
case(
    "index_copy",
    lambda d, x, i, s: d.index_copy(x, 0, i, s),
    [arr(3, 4), at(2, 0), arr(2, 4)],
    lambda x, i, s: wrote(x, i, s),
)
case("index_fill", lambda d, x, i: d.index_fill(x, 0, i, 1.5), [arr(3, 4), at(2, 0)], lambda x, i: wrote(x, i, 1.5))
case(
    "index_put", lambda d, x, i, v: d.index_put(x, (i,), v), [arr(3, 4), at(2, 0), arr(4)],
    lambda x, i, v: wrote(x, i, v),
)  # fmt: skip
case(
    "index_put", lambda d, x, i, v: d.index_put(x, (i, i), v, accumulate=True), [arr(3, 4), ROWS, arr(1)],
    lambda x, i, v: wrote(x, (i, i), v, add=True), length=2, gradgrad=True,
)  # fmt: skip
case("index", lambda d, x, i: x[:, i, 1:], [arr(2, 3, 4), ROWS], lambda x, i: x[:, i, 1:], gradgrad=True)
case("index", lambda d, x, i: x[i, :, i], [arr(3, 2, 4), ROWS], lambda x, i: x[i, :, i])
case("index", lambda d, x, m: x[m], [arr(3, 4), MASK], lambda x, m: x[m], gradgrad=True)
case("index", lambda d, x, m: x[..., m], [arr(2, 3, 4), MASK], lambda x, m: x[..., m])
case("index", lambda d, x: x[1:, None, ::2, -1], [arr(3, 4, 2)], lambda x: x[1:, None, ::2, -1], gradgrad=True)
case("masked_fill", lambda d, x, m: d.masked_fill(x, m, -1.5), [arr(3, 4), MASK], lambda x, m: np.where(m, -1.5, x))
case(
    "masked_fill",
    lambda d, x, m: x.masked_fill(m, 2.0),
    [arr(3, 1), MASK],
    lambda x, m: np.where(m, 2.0, x),
    gradgrad=True,
)
case("masked_select", lambda d, x, m: d.masked_select(x, m), [arr(3, 4), MASK], lambda x, m: x[m], gradgrad=True)
case(
    "masked_select", lambda d, x, m: d.masked_select(x, m), [arr(4), MASK], lambda x, m: np.broadcast_to(x, m.shape)[m]
)
case(
    "masked_scatter",
    lambda d, x, m, s: d.masked_scatter(x, m, s),
    [arr(3, 4), MASK, arr(7)],
    lambda x, m, s: wrote(x, m, s[:5]),
)
case("nonzero", lambda d, m: d.nonzero(m), [bools(3, 5)], lambda m: np.argwhere(m), grad=False)
case("nonzero", lambda d, m: d.nonzero(m, as_tuple=True), [bools(2, 3, 5)], lambda m: np.nonzero(m), grad=False)
case("argwhere", lambda d, x: d.argwhere(x), [at([0.0, 1.0], [2.0, 0.0])], lambda x: np.argwhere(x), grad=False)
case("sort", lambda d, x: d.sort(x, dim=1)[0], [distinct(3, 70)], lambda x: np.sort(x, 1), gradgrad=True)
case(
    "sort", lambda d, x: d.sort(x, 0, descending=True), [distinct(9, 4)], lambda x: (-np.sort(-x, 0), np.argsort(-x, 0))
)
case("argsort", lambda d, x: d.argsort(x, dim=0), [distinct(5, 4)], lambda x: np.argsort(x, 0), grad=False)
case("msort", lambda d, x: d.msort(x), [distinct(5, 4)], lambda x: np.sort(x, 0))
case("topk", lambda d, x: d.topk(x, 3), [distinct(4, 50)], lambda x: (-np.sort(-x, 1)[:, :3], np.argsort(-x, 1)[:, :3]))
case("topk", lambda d, x: d.topk(x, 2, dim=0, largest=False)[0], [distinct(6, 3)], lambda x: np.sort(x, 0)[:2])
case(
    "kthvalue",
    lambda d, x: d.kthvalue(x, 2, dim=0),
    [distinct(6, 3)],
    lambda x: (np.sort(x, 0)[1], np.argsort(x, 0)[1]),
)
case("kthvalue", lambda d, x: d.kthvalue(x, 3, keepdim=True)[0], [distinct(4, 5)], lambda x: np.sort(x, 1)[:, 2:3])
case("searchsorted", lambda d, s, x: d.searchsorted(s, x), [at(0.0, 1.0, 2.0), arr(4, 5)], np.searchsorted, grad=False)
case("bucketize", lambda d, x, s: d.bucketize(x, s, right=True), [arr(9), at(-1.0, 0.0, 1.0)], grad=False)
