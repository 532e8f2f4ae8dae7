"""Weights of largest singular value 1."""

from __future__ import annotations

from ..._core import Tensor
from ...autograd.grad_mode import no_grad
from ..conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from ..parameter import Parameter
from ._hooked import find_hook, hooked_parameter, remove_hook

_MOST_ITERATIONS = 1 << 20


def matrix_of(weight: Tensor, dim: int) -> Tensor:
    """(size of `dim`, all the others)."""
    return weight.movedim(dim, 0).reshape(weight.shape[dim], -1)


class SpectralNorm:
    """The hook that computes ``module.name`` = w / sigma before `forward`."""

    title = "spectral_norm"

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if not 0 < n_power_iterations <= _MOST_ITERATIONS:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.n_power_iterations = n_power_iterations
        self.dim = dim
        self.eps = eps

    def unit(self, x: Tensor) -> Tensor:
        return x / x.norm().clamp(min=self.eps)

    def compute(self, module: Module, iterate: bool) -> Tensor:
        weight, u, v = (getattr(module, self.name + suffix) for suffix in ("_orig", "_u", "_v"))
        matrix = matrix_of(weight, self.dim)
        if iterate:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(self.unit(matrix.T @ u))
                    u.copy_(self.unit(matrix @ v))
                u, v = u.clone(), v.clone()  # backward needs these, whatever later iterations do
        return weight / u.dot(matrix @ v)

    def __call__(self, module: Module, inputs) -> None:
        setattr(module, self.name, self.compute(module, iterate=module.training))


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a parameter by its largest singular value sigma before `forward`. For the matrix W (the parameter with
    `dim` first and the others flattened): v = W^T u / |W^T u|, u = W v / |W v|, sigma = u^T W v; u and v are kept and
    go on from call to call while training.

    Args:
        module: the module that has it.
        name: the parameter; "<name>_orig" takes its place, "<name>_u" and "<name>_v" are buffers. Default: "weight".
        n_power_iterations: as above, for each call. Default: 1.
        eps: the least norm that a vector is divided by. Default: 1e-12.
        dim: the dimension of the outputs. Default: 0, and 1 for transposed convolutions.

    Returns:
        the module.

    Raises:
        AttributeError: if there is no such parameter.
        RuntimeError: if it is normed already.
        ValueError: if it is not initialized, or for fewer than 1 iteration.

    Source: Miyato et al. 2018, arXiv:1802.05957.
    """
    weight = hooked_parameter(module, name, SpectralNorm)
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    with no_grad():
        rows, columns = matrix_of(weight, dim).shape
        u, v = (hook.unit(weight.new_empty(size).normal_(0, 1)) for size in (rows, columns))
    del module._parameters[name]
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.detach())
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Undo `spectral_norm`: the parameter comes back, divided by the singular value as it is now known.

    Raises:
        ValueError: if it is not there.
    """
    hook = find_hook(module, name, SpectralNorm)
    if hook is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    with no_grad():
        weight = hook.compute(module, iterate=False)
    remove_hook(module, hook)
    for each in (name, name + "_u", name + "_v", name + "_orig"):
        delattr(module, each)
    module.register_parameter(name, Parameter(weight))
    return module
