"""Models that people start from."""

from . import classic, sequence, vision

__all__ = ["classic", "sequence", "vision"]
