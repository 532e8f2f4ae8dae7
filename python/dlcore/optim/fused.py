"""`FusedOptimizer`, the base class of the optimizers whose step is one pass over all parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from .. import _core
from .._core import Tensor
from .optimizer import Optimizer


class Lists(NamedTuple):
    """What a pass takes: one element in each list for every parameter that has a gradient."""

    params: list[Tensor]
    grads: list[Tensor]
    states: list[list[Tensor]]  # a list for every name of `_state_names`
    steps: list[int]  # the number of this step, from 1; empty where steps are not counted
    fresh: list[int]  # the numbers of the parameters that take their first step


class FusedOptimizer(Optimizer):
    """Changes all parameters of a group in one pass. A subclass names what it keeps for each and takes the pass."""

    _counts_steps = True
    _no_sparse: str | None = "does not support sparse gradients"  # None: it does

    def _state_names(self, group: dict) -> tuple[str, ...]:
        """The keys of what is kept for each parameter of the group, but "step"."""
        raise NotImplementedError(f"{type(self).__name__} must define _state_names")

    def _pass(self, group: dict, lists: Lists) -> None:
        """Take the step for the parameters of the group that have a gradient."""
        raise NotImplementedError(f"{type(self).__name__} must define _pass")

    def _start(self, group: dict, param: Tensor) -> dict:
        """The state of a parameter before its first step."""
        zeros = {name: _core.zeros_like(param) for name in self._state_names(group)}
        return {"step": 0, **zeros} if self._counts_steps else zeros

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self._options_since().items():
                group.setdefault(name, value)
        for own in self.state.values():
            if "step" in own:
                own["step"] = int(own["step"])

    def _options_since(self) -> dict:
        """Options that states saved by older versions lack, with the values that they stand for."""
        return {"maximize": False, "foreach": None, "differentiable": False}

    def step(self, closure: Callable | None = None):
        """Change the parameters once; see `Optimizer.step`."""
        loss = self._evaluate(closure)
        for group in self.param_groups:
            lists = Lists(
                *_core._state_lists(
                    group["params"],
                    self.state,
                    self._state_names(group),
                    partial(self._start, group),
                    self._counts_steps,
                )
            )
            if self._no_sparse and any(grad.is_sparse for grad in lists.grads):
                raise RuntimeError(f"{type(self).__name__} {self._no_sparse}")
            if lists.params:
                self._pass(group, lists)
        return loss
