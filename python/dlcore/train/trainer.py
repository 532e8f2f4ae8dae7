"""`Trainer`: the loop of training, and its state."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from .. import nn
from .._core import Tensor
from ..autograd import no_grad
from ..metrics import Mean, Metric
from ..optim import Optimizer
from ..serialization import load, save
from .callbacks import Callback, Checkpoint, ProgressBar
from .history import History
from .outputs import joined, named, value_of
from .state import evaluating, random_state, seed_all, set_random_state


class Trainer:
    """Trains, evaluates and applies a model.

    A batch is (input, ..., target), as a `DataLoader` gives it; ``loss(model(input, ...), target)`` is the mean over
    its samples. For other batches, models and losses a subclass overrides `split`, `forward`, `compute` or `samples`.

    Args:
        model: the module.
        optimizer: of its parameters; only `fit` needs it. One that takes a closure (`LBFGS`) has the loss and the
            gradients of a batch computed as often as it asks; what is measured is the first time.
        loss: a function of output and target; `predict` does without.
        metrics: a `Metric`, several, or a dictionary of names and metrics; their ``update`` gets output and target. The
            history takes those that are one number.
        scheduler: of the learning rate; ``ReduceLROnPlateau`` gets the number that `monitor` names.
        callbacks: see `dlcore.train.callbacks`.
        accumulate_grad_batches: batches whose gradients make one step. They are weighted by their samples, so that it
            is the step of one large batch; the last ones of an epoch may be fewer. Default: 1.
        clip_grad_norm: to which the norm of all gradients is limited. Default: None, not limited.
        clip_grad_value: to which each element of the gradients is limited. Default: None, not limited.
        scheduler_interval: "epoch" (the default) or "step": after what the scheduler steps.
        monitor: see `scheduler`; None (the default) for "val_loss", or "loss" where nothing is validated.
        seed: of the generators of dlcore, Python and NumPy when `fit` begins; None (the default) leaves them.
        progress: show a bar: None (the default) where tqdm is installed; True needs it; False never.

    Attributes:
        epoch, batch: epochs that are over, and batches of the running one that are.
        global_step: steps of the optimizer.
        history, logs: the `History` of all epochs, and the record of the last one.
        epochs, batches_per_epoch: of the running `fit`; the batches as the loader says, or None.
        step_loss, running_loss: the mean over the batches of the last step, and over the epoch so far.
        should_stop: set to True, it ends the training after the epoch.

    Raises:
        TypeError, ValueError: for arguments of other types and values.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | None = None,
        loss: Callable[..., Tensor] | None = None,
        metrics: Metric | Sequence[Metric] | dict[str, Metric] | None = None,
        scheduler=None,
        callbacks: Iterable[Callback] = (),
        *,
        accumulate_grad_batches: int = 1,
        clip_grad_norm: float | None = None,
        clip_grad_value: float | None = None,
        scheduler_interval: str = "epoch",
        monitor: str | None = None,
        seed: int | None = None,
        progress: bool | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"Trainer: model must be a Module, but got {type(model).__name__}")
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise TypeError(f"Trainer: optimizer must be an Optimizer, but got {type(optimizer).__name__}")
        if not isinstance(accumulate_grad_batches, int) or accumulate_grad_batches < 1:
            raise ValueError(
                f"Trainer: accumulate_grad_batches must be a positive int, but got {accumulate_grad_batches!r}"
            )
        if accumulate_grad_batches > 1 and optimizer is not None and _needs_closure(optimizer):
            raise ValueError(
                f"Trainer: accumulate_grad_batches must be 1 with {type(optimizer).__name__}, which computes gradients "
                f"several times in a step, but got {accumulate_grad_batches}"
            )
        for name, limit in (("clip_grad_norm", clip_grad_norm), ("clip_grad_value", clip_grad_value)):
            if limit is not None and not limit > 0:
                raise ValueError(f"Trainer: {name} must be positive, but got {limit}")
        if scheduler_interval not in ("epoch", "step"):
            raise ValueError(f"Trainer: scheduler_interval must be epoch or step, but got {scheduler_interval}")
        self.model, self.optimizer, self.loss, self.scheduler = model, optimizer, loss, scheduler
        self.metrics = named(metrics)
        self.callbacks = list(callbacks)
        if not all(isinstance(each, Callback) for each in self.callbacks):
            raise TypeError(f"Trainer: callbacks must be Callbacks, but got {self.callbacks}")
        if progress or (progress is None and _has_tqdm()):
            self.callbacks.append(ProgressBar())
        self.callbacks.sort(key=lambda each: isinstance(each, Checkpoint))  # what they save has to be complete
        self.accumulate_grad_batches = accumulate_grad_batches
        self.clip_grad_norm, self.clip_grad_value = clip_grad_norm, clip_grad_value
        self.scheduler_interval, self.monitor, self.seed = scheduler_interval, monitor, seed
        self.begin()

    def begin(self) -> None:
        """Forget that anything was trained: the next `fit` begins with the first epoch. The model, the optimizer, the
        scheduler and the callbacks stay as they are."""
        self.epoch = self.batch = self.global_step = self.epochs = 0
        self.batches_per_epoch: int | None = None
        self.history, self.logs = History(), {}
        self.should_stop = False
        self.step_loss = 0.0
        self._mean_loss = Mean()
        self._group, self._group_loss = 0, Mean()  # of batches whose gradients wait for a step
        self._loader = None
        self._epoch_random: dict | None = None  # the generators when the running epoch began
        self._resumed: dict | None = None  # where in the data a loaded checkpoint goes on

    # --- what a subclass may say otherwise

    def split(self, batch) -> tuple[tuple, object]:
        """The model's inputs and the target of a batch: its last entry, where there are several."""
        if isinstance(batch, Tensor):
            return (batch,), None
        if not isinstance(batch, (tuple, list)) or not batch:
            raise TypeError(
                f"Trainer: a batch must be a tensor or several, but got {type(batch).__name__}; override Trainer.split"
            )
        return (tuple(batch), None) if len(batch) == 1 else (tuple(batch[:-1]), batch[-1])

    def forward(self, *inputs):
        """The model's output. Every call of the model, in training or not, goes through here: the place for lower
        precision, or other devices."""
        return self.model(*inputs)

    def compute(self, batch) -> tuple[Tensor, object, object]:
        """The loss of a batch, and output and target for the metrics."""
        inputs, target = self.split(batch)
        output = self.forward(*inputs)
        return self.loss(output, target), output, target

    def samples(self, batch) -> int:
        """How many samples the loss of a batch is the mean of."""
        first = batch
        while isinstance(first, (tuple, list)) and first:
            first = first[0]
        return len(first)

    # --- training

    def fit(
        self, train_loader: Iterable, validation_loader: Iterable | None = None, epochs: int = 1, ckpt_path=None
    ) -> History:
        """Train until `epochs` epochs are over in all: those of an earlier `fit`, or of a checkpoint, count. The model
        is left in training mode.

        Args:
            train_loader: batches, anew in every epoch.
            validation_loader: what to `evaluate` on after each epoch; the names of the results begin with "val_".
            epochs: how many. Default: 1.
            ckpt_path: a file of `save_checkpoint` to go on from. The rest is the same, to the bit, as if it had not
                been interrupted, if the model, loaders and callbacks are made as before. The loader has to be a
                `DataLoader` (or to have ``state_dict`` and ``load_state_dict``), or to draw only from the default
                generators of dlcore, Python and NumPy.

        Returns:
            the history of all epochs.
        """
        self._check_ready("fit", optimizer=self.optimizer)
        self._by_closure = _needs_closure(self.optimizer)
        if not isinstance(epochs, int) or epochs < 0:
            raise ValueError(f"Trainer.fit: epochs must be an int that is not negative, but got {epochs!r}")
        self._loader, self.epochs = train_loader, epochs
        self.batches_per_epoch = len(train_loader) if hasattr(train_loader, "__len__") else None
        if ckpt_path is not None:
            self.load_checkpoint(ckpt_path)
        if self._resumed is None:
            self.should_stop = False
            self.batch = self._group = 0  # an epoch that was broken off begins again
            self._group_loss.reset()
            if self.seed is not None:
                seed_all(self.seed)
        try:
            self._tell("on_fit_start")
            while self.epoch < epochs and not self.should_stop:
                self._run_epoch(train_loader, validation_loader)
            self._tell("on_fit_end")
        except BaseException:
            self._tell("on_exception")
            raise
        return self.history

    def _run_epoch(self, loader: Iterable, validation_loader: Iterable | None) -> None:
        start = time.perf_counter()
        self.model.train()
        for batch in self._batches(loader):
            self._run_batch(batch)
        if not self.batch:
            raise ValueError(f"Trainer.fit: train_loader must give batches, but gave none in epoch {self.epoch + 1}")
        if self._group:
            self._step()
        self.logs = {"epoch": self.epoch + 1, "lr": self.learning_rates()[0], "loss": self.running_loss}
        measured = {name: value_of(metric) for name, metric in self.metrics.items()}
        if validation_loader is not None:
            measured |= {f"val_{name}": value for name, value in self.evaluate(validation_loader).items()}
        self.logs |= {name: value for name, value in measured.items() if isinstance(value, (int, float))}
        if self.scheduler_interval == "epoch":
            self._schedule()
        self.logs["seconds"] = time.perf_counter() - start
        self.history.append(self.logs)
        self.epoch, self.batch, self._epoch_random = self.epoch + 1, 0, None
        self._tell("on_epoch_end")

    def _batches(self, loader: Iterable) -> Iterator:
        """The batches of the epoch, or those that are left of it."""
        for part in (getattr(loader, name, None) for name in ("sampler", "batch_sampler", "dataset")):
            if hasattr(part, "set_epoch"):
                part.set_epoch(self.epoch)
        resumed, self._resumed = self._resumed, None
        has_state = hasattr(loader, "load_state_dict")
        if resumed is not None:
            if has_state and resumed["loader"] is not None:
                loader.load_state_dict(resumed["loader"])
            set_random_state(resumed["epoch_random"] or resumed["random"])
        if not self.batch:
            for metric in (self._mean_loss, *self.metrics.values()):
                metric.reset()
            self._tell("on_epoch_start")
        self._epoch_random = random_state()
        batches = iter(loader)
        if self.batch:
            for _ in range(0 if has_state else self.batch):
                next(batches, None)
            set_random_state(resumed["random"])  # all that it drew for the batches before was drawn once already
        return batches

    def _run_batch(self, batch) -> None:
        if not self._group:
            self.optimizer.zero_grad()
        loss, output, target = self.compute(batch)
        count = self.samples(batch)
        (loss if self.accumulate_grad_batches == 1 else loss * count).backward()
        for mean in (self._mean_loss, self._group_loss):
            mean.update(loss.item(), count)
        with no_grad():
            for metric in self.metrics.values():
                metric.update(output, target)
        self._group, self.batch = self._group + 1, self.batch + 1
        if self._group == self.accumulate_grad_batches:
            self._step(self._again(batch, loss) if self._by_closure else None)
        self._tell("on_batch_end")

    def _again(self, batch, loss: Tensor) -> Callable[[], Tensor]:
        """A closure that computes the loss and the gradients of a batch; at its first call they are there already."""
        known = [loss]

        def closure() -> Tensor:
            if known:
                return known.pop()
            self.optimizer.zero_grad()
            loss = self.compute(batch)[0]
            loss.backward()
            self._clip()
            return loss

        return closure

    def _clip(self) -> None:
        if self.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters(), self.clip_grad_norm)
        if self.clip_grad_value is not None:
            nn.utils.clip_grad_value_(self._parameters(), self.clip_grad_value)

    def _step(self, closure: Callable[[], Tensor] | None = None) -> None:
        if self.accumulate_grad_batches > 1:
            for parameter in self._parameters():
                if parameter.grad is not None:
                    parameter.grad.div_(self._group_loss.weight)
        self._clip()
        self.optimizer.step(*([] if closure is None else [closure]))
        self.step_loss, self._group = value_of(self._group_loss), 0
        self._group_loss.reset()
        self.global_step += 1
        self._tell("on_step")
        if self.scheduler_interval == "step":
            self._schedule()

    def _schedule(self) -> None:
        if self.scheduler is None:
            return
        if "metrics" in inspect.signature(self.scheduler.step).parameters:
            self.scheduler.step(self.monitored(self.monitor, "Trainer"))
        else:
            self.scheduler.step()

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _tell(self, event: str) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self)

    def _check_ready(self, what: str, **needed) -> None:
        if type(self).compute is Trainer.compute:
            needed["loss"] = self.loss
        for name, value in needed.items():
            if value is None:
                raise ValueError(f"Trainer.{what}: the trainer must have {'an' if name[0] in 'aeiou' else 'a'} {name}")

    # --- what callbacks ask for

    @property
    def running_loss(self) -> float:
        return value_of(self._mean_loss)

    def learning_rates(self) -> list[float]:
        """The learning rates of the optimizer's groups."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def monitored(self, name: str | None, who: str) -> float:
        """A number of `logs`; None for "val_loss", or "loss" where nothing is validated.

        Raises:
            ValueError: if there is none of that name.
        """
        name = name or ("val_loss" if "val_loss" in self.logs else "loss")
        if name not in self.logs:
            known = ", ".join(self.logs) or "none before the first epoch is over"
            raise ValueError(f"{who}: monitor must be one of {known}, but got {name}")
        return self.logs[name]

    # --- evaluation

    def evaluate(self, loader: Iterable) -> dict[str, float]:
        """The mean loss and the metrics over the batches of a loader, in evaluation mode and without gradients.

        Raises:
            ValueError: if it gives none.
        """
        self._check_ready("evaluate")
        mean, metrics = Mean(), copy.deepcopy(self.metrics)
        for metric in metrics.values():
            metric.reset()
        with evaluating(self.model):
            for batch in loader:
                loss, output, target = self.compute(batch)
                mean.update(loss.item(), self.samples(batch))
                for metric in metrics.values():
                    metric.update(output, target)
        if not mean.weight:
            raise ValueError("Trainer.evaluate: loader must give batches, but gave none")
        return {"loss": value_of(mean), **{name: value_of(metric) for name, metric in metrics.items()}}

    def predict(self, loader: Iterable):
        """The outputs for the batches of a loader, joined along their first dimension, in evaluation mode and without
        gradients. Targets, where there are any, are passed over.

        Raises:
            ValueError: if it gives none.
        """
        with evaluating(self.model):
            outputs = [self.forward(*self.split(batch)[0]) for batch in loader]
        if not outputs:
            raise ValueError("Trainer.predict: loader must give batches, but gave none")
        return joined(outputs)

    # --- saving and resuming

    def state_dict(self) -> dict:
        """Everything that has to be known to go on: the model, the optimizer, the scheduler, gradients that wait for a
        step, the generators, the place in the data, what the epoch measured so far, the history, the callbacks."""
        states: dict[str, list] = {}
        for callback in self.callbacks:
            states.setdefault(type(callback).__name__, []).append(callback.state_dict())
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "global_step": self.global_step,
            "should_stop": self.should_stop,
            "model": self.model.state_dict(),
            "optimizer": None if self.optimizer is None else self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "gradients": [parameter.grad for parameter in self._parameters()] if self._group else [],
            "group": [self._group, self._group_loss.state_dict()],
            "random": random_state(),
            "epoch_random": self._epoch_random,
            "loader": self._loader.state_dict() if hasattr(self._loader, "load_state_dict") else None,
            "measured": [metric.state_dict() for metric in (self._mean_loss, *self.metrics.values())],
            "history": self.history.records,
            "callbacks": states,
        }

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over what `state_dict` gave; the next `fit` goes on from there.

        Raises:
            ValueError: if it is none, or of a trainer with another model, optimizer, scheduler or metrics.
        """
        state = dict(state_dict) if isinstance(state_dict, dict) else {}
        if set(state) != _STATE:
            raise ValueError(
                "Trainer.load_state_dict: state_dict must be what Trainer.state_dict gave, but got "
                + (f"the keys {', '.join(map(str, state))}" if state else type(state_dict).__name__)
            )
        for name in ("optimizer", "scheduler"):
            if (getattr(self, name) is None) != (state[name] is None):
                raise ValueError(
                    f"Trainer.load_state_dict: the trainer and state_dict must both have a {name}, or none"
                )
        metrics = (self._mean_loss, *self.metrics.values())
        if len(metrics) != len(state["measured"]):
            raise ValueError(
                f"Trainer.load_state_dict: state_dict must be of {len(metrics) - 1} metrics, but is of "
                f"{len(state['measured']) - 1}"
            )
        if self.optimizer is not None:
            missing = set(self.optimizer.param_groups[0]).difference(*state["optimizer"]["param_groups"][:1])
            if missing:
                kind = type(self.optimizer).__name__
                raise ValueError(
                    f"Trainer.load_state_dict: state_dict must be of the optimizer {kind}, but has no "
                    + ", ".join(sorted(missing))
                )
        self.model.load_state_dict(state["model"])
        if self.optimizer is not None:
            self.optimizer.load_state_dict(state["optimizer"])
            self.optimizer._opt_called = state["global_step"] > 0
            for parameter, gradient in zip(self._parameters(), state["gradients"]):
                parameter.grad = gradient
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        for metric, own in zip(metrics, state["measured"]):
            metric.load_state_dict(own)
        self.epoch, self.batch, self.global_step = state["epoch"], state["batch"], state["global_step"]
        self.should_stop = state["should_stop"]
        self._group, waiting = state["group"]
        self._group_loss.load_state_dict(waiting)
        self.history = History(state["history"])
        self.logs = self.history[-1] if len(self.history) else {}
        self._resumed = {key: state[key] for key in ("random", "epoch_random", "loader")}
        states = {name: iter(own) for name, own in state["callbacks"].items()}
        for callback in self.callbacks:
            own = next(states.get(type(callback).__name__, iter(())), None)
            if own is not None:
                callback.load_state_dict(own)

    def save_checkpoint(self, path) -> None:
        """Write `state_dict` into a file, which is replaced only when it is complete; see `dlcore.save`."""
        save(self.state_dict(), path)

    def load_checkpoint(self, path) -> None:
        """Take over a file of `save_checkpoint`; see `load_state_dict`."""
        self.load_state_dict(load(path, mmap=False))


_STATE = {
    *(
        "epoch",
        "batch",
        "global_step",
        "should_stop",
        "model",
        "optimizer",
        "scheduler",
        "gradients",
        "group",
        "random",
    ),
    *("epoch_random", "loader", "measured", "history", "callbacks"),
}


def _needs_closure(optimizer: Optimizer) -> bool:
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty


def _has_tqdm() -> bool:
    import importlib.util

    return importlib.util.find_spec("tqdm") is not None
