"""Pairs of texts, such as sentences and their translations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from .. import _core
from .._core import Tensor
from ..utils.data import Dataset
from .text import BucketSampler, Vocabulary, pad_batch, read_text, words

Pair = tuple[str, str]


def read_pairs(path: str | os.PathLike) -> list[Pair]:
    """The pairs of a file: one a line, with a tab between its two texts. What follows a second tab is left out, and so
    are empty lines.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is not UTF-8, or a line has no tab or only one text.
    """
    pairs = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        texts = [text.strip() for text in line.split("\t")[:2]]
        if not line.strip():
            continue
        if len(texts) < 2 or not all(texts):
            raise ValueError(
                f"read_pairs: line {number} of {os.fspath(path)} must hold two texts with a tab between them, but got "
                f"{line[:60]!r}"
            )
        pairs.append((texts[0], texts[1]))
    return pairs


def translated_names(locale: str = "de") -> list[Pair]:
    """English names of countries and languages with their translations: those that come with pycountry.

    Names of countries, common and official ones, and of the languages with a code of two letters (ISO 3166-1, ISO
    639-3), as far as they are translated; each English name once, in alphabetical order.

    Args:
        locale: the language of the translations, as pycountry names it: de, fr, pt_BR, ... Default: de.

    Raises:
        ImportError: if pycountry, which holds the names, is missing.
        ValueError: if it has no names in this language.

    Source: the iso-codes package of Debian, whose translations pycountry carries.
    """
    try:
        import pycountry
    except ImportError as error:
        raise ImportError(
            "dlcore.datasets.translated_names needs pycountry, which holds the names; install it with "
            "pip install 'dlcore[examples]'"
        ) from error
    known = sorted(os.listdir(pycountry.LOCALES_DIR))
    if locale not in known:
        raise ValueError(f"translated_names: locale must be one of {', '.join(known)}, but got {locale!r}")
    kinds = ("name", "common_name", "official_name")
    languages = (language for language in pycountry.languages if hasattr(language, "alpha_2"))
    pairs = {}
    for domain, records in (("iso3166-1", pycountry.countries), ("iso639-3", languages)):
        translate = _catalogue(domain, pycountry.LOCALES_DIR, locale)
        for record in records:
            names = (getattr(record, kind, None) for kind in kinds)
            pairs |= {name: translated for name in names if name and (translated := translate(name))}
    if not pairs:
        raise ValueError(f"translated_names: locale must be one with translations, but {locale!r} has none")
    return sorted(pairs.items())


def _catalogue(domain: str, folder: str, locale: str) -> Callable[[str], str]:
    """Translates texts, and gives an empty one for those without translation."""
    import gettext

    class Missing(gettext.NullTranslations):
        def gettext(self, message: str) -> str:
            return ""

    try:
        catalogue = gettext.translation(domain, folder, [locale])
    except FileNotFoundError:
        catalogue = Missing()
    catalogue.add_fallback(Missing())
    return catalogue.gettext


def split_pairs(pairs: Sequence[Pair], held_out: float = 0.1, seed: int = 0) -> tuple[list[Pair], list[Pair]]:
    """The part to train on and the part that is held out, both in their old order.

    Args:
        pairs: of which no source is in both parts.
        held_out: the fraction of the sources that are held out. Default: 0.1.
        seed: of the draw. Default: 0.

    Raises:
        ValueError: if held_out is not in [0, 1).
    """
    if not 0 <= held_out < 1:
        raise ValueError(f"split_pairs: held_out must be in [0, 1), but got {held_out}")
    sources = sorted({source for source, _ in pairs})
    order = _core.randperm(len(sources), generator=_core.Generator().manual_seed(seed)).tolist()
    chosen = {sources[i] for i in order[: int(held_out * len(sources))]}
    return [pair for pair in pairs if pair[0] not in chosen], [pair for pair in pairs if pair[0] in chosen]


class PairBatch(NamedTuple):
    """Sources (N, S) and targets (N, T), padded, and the lengths (N) of each."""

    source: Tensor
    lengths: Tensor
    target: Tensor
    target_lengths: Tensor


class PairDataset(Dataset):
    """Pairs as numbers of tokens: a source is `x_1 ... x_S <eos>`, a target `<bos> y_1 ... y_T <eos>`.

    Args:
        pairs: the texts; at least one.
        source, target: vocabularies; None (the default): of the pairs' own tokens.
        tokenize: cuts a text into tokens. Default: `words`.
        min_count: of a token in a vocabulary that is made here. Default: 1.
        max_length: to which texts are cut, in tokens. Default: 50.

    Attributes:
        pairs: the texts.
        source, target: the two vocabularies.
        sources, targets: lists of numbers.

    Items: source and target, lists of numbers. `collate` makes a `PairBatch` of some.

    Raises:
        ValueError: if there are no pairs, or max_length is not positive.
    """

    def __init__(
        self,
        pairs: Iterable[Pair],
        source: Vocabulary | None = None,
        target: Vocabulary | None = None,
        tokenize: Callable[[str], list[str]] = words,
        min_count: int = 1,
        max_length: int = 50,
    ) -> None:
        self.pairs = list(pairs)
        if not self.pairs:
            raise ValueError("PairDataset: pairs must be at least one, but got none")
        if not isinstance(max_length, int) or max_length < 1:
            raise ValueError(f"PairDataset: max_length must be a positive int, but got {max_length!r}")
        tokens = [[tokenize(text)[:max_length] for text in side] for side in zip(*self.pairs, strict=True)]
        self.source, self.target = (
            Vocabulary((token for text in side for token in text), min_count) if given is None else given
            for given, side in zip((source, target), tokens, strict=True)
        )
        self.sources = [[*self.source.encode(text), self.source.eos] for text in tokens[0]]
        bos, eos = self.target.bos, self.target.eos
        self.targets = [[bos, *self.target.encode(text), eos] for text in tokens[1]]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[list[int], list[int]]:
        return self.sources[index], self.targets[index]

    def collate(self, items: Sequence[tuple[list[int], list[int]]]) -> PairBatch:
        """Items as a batch, padded."""
        sources, targets = zip(*items)
        return PairBatch(*pad_batch(sources, self.source.pad), *pad_batch(targets, self.target.pad))

    def batches(self, batch_size: int, generator=None) -> Iterator[PairBatch]:
        """All pairs, in batches of like length of the sources, in an order that the generator draws."""
        for indices in BucketSampler([len(source) for source in self.sources], batch_size, generator):
            yield self.collate([self[i] for i in indices])
