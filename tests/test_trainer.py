"""The training loop: what it computes, its callbacks and its history."""

import builtins
import json
import math
import random
import sys
import types

import numpy as np
import pytest
from training import assert_same, data, net, trainer, weights

import dlcore
from dlcore import metrics, nn, optim
from dlcore.nn import functional as F
from dlcore.optim import lr_scheduler
from dlcore.train import (
    Callback,
    Checkpoint,
    EarlyStopping,
    History,
    LearningRateMonitor,
    ProgressBar,
    TensorBoard,
    Trainer,
)
from dlcore.utils.data import DataLoader

# --- the loop


def test_fit_is_the_loop_that_people_write():
    dlcore.manual_seed(0)
    model = net(0.0)
    start = {key: value.clone() for key, value in model.state_dict().items()}
    one = trainer(model, clip_grad_norm=0.5)
    history = one.fit(DataLoader(data(), 4), DataLoader(data(10, 1), 4), epochs=2)
    got = weights(one)

    model.load_state_dict(start)
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
    for epoch in range(2):
        model.train()
        total = right = 0
        for x, y in DataLoader(data(), 4):
            optimizer.zero_grad()
            output = model(x)
            loss = F.cross_entropy(output, y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            total += loss.item() * len(x)
            right += (output.argmax(1) == y).sum().item()
        rate = optimizer.param_groups[0]["lr"]
        scheduler.step()
        model.eval()
        (x, y) = data(10, 1).tensors
        with dlcore.no_grad():
            scores = model(x)
        record = history[epoch]
        assert record["epoch"] == epoch + 1 and record["lr"] == rate
        assert record["loss"] == pytest.approx(total / 22, rel=1e-6)
        assert record["accuracy"] == pytest.approx(right / 22)
        assert record["val_loss"] == pytest.approx(F.cross_entropy(scores, y).item(), rel=1e-6)
        assert record["val_accuracy"] == pytest.approx((scores.argmax(1) == y).float().mean().item())
    assert_same(got, {key: value.numpy() for key, value in model.state_dict().items()})


@pytest.mark.parametrize("sizes", [[4, 4, 4], [5, 3, 4, 2, 1], [1, 7]])
def test_accumulated_batches_are_one_large_batch(sizes):
    """Batches of any sizes, and a rest that is smaller than the others."""
    x, y = data(sum(sizes)).tensors
    batches = list(zip(x.double().split(sizes), y.split(sizes)))
    groups = [(dlcore.cat(a), dlcore.cat(b)) for a, b in (zip(*batches[i : i + 3]) for i in range(0, len(sizes), 3))]
    found = []
    for loader, count in ((batches, 3), (groups, 1)):
        dlcore.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2)).double()
        one = trainer(model, accumulate_grad_batches=count, clip_grad_norm=0.1, make=optim.SGD)
        one.fit(loader, epochs=2)
        assert one.global_step == 2 * len(groups)
        found.append(weights(one))
    for key in found[0]:
        np.testing.assert_allclose(found[0][key], found[1][key], rtol=0, atol=1e-15)


