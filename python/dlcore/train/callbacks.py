"""What is called while a `Trainer` trains."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from ..serialization import save

if TYPE_CHECKING:
    from .trainer import Trainer


class Callback:
    """Base class: a subclass defines what it needs. All methods but the last two are called with the trainer.

    ``trainer.logs`` is the record of the epoch that ended; what `on_epoch_end` adds to it becomes part of the history.
    ``trainer.should_stop = True`` ends the training after the epoch.
    """

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first epoch, or where a resumed training goes on."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Before an epoch; not where a training goes on in its middle."""

    def on_step(self, trainer: Trainer) -> None:
        """After a step of the optimizer, before the one of the scheduler."""

    def on_batch_end(self, trainer: Trainer) -> None:
        """After a batch, whether it made the optimizer step or not."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After an epoch and its validation."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last epoch."""

    def on_exception(self, trainer: Trainer) -> None:
        """When an error (KeyboardInterrupt is one) ends the training."""

    def state_dict(self) -> dict:
        """What has to be saved for a resumed training to go on as if nothing had been: numbers, tensors, ..."""
        return {}

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over what `state_dict` gave."""
        self.__dict__.update(state_dict)


def progress_bar(total: int | None, name: str, shown: bool, initial: int = 0):
    """tqdm's bar over `total` batches, of which `initial` are done.

    Raises:
        ImportError: if tqdm is missing.
    """
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError(
            "dlcore train needs tqdm for its progress bar; install it with pip install 'dlcore[examples]'"
        ) from error
    return tqdm(total=total, initial=initial, desc=name, unit="batch", disable=not shown)


class ProgressBar(Callback):
    """tqdm's bar over the batches of all epochs: the time left, the epoch, the learning rate, the mean loss of the
    epoch so far, and what was measured after the last epoch.

    Args:
        name: in front of the bar. Default: "training".
        shown: Default: True.

    Raises:
        ImportError: when training begins, if tqdm is missing.
    """

    def __init__(self, name: str = "training", shown: bool = True) -> None:
        self.name, self.shown = name, shown
        self._bar = None

    def on_fit_start(self, trainer: Trainer) -> None:
        count = trainer.batches_per_epoch
        total, done = (None, 0) if count is None else (count * trainer.epochs, count * trainer.epoch + trainer.batch)
        self._bar = progress_bar(total, self.name, self.shown, done)

    def on_batch_end(self, trainer: Trainer) -> None:
        self._bar.update()
        self._show(trainer, epoch=trainer.epoch + 1, loss=trainer.running_loss)

    def on_epoch_end(self, trainer: Trainer) -> None:
        self._show(trainer)

    def _show(self, trainer: Trainer, **now) -> None:
        numbers = {**trainer.logs, **now, "lr": trainer.learning_rates()[0]}
        shown = {key: f"{value:.4g}" for key, value in numbers.items() if key != "seconds"}
        self._bar.set_postfix(shown, refresh=not now)

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._bar is not None:
            self._bar.close()

    on_exception = on_fit_end


class _Monitor(Callback):
    """Knows the best epoch so far by a number of `trainer.logs`."""

    def __init__(self, monitor: str | None, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"{type(self).__name__}: mode must be min or max, but got {mode}")
        if not min_delta >= 0:
            raise ValueError(f"{type(self).__name__}: min_delta must not be negative, but got {min_delta}")
        self.monitor, self.mode, self.min_delta = monitor, mode, float(min_delta)
        self.best = math.inf if mode == "min" else -math.inf
        self.best_epoch = 0

    def improved(self, trainer: Trainer) -> bool:
        """Whether the epoch is better than the best before it by more than `min_delta`; NaN never is."""
        value = trainer.monitored(self.monitor, type(self).__name__)
        gain = self.best - value if self.mode == "min" else value - self.best
        if not gain > self.min_delta:
            return False
        self.best, self.best_epoch = value, trainer.epoch
        return True

    def state_dict(self) -> dict:
        return {"best": self.best, "best_epoch": self.best_epoch}


class EarlyStopping(_Monitor):
    """Ends the training when a number has not become better for some epochs.

    Args:
        monitor: the number; None (the default) for "val_loss", or "loss" where nothing is validated.
        patience: after how many epochs without improvement. Default: 3.
        min_delta: what is to count as improvement is more than this. Default: 0.
        mode: "min" (the default) or "max": which way is better.
        restore_best: give the model the weights of the best epoch when the training ends. Default: False.

    Attributes:
        best, best_epoch: the best number, and its epoch.
        stopped_epoch: the epoch after which the training was ended; 0 if it was not.

    Raises:
        ValueError: for other modes and negative numbers; when training, if nothing of that name is measured.

    Source: Prechelt: Early stopping - but when?, 1998.
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 3,
        min_delta: float = 0.0,
        mode: str = "min",
        restore_best: bool = False,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not patience >= 0:
            raise ValueError(f"EarlyStopping: patience must not be negative, but got {patience}")
        self.patience, self.restore_best = patience, restore_best
        self.stopped_epoch = self._waited = 0
        self._weights: dict | None = None

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.improved(trainer):
            self._waited = 0
            if self.restore_best:
                self._weights = {key: value.clone() for key, value in trainer.model.state_dict().items()}
            return
        self._waited += 1
        if self._waited >= self.patience:
            self.stopped_epoch = trainer.epoch
            trainer.should_stop = True

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._weights is not None:
            trainer.model.load_state_dict(self._weights)

    def state_dict(self) -> dict:
        own = {"stopped_epoch": self.stopped_epoch, "_waited": self._waited, "_weights": self._weights}
        return {**super().state_dict(), **own}


