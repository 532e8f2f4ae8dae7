"""50 steps of every optimizer, every schedule, averages of weights: next to PyTorch's."""

import inspect
from contextlib import nullcontext as nothing

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
    ("Adagrad", {"lr": 0.05}),
    ("Adagrad", {"lr": 0.05, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-3}),
    ("Adagrad", {"maximize": True}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "alpha": 0.8, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"lr": 0.01, "centered": True, "eps": 0.1}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5, "alpha": 0.9, "eps": 0.1}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.02, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.02, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"lr": 0.02}),
    ("RAdam", {"lr": 0.02, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
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
    assert a["param_groups"] == b["param_groups"]
    # PyTorch's state into ours, and on; the two share no memory.
    fresh = getattr(dlcore.optim, name)(ours, **options)
    fresh.load_state_dict(b)
    for _ in range(3):
        step(rng, np.float64, (fresh, other), (ours, theirs))
    assert_close(ours, theirs, np.float64, 6)
    # And ours into PyTorch's.
    converted = fresh.state_dict()
    for own in converted["state"].values():
        own.update((key, torch.tensor(value.numpy())) for key, value in own.items())
    other = getattr(torch.optim, name)(theirs, **options)
    other.load_state_dict(converted)
    for _ in range(3):
        step(rng, np.float64, (fresh, other), (ours, theirs))
    # PyTorch turns NAdam's product, a float32, into the parameter's dtype when it loads it.
    assert_close(ours, theirs, np.float32 if name == "NAdam" else np.float64, 9)


def test_muon():
    """PyTorch iterates in bfloat16: five steps of it are off by some roundings of 2^-8, each of them up to |a| times as
    large after the next one, in matrices whose singular values are near 1."""
    rng = np.random.default_rng(1)
    values = [rng.normal(size=shape) for shape in [(6, 4), (3, 9), (5, 5)]]
    ours = [dlcore.tensor(value, requires_grad=True) for value in values]
    theirs = [torch.tensor(value, requires_grad=True) for value in values]
    options = {"lr": 0.02, "weight_decay": 0.2, "momentum": 0.8}
    for more in ({}, {"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw"}):
        mine, other = dlcore.optim.Muon(ours, **options, **more), torch.optim.Muon(theirs, **options, **more)
        for _ in range(3):
            for a, b in zip(ours, theirs, strict=True):
                grad = rng.normal(size=tuple(a.shape))
                a.grad, b.grad = dlcore.tensor(grad), torch.tensor(grad)
            mine.step()
            other.step()
        assert mine.state_dict()["param_groups"] == other.state_dict()["param_groups"]
        for p, q in zip(ours, theirs, strict=True):
            buffers = mine.state[p]["momentum_buffer"].numpy(), other.state[q]["momentum_buffer"].numpy()
            np.testing.assert_allclose(*buffers, rtol=1e-13)
            assert np.abs(p.detach().numpy() - q.detach().numpy()).max() < 9 * 0.02 * 5 * 2**-8


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs(search):
    def losses(library, loaded=None):
        x = library.tensor([-1.5, 2.0], dtype=library.float64, requires_grad=True)
        y = library.tensor([[0.3]], dtype=library.float64, requires_grad=True)
        options = {"lr": 1.0 if search else 0.002, "max_iter": 7, "history_size": 4, "line_search_fn": search}
        optimizer = library.optim.LBFGS([x, y], **options)
        values = []

        def closure():
            optimizer.zero_grad()
            a, b = x[0], x[1]
            loss = (1 - a) ** 2 + 100 * (b - a * a) ** 2 + ((y - a) ** 4).sum()
            loss.backward()
            values.append(loss.item())
            return loss

        for i in range(12):
            assert optimizer.step(closure).item() is not None
            if i == 5:
                twin = library.optim.LBFGS([x, y], **options)
                twin.load_state_dict(optimizer.state_dict())
                optimizer = twin
        return np.array(values), optimizer.state_dict()["state"][0]

    ours, mine = losses(dlcore)
    theirs, other = losses(torch)
    assert len(ours) == len(theirs) and mine.keys() == other.keys() - {"al"}
    # Roundings grow along the path, most in line searches, whose intervals are ratios of small differences.
    assert len(ours) > 60
    np.testing.assert_allclose(ours[:40], theirs[:40], rtol=1e-7)
    assert mine["n_iter"] == other["n_iter"] and mine["func_evals"] == other["func_evals"]
    if search:
        assert ours[-1] < 1e-6 and theirs[-1] < 1e-6


HALVES = {"lr_lambda": lambda epoch: 0.5 if epoch % 3 == 0 else 1.1}
SCHEDULES = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 7, 7, 30], "gamma": 0.3}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 1 / (1 + epoch)}),
    ("MultiplicativeLR", HALVES),
    ("ConstantLR", {"factor": 0.3, "total_iters": 7}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 20}),
    ("PolynomialLR", {"total_iters": 40, "power": 1.7}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 5}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": [0.5, 0.7], "step_size_up": 7, "step_size_down": 4}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 5, "mode": "triangular2", "base_momentum": 0.7}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 5, "mode": "exp_range", "gamma": 0.97}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 5, "scale_fn": lambda x: 1 / x}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 5, "cycle_momentum": False}),
    ("OneCycleLR", {"max_lr": [0.5, 0.9], "total_steps": 70}),
    ("OneCycleLR", {"max_lr": 0.5, "epochs": 10, "steps_per_epoch": 7, "three_phase": True, "pct_start": 0.2}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 70, "anneal_strategy": "linear", "cycle_momentum": False}),
]


