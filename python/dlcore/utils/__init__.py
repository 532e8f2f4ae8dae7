"""Helpers around the library: hooks and data loading (``dlcore.utils.data``)."""
