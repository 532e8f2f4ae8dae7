"""50 steps of every optimizer, and every schedule, next to PyTorch's."""

import copy

import numpy as np
import pytest

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of these tests")

SHAPES = [(7,), (5, 3), (2, 3, 4), (1,)]
STEPS = 50
CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.05, "maximize": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("Adam", {"lr": 0.02}),
    ("Adam", {"lr": 0.02, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.02, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.02}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True}),
]


def start(dtype):
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape).astype(dtype) for shape in SHAPES]
    ours = [dlcore.tensor(value, requires_grad=True) for value in values]
    theirs = [torch.tensor(value, requires_grad=True) for value in values]
    return rng, ours, theirs


def step(rng, dtype, optimizers, params, skip=()):
    """One step of both with the same gradients; those in `skip` get none."""
    ours, theirs = params
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        grad = rng.normal(size=SHAPES[i]).astype(dtype)
        a.grad = None if i in skip else dlcore.tensor(grad)
        b.grad = None if i in skip else torch.tensor(grad)
    for optimizer in optimizers:
        optimizer.step()


def assert_close(ours, theirs, dtype, steps):
    # Each step rounds a handful of times, relative to values of size about 1.
    tolerance = 16 * steps * np.finfo(dtype).eps
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_steps(name, options, dtype):
    rng, ours, theirs = start(dtype)
    optimizers = getattr(dlcore.optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for i in range(STEPS):
        step(rng, dtype, optimizers, (ours, theirs), skip=(1,) if i < 5 else ())
    assert_close(ours, theirs, dtype, STEPS)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_state_moves_both_ways(name, options):
    rng, ours, theirs = start(np.float64)
    mine, other = getattr(dlcore.optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for _ in range(3):
        step(rng, np.float64, (mine, other), (ours, theirs))
    a, b = mine.state_dict(), other.state_dict()
    assert a["state"].keys() == b["state"].keys()
    for number, own in a["state"].items():
        assert own.keys() == b["state"][number].keys()
        assert all(own[key].shape == tuple(b["state"][number][key].shape) for key in own)
    for x, y in zip(a["param_groups"], b["param_groups"], strict=True):
        assert x == y
    # PyTorch's state into ours, and on.
    converted = copy.deepcopy(b)
    for own in converted["state"].values():
        own.update((key, dlcore.tensor(value.numpy())) for key, value in own.items())
    fresh = getattr(dlcore.optim, name)(ours, **options)
    fresh.load_state_dict(converted)
    for _ in range(3):
        step(rng, np.float64, (fresh, other), (ours, theirs))
    assert_close(ours, theirs, np.float64, 6)


SCHEDULES = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 1 / (1 + epoch)}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
]


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_schedules(name, options):
    def rates(library, parameter):
        groups = [{"params": [parameter]}, {"params": [parameter.detach().clone().requires_grad_()], "lr": 2.0}]
        optimizer = library.optim.SGD(groups, lr=0.5)
        schedule = getattr(library.optim.lr_scheduler, name)(optimizer, **options)
        result = []
        for epoch in range(25):
            optimizer.step()
            schedule.step()
            if epoch == 10:  # somebody else changes the rate
                optimizer.param_groups[0]["lr"] *= 0.5
            result.append([group["lr"] for group in optimizer.param_groups])
        # And on from the last epoch.
        resumed = getattr(library.optim.lr_scheduler, name)(optimizer, **options, last_epoch=24)
        for _ in range(5):
            optimizer.step()
            resumed.step()
            result.append(resumed.get_last_lr())
        return np.array(result)

    ours = rates(dlcore, dlcore.ones(1, requires_grad=True))
    theirs = rates(torch, torch.ones(1, requires_grad=True))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
