"""Sequences of different lengths: padded to one length, or packed without padding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ... import _core
from ..._core import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """The elements of a batch of sequences, step by step, without padding.

    Sequences are ordered by falling length. Made by `pack_sequence` and `pack_padded_sequence`.

    Attributes:
        data: (total, *), the first elements of all sequences, then the second ones of those that have one, and so on.
        batch_sizes: (steps), int64: how many sequences have a first element, a second one, ...
        sorted_indices: (batch), where each of the ordered sequences was before, or None if nothing moved.
        unsorted_indices: (batch), where each of the original sequences is now, or None.
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None) -> PackedSequence:
        if batch_sizes is None:  # PackedSequence((data, batch_sizes))
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("PackedSequence: expected data and batch_sizes, together or one by one")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def __getnewargs__(self) -> tuple:
        return tuple(self)

    def to(self, *args, **kwargs) -> PackedSequence:
        """Convert `data`, as `Tensor.to`."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else self._replace(data=data)

    def cpu(self) -> PackedSequence:
        return self.to(device="cpu")

    def cuda(self, *args, **kwargs) -> PackedSequence:
        return self._replace(data=self.data.cuda(*args, **kwargs))

    def double(self) -> PackedSequence:
        return self.to(_core.float64)

    def float(self) -> PackedSequence:
        return self.to(_core.float32)

    def half(self) -> PackedSequence:
        return self.to(_core.float16)

    def long(self) -> PackedSequence:
        return self.to(_core.int64)

    def int(self) -> PackedSequence:
        return self.to(_core.int32)

    def short(self) -> PackedSequence:
        return self.to(_core.int16)

    def char(self) -> PackedSequence:
        return self.to(_core.int8)

    def byte(self) -> PackedSequence:
        return self.to(_core.uint8)

    def pin_memory(self) -> PackedSequence:
        return self

    def is_pinned(self) -> bool:
        return False

    @property
    def is_cuda(self) -> bool:
        return self.data.device.type == "cuda"


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """q with q[permutation[i]] = i; None for None."""
    if permutation is None:
        return None
    places = _core.arange(permutation.numel())
    return _core.empty_like(permutation).scatter_(0, permutation, places.to(permutation.dtype))


def _rows(lengths: Tensor, steps: int, batch_first: bool, from_end: bool = False) -> Tensor:
    """Which rows of (steps, batch), or (batch, steps), flattened, hold an element, in order."""
    time = _core.arange(steps)
    if from_end:
        time = steps - 1 - time
    inside = time < lengths.unsqueeze(1) if batch_first else time.unsqueeze(1) < lengths
    return inside.reshape(-1).nonzero().squeeze(1)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | list[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack sequences that are padded to one length.

    Args:
        input: (steps, batch, *), or (batch, steps, *) with batch_first. Elements beyond a sequence's length are not
            looked at.
        lengths: (batch), the length of each sequence, at least 1.
        batch_first: whether the batch comes first. Default: False.
        enforce_sorted: whether lengths must fall, otherwise the sequences are sorted. Default: True.

    Raises:
        RuntimeError: if there are more or fewer lengths than sequences, or one is not in [1, steps], or they rise
            where enforce_sorted.
    """
    lengths = _core.as_tensor(lengths).to(_core.int64)
    if lengths.dim() != 1:
        raise RuntimeError(f"pack_padded_sequence: lengths must have one dimension, but got shape {lengths.shape}")
    if input.dim() < 2:
        raise RuntimeError(
            f"pack_padded_sequence: input must have at least two dimensions, but got shape {input.shape}"
        )
    batch_dim = 0 if batch_first else 1
    batch, steps = input.shape[batch_dim], input.shape[1 - batch_dim]
    if batch == 0:
        raise RuntimeError("pack_padded_sequence: cannot pack an empty batch")
    if len(lengths) != batch:
        raise RuntimeError(f"pack_padded_sequence: expected {batch} lengths, one a sequence, but got {len(lengths)}")
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = lengths.sort(descending=True)
        input = input.index_select(batch_dim, sorted_indices)
    elif bool((lengths[1:] > lengths[:-1]).any()):
        raise RuntimeError(
            "pack_padded_sequence: lengths must fall where enforce_sorted=True; pass enforce_sorted=False to have the "
            "sequences sorted"
        )
    longest, shortest = int(lengths.max()), int(lengths.min())
    if shortest <= 0 or longest > steps:
        raise RuntimeError(
            f"pack_padded_sequence: each length must be in [1, {steps}], but got "
            f"{shortest if shortest <= 0 else longest}"
        )
    rows = _rows(lengths, longest, batch_first=False)
    padded = input.transpose(0, 1) if batch_first else input
    data = padded[:longest].reshape(longest * batch, *input.shape[2:]).index_select(0, rows)
    batch_sizes = (_core.arange(longest).unsqueeze(1) < lengths).sum(1)
    return PackedSequence(data, batch_sizes, sorted_indices)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Undo `pack_padded_sequence`: the padded sequences and their lengths, in the order from before packing.

    Args:
        sequence: what to pad.
        batch_first: whether the result is (batch, steps, *) rather than (steps, batch, *). Default: False.
        padding_value: of elements beyond a sequence's end. Default: 0.
        total_length: steps of the result; at least, and by default, the length of the longest sequence.

    Raises:
        ValueError: if total_length is too small.
    """
    data, batch_sizes, _, unsorted_indices = sequence
    longest, batch = len(batch_sizes), int(batch_sizes[0])
    steps = longest if total_length is None else total_length
    if steps < longest:
        raise ValueError(
            f"pad_packed_sequence: total_length must be at least the length of the longest sequence; expected "
            f"{longest} but got {total_length}"
        )
    lengths = (batch_sizes.unsqueeze(1) > _core.arange(batch)).sum(0)
    padded = _core.full((steps * batch, *data.shape[1:]), padding_value, dtype=data.dtype)
    padded = padded.index_copy(0, _rows(lengths, steps, batch_first=False), data)
    padded = padded.reshape(steps, batch, *data.shape[1:])
    if batch_first:
        padded = padded.transpose(0, 1)
    if unsorted_indices is not None:
        padded = padded.index_select(0 if batch_first else 1, unsorted_indices)
        lengths = lengths[unsorted_indices]
    return padded, lengths


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences of different lengths, padded to the longest one.

    Args:
        sequences: tensors (length, *) that differ in their length alone.
        batch_first: whether the result is (batch, steps, *) rather than (steps, batch, *). Default: False.
        padding_value: of the elements that are added. Default: 0.
        padding_side: "right" or "left", where they are added.

    Raises:
        RuntimeError: if there are no sequences, or they differ in more than their length, or padding_side is neither.
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: sequences must be iterable, but got {type(sequences).__name__}")
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: expected at least one sequence, but got none")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: padding_side must be 'left' or 'right', but got {padding_side!r}")
    shape = sequences[0].shape[1:]
    for sequence in sequences:
        if sequence.dim() == 0 or sequence.shape[1:] != shape:
            raise RuntimeError(
                f"pad_sequence: sequences must differ in their length alone; expected (length, "
                f"{', '.join(map(str, shape))}) but got {tuple(sequence.shape)}"
            )
    lengths = [len(sequence) for sequence in sequences]
    batch, steps = len(sequences), max(lengths)
    data = _core.cat(sequences)
    rows = _rows(_core.tensor(lengths), steps, batch_first=True, from_end=padding_side == "left")
    padded = _core.full((batch * steps, *shape), padding_value, dtype=data.dtype).index_copy(0, rows, data)
    padded = padded.reshape(batch, steps, *shape)
    return padded if batch_first else padded.transpose(0, 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences (length, *) of which `pad_sequence` made padded_sequences, given their lengths, (batch)."""
    sequences = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    if len(lengths) != len(sequences):
        raise ValueError(f"unpad_sequence: expected {len(sequences)} lengths, one a sequence, but got {len(lengths)}")
    return [sequence[: max(int(length), 0)] for sequence, length in zip(sequences, lengths)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack tensors (length, *) that differ in their length alone.

    Args:
        sequences: the tensors, longest first where enforce_sorted.
        enforce_sorted: whether lengths must fall, otherwise the sequences are sorted. Default: True.
    """
    lengths = _core.tensor([len(sequence) for sequence in sequences], dtype=_core.int64)
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The tensors of which `pack_sequence` made packed_sequences."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