@pytest.mark.parametrize("line_search", [None, "strong_wolfe"])
def test_an_optimizer_that_evaluates_several_times(line_search):
    """LBFGS, against a loop with a closure; what is measured is where each step began."""
    (x, y) = data().tensors
    found, losses, limit = [], [], 0.5
    for by_trainer in (True, False):
        dlcore.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2))
        optimizer = optim.LBFGS(model.parameters(), max_iter=5, line_search_fn=line_search)

        def closure(model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), limit)
            return loss

        if by_trainer:
            one = Trainer(model, optimizer, F.cross_entropy, metrics.Accuracy(), clip_grad_norm=limit, progress=False)
            history = one.fit([(x, y)], epochs=6)
            assert one.global_step == 6 and history["loss"][5] < history["loss"][0] / 2
            losses.append(history["loss"])
        else:
            losses.append([optimizer.step(closure).item() for _ in range(6)])
        found.append({key: value.numpy() for key, value in model.state_dict().items()})
    assert_same(*found)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_evaluate_and_predict():
    model = net()
    one = trainer(model)
    model[1].eval()  # modes are put back one by one
    model[0].train(False)
    before = [module.training for module in model.modules()]
    state = weights(one)
    result = one.evaluate(DataLoader(data(), 5))
    output = one.predict(DataLoader(data(), 5))
    assert [module.training for module in model.modules()] == before
    assert_same(weights(one), state)
    model.eval()
    x, y = data().tensors
    assert not output.requires_grad and output.shape == (22, 2)
    np.testing.assert_allclose(output.numpy(), model(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    assert result == {
        "loss": pytest.approx(F.cross_entropy(model(x), y).item(), rel=1e-5),
        "accuracy": pytest.approx((model(x).argmax(1) == y).float().mean().item()),
    }
    assert dlcore.equal(one.predict([x, (x,)]), dlcore.cat([model(x)] * 2))


def test_what_a_subclass_says_otherwise():
    class Pairs(Trainer):
        calls = 0

        def split(self, batch):
            return (batch["x"],), batch["y"]

        def forward(self, x):
            self.calls += 1
            return {"scores": self.model(x.bfloat16().float()), "twice": (x, x)}

        def compute(self, batch):
            inputs, target = self.split(batch)
            output = self.forward(*inputs)["scores"]
            return F.cross_entropy(output, target), output, target

        def samples(self, batch):
            return len(batch["x"])

    x, y = data(8).tensors
    model = net()
    one = Pairs(model, optim.SGD(model.parameters(), lr=0.1), metrics=metrics.F1Score(), progress=False)
    batches = [{"x": x, "y": y}] * 2
    history = one.fit(batches, batches, epochs=1)
    assert one.calls == 4 and set(history[0]) == {
        "epoch", "lr", "loss", "f1_score", "val_loss", "val_f1_score", "seconds"
    }  # fmt: skip
    output = one.predict(batches)
    assert output["scores"].shape == (16, 2) and output["twice"][1].shape == (16, 5)


def test_scheduler_by_step_and_by_value():
    class Plateau(lr_scheduler.ReduceLROnPlateau):
        def __init__(self, optimizer):
            super().__init__(optimizer)
            self.seen = []

        def step(self, metrics, epoch=None):
            self.seen.append(metrics)

    one = trainer(schedule=False)
    one.scheduler = Plateau(one.optimizer)
    history = one.fit(DataLoader(data(), 4), DataLoader(data(), 4), epochs=2)
    assert one.scheduler.seen == history["val_loss"]
    one.monitor = "accuracy"
    assert one.fit(DataLoader(data(), 4), epochs=3)["accuracy"][2] == one.scheduler.seen[2]
    one = trainer(schedule=False, scheduler_interval="step")
    one.scheduler = Plateau(one.optimizer)
    with pytest.raises(ValueError, match="monitor must be one of none before the first epoch is over, but got loss"):
        one.fit(DataLoader(data(), 4))
    one = trainer(scheduler_interval="step", accumulate_grad_batches=2)
    one.fit(DataLoader(data(), 4), epochs=2)
    assert one.global_step == 6
    assert one.learning_rates() == [pytest.approx(0.01 * 0.9**6)]


def test_seed_and_going_on():
    """The same seed trains the same; `epochs` counts those of earlier calls; the loader may draw from anywhere."""

    class Noisy:
        def __iter__(self):
            for x, y in DataLoader(data(), 4, shuffle=True):
                yield x + random.random() + float(np.random.rand()), y

    found = []
    for _ in range(2):
        dlcore.manual_seed(7)
        one = trainer(seed=3)
        dlcore.manual_seed(len(found))
        one.fit(Noisy(), epochs=2)
        found.append(weights(one))
    assert_same(*found)
    assert one.epoch == 2
    assert len(one.fit(Noisy(), epochs=3)) == 3 and one.epoch == 3
    assert len(one.fit(Noisy(), epochs=3)) == 3


# --- callbacks


class Scripted(Trainer):
    """Measures what it is told to."""

    def evaluate(self, loader):
        return {"loss": loader[self.epoch]}


def scripted(values, *callbacks):
    model = net()
    one = Scripted(model, optim.SGD(model.parameters(), lr=0.0), F.cross_entropy, callbacks=callbacks, progress=False)
    one.fit(DataLoader(data(), 11), values, len(values))
    return one


def test_early_stopping():
    nan = math.nan
    for values, options, stopped, best in [
        ([5, 4, 3, 2, 1], {}, 0, 5),
        ([5, 4, 4, 4, 4, 4], {}, 5, 2),
        ([5, 4, 6, 6, 3, 6, 6, 6, 9], {}, 8, 5),
        ([5, 4, 3.5, 3.2, 3.1, 3, 0], {"min_delta": 1.0, "patience": 2}, 5, 3),
        ([5, 4.5, 4.2, 3, 3, 3, 0], {"min_delta": 1.0, "patience": 2}, 3, 1),
        ([1, 2, 3, 2, 2], {"mode": "max", "patience": 2}, 5, 3),
        ([5, nan, nan, nan, 1], {}, 4, 1),
    ]:
        callback = EarlyStopping(**options)
        one = scripted(values, callback)
        assert (callback.stopped_epoch, callback.best_epoch) == (stopped, best), values
        assert len(one.history) == (stopped or len(values))


def test_best_weights(tmp_path):
    class Count(Callback):
        def on_epoch_start(self, trainer):
            with dlcore.no_grad():
                trainer.model[0].weight.fill_(trainer.epoch + 1)

    one = scripted(
        [5, 3, 4, 4], Count(), EarlyStopping(restore_best=True), checkpoint := Checkpoint(tmp_path / "a" / "b")
    )
    assert one.model[0].weight[0, 0].item() == 2
    best = dlcore.load(checkpoint.best_path)
    assert best["0.weight"][0, 0].item() == 2 and list(best) == list(one.model.state_dict())
    assert dlcore.load(checkpoint.last_path)["model"]["0.weight"][0, 0].item() == 4
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["best.safetensors", "last.safetensors"]


def test_learning_rate_monitor():
    by_step, by_epoch = LearningRateMonitor("step"), LearningRateMonitor()
    model = net()
    optimizer = optim.SGD([{"params": model[0].parameters()}, {"params": model[4].parameters(), "lr": 1.0}], lr=0.1)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    one = Trainer(model, optimizer, F.cross_entropy, None, scheduler, [by_step, by_epoch], progress=False)
    history = one.fit(DataLoader(data(), 11), epochs=2)
    assert by_step.steps == [1, 2, 3, 4] and by_step.rates == [[0.1, 1.0]] * 2 + [[0.05, 0.5]] * 2
    assert by_epoch.steps == [2, 4] and by_epoch.rates == [[0.1, 1.0], [0.05, 0.5]]
    assert history["lr"] == [0.1, 0.05] and history["lr_1"] == [1.0, 0.5]


def test_progress_bar(capsys):
    pytest.importorskip("tqdm", reason="the progress bar")
    one = trainer(callbacks=[ProgressBar("fitting")])
    one.fit(DataLoader(data(), 4), DataLoader(data(), 4), epochs=2)
    shown = capsys.readouterr().err
    assert "fitting: 100%" in shown and "12/12" in shown
    for name in ("loss=", "val_accuracy=", "lr="):
        assert name in shown.rsplit("\r", 1)[1], shown


def test_missing_libraries(monkeypatch):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] in ("tqdm", "matplotlib", "tensorboardX"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for callback, library in ((ProgressBar(), "tqdm"), (TensorBoard("nowhere"), "tensorboardX")):
        with pytest.raises(ImportError, match=f"needs {library}.*pip install 'dlcore"):
            trainer(callbacks=[callback]).fit(DataLoader(data(), 4))
    with pytest.raises(ImportError, match="History.plot needs matplotlib"):
        History([{"epoch": 1, "loss": 1.0}]).plot()


def test_tensorboard_calls(monkeypatch):
    """What is handed to the writer, and from which step on a resumed training writes."""
    written = []

    class Writer:
        def __init__(self, folder, purge_step):
            written.append((folder, purge_step))

        def add_scalar(self, *row):
            written.append(row)

        def close(self):
            written.append("closed")

    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=Writer))
    one = trainer(callbacks=[TensorBoard("folder", every_n_steps=2)])
    history = one.fit(DataLoader(data(), 11), DataLoader(data(), 11), epochs=1)
    assert written[:3] == [("folder", None), ("step/loss", one.step_loss, 2), ("step/lr", 0.01, 2)]
    assert ("loss/validation", history[0]["val_loss"], 2) in written
    assert ("accuracy/training", history[0]["accuracy"], 2) in written and written[-1] == "closed"
    one.fit(DataLoader(data(), 11), epochs=2)
    assert ("folder", 3) in written


