"""L-BFGS."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import enable_grad, no_grad
from .optimizer import Optimizer, check_lr


class _Point(NamedTuple):
    """A point on the line x + t d: the loss there, its gradient, and its slope along d."""

    t: float
    loss: float
    grad: Tensor
    slope: float


class LBFGS(Optimizer):
    """Quasi-Newton steps from the gradients of the last `history_size` steps.

    s_k = x_{k+1} - x_k, y_k = grad_{k+1} - grad_k; the direction d = -H grad, where H is the inverse Hessian that the
    pairs (s_k, y_k) imply, starting from (s y) / (y y) I, by the two-loop recursion. Then x = x + t d, with t = lr, or
    the t that a line search for the strong Wolfe conditions finds.

    Args:
        params: tensors or one parameter group; see `Optimizer`.
        lr: the length t of a step, or where the line search starts. Default: 1.
        max_iter: the most iterations in a call of `step`. Default: 20.
        max_eval: the most evaluations of the closure in a call. Default: 1.25 max_iter.
        tolerance_grad: stop where no element of the gradient is larger. Default: 1e-7.
        tolerance_change: stop where the loss or every parameter changes by less. Default: 1e-9.
        history_size: the pairs that are kept. Default: 100.
        line_search_fn: "strong_wolfe" or None. Default: None.

    Raises:
        ValueError: for a negative lr, a history shorter than 1, or more than one parameter group.

    Source: Nocedal and Wright 2006, "Numerical Optimization", algorithms 3.5, 3.6 and 7.4.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        if not history_size >= 1:
            raise ValueError(f"Invalid history_size value: {history_size}")
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def _flat_grad(self) -> Tensor:
        return _core.cat([(_core.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in self._params])

    def _move(self, t: float, d: Tensor) -> None:
        start = 0
        for param in self._params:
            param.add_(d[start : start + param.numel()].view_as(param), alpha=t)
            start += param.numel()

    @no_grad()
    def step(self, closure: Callable):
        """Take up to `max_iter` quasi-Newton steps.

        Args:
            closure: computes the loss and its gradients anew, and returns the loss.

        Returns:
            the loss before.
        """
        group = self.param_groups[0]
        lr = float(group["lr"])
        smallest = group["tolerance_change"]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        closure = enable_grad()(closure)

        def evaluate() -> tuple[float, Tensor]:
            state["func_evals"] += 1
            return float(closure()), self._flat_grad()

        def at(t: float, d: Tensor) -> _Point:
            self._move(t, d)
            loss, grad = evaluate()
            for param, value in zip(self._params, before, strict=True):
                param.copy_(value)
            return _Point(t, loss, grad, float(grad.dot(d)))

        # All of the state is the first parameter's: loading casts it to that one's dtype.
        state = self.state[self._params[0]]
        for name in ("func_evals", "n_iter"):
            state.setdefault(name, 0)
        evaluations = state["func_evals"]
        state["func_evals"] += 1
        first_loss = closure()
        loss, grad = float(first_loss), self._flat_grad()
        if _largest(grad) <= group["tolerance_grad"]:
            return first_loss

        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = self._direction(state, grad, group["history_size"])
            state.update(d=d, prev_flat_grad=grad, prev_loss=loss)
            t = state["t"] = lr if state["n_iter"] > 1 else min(1.0, 1.0 / float(grad.abs().sum())) * lr
            slope = float(grad.dot(d))
            if slope > -smallest:
                break
            left = group["max_eval"] - (state["func_evals"] - evaluations)
            if group["line_search_fn"] is not None:
                before = [param.clone() for param in self._params]
                found = _strong_wolfe(lambda t, d=d: at(t, d), _Point(0.0, loss, grad, slope), t, _largest(d), left)
                t, loss, grad, _ = found
                state["t"] = t
                self._move(t, d)
            else:
                self._move(t, d)
                if iteration < group["max_iter"]:  # after the last one nobody needs them
                    loss, grad = evaluate()
            if (
                state["func_evals"] - evaluations >= group["max_eval"]
                or _largest(grad) <= group["tolerance_grad"]
                or abs(t) * _largest(d) <= smallest
                or abs(loss - state["prev_loss"]) < smallest
            ):
                break
        return first_loss

    @staticmethod
    def _direction(state: dict, grad: Tensor, history_size: int) -> Tensor:
        """-H grad, by the two-loop recursion, after the last step has entered the history."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -grad
        ys, ss, ro = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = grad - state["prev_flat_grad"], state["d"] * float(state["t"])
        curvature = float(y.dot(s))
        if curvature > 1e-10:
            for kept, value in ((ys, y), (ss, s), (ro, 1.0 / curvature)):
                del kept[: max(0, len(kept) + 1 - history_size)]
                kept.append(value)
            state["H_diag"] = curvature / float(y.dot(y))
        d = -grad
        shares = []
        for y, s, r in zip(reversed(ys), reversed(ss), reversed(ro), strict=True):
            shares.append(float(s.dot(d)) * float(r))
            d.add_(y, alpha=-shares[-1])
        d.mul_(float(state["H_diag"]))
        for y, s, r, share in zip(ys, ss, ro, reversed(shares), strict=True):
            d.add_(s, alpha=share - float(y.dot(d)) * float(r))
        return d


def _largest(x: Tensor) -> float:
    return float(x.abs().max())


def _cubic_minimum(a: _Point, b: _Point, low: float, high: float) -> float:
    """Where the cubic through two points with their slopes is lowest, within [low, high]; else the middle of them."""
    if a.t > b.t:
        a, b = b, a
    if a.t != b.t:
        d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
        square = d1**2 - a.slope * b.slope
        if square >= 0:
            d2 = math.sqrt(square)
            denominator = b.slope - a.slope + 2 * d2
            if denominator != 0:
                return min(max(b.t - (b.t - a.t) * (b.slope + d2 - d1) / denominator, low), high)
    return (low + high) / 2


def _strong_wolfe(
    evaluate: Callable[[float], _Point],
    start: _Point,
    t: float,
    size: float,
    most: int,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
) -> _Point:
    """A point with loss <= start.loss + c1 t start.slope and |slope| <= c2 |start.slope|, or the lowest that was found.

    First the step grows until an interval holds such a point, then the interval shrinks around it.

    Args:
        evaluate: gives the point at t.
        start: the point at 0.
        t: where to look first.
        size: the largest element of the direction.
        most: evaluations that may be spent, beyond the first.
    """

    def too_high(point: _Point) -> bool:
        return point.loss > start.loss + c1 * point.t * start.slope

    def flat(point: _Point) -> bool:
        return abs(point.slope) <= -c2 * start.slope

    previous, point = start, evaluate(t)
    spent = 0
    while spent < most:
        if too_high(point) or (spent > 1 and point.loss >= previous.loss):
            break
        if flat(point):
            return point
        if point.slope >= 0:
            break
        low, high = point.t + 0.01 * (point.t - previous.t), point.t * 10
        previous, point = point, evaluate(_cubic_minimum(previous, point, low, high))
        spent += 1
    else:
        previous = start

    best, other = (previous, point) if previous.loss <= point.loss else (point, previous)
    stalled = False
    while spent < most and abs(best.t - other.t) * size >= tolerance_change:
        low, high = min(best.t, other.t), max(best.t, other.t)
        t = _cubic_minimum(best, other, low, high)
        margin = 0.1 * (high - low)
        # Twice near an end, or at one: a tenth of the interval away from it.
        near = min(high - t, t - low) < margin
        if near and (stalled or t >= high or t <= low):
            t = high - margin if abs(t - high) < abs(t - low) else low + margin
            near = False
        stalled = near
        point = evaluate(t)
        spent += 1
        if too_high(point) or point.loss >= best.loss:
            other = point
            if other.loss < best.loss:
                best, other = other, best
            continue
        if flat(point):
            return point
        if point.slope * (other.t - best.t) >= 0:
            other = best
        best = point
    return best