def optimizer_of(library, kind="SGD"):
    one, two = library.ones(1, requires_grad=True), library.ones(1, requires_grad=True)
    options = {"momentum": 0.9} if kind == "SGD" else {}
    return getattr(library.optim, kind)([{"params": [one]}, {"params": [two], "lr": 2.0}], lr=0.5, **options)


def rates(library, make, epochs=60, kind="SGD", last=None):
    """The rates and momentums of the groups, with a change from outside and a state that moves to a new schedule."""
    optimizer = optimizer_of(library, kind)
    schedule = make(library.optim.lr_scheduler, optimizer)
    result = [schedule.get_last_lr()]
    for epoch in range(epochs):
        optimizer.step()
        schedule.step()
        if epoch == 10:
            optimizer.param_groups[0]["lr"] *= 0.5
        if epoch == 20:
            state, groups = schedule.state_dict(), optimizer.state_dict()
            optimizer = optimizer_of(library, kind)
            schedule = make(library.optim.lr_scheduler, optimizer)
            optimizer.load_state_dict(groups)
            schedule.load_state_dict(state)
        for group in optimizer.param_groups:
            result.append([group["lr"], group["momentum"] if kind == "SGD" else group["betas"][0]])
    if last is not None:  # and on from the last epoch
        resumed = last(library.optim.lr_scheduler, optimizer, epochs - 1)
        for _ in range(5):
            optimizer.step()
            resumed.step()
            result.append(resumed.get_last_lr())
    return result


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_schedules(name, options, kind):
    def make(module, optimizer, last_epoch=-1):
        return getattr(module, name)(optimizer, **options, last_epoch=last_epoch)

    assert rates(dlcore, make, kind=kind, last=make) == rates(torch, make, kind=kind, last=make)


def warm_up(module, optimizer):
    first = module.LinearLR(optimizer, start_factor=0.01, total_iters=8)
    return module.SequentialLR(optimizer, [first, module.CosineAnnealingLR(optimizer, T_max=30)], milestones=[8])


def three_in_a_row(module, optimizer):
    parts = [
        module.ConstantLR(optimizer, factor=0.1, total_iters=2),
        module.ExponentialLR(optimizer, gamma=0.9),
        module.CosineAnnealingWarmRestarts(optimizer, T_0=4),
    ]
    return module.SequentialLR(optimizer, parts, milestones=[5, 30])


def chained(module, optimizer):
    parts = [
        module.ConstantLR(optimizer, factor=0.1, total_iters=4),
        module.ExponentialLR(optimizer, gamma=0.9),
        module.MultiStepLR(optimizer, [12, 40]),
    ]
    return module.ChainedScheduler(parts)


def row_of_chains(module, optimizer):
    first = module.ChainedScheduler([module.LinearLR(optimizer), module.ExponentialLR(optimizer, 0.95)])
    return module.SequentialLR(optimizer, [first, module.StepLR(optimizer, 6, 0.5)], milestones=[15])


@pytest.mark.filterwarnings("ignore:Detected call")  # schedules in schedules start out of order, in both libraries
@pytest.mark.parametrize("make", [warm_up, three_in_a_row, chained, row_of_chains])
def test_composed_schedules(make):
    assert rates(dlcore, make) == rates(torch, make)


@pytest.mark.parametrize("name", ["StepLR", "MultiStepLR", "ExponentialLR", "ConstantLR", "LinearLR", "PolynomialLR"])
def test_going_to_an_epoch(name):
    options = dict(SCHEDULES)[name]

    def at(library):
        optimizer = optimizer_of(library)
        schedule = getattr(library.optim.lr_scheduler, name)(optimizer, **options)
        result = []
        for epoch in (3, 0, 17, 7):
            optimizer.step()
            with pytest.warns(UserWarning, match="epoch parameter"):
                schedule.step(epoch)
            result.append(schedule.get_last_lr())
        return result

    assert at(dlcore) == at(torch)


