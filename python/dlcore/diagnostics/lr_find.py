"""`lr_find`: which learning rates a model can be trained with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from ..train import Callback, Trainer
from ..train.history import import_figure
from .probe import unchanged

MOST_STEPS = 100_000
_SMOOTHING = 0.9


class LRFinder(Callback):
    """What `lr_find` found.

    Attributes:
        lrs: the rates that were tried, in rising order.
        losses: after each of them, the loss, smoothed: the mean of those so far with weights that fall by 0.9 a step.
        diverged: whether the search ended early, because the loss had grown too large.
    """

    def __init__(self, min_lr: float, max_lr: float, num_training: int, mode: str, early_stop_threshold: float | None):
        self.min_lr, self.max_lr, self.num_training, self.mode = min_lr, max_lr, num_training, mode
        self.early_stop_threshold = early_stop_threshold
        self.lrs: list[float] = []
        self.losses: list[float] = []
        self.diverged = False
        self._average = 0.0

    def _lr(self, step: int) -> float:
        share = step / (self.num_training - 1)
        if self.mode == "linear":
            return self.min_lr + (self.max_lr - self.min_lr) * share
        return self.min_lr * (self.max_lr / self.min_lr) ** share

    def on_fit_start(self, trainer: Trainer) -> None:
        first = trainer.learning_rates()[0] or 1.0
        self._shares = [rate / first for rate in trainer.learning_rates()]  # groups keep their proportions
        self._set(trainer)

    def _set(self, trainer: Trainer) -> None:
        for group, share in zip(trainer.optimizer.param_groups, self._shares):
            group["lr"] = self._lr(len(self.lrs)) * share

    def on_step(self, trainer: Trainer) -> None:
        """The loss that this step began with is what the steps before, up to the last rate, led to."""
        self._average = _SMOOTHING * self._average + (1 - _SMOOTHING) * trainer.step_loss
        smooth = self._average / (1 - _SMOOTHING ** (len(self.lrs) + 1))
        limit = math.inf if self.early_stop_threshold is None else self.early_stop_threshold
        best = min(self.losses, default=math.inf)
        if not math.isfinite(smooth) or (self.losses and smooth > best + (limit - 1) * abs(best)):
            self.diverged = True
            return
        self.lrs.append(self._lr(len(self.lrs)))
        self.losses.append(smooth)
        self._set(trainer)

    @property
    def is_over(self) -> bool:
        return self.diverged or len(self.lrs) >= self.num_training

    def suggestion(self, skip_begin: int = 10, skip_end: int = 1) -> float:
        """The rate at which the loss falls fastest with the logarithm of the rate.

        Args:
            skip_begin, skip_end: how many points at both ends don't count. Default: 10, 1.

        Raises:
            ValueError: if fewer than two points are left.
        """
        end = len(self.lrs) - skip_end
        inner = range(max(skip_begin, 1), min(end, len(self.lrs) - 1))
        if skip_begin < 0 or skip_end < 0 or len(inner) < 2:
            raise ValueError(
                f"LRFinder.suggestion: skip_begin and skip_end must leave points, but got {skip_begin} and {skip_end} "
                f"of {len(self.lrs)}"
            )

        def slope(i: int) -> float:
            return (self.losses[i + 1] - self.losses[i - 1]) / math.log(self.lrs[i + 1] / self.lrs[i - 1])

        return self.lrs[min(inner, key=slope)]

    def plot(self, path=None, suggest: bool = True):
        """Draw the loss over the learning rate, and a mark where `suggestion` is.

        Args:
            path: a file to save the picture in, if there is one.
            suggest: draw the mark. Default: True.

        Returns:
            matplotlib's Figure.

        Raises:
            ImportError: if matplotlib is missing.
        """
        figure = import_figure("LRFinder.plot")(layout="constrained")
        axes = figure.subplots()
        axes.plot(self.lrs, self.losses)
        axes.set(xlabel="learning rate", ylabel="loss", xscale="log" if self.mode == "exponential" else "linear")
        if suggest:
            rate = self.suggestion()
            axes.plot(rate, self.losses[self.lrs.index(rate)], "o", label=f"{rate:.2g}")
            axes.legend()
        if path is not None:
            figure.savefig(path)
        return figure


def lr_find(
    trainer: Trainer,
    train_loader: Iterable,
    min_lr: float = 1e-8,
    max_lr: float = 1.0,
    num_training: int = 100,
    mode: str = "exponential",
    early_stop_threshold: float | None = 4.0,
) -> LRFinder:
    """Train for some steps with a learning rate that rises from step to step, and put everything back: the model, the
    optimizer, the generators are afterwards what they were. A good rate is where the loss falls fast: well below the
    one where it begins to grow.

    Args:
        trainer: with a model, an optimizer and a loss.
        train_loader: batches; it is gone through again when it is over.
        min_lr, max_lr: the first rate and the last. Default: 1e-8, 1.
        num_training: how many steps. Default: 100.
        mode: "exponential" (the default), or "linear": how the rate rises.
        early_stop_threshold: end when the smoothed loss is so many times the lowest; None never does. Default: 4.

    Raises:
        ValueError: for rates that do not rise from above 0, fewer than 2 steps, and another mode.

    Source: Smith: Cyclical learning rates for training neural networks, 2017, section 3.3.
    """
    if not isinstance(trainer, Trainer):
        raise TypeError(f"lr_find: trainer must be a Trainer, but got {type(trainer).__name__}")
    if not 0 < min_lr < max_lr < math.inf:
        raise ValueError(f"lr_find: min_lr and max_lr must rise from above 0, but got {min_lr} and {max_lr}")
    if not isinstance(num_training, int) or not 2 <= num_training <= MOST_STEPS:
        raise ValueError(f"lr_find: num_training must be an int from 2 to {MOST_STEPS}, but got {num_training!r}")
    if mode not in ("exponential", "linear"):
        raise ValueError(f"lr_find: mode must be exponential or linear, but got {mode}")
    if early_stop_threshold is not None and not early_stop_threshold > 1:
        raise ValueError(f"lr_find: early_stop_threshold must be above 1, but got {early_stop_threshold}")
    finder = LRFinder(min_lr, max_lr, num_training, mode, early_stop_threshold)

    def batches() -> Iterator:
        while not finder.is_over:
            count = 0
            for count, batch in enumerate(train_loader, 1):  # noqa: B007
                yield batch
                if finder.is_over:
                    return
            if not count:
                return

    with unchanged(trainer, train_loader) as probe:
        probe.callbacks = [finder]
        probe.fit(batches(), epochs=1)
    return finder
