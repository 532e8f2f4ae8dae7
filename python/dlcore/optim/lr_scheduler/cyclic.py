"""Schedules that lead the rate up and down, and the momentum against it."""

from __future__ import annotations

import math
import types
from collections.abc import Callable

from ..optimizer import Optimizer
from .base import LRScheduler, check_optimizer, for_each_group, set_option


class _MomentumCycle(LRScheduler):
    """A schedule that may move the optimizer's momentum (or the first of its betas) too."""

    def _start_momentum(self, optimizer: Optimizer, base_momentum, max_momentum, last_epoch: int) -> None:
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in optimizer.defaults
        highest = for_each_group("max_momentum", optimizer, max_momentum)
        lowest = for_each_group("base_momentum", optimizer, base_momentum)
        if last_epoch != -1:
            return
        for group, high, low in zip(optimizer.param_groups, highest, lowest, strict=True):
            self._set_momentum(group, high)
            group["max_momentum"] = high
            group["base_momentum"] = low

    def _set_momentum(self, group: dict, momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(_MomentumCycle):
    """lr goes up from base_lr to max_lr in `step_size_up` batches and down in `step_size_down`, again and again; the
    momentum goes the other way. `step` is called after every batch.

    The height of a cycle is scaled by 1 ("triangular"), 1 / 2^(cycle - 1) ("triangular2"), gamma^batch ("exp_range"),
    or scale_fn.

    Args:
        optimizer: the optimizer.
        base_lr, max_lr: the lowest and the highest rate, or lists of one for every group.
        step_size_up: batches. Default: 2000.
        step_size_down: batches. Default: step_size_up.
        mode: "triangular", "triangular2" or "exp_range"; ignored where scale_fn is given. Default: "triangular".
        gamma: as above. Default: 1.
        scale_fn: a function of the number of the cycle, from 1, or of the batch. Default: None.
        scale_mode: "cycle" or "iterations": what scale_fn is a function of. Default: "cycle".
        cycle_momentum: move the momentum too. Default: True.
        base_momentum, max_momentum: its lowest and highest value, or lists. Default: 0.8 and 0.9.
        last_epoch: the last batch; see `LRScheduler`.

    Raises:
        ValueError: for an unknown mode, lists of the wrong length, or an optimizer without momentum where it is moved.

    Source: Smith 2017, arXiv:1506.01186.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        base_lrs = for_each_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs, strict=True):
                set_option(group, "lr", rate)
        self.max_lrs = for_each_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        if not (up > 0 and self.total_size >= up):
            raise ValueError(
                f"step_size_up must be positive and step_size_down not negative, but got {step_size_up} and "
                f"{step_size_down}"
            )
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.scale_mode = scale_mode
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(optimizer, base_momentum, max_momentum, last_epoch)
            self.base_momentums = for_each_group("base_momentum", optimizer, base_momentum)
            self.max_momentums = for_each_group("max_momentum", optimizer, max_momentum)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of a cycle, by its number or by the batch; see `scale_mode`."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular2":
            return 1 / (2.0 ** (x - 1))
        return self.gamma**x if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            momentums = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, low, high in momentums:
                self._set_momentum(group, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict:
        """As `LRScheduler.state_dict`; of scale_fn only the attributes of a callable object are saved."""
        own = self._scale_fn_custom
        saved = None if own is None or isinstance(own, types.FunctionType) else dict(own.__dict__)
        return {**super().state_dict(), "_scale_fn_custom": saved}

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_scale_fn_custom"})
        if state_dict["_scale_fn_custom"] is not None:
            self._scale_fn_custom.__dict__.update(state_dict["_scale_fn_custom"])


class OneCycleLR(_MomentumCycle):
    """lr goes from max_lr / div_factor up to max_lr in the first part of training, then down to
    max_lr / div_factor / final_div_factor; the momentum goes the other way. `step` is called after every batch.

    Args:
        optimizer: the optimizer.
        max_lr: the highest rate, or a list of one for every group.
        total_steps: batches in all. Default: epochs * steps_per_epoch.
        epochs, steps_per_epoch: instead of total_steps.
        pct_start: the part of them in which lr goes up. Default: 0.3.
        anneal_strategy: "cos" or "linear". Default: "cos".
        cycle_momentum: move the momentum too. Default: True.
        base_momentum, max_momentum: its lowest and highest value, or lists. Default: 0.85 and 0.95.
        div_factor: as above. Default: 25.
        final_div_factor: as above. Default: 1e4.
        three_phase: go down to the first rate in as many batches as up, and from there to the last. Default: False.
        last_epoch: the last batch; see `LRScheduler`.

    Raises:
        ValueError: for counts that are missing or not positive, pct_start outside [0, 1], an unknown strategy, lists of
            the wrong length, or an optimizer without momentum where it is moved; by `step`, after the last batch.

    Source: Smith and Topin 2018, arXiv:1708.07120.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        if total_steps is not None:
            self.total_steps = _positive("total_steps", total_steps)
        elif epochs is not None and steps_per_epoch is not None:
            self.total_steps = _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)
        else:
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_func_type = anneal_strategy
        top = float(pct_start * self.total_steps) - 1
        # Where each phase ends, and from which to which entry of a group lr and momentum go in it.
        if three_phase:
            back = float(2 * pct_start * self.total_steps) - 2
            ends = [(top, "max_lr", "base_momentum"), (back, "initial_lr", "max_momentum")]
        else:
            ends = [(top, "max_lr", "base_momentum")]
        ends.append((self.total_steps - 1, "min_lr", "max_momentum"))
        starts = [("initial_lr", "max_momentum"), *((lr, momentum) for _, lr, momentum in ends)]
        self._schedule_phases = [
            {
                "end_step": end,
                "start_lr": start_lr,
                "end_lr": end_lr,
                "start_momentum": start_momentum,
                "end_momentum": end_momentum,
            }
            for (end, end_lr, end_momentum), (start_lr, start_momentum) in zip(ends, starts, strict=False)
        ]
        max_lrs = for_each_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, max_lrs, strict=True):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)

    def get_lr(self) -> list:
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is {self.total_steps}")
        start = 0.0
        for phase in self._schedule_phases:
            if step <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            start = phase["end_step"]
        length = phase["end_step"] - start
        part = (step - start) / length if length else 1.0
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                momentum = self._between(group[phase["start_momentum"]], group[phase["end_momentum"]], part)
                self._set_momentum(group, momentum)
        return rates


def _positive(name: str, count: int) -> int:
    if not isinstance(count, int) or count <= 0:
        raise ValueError(f"Expected positive integer {name}, but got {count}")
    return count
