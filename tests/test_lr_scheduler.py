"""Learning-rate schedules: values, states, errors. tests/parity compares them with PyTorch's."""

import math

import pytest

import dlcore
from dlcore import optim
from dlcore.optim import lr_scheduler


def parameter(*values):
    return dlcore.tensor(values, dtype=dlcore.float64, requires_grad=True)


def rates(make, epochs=12, lr=1.0):
    optimizer = optim.SGD([parameter(1.0)], lr=lr)
    schedule = make(optimizer)
    result = []
    for _ in range(epochs):
        result.append(optimizer.param_groups[0]["lr"])
        assert schedule.get_last_lr() == [result[-1]]
        optimizer.step()
        schedule.step()
    return result


def test_schedules():
    assert rates(lambda o: lr_scheduler.StepLR(o, 3, 0.5), 7) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    assert rates(lambda o: lr_scheduler.ExponentialLR(o, 0.5), 4) == [1, 0.5, 0.25, 0.125]
    assert rates(lambda o: lr_scheduler.LambdaLR(o, lambda epoch: epoch + 2), 3, lr=2.0) == [4, 6, 8]
    cosine = rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 5, eta_min=0.1), 22)
    expected = [0.1 + 0.9 * (1 + math.cos(math.pi * epoch / 5)) / 2 for epoch in range(22)]
    assert cosine == pytest.approx(expected, rel=1e-12)


def test_schedule_state():
    optimizer = optim.SGD([parameter(1.0)], lr=1.0)
    schedule = lr_scheduler.StepLR(optimizer, 2)
    for _ in range(3):
        optimizer.step()
        schedule.step()
    state = schedule.state_dict()
    assert "optimizer" not in state and state["last_epoch"] == 3 and state["base_lrs"] == [1.0]
    other_optimizer = optim.SGD([parameter(1.0)], lr=1.0)
    other = lr_scheduler.StepLR(other_optimizer, 2)
    other_optimizer.load_state_dict(optimizer.state_dict())
    other.load_state_dict(state)
    optimizer.step()
    other_optimizer.step()
    schedule.step()
    other.step()
    assert other_optimizer.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


def test_lambda_state_keeps_callable_objects():
    class Factor:
        def __init__(self):
            self.factor = 0.5

        def __call__(self, epoch):
            return self.factor

    optimizer = optim.SGD([{"params": parameter(1.0)}, {"params": parameter(1.0)}], lr=1.0)
    schedule = lr_scheduler.LambdaLR(optimizer, [Factor(), lambda epoch: 1.0])
    schedule.lr_lambdas[0].factor = 0.25
    state = schedule.state_dict()
    assert state["lr_lambdas"] == [{"factor": 0.25}, None]
    other = lr_scheduler.LambdaLR(optimizer, [Factor(), lambda epoch: 1.0])
    other.load_state_dict(state)
    assert other.lr_lambdas[0].factor == 0.25
    with pytest.raises(ValueError, match="Expected 2 lr_lambdas, but got 1"):
        lr_scheduler.LambdaLR(optimizer, [Factor()])


def test_schedule_errors():
    with pytest.raises(TypeError, match="int is not an Optimizer"):
        lr_scheduler.StepLR(3, 1)
    optimizer = optim.SGD([parameter(1.0)], lr=1.0)
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(optimizer, 1, last_epoch=4)
    schedule = lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match=r"before `optimizer.step\(\)`"):
        schedule.step()


CLOSED_FORMS = [
    (lambda o: lr_scheduler.MultiplicativeLR(o, lambda epoch: 0.5), lambda e: 0.5**e),
    (lambda o: lr_scheduler.MultiStepLR(o, [2, 5, 5], 0.5), lambda e: 0.5 ** ((e >= 2) + 2 * (e >= 5))),
    (lambda o: lr_scheduler.ConstantLR(o, 0.25, 3), lambda e: 0.25 if e < 3 else 1),
    (lambda o: lr_scheduler.LinearLR(o, 0.2, 0.8, 6), lambda e: 0.2 + 0.1 * min(e, 6)),
    (lambda o: lr_scheduler.PolynomialLR(o, 8, 2.0), lambda e: (1 - min(e, 8) / 8) ** 2),
    (
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2),
        lambda e: (1 + math.cos(math.pi * (e / 3 if e < 3 else (e - 3) / 6 if e < 9 else (e - 9) / 12))) / 2,
    ),
    (lambda o: lr_scheduler.CyclicLR(o, 0, 1, 4, 2, cycle_momentum=False), lambda e: min(e % 6 / 4, (6 - e % 6) / 2)),
]


