"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .. import _core
from .optimizer import Optimizer, check_lr, check_options


class Adam(Optimizer):
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

    Source: Kingma and Ba 2015, arXiv:1412.6980; amsgrad: Reddi et al. 2018, arXiv:1904.09237.
    """

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
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        if not weight_decay >= 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        check_options(foreach, fused, differentiable)
        defaults = {
            "lr": lr,
            "betas": tuple(float(beta) for beta in betas),
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

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("decoupled_weight_decay", False)
        for own in self.state.values():
            if "step" in own:
                own["step"] = int(own["step"])

    def step(self, closure: Callable | None = None):
        """Change the parameters once; see `Optimizer.step`."""
        loss = self._evaluate(closure)
        for group in self.param_groups:
            amsgrad = group["amsgrad"]
            params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps = [], [], [], [], [], []
            for param in group["params"]:
                grad = param.grad
                if grad is None:
                    continue
                own = self.state[param]
                if not own:
                    own.update(step=0, exp_avg=_core.zeros_like(param), exp_avg_sq=_core.zeros_like(param))
                    if amsgrad:
                        own["max_exp_avg_sq"] = _core.zeros_like(param)
                own["step"] += 1
                params.append(param)
                grads.append(grad)
                exp_avgs.append(own["exp_avg"])
                exp_avg_sqs.append(own["exp_avg_sq"])
                if amsgrad:
                    max_exp_avg_sqs.append(own["max_exp_avg_sq"])
                steps.append(own["step"])
            if not params:
                continue
            beta1, beta2 = group["betas"]
            _core._adam_step(
                params,
                grads,
                exp_avgs,
                exp_avg_sqs,
                max_exp_avg_sqs,
                steps,
                float(group["lr"]),
                beta1,
                beta2,
                group["eps"],
                group["weight_decay"],
                group["decoupled_weight_decay"],
                amsgrad,
                group["maximize"],
            )
        return loss


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
