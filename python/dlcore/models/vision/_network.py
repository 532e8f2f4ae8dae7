"""What the networks have in common."""

from __future__ import annotations

from ... import nn
from ..._core import Tensor

FUSED = hasattr(nn.functional, "batch_norm_act")  # not in PyTorch, on whose `nn` tests and benchmarks build these files


class Network(nn.Module):
    """A network for images."""

    def summary(self, input_size, verbose: bool = True):
        """Print layers, output shapes, parameters, multiply-adds and receptive fields; see `dlcore.utils.summary`.

        Args:
            input_size: shape of the input without the batch dimension, such as (3, 224, 224).
            verbose: print. Default: True.

        Returns:
            the same as data, a `dlcore.utils.Summary`.
        """
        from ...utils import summary

        return summary(self, input_size, verbose)


def norm_relu(norm: nn.Module, input: Tensor, residual: Tensor | None = None) -> Tensor:
    """relu(norm(input) + residual), in one pass over memory."""
    if FUSED:
        return norm(input, residual, "relu")
    x = norm(input)
    return nn.functional.relu(x if residual is None else x + residual, inplace=True)


def check(network: str, input_size: int, smallest: int = 1) -> None:
    """Raise ValueError for images that the network cannot take."""
    if input_size < smallest:
        wanted = "positive" if smallest == 1 else f"at least {smallest}"
        raise ValueError(f"{network}: input_size must be {wanted}, but got {input_size}")


def initialize(model: nn.Module, mode: str = "fan_out", linear_std: float | None = None) -> None:
    """Draw convolutions from N(0, 2 / fan) and, where `linear_std` is given, linear layers from N(0, linear_std^2).

    Biases start at 0. Batch norm starts at weight 1 and bias 0 by itself, and a linear layer has a start of its own.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
        elif isinstance(module, nn.Linear) and linear_std is not None:
            nn.init.normal_(module.weight, 0, linear_std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
