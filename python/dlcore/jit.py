"""PyTorch's names for compiled programs. Here programs run as they are written, with the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._core import Tensor

__all__ = ["export", "ignore", "is_scripting", "is_tracing", "script", "script_if_tracing", "trace", "unused"]


def script(obj: Any, optimize: None = None, example_inputs: Any = None) -> Any:
    """obj itself: a function, a class or a Module."""
    if not callable(obj):
        raise TypeError(f"jit.script: expected a function, a class or a Module, but got {type(obj).__name__}")
    return obj


def script_if_tracing(fn: Callable) -> Callable:
    """fn itself."""
    return script(fn)


def trace(
    func: Callable,
    example_inputs: Any = None,
    optimize: None = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    *,
    example_kwarg_inputs: dict[str, Any] | None = None,
) -> Callable:
    """func itself, after one call of it with the example inputs (a Tensor, or a tuple or list of arguments).

    PyTorch's result repeats what this call did whatever later inputs are; func goes on to decide.
    """
    if not callable(func):
        raise TypeError(f"jit.trace: expected a function or a Module, but got {type(func).__name__}")
    if example_inputs is None and example_kwarg_inputs is None:
        raise TypeError("jit.trace: example_inputs must be a Tensor or a tuple of arguments, but got None")
    if not isinstance(example_inputs, (Tensor, tuple, list, type(None))):
        raise TypeError(
            f"jit.trace: example_inputs must be a Tensor or a tuple, but got {type(example_inputs).__name__}"
        )
    args = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs or ())
    func(*args, **(example_kwarg_inputs or {}))
    return func


def ignore(drop: bool | Callable = False, **kwargs: Any) -> Callable:
    """Decorator, with or without arguments, that changes nothing."""
    return drop if callable(drop) else script


def unused(fn: Callable) -> Callable:
    """fn itself."""
    return script(fn)


def export(fn: Callable) -> Callable:
    """fn itself."""
    return script(fn)


def is_scripting() -> bool:
    """Whether the code runs in a compiled program: False."""
    return False


def is_tracing() -> bool:
    """Whether the code is being traced: False."""
    return False
