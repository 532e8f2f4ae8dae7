"""Folding a batch normalization into the layer in front of it."""

from __future__ import annotations

import copy

from ... import _core
from ..._core import Tensor
from ..parameter import Parameter


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """The weight and the bias of a convolution that does what a convolution and a batch normalization did.

    With s = bn_w / sqrt(bn_rv + eps): weight = conv_w s and bias = (conv_b - bn_rm) s + bn_b.

    Args:
        conv_w, conv_b: the convolution's weight, and its bias or None.
        bn_rm, bn_rv, bn_eps: the normalization's running mean and variance, and what is added to that.
        bn_w, bn_b: its weight and its bias; None for 1 and 0.
        transpose: the convolution is a transposed one. Default: False.
    """
    bias_dtype = conv_w.dtype if conv_b is None else conv_b.dtype
    conv_b = _core.zeros_like(bn_rm) if conv_b is None else conv_b
    scale = _core.rsqrt(bn_rv + bn_eps)
    scale = scale if bn_w is None else scale * bn_w
    shift = (conv_b - bn_rm) * scale
    shift = shift if bn_b is None else shift + bn_b
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    weight = (conv_w * scale.reshape(shape)).to(conv_w.dtype)
    return (
        Parameter(weight.detach(), conv_w.requires_grad),
        Parameter(shift.to(bias_dtype).detach(), conv_b.requires_grad),
    )


def fuse_conv_bn_eval(conv, bn, transpose: bool = False):
    """A convolution that does what `conv` and then `bn` do, both in evaluation mode; they stay as they are.

    Args:
        conv: a convolution.
        bn: a batch normalization with running statistics.
        transpose: `conv` is a transposed convolution. Default: False.

    Raises:
        AssertionError: if one of them is in training mode, or `bn` keeps no running statistics.
    """
    return _fused(conv, bn, transpose)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """The weight and the bias of a linear layer that does what a linear layer and a batch normalization did.

    The arguments are those of `fuse_conv_bn_weights`.
    """
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def fuse_linear_bn_eval(linear, bn):
    """A linear layer that does what `linear` and then `bn` do, both in evaluation mode; they stay as they are.

    Args:
        linear: a `Linear`.
        bn: a batch normalization with running statistics, of `linear.out_features` features or one.

    Raises:
        AssertionError: if one of them is in training mode, `bn` keeps no running statistics, or has other features.
    """
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            "fuse_linear_bn_eval: bn must have linear.out_features or one feature; expected "
            f"{linear.out_features} but got {bn.num_features}"
        )
    return _fused(linear, bn)


def _fused(layer, bn, transpose: bool = False):
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused
