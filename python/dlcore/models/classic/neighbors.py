"""The nearest neighbours.

A search goes by blocks of queries, in two steps. The first finds about how far every item is: for L2 by products of
matrices, |x - q|^2 - |q|^2 = |x|^2 - 2 q x, in float32 of centred features. The second takes the items that may be
among the k nearest, for all that rounding can have changed, and finds their distances in float64 from the differences.
What comes out is that of these distances alone, in the order of (distance, number), for any blocks and any threads.
"""

from __future__ import annotations

import math

from ... import _core
from ..._core import Tensor
from ..._fitted import Fitted
from ...autograd import no_grad
from ._estimator import Classifier, Regressor, check_int

BLOCK = 2**21  # distances that are held at a time; up to 16 times as many, so that a product has 64 rows
PAIRS = 2**20  # differences of features that are held at a time
EPS = 2.0**-24  # the rounding of float32


class Neighbors(Fitted):
    """The search. `KNeighborsClassifier` and `KNeighborsRegressor` have it.

    Attributes:
        x: (N, F), the items that `fit` was given.
    """

    def _width(self) -> int:
        return self._check_fitted(self.x).shape[1]

    def kneighbors(self, q: Tensor, k: int | None = None) -> tuple[Tensor, Tensor]:
        """Distances (M, k), float64, and numbers (M, k), int64, of the items nearest to each of the queries q (M, F).

        The nearest comes first; of several at the same distance that with the smallest number.

        Args:
            k: how many; None (the default) takes the model's.

        Raises:
            ValueError: if k is not in [1, N].
        """
        name, k = type(self).__name__, self.options["k"] if k is None else k
        q = self._check_x(q, self._width())
        if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= len(self.x):
            raise ValueError(f"{name}: k must be an int in [1, {len(self.x)}], the number of items, but got {k!r}")
        with no_grad():
            return _nearest(self.x, q, k, self.options["metric"])

    def _weights(self, distances: Tensor) -> Tensor:
        """(M, k): the neighbours' shares of the vote, float64."""
        if self.options["weights"] == "uniform":
            return _core.ones_like(distances) / distances.shape[1]
        same = distances == 0  # these alone have a say, if there are any
        weights = same.double().where(same.any(1, keepdim=True), distances[:, :1] / distances)
        return weights / weights.sum(1, keepdim=True)


def _options(kind: str, k: int, metric: str, weights: str) -> dict:
    check_int(kind, "k", k)
    for name, value, known in (("metric", metric, ("l2", "l1")), ("weights", weights, ("uniform", "distance"))):
        if value not in known:
            raise ValueError(f"{kind}: {name} must be one of {', '.join(known)}, but got {value!r}")
    return {"k": k, "metric": metric, "weights": weights}


