"""Adamax, NAdam and RAdam: other uses of Adam's running means."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _core
from .._core import Tensor
from .fused import FusedOptimizer, Lists
from .optimizer import check_betas, check_lr, check_not_negative, check_options


class Adamax(FusedOptimizer):
    """Adam with the largest gradient, fading, in place of the root of the mean square.

    g = grad + weight_decay p;  m = beta1 m + (1 - beta1) g;  u = max(beta2 u, |g| + eps);
    p = p - lr / (1 - beta1^t) m / u at step t.

    Args:
        params: tensors, named tensors or parameter groups; see `Optimizer`.
        lr: the learning rate. Default: 2e-3.
        betas: (beta1, beta2). Default: (0.9, 0.999).
        eps: as above. Default: 1e-8.
        weight_decay: as above. Default: 0.
        maximize: climb instead of descending. Default: False.
        foreach, capturable: accepted; a step is one fused pass over all parameters anyway.

    Raises:
        ValueError: for a negative lr, eps or weight decay, or a beta outside [0, 1).

    Source: Kingma and Ba 2015, arXiv:1412.6980, section 7.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps, weight_decay=weight_decay)
        check_options(foreach, None, differentiable)
        defaults = {
            "lr": lr,
            "betas": check_betas(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _options_since(self) -> dict:
        return {**super()._options_since(), "capturable": False}

    def _state_names(self, group: dict) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def _pass(self, group: dict, lists: Lists) -> None:
        _core._adamax_step(
            lists.params,
            lists.grads,
            *lists.states,
            lists.steps,
            float(group["lr"]),
            *group["betas"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
        )


class NAdam(FusedOptimizer):
    """Adam with Nesterov's momentum.

    m, v as in `Adam`;  mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2);
    p = p - lr ((1 - mu_t) / (1 - mu_1 ... mu_t) g + mu_{t+1} / (1 - mu_1 ... mu_{t+1}) m)
    / (sqrt(v / (1 - beta2^t)) + eps) at step t.

    Args:
        params: tensors, named tensors or parameter groups; see `Optimizer`.
        lr: the learning rate. Default: 2e-3.
        betas: (beta1, beta2). Default: (0.9, 0.999).
        eps: as above. Default: 1e-8.
        weight_decay: weight_decay p is added to the gradient. Default: 0.
        momentum_decay: as above. Default: 4e-3.
        decoupled_weight_decay: shrink p by lr weight_decay p instead. Default: False.
        maximize: climb instead of descending. Default: False.
        foreach, capturable: accepted; a step is one fused pass over all parameters anyway.

    Raises:
        ValueError: for a negative lr, eps, weight or momentum decay, or a beta outside [0, 1).

    Source: Dozat 2016, "Incorporating Nesterov Momentum into Adam".
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        check_options(foreach, None, differentiable)
        defaults = {
            "lr": lr,
            "betas": check_betas(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _options_since(self) -> dict:
        return {**super()._options_since(), "capturable": False, "decoupled_weight_decay": False}

    def _state_names(self, group: dict) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "mu_product")

    def _start(self, group: dict, param: Tensor) -> dict:
        return {
            "step": 0,
            "mu_product": _core.ones(()),
            "exp_avg": _core.zeros_like(param),
            "exp_avg_sq": _core.zeros_like(param),
        }

    def _pass(self, group: dict, lists: Lists) -> None:
        _core._nadam_step(
            lists.params,
            lists.grads,
            *lists.states,
            lists.steps,
            float(group["lr"]),
            *group["betas"],
            group["eps"],
            group["weight_decay"],
            group["momentum_decay"],
            group["decoupled_weight_decay"],
            group["maximize"],
        )


class RAdam(FusedOptimizer):
    """Adam whose adaptive step waits until the mean square of the gradient is known well enough.

    m, v as in `Adam`;  rho_inf = 2 / (1 - beta2) - 1;  rho = rho_inf - 2 t beta2^t / (1 - beta2^t);
    r = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho));
    p = p - lr m / (1 - beta1^t) r sqrt(1 - beta2^t) / (sqrt(v) + eps) at step t where rho > 5, and
    p = p - lr m / (1 - beta1^t) before that.

    Args:
        params: tensors, named tensors or parameter groups; see `Optimizer`.
        lr: the learning rate. Default: 1e-3.
        betas: (beta1, beta2). Default: (0.9, 0.999).
        eps: as above. Default: 1e-8.
        weight_decay: weight_decay p is added to the gradient. Default: 0.
        decoupled_weight_decay: shrink p by lr weight_decay p instead. Default: False.
        maximize: climb instead of descending. Default: False.
        foreach, capturable: accepted; a step is one fused pass over all parameters anyway.

    Raises:
        ValueError: for a negative lr, eps or weight decay, or a beta outside [0, 1).

    Source: Liu et al. 2020, arXiv:1908.03265.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps, weight_decay=weight_decay)
        check_options(foreach, None, differentiable)
        defaults = {
            "lr": lr,
            "betas": check_betas(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _options_since(self) -> dict:
        return {**super()._options_since(), "capturable": False, "decoupled_weight_decay": False}

    def _state_names(self, group: dict) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _pass(self, group: dict, lists: Lists) -> None:
        _core._radam_step(
            lists.params,
            lists.grads,
            *lists.states,
            lists.steps,
            float(group["lr"]),
            *group["betas"],
            group["eps"],
            group["weight_decay"],
            group["decoupled_weight_decay"],
            group["maximize"],
        )
