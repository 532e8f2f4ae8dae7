"""A small training for the tests of `dlcore.train`."""

import numpy as np

import dlcore
from dlcore import metrics, nn, optim
from dlcore.nn import functional as F
from dlcore.optim import lr_scheduler
from dlcore.train import Trainer
from dlcore.utils.data import TensorDataset


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
