"""Diagnostics: each pathology is made on purpose and found; healthy networks raise no alarm."""

import math

import numpy as np
import pytest

import dlcore
from dlcore import diagnostics, nn, optim
from dlcore.autograd import no_grad
from dlcore.models import vision
from dlcore.nn import functional as F
from dlcore.optim import lr_scheduler
from dlcore.train import Callback, History, Trainer
from dlcore.utils.data import DataLoader, TensorDataset


def samples(count=64, features=16, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, features), dtype=np.float32)
    return dlcore.tensor(x), dlcore.tensor(np.abs(x[:, :classes]).argmax(1))


def mlp(depth, make=nn.ReLU, width=32, scale=None, features=16, classes=4):
    sizes = [features] + [width] * depth
    layers = [each for a, b in zip(sizes, sizes[1:]) for each in (nn.Linear(a, b), make())]
    model = nn.Sequential(*layers, nn.Linear(width, classes))
    for layer in model:
        if isinstance(layer, nn.Linear):
            (nn.init.kaiming_normal_ if make is nn.ReLU else nn.init.xavier_normal_)(layer.weight)
            nn.init.zeros_(layer.bias)
            if scale is not None:
                layer.weight.data.mul_(scale)
    return model


def watched(model, x, y, optimizer=None, steps=3, loss=F.cross_entropy, **thresholds):
    with diagnostics.watch(model, optimizer, **thresholds) as seen:
        for _ in range(steps):
            model.zero_grad()
            output = model(x)
            loss(output[0] if isinstance(output, tuple) else output, y).backward()
            if optimizer is not None:
                optimizer.step()
    return seen


def kinds(seen):
    return [alarm.kind for alarm in seen.alarms()]


# --- watch


def test_records():
    dlcore.manual_seed(0)
    model, (x, y) = mlp(2, width=8), samples(24)
    before = model[2].weight.detach().clone()
    seen = watched(model, x, y, optim.SGD(model.parameters(), lr=0.1), steps=1)
    change = (model[2].weight.detach() - before).norm().item()
    records, rows = seen.layers(), {row["parameter"]: row for row in seen.parameters()}
    assert [record["layer"] for record in records] == ["0", "1", "2", "3", "4"]
    assert [record["type"] for record in records] == ["Linear", "ReLU"] * 2 + ["Linear"]
    assert records[1]["shape"] == (24, 8) and records[4]["shape"] == (24, 4)
    row = rows["2.weight"]
    assert row["norm"] == pytest.approx(before.norm().item())
    assert row["update"] == pytest.approx(change / before.norm().item(), rel=1e-4)
    assert row["gradient_norm"] == pytest.approx(change / 0.1, rel=1e-4)
    assert math.isnan(rows["2.bias"]["update"])  # from zero, no share


def test_statistics_of_outputs_and_gradients():
    """Of a layer whose output and gradient are known."""
    model = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
    x = dlcore.tensor([[1.0, -2.0, 0.0, 4.0], [3.0, -1.0, -5.0, 0.0]], requires_grad=True)
    weight = dlcore.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    with diagnostics.watch(model) as seen:
        (model(x * 1) * weight).sum().backward()
    identity, relu = seen.layers()
    for record, output, gradient in (
        (identity, x.detach().numpy(), weight.numpy() * (x.detach().numpy() > 0)),
        (relu, np.maximum(x.detach().numpy(), 0), weight.numpy()),
    ):
        for name, values in (("output", output), ("gradient", gradient)):
            assert record[f"{name}_mean"] == pytest.approx(values.mean())
            assert record[f"{name}_std"] == pytest.approx(values.std())
            assert record[f"{name}_zeros"] == pytest.approx((values == 0).mean())
            assert record[f"{name}_norm"] == pytest.approx(np.linalg.norm(values))
    assert relu["dead"] == 0.5 and math.isnan(identity["dead"])


