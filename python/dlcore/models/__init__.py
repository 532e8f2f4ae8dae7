"""Models that people start from."""

from . import vision

__all__ = ["vision"]
