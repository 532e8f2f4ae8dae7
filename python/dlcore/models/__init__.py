"""Models that people start from."""

from . import sequence, vision

__all__ = ["sequence", "vision"]
