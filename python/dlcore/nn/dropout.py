"""Dropout."""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from .module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Zeroes each element with probability `p` while training and scales the others by 1 / (1 - p); otherwise the
    identity.

    Args:
        p: the probability, from 0 to 1. Default: 0.5.
        inplace: overwrite the input. Default: False.

    Raises:
        ValueError: if `p` is outside [0, 1].

    Source: Hinton et al. 2012, arXiv:1207.0580.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Zeroes whole channels of (N, C, L) or (C, L); arguments as in Dropout."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Zeroes whole channels of (N, C, H, W); arguments as in Dropout."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Zeroes whole channels of (N, C, D, H, W) or (C, D, H, W); arguments as in Dropout."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """Brings elements to SELU's negative limit while training and keeps mean 0 and variance 1; arguments as in Dropout.

    Source: Klambauer et al. 2017, arXiv:1706.02515.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels of (N, C, *); arguments as in Dropout."""

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)


class StochasticDepth(Module):
    """Zeroes the branch of a residual block with probability `p` while training and scales it by 1 / (1 - p) otherwise;
    the identity in evaluation. As torchvision.ops.StochasticDepth.

    Args:
        p: the probability, from 0 to 1.
        mode: "batch" zeroes all of it or nothing, "row" decides for each example, the first dimension.

    Raises:
        ValueError: if `p` is outside [0, 1], or for another mode.

    Source: Huang et al. 2016, arXiv:1603.09382.
    """

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
        if mode not in ("batch", "row"):
            raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
        self.p = p
        self.mode = mode

    def forward(self, input: Tensor) -> Tensor:
        return F.stochastic_depth(input, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"
