"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _core
from .fused import FusedOptimizer, Lists
from .optimizer import check_lr, check_not_negative, check_options


class SGD(FusedOptimizer):
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

    A gradient of rows (`Embedding` with sparse=True) changes only these where momentum and weight_decay are 0. With
    them every row changes at every step, and the gradient becomes a dense one.

    Raises:
        ValueError: for a negative lr, momentum or weight decay, or where Nesterov's momentum is not possible.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
    """

    _counts_steps = False
    _no_sparse = None

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
        check_not_negative(momentum=momentum, weight_decay=weight_decay)
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
        for own in self.state.values():
            if own.get("momentum_buffer", own) is None:  # as PyTorch saves it where there is no momentum
                del own["momentum_buffer"]

    def _options_since(self) -> dict:
        return {**super()._options_since(), "nesterov": False}

    def _state_names(self, group: dict) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    def _pass(self, group: dict, lists: Lists) -> None:
        rows = list(zip(lists.params, lists.grads, *lists.states, strict=True)) if lists.fresh else []
        if not rows or len(lists.fresh) == len(rows):
            _step(group, lists.params, lists.grads, *lists.states, first_step=bool(rows))
            return
        fresh = set(lists.fresh)
        for first_step in (True, False):
            chosen = [row for i, row in enumerate(rows) if (i in fresh) == first_step]
            _step(group, *map(list, zip(*chosen, strict=True)), first_step=first_step)


def _step(group: dict, params: list, grads: list, buffers: list = (), *, first_step: bool) -> None:
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
