"""Products with weights, and what belongs to them."""

from __future__ import annotations

from ... import _core
from ..._core import Tensor
from ..._tensor import tensordot


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_o = sum_ij x1_i w_oij x2_j + b_o.

    Args:
        input1: (..., in1_features).
        input2: (..., in2_features), with the same leading sizes.
        weight: (out_features, in1_features, in2_features).
        bias: (out_features), or None.

    Returns:
        (..., out_features).
    """
    if weight.dim() != 3 or input1.shape[-1:] != weight.shape[1:2] or input2.shape[-1:] != weight.shape[2:]:
        raise RuntimeError(
            "bilinear: weight must have shape (out_features, in1_features, in2_features); expected in1_features, "
            f"in2_features of inputs {tuple(input1.shape)}, {tuple(input2.shape)} but got weight of shape "
            f"{tuple(weight.shape)}"
        )
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            "bilinear: input2 must have input1's leading sizes; expected "
            f"{tuple(input1.shape[:-1])} but got {tuple(input2.shape[:-1])}"
        )
    # (..., o, i) = x2 w^T, then contracted with x1
    output = _core.matmul(tensordot(input2, weight, dims=([-1], [2])), input1.unsqueeze(-1)).squeeze(-1)
    return output if bias is None else output + bias


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers as rows with a one.

    Args:
        tensor: (*), of int64.
        num_classes: the length of a row; the largest number plus 1 where it is -1.

    Returns:
        (*, num_classes), of int64.
    """
    if tensor.dtype != _core.int64:
        raise RuntimeError(f"one_hot: tensor must be of dtype int64, but got {tensor.dtype}")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("one_hot: num_classes must be positive for an empty tensor")
        return _core.empty((*tensor.shape, num_classes), dtype=_core.int64)
    if tensor.min().item() < 0:
        raise RuntimeError("Class values must be non-negative.")
    largest = tensor.max().item()
    if num_classes == -1:
        num_classes = largest + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif largest >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    rows = _core.zeros((*tensor.shape, num_classes), dtype=_core.int64)
    return rows.scatter_(-1, tensor.unsqueeze(-1), 1)
