"""Metrics of regression, and perplexity."""

from __future__ import annotations

import math

from .. import _core
from .._core import Tensor
from ..nn import functional as F
from .metric import Metric, result


class _Errors(Metric):
    """The mean over all elements of a function of the error y - t. Shapes: preds and target the same, any."""

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", 0.0)
        self.add_state("count", 0)

    def update(self, preds: Tensor, target: Tensor) -> None:
        self._check_same_shape(preds, target)
        self.total += self._error(preds.detach().double() - target.double()).sum().item()
        self.count += target.numel()

    def compute(self) -> Tensor:
        return result(self.total / self.count if self.count else math.nan)

    def _error(self, difference: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _error")


class MeanSquaredError(_Errors):
    """The mean of (y - t)^2, or its square root.

    Args:
        squared: False gives the root. Default: True.

    Shapes: preds and target the same, any.
    """

    def __init__(self, squared: bool = True) -> None:
        super().__init__()
        self.squared = bool(squared)

    def _error(self, difference: Tensor) -> Tensor:
        return difference.square()

    def compute(self) -> Tensor:
        return super().compute() if self.squared else result(super().compute().double().sqrt())


class MeanAbsoluteError(_Errors):
    """The mean of |y - t|. Shapes: preds and target the same, any."""

    def _error(self, difference: Tensor) -> Tensor:
        return difference.abs()


class R2Score(Metric):
    """The share of the targets' variance that is explained, 1 - sum (t - y)^2 / sum (t - mean t)^2.

    Where all targets are equal, it is 1 if there are no errors, and 0 otherwise. Of fewer than two samples it is NaN.

    Args:
        adjusted: the number p of independent regressors, for 1 - (1 - R2) (n - 1) / (n - p - 1), where n > p + 1.
            Default: 0.
        multioutput: of several outputs: "uniform_average" (the default), "raw_values" or "variance_weighted".

    Shapes: preds and target the same, (N,) or (N, outputs).
    """

    def __init__(self, adjusted: int = 0, multioutput: str = "uniform_average") -> None:
        super().__init__()
        if not isinstance(adjusted, int):
            raise TypeError(f"R2Score: adjusted must be an int, but got {type(adjusted).__name__}")
        self._check(adjusted >= 0, "adjusted", "not be negative", adjusted)
        known = ("uniform_average", "raw_values", "variance_weighted")
        self._check(multioutput in known, "multioutput", f"be one of {', '.join(known)}", multioutput)
        self.adjusted = adjusted
        self.multioutput = multioutput
        self.add_state("count", 0)
        for name in ("mean", "squares", "errors"):  # of the targets, of t - mean, of t - y
            self.add_state(name, _core.zeros((), dtype=_core.float64))

    def update(self, preds: Tensor, target: Tensor) -> None:
        self._check_same_shape(preds, target)
        self._check(target.dim() in (1, 2), "target", "have 1 or 2 dimensions", target.dim())
        outputs = target.shape[1:]
        self._check(self.mean.shape == outputs or not self.count, "target", "have as many outputs as before",
                    tuple(target.shape))  # fmt: skip
        if not target.numel():
            return
        preds, target = preds.detach().double(), target.double()
        count, mean = target.shape[0], target.mean(0)
        # Two sets as one (Chan, Golub, LeVeque 1979): sums of squares without their cancellation.
        both, apart = self.count + count, mean - self.mean
        self.squares = self.squares + (target - mean).square().sum(0) + apart.square() * (self.count * count / both)
        self.mean = self.mean + apart * (count / both)
        self.errors = self.errors + (target - preds).square().sum(0)
        self.count = both

    def compute(self) -> Tensor:
        if self.count < 2:
            return result(math.nan)
        scores = _core.where(self.squares > 0, 1 - self.errors / self.squares, (self.errors == 0).double())
        if self.multioutput == "uniform_average":
            scores = scores.mean()
        elif self.multioutput == "variance_weighted" and self.squares.sum().item():
            scores = (scores * self.squares).sum() / self.squares.sum()
        if self.multioutput == "variance_weighted":
            scores = scores.mean()  # one output, or none of them with a variance
        if self.adjusted and self.count > self.adjusted + 1:
            scores = 1 - (1 - scores) * ((self.count - 1) / (self.count - self.adjusted - 1))
        return result(scores)


class Perplexity(Metric):
    """exp(-mean log p(target)), how many equally likely tokens a model hesitates between.

    Args:
        ignore_index: a target that is not counted. Default: None.

    Shapes: preds (..., tokens), logits or logarithms of probabilities; target (...).
    """

    def __init__(self, ignore_index: int | None = None) -> None:
        super().__init__()
        self.ignore_index = ignore_index
        self.add_state("total", 0.0)
        self.add_state("count", 0)

    def update(self, preds: Tensor, target: Tensor) -> None:
        self._check_tensors(preds=preds, target=target)
        fits = preds.dim() == target.dim() + 1 and preds.shape[:-1] == target.shape
        self._check(
            fits, "preds", f"have the shape (..., tokens) for target's {tuple(target.shape)}", tuple(preds.shape)
        )
        target = target.reshape(-1)
        preds = preds.detach().reshape(-1, preds.shape[-1])
        if self.ignore_index is not None:
            preds, target = preds[target != self.ignore_index], target[target != self.ignore_index]
        if target.numel():
            low, high, last = target.min().item(), target.max().item(), preds.shape[-1] - 1
            self._check(0 <= low and high <= last, "target", f"be from 0 to {last}", f"{low} to {high}")
            self.total += F.cross_entropy(preds, target, reduction="none").double().sum().item()
        self.count += target.numel()

    def compute(self) -> Tensor:
        return result(_core.tensor(self.total / self.count, dtype=_core.float64).exp() if self.count else math.nan)
