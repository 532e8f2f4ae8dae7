"""CUDA devices: there are none in a CPU build.

What asks about devices answers so, what would wait for them or free their memory has nothing to do, and what needs one
raises.
"""

from __future__ import annotations

from typing import Any, NoReturn

from . import _core


def is_available() -> bool:
    """Whether a CUDA device can be used."""
    return False


def is_initialized() -> bool:
    """Whether CUDA is in use."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the device computes in bfloat16."""
    return False


def device_count() -> int:
    """How many CUDA devices can be used."""
    return 0


def synchronize(device: Any = None) -> None:
    """Waits until the device has finished: nothing to wait for, every op has its result when it returns."""


def empty_cache() -> None:
    """Frees the device's unused memory. That of the CPU: `dlcore.empty_cache()`."""


def manual_seed(seed: int) -> None:
    """Seeds the device's generator. That of the CPU: `dlcore.manual_seed`."""


def manual_seed_all(seed: int) -> None:
    """Seeds all devices' generators."""


def memory_allocated(device: Any = None) -> int:
    """Bytes of the device's memory in use. Those of the CPU: `dlcore.memory_stats()`."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated
"""As `memory_allocated`."""


def _no_device() -> NoReturn:
    _core._check_device("cuda")
    raise AssertionError("unreachable")


def current_device() -> int:
    """The number of the device in use: RuntimeError, there is none."""
    _no_device()


def set_device(device: Any) -> None:
    """Chooses the device: RuntimeError, there is none."""
    _no_device()


def get_device_name(device: Any = None) -> str:
    """The device's name: RuntimeError, there is none."""
    _no_device()


def get_device_properties(device: Any = None) -> Any:
    """What the device can do: RuntimeError, there is none."""
    _no_device()


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The device's compute capability: RuntimeError, there is none."""
    _no_device()
