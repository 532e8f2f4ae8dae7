"""Normalization of rows, and over neighbouring channels."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from . import functional as F
from . import init
from .module import Module
from .normalization import affine_parameter


class LayerNorm(Module):
    """Layer normalization: y = (x - mean) / sqrt(var + eps) weight + bias, with the mean and the (biased) variance over
    the last dimensions.

    Args:
        normalized_shape: the sizes of those dimensions, or the size of the last one.
        eps: added to the variance. Default: 1e-5.
        elementwise_affine: whether there are a weight and a bias. Default: True.
        bias: whether there is a bias (where `elementwise_affine`). Default: True.
        device, dtype: those of the parameters.

    Attributes:
        weight, bias: of `normalized_shape`, initially 1 and 0, or None.

    Shapes: (*, normalized_shape) to the same.

    Raises:
        RuntimeError: if the input's last sizes are others.

    Source: Ba, Kiros and Hinton, "Layer Normalization" (2016).
    """

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        affine_parameter(self, "weight", self.normalized_shape, elementwise_affine, device, dtype)
        affine_parameter(self, "bias", self.normalized_shape, elementwise_affine and bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.elementwise_affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return _core.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Root mean square normalization: y = x / sqrt(mean(x^2) + eps) weight, with the mean over the last dimensions.

    Args:
        normalized_shape: the sizes of those dimensions, or the size of the last one.
        eps: added to the mean square; None for the input type's smallest difference from 1. Default: None.
        elementwise_affine: whether there is a weight. Default: True.
        device, dtype: those of the weight.

    Attributes:
        weight: of `normalized_shape`, initially 1, or None.

    Shapes: (*, normalized_shape) to the same.

    Raises:
        RuntimeError: if the input's last sizes are others.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).
    """

    def __init__(
        self,
        normalized_shape: int | list[int] | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        affine_parameter(self, "weight", self.normalized_shape, elementwise_affine, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return _core.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """Local response normalization: y_c = x_c / (k + alpha / size sum_j x_j^2)^beta, over `size` channels j around c.

    Args:
        size: how many channels; floor(size / 2) of them lie in front of c. Those beyond the first and the last one
            count as 0.
        alpha: the factor of the mean square. Default: 1e-4.
        beta: the exponent. Default: 0.75.
        k: what is added. Default: 1.

    Shapes: (N, C, *) to the same.

    Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks" (2012).
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _shape(sizes) -> tuple[int, ...]:
    return (sizes,) if isinstance(sizes, int) else tuple(sizes)