class Checkpoint(_Monitor):
    """Saves the training into a folder: ``last.safetensors``, with which it can be resumed
    (``trainer.fit(..., ckpt_path=...)``), and ``best.safetensors``, the weights of the best epoch
    (``model.load_state_dict(dlcore.load(...))``). Files are replaced at once: a process that dies leaves whole ones.

    A trainer calls it after its other callbacks, so that their state is that of the same moment.

    Args:
        folder: is made if it is missing.
        monitor, mode, min_delta: what is best; see `EarlyStopping`.
        every_n_batches: save ``last.safetensors`` after so many batches too; None (the default) only after each epoch.
        save_best, save_last: whether there are these files. Default: True.

    Raises:
        ValueError: for other modes, and numbers that are not positive.
    """

    def __init__(
        self,
        folder,
        monitor: str | None = None,
        mode: str = "min",
        min_delta: float = 0.0,
        every_n_batches: int | None = None,
        save_best: bool = True,
        save_last: bool = True,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if every_n_batches is not None and not every_n_batches > 0:
            raise ValueError(f"Checkpoint: every_n_batches must be positive, but got {every_n_batches}")
        self.folder = os.fspath(folder)
        self.every_n_batches, self.save_best, self.save_last = every_n_batches, save_best, save_last

    @property
    def last_path(self) -> str:
        return os.path.join(self.folder, "last.safetensors")

    @property
    def best_path(self) -> str:
        return os.path.join(self.folder, "best.safetensors")

    def on_fit_start(self, trainer: Trainer) -> None:
        os.makedirs(self.folder, exist_ok=True)

    def on_batch_end(self, trainer: Trainer) -> None:
        if self.save_last and self.every_n_batches and trainer.batch % self.every_n_batches == 0:
            trainer.save_checkpoint(self.last_path)

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.save_best and self.improved(trainer):
            save(trainer.model.state_dict(), self.best_path)
        if self.save_last:
            trainer.save_checkpoint(self.last_path)


class LearningRateMonitor(Callback):
    """Keeps the learning rates that steps were made with.

    Args:
        interval: "epoch" (the default: the rates at its last step) or "step".

    Attributes:
        steps: the numbers of the steps, from 1.
        rates: for each of them, the rates of the optimizer's groups.
    """

    def __init__(self, interval: str = "epoch") -> None:
        if interval not in ("epoch", "step"):
            raise ValueError(f"LearningRateMonitor: interval must be epoch or step, but got {interval}")
        self.interval = interval
        self.steps: list[int] = []
        self.rates: list[list[float]] = []
        self._now: list[float] = []

    def on_step(self, trainer: Trainer) -> None:
        self._now = trainer.learning_rates()
        if self.interval == "step":
            self._keep(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.interval == "epoch":
            self._keep(trainer)
        for i, rate in enumerate(self._now[1:], 1):
            trainer.logs[f"lr_{i}"] = rate

    def _keep(self, trainer: Trainer) -> None:
        self.steps.append(trainer.global_step)
        self.rates.append(self._now)

    def state_dict(self) -> dict:
        return {"steps": self.steps, "rates": self.rates, "_now": self._now}


class TensorBoard(Callback):
    """Writes the loss and the learning rate of steps, and what is measured after epochs, for TensorBoard to show.

    Args:
        log_dir: the folder of the files.
        every_n_steps: how often a step is written. Default: 1.

    Raises:
        ImportError: when training begins, if tensorboardX, which writes the files, is missing.
    """

    def __init__(self, log_dir, every_n_steps: int = 1) -> None:
        if not every_n_steps > 0:
            raise ValueError(f"TensorBoard: every_n_steps must be positive, but got {every_n_steps}")
        self.log_dir, self.every_n_steps = os.fspath(log_dir), every_n_steps
        self._writer = None

    def on_fit_start(self, trainer: Trainer) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "TensorBoard needs tensorboardX; install it with pip install 'dlcore[tensorboard]'"
            ) from error
        # What a run that broke off wrote after its last checkpoint is dropped.
        self._writer = SummaryWriter(self.log_dir, purge_step=trainer.global_step + 1 if trainer.global_step else None)

    def on_step(self, trainer: Trainer) -> None:
        if trainer.global_step % self.every_n_steps == 0:
            self._writer.add_scalar("step/loss", trainer.step_loss, trainer.global_step)
            self._writer.add_scalar("step/lr", trainer.learning_rates()[0], trainer.global_step)

    def on_epoch_end(self, trainer: Trainer) -> None:
        for key, value in trainer.logs.items():
            if key not in ("epoch", "seconds"):
                part, name = ("validation", key[4:]) if key.startswith("val_") else ("training", key)
                self._writer.add_scalar(f"{name}/{part}", value, trainer.global_step)

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._writer.close()

    on_exception = on_fit_end
