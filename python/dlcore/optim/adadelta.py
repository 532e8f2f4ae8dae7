"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _core
from .fused import FusedOptimizer, Lists
from .optimizer import check_lr, check_not_negative, check_options


class Adadelta(FusedOptimizer):
    """Steps scaled by the ratio of the running means of squared steps and squared gradients.

    g = grad + weight_decay p;  s = rho s + (1 - rho) g^2;  d = sqrt(a + eps) / sqrt(s + eps) g;
    a = rho a + (1 - rho) d^2;  p = p - lr d.

    Args:
        params: tensors, named tensors or parameter groups; see `Optimizer`.
        lr: the learning rate. Default: 1.0.
        rho: as above. Default: 0.9.
        eps: as above. Default: 1e-6.
        weight_decay: as above. Default: 0.
        maximize: climb instead of descending. Default: False.
        foreach, capturable: accepted; a step is one fused pass over all parameters anyway.

    Raises:
        ValueError: for a negative lr, eps or weight decay, or a rho outside [0, 1].

    Source: Zeiler 2012, arXiv:1212.5701.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative(eps=eps, weight_decay=weight_decay)
        check_options(foreach, None, differentiable)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _options_since(self) -> dict:
        return {**super()._options_since(), "capturable": False}

    def _state_names(self, group: dict) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def _pass(self, group: dict, lists: Lists) -> None:
        _core._adadelta_step(
            lists.params,
            lists.grads,
            *lists.states,
            float(group["lr"]),
            group["rho"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
        )
