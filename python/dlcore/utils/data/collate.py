"""Making one batch of several items."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence

import numpy as np

from ... import _core
from ..._core import Tensor


def _stack(batch, *, collate_fn_map=None) -> Tensor:
    return _core.stack(list(batch), 0)


def _stack_arrays(batch, *, collate_fn_map=None) -> Tensor:
    if batch[0].dtype.kind in "SUO":
        raise TypeError(_unsupported(batch[0].dtype))
    return collate([_core.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def _floats(batch, *, collate_fn_map=None) -> Tensor:
    return _core.tensor(batch, dtype=_core.float64)


def _numbers(batch, *, collate_fn_map=None) -> Tensor:
    return _core.tensor(batch)


def _scalars(batch, *, collate_fn_map=None) -> Tensor:
    return _core.as_tensor(np.asarray(batch))


def _unchanged(batch, *, collate_fn_map=None):
    return batch


def _unsupported(kind) -> str:
    return f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {kind}"


default_collate_fn_map: dict[type | tuple[type, ...], Callable] = {
    Tensor: _stack,
    np.ndarray: _stack_arrays,
    (np.bool_, np.number): _scalars,
    float: _floats,
    int: _numbers,
    str: _unchanged,
    bytes: _unchanged,
}
"""What is done with items of a type, or of a subclass of it; in this order."""


def collate(batch, *, collate_fn_map: dict | None = None):
    """Make one batch of several items, with a function for each type of item.

    Args:
        batch: the items. Mappings, named tuples and sequences are batched entry by entry.
        collate_fn_map: types (or tuples of them) to functions ``f(batch, *, collate_fn_map)``.

    Raises:
        TypeError: for an item of a type that nothing is known of.
        RuntimeError: for sequences of different lengths.
    """
    first = batch[0]
    functions = collate_fn_map or {}
    function = functions.get(type(first))
    if function is None:
        function = next((each for kind, each in functions.items() if isinstance(first, kind)), None)
    if function is not None:
        return function(batch, collate_fn_map=collate_fn_map)

    def joined(entries):
        return collate(entries, collate_fn_map=collate_fn_map)

    if isinstance(first, Mapping):
        return _like(first, {key: joined([item[key] for item in batch]) for key in first})
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(joined(entries) for entries in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(item) != len(first) for item in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [joined(entries) for entries in zip(*batch, strict=True)]
        return columns if isinstance(first, tuple) else _like(first, columns)
    raise TypeError(_unsupported(type(first)))


def _like(model, values):
    """`values`, a dictionary or a list, as an object of `model`'s type where that can be made."""
    if type(model) is type(values):
        return values
    try:
        if isinstance(model, MutableMapping):
            result = copy.copy(model)
            result.update(values)
            return result
        if isinstance(model, MutableSequence):
            result = copy.copy(model)
            for i, value in enumerate(values):
                result[i] = value
            return result
        return type(model)(values)
    except TypeError:
        return values


def default_collate(batch):
    """Make one batch of several items.

    Tensors and arrays are stacked along a new first dimension; numbers become a tensor (int64 for int, float64 for
    float); strings stay a list; mappings, named tuples and sequences are batched entry by entry, tuples into a list.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def default_convert(data):
    """One item with its arrays and numpy scalars made tensors, and everything else as it is."""
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "SUO" else _core.as_tensor(data)
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, Sequence):
        return _like([] if isinstance(data, tuple) else data, [default_convert(value) for value in data])
    return data
