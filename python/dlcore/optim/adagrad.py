"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from .fused import FusedOptimizer, Lists
from .optimizer import check_lr, check_not_negative, check_options


class Adagrad(FusedOptimizer):
    """Steps scaled by the sum of all squared gradients so far.

    g = grad + weight_decay p;  s = s + g^2;  p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps) at step t.

    Args:
        params: tensors, named tensors or parameter groups; see `Optimizer`.
        lr: the learning rate. Default: 1e-2.
        lr_decay, weight_decay: as above. Default: 0.
        initial_accumulator_value: what s starts from. Default: 0.
        eps: as above. Default: 1e-10.
        maximize: climb instead of descending. Default: False.
        foreach, fused: accepted; a step is one fused pass over all parameters anyway.

    Raises:
        ValueError: for a negative lr or option.
        RuntimeError: in step, for weight_decay with a gradient of rows (`Embedding` with sparse=True), whose other
            rows stay as they are.

    Source: Duchi et al. 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization".
    """

    _no_sparse = None

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative(
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )
        check_options(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param] = self._start(group, param)

    def _options_since(self) -> dict:
        return {**super()._options_since(), "fused": None}

    def _state_names(self, group: dict) -> tuple[str, ...]:
        return ("sum",)

    def _start(self, group: dict, param: Tensor) -> dict:
        return {"step": 0, "sum": _core.full_like(param, self.defaults["initial_accumulator_value"])}

    def _pass(self, group: dict, lists: Lists) -> None:
        if any(grad.is_sparse for grad in lists.grads):
            if group["weight_decay"] != 0:
                raise RuntimeError("weight_decay option is not compatible with sparse gradients")
            lists = _without_rows(group, lists)
        _core._adagrad_step(
            lists.params,
            lists.grads,
            *lists.states,
            lists.steps,
            float(group["lr"]),
            group["lr_decay"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
        )


@no_grad()
def _without_rows(group: dict, lists: Lists) -> Lists:
    """Take the step for those whose gradient is of rows, where other rows stay as they are; what is left."""
    left = lists._replace(params=[], grads=[], states=[[]], steps=[])
    for param, grad, total, step in zip(lists.params, lists.grads, lists.states[0], lists.steps, strict=True):
        if not grad.is_sparse:
            for each, value in zip((left.params, left.grads, left.states[0], left.steps), (param, grad, total, step)):
                each.append(value)
            continue
        grad = grad.coalesce()
        rows, g = grad.indices()[0], -grad.values() if group["maximize"] else grad.values()
        s = total.index_select(0, rows) + g * g
        total.index_copy_(0, rows, s)
        lr = float(group["lr"]) / (1 + (step - 1) * group["lr_decay"])
        param.index_add_(0, rows, g / (s.sqrt() + group["eps"]), alpha=-lr)
    return left
