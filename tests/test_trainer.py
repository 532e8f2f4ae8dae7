"""The training loop: what it computes, its callbacks, and that a resumed training is the unbroken one, bit for bit."""

import builtins
import json
import math
import os
import random
import subprocess
import sys
import types

import numpy as np
import pytest

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
from dlcore.utils.data import DataLoader, TensorDataset


def data(count=22, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 5), dtype=np.float32)
    return TensorDataset(dlcore.tensor(x), dlcore.tensor((x[:, 0] > x[:, 1]).astype(np.int64)))


def net(dropout=0.3):
    return nn.Sequential(
        nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 2)
    )  # fmt: skip


def trainer(model=None, callbacks=(), make=optim.AdamW, schedule=True, **options):
    model = net() if model is None else model
    optimizer = make(model.parameters(), lr=0.01)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9) if schedule else None
    measured = {"accuracy": metrics.Accuracy()}
    return Trainer(model, optimizer, F.cross_entropy, measured, scheduler, callbacks, progress=False, **options)


def weights(trainer):
    return {key: value.numpy().copy() for key, value in trainer.model.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def without_seconds(history):
    return [{key: value for key, value in record.items() if key != "seconds"} for record in history]


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


# --- resuming


class Interrupted(Exception):
    pass


class Interrupt(Callback):
    """Breaks off after so many batches (or in the end of an epoch), before or behind the checkpoint of that batch."""

    def __init__(self, after):
        self.left = after

    def on_batch_end(self, trainer):
        self.left -= 1
        if self.left == 0:
            raise Interrupted

    def state_dict(self):
        return {}


LOADERS = {
    "loader": lambda: DataLoader(data(), 4, shuffle=True),
    "own generator": lambda: DataLoader(data(), 4, shuffle=True, generator=dlcore.Generator().manual_seed(5)),
    "workers": lambda: DataLoader(data(), 4, shuffle=True, num_workers=2),
    "any iterable": lambda: Drawn(),
}


class Drawn:
    """Has no state of its own, and draws from three default generators."""

    def __iter__(self):
        x, y = data().tensors
        order = dlcore.randperm(22)
        rows = list(range(0, 22, 4))
        random.shuffle(rows)
        np.random.shuffle(rows)
        for i in rows:
            yield x[order[i : i + 4]], y[order[i : i + 4]]


@pytest.mark.parametrize("kind", LOADERS)
def test_resumed_is_unbroken(kind, tmp_path, monkeypatch):
    """Broken off after every batch, in the middle of an epoch and of an accumulated step, with dropout, batch norm,
    shuffling, a schedule and early stopping."""

    def made(folder, interrupt=None):
        dlcore.manual_seed(1)
        monkeypatch.setattr(os, "fsync", lambda file: None)  # hundreds of files
        stopping = EarlyStopping("val_loss", patience=2, restore_best=True)
        callbacks = [Checkpoint(folder, every_n_batches=1), stopping, LearningRateMonitor("step")]
        return trainer(
            callbacks=callbacks + ([interrupt] if interrupt else []),
            accumulate_grad_batches=4,
            seed=2,
            clip_grad_norm=1.0,
        )

    epochs, held_out = 3, DataLoader(data(9, 1), 4)
    whole = made(tmp_path / "whole")
    whole.fit(LOADERS[kind](), held_out, epochs)
    assert whole.global_step == 2 * epochs
    for stop in range(1, 6 * epochs + 1):
        folder = tmp_path / str(stop)
        # The interrupt comes before the checkpoint of its batch; so the checkpoint is that of the batch before.
        broken = made(folder, Interrupt(stop))
        with pytest.raises(Interrupted):
            broken.fit(LOADERS[kind](), held_out, epochs)
        resumed = made(folder)
        dlcore.manual_seed(99)
        random.seed(99)
        np.random.seed(99)
        path = folder / "last.safetensors"
        resumed.fit(LOADERS[kind](), held_out, epochs, ckpt_path=path if stop > 1 else None)
        assert_same(weights(resumed), weights(whole))
        assert without_seconds(resumed.history) == without_seconds(whole.history)
        assert resumed.callbacks[1].rates == whole.callbacks[1].rates
        assert (folder / "best.safetensors").read_bytes() == (tmp_path / "whole" / "best.safetensors").read_bytes()


PROGRAM = """
import os, sys
import dlcore
from dlcore import nn, optim
from dlcore.nn import functional as F
from dlcore.train import Callback, Checkpoint, Trainer
from dlcore.utils.data import DataLoader, TensorDataset

class Report(Callback):
    def on_batch_end(self, trainer):
        print(trainer.epoch, trainer.batch, flush=True)

dlcore.manual_seed(0)
x = dlcore.randn(40, 5)
model = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.5), nn.Linear(8, 1))
optimizer = optim.AdamW(model.parameters(), lr=0.01)
folder, last = sys.argv[1], os.path.join(sys.argv[1], "last.safetensors")
callbacks = [Report(), Checkpoint(folder, every_n_batches=1)]
trainer = Trainer(model, optimizer, F.mse_loss, callbacks=callbacks, accumulate_grad_batches=2, seed=1, progress=False)
loader = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), 4, shuffle=True)
trainer.fit(loader, epochs=4, ckpt_path=last if os.path.exists(last) else None)
dlcore.save(model.state_dict(), os.path.join(folder, "model.safetensors"))
"""


def test_killed_processes(tmp_path):
    """Killed somewhere about the saving of a checkpoint, again and again, a training ends with the same bits."""

    def start(folder):
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-c", PROGRAM, str(folder)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    whole = start(tmp_path / "whole")
    assert len(whole.communicate(timeout=100)[0].splitlines()) == 40
    for batches in (7, 11):
        killed = start(tmp_path / "killed")
        for _ in range(batches):
            assert killed.stdout.readline()
        killed.kill()
        killed.communicate()
    last = start(tmp_path / "killed")
    assert len(last.communicate(timeout=100)[0].splitlines()) < 40 and last.returncode == 0
    contents = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert contents[0] == contents[1]


OPTIMIZERS = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "Adagrad": {},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adadelta": {},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "Adamax": {},
    "NAdam": {},
    "RAdam": {},
    "Lion": {},
}
SCHEDULERS = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda step: 0.9),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 2),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 5]),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, total_iters=4),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, total_iters=6),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 20, 2.0),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 5),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.001, 0.1, 3),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, 12),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, total_iters=4), lr_scheduler.ExponentialLR(o, 0.9)], [4]
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.1, 4), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
}