@pytest.mark.parametrize(("make", "formula"), CLOSED_FORMS)
def test_closed_forms(make, formula):
    assert rates(make, 14) == pytest.approx([formula(epoch) for epoch in range(14)], abs=1e-12)


@pytest.mark.parametrize(
    ("mode", "scale"), [("triangular2", lambda e: 0.5 ** (e // 6)), ("exp_range", lambda e: 0.9**e)]
)
def test_heights_and_momentums_of_cycles(mode, scale):
    """The momentum falls where the rate rises."""
    optimizer = optim.SGD([parameter(1.0)], lr=1.0, momentum=0.9)
    schedule = lr_scheduler.CyclicLR(
        optimizer, 0.5, 1.0, 4, 2, mode=mode, gamma=0.9, base_momentum=0.6, max_momentum=0.8
    )
    for epoch in range(15):
        height = min(epoch % 6 / 4, (6 - epoch % 6) / 2) * scale(epoch)
        (group,) = optimizer.param_groups
        assert group["lr"] == pytest.approx(0.5 + 0.5 * height)
        assert group["momentum"] == pytest.approx(0.8 - 0.2 * height)
        optimizer.step()
        schedule.step()


def test_one_cycle():
    """Up for 30 % of the steps, from 1 / 25 of the highest rate, and down to 1e-4 of where it began, by half cosines;
    Adam's beta1 the other way."""
    optimizer = optim.Adam([parameter(1.0)], lr=1.0)
    schedule = lr_scheduler.OneCycleLR(optimizer, 2.0, 11)
    peak = 0.3 * 11 - 1

    def between(start, end, share):
        return end + (start - end) * (1 + math.cos(math.pi * share)) / 2

    for step in range(11):
        up, share = step <= peak, step / peak if step <= peak else (step - peak) / (10 - peak)
        (group,) = optimizer.param_groups
        assert group["lr"] == pytest.approx(between(0.08, 2.0, share) if up else between(2.0, 0.08e-4, share))
        beta = between(0.95, 0.85, share) if up else between(0.85, 0.95, share)
        assert group["betas"][0] == pytest.approx(beta)
        optimizer.step()
        if step < 10:
            schedule.step()
    with pytest.raises(ValueError, match="step"):
        for _ in range(2):
            schedule.step()


def test_warm_up():
    def make(optimizer):
        warm = lr_scheduler.LinearLR(optimizer, 0.25, total_iters=3)
        return lr_scheduler.SequentialLR(optimizer, [warm, lr_scheduler.ExponentialLR(optimizer, 0.5)], [3])

    assert rates(make, 6) == pytest.approx([0.25, 0.5, 0.75, 1, 0.5, 0.25])


def test_chained():
    def make(optimizer):
        parts = [lr_scheduler.ConstantLR(optimizer, 0.5, 2), lr_scheduler.ExponentialLR(optimizer, 0.5)]
        return lr_scheduler.ChainedScheduler(parts)

    assert rates(make, 4) == pytest.approx([0.5, 0.25, 0.25, 0.125])


def test_one_cycle_moves_momentum_against_the_rate():
    optimizer = optim.SGD([parameter(1.0)], lr=1.0, momentum=0.9)
    schedule = lr_scheduler.OneCycleLR(optimizer, 2.0, 10, anneal_strategy="linear", div_factor=4, final_div_factor=2)
    seen = []
    for _ in range(10):
        seen.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        schedule.step()
    assert seen[0] == pytest.approx((0.5, 0.95)) and seen[2] == pytest.approx((2.0, 0.85))
    assert seen[9] == pytest.approx((0.25, 0.95))
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        schedule.step()


def test_plateau():
    optimizer = optim.SGD([parameter(1.0)], lr=1.0)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=0.2)
    seen = []
    for metric in [1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, math.nan, 0.4]:
        schedule.step(dlcore.tensor(metric))
        seen.append(schedule.get_last_lr()[0])
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2]
    state = schedule.state_dict()
    assert "optimizer" not in state and state["best"] == pytest.approx(0.4)
    other = lr_scheduler.ReduceLROnPlateau(optimizer, mode="max")
    other.load_state_dict(state)
    assert (other.mode, other.best, other.min_lrs) == ("min", schedule.best, [0.2])
    optimizer.add_param_group({"params": parameter(1.0)})
    for _ in range(4):
        schedule.step(1.0)
    assert schedule.min_lrs == [0.2, 0.2]
    optimizer = optim.SGD([parameter(1.0)], lr=1.0)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, eps=0.3)
    for _ in range(4):
        schedule.step(1.0)
    assert optimizer.param_groups[0]["lr"] == 0.5  # a change by 0.25 would be too small