def test_tensorboard_files(tmp_path):
    pytest.importorskip("tensorboardX", reason="an extra: pip install 'dlcore[tensorboard]'")
    trainer(callbacks=[TensorBoard(tmp_path / "logs")]).fit(DataLoader(data(), 4), epochs=1)
    (file,) = (tmp_path / "logs").iterdir()
    content = file.read_bytes()
    assert b"step/loss" in content and b"accuracy/training" in content


# --- the history


def history():
    records = [{"epoch": i + 1, "loss": 2.0**-i, "val_loss": abs(i - 1) / 3} for i in range(4)]
    records[2]["note"] = 7
    records[3]["val_loss"] = math.nan
    return History(records)


def test_history(tmp_path):
    one = history()
    assert one.keys() == ["epoch", "loss", "val_loss", "note"] and len(one) == 4
    assert one["loss"] == [1.0, 0.5, 0.25, 0.125] and one[1]["val_loss"] == 0.0
    assert one.best() is one.records[1] and one.best("loss", "max") is one.records[0]
    assert str(one).splitlines()[0].split() == one.keys() and "0.125" in str(one).splitlines()[4]
    one.to_csv(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text().splitlines()[:2] == ["epoch,loss,val_loss,note", f"1,1.0,{1 / 3},"]
    one.to_jsonl(tmp_path / "history.jsonl")
    assert json.loads((tmp_path / "history.jsonl").read_text().splitlines()[3])["val_loss"] is None
    for other in (History.from_csv(tmp_path / "history.csv"), History.from_jsonl(tmp_path / "history.jsonl")):
        assert repr(other.records) == repr(one.records)


@pytest.mark.parametrize(
    "text, message",
    [
        ("epoch,loss\n1,0.5\n2,low\n", "line 3, column loss: must be a number, but got low"),
        ("epoch,loss\n1,0.5,3\n", "line 2: there must be as many cells"),
        ("epoch,loss\n1\n", "line 2: there must be as many cells"),
        ('{"a": 1}\n{"a": ', "line 2: "),
        ('{"a": 1}\n[3]', "line 2: must be an object of numbers"),
    ],
)
def test_malformed_history(text, message, tmp_path):
    (tmp_path / "file").write_text(text)
    with pytest.raises(ValueError, match=message):
        (History.from_jsonl if text.startswith("{") else History.from_csv)(tmp_path / "file")


def test_history_plot(tmp_path):
    pytest.importorskip("matplotlib", reason="an extra: pip install 'dlcore[examples]'")
    figure = history().plot(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[1:4] == b"PNG"
    loss, note = figure.axes
    assert [line.get_label() for line in loss.lines] == ["training", "validation", "lowest validation loss"]
    assert list(loss.lines[0].get_ydata()) == history()["loss"] and loss.lines[2].get_xdata()[0] == 2
    assert len(note.lines) == 1
    with pytest.raises(ValueError, match="there are no records"):
        History().plot()


# --- wrong arguments


def test_errors():
    model = net()
    for options, error, message in [
        ({"model": 3}, TypeError, "model must be a Module, but got int"),
        (
            {"optimizer": optim.LBFGS(model.parameters()), "accumulate_grad_batches": 2},
            ValueError,
            "accumulate_grad_batches must be 1 with LBFGS.*but got 2",
        ),
        ({"optimizer": "sgd"}, TypeError, "optimizer must be an Optimizer, but got str"),
        ({"metrics": [3]}, TypeError, "metrics must be Metrics"),
        (
            {"metrics": [metrics.Mean(), metrics.Mean()]},
            ValueError,
            "metrics must have different names, but got mean, mean",
        ),
        ({"callbacks": [3]}, TypeError, "callbacks must be Callbacks"),
        ({"accumulate_grad_batches": 0}, ValueError, "accumulate_grad_batches must be a positive int, but got 0"),
        ({"clip_grad_norm": 0}, ValueError, "clip_grad_norm must be positive, but got 0"),
        ({"scheduler_interval": "day"}, ValueError, "scheduler_interval must be epoch or step, but got day"),
    ]:
        with pytest.raises(error, match=message):
            Trainer(**{"model": model, **options})
    loader = DataLoader(data(), 4)
    for call, message in [
        (lambda: Trainer(model).fit(loader), "the trainer must have an optimizer"),
        (lambda: Trainer(model).evaluate(loader), "the trainer must have a loss"),
        (lambda: trainer().fit(loader, epochs=-1), "epochs must be an int that is not negative, but got -1"),
        (lambda: trainer().fit([]), "train_loader must give batches, but gave none in epoch 1"),
        (lambda: trainer().fit(iter(loader), epochs=2), "but gave none in epoch 2"),
        (lambda: trainer().evaluate([]), "loader must give batches, but gave none"),
        (lambda: trainer().predict([]), "loader must give batches, but gave none"),
        (lambda: trainer(callbacks=[EarlyStopping("speed")]).fit(loader), "monitor must be one of epoch, lr, loss"),
        (lambda: EarlyStopping(mode="up"), "mode must be min or max, but got up"),
        (lambda: EarlyStopping(patience=-1), "patience must not be negative"),
        (lambda: Checkpoint("a", every_n_batches=0), "every_n_batches must be positive"),
        (lambda: LearningRateMonitor("day"), "interval must be epoch or step"),
        (lambda: history().best("loss", "up"), "mode must be min or max"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="a batch must be a tensor or several, but got dict; override Trainer.split"):
        trainer().fit([{"x": 1}])
    with pytest.raises(KeyError, match="there is no speed; there are epoch, loss"):
        history()["speed"]