@pytest.mark.parametrize("name", [*OPTIMIZERS, *SCHEDULERS])
def test_resumed_with_every_optimizer_and_scheduler(name, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)

    def made(*callbacks):
        dlcore.manual_seed(1)
        one = trainer(schedule=False, callbacks=callbacks, clip_grad_norm=1.0)
        kind = name if name in OPTIMIZERS else "SGD"
        one.optimizer = getattr(optim, kind)(one.model.parameters(), lr=0.05, **OPTIMIZERS[kind])
        one.scheduler = SCHEDULERS.get(name, SCHEDULERS["StepLR"])(one.optimizer)
        one.scheduler_interval = "epoch" if name == "ReduceLROnPlateau" else "step"
        return one

    def loader():
        return DataLoader(data(), 4, shuffle=True, generator=dlcore.Generator().manual_seed(5))

    whole = made()
    whole.fit(loader(), epochs=2)
    for stop in (2, 5, 7, 10):
        broken = made(Checkpoint(tmp_path, every_n_batches=1), Interrupt(stop))
        with pytest.raises(Interrupted):
            broken.fit(loader(), epochs=2)
        resumed = made()
        resumed.fit(loader(), epochs=2, ckpt_path=tmp_path / "last.safetensors")
        assert_same(weights(resumed), weights(whole))
        assert resumed.learning_rates() == whole.learning_rates()


def test_resumed_stays_stopped(tmp_path):
    def made():
        dlcore.manual_seed(1)
        return trainer(callbacks=[EarlyStopping("accuracy", patience=0, mode="min"), Checkpoint(tmp_path)])

    one = made()
    one.fit(DataLoader(data(), 4), epochs=50)
    assert one.epoch < 50
    other = made()
    other.fit(DataLoader(data(), 4), epochs=50, ckpt_path=tmp_path / "last.safetensors")
    assert other.epoch == one.epoch
    assert_same(weights(one), weights(other))


def test_broken_off_epoch_begins_again():
    one = trainer(callbacks=[Interrupt(3)], accumulate_grad_batches=4)
    with pytest.raises(Interrupted):
        one.fit(DataLoader(data(), 4), epochs=1)
    one.callbacks.clear()
    assert len(one.fit(DataLoader(data(), 4), epochs=1)) == 1
    assert one.global_step == 2


def test_state_errors(tmp_path):
    one = trainer()
    state = one.state_dict()
    for wrong in (None, {}, {"model": 1}, {**state, "more": 1}):
        with pytest.raises(ValueError, match="must be what Trainer.state_dict gave"):
            one.load_state_dict(wrong)
    with pytest.raises(ValueError, match="must both have a scheduler, or none"):
        trainer(schedule=False).load_state_dict(state)
    model = net()
    with pytest.raises(ValueError, match="must be of 0 metrics, but is of 1"):
        Trainer(model, one.optimizer, F.cross_entropy, scheduler=one.scheduler).load_state_dict(state)
    dlcore.save(model.state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="must be what Trainer.state_dict gave, but got the keys 0.weight"):
        one.load_checkpoint(tmp_path / "weights.safetensors")


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
        ({"optimizer": optim.LBFGS(model.parameters())}, ValueError, "but LBFGS computes them several times in a step"),
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
