"""Losses; `reduction` is "none", "mean" or "sum". Which are one fused op: docs/losses.md."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

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


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) - t x, or x - t log(x + eps) where not `log_input`; reduced: see `dlcore.nn.PoissonNLLLoss`."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.poisson_nll_loss(input, target, log_input, full, eps, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log v + (x - t)^2 / v) / 2 with v = max(var, eps); reduced: see `dlcore.nn.GaussianNLLLoss`."""
    return _core.gaussian_nll_loss(input, target, var, full, eps, reduction)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x1, x2) where t = 1, max(0, cos(x1, x2) - margin) where t = -1; reduced."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.cosine_embedding_loss(input1, input2, target, margin, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin - t (x1 - x2)) with t = 1 where x1 is to rank higher, else -1; reduced."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.margin_ranking_loss(input1, input2, target, margin, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + |a - p| - |a - n|), reduced: see `dlcore.nn.TripletMarginLoss`."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + d(a, p) - d(a, n)), reduced: see `dlcore.nn.TripletMarginWithDistanceLoss`."""
    op = "triplet_margin_with_distance_loss"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{op}: reduction must be 'none', 'mean' or 'sum'; got {reduction!r}")
    if not margin > 0:
        raise ValueError(f"{op}: margin must be positive; got {margin}")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            f"{op}: inputs must have the same number of dimensions; got shapes {tuple(anchor.shape)}, "
            f"{tuple(positive.shape)} and {tuple(negative.shape)}"
        )
    distance = _core.pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = _core.minimum(far, distance(positive, negative))
    losses = (margin + near - far).clamp_min(0)
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where t = 1, max(0, margin - x) where t = -1; reduced."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.hinge_embedding_loss(input, target, margin, reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 / C sum over c != t of w_t max(0, margin + x_c - x_t)^p, reduced: see `dlcore.nn.MultiMarginLoss`."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.multi_margin_loss(input, target, p, margin, weight, reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 / C sum over t right, c wrong of max(0, 1 + x_c - x_t), reduced: see `dlcore.nn.MultiLabelMarginLoss`."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.multilabel_margin_loss(input, target, reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes of -w (t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x))); reduced."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.multilabel_soft_margin_loss(input, target, weight, reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-t x)), without overflow; reduced."""
    reduction = reduction_of(size_average, reduce, reduction)
    return _core.soft_margin_loss(input, target, reduction)


def _lengths(name: str, lengths: Tensor | Sequence[int]) -> Sequence[int]:
    if not isinstance(lengths, Tensor):
        return lengths
    if lengths.dtype.is_floating_point or lengths.dtype == _core.bool:
        raise RuntimeError(f"ctc_loss: {name} must be integers; got {lengths.dtype}")
    return lengths.flatten().tolist()


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log p(target) over all alignments with the steps of `log_probs`: see `dlcore.nn.CTCLoss`."""
    input_lengths = _lengths("input_lengths", input_lengths)
    target_lengths = _lengths("target_lengths", target_lengths)
    return _core.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)