def test_watching_changes_nothing():
    x, y = samples()
    found = []
    for look in (False, True):
        dlcore.manual_seed(0)
        model = mlp(3)
        optimizer = optim.AdamW(model.parameters())
        if look:
            watched(model, x, y, optimizer)
        else:
            for _ in range(3):
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
        found.append(nn.utils.parameters_to_vector(model.parameters()))
    assert dlcore.equal(*found)


def test_hooks_are_gone():
    model, (x, y) = mlp(1), samples()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    seen = watched(model, x, y, optimizer, steps=1)
    report = seen.report()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    assert seen.report() == report
    assert not optimizer._step_pre_hooks and not optimizer._step_post_hooks
    assert not any(module._forward_hooks for module in model.modules())


def test_vanishing_gradients():
    dlcore.manual_seed(0)
    seen = watched(mlp(30, nn.Sigmoid), *samples())
    (alarm,) = seen.alarms()
    assert alarm.kind == "vanishing gradient" and alarm.names[0] == "0" and alarm.value < 1e-10
    assert len(alarm.names) > 40 and "60" not in alarm.names  # the last layers get theirs
    assert "vanishing gradient: the gradient's norm at the output of 0 is" in seen.report()


def test_vanishing_after_growing():
    """A gradient is held against the largest behind it, not against the last layer's."""
    model = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(3)))
    for layer, weight in zip(model, (1.0, 1e-6, 100.0)):
        layer.weight.data.fill_(weight)
    seen = watched(model, dlcore.ones(2, 1), None, loss=lambda output, y: output.sum(), vanishing=1e-5)
    (alarm,) = [each for each in seen.alarms() if each.kind == "vanishing gradient"]
    assert alarm.names == ["0"] and alarm.value == pytest.approx(1e-6)


@pytest.mark.parametrize("loss", [F.cross_entropy, lambda output, y: F.mse_loss(output, output.detach() * 0 + 1)])
def test_exploding_gradients(loss):
    dlcore.manual_seed(0)
    through, weights = watched(mlp(8, scale=10), *samples(), loss=loss).alarms()
    assert through.kind == weights.kind == "exploding gradient"
    assert set(through.names[:2]) == {"0", "1"} and through.value > 1e7
    assert weights.value > 1e6 and "0.weight" in weights.names


def test_exploding_gradients_through_time():
    """They grow inside of one module, where only the weights' gradients tell."""
    dlcore.manual_seed(0)
    model = nn.RNN(4, 16, nonlinearity="relu", batch_first=True)
    model.weight_hh_l0.data.mul_(5)
    seen = watched(model, dlcore.randn(8, 30, 4), dlcore.ones(8, 30, 16), loss=F.mse_loss)
    (alarm,) = seen.alarms()
    assert alarm.kind == "exploding gradient" and "weight_hh_l0" in alarm.names
    model.weight_hh_l0.data.div_(5)
    assert not watched(model, dlcore.randn(8, 30, 4), dlcore.ones(8, 30, 16), loss=F.mse_loss).alarms()


def test_dead_relus():
    dlcore.manual_seed(0)
    model = mlp(3)
    model[2].bias.data.fill_(-100.0)
    seen = watched(model, *samples())
    dead = {record["layer"]: record["dead"] for record in seen.layers() if record["type"] == "ReLU"}
    assert dead["3"] == 1.0 and dead["1"] < 0.1
    alarms = {alarm.kind: alarm for alarm in seen.alarms()}
    assert alarms["dead ReLU"].names[0] == "3" and alarms["dead ReLU"].value == 1.0
    assert "vanishing gradient" in alarms  # nothing comes through


def test_dead_channels():
    """A unit is a channel behind a convolution, and a feature behind a linear layer; one that was active once lives."""
    model = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Linear(6, 6), nn.ReLU())
    model[0].bias.data.copy_(dlcore.tensor([-100.0, 100.0, 100.0, 100.0]))
    model[2].bias.data.copy_(dlcore.tensor([-1e5] * 3 + [1e5] * 3))
    with diagnostics.watch(model) as seen:
        model(dlcore.randn(5, 2, 8))
        assert seen.layers()[1]["dead"] == 0.25 and seen.layers()[3]["dead"] == 0.5
        model[0].bias.data.fill_(100.0)
        model(dlcore.randn(5, 2, 8))
    assert seen.layers()[1]["dead"] == 0.0