class KNeighborsClassifier(Neighbors, Classifier):
    """The class that most of the k nearest items have; of several with as many votes, the smallest.

    Args:
        k: how many neighbours vote. Default: 5.
        metric: "l2" for the Euclidean distance, "l1" for the sum of absolute differences. Default: l2.
        weights: "uniform" gives each neighbour the same vote, "distance" one of 1 / distance; where some are at the
            distance 0, these alone vote. Default: uniform.

    Source: Cover and Hart 1967, "Nearest neighbor pattern classification".
    """

    def __init__(self, k: int = 5, metric: str = "l2", weights: str = "uniform") -> None:
        super().__init__(**_options(type(self).__name__, k, metric, weights))
        self._buffers_to_fit("x", "y")

    def _fit(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x.clone(), y

    def _scores(self, q: Tensor) -> Tensor:
        distances, places = self.kneighbors(q)
        votes = _core.zeros(len(q), len(self.classes), dtype=_core.float64)
        return votes.scatter_add(1, self.y[places], self._weights(distances))

    def predict_proba(self, x: Tensor) -> Tensor:
        """(N, classes) float64: each class's share of the votes."""
        return self._in_blocks(x)


class KNeighborsRegressor(Neighbors, Regressor):
    """The mean of the k nearest items' y.

    Args:
        k: how many neighbours are averaged. Default: 5.
        metric: "l2" for the Euclidean distance, "l1" for the sum of absolute differences. Default: l2.
        weights: "uniform" for the plain mean, "distance" for weights of 1 / distance; where some are at the distance 0,
            these alone count. Default: uniform.

    Source: Cover 1968, "Estimation by the nearest neighbor rule".
    """

    def __init__(self, k: int = 5, metric: str = "l2", weights: str = "uniform") -> None:
        super().__init__(**_options(type(self).__name__, k, metric, weights))
        self._buffers_to_fit("x", "y")

    def _fit(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x.clone(), y.clone()

    def _scores(self, q: Tensor) -> Tensor:
        distances, places = self.kneighbors(q)
        return (self.y.double()[places] * self._weights(distances).unsqueeze(2)).sum(1).to(self.y.dtype)


def _nearest(x: Tensor, q: Tensor, k: int, metric: str) -> tuple[Tensor, Tensor]:
    """Distances and numbers of the k items of x (N, F) nearest to each query of q (M, F)."""
    if len(q) == 0:
        return _core.empty(0, k, dtype=_core.float64), _core.empty(0, k, dtype=_core.int64)
    dtype = _core.float64 if _core.float64 in (x.dtype, q.dtype) else _core.float32
    x, q = x.to(dtype), q.to(dtype)
    most = max(value.abs().max().item() for value in (x, q))
    # A power of two brings all to about 1 or less, exactly, so that no square overflows.
    bound = 1000 if dtype == _core.float64 else 120
    exponent = min(max(math.frexp(most)[1], -bound), bound)
    x, q = x * 2.0**-exponent, q * 2.0**-exponent
    center = x.mean(0)
    near, queries = (x - center).float(), (q - center).float()
    # Of a sum of F products and what went before: each rounds by EPS of at most (|q| + |x|)^p.
    power, rounding = (2 if metric == "l2" else 1), (x.shape[1] + 8) * EPS
    far = near.norm(power, 1).max()
    error = rounding * (queries.norm(power, 1, keepdim=True) + far) ** power + 1e-36
    squares = near.double().square().sum(1).float()

    def about(block: Tensor) -> Tensor:
        """(rows, N): the distances' powers, for L2 less |q|^2, on which the order does not depend."""
        return _core.addmm(squares, block, near.t(), alpha=-2) if power == 2 else _sums(block, near)

    n = len(x)
    rows = max(1, BLOCK // n, min(64, 16 * BLOCK // n))
    found = []
    for block in _core.arange(len(q)).split(rows):
        at = slice(block[0].item(), block[-1].item() + 1)
        distances = about(queries[at])
        limit = distances.topk(k, largest=False).values[:, -1:] + 2 * error[at]
        query, item = (distances <= limit).nonzero().unbind(1)
        found.append(_nearest_pairs(q[at], x, query, item, k, power))
    distances, items = (_core.cat(parts) for parts in zip(*found))
    return distances * 2.0**exponent, items


def _sums(q: Tensor, x: Tensor) -> Tensor:
    """(M, N): the sums of absolute differences."""
    queries, items = (q.split(max(1, PAIRS // x.numel())), x.split(max(1, PAIRS // x.shape[1])))
    return _core.cat([_core.cat([_core.cdist(a, b, p=1.0) for b in items], 1) for a in queries])


def _nearest_pairs(q: Tensor, x: Tensor, query: Tensor, item: Tensor, k: int, power: int) -> tuple[Tensor, Tensor]:
    """The k first of the pairs (query, item) of each query, in the order of (distance, item); the pairs are in order,
    and each query has k or more."""
    parts = []
    for a, b in zip(*(places.split(max(1, PAIRS // x.shape[1])) for places in (query, item))):
        differences = q[a].double() - x[b].double()
        parts.append(differences.square().sum(1).sqrt() if power == 2 else differences.abs().sum(1))
    distances = _core.cat(parts)
    order = distances.argsort(stable=True)
    order = order[query[order].argsort(stable=True)]
    counts = query.bincount(minlength=len(q))
    first = (counts.cumsum(0) - counts).unsqueeze(1) + _core.arange(k)
    nearest = order[first]
    return distances[nearest], item[nearest]
