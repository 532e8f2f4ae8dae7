"""Averages of weights: optim.swa_utils."""

import pytest

import dlcore
from dlcore import nn, optim
from dlcore.optim import swa_utils


def model():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2).double())


def changed(net, seed):
    dlcore.manual_seed(seed)
    with dlcore.no_grad():
        for p in net.parameters():
            p.copy_(dlcore.randn(p.shape))
        net[1].running_mean.copy_(dlcore.randn(4))
    return [p.detach().clone() for p in net.parameters()]


MEANS = {
    "mean": ({}, lambda a, p, n: a + (p - a) / (n + 1)),
    "swa": ({"multi_avg_fn": swa_utils.get_swa_multi_avg_fn()}, lambda a, p, n: a + (p - a) / (n + 1)),
    "swa one by one": ({"avg_fn": swa_utils.get_swa_avg_fn()}, lambda a, p, n: a + (p - a) / (n + 1)),
    "ema": ({"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.9)}, lambda a, p, n: 0.9 * a + (1 - 0.9) * p),
    "ema one by one": ({"avg_fn": swa_utils.get_ema_avg_fn(0.9)}, lambda a, p, n: 0.9 * a + (1 - 0.9) * p),
}


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("kind", MEANS)
def test_averages(kind, use_buffers):
    options, formula = MEANS[kind]
    net = model()
    averaged = swa_utils.AveragedModel(net, **options, use_buffers=use_buffers)
    expected = expected_mean = None
    for n in range(5):
        values, mean = changed(net, n), net[1].running_mean.clone()
        averaged.update_parameters(net)
        expected = values if n == 0 else [formula(a, p, n) for a, p in zip(expected, values, strict=True)]
        expected_mean = mean if n == 0 or not use_buffers else formula(expected_mean, mean, n)
    for a, b in zip(averaged.module.parameters(), expected, strict=True):
        assert a.dtype == b.dtype and (a - b).abs().max().item() <= 64 * dlcore.finfo(a.dtype).eps
        assert a.requires_grad and a.is_leaf
    assert dlcore.allclose(averaged.module[1].running_mean, expected_mean, atol=1e-6)
    assert averaged.n_averaged.item() == 5
    twin = swa_utils.AveragedModel(model(), **options, use_buffers=use_buffers)
    twin.load_state_dict(averaged.state_dict())
    changed(net, 7)
    twin.update_parameters(net)
    averaged.update_parameters(net)
    assert all(dlcore.equal(a, b) for a, b in zip(twin.parameters(), averaged.parameters(), strict=True))


def test_the_copy_is_its_own():
    net = nn.Linear(2, 2)
    averaged = swa_utils.AveragedModel(net)
    averaged.update_parameters(net)
    before = averaged.module.weight.detach().clone()
    with dlcore.no_grad():
        net.weight.add_(1.0)
    assert dlcore.equal(averaged.module.weight, before)
    x = dlcore.randn(3, 2)
    assert dlcore.equal(averaged(x), averaged.module(x))
    assert "n_averaged" in averaged.state_dict() and "module.weight" in averaged.state_dict()


def test_update_bn():
    net = nn.Sequential(nn.BatchNorm1d(3, momentum=0.3)).eval()
    batches = [dlcore.randn(8, 3), (dlcore.randn(8, 3), 1), [dlcore.randn(8, 3)]]
    swa_utils.update_bn(batches, net)
    xs = [b if dlcore.is_tensor(b) else b[0] for b in batches]
    mean = sum(x.mean(0) for x in xs) / 3
    assert dlcore.allclose(net[0].running_mean, mean, atol=1e-6)
    assert net[0].momentum == 0.3 and not net.training
    swa_utils.update_bn([], nn.Linear(1, 1))
    with pytest.raises(RuntimeError):
        swa_utils.update_bn([dlcore.ones(2, 5)], net)
    assert net[0].momentum == 0.3


def test_swalr():
    p = dlcore.ones(1, requires_grad=True)
    for strategy, middle in (("linear", 0.75), ("cos", 0.75)):
        optimizer = optim.SGD([p], lr=1.0)
        schedule = swa_utils.SWALR(optimizer, 0.5, anneal_epochs=4, anneal_strategy=strategy)
        seen = []
        for _ in range(7):
            seen.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        assert seen[0] == 1.0 and seen[2] == pytest.approx(middle) and seen[4:] == pytest.approx([0.5] * 3)
        other = swa_utils.SWALR(optimizer, 0.1)
        other.load_state_dict(schedule.state_dict())
        assert (other.anneal_epochs, other.last_epoch) == (4, 7)


def test_errors():
    optimizer = optim.SGD([dlcore.ones(1, requires_grad=True)], lr=1.0)
    with pytest.raises(ValueError, match="Invalid decay value 2"):
        swa_utils.get_ema_multi_avg_fn(2)
    with pytest.raises(ValueError, match="Invalid decay value -1"):
        swa_utils.get_ema_avg_fn(-1)
    with pytest.raises(AssertionError, match="Only one of"):
        swa_utils.AveragedModel(nn.Linear(1, 1), avg_fn=max, multi_avg_fn=max)
    with pytest.raises(ValueError, match="instead got x"):
        swa_utils.SWALR(optimizer, 0.1, anneal_strategy="x")
    with pytest.raises(ValueError, match="equal or greater than 0, got -1"):
        swa_utils.SWALR(optimizer, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError, match="swa_lr has 2 values, param_groups has 1"):
        swa_utils.SWALR(optimizer, [0.1, 0.2])
    averaged = swa_utils.AveragedModel(nn.Linear(1, 1))
    with pytest.raises(ValueError):
        averaged.update_parameters(nn.Linear(1, 1, bias=False))
