"""Weights as a length and a direction."""

from __future__ import annotations

from ..._core import Tensor
from ..module import Module
from ..parameter import Parameter
from ._hooked import find_hook, hooked_parameter, remove_hook


def length_of(weight: Tensor, dim: int) -> Tensor:
    """|weight| over all dimensions but `dim` (which is kept), or over all of them where that is -1."""
    if dim == -1:
        return weight.norm()
    if not 0 <= dim < weight.dim():
        raise IndexError(f"weight_norm: dim must be from 0 to {weight.dim() - 1}, -1 or None, but got {dim}")
    others = [d for d in range(weight.dim()) if d != dim]
    return weight.norm(2, dim=others, keepdim=True) if others else weight.abs()


class WeightNorm:
    """The hook that computes ``module.name`` from its length and direction before `forward`."""

    title = "weight_norm"

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute(self, module: Module) -> Tensor:
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / length_of(v, self.dim))

    def __call__(self, module: Module, inputs) -> None:
        setattr(module, self.name, self.compute(module))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Replace a parameter w by its length g = |w| and its direction v = w: w = g v / |v| is computed before `forward`.

    Args:
        module: the module that has it.
        name: the parameter; "<name>_g" and "<name>_v" take its place. Default: "weight".
        dim: the dimension whose indices have a length each; None for one length. Default: 0.

    Returns:
        the module.

    Raises:
        AttributeError: if there is no such parameter.
        RuntimeError: if it is normed already.
        ValueError: if it is not initialized.

    Source: Salimans and Kingma 2016, arXiv:1602.07868.
    """
    weight = hooked_parameter(module, name, WeightNorm)
    hook = WeightNorm(name, dim)
    length = length_of(weight.detach(), hook.dim)
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(length))
    module.register_parameter(name + "_v", Parameter(weight.detach()))
    setattr(module, name, hook.compute(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Undo `weight_norm`: the parameter comes back with its present value.

    Raises:
        ValueError: if it is not there.
    """
    hook = find_hook(module, name, WeightNorm)
    if hook is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    weight = hook.compute(module).detach()
    remove_hook(module, hook)
    delattr(module, name)
    del module._parameters[name + "_g"], module._parameters[name + "_v"]
    setattr(module, name, Parameter(weight))
    return module
