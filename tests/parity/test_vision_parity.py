"""The networks next to the same modules built in PyTorch from the same weights: outputs, losses and gradients."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of these tests")
spec = importlib.util.spec_from_file_location("twin", Path(__file__).parents[2] / "bench" / "twin.py")
twin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(twin)

NETWORKS = [  # name, size of the images, options
    ("lenet", 28, {}),
    ("lenet", 8, {}),
    ("alexnet", 32, {"dropout": 0}),
    ("vgg11", 32, {"dropout": 0}),
    ("vgg11_bn", 16, {"dropout": 0}),
    ("nin", 70, {"dropout": 0}),
    ("nin", 16, {"dropout": 0}),
    ("googlenet", 64, {"dropout": 0, "dropout_aux": 0}),
    ("googlenet", 16, {"dropout": 0, "dropout_aux": 0}),
    ("resnet18", 64, {}),
    ("resnet18", 16, {}),
    ("resnet50", 64, {}),
    ("resnet20", 16, {"zero_init_residual": True}),
    ("densenet121", 64, {}),
    ("densenet_small", 16, {}),
    ("mobilenet", 64, {"width_mult": 0.5}),
    ("mobilenet_v2", 64, {"dropout": 0}),
]


def models(name, **options):
    ours, theirs = (getattr(twin.vision(library), name)(**options).double() for library in (dlcore, torch))
    assert repr(ours) == repr(theirs)
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    ours.load_state_dict({key: dlcore.tensor(value) for key, value in state.items()})
    assert list(ours.state_dict()) == list(state)
    return ours, theirs


def numbers(tensor):
    return tensor.detach().numpy()


def close(a, b):
    """Sums of the same float64 numbers in another order, through up to 121 layers and their batch norms."""
    assert np.abs(a - b).max(initial=0) <= 1e-8 * (np.abs(b).max(initial=0) + 1e-3)


@pytest.mark.parametrize(("name", "size", "options"), NETWORKS)
def test_networks(name, size, options):
    torch.manual_seed(0)
    ours, theirs = models(name, num_classes=5, in_channels=3, input_size=size, **options)
    x = np.random.default_rng(0).normal(size=(3, 3, size, size))
    labels = [0, 3, 4]

    def step(library, model):
        outputs = model(library.tensor(x))
        outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
        sum(library.nn.functional.cross_entropy(each, library.tensor(labels)) for each in outputs).backward()
        state = [numbers(value) for value in model.state_dict().values()]
        return [numbers(each) for each in outputs] + [numbers(p.grad) for p in model.parameters()] + state

    for a, b in zip(step(dlcore, ours), step(torch, theirs), strict=True):
        close(a, b)
    ours.eval(), theirs.eval()
    with dlcore.no_grad(), torch.no_grad():
        close(numbers(ours(dlcore.tensor(x))), numbers(theirs(torch.tensor(x))))


def test_go_policy():
    ours, theirs = models("go_policy", planes=4, channels=8, layers=4)
    rng = np.random.default_rng(0)
    boards, legal = rng.normal(size=(3, 4, 19, 19)), rng.random((3, 361)) < 0.4
    target = legal.argmax(1)

    def step(library, model):
        moves = model(library.tensor(boards), library.tensor(legal))
        library.nn.functional.nll_loss(moves, library.tensor(target)).backward()
        return [numbers(moves.exp())] + [numbers(p.grad) for p in model.parameters()]

    for a, b in zip(step(dlcore, ours), step(torch, theirs), strict=True):
        close(a, b)