def test_a_module_that_is_used_several_times():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.relu = nn.Linear(4, 6), nn.Linear(6, 3), nn.ReLU()
            self.second.bias.data.fill_(-1e3)

        def forward(self, x):
            return self.relu(self.second(self.relu(self.first(x))))

    model = Twice()
    with diagnostics.watch(model) as seen:
        for _ in range(3):
            model(dlcore.randn(50, 4))
    records = seen.layers()
    assert [record["layer"] for record in records] == ["first", "relu", "second", "relu#2"]
    assert records[1]["dead"] < 0.5 and records[3]["dead"] == 1.0


@pytest.mark.parametrize("lr, kind", [(30.0, "large updates"), (1e-7, "small updates")])
def test_updates(lr, kind):
    dlcore.manual_seed(0)
    model = mlp(1)
    assert kind in kinds(watched(model, *samples(), optim.SGD(model.parameters(), lr=lr)))


def test_not_finite():
    model = mlp(1)
    model[2].weight.data[0, 0] = math.nan
    alarms = watched(model, *samples(), steps=1).alarms()
    assert alarms[0].kind == "not finite" and "2" in alarms[0].names and "detect_anomaly" in alarms[0].message


def sequences():
    return dlcore.randint(0, 20, (16, 12)), dlcore.randint(0, 2, (16,))


class Reader(nn.Module):
    def __init__(self, recurrent):
        super().__init__()
        self.embedding = nn.Embedding(20, 16)
        if recurrent:
            self.body = nn.LSTM(16, 24, 2, batch_first=True)
        else:
            self.body = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(24 if recurrent else 16, 2)

    def forward(self, x):
        x = self.body(self.embedding(x))
        return self.head((x[0] if isinstance(x, tuple) else x)[:, -1])


HEALTHY = {
    "ReLU": (lambda: mlp(8), samples),
    "tanh": (lambda: mlp(10, nn.Tanh), samples),
    "lenet": (lambda: vision.lenet(input_size=8), lambda: (dlcore.randn(16, 1, 8, 8), dlcore.randint(0, 10, (16,)))),
    "resnet20": (lambda: vision.resnet20(), lambda: (dlcore.randn(8, 3, 16, 16), dlcore.randint(0, 10, (8,)))),
    "LSTM": (lambda: Reader(True), sequences),
    "Transformer": (lambda: Reader(False), sequences),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_networks(name):
    dlcore.manual_seed(0)
    make, batch = HEALTHY[name]
    model = make()
    seen = watched(model, *batch(), optim.AdamW(model.parameters(), lr=1e-3), steps=4)
    assert not seen.alarms(), seen.report()
    assert seen.report().endswith("\nno alarms")


def test_watch_plot(tmp_path):
    pytest.importorskip("matplotlib", reason="an extra: pip install 'dlcore[examples]'")
    model = mlp(2)
    seen = watched(model, *samples(), optim.SGD(model.parameters(), lr=0.1))
    figure = seen.plot(tmp_path / "layers.png")
    assert (tmp_path / "layers.png").read_bytes()[1:4] == b"PNG"
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["0", "1", "2", "3", "4"]
    gradients = [record["gradient_norm"] for record in seen.layers()]
    assert list(figure.axes[1].lines[0].get_ydata()) == gradients
    assert len(figure.axes[3].lines) == 4  # three weights, and the usual ratio


# --- trying out


def task(make=optim.AdamW, lr=0.003, dropout=0.2):
    dlcore.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, 4))
    optimizer = make(model.parameters(), lr=lr)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
    return Trainer(model, optimizer, F.cross_entropy, scheduler=scheduler, progress=False)


