"""`watch`: what goes through a model's layers, and back, and how far its weights move."""

from __future__ import annotations

import math
import statistics
from collections import Counter, deque
from typing import NamedTuple

from .. import nn
from .._core import Tensor
from ..autograd import no_grad
from ..optim import Optimizer
from ..train.history import import_figure

MOST = 10_000  # numbers that are kept of each quantity: the last ones
MOST_CALLS = 64  # of a module in one forward pass that are told apart
_RELUS = (nn.ReLU, nn.ReLU6)
_OF_CHANNELS = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm),
)


class Statistics(NamedTuple):
    """Of the elements of a tensor: their mean, standard deviation, share of zeros, and norm sqrt(sum x^2)."""

    mean: float
    std: float
    zeros: float
    norm: float

    @classmethod
    def of(cls, x: Tensor) -> Statistics:
        x = x.detach().double()
        return cls(x.mean().item(), x.std(correction=0).item(), (x == 0).double().mean().item(), x.norm().item())


class Alarm(NamedTuple):
    """What is wrong.

    Attributes:
        kind: "not finite", "vanishing gradient", "exploding gradient", "dead ReLU", "large updates" or "small updates".
        names: the layers or parameters, the worst one first.
        value: that of the worst.
        message: a sentence.
    """

    kind: str
    names: list[str]
    value: float
    message: str


class _Layer:
    """What was seen of a module's output and of the loss's gradient with respect to it."""

    def __init__(self, name: str, module: nn.Module) -> None:
        self.name, self.type = name, type(module).__name__
        self.shape: tuple = ()
        self.outputs: deque[Statistics] = deque(maxlen=MOST)
        self.gradients: deque[Statistics] = deque(maxlen=MOST)
        self.alive: Tensor | None = None  # of a ReLU: which units were positive at any time

    @property
    def dead(self) -> float:
        return math.nan if self.alive is None else 1 - self.alive.double().mean().item()

    @property
    def gradient_norm(self) -> float:
        return _mean(each.norm for each in self.gradients)

    @property
    def is_finite(self) -> bool:
        return all(math.isfinite(each.norm) for each in (*self.outputs, *self.gradients))

    def record(self) -> dict:
        record: dict = {"layer": self.name, "type": self.type, "shape": self.shape}
        for what, seen in (("output", self.outputs), ("gradient", self.gradients)):
            record |= {f"{what}_{key}": _mean(getattr(each, key) for each in seen) for key in Statistics._fields}
        return {**record, "dead": self.dead}


class _Parameter:
    """What was seen of a parameter: its norm, that of its gradient, and |change| / |parameter| of the steps."""

    def __init__(self, name: str, parameter: Tensor) -> None:
        self.name, self.parameter = name, parameter
        self.norms: deque[float] = deque(maxlen=MOST)
        self.gradients: deque[float] = deque(maxlen=MOST)
        self.updates: deque[float] = deque(maxlen=MOST)
        self.before: Tensor | None = None

    @property
    def is_weight(self) -> bool:
        return self.parameter.dim() > 1

    @property
    def update(self) -> float:
        return statistics.median(self.updates) if self.updates else math.nan

    @property
    def relative_gradient(self) -> float:
        norm = _mean(self.norms)
        return _mean(self.gradients) / norm if norm > 0 else math.nan

    def record(self) -> dict:
        return {
            "parameter": self.name,
            "shape": tuple(self.parameter.shape),
            "norm": _mean(self.norms),
            "gradient_norm": _mean(self.gradients),
            "update": self.update,
        }


