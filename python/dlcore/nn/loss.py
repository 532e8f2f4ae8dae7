"""Losses. All reduce the losses of a batch by `reduction`: "mean" (the default), "sum", or "none" to keep them apart.

`size_average` and `reduce` are PyTorch's older way to say so; giving one warns.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import _core
from .._core import Tensor
from . import functional as F
from .functional.loss import reduction_of
from .module import Module


class _Loss(Module):
    def __init__(self, size_average=None, reduce=None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction)


class _WeightedLoss(_Loss):
    def __init__(self, weight: Tensor | None = None, size_average=None, reduce=None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """-sum_c target_c log(softmax(input)_c), for class numbers or class probabilities as the target.

    For class numbers y: l_n = -w[y_n] log(softmax(x_n)[y_n]), and the mean is sum_n l_n / sum_n w[y_n] over the targets
    that are not `ignore_index`. For probabilities the mean divides by the size of the batch (and of the further
    dimensions).

    Args:
        weight: (C), a weight for every class. Default: None.
        ignore_index: a class number whose examples count neither in the loss nor in the mean. Default: -100.
        label_smoothing: e in [0, 1]: the target becomes (1 - e) target + e / C. Default: 0.

    Shapes: input (C), (N, C) or (N, C, d1, ...); class numbers (), (N) or (N, d1, ...) of an integer type;
        probabilities of the input's shape. The loss is a number, or of the class numbers' shape for "none".
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average=None,
        ignore_index: int = -100,
        reduce=None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _core.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """l_n = -w[y_n] x_n[y_n] for log-probabilities x and class numbers y; the mean is sum_n l_n / sum_n w[y_n].

    Args:
        weight: (C), a weight for every class. Default: None.
        ignore_index: a class number whose examples do not count. Default: -100.

    Shapes: input (C), (N, C) or (N, C, d1, ...); target (), (N) or (N, d1, ...) of an integer type. The loss is a
        number, or of the target's shape for "none".
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average=None,
        ignore_index: int = -100,
        reduce=None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _core.nll_loss(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MSELoss(_Loss):
    """(x - y)^2.

    Shapes: input and target of any one shape. The loss is a number, or of that shape for "none".
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|x - y|.

    Shapes: input and target of any one shape. The loss is a number, or of that shape for "none".
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """d^2 / (2 beta) where d = |x - y| < beta, else d - beta / 2.

    Args:
        beta: where the loss turns linear; 0 gives `L1Loss`. Default: 1.

    Shapes: input and target of any one shape. The loss is a number, or of that shape for "none".
    """

    def __init__(self, size_average=None, reduce=None, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """d^2 / 2 where d = |x - y| <= delta, else delta (d - delta / 2).

    Args:
        delta: where the loss turns linear; positive. Default: 1.

    Shapes: input and target of any one shape. The loss is a number, or of that shape for "none".
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class BCELoss(_WeightedLoss):
    """-w (y log(x) + (1 - y) log(1 - x)) for probabilities x, with the logarithms no less than -100.

    Args:
        weight: rescales each loss; broadcasts to the batch. Default: None.

    Shapes: input and target of any one shape. The loss is a number, or of that shape for "none".
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """-w (p y log(sigmoid(x)) + (1 - y) log(1 - sigmoid(x))), computed without overflow.

    Args:
        weight: w, rescales each loss; broadcasts to the batch. Default: None.
        pos_weight: p, rescales those of the positive examples; broadcasts to the target. Default: None.

    Shapes: input and target of any one shape. The loss is a number, or of that shape for "none".
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average=None,
        reduce=None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """y (log(y) - x) for log-probabilities x and probabilities y. "batchmean" divides the sum by the batch's size.

    Args:
        log_target: the target holds log(y). Default: False.

    Shapes: input and target of any one shape. The loss is a number, or of that shape for "none".
    """

    def __init__(self, size_average=None, reduce=None, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(_Loss):
    """exp(x) - t x, for counts t of a Poisson distribution with mean exp(x); constant terms are left out.

    Args:
        log_input: x is the logarithm of the mean; else the mean itself, and the loss x - t log(x + eps). Default: True.
        full: add Stirling's approximation of log(t!), t log t - t + log(2 pi t) / 2, where t > 1. Default: False.
        eps: keeps the logarithm of 0 finite. Default: 1e-8.

    Shapes: input and target that broadcast. The loss is a number, or of their shape for "none".
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average=None,
        eps: float = 1e-8,
        reduce=None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """(log v + (x - t)^2 / v) / 2 for targets t of a normal distribution with mean x and variance v = max(var, eps).

    Args:
        full: add log(2 pi) / 2. Default: False.
        eps: what variances are at least; gradients go through as if none had been raised. Default: 1e-6.

    Shapes: input and target that broadcast; var a number, or of the input's shape, or that with 1 for a dimension or
        without the last one. The loss is a number, or of the shape of all three for "none".

    Raises:
        ValueError: if var has a negative element, or another shape.

    Source: Nix, Weigend, "Estimating the mean and variance of the target probability distribution", 1994.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(None, None, reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class CTCLoss(_Loss):
    """-log of the probability that steps of class probabilities spell the target, over all alignments.

    An alignment names a class or `blank` at every step; it spells what is left when repeats are joined and blanks taken
    out. "mean" divides each loss by its target's length (at least 1) before it averages over the samples. The gradient
    is that of log-probabilities which sum to 1 at every step, as `log_softmax` gives them.

    Args:
        blank: the class that stands for no label. Default: 0.
        zero_infinity: a target that no alignment spells, being too long for its input, has loss and gradient 0; else
            the loss is infinite and the gradient NaN. Default: False.

    Shapes: log_probs (T, N, C) or (T, C); targets (N, S), or the samples' one after another, (sum of target_lengths);
        input_lengths, at most T, and target_lengths (N), or () for one sample. The loss is a number, or (N) or () for
        "none".

    Raises:
        RuntimeError: if a length or a class is out of range, or shapes do not fit.
        NotImplementedError: if a second derivative is asked for.

    Source: Graves, Fernandez, Gomez, Schmidhuber, "Connectionist temporal classification", 2006.
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
    ) -> Tensor:
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
