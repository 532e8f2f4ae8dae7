"""Muon."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from .fused import FusedOptimizer, Lists
from .optimizer import check_lr

_MOST_STEPS = 99


class Muon(FusedOptimizer):
    """Momentum whose steps are made orthogonal, for the matrices of hidden layers.

    b = momentum b + (1 - momentum) g;  u = nesterov ? momentum b + (1 - momentum) g : b;
    p = p - lr weight_decay p - lr r O(u), where O(u) is near U V^T for u = U S V^T: from x = u / |u|, `ns_steps` times
    x = a x + (b (x x^T) + c (x x^T)^2) x, a Newton-Schulz iteration. r = sqrt(max(1, rows / columns)), or with
    "match_rms_adamw" 0.2 sqrt(max(rows, columns)). The iteration runs in float32 (float64 for such parameters).

    Args:
        params: matrices, or parameter groups of them; see `Optimizer`. Biases and embeddings go to another optimizer.
        lr: the learning rate. Default: 1e-3.
        weight_decay: as above. Default: 0.1.
        momentum: as above. Default: 0.95.
        nesterov: as above. Default: True.
        ns_coefficients: (a, b, c) as above. Default: (3.4445, -4.775, 2.0315).
        eps: the least norm that u is divided by. Default: 1e-7.
        ns_steps: iterations, below 100. Default: 5.
        adjust_lr_fn: "original" (r above), "match_rms_adamw" or None (original). Default: None.

    Raises:
        ValueError: for a parameter that is no matrix, a negative lr, momentum or weight decay, another adjustment, or
            (at the first step) 100 iterations or more or another number of coefficients than 3.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; Liu et al. 2025,
    arXiv:2502.16982.
    """

    _counts_steps = False

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                if param.ndim != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {tuple(param.shape)}"
                    )

    def _options_since(self) -> dict:
        return {}

    def _state_names(self, group: dict) -> tuple[str, ...]:
        return ("momentum_buffer",)

    @no_grad()
    def _pass(self, group: dict, lists: Lists) -> None:
        lr, momentum = float(group["lr"]), group["momentum"]
        for param, grad, buffer in zip(lists.params, lists.grads, *lists.states, strict=True):
            buffer.lerp_(grad, 1 - momentum)
            update = _orthogonal(grad.lerp(buffer, momentum) if group["nesterov"] else buffer, group)
            rows, columns = param.shape
            if group["adjust_lr_fn"] == "match_rms_adamw":
                ratio = 0.2 * math.sqrt(max(rows, columns))
            else:
                ratio = math.sqrt(max(1, rows / max(columns, 1)))
            param.mul_(1 - lr * group["weight_decay"])
            param.add_(update.to(param.dtype), alpha=-lr * ratio)


def _orthogonal(matrix: Tensor, group: dict) -> Tensor:
    """U S' V^T with all of S' near 1, for a matrix U S V^T."""
    if group["ns_steps"] > _MOST_STEPS:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(group["ns_coefficients"]) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = group["ns_coefficients"]
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.to(_core.float64 if matrix.dtype == _core.float64 else _core.float32)
    x = x.T if tall else x
    x = x / x.norm().clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.T
        x = _core.addmm(x, _core.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
