"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _core
from .fused import FusedOptimizer, Lists
from .optimizer import check_lr, check_not_negative, check_options


class RMSprop(FusedOptimizer):
    """Steps scaled by a running mean of the squared gradient.

    g = grad + weight_decay p;  s = alpha s + (1 - alpha) g^2;  d = g / (sqrt(s) + eps);  b = momentum b + d;
    p = p - lr b. Centered, the variance s - a^2 takes the place of s, with a the running mean of g.

    Args:
        params: tensors, named tensors or parameter groups; see `Optimizer`.
        lr: the learning rate. Default: 1e-2.
        alpha: as above. Default: 0.99.
        eps: as above. Default: 1e-8.
        weight_decay, momentum: as above. Default: 0.
        centered: scale by the variance. Default: False.
        maximize: climb instead of descending. Default: False.
        foreach, capturable: accepted; a step is one fused pass over all parameters anyway.

    Raises:
        ValueError: for a negative lr or option.

    Source: Hinton 2012, lecture 6e of "Neural Networks for Machine Learning"; centered: Graves 2013, arXiv:1308.0850.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        check_options(foreach, None, differentiable)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _options_since(self) -> dict:
        return {**super()._options_since(), "momentum": 0, "centered": False, "capturable": False}

    def _state_names(self, group: dict) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if group["momentum"] > 0 else ()
        return ("square_avg", *momentum, "grad_avg") if group["centered"] else ("square_avg", *momentum)

    def _pass(self, group: dict, lists: Lists) -> None:
        kept = dict(zip(self._state_names(group), lists.states, strict=True))
        _core._rmsprop_step(
            lists.params,
            lists.grads,
            kept["square_avg"],
            kept.get("momentum_buffer", []),
            kept.get("grad_avg", []),
            float(group["lr"]),
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            group["momentum"],
            group["centered"],
            group["maximize"],
        )
