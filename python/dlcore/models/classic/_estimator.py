"""What the classical models have in common: fit, predict, score, and training by gradient descent."""

from __future__ import annotations

import math
from collections.abc import Callable

from ... import _core, nn
from ..._core import Generator, Tensor
from ..._fitted import Fitted
from ...autograd import enable_grad, no_grad
from ...metrics.functional import r2_score
from ...optim import Adam
from ...optim.lr_scheduler import LambdaLR

ROWS = 4096  # that are predicted at a time


class Estimator(Fitted):
    """A model with ``fit(x, y)``, which returns self, `predict` and `score`.

    Shapes: x (N, F), floating point; y (N), or for some regressors (N, T).

    Raises:
        TypeError: for x that is no floating point tensor, y that is no tensor of the right type.
        ValueError: for other shapes, x or y with NaN or infinity, no rows to fit.
        RuntimeError: by what needs `fit` before it.
    """

    def fit(self, x: Tensor, y: Tensor):
        raise NotImplementedError(f"{type(self).__name__} must define fit")

    def predict(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define predict")

    def score(self, x: Tensor, y: Tensor) -> float:
        raise NotImplementedError(f"{type(self).__name__} must define score")

    def _check_x(self, x: Tensor, width: int | None = None) -> Tensor:
        name = type(self).__name__
        if not isinstance(x, Tensor) or not x.is_floating_point():
            what = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"{name}: x must be a floating point tensor, but got {what}")
        if x.dim() != 2 or (width is not None and x.shape[1] != width) or x.shape[1] == 0:
            expected = "F" if width is None else width
            raise ValueError(f"{name}: x must have shape (N, {expected}), but got {tuple(x.shape)}")
        if width is None and x.shape[0] == 0:
            raise ValueError(f"{name}: x must have rows to fit, but got shape {tuple(x.shape)}")
        if not x.isfinite().all():
            raise ValueError(f"{name}: x must be finite, but has NaN or infinity")
        return x.detach()

    def _check_rows(self, x: Tensor, y: Tensor) -> None:
        if len(x) != len(y):
            raise ValueError(f"{type(self).__name__}: x and y must have the same rows, but got {len(x)} and {len(y)}")


