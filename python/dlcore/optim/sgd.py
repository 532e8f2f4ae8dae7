"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .. import _core
from .optimizer import Optimizer, check_lr, check_options


class SGD(Optimizer):
    """Gradient descent with momentum.

    g = grad + weight_decay p;  m = momentum m + (1 - dampening) g, and m = g at the first step;
    p = p - lr d, with d = g without momentum, m with it, and g + momentum m with Nesterov's.

    Args:
        params: tensors, named tensors or parameter groups; see `Optimizer`.
        lr: the learning rate. Default: 1e-3.
        momentum, dampening, weight_decay: as above. Default: 0.
        nesterov: Nesterov's momentum, which needs momentum and no dampening. Default: False.
        maximize: climb instead of descending. Default: False.
        foreach, fused: accepted; a step is one fused pass over all parameters anyway.

    Raises:
        ValueError: for a negative lr, momentum or weight decay, or where Nesterov's momentum is not possible.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_options(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("maximize", False)

    def step(self, closure: Callable | None = None):
        """Change the parameters once; see `Optimizer.step`."""
        loss = self._evaluate(closure)
        for group in self.param_groups:
            params, grads = [], []
            for param in group["params"]:
                grad = param.grad
                if grad is not None:
                    params.append(param)
                    grads.append(grad)
            if group["momentum"] == 0:
                _pass(group, params, grads, [], first_step=False)
                continue
            fresh, known = ([], [], []), ([], [], [])
            for param, grad in zip(params, grads, strict=True):
                state = self.state[param]
                buffer = state.get("momentum_buffer")
                lists = fresh if buffer is None else known
                if buffer is None:
                    buffer = state["momentum_buffer"] = _core.zeros_like(param)
                for each, value in zip(lists, (param, grad, buffer), strict=True):
                    each.append(value)
            _pass(group, *fresh, first_step=True)
            _pass(group, *known, first_step=False)
        return loss


def _pass(group: dict, params: list, grads: list, buffers: list, first_step: bool) -> None:
    if params:
        _core._sgd_step(
            params,
            grads,
            buffers,
            float(group["lr"]),
            group["momentum"],
            group["dampening"],
            group["weight_decay"],
            group["nesterov"],
            group["maximize"],
            first_step,
        )