def test_warm_restarts_at_fractions_of_an_epoch():
    def at(library, factor):
        schedule = library.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer_of(library), 3, factor, 0.01)
        result = []
        for batch in range(80):
            schedule.step(batch / 4)
            result.append((schedule.get_last_lr(), schedule.last_epoch, schedule.T_i))
        return result

    for factor in (1, 2, 3):
        assert at(dlcore, factor) == at(torch, factor)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"mode": "max", "patience": 1, "factor": 0.5, "threshold": 0.1},
        {"patience": 1, "threshold": 0.3, "threshold_mode": "abs", "cooldown": 3},
        {"mode": "max", "patience": 0, "threshold_mode": "abs", "min_lr": [0.1, 0.001], "eps": 1e-3},
    ],
)
def test_plateau(options):
    metrics = np.random.default_rng(3).normal(size=60).cumsum()

    def run(library):
        optimizer = optimizer_of(library)
        schedule = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        result = []
        for i, metric in enumerate(metrics):
            schedule.step(library.tensor(metric) if i % 2 else float(metric))
            result.append((schedule.get_last_lr(), schedule.best, schedule.num_bad_epochs, schedule.cooldown_counter))
            if i == 25:
                state = schedule.state_dict()
                schedule = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
                schedule.load_state_dict(state)
        return result

    assert run(dlcore) == run(torch)


def public(module):
    return [name for name in module.__all__ if inspect.isclass(getattr(module, name))]


def arguments(kind):
    """Names, defaults, and which are by keyword only."""
    return [(p.name, p.default, p.kind) for p in inspect.signature(kind.__init__).parameters.values()]


def test_names_and_arguments():
    elsewhere = {"ASGD", "Adafactor", "Rprop", "SparseAdam"}
    for ours, theirs, names in (
        (dlcore.optim, torch.optim, {*public(torch.optim)} - elsewhere),
        (dlcore.optim.lr_scheduler, torch.optim.lr_scheduler, {*public(torch.optim.lr_scheduler)}),
        (dlcore.optim.swa_utils, torch.optim.swa_utils, {*public(torch.optim.swa_utils)}),
    ):
        assert len(names) > 1
        for name in names:
            if name != "Optimizer":
                assert arguments(getattr(ours, name)) == arguments(getattr(theirs, name)), name
    for name in ("clip_grad_norm_", "clip_grad_value_", "get_total_norm", "clip_grads_with_norm_"):
        assert inspect.signature(getattr(dlcore.nn.utils, name)).parameters.keys() == (
            inspect.signature(getattr(torch.nn.utils, name)).parameters.keys()
        )


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("kind", ["get_swa_avg_fn", "get_swa_multi_avg_fn", "get_ema_avg_fn", "get_ema_multi_avg_fn"])
def test_averages_of_weights(kind, use_buffers):
    if kind == "get_swa_multi_avg_fn" and use_buffers:
        pytest.skip("PyTorch cannot divide the count of batches")

    def run(library):
        rng = np.random.default_rng(2)
        layer = library.nn.BatchNorm1d(3)
        average = getattr(library.optim.swa_utils, kind)()
        averaged = library.optim.swa_utils.AveragedModel(
            layer, **{"multi_avg_fn" if "multi" in kind else "avg_fn": average}, use_buffers=use_buffers
        )
        for _ in range(6):
            with library.no_grad():
                for each in (layer.weight, layer.running_mean):
                    each.copy_(library.tensor(rng.normal(size=3).astype("float32")))
            averaged.update_parameters(layer)
        return {name: value.numpy() for name, value in averaged.state_dict().items()}

    ours, theirs = run(dlcore), run(torch)
    assert list(ours) == list(theirs)
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=32 * 2**-24)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 9])
def test_swalr(strategy, epochs):
    def run(library):
        optimizer = optimizer_of(library)
        first = library.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        last = library.optim.swa_utils.SWALR(optimizer, [0.05, 0.1], epochs, strategy)
        result = []
        for epoch in range(20):
            optimizer.step()
            (first if epoch < 6 else last).step()
            result.append([group["lr"] for group in optimizer.param_groups])
        return result

    assert run(dlcore) == run(torch)


@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm"])
def test_norms_of_weights(name):
    rng = np.random.default_rng(4)
    values = {key: rng.normal(size=shape) for key, shape in (("weight", (4, 3)), ("bias", (4,)))}
    x, u, v = rng.normal(size=(5, 3)), rng.normal(size=4), rng.normal(size=3)

    def run(library):
        layer = library.nn.Linear(3, 4).double()
        layer.load_state_dict({key: library.tensor(value) for key, value in values.items()})
        with pytest.warns(FutureWarning) if library is torch and name == "weight_norm" else nothing():
            getattr(library.nn.utils, name)(layer)
        if name == "spectral_norm":
            layer.weight_u.copy_(library.tensor(u))
            layer.weight_v.copy_(library.tensor(v))
        for _ in range(3):
            layer.zero_grad()
            layer(library.tensor(x)).square().sum().backward()
        grads = {key: parameter.grad.numpy() for key, parameter in layer.named_parameters()}
        return {
            **{key: value.numpy() for key, value in layer.state_dict().items()},
            **{"d" + k: g for k, g in grads.items()},
        }

    ours, theirs = run(dlcore), run(torch)
    assert ours.keys() == theirs.keys()
    for key in ours:
        np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-12, atol=1e-12, err_msg=key)