class Watch:
    """See `watch`."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | None = None,
        *,
        vanishing: float = 1e-4,
        exploding: float = 1e4,
        dead: float = 0.3,
        updates: tuple[float, float] = (1e-6, 0.3),
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"watch: model must be a Module, but got {type(model).__name__}")
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise TypeError(f"watch: optimizer must be an Optimizer, but got {type(optimizer).__name__}")
        self.vanishing, self.exploding, self.dead = float(vanishing), float(exploding), float(dead)
        self.smallest_update, self.largest_update = map(float, updates)
        # By the module and which of its calls in a forward pass it is, in the order of the first calls.
        self._layers: dict[tuple[nn.Module, int], _Layer] = {}
        self._calls: Counter[nn.Module] = Counter()  # in the running forward pass
        self._parameters = [_Parameter(*each) for each in model.named_parameters()]
        self._before: nn.Module | None = None  # the layer with parameters that was called last
        self._handles = [model.register_forward_pre_hook(lambda *_: self._calls.clear())]
        for name, module in model.named_modules():
            if not list(module.children()) or list(module.parameters(recurse=False)):
                self._handles.append(module.register_forward_hook(self._on_output(name or type(module).__name__)))
        for each in self._parameters:
            if each.parameter.requires_grad:
                self._handles.append(each.parameter.register_post_accumulate_grad_hook(_on_gradient(each)))
        if optimizer is not None:
            self._handles.append(optimizer.register_step_pre_hook(self._before_step))
            self._handles.append(optimizer.register_step_post_hook(self._after_step))

    def close(self) -> None:
        """Take all hooks away; what was recorded stays."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    # --- hooks

    def _on_output(self, name: str):
        def hook(module: nn.Module, inputs: tuple, output) -> None:
            tensor = _first_tensor(output)
            if tensor is None or not tensor.is_floating_point() or not tensor.numel():
                return
            call = self._calls[module] = min(self._calls[module] + 1, MOST_CALLS)
            layer = self._layers.get((module, call))
            if layer is None:
                layer = self._layers[module, call] = _Layer(name if call == 1 else f"{name}#{call}", module)
            layer.shape = tuple(tensor.shape)
            layer.outputs.append(Statistics.of(tensor))
            if isinstance(module, _RELUS):
                self._count_alive(layer, tensor.detach())
            elif next(module.parameters(recurse=False), None) is not None:
                self._before = module
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient: layer.gradients.append(Statistics.of(gradient)))

        return hook

    def _count_alive(self, layer: _Layer, output: Tensor) -> None:
        """A unit is a channel behind a convolution or its normalization, and a feature elsewhere."""
        unit = 1 if isinstance(self._before, _OF_CHANNELS) and output.dim() > 1 else output.dim() - 1
        alive = (output > 0).movedim(unit, -1).reshape(-1, output.shape[unit]).any(0) if output.dim() else output > 0
        same = layer.alive is not None and layer.alive.shape == alive.shape
        layer.alive = layer.alive | alive if same else alive

    def _before_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        for each in self._parameters:
            each.before = each.parameter.detach().clone() if each.parameter.grad is not None else None

    def _after_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        with no_grad():
            for each in self._parameters:
                if each.before is not None and (norm := each.before.norm().item()) > 0:
                    each.updates.append((each.parameter - each.before).norm().item() / norm)
                each.before = None

    # --- what was found

    def layers(self) -> list[dict]:
        """A record for each layer, in the order in which they were called: means over all calls."""
        return [layer.record() for layer in self._layers.values()]

    def parameters(self) -> list[dict]:
        """A record for each parameter: means over all backward passes, and the median update."""
        return [each.record() for each in self._parameters]

    def alarms(self) -> list[Alarm]:
        """What is wrong, if anything is."""
        layers = list(self._layers.values())
        weights = [each for each in self._parameters if each.is_weight]
        relative = [(each.name, each.relative_gradient) for each in weights]
        updates = [(each.name, each.update) for each in weights]
        dead = [(layer.name, layer.dead) for layer in layers]
        usual = "a step changes {name} by {value:.2g} of its norm; about 1e-3 is usual: "
        found = [
            _alarm("not finite", [(layer.name, math.nan) for layer in layers if not layer.is_finite], max,
                   "the output of {name}, or its gradient, has NaN or infinities; "
                   "dlcore.autograd.detect_anomaly() names the op that makes the first"),
            *self._gradient_alarms([layer for layer in layers if layer.gradients and layer.is_finite]),
            _alarm("exploding gradient", [each for each in relative if each[1] > self.exploding / 10], max,
                   "the gradient of {name} is {value:.2g} times as large as itself"),
            _alarm("dead ReLU", [each for each in dead if each[1] > self.dead], max,
                   "{value:.0%} of the units of {name} were never positive"),
            _alarm("large updates", [each for each in updates if each[1] > self.largest_update], max,
                   usual + "lower the learning rate"),
            _alarm("small updates", [each for each in updates if each[1] < self.smallest_update], min,
                   usual + "raise the learning rate"),
        ]  # fmt: skip
        return [each for each in found if each is not None]

    def _gradient_alarms(self, layers: list[_Layer]) -> list[Alarm | None]:
        """Gradients against those of the layers behind them, nearer to the loss."""
        vanishing, exploding, largest, last = [], [], 0.0, 0.0
        for layer in reversed(layers):
            norm = layer.gradient_norm
            if norm < self.vanishing * largest:
                vanishing.append((layer.name, norm / largest))
            if last and norm > self.exploding * last:
                exploding.append((layer.name, norm / last))
            largest, last = max(largest, norm), last or norm
        return [
            _alarm("vanishing gradient", vanishing, min,
                   "the gradient's norm at the output of {name} is {value:.2g} of that behind it"),
            _alarm("exploding gradient", exploding, max,
                   "the gradient's norm at the output of {name} is {value:.2g} times that of the last layer"),
        ]  # fmt: skip

    def report(self) -> str:
        """Tables of the layers and the parameters, and the alarms."""
        layers = [
            (
                record["layer"],
                record["type"],
                "x".join(map(str, record["shape"])),
                *(_shown(record[key]) for key in _LAYER_COLUMNS.values()),
            )
            for record in self.layers()
        ]
        parameters = [
            (record["parameter"], *(_shown(record[key]) for key in ("norm", "gradient_norm", "update")))
            for record in self.parameters()
        ]
        alarms = [f"{alarm.kind}: {alarm.message}" for alarm in self.alarms()]
        return "\n".join(
            [
                *_table(("layer", "type", "shape", *_LAYER_COLUMNS), layers),
                "",
                *_table(("parameter", "norm", "grad norm", "update/weight"), parameters),
                "",
                *(alarms or ["no alarms"]),
            ]
        )

    __str__ = report

    def plot(self, path=None):
        """Draw the outputs' standard deviations, the gradients' norms and the shares of zeros layer by layer, and the
        updates of the weights step by step.

        Args:
            path: a file to save the picture in, if there is one.

        Returns:
            matplotlib's Figure.

        Raises:
            ImportError: if matplotlib is missing.
        """
        figure = import_figure("Watch.plot")(figsize=(12, 8), layout="constrained")
        (outputs, gradients), (zeros, updates) = figure.subplots(2, 2)
        records = self.layers()
        names = [record["layer"] for record in records]
        for axes, key, title in (
            (outputs, "output_std", "standard deviation of outputs"),
            (gradients, "gradient_norm", "norm of gradients"),
        ):
            values = [record[key] if record[key] > 0 else math.nan for record in records]
            axes.plot(range(len(names)), values, marker=".")
            axes.set(title=title, yscale="log")
        zeros.bar(range(len(names)), [record["output_zeros"] for record in records], label="zeros in outputs")
        dead = [0.0 if math.isnan(record["dead"]) else record["dead"] for record in records]
        zeros.bar(range(len(names)), dead, width=0.4, label="units never active")
        zeros.set(title="share of zeros, and of dead ReLUs", ylim=(0, 1))
        zeros.legend()
        for axes in (outputs, gradients, zeros):
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        for each in self._parameters:
            if each.is_weight and each.updates:
                updates.plot(list(each.updates), label=each.name, linewidth=0.8)
        updates.axhline(1e-3, linestyle=":", color="gray")
        updates.set(title="update / weight", xlabel="step", yscale="log")
        if updates.get_legend_handles_labels()[0] and len(self._parameters) <= 20:
            updates.legend(fontsize=7)
        if path is not None:
            figure.savefig(path)
        return figure


