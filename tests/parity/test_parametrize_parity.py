"""Parametrizations: the same names, values and gradients as PyTorch's, with weights that go both ways."""

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.nn.utils import parametrizations

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")
theirs = torch.nn.utils.parametrizations

LAYERS = {
    "square": lambda nn: nn.Linear(4, 4),
    "wide": lambda nn: nn.Linear(6, 3),
    "tall": lambda nn: nn.Linear(3, 6),
    "conv": lambda nn: nn.Conv2d(2, 3, (4, 3)),
    "transposed": lambda nn: nn.ConvTranspose1d(3, 2, 4),
}
INPUTS = {"square": (5, 4), "wide": (5, 6), "tall": (5, 3), "conv": (2, 2, 6, 5), "transposed": (2, 3, 6)}
KINDS = {
    "weight_norm": {},
    "weight_norm, dim 1": {"dim": 1},
    "weight_norm, one length": {"dim": None},
    "spectral_norm": {},
    "spectral_norm, dim 1": {"dim": 1, "n_power_iterations": 3},
    **{
        f"orthogonal, {name}, {trivial}": {"orthogonal_map": name, "use_trivialization": trivial}
        for name in ("matrix_exp", "cayley", "householder")
        for trivial in (True, False)
    },
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_same_as_pytorch(kind, layer):
    name = kind.split(",")[0]
    torch.manual_seed(0)
    dlcore.manual_seed(0)
    a, b = LAYERS[layer](nn).double(), LAYERS[layer](torch.nn).double()
    a.load_state_dict(b.state_dict())
    getattr(parametrizations, name)(a, **KINDS[kind])
    getattr(theirs, name)(b, **KINDS[kind])
    assert list(a.state_dict()) == list(b.state_dict()) and repr(a) == repr(b)
    if name == "weight_norm":
        np.testing.assert_allclose(a.weight.detach().numpy(), b.weight.detach().numpy(), rtol=1e-14)
    b.load_state_dict({key: torch.from_numpy(value.numpy().copy()) for key, value in a.state_dict().items()})
    a.load_state_dict(b.state_dict())

    x = np.random.default_rng(0).standard_normal(INPUTS[layer])
    optimizers = dlcore.optim.SGD(a.parameters(), 0.01), torch.optim.SGD(b.parameters(), 0.01)
    for _ in range(5):
        ours, other = a(dlcore.tensor(x)), b(torch.tensor(x))
        np.testing.assert_allclose(ours.detach().numpy(), other.detach().numpy(), rtol=0, atol=1e-11)
        for optimizer, loss in zip(optimizers, ((ours**2).sum(), (other**2).sum())):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for mine, their in zip(a.parameters(), b.parameters()):
        np.testing.assert_allclose(mine.grad.numpy(), their.grad.numpy(), rtol=0, atol=1e-10)
    for key, value in a.state_dict().items():
        np.testing.assert_allclose(value.numpy(), b.state_dict()[key].numpy(), rtol=0, atol=1e-10, err_msg=key)


@pytest.mark.parametrize("size", [(1, 1), (5, 5), (3, 8, 8)])
@pytest.mark.parametrize("norm", [1e-6, 1.0, 30.0])
def test_matrix_exp(norm, size):
    rng = np.random.default_rng(1)
    A = rng.standard_normal(size)
    A = norm * (A - np.swapaxes(A, -1, -2)) if size[-1] > 1 else norm * A
    x, y = dlcore.tensor(A, requires_grad=True), torch.tensor(A, requires_grad=True)
    weight = rng.standard_normal(size)
    ours, other = dlcore.linalg.matrix_exp(x), torch.linalg.matrix_exp(y)
    (ours * dlcore.tensor(weight)).sum().backward()
    (other * torch.tensor(weight)).sum().backward()
    # Each squaring doubles the relative error.
    atol = 2.0**-50 * max(8, 16 * np.abs(A).sum(-1).max()) * max(1, other.detach().abs().max().item())
    np.testing.assert_allclose(ours.detach().numpy(), other.detach().numpy(), rtol=0, atol=atol)
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=0, atol=8 * size[-1] * atol)


@pytest.mark.parametrize("size, k", [((5, 3), 3), ((4, 4), 2), ((2, 6, 2), 2), ((3, 0), 0)])
def test_householder_product(size, k):
    rng = np.random.default_rng(2)
    A, tau = rng.standard_normal(size), rng.random((*size[:-2], k))
    ours = dlcore.linalg.householder_product(dlcore.tensor(A), dlcore.tensor(tau))
    other = torch.linalg.householder_product(torch.tensor(A), torch.tensor(tau))
    np.testing.assert_allclose(ours.numpy(), other.numpy(), rtol=1e-12, atol=1e-12)
    with pytest.raises(RuntimeError, match="expected A"):
        dlcore.linalg.householder_product(dlcore.zeros(2, 3), dlcore.zeros(2))
