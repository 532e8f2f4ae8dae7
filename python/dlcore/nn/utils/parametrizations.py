"""Norms and orthogonality of weights as parametrizations; see `parametrize`."""

from __future__ import annotations

import numpy as np

from ... import _core, linalg
from ..._core import Tensor
from ..._tensor import finfo
from ...autograd.grad_mode import no_grad
from ...linalg.lapack import run
from .. import functional as F
from ..conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from .parametrize import register_parametrization
from .spectral_norm import matrix_of
from .weight_norm import length_of


def _tensor(module: Module, name: str) -> Tensor:
    tensor = getattr(module, name, None)
    if not isinstance(tensor, Tensor):
        raise ValueError(f"Module '{type(module).__name__}' has no parameter or buffer with name '{name}'")
    return tensor


# ---- length and direction


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / length_of(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return length_of(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Let a parameter be w = g v / |v|, of its length g and its direction v.

    g is ``module.parametrizations.<name>.original0`` and v `original1`; weights that were saved under the names of
    `dlcore.nn.utils.weight_norm` can be loaded.

    Args:
        module: the module that has it.
        name: the parameter. Default: "weight".
        dim: the dimension whose indices have a length each; None for one length. Default: 0.

    Returns:
        the module.

    Raises:
        ValueError: if there is no such parameter.

    Source: Salimans and Kingma 2016, arXiv:1602.07868.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def take_older_names(state_dict, prefix, *others) -> None:
        older = [f"{prefix}{name}_{part}" for part in "gv"]
        if all(key in state_dict for key in older):
            for i, key in enumerate(older):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(take_older_names)
    return module


# ---- largest singular value


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.dim() <= dim < weight.dim():
            expected = f"[-{weight.dim()}, {weight.dim() - 1}]"
            raise IndexError(f"Dimension out of range (expected to be in range of {expected}, but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % weight.dim()
        self.eps = eps
        if weight.dim() > 1:
            self.n_power_iterations = n_power_iterations
            matrix = matrix_of(weight.detach(), self.dim)
            for buffer, size in zip(("_u", "_v"), matrix.shape, strict=True):
                self.register_buffer(buffer, F.normalize(matrix.new_empty(size).normal_(0, 1), dim=0, eps=eps))
            self._iterate(matrix, 15)

    @no_grad()
    def _iterate(self, matrix: Tensor, count: int) -> None:
        for _ in range(count):
            self._u.copy_(F.normalize(matrix @ self._v, dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.mT @ self._u, dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.dim() == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = matrix_of(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # backward needs these, whatever later iterations do
        return weight / u.dot(matrix @ v)

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Let a parameter be W / sigma, with sigma its largest singular value. For the matrix W (the parameter with `dim`
    first and the others flattened): u = W v / |W v|, v = W^T u / |W^T u|, sigma = u^T W v; u and v begin after 15
    iterations, and go on whenever the parameter is read while training. A vector is divided by its length.

    Args:
        module: the module that has it.
        name: the parameter. Default: "weight".
        n_power_iterations: as above, for each time that it is read. Default: 1.
        eps: the least norm that a vector is divided by. Default: 1e-12.
        dim: the dimension of the outputs. Default: 0, and 1 for transposed convolutions.

    Returns:
        the module.

    Raises:
        ValueError: if there is no such parameter, or for fewer than 1 iteration.
        IndexError: if it has no such dimension.

    Source: Miyato et al. 2018, arXiv:1802.05957.
    """
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    return register_parametrization(module, name, _SpectralNorm(_tensor(module, name), n_power_iterations, dim, eps))


# ---- orthogonality

_MAPS = ("matrix_exp", "cayley", "householder")


def _factors(A: Tensor) -> tuple[Tensor, Tensor]:
    """LAPACK's geqrf of A: R above the Householder vectors of Q, and their factors."""
    return run("qr", lambda a: (lambda h, tau: (np.swapaxes(h, -1, -2), tau))(*np.linalg.qr(a, "raw")), A)


def _orthogonalized(A: Tensor) -> Tensor:
    """Q of the tall A = Q R where R has a positive diagonal."""
    Q, R = linalg.qr(A)
    return Q * R.diagonal(0, -2, -1).sign().unsqueeze(-2)


class _Orthogonal(Module):
    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        self.use_trivialization = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        X = X.mT if wide else X
        n, k = X.shape[-2:]
        if self.orthogonal_map == "householder":
            A = X.tril(-1)
            Q = linalg.householder_product(A, 2.0 / (1.0 + (A * A).sum(-2)))
            Q = Q * X.detach().diagonal(0, -2, -1).trunc().unsqueeze(-2)  # signs, which no step changes
        else:
            X = F.pad(X.tril(), (0, n - k))
            A = X - X.mT
            if self.orthogonal_map == "matrix_exp":
                Q = linalg.matrix_exp(A)
            else:
                eye = _core.eye(n, dtype=A.dtype)
                Q = linalg.solve(eye - A / 2, eye + A / 2)
            Q = Q[..., :k]
        if self.use_trivialization:
            Q = self.base @ Q
        return Q.mT if wide else Q

    def right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {tuple(self.shape)}. Got a tensor of shape "
                f"{tuple(Q.shape)}."
            )
        Q = Q.detach()
        wide = Q.shape[-2] < Q.shape[-1]
        Q = Q.mT if wide else Q
        n, k = Q.shape[-2:]
        if self.use_trivialization:
            gram, eye = Q.mT @ Q, _core.eye(k, dtype=Q.dtype)
            if n > k:
                Q = _orthogonalized(_core.cat([Q, _core.randn(*Q.shape[:-1], n - k, dtype=Q.dtype)], -1))
            elif _core.allclose(gram, eye.expand_as(gram), atol=10 * n * finfo(Q.dtype).eps):
                Q = Q.clone()
            else:
                Q = _orthogonalized(Q)
            self.base = Q
            X = -_core.eye(n, k, dtype=Q.dtype).expand(*Q.shape[:-2], n, k).clone()
        elif self.orthogonal_map == "householder":
            A, tau = _factors(Q)
            signs = _core.where(tau == 0, -1.0, 1.0) * A.diagonal(0, -2, -1).sign()
            X = A.clone()
            X.diagonal(0, -2, -1).copy_(signs)
        else:
            raise NotImplementedError(
                f"The map {self.orthogonal_map} cannot be assigned to when use_trivialization=False."
            )
        return X.mT.contiguous() if wide else X


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Let a parameter be a matrix Q (or a batch of them) with Q^T Q = I, or Q Q^T = I where it is wider than tall.

    With A = X - X^T of the lower triangle of the original X: Q = exp(A) ("matrix_exp"), or (I - A / 2)^-1 (I + A / 2)
    ("cayley"); or Q is the product of the Householder reflections along the columns of X ("householder").

    Args:
        module: the module that has it.
        name: the parameter. Default: "weight".
        orthogonal_map: one of these. Default: "matrix_exp" for square matrices, else "householder".
        use_trivialization: multiply Q by a matrix that is kept, so that the training begins near X = 0. Default: True.

    It begins with the parameter's own value, made orthogonal by a QR decomposition; but with the map of X where
    use_trivialization is False and the map is not "householder".

    Returns:
        the module.

    Raises:
        ValueError: if there is no such parameter, it has fewer than 2 dimensions, or for another map.

    Source: Lezcano-Casado 2019, arXiv:1909.09501.
    """
    weight = _tensor(module, name)
    if weight.dim() < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    parametrization = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, parametrization, unsafe=True)
