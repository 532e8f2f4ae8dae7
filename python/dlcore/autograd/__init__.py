"""Automatic differentiation: gradients of functions of tensors."""

from __future__ import annotations

from .. import _core
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .function import Function, once_differentiable
from .grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from .gradcheck import gradcheck, gradgradcheck

__all__ = [
    "Function",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None):
    """Adds d(sum_i <tensors_i, grad_tensors_i>)/d(leaf) to the grad of the leaves, or only of `inputs`."""
    _core._backward(tensors, grad_tensors, retain_graph, create_graph, inputs)


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    allow_unused=None,
    materialize_grads=False,
):
    """d(sum_i <outputs_i, grad_outputs_i>)/d(inputs_j) as a tuple, leaving every grad alone.

    An input that the outputs do not depend on is an error, unless `allow_unused` (None for it) or `materialize_grads`
    (zeros for it).
    """
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    result = _core._grad(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused)
    if not materialize_grads:
        return result
    inputs = (inputs,) if isinstance(inputs, _core.Tensor) else inputs
    return tuple(_core.zeros_like(x) if g is None else g for g, x in zip(result, inputs))