def watch(
    model: nn.Module,
    optimizer: Optimizer | None = None,
    *,
    vanishing: float = 1e-4,
    exploding: float = 1e4,
    dead: float = 0.3,
    updates: tuple[float, float] = (1e-6, 0.3),
) -> Watch:
    """Record statistics of each layer's outputs and their gradients, and of each parameter, its gradient and its
    updates, for as long as a ``with`` block lasts (or until ``close()``)::

        with dlcore.diagnostics.watch(model, optimizer) as seen:
            trainer.fit(loader)
        print(seen.report())

    What is computed stays the same, but for layers that run as one where nobody looks: they run one by one. A layer
    is a module without children or with parameters of its own; the calls of one that is used several times in a pass
    are told apart, as "relu", "relu#2". ReLUs count as far as they are modules.

    Args:
        model: the module.
        optimizer: whose steps are watched; None (the default) watches no updates.
        vanishing: the alarm's threshold of a gradient's norm, as a share of the largest behind the layer.
            Default: 1e-4.
        exploding: that of a gradient's norm, as a multiple of the last layer's; a tenth of it is that of the norm of a
            weight's gradient, as a multiple of the weight's. Default: 1e4.
        dead: that of the share of a ReLU's units that were never positive. Default: 0.3.
        updates: the least and the largest of the median update of a weight, |change| / |weight|. Default: (1e-6, 0.3).

    Returns:
        a `Watch`, with ``layers()`` and ``parameters()`` (records), ``alarms()``, ``report()`` (text) and ``plot()``.

    Raises:
        TypeError: if `model` is no module or `optimizer` none.

    Source: Glorot and Bengio: Understanding the difficulty of training deep feedforward neural networks, 2010; Pascanu,
    Mikolov, Bengio: On the difficulty of training recurrent neural networks, 2013.
    """
    return Watch(model, optimizer, vanishing=vanishing, exploding=exploding, dead=dead, updates=updates)


_LAYER_COLUMNS = {
    "mean": "output_mean",
    "std": "output_std",
    "zeros": "output_zeros",
    "grad mean": "gradient_mean",
    "grad std": "gradient_std",
    "grad zeros": "gradient_zeros",
    "grad norm": "gradient_norm",
    "dead": "dead",
}


def _on_gradient(seen: _Parameter):
    def hook(parameter: Tensor) -> None:
        seen.norms.append(parameter.detach().norm().item())
        seen.gradients.append(parameter.grad.detach().norm().item())

    return hook


def _first_tensor(output) -> Tensor | None:
    if isinstance(output, Tensor):
        return output
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (tuple, list)):
        return next((found for found in map(_first_tensor, output) if found is not None), None)
    return None


def _alarm(kind: str, found: list[tuple[str, float]], worst, text: str) -> Alarm | None:
    """An alarm about all that was found, which speaks of the worst."""
    if not found:
        return None
    found = sorted(found, key=lambda each: each[1], reverse=worst is max)
    name, value = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Alarm(kind, [each for each, _ in found], value, text.format(name=name, value=value) + more)


def _mean(values) -> float:
    values = list(values)
    return sum(values) / len(values) if values else math.nan


def _shown(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"


def _table(head: tuple, rows: list[tuple]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (head, *rows)]
