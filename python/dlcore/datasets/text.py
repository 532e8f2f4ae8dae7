"""Text: reading it, cutting it into tokens, numbering these, and making batches of sequences."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from .. import _core
from .._core import Tensor
from ..utils.data import Sampler

SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")


class Vocabulary:
    """Numbers tokens: first `<pad> <bos> <eos> <unk>`, then the others from the most frequent to the least.

    Tokens of the same frequency are in alphabetical order. A token that is the name of one of the four is that one.

    Args:
        tokens: those of a text, with repetitions.
        min_count: less frequent ones are left out, and become `<unk>`. Default: 1.
        max_size: of the vocabulary, with the four; None (the default) takes all.

    Attributes:
        tokens: the list of all, of which `from_tokens` makes the same vocabulary again.
        pad, bos, eos, unk: the numbers of the four, 0 to 3.

    Raises:
        TypeError: if a token is no string.
        ValueError: if min_count is not positive, or max_size is below 4.
    """

    pad, bos, eos, unk = range(4)

    def __init__(self, tokens: Iterable[str], min_count: int = 1, max_size: int | None = None) -> None:
        if not isinstance(min_count, int) or min_count < 1:
            raise ValueError(f"Vocabulary: min_count must be a positive int, but got {min_count!r}")
        if max_size is not None and (not isinstance(max_size, int) or max_size < len(SPECIALS)):
            raise ValueError(f"Vocabulary: max_size must be an int of at least {len(SPECIALS)}, but got {max_size!r}")
        counts = Counter(_strings("Vocabulary", tokens))
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kept = (token for token, count in ranked if count >= min_count and token not in SPECIALS)
        self._set([*SPECIALS, *islice(kept, None if max_size is None else max_size - len(SPECIALS))])

    def _set(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self._ids = {token: i for i, token in enumerate(tokens)}

    @classmethod
    def from_tokens(cls, tokens: Sequence[str]) -> Vocabulary:
        """The vocabulary with this list of `tokens`.

        Raises:
            ValueError: if it does not begin with the four, or has a token twice.
        """
        tokens = list(_strings("Vocabulary.from_tokens", tokens))
        if tuple(tokens[: len(SPECIALS)]) != SPECIALS or len(set(tokens)) != len(tokens):
            raise ValueError(
                f"Vocabulary.from_tokens: tokens must begin with {' '.join(SPECIALS)} and have none twice; got "
                f"{len(tokens)} that begin with {tokens[:4]}"
            )
        vocabulary = cls.__new__(cls)
        vocabulary._set(tokens)
        return vocabulary

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} tokens)"

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """The numbers of the tokens; that of `<unk>` for those that are not in the vocabulary."""
        return [self._ids.get(token, self.unk) for token in tokens]

    def decode(self, ids: Iterable[int], specials: bool = False) -> list[str]:
        """The tokens of the numbers up to the first `<eos>`.

        Args:
            ids: the numbers.
            specials: go on after `<eos>`, and keep all four; without, only `<unk>` is kept. Default: False.

        Raises:
            ValueError: for a number that is not in [0, len(self)).
        """
        tokens = []
        for i in map(int, ids):
            if not 0 <= i < len(self):
                raise ValueError(f"Vocabulary.decode: ids must be in [0, {len(self)}), but got {i}")
            if i == self.eos and not specials:
                break
            if specials or i >= self.unk:
                tokens.append(self.tokens[i])
        return tokens


def _strings(name: str, tokens: Iterable[str]) -> Iterator[str]:
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(f"{name}: tokens must be strings, but got {type(token).__name__}")
        yield token


def characters(text: str) -> list[str]:
    """The characters of a text."""
    return list(text)


def words(text: str) -> list[str]:
    """The words of a text, and its marks one by one: `"It's 5-fold!"` gives `["It's", "5-fold", "!"]`."""
    return re.findall(r"\w+(?:['’-]\w+)*|[^\w\s]", text)


def default_text() -> str:
    """English text that comes with Python: the pages of its reference that ``help()`` shows, half a million characters.

    Raises:
        ImportError: if this installation of Python is one without them.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise ImportError(
            "default_text: this Python comes without pydoc_data, its own documentation; name a text of your own"
        ) from error
    return "\n\n".join(topics[name].strip() for name in sorted(topics))


def read_text(path: str | os.PathLike) -> str:
    """The text in a file, in UTF-8.

    Raises:
        TypeError: if path is no path (a number would be an open file).
        OSError: if there is no such file.
        ValueError: if it is not UTF-8, or empty.
    """
    try:
        with open(os.fspath(path), encoding="utf-8-sig") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"read_text: {os.fspath(path)} must be text in UTF-8: {error}") from error
    if not text:
        raise ValueError(f"read_text: {os.fspath(path)} must hold text, but is empty")
    return text


def pad_batch(sequences: Sequence[Sequence[int]], pad: int, length: int | None = None) -> tuple[Tensor, Tensor]:
    """Sequences of numbers as one tensor.

    Args:
        sequences: N lists of numbers.
        pad: the number behind those that are shorter.
        length: that of the result, L, to which longer ones are cut; None (the default) takes the longest one's.

    Returns:
        (N, L), int64, and the lengths, (N), int64, of what is not padding.

    Raises:
        ValueError: if there are no sequences, or length is negative.
    """
    if not sequences:
        raise ValueError("pad_batch: sequences must be at least one, but got none")
    if length is not None and (not isinstance(length, int) or length < 0):
        raise ValueError(f"pad_batch: length must be an int that is not negative, but got {length!r}")
    rows = [list(sequence[:length]) for sequence in sequences]
    lengths = [len(row) for row in rows]
    longest = max(lengths) if length is None else length
    padded = [row + [pad] * (longest - len(row)) for row in rows]
    return _core.tensor(padded, dtype=_core.int64).reshape(len(rows), longest), _core.tensor(lengths)


class BucketSampler(Sampler):
    """Lists of numbers of items of like length, so that batches need little padding: a `DataLoader`'s batch_sampler.

    For each epoch the items are shuffled, cut into pools, and each pool is sorted by length and cut into batches, which
    are shuffled.

    Args:
        lengths: that of every item.
        batch_size: how many numbers a list has; those at the ends of pools may have fewer.
        generator: draws the order; the default generator where it is None.
        pool: batches in a pool: more need less padding, fewer mix lengths more. Default: 100.

    Raises:
        ValueError: if batch_size or pool is not a positive int.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, generator=None, pool: int = 100) -> None:
        for name, value in (("batch_size", batch_size), ("pool", pool)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"BucketSampler: {name} must be a positive int, but got {value!r}")
        self.lengths = [int(length) for length in lengths]
        self.batch_size, self.generator, self.pool = batch_size, generator, pool

    def __iter__(self) -> Iterator[list[int]]:
        order = _core.randperm(len(self.lengths), generator=self.generator).tolist()
        batches = []
        for items in _cut(order, self.batch_size * self.pool):
            batches += _cut(sorted(items, key=self.lengths.__getitem__), self.batch_size)
        for i in _core.randperm(len(batches), generator=self.generator).tolist():
            yield batches[i]

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)  # pools are of whole batches, but for the last


def _cut(items: list, size: int) -> list[list]:
    return [items[i : i + size] for i in range(0, len(items), size)]
