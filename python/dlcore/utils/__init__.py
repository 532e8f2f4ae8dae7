"""Helpers around the library: hooks and data loading (``dlcore.utils.data``)."""

from __future__ import annotations


def __getattr__(name: str):
    """Submodules are imported when first used."""
    import importlib

    if name in ("data", "hooks"):
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
