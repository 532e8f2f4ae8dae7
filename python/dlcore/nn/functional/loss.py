"""Losses. Each is one fused op; `reduction` is "none", "mean" or "sum"."""

from __future__ import annotations

import warnings

from ... import _core
from ..._core import Tensor


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str = "mean") -> str:
    """`reduction`, or what the older arguments `size_average` and `reduce` say in its place."""
    if size_average is None and reduce is None:
        return reduction
    average = True if size_average is None else size_average
    reduction = "none" if reduce is False else "mean" if average else "sum"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.", stacklevel=4
    )
    return reduction


def _weighted(loss, input: Tensor, target: Tensor, reduction: str, weight: Tensor | None) -> Tensor:
    """loss(input, target, reduction); with a weight for each element the mean is over the sum of weights."""
    if weight is None:
        return loss(input, target, reduction)
    losses = weight * loss(input, target, "none")
    if reduction == "mean":
        return losses.sum() / weight.expand_as(losses).sum()
    return losses.sum() if reduction == "sum" else losses


def _warn_of_broadcast(input: Tensor, target: Tensor) -> None:
    if target.shape != input.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-sum_c target_c log(softmax(input)_c): see `dlcore.nn.CrossEntropyLoss`."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.cross_entropy(
        input, target, weight=weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
    )


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input[target], averaged: see `dlcore.nn.NLLLoss`."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.nll_loss(input, target, weight=weight, ignore_index=ignore_index, reduction=reduction)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)^2, reduced. With `weight` (of the input's shape) the mean is over the sum of weights."""
    reduction = reduction_of(size_average, reduce, reduction)
    _warn_of_broadcast(input, target)
    return _weighted(_core.mse_loss, input, target, reduction, weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|, reduced. With `weight` (of the input's shape) the mean is over the sum of weights."""
    reduction = reduction_of(size_average, reduce, reduction)
    _warn_of_broadcast(input, target)
    return _weighted(_core.l1_loss, input, target, reduction, weight)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d^2 / (2 beta) where d = |input - target| < beta, else d - beta / 2; reduced."""
    reduction = reduction_of(size_average, reduce, reduction)
    _warn_of_broadcast(input, target)
    return _core.smooth_l1_loss(input, target, reduction, beta)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d^2 / 2 where d = |input - target| <= delta, else delta (d - delta / 2), times `weight`; reduced."""
    _warn_of_broadcast(input, target)
    if weight is None:
        return _core.huber_loss(input, target, reduction, delta)
    losses = weight * _core.huber_loss(input, target, "none", delta)
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t log(x) + (1 - t) log(1 - x)) for probabilities x, with the logarithms no less than -100; reduced."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.binary_cross_entropy(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-(p t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x))), computed without overflow; reduced.

    `weight` scales each loss, `pos_weight` (p above) those of the positive examples; both broadcast.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target (log(target) - input) for log-probabilities `input`; "batchmean" divides the sum by input.shape[0].

    `log_target` says that the target holds logarithms too: exp(target) (target - input).
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides "
            "only by the batch size, and aligns with the KL math definition.",
            stacklevel=2,
        )
    return _core.kl_div(input, target, reduction, log_target)
