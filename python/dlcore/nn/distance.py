"""Distances and angles between vectors."""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from .module import Module


class CosineSimilarity(Module):
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along a dimension.

    Args:
        dim: of the shape that the inputs broadcast to. Default: 1.
        eps: what norms are at least. Default: 1e-8.

    Shapes: inputs that broadcast to (*1, D, *2), with D at `dim`; the result is (*1, *2).
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """|x1 - x2 + eps|_p = (sum |x1 - x2 + eps|^p)^(1/p) along the last dimension.

    Args:
        p: the order of the norm; 0, infinite or negative ones too. Default: 2.
        eps: added to differences, which keeps the gradient at equal inputs finite. Default: 1e-6.
        keepdim: the result keeps a last dimension of 1. Default: False.

    Shapes: inputs that broadcast to (N, D) or (D); the result is (N) or (), or with keepdim (N, 1) or (1).
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
