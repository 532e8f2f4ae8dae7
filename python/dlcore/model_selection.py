"""Choosing among models: splits of the data, cross-validation, and searches over hyper-parameters.

    from dlcore.model_selection import KFold, cross_validate, grid_search

    def score(train, test, alpha=1.0):
        return LinearRegression(alpha).fit(x[train], y[train]).score(x[test], y[test])

    splits = list(KFold(5).split(len(x)))
    cross_validate(score, splits).mean()
    best = grid_search(lambda alpha: cross_validate(partial(score, alpha=alpha), splits).mean(), {"alpha": [0.1, 1]})

Splits are tensors of the items' numbers, int64: `x[train]`, `table.take(train)`, `Subset(dataset, train.tolist())`.
Shuffles are drawn from a `generator`, of which the same state gives the same splits, with any number of threads.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from . import _core
from ._core import Generator, Tensor

Split = tuple[Tensor, Tensor]  # the numbers of the items to train on, and of those to test on
MOST_ITEMS = 2**31  # and combinations; a count beyond is a mistake that would fill the memory


class KFold:
    """k parts of the items, of which each is tested on once, by a model trained on the others.

        for train, test in KFold(5).split(len(x)): ...

    Of n items the first n mod k parts get one more than the others.

    Args:
        k: how many. Default: 5.
        shuffle: take the items in random order. Default: True.
        generator: draws the order; the default generator where it is None.

    Raises:
        ValueError: if k is below 2; by `split` if there are fewer items than parts.
    """

    def __init__(self, k: int = 5, shuffle: bool = True, generator: Generator | None = None) -> None:
        if not isinstance(k, int) or not 2 <= k <= MOST_ITEMS:
            raise ValueError(f"{type(self).__name__}: k must be an int of at least 2, but got {k!r}")
        self.k, self.shuffle, self.generator = k, shuffle, generator

    def __len__(self) -> int:
        return self.k

    def split(self, n: int | Tensor | Sequence) -> Iterator[Split]:
        """The splits of n items, or of those of a tensor or sequence; the numbers of each part are ascending."""
        n = _count("KFold.split", n)
        if n < self.k:
            raise ValueError(f"KFold: {n} items can not be cut into {self.k} parts")
        part = _core.empty(n, dtype=_core.int64)
        for i, members in enumerate(_order(n, self.shuffle, self.generator).tensor_split(self.k)):
            part[members] = i
        return _folds(part, self.k)


class StratifiedKFold(KFold):
    """`KFold` in which each class has the same share of every part, as far as its size allows: the parts' counts of a
    class differ by at most one, and so do the parts' sizes.

        for train, test in StratifiedKFold(5).split(labels): ...

    Raises:
        ValueError: by `split` if a class has fewer items than there are parts.
    """

    def split(self, labels: Tensor | Sequence[int]) -> Iterator[Split]:
        """The splits of items with these labels (N), which may be of any whole type."""
        labels = _check_labels("StratifiedKFold.split", labels)
        classes, inverse, counts = _core.unique(labels, return_inverse=True, return_counts=True)
        if counts.min().item() < self.k:
            least = int(counts.argmin().item())
            raise ValueError(
                f"StratifiedKFold: each class must have {self.k} items or more, but class {classes[least].item()} has "
                f"{counts[least].item()}"
            )
        order = _order(len(labels), self.shuffle, self.generator)
        # Sorted by class, in random order within each, and dealt to the parts in turn.
        order = order[inverse[order].argsort(stable=True)]
        part = _core.empty(len(labels), dtype=_core.int64)
        part[order] = _core.arange(len(labels)) % self.k
        return _folds(part, self.k)


def train_test_split(
    n: int | Tensor | Sequence,
    test_size: float | int = 0.25,
    stratify: bool = False,
    shuffle: bool = True,
    generator: Generator | None = None,
) -> Split:
    """The numbers of the items to train on, and of those to test on.

        train, test = train_test_split(len(x), 0.2, generator=dlcore.Generator().manual_seed(0))
        train, test = train_test_split(labels, 0.2, stratify=True)

    Args:
        n: how many items there are, or a tensor or sequence of them; with `stratify` their labels (N).
        test_size: how many are for the test: a share of all between 0 and 1, rounded up, or a number. Default: 0.25.
        stratify: give each class the same share of both, as far as its size allows: of the count by which shares are
            rounded down, what is left goes to the classes with the largest remainders (the smaller class first).
            Default: False.
        shuffle: draw the items; otherwise the last ones (of each class) are for the test. Default: True.
        generator: draws them; the default generator where it is None.

    Returns:
        two tensors (int64); in random order where it is shuffled, and else ascending.

    Raises:
        ValueError: if one of the two would be empty, or with `stratify` a class has fewer than 2 items.
    """
    if stratify:
        labels = _check_labels("train_test_split", n)
        n = len(labels)
    else:
        n = _count("train_test_split", n)
    if isinstance(test_size, bool) or not isinstance(test_size, (int, float)):
        raise TypeError(f"train_test_split: test_size must be a number, but got {type(test_size).__name__}")
    if isinstance(test_size, float):
        if not 0 < test_size < 1:
            raise ValueError(f"train_test_split: a share test_size must be between 0 and 1, but got {test_size}")
        test_size = math.ceil(n * test_size)
    if not 0 < test_size < n:
        raise ValueError(
            f"train_test_split: of {n} items, {test_size} can not be for the test: one part would be empty"
        )
    order = _order(n, shuffle, generator)
    if not stratify:
        return order[: n - test_size], order[n - test_size :]
    counts = labels.unique(return_counts=True)[1].tolist()
    if min(counts) < 2:
        raise ValueError("train_test_split: to stratify, each class must have 2 items or more")
    test = _core.zeros(n, dtype=_core.bool)
    by_class = order[labels[order].argsort(stable=True)]
    for members, take in zip(by_class.split(counts), _shares(counts, test_size)):
        test[members[len(members) - take :]] = True
    chosen = test[order]
    return order[~chosen], order[chosen]


def _shares(counts: list[int], total: int) -> list[int]:
    """`total` given to classes in proportion to their counts, by the largest remainders."""
    n = sum(counts)
    shares = [count * total // n for count in counts]
    by_remainder = sorted(range(len(counts)), key=lambda i: -(counts[i] * total % n))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def cross_validate(
    score: Callable[[Tensor, Tensor], float],
    folds: KFold | Iterable[Split],
    data: int | Tensor | Sequence | None = None,
) -> Tensor:
    """The score of each split.

    Args:
        score: called with the numbers of the items to train on and to test on; trains a new model on the first, and
            gives its score on the second.
        folds: a `KFold` or `StratifiedKFold`, or the splits themselves.
        data: what the folds' ``split`` takes: how many items there are, or their labels.

    Returns:
        (k) float64, of which `.mean()` and `.std()` are what is usually told.

    Raises:
        TypeError: if `folds` has to be given `data`, and is not, or the other way round.
        ValueError: if there are no splits.
    """
    if isinstance(folds, KFold) == (data is None):
        raise TypeError("cross_validate: data must be given with a KFold, and only with one")
    scores = [float(score(train, test)) for train, test in (folds.split(data) if data is not None else folds)]
    if not scores:
        raise ValueError("cross_validate: folds must give one split or more, but gave none")
    return _core.tensor(scores, dtype=_core.float64)


@dataclass(frozen=True)
class Search:
    """What a search over hyper-parameters found.

    Attributes:
        params: the best.
        score: theirs.
        trials: (params, score) of all, in the order in which they were tried.
    """

    params: dict
    score: float
    trials: list[tuple[dict, float]]


def grid_search(score: Callable[..., float], grid: Mapping[str, Sequence], maximize: bool = True) -> Search:
    """Try every combination of values, the last name's varying fastest.

    Args:
        score: called with the names' values by keyword; gives the score, such as the mean of `cross_validate`.
        grid: the values of each name.
        maximize: whether the largest score is best, or the smallest. Default: True.

    Returns:
        the best; of equal ones the first. A score that is NaN is never best.

    Raises:
        ValueError: if there is nothing to try, or every score is NaN.
    """
    grid = {name: list(values) for name, values in grid.items()}
    if math.prod(map(len, grid.values())) == 0 or not grid:
        raise ValueError(f"grid_search: grid must have a value or more for each name, but got {grid}")
    return _search(
        "grid_search", score, (dict(zip(grid, values)) for values in itertools.product(*grid.values())), maximize
    )


def random_search(
    score: Callable[..., float],
    space: Mapping[str, Sequence | Callable[[Generator], object]],
    trials: int,
    maximize: bool = True,
    generator: Generator | None = None,
) -> Search:
    """Try combinations that are drawn at random.

        random_search(score, {"lr": log_uniform(1e-4, 1e-1), "hidden": [32, 64, 128]}, trials=20)

    Args:
        score: as for `grid_search`.
        space: for each name a list, of which a value is drawn, or a function that is called with the generator.
        trials: how many.
        maximize: whether the largest score is best, or the smallest. Default: True.
        generator: draws; the default generator where it is None.

    Raises:
        ValueError: if there is nothing to try, or every score is NaN.

    Source: Bergstra and Bengio 2012, "Random search for hyper-parameter optimization".
    """
    if not isinstance(trials, int) or not 1 <= trials <= MOST_ITEMS:
        raise ValueError(f"random_search: trials must be a positive int, but got {trials!r}")
    if not space or not all(callable(values) or len(values) for values in space.values()):
        raise ValueError("random_search: space must have a value or more for each name")

    def draw(values):
        if callable(values):
            return values(generator)
        return values[_core.randint(0, len(values), (1,), generator=generator).item()]

    drawn = ({name: draw(values) for name, values in space.items()} for _ in range(trials))
    return _search("random_search", score, drawn, maximize)


def uniform(low: float, high: float) -> Callable[[Generator | None], float]:
    """For `random_search`: numbers between low and high."""
    return lambda generator: low + (high - low) * _core.rand(1, dtype=_core.float64, generator=generator).item()


def log_uniform(low: float, high: float) -> Callable[[Generator | None], float]:
    """For `random_search`: numbers between low and high whose logarithms are uniform.

    Raises:
        ValueError: unless 0 < low <= high.
    """
    if not 0 < low <= high:
        raise ValueError(f"log_uniform: low and high must be positive and in order, but got {low} and {high}")
    draw = uniform(math.log(low), math.log(high))
    return lambda generator: math.exp(draw(generator))


def _search(name: str, score: Callable[..., float], candidates: Iterable[dict], maximize: bool) -> Search:
    trials = [(params, float(score(**params))) for params in candidates]
    real = [trial for trial in trials if not math.isnan(trial[1])]
    if not real:
        raise ValueError(f"{name}: every score is NaN")
    best = (max if maximize else min)(real, key=lambda trial: trial[1])
    return Search(*best, trials)


def _count(name: str, n: int | Tensor | Sequence) -> int:
    n = n if isinstance(n, int) or not hasattr(n, "__len__") else len(n)
    if not isinstance(n, int) or isinstance(n, bool) or not 0 <= n <= MOST_ITEMS:
        raise ValueError(f"{name}: n must be an int in [0, {MOST_ITEMS}], but got {n!r}")
    return n


def _check_labels(name: str, labels) -> Tensor:
    if isinstance(labels, int):
        raise TypeError(f"{name}: labels of the items must be given, but got {labels}")
    labels = _core.as_tensor(labels)
    if labels.dim() != 1 or len(labels) == 0 or labels.is_floating_point():
        raise ValueError(
            f"{name}: labels must be whole numbers of shape (N), N > 0, but got {labels.dtype} of shape "
            f"{tuple(labels.shape)}"
        )
    return labels


def _order(n: int, shuffle: bool, generator: Generator | None) -> Tensor:
    return _core.randperm(n, generator=generator) if shuffle else _core.arange(n)


def _folds(part: Tensor, k: int) -> Iterator[Split]:
    """The splits, for the part of each item."""
    for i in range(k):
        chosen = part == i
        yield (~chosen).nonzero().squeeze(1), chosen.nonzero().squeeze(1)