PROBES = {
    "lr_find": lambda trainer, loader: diagnostics.lr_find(trainer, loader, num_training=20, max_lr=10.0),
    "gradient_noise_scale": lambda trainer, loader: diagnostics.gradient_noise_scale(trainer, loader, 2, 2),
}


def test_probes_put_buffers_back():
    """Those that a module replaces, and those that are not saved."""

    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(16, 4)
            self.register_buffer("calls", dlcore.zeros(()), persistent=False)

        def forward(self, x):
            self.calls = self.calls + 1
            return self.linear(x)

    model = Counts()
    calls = model.calls
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), F.cross_entropy, progress=False)
    diagnostics.lr_find(trainer, [samples(8)], num_training=3)
    assert model.calls is calls and calls.item() == 0


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("kind", PROBES)
def test_probes_leave_no_trace(kind, own):
    """Training goes on as if they had not been, in the first epoch and later."""

    def trained(probe):
        trainer = task()
        loader = DataLoader(
            TensorDataset(*samples()), 8, shuffle=True, generator=dlcore.Generator().manual_seed(1) if own else None
        )
        trainer.model[1].eval()
        trainer.model[0].weight.grad = dlcore.ones(32, 16)
        for epochs in (1, 3):
            if probe:
                before = trainer.state_dict()["optimizer"]["param_groups"]
                PROBES[kind](trainer, loader)
                assert trainer.state_dict()["optimizer"]["param_groups"] == before
                assert not trainer.model[1].training or epochs > 1
                assert epochs > 1 or dlcore.equal(trainer.model[0].weight.grad, dlcore.ones(32, 16))
            trainer.fit(loader, epochs=epochs)
        return [*trainer.model.state_dict().values(), *trainer.history["loss"]]

    for a, b in zip(trained(False), trained(True)):
        assert np.array_equal(np.asarray(a), np.asarray(b))


def test_lr_find():
    """Of a quadratic loss with curvatures up to 4, gradient descent diverges above 2 / 4."""

    class Point(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter(dlcore.tensor([1.0, 1.0]))

        def forward(self, scale):
            return (0.5 * scale * self.x**2).sum()

    model = Point()
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=1.0), lambda output, _: output, progress=False)
    loader = [dlcore.tensor([1.0, 4.0])] * 3
    found = diagnostics.lr_find(trainer, loader, 1e-4, 10.0, 100)
    assert found.diverged and 0.4 < found.lrs[-1] < 5
    ratios = np.diff(np.log(found.lrs))
    np.testing.assert_allclose(ratios, np.log(1e5) / 99)
    x, average = np.ones(2), 0.0
    for i in range(60):  # the loss before each step, smoothed
        average = 0.9 * average + 0.1 * 0.5 * (np.array([1, 4]) * x**2).sum()
        assert found.losses[i] == pytest.approx(average / (1 - 0.9 ** (i + 1)), rel=1e-4)
        x -= found.lrs[i] * np.array([1, 4]) * x
    assert 0.005 < found.suggestion() < 0.5
    assert model.x.tolist() == [1.0, 1.0]
    linear = diagnostics.lr_find(trainer, loader, 0.01, 0.02, 11, "linear", None)
    np.testing.assert_allclose(linear.lrs, np.linspace(0.01, 0.02, 11))
    with pytest.raises(ValueError, match="must leave points, but got 10 and 1 of 11"):
        linear.suggestion()
    assert linear.suggestion(2) in linear.lrs


def test_suggestion_is_by_the_logarithm_of_the_rate():
    found = diagnostics.LRFinder(1.0, 6.0, 6, "linear", None)
    found.lrs, found.losses = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [5.0, 4.5, 4.0, 3.9, 3.65, 3.4]
    assert found.suggestion(0, 0) == 5.0  # -0.5 / log(6 / 4); the loss falls by more, -1, from 1 to 3


