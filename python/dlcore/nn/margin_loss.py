"""Losses of margins: between scores, between classes, between distances of embeddings. `loss` tells of `reduction`."""

from __future__ import annotations

from collections.abc import Callable

from .._core import Tensor
from . import functional as F
from .distance import PairwiseDistance
from .loss import _Loss, _WeightedLoss


class SoftMarginLoss(_Loss):
    """log(1 + exp(-t x)), without overflow.

    Shapes: input of any shape; target of 1 and -1 that broadcasts with it. The loss is a number, or of their shape for
        "none".
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """x where t = 1, max(0, margin - x) where t = -1, for distances x.

    Args:
        margin: how far apart what is unlike should be. Default: 1.

    Shapes: input of any shape; target of 1 and -1 that broadcasts with it. The loss is a number, or of their shape for
        "none".
    """

    def __init__(self, margin: float = 1.0, size_average=None, reduce=None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """max(0, margin - t (x1 - x2)): t = 1 where x1 is to rank higher than x2, -1 where lower.

    Args:
        margin: Default: 0.

    Shapes: three tensors with one number of dimensions that broadcast. The loss is a number, or of their shape for
        "none".
    """

    def __init__(self, margin: float = 0.0, size_average=None, reduce=None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """1 / C sum over c != t of w_t max(0, margin + x_c - x_t)^p: the loss of the multiclass support vector machine.

    Args:
        p: 1 or 2. Default: 1.
        margin: Default: 1.
        weight: (C), a weight for every class. Default: None.

    Shapes: input (C) or (N, C); target of class numbers, (), (1) or (N). The loss is a number, or of the target's shape
        for "none".

    Raises:
        ValueError: if p is neither 1 nor 2, or weight has other than one dimension.
        RuntimeError: if a target is no class, or shapes do not fit.

    Source: Weston, Watkins, "Support vector machines for multi-class pattern recognition", 1999.
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average=None,
        reduce=None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2; got {p}")
        if weight is not None and weight.dim() != 1:
            raise ValueError(f"MultiMarginLoss: weight must have one dimension; got shape {tuple(weight.shape)}")
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class MultiLabelMarginLoss(_Loss):
    """1 / C sum over t right, c wrong of max(0, 1 + x_c - x_t).

    Shapes: input (C) or (N, C); target of the same shape, whose rows list the right classes and end at the first -1.
        The loss is a number, or () or (N) for "none".
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean over classes of -w (t log(sigmoid(x)) + (1 - t) log(1 - sigmoid(x))), without overflow.

    Args:
        weight: (C), a weight for every class; broadcasts to the input. Default: None.

    Shapes: input (*, C); target in [0, 1] of that shape. The loss is a number, or (*) for "none".
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """1 - cos(x1, x2) where t = 1, max(0, cos(x1, x2) - margin) where t = -1.

    Args:
        margin: in [-1, 1]. Default: 0.

    Shapes: inputs (N, D) or (D); target (N) or (). The loss is a number, or of the target's shape for "none".
    """

    def __init__(self, margin: float = 0.0, size_average=None, reduce=None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """max(0, margin + |a - p| - |a - n|): the anchor is to be nearer to the positive than to the negative example.

    Args:
        margin: positive. Default: 1.
        p: the order of the norm. Default: 2.
        eps: added to differences. Default: 1e-6.
        swap: take |p - n| for |a - n| where it is smaller. Default: False.

    Shapes: three tensors (N, D) or (D) that broadcast. The loss is a number, or (N) or () for "none".

    Raises:
        ValueError: if margin is not positive.

    Source: Balntas, Riba, Ponsa, Mikolajczyk, "Learning local feature descriptors with triplets and shallow
        convolutional neural networks", 2016.
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average=None,
        reduce=None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginLoss: margin must be positive; got {margin}")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(_Loss):
    """max(0, margin + d(a, p) - d(a, n)) for any distance d.

    Args:
        distance_function: d(x, y), which reduces the last dimension of two tensors. Default: `PairwiseDistance()`.
        margin: positive. Default: 1.
        swap: take d(p, n) for d(a, n) where it is smaller. Default: False.

    Shapes: three tensors (N, *) with one number of dimensions. The loss is a number, or of the distances' shape for
        "none".

    Raises:
        ValueError: if margin is not positive.
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: margin must be positive; got {margin}")
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