class Classifier(Estimator):
    """An `Estimator` of classes, which y numbers by whole numbers of any size.

    A subclass defines ``_fit(x, y)``, of which y counts the classes from 0, and ``_scores(x)``, (N, classes).

    Attributes:
        classes: (classes) int64, ascending: those that `fit` saw.
    """

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self._buffers_to_fit("classes")

    def fit(self, x: Tensor, y: Tensor, **how):
        """Learn from items x (N, F) of classes y (N), whole numbers."""
        x = self._check_x(x)
        y = self._check_labels(y)
        self._check_rows(x, y)
        self.classes, places = y.unique(return_inverse=True)
        self._fit(x, places, **how)
        return self

    def predict(self, x: Tensor) -> Tensor:
        """The class of each row of x (N, F): that of the largest score, the smallest of several such."""
        return self.classes[self._in_blocks(x).argmax(1)]

    def score(self, x: Tensor, y: Tensor) -> float:
        """The share of the rows of x whose class is y (N)."""
        y = self._check_labels(y)
        self._check_rows(x, y)
        return (self.predict(x) == y).double().mean().item()

    def _in_blocks(self, x: Tensor) -> Tensor:
        return _in_blocks(self, self._scores, x, (len(self._check_fitted(self.classes)),))

    def _check_labels(self, y: Tensor) -> Tensor:
        if not isinstance(y, Tensor) or y.is_floating_point():
            what = y.dtype if isinstance(y, Tensor) else type(y).__name__
            raise TypeError(f"{type(self).__name__}: y must be a tensor of whole numbers, but got {what}")
        if y.dim() != 1:
            raise ValueError(f"{type(self).__name__}: y must have shape (N), but got {tuple(y.shape)}")
        return y.to(_core.int64)

    def _fit(self, x: Tensor, y: Tensor) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _fit")

    def _scores(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _scores")


class Probabilities:
    """For a `Classifier` whose scores are the logarithms of probabilities, up to a constant."""

    def predict_proba(self, x: Tensor) -> Tensor:
        """(N, classes): the probability of each class, the softmax of the scores."""
        return self._in_blocks(x).softmax(1)


class Regressor(Estimator):
    """An `Estimator` of numbers.

    A subclass defines ``_fit(x, y)``, of which y is (N, T), and ``_scores(x)``, (N, T).

    Attributes:
        outputs: the shape of an item's y: () or (T).
    """

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.outputs: tuple[int, ...] | None = None

    def get_extra_state(self) -> list[int] | None:
        return None if self.outputs is None else list(self.outputs)

    def set_extra_state(self, state: list[int] | None) -> None:
        self.outputs = None if state is None else tuple(map(int, state))

    def fit(self, x: Tensor, y: Tensor, **how):
        """Learn from items x (N, F) with the numbers y, (N) or (N, T), floating point."""
        x = self._check_x(x)
        y = self._check_numbers(y)
        self._check_rows(x, y)
        self.outputs = tuple(y.shape[1:])
        self._fit(x, y.reshape(len(y), -1), **how)
        return self

    def predict(self, x: Tensor) -> Tensor:
        """The numbers of each row of x (N, F), shaped as the y of `fit`."""
        outputs = self._check_fitted(self.outputs)
        return _in_blocks(self, self._scores, x, outputs or (1,)).reshape(-1, *outputs)

    def score(self, x: Tensor, y: Tensor) -> float:
        """R2 = 1 - sum (y - prediction)^2 / sum (y - mean y)^2, the mean over the outputs; see `metrics.R2Score`."""
        y = self._check_numbers(y)
        self._check_rows(x, y)
        return r2_score(self.predict(x), y).item()

    def _check_numbers(self, y: Tensor) -> Tensor:
        name = type(self).__name__
        if not isinstance(y, Tensor) or not y.is_floating_point():
            what = y.dtype if isinstance(y, Tensor) else type(y).__name__
            raise TypeError(f"{name}: y must be a floating point tensor, but got {what}")
        if y.dim() not in (1, 2) or 0 in y.shape:
            raise ValueError(f"{name}: y must have shape (N) or (N, T), but got {tuple(y.shape)}")
        if not y.isfinite().all():
            raise ValueError(f"{name}: y must be finite, but has NaN or infinity")
        return y.detach()

    def _fit(self, x: Tensor, y: Tensor) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _fit")

    def _scores(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _scores")


def _in_blocks(model: Estimator, scores: Callable[[Tensor], Tensor], x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What `scores` gives for x, in blocks of rows, so that memory stays bounded, and without gradients."""
    x = model._check_x(x, model._width())
    with no_grad():
        parts = [scores(block) for block in x.split(ROWS)] if len(x) else [_core.empty(0, *shape, dtype=x.dtype)]
    return _core.cat(parts)


def descend(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    lr: float,
    generator: Generator | None = None,
    on_batch: Callable[[], object] | None = None,
) -> None:
    """Minimize the mean of ``loss(x, y)`` with Adam, by batches in random order; the learning rate falls as a cosine.

    Args:
        generator: draws the order; the default generator where it is None.
        on_batch: called after each batch.

    Source: Kingma and Ba 2015, "Adam"; Loshchilov and Hutter 2017, "SGDR" (the cosine).
    """
    optimizer = Adam(model.parameters(), lr=lr)
    total = epochs * batches(len(x), batch_size)
    schedule = LambdaLR(optimizer, lambda step: 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / total)))
    model.train()
    with enable_grad():
        for _ in range(epochs):
            for rows in _core.randperm(len(x), generator=generator).split(batch_size):
                optimizer.zero_grad()
                loss(x[rows], y[rows]).backward()
                optimizer.step()
                schedule.step()
                if on_batch is not None:
                    on_batch()
    model.eval()


def batches(items: int, batch_size: int) -> int:
    """Of an epoch."""
    return -(-items // batch_size)


MOST = 2**31  # epochs, sizes of a batch


def check_training(kind: str, epochs: int, batch_size: int, lr: float) -> None:
    """Raise ValueError unless these can be trained with."""
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        check_int(kind, name, value)
    check_number(kind, "lr", lr, positive=True)


def check_int(kind: str, name: str, value: int, most: int = MOST) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ValueError(f"{kind}: {name} must be an int in [1, {most}], but got {value!r}")


def check_number(kind: str, name: str, value: float, positive: bool = False) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
    if not number or (positive and value == 0):
        raise ValueError(
            f"{kind}: {name} must be a {'positive' if positive else 'non-negative'} number, but got {value!r}"
        )
