"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _core
from .fused import FusedOptimizer, Lists
from .optimizer import check_betas, check_lr, check_not_negative, check_options


class Adam(FusedOptimizer):
    """Steps scaled by running means of the gradient and of its square.

    g = grad + weight_decay p;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
    p = p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) at step t.

    Args:
        params: tensors, named tensors or parameter groups; see `Optimizer`.
        lr: the learning rate. Default: 1e-3.
        betas: (beta1, beta2). Default: (0.9, 0.999).
        eps: as above. Default: 1e-8.
        weight_decay: as above. Default: 0.
        amsgrad: use the largest v so far. Default: False.
        maximize: climb instead of descending. Default: False.
        decoupled_weight_decay: shrink p by lr weight_decay p instead of adding to g, as `AdamW`. Default: False.
        foreach, fused, capturable: accepted; a step is one fused pass over all parameters anyway.

    Raises:
        ValueError: for a negative lr, eps or weight decay, or a beta outside [0, 1).
        RuntimeError: in step, for a gradient of rows; see `SparseAdam`.

    Source: Kingma and Ba 2015, arXiv:1412.6980; amsgrad: Reddi et al. 2018, arXiv:1904.09237.
    """

    _no_sparse = "does not support sparse gradients, please consider SparseAdam instead"

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps, weight_decay=weight_decay)
        check_options(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "betas": check_betas(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _options_since(self) -> dict:
        return {**super()._options_since(), "amsgrad": False, "decoupled_weight_decay": False}

    def _state_names(self, group: dict) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def _pass(self, group: dict, lists: Lists) -> None:
        exp_avgs, exp_avg_sqs, *largest = lists.states
        _core._adam_step(
            lists.params,
            lists.grads,
            exp_avgs,
            exp_avg_sqs,
            largest[0] if largest else [],
            lists.steps,
            float(group["lr"]),
            *group["betas"],
            group["eps"],
            group["weight_decay"],
            group["decoupled_weight_decay"],
            group["amsgrad"],
            group["maximize"],
        )


class AdamW(Adam):
    """`Adam` with the weight decay apart from the gradient: p = p - lr weight_decay p, then Adam's step.

    The arguments are Adam's; the weight decay is 1e-2 by default.

    Source: Loshchilov and Hutter 2019, arXiv:1711.05101.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
