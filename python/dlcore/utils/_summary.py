"""What a model consists of, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from .. import _core
from .._core import Tensor
from ..autograd.grad_mode import enable_grad


@dataclass(frozen=True)
class Layer:
    """A layer, as `summary` met it.

    Attributes:
        name: its dotted name in the model.
        kind: its class.
        output_shape: of its output, without the batch dimension.
        parameters: how many numbers it learns; 0 where it has been met before.
        multiply_adds: products that it adds up for one item of the batch (convolutions and linear layers).
        receptive_field: how many places of the input, in each direction, one place of its output depends on; None where
            that cannot be told.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    receptive_field: tuple[int, ...] | None


@dataclass(frozen=True)
class Summary:
    """The layers of a model in the order in which they ran, and the totals. ``str(...)`` is a table.

    Attributes:
        layers: what ran.
        parameters: of the whole model, with what did not run (auxiliary heads in evaluation, say).
        trainable: those of them that require gradients.
        multiply_adds: for one item of the batch.
    """

    layers: list[Layer]
    parameters: int
    trainable: int
    multiply_adds: int

    def __str__(self) -> str:
        rows = [("layer", "kind", "output", "parameters", "multiply-adds", "receptive field")]
        for layer in self.layers:
            field = "-" if layer.receptive_field is None else " x ".join(map(str, layer.receptive_field))
            shape = " x ".join(map(str, layer.output_shape))
            rows.append((layer.name, layer.kind, shape, f"{layer.parameters:,}", f"{layer.multiply_adds:,}", field))
        rows.append(("total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(f"{cell:<{width}}" if i < 3 else f"{cell:>{width}}" for i, (cell, width) in enumerate(cells))
            for cells in (list(zip(row, widths, strict=True)) for row in rows)
        ]
        rule = "-" * len(lines[0])
        frozen = self.parameters - self.trainable
        last = [f"{frozen:,} of the parameters are frozen"] if frozen else []
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *last])


def summary(model, input_size: Sequence[int] | Sequence[Sequence[int]], verbose: bool = True) -> Summary:
    """Layers, output shapes, parameters, multiply-adds and receptive fields of a model.

    The model runs once, in evaluation mode, on a batch of one item of zeros.

    Args:
        model: an `nn.Module`.
        input_size: shape of the input without the batch dimension, (3, 224, 224) say; a list of shapes for a model of
            several inputs.
        verbose: print the table. Default: True.

    Returns:
        a `Summary`.

    The receptive field follows the windows of convolution and pooling modules through whatever joins their outputs
    (sums, concatenation). Windows of functions that `forward` calls itself are not seen: where they change the size,
    the receptive field of what comes after is None.

    Raises:
        ValueError: if a size is not positive.
    """
    sizes = [tuple(input_size)] if isinstance(input_size[0], int) else [tuple(size) for size in input_size]
    if not all(side > 0 for size in sizes for side in size):
        raise ValueError(f"summary: input_size must be positive, but got {input_size}")
    first = next(model.parameters(), None)
    options = {} if first is None else {"dtype": first.dtype}
    inputs = [_core.zeros(1, *size, **options).requires_grad_() for size in sizes]
    recorder = _Recorder(model, inputs)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with enable_grad():
            model(*inputs)
    finally:
        recorder.remove()
        for module, training in modes.items():
            module.training = training
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    result = Summary(
        recorder.layers,
        sum(count for count, _ in counts),
        sum(count for count, trainable in counts if trainable),
        sum(layer.multiply_adds for layer in recorder.layers),
    )
    if verbose:
        print(result)
    return result


@dataclass(frozen=True)
class _Axis:
    """One direction: place i of `size` depends on the input's places from low + i step to high + i step."""

    low: float = 0
    high: float = 0
    step: float = 1
    size: int = 1

    def window(self, kernel: int, stride: float, padding: float, size: int) -> _Axis:
        low = self.low - padding * self.step
        return _Axis(low, low + self.high - self.low + (kernel - 1) * self.step, self.step * stride, size)


_Field = tuple[_Axis, ...]


