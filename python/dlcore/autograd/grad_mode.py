"""Context managers, usable as decorators, that turn the recording of gradients on and off."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import _core


class _GradContext:
    """Sets the mode on entry and restores the previous one on exit; a decorated function runs inside."""

    _mode = False

    def __enter__(self) -> _GradContext:
        self._stack = getattr(self, "_stack", [])
        self._stack.append(_core.is_grad_enabled())
        _core._set_grad_enabled(self._mode)
        return self

    def __exit__(self, *_: object) -> None:
        _core._set_grad_enabled(self._stack.pop())

    def __call__(self, function: Callable[..., Any]) -> Any:
        import inspect  # only decorators pay for it

        make = self._clone
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args, **kwargs):
                iterator = function(*args, **kwargs)
                try:
                    with make():
                        item = next(iterator)
                    while True:
                        sent = yield item
                        with make():
                            item = iterator.send(sent)
                except StopIteration as stop:
                    return stop.value
                finally:
                    iterator.close()

            return generator

        @functools.wraps(function)
        def inner(*args, **kwargs):
            with make():
                return function(*args, **kwargs)

        return inner

    def _clone(self):
        return self.__class__()


class no_grad(_GradContext):
    """Ops inside record nothing: less memory and time where no backward will follow."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        context = super().__new__(cls)
        return context if function is None else _GradContext.__call__(context, function)


class enable_grad(no_grad):
    """Ops inside record what backward needs, also within no_grad."""

    _mode = True


class set_grad_enabled(_GradContext):
    """Turns recording on or off at once; as a context manager, until the block's end."""

    def __init__(self, mode: bool) -> None:
        self._mode = bool(mode)
        self._previous = _core.is_grad_enabled()
        _core._set_grad_enabled(self._mode)

    def __enter__(self) -> _GradContext:
        self._stack = [self._previous]
        _core._set_grad_enabled(self._mode)
        return self

    def __call__(self, function: Callable[..., Any]) -> Any:
        _core._set_grad_enabled(self._previous)
        return super().__call__(function)

    def _clone(self):
        return set_grad_enabled(self._mode)


class inference_mode(_GradContext):
    """no_grad for inference."""

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Any:
        context = super().__new__(cls)
        if callable(mode):
            context._mode = False
            return _GradContext.__call__(context, mode)
        return context

    def __init__(self, mode: bool | Callable[..., Any] = True) -> None:
        self._mode = _core.is_grad_enabled() if mode is False else False

    def _clone(self):
        return inference_mode()
