"""The rows of the side-by-side benchmark, a module a group.

    row("matmul", "square 512", lambda d: binary(d, d.matmul, (512, 512), (512, 512)), length=512)

`make(d)` builds the inputs through module d, dlcore or torch, and returns the call to time, which gives its result.
"""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

ROWS: list[Row] = []


@dataclass
class Row:
    group: str
    name: str
    make: Callable  # make(d, **layout) -> call
    length: int  # roundings that add up in one element of the result: the comparison allows 8 eps times its root
    dtype: str = "float32"
    layout: dict = field(default_factory=dict)  # keyword arguments of make for dlcore
    torch_layouts: list[dict] = field(default_factory=lambda: [{}])  # the same for PyTorch, whose best one counts
    others: dict = field(default_factory=dict)  # name: make of another library, only timed, where it is installed
    random: bool = False  # numbers are drawn: only shapes and dtypes of the results are compared
    calls: int = 1  # calls before results are compared: training steps


def row(group: str, name: str, make: Callable, **options) -> None:
    ROWS.append(Row(group, name, make, **{"length": 8, **options}))


def values(*shape: int, seed: str = "", scale: float = 1.0, dtype: str = "float32") -> np.ndarray:
    """Normally distributed values, the same in every run."""
    rng = np.random.default_rng(zlib.crc32(repr((shape, seed)).encode()))
    return (rng.standard_normal(shape) * scale).astype(dtype)


def integers(high: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(high).integers(0, high, shape)


def load() -> list[Row]:
    """All rows, in the order of the table.

    Every call executes the modules anew. Python specializes a function's bytecode for the types that it meets, so the
    two libraries must not meet in one function: each gets its own, as a program that uses one of them has.
    """
    ROWS.clear()
    for module in (
        "matmul",
        "large",
        "small",
        "models",
        "conv",
        "norm",
        "loss",
        "pool",
        "image",
        "rnn",
        "attention",
        "sequence",
        "optim",
    ):
        sys.modules.pop(f"{__name__}.{module}", None)
        importlib.import_module(f"{__name__}.{module}")
    return list(ROWS)
