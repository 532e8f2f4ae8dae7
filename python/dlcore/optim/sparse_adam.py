"""Adam for tables of which a step reads few rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from .optimizer import Optimizer


class SparseAdam(Optimizer):
    """Adam that changes a row, and its running means, only at the steps whose gradient has this row.

    For the rows of the gradient g, at step t, counted for the whole table:
    m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
    p = p - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + eps).

    Args:
        params: tensors, named tensors or parameter groups; see `Optimizer`.
        lr: the learning rate. Default: 1e-3.
        betas: (beta1, beta2). Default: (0.9, 0.999).
        eps: as above. Default: 1e-8.
        maximize: climb instead of descending. Default: False.

    Raises:
        ValueError: for an lr or eps that is not positive, a beta outside [0, 1), or a parameter that is of rows.
        RuntimeError: in step, for a gradient that is not of rows; see `Embedding`'s sparse.

    Source: Kingma and Ba 2015, arXiv:1412.6980, with means that wait for their rows.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        sparse = [
            [i, j]
            for i, group in enumerate(self.param_groups)
            for j, param in enumerate(group["params"])
            if param.is_sparse
        ]
        if sparse:
            raise ValueError(f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors")

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for own in self.state.values():
            own["step"] = int(own["step"])

    @no_grad()
    def step(self, closure: Callable | None = None):
        """Change the parameters once; see `Optimizer.step`."""
        loss = self._evaluate(closure)
        for group in self.param_groups:
            params = [param for param in group["params"] if param.grad is not None]
            if not all(param.grad.is_sparse for param in params):
                raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
            for param in params:
                own = self.state[param]
                if not own:
                    own.update(step=0, exp_avg=_core.zeros_like(param), exp_avg_sq=_core.zeros_like(param))
                own["step"] += 1
                if param.grad._nnz():
                    _update(param, param.grad.coalesce(), group, own["exp_avg"], own["exp_avg_sq"], own["step"])
        return loss


def _update(param: Tensor, grad: Tensor, group: dict, exp_avg: Tensor, exp_avg_sq: Tensor, step: int) -> None:
    rows, g = grad.indices()[0], -grad.values() if group["maximize"] else grad.values()
    beta1, beta2 = group["betas"]
    m = beta1 * exp_avg.index_select(0, rows) + (1 - beta1) * g
    v = beta2 * exp_avg_sq.index_select(0, rows) + (1 - beta2) * g * g
    exp_avg.index_copy_(0, rows, m)
    exp_avg_sq.index_copy_(0, rows, v)
    size = float(group["lr"]) * math.sqrt(1 - beta2**step) / (1 - beta1**step)
    param.index_add_(0, rows, m / (v.sqrt() + group["eps"]), alpha=-size)
