"""Handles of registered hooks."""

from __future__ import annotations

import itertools
import weakref

_ids = itertools.count()


class RemovableHandle:
    """What registering a hook returns: ``remove()``, or leaving a ``with`` block, takes the hook away again.

    Args:
        hooks: the ordered dictionary the hook is kept in, under ``handle.id``.
        extra: other collections (dictionaries or sets) that hold the same id.
    """

    def __init__(self, hooks, *, extra=()) -> None:
        self.id = next(_ids)
        self._refs = tuple(weakref.ref(table) for table in (hooks, *extra))

    def remove(self) -> None:
        """Take the hook away. Doing so twice does nothing."""
        for ref in self._refs:
            table = ref()
            if table is not None and self.id in table:
                if isinstance(table, set):
                    table.discard(self.id)
                else:
                    del table[self.id]

    # A copy of a module carries copies of its handles; they refer to the copied dictionaries.
    def __getstate__(self):
        return self.id, [ref() for ref in self._refs]

    def __setstate__(self, state) -> None:
        self.id, tables = state
        self._refs = tuple(weakref.ref(table) for table in tables if table is not None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception) -> None:
        self.remove()