def test_lr_find_with_groups_and_accumulation():
    """Groups keep their proportions; a step takes as many batches as the trainer accumulates."""
    model = mlp(1)
    optimizer = optim.SGD([{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.2}], lr=0.1)
    steps = []
    optimizer.register_step_pre_hook(lambda self, *_: steps.append([group["lr"] for group in self.param_groups]))
    trainer = Trainer(model, optimizer, F.cross_entropy, accumulate_grad_batches=3, progress=False)
    found = diagnostics.lr_find(trainer, DataLoader(TensorDataset(*samples()), 16), 1e-3, 1e-2, 5)
    assert len(found.lrs) == len(found.losses) == len(steps) == 5
    np.testing.assert_allclose(steps, [[rate, 2 * rate] for rate in found.lrs])
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2]


def test_lr_find_plot(tmp_path):
    pytest.importorskip("matplotlib", reason="an extra: pip install 'dlcore[examples]'")
    found = diagnostics.lr_find(task(), DataLoader(TensorDataset(*samples()), 8), num_training=30)
    figure = found.plot(tmp_path / "rates.png")
    assert (tmp_path / "rates.png").read_bytes()[1:4] == b"PNG"
    assert list(figure.axes[0].lines[0].get_ydata()) == found.losses


def test_gradient_noise_scale():
    """The gradient of mean(x w) is the mean of x: |G|^2 and tr(S) are those of the data."""

    class Weighted(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(dlcore.zeros(20, dtype=dlcore.float64))

        def forward(self, x):
            return (x @ self.w).mean()

    rng = np.random.default_rng(0)
    x = 0.3 + rng.standard_normal((4096 + 3, 20))
    model = Weighted()
    trainer = Trainer(model, loss=lambda output, _: output, progress=False)
    found = diagnostics.gradient_noise_scale(trainer, DataLoader(dlcore.tensor(x), 4), big=64, repeats=100)
    assert (found.small_batch, found.big_batch) == (4, 256)
    # 16 big batches: a relative error of about sqrt(2 / 16 / 20) in what noise adds to |G|^2.
    assert found.trace == pytest.approx(20, rel=0.1)
    assert found.squared_norm == pytest.approx(20 * 0.09, rel=0.1)
    assert found.noise_scale == pytest.approx(found.trace / found.squared_norm)

    batches = x[:32].reshape(8, 4, 20)
    small = (batches.mean(1) ** 2).sum(1).mean()
    big = (batches.mean((0, 1)) ** 2).sum()
    found = diagnostics.gradient_noise_scale(trainer, list(map(dlcore.tensor, batches)), big=8)
    assert found.squared_norm == pytest.approx((32 * big - 4 * small) / 28)
    assert found.trace == pytest.approx((small - big) / (1 / 4 - 1 / 32))
    noise = batches - batches.mean((0, 1))  # no gradient at all
    assert diagnostics.gradient_noise_scale(trainer, list(map(dlcore.tensor, noise)), 8).noise_scale == math.inf


# --- curves


def curves(train, validation):
    return History({"epoch": i + 1, "loss": t, "val_loss": v} for i, (t, v) in enumerate(zip(train, validation)))


@pytest.mark.parametrize(
    "verdict, train, validation",
    [
        ("overfitting", [2.3, 1.5, 1.0, 0.6, 0.3, 0.1, 0.05], [2.2, 1.6, 1.2, 1.1, 1.2, 1.4, 1.7]),
        ("overfitting", [2.3, 1.0, 0.2, 0.1, 0.05], [2.3, 2.2, 2.2, 2.2, 2.2]),
        ("underfitting", [0.70, 0.695, 0.694, 0.693], [0.70, 0.70, 0.694, 0.695]),
        ("still improving", [2.3, 2.0, 1.7, 1.4], [2.3, 2.0, 1.8, 1.5]),
        ("good fit", [2.3, 0.9, 0.3, 0.11, 0.1, 0.1, 0.1, 0.1], [2.0, 0.8, 0.35, 0.2, 0.2, 0.2, 0.2, 0.2]),
        ("good fit", [-1.0, -2.9, -3.0, -3.0], [-1.1, -2.8, -2.9, -2.9]),
        ("diverged", [2.3, 9.0, math.nan], [2.3, 8.0, math.nan]),
        ("diverged", [2.3, 9.0, 30.0], [2.3, 8.0, 20.0]),
    ],
)
def test_diagnose(verdict, train, validation):
    found = diagnostics.diagnose(curves(train, validation))
    assert found.verdict == verdict, found
    assert found.gap == pytest.approx(validation[-1] - train[-1], nan_ok=True)
    if verdict != "diverged":
        assert found.best_epoch == 1 + int(np.argmin(validation))
        assert found.rise == pytest.approx(validation[-1] - min(validation))


def test_diagnose_with_target():
    history = curves([2.3, 1.5, 1.4, 1.4, 1.4], [2.3, 1.5, 1.4, 1.4, 1.4])
    assert diagnostics.diagnose(history).verdict == "good fit"
    assert diagnostics.diagnose(history, target=0.5).verdict == "underfitting"


def test_diagnose_trainings():
    """Too many weights for 40 samples with labels at random; too few for any."""
    x, _ = samples(80)
    labels = dlcore.randint(0, 4, (80,), generator=dlcore.Generator().manual_seed(0))
    train, held_out = TensorDataset(x[:40], labels[:40]), TensorDataset(x[40:], labels[40:])
    for verdict, width, scale in (("overfitting", 128, 1.0), ("underfitting", 1, 0.0)):
        dlcore.manual_seed(0)
        model = mlp(1, width=width)
        optimizer = optim.AdamW(model.parameters(), lr=0.01)
        trainer = Trainer(model, optimizer, F.cross_entropy, progress=False)
        batches = ([(a * scale, b) for a, b in DataLoader(part, 10)] for part in (train, held_out))
        assert diagnostics.diagnose(trainer.fit(*batches, epochs=15)).verdict == verdict


def test_errors():
    trainer = task()
    loader = DataLoader(TensorDataset(*samples()), 8)
    for call, message in [
        (lambda: diagnostics.lr_find(trainer, loader, 1.0, 0.1), "min_lr and max_lr must rise from above 0"),
        (lambda: diagnostics.lr_find(trainer, loader, num_training=1), "num_training must be an int from 2 to 100000"),
        (lambda: diagnostics.lr_find(trainer, loader, mode="up"), "mode must be exponential or linear, but got up"),
        (lambda: diagnostics.lr_find(trainer, loader, early_stop_threshold=1), "early_stop_threshold must be above 1"),
        (lambda: diagnostics.lr_find(trainer, []), "train_loader must give batches"),
        (lambda: diagnostics.gradient_noise_scale(trainer, loader, 1), "big must be an int of at least 2, but got 1"),
        (lambda: diagnostics.gradient_noise_scale(trainer, loader, 9), "at least big = 9 batches of one size, but"),
        (lambda: diagnostics.diagnose(curves([1, 2], [1, 2])), "history must have at least 3 epochs, but got 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    for call in (
        lambda: diagnostics.watch(3),
        lambda: diagnostics.watch(nn.Linear(1, 1), 3),
        lambda: diagnostics.lr_find(3, loader),
        lambda: diagnostics.gradient_noise_scale(3, loader),
        lambda: diagnostics.diagnose([]),
    ):
        with pytest.raises(TypeError, match="must be a"):
            call()


def test_an_error_leaves_no_trace():
    class Fails(Callback):
        pass

    trainer = task()
    before = nn.utils.parameters_to_vector(trainer.model.parameters()).detach().clone()

    def batches():
        yield samples(8)
        yield samples(8)
        raise RuntimeError("the disk is gone")

    class Loader:
        def __iter__(self):
            return batches()

    with pytest.raises(RuntimeError, match="the disk is gone"):
        diagnostics.lr_find(trainer, Loader(), max_lr=10.0)
    with no_grad():
        assert dlcore.equal(nn.utils.parameters_to_vector(trainer.model.parameters()), before)
    assert trainer.learning_rates() == [0.003]
