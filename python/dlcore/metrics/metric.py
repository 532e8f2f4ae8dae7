"""`Metric`, the base of all metrics, and averages of numbers."""

from __future__ import annotations

import copy
import math
from collections import deque

from .. import _core
from .._core import Tensor

MOST = 2**20  # classes, labels or values that a metric keeps numbers of


class Metric:
    """What is measured over many batches. A subclass gives its states to `add_state`, changes them in `update`, and
    makes the value of them in `compute`.

    States are never changed in place: ``self.total = self.total + new``. So resetting is taking the first ones again.
    Before anything was counted, `compute` gives NaN.
    """

    def __init__(self) -> None:
        self._defaults: dict = {}

    def add_state(self, name: str, default) -> None:
        """Give the metric an attribute (a tensor or a number) that `reset` sets back to `default`."""
        self._defaults[name] = default
        setattr(self, name, default)

    def update(self, *args, **kwargs) -> None:
        """Count a batch."""
        raise NotImplementedError(f"{type(self).__name__} must define update")

    def compute(self) -> Tensor:
        """The value of all that was counted since the last `reset`."""
        raise NotImplementedError(f"{type(self).__name__} must define compute")

    def reset(self) -> None:
        """Forget what was counted."""
        for name, default in self._defaults.items():
            setattr(self, name, default)

    def __call__(self, *args, **kwargs) -> Tensor:
        """Count a batch, and give the value of this batch alone."""
        alone = copy.copy(self)
        alone.reset()
        alone.update(*args, **kwargs)
        self.update(*args, **kwargs)
        return alone.compute()

    def state_dict(self) -> dict:
        """What was counted, by the states' names."""
        return {name: getattr(self, name) for name in self._defaults}

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over what `state_dict` gave.

        Raises:
            ValueError: if it is of another metric.
        """
        if not isinstance(state_dict, dict) or set(state_dict) != set(self._defaults):
            raise ValueError(
                f"{type(self).__name__}: state_dict must have {sorted(self._defaults)}, but got "
                f"{sorted(map(str, state_dict)) if isinstance(state_dict, dict) else type(state_dict).__name__}"
            )
        for name, value in state_dict.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _check(self, holds: bool, argument: str, expected: str, got) -> None:
        """Raise ValueError unless a condition holds."""
        if not holds:
            raise ValueError(f"{type(self).__name__}: {argument} must {expected}, but got {got}")

    def _check_tensors(self, **tensors) -> None:
        for name, tensor in tensors.items():
            if not isinstance(tensor, Tensor):
                raise TypeError(f"{type(self).__name__}: {name} must be a Tensor, but got {type(tensor).__name__}")

    def _check_same_shape(self, preds: Tensor, target: Tensor) -> None:
        self._check_tensors(preds=preds, target=target)
        shape = tuple(target.shape)
        self._check(tuple(preds.shape) == shape, "preds", f"have target's shape {shape}", tuple(preds.shape))


def check_count(metric: Metric, name: str, count: int, most: int) -> int:
    """A positive number that is not absurd."""
    if not isinstance(count, int) or isinstance(count, bool):
        raise TypeError(f"{type(metric).__name__}: {name} must be an int, but got {type(count).__name__}")
    metric._check(0 < count <= most, name, f"be between 1 and {most}", count)
    return count


def result(value: Tensor | float) -> Tensor:
    """A value computed in float64, in the default dtype."""
    value = value if isinstance(value, Tensor) else _core.tensor(value, dtype=_core.float64)
    return value.to(_core.get_default_dtype())


class Mean(Metric):
    """The mean of numbers, sum(weight value) / sum(weight).

    ``update(value, weight=1.0)`` counts a number, or every element of a tensor; `weight` is a number or a tensor that
    can be expanded to `value`'s shape.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", 0.0)
        self.add_state("weight", 0.0)

    def update(self, value: Tensor | float, weight: Tensor | float = 1.0) -> None:
        if isinstance(value, Tensor) or isinstance(weight, Tensor):
            value, weight = (_core.as_tensor(x, dtype=_core.float64).detach() for x in (value, weight))
            weight = weight.broadcast_to(value.shape)
            value, weight = (value * weight).sum().item(), weight.sum().item()
        else:
            value, weight = float(value) * float(weight), float(weight)
        self.total, self.weight = self.total + value, self.weight + weight

    def compute(self) -> Tensor:
        return result(self.total / self.weight if self.weight else math.nan)


class RunningMean(Metric):
    """The mean of the last `window` values; ``update(value)`` takes a number or a tensor, of which it counts the mean.

    Args:
        window: how many values count. Default: 5.
    """

    def __init__(self, window: int = 5) -> None:
        super().__init__()
        self.window = check_count(self, "window", window, MOST)
        self.add_state("values", ())

    def update(self, value: Tensor | float) -> None:
        value = value.detach().double().mean().item() if isinstance(value, Tensor) else float(value)
        self.values = tuple(deque((*self.values, value), self.window))

    def compute(self) -> Tensor:
        return result(math.fsum(self.values) / len(self.values) if self.values else math.nan)
