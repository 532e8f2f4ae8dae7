"""Names that PyTorch programs call and that have little to do here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from . import _core

_MODES = ("default", "lite", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
_BACKENDS = ("inductor", "eager", "aot_eager")


def compile(  # noqa: A001
    model: Callable | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable = "inductor",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """The function or Module itself, or a decorator that returns it: the same results, nothing is compiled yet.

    A Module stays the one that it is; its state_dict gets no prefix.
    """
    if mode is not None and options is not None:
        raise RuntimeError("compile: either mode or options can be given, not both")
    if mode is not None and mode not in _MODES:
        raise RuntimeError(f"compile: mode must be one of {', '.join(_MODES)} or None, but got {mode!r}")
    if not callable(backend) and backend not in _BACKENDS:
        raise ValueError(f"compile: backend must be one of {', '.join(_BACKENDS)} or callable, but got {backend!r}")
    if model is None:
        return lambda model: compile(model, backend=backend, mode=mode, options=options)
    if not callable(model):
        raise TypeError(f"compile: expected a function or a Module, but got {type(model).__name__}")
    return model


_precision = "highest"


def set_float32_matmul_precision(precision: str) -> None:
    """How much precision products of float32 matrices may lose. They lose none here, whatever is allowed."""
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"set_float32_matmul_precision: expected 'highest', 'high' or 'medium', but got {precision!r}")
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision was called with; "highest" at first."""
    return _precision


class autocast(contextlib.ContextDecorator):
    """Mixed precision is not there: with enabled=False nothing changes, anything else raises NotImplementedError.

    A model computes in bfloat16 or float16 (with float32 sums) where its weights and inputs are: `model.bfloat16()`.
    """

    def __init__(
        self,
        device_type: str,
        dtype: _core.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if device_type not in ("cpu", "cuda"):
            raise RuntimeError(f"autocast: device_type must be 'cpu' or 'cuda', but got {device_type!r}")
        if enabled:
            raise NotImplementedError(
                "autocast: there is no mixed precision; pass enabled=False, or use model.bfloat16()"
            )

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *_: object) -> None:
        pass
