"""Anomaly mode: which op made the first NaN, and where it was called."""

from __future__ import annotations

from .. import _core


def _set(mode: bool, check_nan: bool) -> tuple[bool, bool]:
    """The mode before."""
    previous = (_core.is_anomaly_enabled(), _core.is_anomaly_check_nan_enabled())
    _core._set_anomaly_mode(mode, check_nan)
    return previous


class detect_anomaly:
    """Watches the ops of a block that record themselves for backward, and the backward passes in it.

    Every op remembers the lines of Python that called it. A backward that raises an error warns with the lines of its
    forward. With `check_nan`, RuntimeError names the first op whose result has a NaN though none of its inputs has
    one, and in backward the first op that returns a gradient with a NaN (PyTorch looks at backward only).

    For the whole process, while the block runs. Costs a look at every result: for finding errors, not for training.
    Ops under no_grad, and those that no gradient goes through, are not watched.
    """

    def __init__(self, check_nan: bool = True) -> None:
        if not isinstance(check_nan, bool):
            raise TypeError(f"detect_anomaly: check_nan must be a bool, but got {type(check_nan).__name__}")
        self.check_nan, self._previous = check_nan, []

    def __enter__(self) -> None:
        self._previous.append(_set(True, self.check_nan))

    def __exit__(self, *_: object) -> None:
        _set(*self._previous.pop())


class set_detect_anomaly:
    """Turns anomaly mode on or off at once; as a context manager, until the block's end. See detect_anomaly."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        for name, value in (("mode", mode), ("check_nan", check_nan)):
            if not isinstance(value, bool):
                raise TypeError(f"set_detect_anomaly: {name} must be a bool, but got {type(value).__name__}")
        self._previous = _set(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        _set(*self._previous)
