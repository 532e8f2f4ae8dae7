"""Trying something out on a model and its optimizer, and leaving no trace."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..autograd import no_grad
from ..train import Trainer
from ..train.state import random_state, set_random_state


@contextmanager
def unchanged(trainer: Trainer, loader: Iterable) -> Iterator[Trainer]:
    """Yields a trainer of the same model, optimizer and loss, without callbacks, scheduler, metrics and history.
    Afterwards the parameters, their gradients, buffers, modes, the optimizer, the default generators, and the loader's
    generators are what they were."""
    modules, parameters = list(trainer.model.modules()), list(trainer.model.parameters())
    modes = [module.training for module in modules]
    buffers = [dict(module._buffers) for module in modules]
    tensors = [*parameters, *(buffer for each in buffers for buffer in each.values() if buffer is not None)]
    values = [tensor.detach().clone() for tensor in tensors]
    grads = [parameter.grad for parameter in parameters]
    gradients = [(grad, None if grad is None else grad.clone()) for grad in grads]
    optimizer, random = trainer.optimizer, random_state()
    if optimizer is not None:
        stepped = optimizer.__dict__.get("_opt_called")
        groups = [dict(group) for group in optimizer.param_groups]
        state = {parameter: copy.deepcopy(own) for parameter, own in optimizer.state.items()}
    place = loader.state_dict() if hasattr(loader, "load_state_dict") else None

    probe = copy.copy(trainer)
    probe.begin()
    probe.callbacks, probe.scheduler, probe.metrics, probe.seed = [], None, {}, None
    try:
        yield probe
    finally:
        with no_grad():
            for module, mode, own in zip(modules, modes, buffers):
                module.training = mode
                module._buffers.update(own)
            for tensor, value in zip(tensors, values):
                tensor.copy_(value)
            for parameter, (gradient, value) in zip(parameters, gradients):
                if gradient is not None:
                    gradient.copy_(value)
                parameter.grad = gradient
        if optimizer is not None:
            optimizer._opt_called = stepped
            for group, own in zip(optimizer.param_groups, groups):
                group.clear()
                group.update(own)
            optimizer.state.clear()
            optimizer.state.update(state)
        set_random_state(random)
        if place is not None:
            loader.load_state_dict(place)
