"""Normalization: values with their mean taken off, divided by their spread."""

from __future__ import annotations

from ... import _core
from ..._core import Tensor


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) weight + bias, with the mean and the variance of each channel.

    Args:
        input: (N, C, *).
        running_mean, running_var: (C), what to normalize by unless `training`; updated in place otherwise. May both be
            None where `training`.
        weight, bias: (C); None for 1 and 0.
        training: normalize by the input's own mean and (biased) variance. Default: False.
        momentum: the part of the new statistics (the variance unbiased) in the running ones. Default: 0.1.
        eps: added to the variance. Default: 1e-5.

    Raises:
        ValueError: if one value a channel is all there is to train on, or eps is not positive in training.
        RuntimeError: if a parameter or statistic has other than C elements, or is missing.
    """
    return _core.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def batch_norm_act(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    residual: Tensor | None = None,
    activation: str = "relu",
) -> Tensor:
    """activation(batch_norm(...) + residual) in one pass over memory, and in one backward. dlcore's own.

    Args:
        residual: what is added before the activation, of the input's shape; None for nothing.
        activation: "relu", "relu6" or "none". Default: "relu".

    The other arguments are those of `batch_norm`.
    """
    return _core.batch_norm_act(
        input, weight, bias, running_mean, running_var, training, momentum, eps, residual, activation
    )


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) weight + bias, with the mean and the variance of each channel of each image.

    Args:
        input: (N, C, *).
        running_mean, running_var: (C), what to normalize by unless `use_input_stats`; otherwise they take in the mean
            over the images. May both be None where `use_input_stats`.
        weight, bias: (C); None for 1 and 0.
        use_input_stats: normalize by the input's own mean and (biased) variance. Default: True.
        momentum: the part of the new statistics (the variance unbiased) in the running ones. Default: 0.1.
        eps: added to the variance. Default: 1e-5.

    Raises:
        ValueError: if a channel of an image has only one element.
        RuntimeError: if a parameter or statistic has other than C elements, or is missing.
    """
    return _core.instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(var + eps) weight + bias, with the mean and the variance of each group of channels of an image.

    Args:
        input: (N, C, *).
        num_groups: how many groups the channels fall into.
        weight, bias: (C); None for 1 and 0.
        eps: added to the variance. Default: 1e-5.

    Raises:
        ValueError: if a group has only one element.
        RuntimeError: if `num_groups` does not divide C, or a parameter has other than C elements.
    """
    return _core.group_norm(input, num_groups, weight, bias, eps)


def layer_norm(
    input: Tensor,
    normalized_shape,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) weight + bias, with the mean and the (biased) variance over the last dimensions.

    Args:
        input: (*, normalized_shape).
        normalized_shape: the sizes of those dimensions.
        weight, bias: of `normalized_shape`; None for 1 and 0.
        eps: added to the variance. Default: 1e-5.

    Raises:
        RuntimeError: if the input's last sizes, or a parameter's, are not `normalized_shape`.
    """
    return _core.layer_norm(input, normalized_shape, weight, bias, eps)


def rms_norm(input: Tensor, normalized_shape, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """x / sqrt(mean(x^2) + eps) weight, with the mean over the last dimensions.

    Args:
        input: (*, normalized_shape).
        normalized_shape: the sizes of those dimensions.
        weight: of `normalized_shape`; None for 1.
        eps: added to the mean square; None for the input type's smallest difference from 1. Default: None.

    Raises:
        RuntimeError: if the input's last sizes, or the weight's, are not `normalized_shape`.
    """
    return _core.rms_norm(input, normalized_shape, weight, eps)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x_c / (k + alpha / size sum_j x_j^2)^beta, over `size` channels j around c.

    Args:
        input: (N, C, *), of 3 dimensions or more.
        size: how many channels; floor(size / 2) of them lie in front of c. Those beyond the first and the last one
            count as 0.
        alpha: the factor of the mean square. Default: 1e-4.
        beta: the exponent. Default: 0.75.
        k: what is added. Default: 1.

    Raises:
        ValueError: if the input has fewer than 3 dimensions.
        RuntimeError: if `size` is not positive.
    """
    return _core.local_response_norm(input, size, alpha, beta, k)


def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """x / max(|x|_p, eps) along a dimension, or over several.

    Args:
        input: of any shape.
        p: the order of the norm. Default: 2.
        dim: Default: 1.
        eps: what norms are at least. Default: 1e-12.
        out: where to write the result.

    Returns:
        of the input's shape.
    """
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps)
    return input / norm if out is None else _core.div(input, norm, out=out)
