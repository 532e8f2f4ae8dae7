"""Helpers around the library: hooks, data loading (``dlcore.utils.data``), and `summary` of a model."""

from __future__ import annotations


def __getattr__(name: str):
    """Submodules, and what is in them, are imported when first used."""
    import importlib

    if name in ("Summary", "summary"):
        return getattr(importlib.import_module("._summary", __name__), name)
    if name in ("data", "hooks"):
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
