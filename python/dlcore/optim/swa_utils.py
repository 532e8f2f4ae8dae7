"""Averages of a model's weights over training: exponential moving averages and stochastic weight averaging."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from ..nn.module import Module
from ..nn.normalization import _BatchNorm
from .lr_scheduler.base import LRScheduler, for_each_group
from .optimizer import Optimizer


def _mix(averaged: list[Tensor], current: list[Tensor], weight: float) -> None:
    """a = a + weight (c - a) for all of them: in one pass where they are floating point."""
    if averaged and averaged[0].is_floating_point():
        # A step of gradient descent along a - c, which weight decay 1 makes of -c.
        _core._sgd_step(averaged, current, [], weight, 0.0, 0.0, 1.0, False, True, False)
    else:
        for a, c in zip(averaged, current, strict=True):
            a.copy_(a + weight * (c - a))


def _checked_decay(decay: float) -> float:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")
    return decay


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """The exponential moving average a = decay a + (1 - decay) p of all parameters in one pass, for `AveragedModel`.

    Args:
        decay: from 0 to 1. Default: 0.999.

    Source: Polyak and Juditsky 1992; Tarvainen and Valpola 2017, arXiv:1703.01780.
    """
    _checked_decay(decay)

    @no_grad()
    def ema_update(ema_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged) -> None:
        _mix(ema_param_list, current_param_list, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn() -> Callable:
    """The mean a = a + (p - a) / (n + 1) of all parameters in one pass, for `AveragedModel`."""

    @no_grad()
    def swa_update(averaged_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged) -> None:
        _mix(averaged_param_list, current_param_list, 1 / (int(num_averaged) + 1))

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """decay a + (1 - decay) p for one parameter; see `get_ema_multi_avg_fn`."""
    _checked_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable:
    """a + (p - a) / (n + 1) for one parameter; see `get_swa_multi_avg_fn`."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters are an average over training.

    Args:
        model: the model; it is copied.
        device: where the copy lives. Default: where the model does.
        avg_fn: the average of one parameter: avg_fn(averaged, current, n) -> averaged. Default: the mean.
        multi_avg_fn: the same for lists of parameters of one dtype, in place. Default: none.
        use_buffers: average the buffers too instead of copying them. Default: False.

    Attributes:
        module: the copy.
        n_averaged: how many times `update_parameters` was called; the first one copies.

    Raises:
        AssertionError: where avg_fn and multi_avg_fn are both given.

    Source: Izmailov et al. 2018, arXiv:1803.05407.
    """

    def __init__(
        self,
        model: Module,
        device=None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", _core.tensor(0, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the parameters of `model` into the average."""

        def averaged(module: Module) -> list[Tensor]:
            return [*module.parameters(), *(module.buffers() if self.use_buffers else ())]

        pairs = [(a.detach(), c.detach()) for a, c in zip(averaged(self.module), averaged(model), strict=True)]
        n = int(self.n_averaged)
        if n == 0:
            for a, c in pairs:
                a.copy_(c)
        elif self.avg_fn is not None:
            for a, c in pairs:
                a.copy_(self.avg_fn(a, c, self.n_averaged))
        else:
            update = self.multi_avg_fn or get_swa_multi_avg_fn()
            for dtype in dict.fromkeys(a.dtype for a, _ in pairs):
                chosen = [(a, c.to(dtype)) for a, c in pairs if a.dtype == dtype]
                update([a for a, _ in chosen], [c for _, c in chosen], self.n_averaged)
        if not self.use_buffers:
            for a, c in zip(self.module.buffers(), model.buffers(), strict=True):
                a.copy_(c)
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable, model: Module, device=None) -> None:
    """Compute the running statistics of batch normalization anew, as plain means over the data.

    Args:
        loader: gives batches: tensors, or lists and tuples whose first entry is the input.
        model: the model; its mode, training or evaluation, stays.
        device: where inputs are moved to. Default: nowhere.
    """
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    try:
        for module in momenta:
            module.reset_running_stats()
            module.momentum = None
        for batch in loader:
            batch = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(batch if device is None else batch.to(device))
    finally:
        for module, momentum in momenta.items():
            module.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """lr goes from where it is to swa_lr in `anneal_epochs` epochs, and stays there.

    Args:
        optimizer: the optimizer.
        swa_lr: the rate, or a list of one for every group.
        anneal_epochs: as above. Default: 10.
        anneal_strategy: "cos" or "linear". Default: "cos".
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: for an unknown strategy, a negative number of epochs, or a list of the wrong length.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for rate, group in zip(for_each_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of swa_lr the rate holds at a step."""
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

    def get_lr(self) -> list:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            last = group["swa_lr"]
            first = last if before == 1 else (group["lr"] - before * last) / (1 - before)
            rates.append(last * now + first * (1 - now))
        return rates
