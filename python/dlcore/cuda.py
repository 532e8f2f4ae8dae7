"""CUDA devices: there are none in a CPU build."""

from __future__ import annotations


def is_available() -> bool:
    """Whether a CUDA device can be used."""
    return False


def device_count() -> int:
    """How many CUDA devices can be used."""
    return 0
