"""Lion."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _core
from .fused import FusedOptimizer, Lists
from .optimizer import check_betas, check_lr, check_not_negative, check_options


class Lion(FusedOptimizer):
    """Steps of one size, in the direction of the sign of the momentum.

    p = p - lr (sign(beta1 m + (1 - beta1) g) + weight_decay p);  m = beta2 m + (1 - beta2) g.

    Args:
        params: tensors, named tensors or parameter groups; see `Optimizer`.
        lr: the learning rate; a third to a tenth of Adam's. Default: 1e-4.
        betas: (beta1, beta2). Default: (0.9, 0.99).
        weight_decay: as above; three to ten times AdamW's. Default: 0.
        maximize: climb instead of descending. Default: False.
        foreach: accepted; a step is one fused pass over all parameters anyway.

    Raises:
        ValueError: for a negative lr or weight decay, or a beta outside [0, 1).

    Source: Chen et al. 2023, arXiv:2302.06675.
    """

    _counts_steps = False

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(weight_decay=weight_decay)
        check_options(foreach, None, differentiable)
        defaults = {
            "lr": lr,
            "betas": check_betas(betas),
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict) -> tuple[str, ...]:
        return ("exp_avg",)

    def _pass(self, group: dict, lists: Lists) -> None:
        _core._lion_step(
            lists.params,
            lists.grads,
            *lists.states,
            float(group["lr"]),
            *group["betas"],
            group["weight_decay"],
            group["maximize"],
        )