def test_a_rate_that_is_a_tensor_changes_in_place():
    rate = dlcore.tensor(0.5)
    optimizer = optim.SGD([parameter(1.0)], lr=rate)
    schedule = lr_scheduler.StepLR(optimizer, 1, 0.5)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.25
    assert schedule.get_last_lr()[0] is not rate


@pytest.mark.parametrize(("make", "formula"), CLOSED_FORMS)
def test_going_on_from_a_file(make, formula, tmp_path):
    """What is saved half-way leads to the same rates as going on."""
    optimizers = [optim.SGD([parameter(1.0)], lr=1.0) for _ in range(2)]
    schedules = [make(optimizer) for optimizer in optimizers]
    for _ in range(5):
        optimizers[0].step()
        schedules[0].step()
    dlcore.save({"optimizer": optimizers[0].state_dict(), "schedule": schedules[0].state_dict()}, tmp_path / "state")
    saved = dlcore.load(tmp_path / "state")
    optimizers[1].load_state_dict(saved["optimizer"])
    schedules[1].load_state_dict(saved["schedule"])
    for epoch in range(5, 12):
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            assert schedule.get_last_lr() == pytest.approx([formula(epoch)], abs=1e-12)
            optimizer.step()
            schedule.step()
    assert schedules[0].get_last_lr() == schedules[1].get_last_lr()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: lr_scheduler.MultiplicativeLR(o, [3]), TypeError, "lr_lambda should be a function, but got int"),
        (lambda o: lr_scheduler.ConstantLR(o, 1.5), ValueError, "expected to be between 0 and 1"),
        (lambda o: lr_scheduler.LinearLR(o, 0.0), ValueError, "expected to be greater than 0"),
        (lambda o: lr_scheduler.LinearLR(o, end_factor=2), ValueError, "expected to be between 0 and 1"),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError, "positive integer T_0, but got 0"),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 0), ValueError, "integer T_mult >= 1, but got 0"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, [1, 2]), ValueError, "max_lr has 2 values, param_groups has 1"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 1, mode="x"), ValueError, "mode is invalid and scale_fn is None"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 1, 0), ValueError, "step_size_up must be positive"),
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0), ValueError, "either total_steps OR"),
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0, -3), ValueError, "positive integer total_steps, but got -3"),
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0, 3, pct_start=2), ValueError, "pct_start, but got 2"),
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0, 3, anneal_strategy="x"), ValueError, "instead got x"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="x"), ValueError, "mode x is unknown"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold mode x is unknown"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, min_lr=[1, 2]), ValueError, "expected 1 min_lrs, got 2"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(3), TypeError, "int is not an Optimizer"),
        (lambda o: lr_scheduler.SequentialLR(o, [], []), ValueError, "expects at least one scheduler"),
        (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [1]), ValueError, "one more than"),
        (lambda o: lr_scheduler.ChainedScheduler([3]), TypeError, "should have `optimizer` as its attribute"),
        (
            lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]),
            ValueError,
            "does not support `ReduceLROnPlateau`",
        ),
        (
            lambda o: lr_scheduler.SequentialLR(optim.SGD([parameter(1.0)]), [lr_scheduler.StepLR(o, 1)], []),
            ValueError,
            "belong to the same optimizer",
        ),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make(optim.SGD([parameter(1.0)], lr=1.0, momentum=0.9))


def test_cycles_need_momentum():
    class Plain(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1})

    with pytest.raises(ValueError, match="must support momentum or beta1"):
        lr_scheduler.CyclicLR(Plain([parameter(1.0)]), 0.1, 1.0)