class _Recorder:
    """Hooks on the leaves of a model that write down what passes."""

    def __init__(self, model, inputs: list[Tensor]) -> None:
        self.layers: list[Layer] = []
        self.inputs = inputs
        self.fields: dict = {}  # receptive fields of tensors, by the node of the graph that made them
        self.counted: set[int] = set()
        self.handles = [
            module.register_forward_hook(partial(self.record, name))
            for name, module in model.named_modules()
            if next(module.children(), None) is None
        ]

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def record(self, name: str, module, given: tuple, output) -> None:
        outputs = output if isinstance(output, (tuple, list)) else (output,)
        y = next((value for value in outputs if isinstance(value, Tensor)), None)
        if y is None:
            return
        tensors = [value for value in given if isinstance(value, Tensor)]
        x = tensors[0] if tensors else None
        field = None if x is None else _through(module, _join([self.field_of(value) for value in tensors]), x, y)
        if y.grad_fn is not None:
            self.fields[y.grad_fn] = field
        own = [p for p in module.parameters() if id(p) not in self.counted]
        self.counted.update(map(id, own))
        extent = None if field is None else tuple(math.ceil(axis.high - axis.low + 1) for axis in field)
        self.layers.append(
            Layer(
                name or type(module).__name__.lower(),
                type(module).__name__,
                tuple(y.shape[1:]),
                sum(p.numel() for p in own),
                0 if x is None else _multiply_adds(module, x, y),
                extent or None,
            )
        )

    def field_of(self, x: Tensor) -> _Field | None:
        """The receptive field of a tensor: that of the layers' outputs that it was made of, joined."""
        if x.grad_fn is None:
            return self.leaf(x)
        stack = [x.grad_fn]
        while stack:  # not recursive: between two layers there may be many functions
            node = stack[-1]
            if node in self.fields:
                stack.pop()
                continue
            before = [each for each, _ in node.next_functions if each is not None]
            waiting = [n for n in before if not isinstance(n, Tensor) and n not in self.fields]
            if waiting:
                stack += waiting
                continue
            known = [self.leaf(n) if isinstance(n, Tensor) else self.fields[n] for n in before]
            self.fields[stack.pop()] = _join(known)
        return self.fields[x.grad_fn]

    def leaf(self, x: Tensor) -> _Field | None:
        """Of an input; of a parameter it is ()."""
        if any(x is each for each in self.inputs):
            return tuple(_Axis(size=size) for size in x.shape[2:])
        return ()


def _join(fields: list[_Field | None]) -> _Field | None:
    if any(field is None for field in fields):
        return None
    fields = [field for field in fields if field]
    if not fields:
        return ()
    if any([(a.step, a.size) for a in field] != [(a.step, a.size) for a in fields[0]] for field in fields):
        return None
    return tuple(
        _Axis(min(a.low for a in axes), max(a.high for a in axes), axes[0].step, axes[0].size)
        for axes in zip(*fields, strict=True)
    )


def _through(module, field: _Field | None, x: Tensor, y: Tensor) -> _Field | None:
    """The receptive field behind a layer."""
    kind = type(module).__name__
    if not field:
        return field
    if x.dim() == 2 or kind == "Flatten":  # every place goes into every feature
        return tuple(axis.window(axis.size, axis.size, 0, 1) for axis in field)
    before, after = tuple(x.shape[2:]), tuple(y.shape[2:])
    if before != tuple(axis.size for axis in field):
        return None  # something between the layers has changed the size
    if "Adaptive" in kind:
        return tuple(a.window(-(-a.size // n), a.size / n, 0, n) for a, n in zip(field, after, strict=True))
    if "Transpose" not in kind and "Unpool" not in kind and hasattr(module, "kernel_size"):
        per_axis = (_per_axis(getattr(module, name, 1), len(field)) for name in ("kernel_size", "stride", "dilation"))
        kernel, stride, dilation = per_axis
        window = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        padding = getattr(module, "padding", 0)
        if isinstance(padding, str):
            padding = [(k - 1) // 2 if padding == "same" else 0 for k in window]
        padding = _per_axis(padding, len(field))
        return tuple(a.window(*rest) for a, *rest in zip(field, window, stride, padding, after, strict=True))
    if kind == "Upsample" and module.mode.startswith("nearest"):
        return tuple(_Axis(a.low, a.high, a.step * a.size / n, n) for a, n in zip(field, after, strict=True))
    return field if before == after else None


def _per_axis(value, dims: int) -> Sequence[int]:
    return value if isinstance(value, (tuple, list)) else (value,) * dims


def _multiply_adds(module, x: Tensor, y: Tensor) -> int:
    kind, weight = type(module).__name__, getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() < 2:
        return 0
    if kind.startswith("ConvTranspose"):
        return x.numel() * weight[0].numel()  # weight: (in, out / groups, *window)
    if kind.startswith("Conv") or kind in ("Linear", "Bilinear"):
        return y.numel() * weight[0].numel()  # weight: (out, in / groups, *window)
    return 0
