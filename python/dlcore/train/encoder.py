"""BERT on the sentences of a text: filling in masked words, and telling whether two sentences follow one another."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from .. import _core
from .._core import Tensor
from ..datasets import BucketSampler, Vocabulary, default_text, pad_batch, read_text, words
from ..models.sequence import BERT, mask_tokens
from ..models.sequence.labeller import IGNORED
from ..nn import functional as F
from . import common

NAMES = ("bert",)
LONGEST = 30  # words of a sentence; what is beyond is cut off
MASK = "<mask>"

Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def add_options(parser: argparse.ArgumentParser, name: str) -> None:
    parser.description = "Train BERT on the words of a text; the last tenth of the text is held out."
    common.add_options(parser)
    parser.add_argument("--text", metavar="FILE", help="in UTF-8; default: the reference that comes with Python")
    parser.add_argument("--layers", type=common.positive, default=2, help="default: %(default)s")


def run(name: str, **options) -> None:
    train(**options)


def sentences(text: str) -> list[list[str]]:
    """The words of each sentence, cut to 30."""
    parts = (words(part)[:LONGEST] for part in re.split(r"(?<=[.!?:])\s+|\n\s*\n", text))
    return [part for part in parts if part]


class Pairs:
    """Batches of two sentences each, with words masked: ``<bos> first <eos> second <eos>``.

    In half of the pairs the second sentence is the one that follows; in the others it is any of the text.

    Args:
        numbered: the numbers of the words of each sentence.
        vocabulary: with `<mask>` as its last token.
        batch_size: pairs in a batch.
        generator: draws sentences, masks and the order, anew in each epoch.
    """

    def __init__(self, numbered: list[list[int]], vocabulary: Vocabulary, batch_size: int, generator) -> None:
        self.numbered, self.vocabulary, self.generator = numbered, vocabulary, generator
        # Second sentences are about as long as first ones: these tell what goes together.
        self.batches = BucketSampler([len(ids) for ids in numbered[:-1]], batch_size, generator)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        """(tokens, segments, lengths, labels of masked words, whether the sentences follow) of each batch."""
        bos, eos, all_ = [self.vocabulary.bos], [self.vocabulary.eos], len(self.numbered)
        ordinary = (len(self.vocabulary.tokens[:4]), len(self.vocabulary) - 1)
        for batch in self.batches:
            any_, coins = (
                _core.randint(0, most, (len(batch),), generator=self.generator).tolist() for most in (all_, 2)
            )
            second = [i + 1 if coin else other for i, other, coin in zip(batch, any_, coins)]
            firsts = [bos + self.numbered[i] + eos for i in batch]
            pairs = [first + self.numbered[j] + eos for first, j in zip(firsts, second)]
            tokens, lengths = pad_batch(pairs, self.vocabulary.pad)
            ends = _core.tensor([len(first) for first in firsts]).unsqueeze(1)
            segments = (_core.arange(tokens.shape[1]) >= ends).long()
            tokens, labels = mask_tokens(tokens, len(self.vocabulary) - 1, ordinary, generator=self.generator)
            follows = _core.tensor([int(j == i + 1) for i, j in zip(batch, second)])
            yield tokens, segments, lengths, labels, follows


def measure(model: BERT, pairs: Pairs) -> dict[str, float]:
    """The fractions of masked words and of pairs of sentences that are right."""
    words_right = words_all = pairs_right = pairs_all = 0
    for tokens, segments, lengths, labels, follows in pairs:
        features, chosen = model(tokens, segments, lengths), labels != IGNORED
        words_right += (model.masked_logits(features[chosen]).argmax(-1) == labels[chosen]).sum().item()
        pairs_right += (model.next_logits(features).argmax(-1) == follows).sum().item()
        words_all, pairs_all = words_all + chosen.sum().item(), pairs_all + len(follows)
    return {"masked": words_right / max(1, words_all), "next": pairs_right / max(1, pairs_all)}


def train(
    text: str | None = None,
    layers: int = 2,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    output: str | None = None,
    progress: bool = True,
) -> tuple[BERT, dict[str, float]]:
    """Train BERT on nine tenths of the sentences of a text, and print what it gets right in the last one.

    Args:
        text: the file of the text; None (the default) for `datasets.default_text`.
        layers: of the model. Default: 2.
        epochs, batch_size, lr: of the training; None takes 12, 32 and 1e-3.
        seed: of the weights, dropout, masks, pairs and order; the same seed gives the same model. Default: 0.
        output: the file for the model and its vocabulary, which `models.sequence.load_model` reads; None (the default)
            saves nothing.
        progress: show a progress bar. Default: True.

    Returns:
        the model, and the fractions of held-out masked words ("masked") and pairs ("next") that it gets right.

    Raises:
        ImportError: if tqdm, or without a text Python's reference, is missing.
        OSError: if there is no such text.
        ValueError: for a text that has too few sentences.
    """
    epochs, batch_size, lr = epochs or 12, batch_size or 32, lr or 1e-3
    _core.manual_seed(seed)
    parts = sentences(default_text() if text is None else read_text(text))
    kept = len(parts) - len(parts) // 10
    if len(parts) - kept < 2:
        raise ValueError(f"train: the text must have at least 20 sentences, but got {len(parts)}")
    vocabulary = Vocabulary((word for part in parts[:kept] for word in part if word != MASK), min_count=2)
    vocabulary = Vocabulary.from_tokens([*vocabulary.tokens, MASK])
    if len(vocabulary) < 6:
        raise ValueError("train: the text must repeat at least one word, but all are different")
    numbered = [vocabulary.encode(part) for part in parts]
    pairs = Pairs(numbered[:kept], vocabulary, batch_size, _core.Generator().manual_seed(seed))
    model = BERT(len(vocabulary), 2 * LONGEST + 3, 128, layers, 4)

    def loss(batch: Batch) -> Tensor:
        tokens, segments, lengths, labels, follows = batch
        features = model(tokens, segments, lengths)
        value = F.cross_entropy(model.next_logits(features), follows)
        return value + model.masked_loss(features, labels) if bool((labels != IGNORED).any()) else value

    def evaluate() -> dict[str, float]:  # the same masks and pairs in each epoch
        return measure(model, Pairs(numbered[kept:], vocabulary, 64, _core.Generator().manual_seed(seed)))

    measured, seconds = common.fit("bert", model, lambda: iter(pairs), len(pairs), loss, evaluate, epochs, lr, progress)
    print(f"{kept} sentences, {len(vocabulary)} words, {epochs} epochs, {seconds:.1f} s: "
          f"{100 * measured['masked']:.1f}% of the masked words and {100 * measured['next']:.1f}% of the pairs of the "
          f"{len(parts) - kept} held-out sentences are right")  # fmt: skip
    common.save(model, output, vocabulary=vocabulary)
    return model, measured
