"""Metrics by name, and what becomes of the outputs of batches."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from ..metrics import Metric


def named(metrics) -> dict[str, Metric]:
    """Metrics by their names: those given, or of the classes: MeanSquaredError is mean_squared_error."""
    if metrics is None:
        return {}
    if isinstance(metrics, Metric):
        metrics = [metrics]
    if not isinstance(metrics, dict):
        names = ["".join(f"_{c.lower()}" if c.isupper() else c for c in type(each).__name__)[1:] for each in metrics]
        if len(set(names)) != len(names):
            raise ValueError(
                f"Trainer: metrics must have different names, but got {', '.join(names)}; give a dictionary"
            )
        metrics = dict(zip(names, metrics))
    if not all(isinstance(name, str) and isinstance(each, Metric) for name, each in metrics.items()):
        raise TypeError(f"Trainer: metrics must be Metrics, but got {metrics}")
    return metrics


def value_of(metric: Metric):
    """What a metric gives, as a number where it is one."""
    value = metric.compute()
    return value.item() if value.numel() == 1 else value.tolist()


def joined(outputs: list):
    """Outputs of batches as one: tensors end to end, tuples, lists and dictionaries entry by entry."""
    first = outputs[0]
    if isinstance(first, Tensor):
        return _core.cat([each.reshape(1) if each.dim() == 0 else each for each in outputs])
    if isinstance(first, (tuple, list)):
        return tuple(joined(list(each)) for each in zip(*outputs))
    if isinstance(first, dict):
        return {key: joined([each[key] for each in outputs]) for key in first}
    raise TypeError(f"Trainer.predict: an output must be made of tensors, but got {type(first).__name__}")
