"""Attention under masks that are described by their structure, so that what they exclude costs nothing.

    y = attention(q, k, v, mask=Causal() & SlidingWindow(256, 0))
    longformer = SlidingWindow(256, 256) | Global([0])
    sparse_transformer = Causal() & (SlidingWindow(128, 0) | Strided(128))

The kernel visits blocks of 64 queries and 64 keys in which some pair takes part, forward and backward; a mask's cost
in time and memory is proportional to their number (docs/attention.md). Dropout, grouped heads and gradients are those
of ``nn.functional.scaled_dot_product_attention``.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

from .. import _core
from .._core import Tensor

# Codes of the instructions that csrc/include/dlcore/ops/attention_mask.h describes.
_BAND, _STRIDED, _GLOBAL, _KEY_PADDING, _BLOCK_SPARSE, _AND, _OR = range(7)
_FAR = 2**62  # beyond any sequence
MOST = 2**31  # tokens of a sequence, in `Mask.dense`: more is a mistake


def _whole(kind: str, name: str, value: int, least: int = 0) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{kind}: {name} must be an int, but got {value!r}")
    value = operator.index(value)
    if value < least:
        raise ValueError(f"{kind}: {name} must {'not be negative' if least == 0 else 'be positive'}, but got {value}")
    return value


class Mask:
    """Says which query attends to which key. ``a & b``: where both let it; ``a | b``: where one of them does."""

    def __and__(self, other: Mask) -> Mask:
        return _Combined(_AND, self, other) if isinstance(other, Mask) else NotImplemented

    def __or__(self, other: Mask) -> Mask:
        return _Combined(_OR, self, other) if isinstance(other, Mask) else NotImplemented

    def _write(self, program: list[int], data: list[Tensor]) -> None:
        raise NotImplementedError

    def dense(self, queries: int, keys: int, batch: int = 1) -> Tensor:
        """The whole mask, bool: (queries, keys), or (batch, queries, keys) where batches differ (KeyPadding)."""
        for name, size in (("queries", queries), ("keys", keys), ("batch", batch)):
            if _whole(f"{type(self).__name__}.dense", name, size) >= MOST:
                raise ValueError(f"{type(self).__name__}.dense: {name} must be below {MOST}, but got {size}")
        program, data = _compiled(self)
        return _core._structured_pairs(queries, keys, batch, program, data)


def _compiled(mask: Mask) -> tuple[list[int], list[Tensor]]:
    program: list[int] = []
    data: list[Tensor] = []
    mask._write(program, data)
    return program, data


class _Combined(Mask):
    def __init__(self, code: int, a: Mask, b: Mask):
        self.code, self.a, self.b = code, a, b

    def __repr__(self) -> str:
        return f"({self.a!r} {'&' if self.code == _AND else '|'} {self.b!r})"

    def _write(self, program: list[int], data: list[Tensor]) -> None:
        self.a._write(program, data)
        self.b._write(program, data)
        program.append(self.code)


class SlidingWindow(Mask):
    """Query i attends to keys i - left ... i + right; None: as far as there are keys.

    Source: Beltagy, Peters, Cohan: Longformer, 2020.
    """

    def __init__(self, left: int | None, right: int | None):
        self.left = left if left is None else _whole("SlidingWindow", "left", left)
        self.right = right if right is None else _whole("SlidingWindow", "right", right)

    def __repr__(self) -> str:
        return f"SlidingWindow({self.left}, {self.right})"

    def _write(self, program: list[int], data: list[Tensor]) -> None:
        low = -_FAR if self.left is None else -min(self.left, _FAR)
        high = _FAR if self.right is None else min(self.right, _FAR)
        program += [_BAND, low, high]


class Causal(SlidingWindow):
    """Query i attends to keys 0 ... i."""

    def __init__(self):
        super().__init__(None, 0)

    def __repr__(self) -> str:
        return "Causal()"


class Strided(Mask):
    """Query i attends to keys j for which i - j is a multiple of step.

    Every block of 64 x 64 pairs holds some of them where step is below 128: then the cost is that of all pairs.
    Source: Child, Gray, Radford, Sutskever: Generating long sequences with sparse transformers, 2019.
    """

    def __init__(self, step: int):
        self.step = _whole("Strided", "step", step, 1)

    def __repr__(self) -> str:
        return f"Strided({self.step})"

    def _write(self, program: list[int], data: list[Tensor]) -> None:
        program += [_STRIDED, min(self.step, _FAR)]


class _WithData(Mask):
    """A mask that a tensor describes."""

    def __init__(self, code: int, data: Tensor, *numbers: int):
        self.code, self.data, self.numbers = code, data, numbers

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, (self.data.tolist(), *self.numbers)))})"

    def _write(self, program: list[int], data: list[Tensor]) -> None:
        program += [self.code, *self.numbers, len(data)]
        data.append(self.data)


def _int64(kind: str, name: str, values: Tensor | Sequence[int]) -> Tensor:
    if isinstance(values, Tensor):
        if values.is_floating_point() or values.is_complex() or values.dtype == _core.bool:
            raise TypeError(f"{kind}: {name} must be integers, but got {values.dtype}")
        return values.detach().to(_core.int64)
    return _core.tensor([_whole(kind, name, value) for value in values], dtype=_core.int64)


class Global(_WithData):
    """The queries at these tokens attend to all keys, and all queries to the keys at them.

    Source: Beltagy, Peters, Cohan: Longformer, 2020; Zaheer et al.: Big Bird, 2020.
    """

    def __init__(self, tokens: Tensor | Sequence[int]):
        super().__init__(_GLOBAL, _int64("Global", "tokens", tokens))


class KeyPadding(_WithData):
    """The queries of batch b attend to keys below lengths[b]; batches are the first dimension of query."""

    def __init__(self, lengths: Tensor | Sequence[int]):
        super().__init__(_KEY_PADDING, _int64("KeyPadding", "lengths", lengths))


class BlockSparse(_WithData):
    """Query i attends to key j where blocks[i // size, j // size], of shape (ceil(L / size), ceil(S / size)), holds.

    Source: Zaheer et al.: Big Bird, 2020.
    """

    def __init__(self, blocks: Tensor | Sequence[Sequence[bool]], size: int = 64):
        blocks = blocks.detach() if isinstance(blocks, Tensor) else _core.tensor(blocks, dtype=_core.bool)
        super().__init__(_BLOCK_SPARSE, blocks, _whole("BlockSparse", "size", size, 1))


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Mask | None = None,
    dropout_p: float = 0.0,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale query key^T, where mask lets them meet) value.

    Equals ``scaled_dot_product_attention`` under ``mask.dense(L, S)``. A query that attends to no key gives zeros.

    Shapes: query (..., heads, L, E), key (..., heads, S, E), value (..., heads, S, Ev) to (..., heads, L, Ev).

    Raises:
        RuntimeError: if shapes or dtypes do not fit together.
        ValueError: if the mask does not fit the sequences: tokens or lengths beyond them, blocks of another shape.
        TypeError: if mask is no Mask.
    """
    if mask is None:
        return _core.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout_p, scale=scale, enable_gqa=enable_gqa
        )
    if not isinstance(mask, Mask):
        raise TypeError(f"attention: mask must be a dlcore.nn.attention.Mask, but got {type(mask).__name__}")
    program, data = _compiled(mask)
    return _core._structured_attention(query, key, value, program, data, dropout_p, scale, enable_gqa)
