"""Activations. `inplace` overwrites the input."""

from __future__ import annotations

import warnings

from ... import _core
from ..._core import Tensor


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, x), elementwise. `inplace` overwrites the input."""
    return _core.relu_(input) if inplace else _core.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(0, x), 6), elementwise. `inplace` overwrites the input."""
    return _core.relu6_(input) if inplace else _core.relu6(input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1). `inplace` overwrites the input.

    Source: Clevert et al. 2016, arXiv:1511.07289."""
    return _core.elu_(input, alpha) if inplace else _core.elu(input, alpha)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1)). `inplace` overwrites the input.

    Source: Barron 2017, arXiv:1704.07483."""
    return _core.celu_(input, alpha) if inplace else _core.celu(input, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """scale (max(0, x) + min(0, alpha (exp(x) - 1))) with alpha = 1.6733, scale = 1.0507. `inplace` overwrites the
    input.

    Source: Klambauer et al. 2017, arXiv:1706.02515."""
    return _core.selu_(input) if inplace else _core.selu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope x. `inplace` overwrites the input."""
    return _core.leaky_relu_(input, negative_slope) if inplace else _core.leaky_relu(input, negative_slope)


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Leaky ReLU with a slope drawn from U(lower, upper) for every element while training, and their mean otherwise.

    Source: Xu et al. 2015, arXiv:1505.00853."""
    return _core.rrelu_(input, lower, upper, training) if inplace else _core.rrelu(input, lower, upper, training)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """min(max(x, min_val), max_val). `inplace` overwrites the input."""
    return _core.hardtanh_(input, min_val, max_val) if inplace else _core.hardtanh(input, min_val, max_val)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6. `inplace` overwrites the input."""
    return _core.hardsigmoid_(input) if inplace else _core.hardsigmoid(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6. `inplace` overwrites the input.

    Source: Howard et al. 2019, arXiv:1905.02244."""
    return _core.hardswish_(input) if inplace else _core.hardswish(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x). `inplace` overwrites the input.

    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415; Elfwing et al. 2017, arXiv:1702.03118."""
    return _core.silu_(input) if inplace else _core.silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)). `inplace` overwrites the input.

    Source: Misra 2019, arXiv:1908.08681."""
    return _core.mish_(input) if inplace else _core.mish(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else `value`. `inplace` overwrites the input."""
    return _core.threshold_(input, threshold, value) if inplace else _core.threshold(input, threshold, value)


def _implicit_dim(name: str, input: Tensor, stacklevel: int) -> int:
    dim = 0 if input.dim() in (0, 1, 3) else 1
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim={dim} as an "
        "argument.",
        stacklevel=stacklevel + 1,
    )
    return dim


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """exp(x_i) / sum_j exp(x_j) along `dim`; `dtype` converts the input first."""
    if dim is None:
        dim = _implicit_dim("softmax", input, _stacklevel)
    return _core.softmax(input, dim) if dtype is None else _core.softmax(input, dim, dtype=dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """softmax(-x) along `dim`; `dtype` converts the input first."""
    if dim is None:
        dim = _implicit_dim("softmin", input, _stacklevel)
    return softmax(-input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """log(softmax(x)) along `dim`, computed without overflow; `dtype` converts the input first."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input, _stacklevel)
    return _core.log_softmax(input, dim) if dtype is None else _core.log_softmax(input, dim, dtype=dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of the Gumbel-softmax distribution: softmax((logits + g) / tau), g ~ Gumbel(0, 1).

    Args:
        logits: unnormalized log-probabilities, (..., classes, ...).
        tau: the temperature. Default: 1.
        hard: return one-hot samples, with the gradient of the soft ones. Default: False.
        eps: accepted for older code, and without effect.
        dim: the dimension of the classes. Default: -1.

    Source: Jang et al. 2017, arXiv:1611.01144.
    """
    noise = -_core.empty_like(logits).exponential_().log()
    soft = _core.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    chosen = soft.detach().argmax(dim, keepdim=True)
    one = _core.zeros_like(soft).scatter_(dim, chosen, 1.0)
    return one - soft.detach() + soft
