"""Normalization over images: batch, instance and group."""

from __future__ import annotations

import warnings

from .. import _core
from .._core import Tensor
from . import functional as F
from . import init
from .lazy import LazyModuleMixin
from .module import Module
from .parameter import Parameter, UninitializedBuffer, UninitializedParameter


def affine_parameter(module: Module, name: str, shape, wanted: bool, device, dtype) -> None:
    """Gives the module a parameter of that name and shape, or None."""
    parameter = Parameter(_core.empty(shape, device=device, dtype=dtype)) if wanted else None
    module.register_parameter(name, parameter)


class _Norm(Module):
    """What batch and instance normalization share: parameters, running statistics, and the check of the input."""

    _version = 2
    _dims: tuple[int, ...]  # of an input

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        affine_parameter(self, "weight", num_features, affine, device, dtype)
        affine_parameter(self, "bias", num_features, affine and bias, device, dtype)
        if track_running_stats:
            self.register_buffer("running_mean", _core.zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", _core.ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", _core.tensor(0, dtype=_core.int64, device=device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the running variance to 1 and the count of batches to 0."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Reset the running statistics, the weight to 1 and the bias to 0."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in self._dims:
            expected = " or ".join(f"{dims}D" for dims in self._dims)
            raise ValueError(f"expected {expected} input (got {input.dim()}D input)")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args) -> None:
        key = prefix + "num_batches_tracked"
        if (local_metadata.get("version") or 0) < 2 and self.track_running_stats and key not in state_dict:
            state_dict[key] = self.num_batches_tracked  # files from before there was a count
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class _LazyNorm(LazyModuleMixin, _Norm):
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = _core.tensor(0, dtype=_core.int64, device=device)

    def reset_parameters(self) -> None:
        """Reset parameters and statistics, once they have a shape."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:
        """Give parameters and statistics the shape that `input` asks for."""
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            for name in ("weight", "bias", "running_mean", "running_var"):
                tensor = getattr(self, name)
                if tensor is not None:
                    tensor.materialize((self.num_features,))
            self.reset_parameters()
        elif self.num_features == 0:  # a state was loaded
            known = self.weight if self.weight is not None else self.running_mean
            self.num_features = input.shape[1] if known is None else known.shape[0]


# ---- batch


class _BatchNorm(_Norm):
    def forward(self, input: Tensor, residual: Tensor | None = None, activation: str = "none") -> Tensor:
        """activation(batch norm + residual), in one pass over memory.

        Args:
            residual: what is added before the activation, of the input's shape; None (the default) for nothing.
            activation: "relu", "relu6" or "none". Default: "none".
        """
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        tracking = self.training and self.track_running_stats
        if tracking and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the average of all batches so far
                momentum = 1.0 / self.num_batches_tracked.item()
        running = not self.training or tracking
        arguments = (
            input,
            self.weight,
            self.bias,
            self.running_mean if running else None,
            self.running_var if running else None,
            self.training or (self.running_mean is None and self.running_var is None),
            momentum,
            self.eps,
        )
        if residual is None and activation == "none":
            return _core.batch_norm(*arguments)
        return _core.batch_norm_act(*arguments, residual, activation)


class BatchNorm1d(_BatchNorm):
    """Batch normalization: y = (x - mean) / sqrt(var + eps) weight + bias, with the statistics of each channel.

    In training the mean and the (biased) variance are those of the batch, and the running ones take them in (the
    variance unbiased); in evaluation they are the running ones.

    Args:
        num_features: C, the channels of the input.
        eps: added to the variance. Default: 1e-5.
        momentum: the part of a batch's statistics in the running ones; None for the average of all batches.
            Default: 0.1.
        affine: whether there are a weight and a bias. Default: True.
        track_running_stats: whether there are running statistics; without them evaluation, too, takes the batch's.
            Default: True.
        device, dtype: those of parameters and statistics.
        bias: whether there is a bias (where `affine`). Default: True.

    Attributes:
        weight, bias: (C), initially 1 and 0, or None.
        running_mean, running_var, num_batches_tracked: (C), (C) and one int64 number, initially 0, 1 and 0, or None.

    Shapes: (N, C) or (N, C, L) to the same.

    Raises:
        ValueError: if the input has another number of dimensions, or in training one value a channel.
        RuntimeError: if it has another number of channels.

    Source: Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
    Shift" (2015).
    """

    _takes = ("relu", "relu6")

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` for images.

    Shapes: (N, C, H, W) to the same, in the same order in memory.
    """

    _takes = ("relu", "relu6")

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """`BatchNorm1d` for volumes.

    Shapes: (N, C, D, H, W) to the same, in the same order in memory.
    """

    _takes = ("relu", "relu6")

    _dims = (5,)


class LazyBatchNorm1d(_LazyNorm, _BatchNorm):
    """A `BatchNorm1d` that takes `num_features` from its first input, and is a `BatchNorm1d` from then on.

    The other arguments are those of `BatchNorm1d`.
    """

    cls_to_become = BatchNorm1d
    _dims = BatchNorm1d._dims


class LazyBatchNorm2d(_LazyNorm, _BatchNorm):
    """A `BatchNorm2d` that takes `num_features` from its first input, and is a `BatchNorm2d` from then on.

    The other arguments are those of `BatchNorm2d`.
    """

    cls_to_become = BatchNorm2d
    _dims = BatchNorm2d._dims


class LazyBatchNorm3d(_LazyNorm, _BatchNorm):
    """A `BatchNorm3d` that takes `num_features` from its first input, and is a `BatchNorm3d` from then on.

    The other arguments are those of `BatchNorm3d`.
    """

    cls_to_become = BatchNorm3d
    _dims = BatchNorm3d._dims


# ---- instance


class _InstanceNorm(_Norm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        batched = input.dim() == self._dims[1]
        dim = input.dim() - self._dims[0]
        if input.shape[dim] != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={dim} to match num_features ({self.num_features}), but got: "
                    f"{input.shape[dim]}."
                )
            warnings.warn(
                f"input's size at dim={dim} does not match num_features, which is not used because affine=False",
                stacklevel=2,
            )
        output = _core.instance_norm(
            input if batched else input.unsqueeze(0),
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return output if batched else output.squeeze(0)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ) -> None:
        if local_metadata.get("version") is None and not self.track_running_stats:
            keys = [prefix + name for name in ("running_mean", "running_var") if prefix + name in state_dict]
            if keys:
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {' and '.join(repr(key) for key in keys)} for "
                    f"{type(self).__name__} with track_running_stats=False: remove them from state_dict, or set "
                    "track_running_stats=True."
                )
                for key in keys:
                    del state_dict[key]
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class InstanceNorm1d(_InstanceNorm):
    """Instance normalization: y = (x - mean) / sqrt(var + eps) weight + bias, with the mean and the (biased) variance
    of each channel of each image.

    Args:
        num_features: C, the channels of the input.
        eps: added to the variance. Default: 1e-5.
        momentum: the part of a batch's statistics in the running ones. Default: 0.1.
        affine: whether there are a weight and a bias. Default: False.
        track_running_stats: whether there are running statistics, which evaluation then takes. Default: False.
        device, dtype: those of parameters and statistics.
        bias: whether there is a bias (where `affine`). Default: True.

    Attributes:
        weight, bias: (C), initially 1 and 0, or None.
        running_mean, running_var, num_batches_tracked: as in `BatchNorm1d`, or None.

    Shapes: (N, C, L) or (C, L) to the same.

    Raises:
        ValueError: if the input has another number of dimensions, one element a channel, or (where `affine`) other
            channels.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization"
    (2016).
    """

    _dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` for images.

    Shapes: (N, C, H, W) or (C, H, W) to the same.
    """

    _dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` for volumes.

    Shapes: (N, C, D, H, W) or (C, D, H, W) to the same.
    """

    _dims = (4, 5)


class LazyInstanceNorm1d(_LazyNorm, _InstanceNorm):
    """An `InstanceNorm1d` that takes `num_features` from its first input (N, C, L), and is an `InstanceNorm1d` from
    then on.

    The other arguments are those of `InstanceNorm1d`, but `affine` and `track_running_stats` are True by default.
    """

    cls_to_become = InstanceNorm1d
    _dims = InstanceNorm1d._dims


class LazyInstanceNorm2d(_LazyNorm, _InstanceNorm):
    """An `InstanceNorm2d` that takes `num_features` from its first input, and is an `InstanceNorm2d` from then on.

    The other arguments are those of `LazyInstanceNorm1d`.
    """

    cls_to_become = InstanceNorm2d
    _dims = InstanceNorm2d._dims


class LazyInstanceNorm3d(_LazyNorm, _InstanceNorm):
    """An `InstanceNorm3d` that takes `num_features` from its first input, and is an `InstanceNorm3d` from then on.

    The other arguments are those of `LazyInstanceNorm1d`.
    """

    cls_to_become = InstanceNorm3d
    _dims = InstanceNorm3d._dims


# ---- group


class GroupNorm(Module):
    """Group normalization: y = (x - mean) / sqrt(var + eps) weight + bias, with the mean and the (biased) variance of
    each group of neighbouring channels of each image.

    Args:
        num_groups: how many groups the channels fall into.
        num_channels: C, the channels of the input.
        eps: added to the variance. Default: 1e-5.
        affine: whether there are a weight and a bias. Default: True.
        device, dtype: those of the parameters.
        bias: whether there is a bias (where `affine`). Default: True.

    Attributes:
        weight, bias: (C), initially 1 and 0, or None.

    Shapes: (N, C, *) to the same.

    Raises:
        ValueError: if `num_groups` does not divide `num_channels`, or a group has one element.

    Source: Wu and He, "Group Normalization" (2018).
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups != 0:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        affine_parameter(self, "weight", num_channels, affine, device, dtype)
        affine_parameter(self, "bias", num_channels, affine and bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )
