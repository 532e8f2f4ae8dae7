"""A training that goes on from a checkpoint is the unbroken one, bit for bit."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from training import assert_same, data, net, trainer, weights, without_seconds

import dlcore
from dlcore import optim
from dlcore.nn import functional as F
from dlcore.optim import lr_scheduler
from dlcore.train import (
    Callback,
    Checkpoint,
    EarlyStopping,
    LearningRateMonitor,
    Trainer,
)
from dlcore.utils.data import DataLoader


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
    "LBFGS": {"max_iter": 4, "history_size": 2},
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


def test_resumed_before_the_schedule_of_an_epoch(tmp_path):
    """After the last batch of an epoch: no batch is left, and the schedule does not warn that nothing was trained."""

    def made(*callbacks):
        dlcore.manual_seed(1)
        return trainer(callbacks=callbacks)

    whole = made()
    whole.fit(DataLoader(data(), 4), epochs=2)
    broken = made(Interrupt(7), Checkpoint(tmp_path, every_n_batches=1))
    broken.callbacks[1].on_epoch_end = lambda trainer: None
    with pytest.raises(Interrupted):
        broken.fit(DataLoader(data(), 4), epochs=2)
    resumed = made()
    resumed.load_checkpoint(tmp_path / "last.safetensors")
    assert (resumed.epoch, resumed.batch) == (0, 6)
    resumed.fit(DataLoader(data(), 4), epochs=2)
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
    with pytest.raises(ValueError, match="must be of the optimizer SGD, but has no dampening, momentum, nesterov"):
        trainer(make=optim.SGD).load_state_dict(state)
    model = net()
    with pytest.raises(ValueError, match="must be of 0 metrics, but is of 1"):
        Trainer(model, one.optimizer, F.cross_entropy, scheduler=one.scheduler).load_state_dict(state)
    dlcore.save(model.state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="must be what Trainer.state_dict gave, but got the keys 0.weight"):
        one.load_checkpoint(tmp_path / "weights.safetensors")
