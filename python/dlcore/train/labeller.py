"""A labeller of characters: the kinds of the tokens of Python's source."""

from __future__ import annotations

import argparse
import importlib.util
import io
import keyword
import tokenize
from collections.abc import Iterator
from itertools import accumulate

from .. import _core
from .._core import Tensor
from ..datasets import BucketSampler, Vocabulary, pad_batch, read_text
from ..models.sequence import SequenceLabeller
from ..models.sequence.labeller import IGNORED
from . import common

NAMES = ("labeller",)
LABELS = ("space", "name", "keyword", "number", "string", "comment", "operator")
LONGEST = 160  # characters of a piece
# Modules of the standard library that have been there for long; the last three are held out.
MODULES = (
    *("argparse", "ast", "bisect", "calendar", "cmd", "colorsys", "configparser", "contextlib", "copy", "csv"),
    *("dataclasses", "difflib", "dis", "enum", "fileinput", "fnmatch", "fractions", "ftplib", "functools", "getopt"),
    *("gettext", "glob", "gzip", "heapq", "inspect", "ipaddress", "mailbox", "netrc", "operator", "pprint"),
    *("queue", "random", "sched", "shelve", "socket", "string", "tarfile", "textwrap", "zipfile"),
    *("optparse", "shlex", "statistics"),
)
HELD_OUT = 3

_KINDS = {
    tokenize.NUMBER: "number",
    tokenize.STRING: "string",
    tokenize.COMMENT: "comment",
    tokenize.OP: "operator",
    # since Python 3.12 strings with expressions in them come in parts
    **{getattr(tokenize, f"{kind}STRING_{part}", -1): "string" for kind in "FT" for part in ("START", "MIDDLE", "END")},
}


def add_options(parser: argparse.ArgumentParser, name: str) -> None:
    parser.description = (
        "Train a bidirectional network to tell what each character of Python source belongs to: a name, a keyword, a "
        "number, a string, a comment, an operator, or the space between them."
    )
    common.add_options(parser)
    parser.add_argument(
        "--text", metavar="FILE", help="Python source, of which the last tenth is held out; default: Python's library"
    )
    parser.add_argument("--layers", type=common.positive, default=1, help="default: %(default)s")
    parser.add_argument("--cell", choices=("rnn", "gru", "lstm"), default="lstm")


def run(name: str, **options) -> None:
    train(**options)


def label(source: str) -> list[int]:
    """For each character of Python source, the place of its kind in `LABELS`.

    Raises:
        ValueError: if it is no Python source.
    """
    starts = [0, *accumulate(map(len, io.StringIO(source)))]  # of the lines
    labels = [LABELS.index("space")] * len(source)
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            kind = _KINDS.get(token.type)
            if token.type == tokenize.NAME:
                kind = "keyword" if keyword.iskeyword(token.string) else "name"
            if kind is not None:
                begin, end = (starts[row - 1] + column for row, column in (token.start, token.end))
                labels[begin:end] = [LABELS.index(kind)] * (end - begin)
    except (tokenize.TokenError, SyntaxError, IndexError) as error:
        raise ValueError(f"train: the text must be Python source: {error}") from error
    return labels


def pieces(source: str) -> list[tuple[str, list[int]]]:
    """The source in pieces of whole lines, at most 160 characters where lines let it, and their labels."""
    labels, found, begin, end = label(source), [], 0, 0
    for line in io.StringIO(source):
        if end + len(line) - begin > LONGEST and end > begin:
            found.append((begin, end))
            begin = end
        end += len(line)
    return [(source[i : min(j, i + LONGEST)], labels[i : min(j, i + LONGEST)]) for i, j in [*found, (begin, end)]]


def library(names: tuple[str, ...]) -> list[tuple[str, list[int]]]:
    """The pieces of modules of the standard library.

    Raises:
        OSError: if this installation of Python comes without their source.
    """
    found = []
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.has_location or not spec.origin.endswith(".py"):
            continue  # not in this version of Python
        found += pieces(read_text(spec.origin))
    if not found:
        raise FileNotFoundError("train: this Python comes without the source of its library; name a text of your own")
    return found


class Batches:
    """(characters, labels, lengths) of pieces of like length."""

    def __init__(self, found: list[tuple[str, list[int]]], vocabulary: Vocabulary, batch_size: int, generator) -> None:
        self.rows = [(vocabulary.encode(text), labels) for text, labels in found]
        self.order = BucketSampler([len(labels) for _, labels in self.rows], batch_size, generator)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for batch in self.order:
            ids, labels = zip(*(self.rows[i] for i in batch))
            (x, lengths), (y, _) = pad_batch(ids, Vocabulary.pad), pad_batch(labels, IGNORED)
            yield x, y, lengths


def accuracy(model: SequenceLabeller, batches: Batches) -> float:
    """The fraction of characters whose label the model tells."""
    right = total = 0
    for x, y, lengths in batches:
        inside = y != IGNORED
        right += (model(x, lengths).argmax(-1) == y)[inside].sum().item()
        total += inside.sum().item()
    return right / total


def train(
    text: str | None = None,
    layers: int = 1,
    cell: str = "lstm",
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    output: str | None = None,
    progress: bool = True,
) -> tuple[SequenceLabeller, float]:
    """Train a labeller on pieces of Python source, and print how many held-out characters it labels right.

    Args:
        text: a file of Python source; None (the default) for modules of the standard library.
        layers, cell: of the model. Default: 1, "lstm".
        epochs, batch_size, lr: of the training; None takes 6, 32 and 4e-3.
        seed: of the weights and the order; the same seed gives the same model. Default: 0.
        output: the file for the model, its vocabulary and its labels, which `models.sequence.load_model` reads; None
            (the default) saves nothing.
        progress: show a progress bar. Default: True.

    Returns:
        the model, and its accuracy on what was held out.

    Raises:
        ImportError: if tqdm is missing.
        OSError: if there is no such text, or Python comes without the source of its library.
        ValueError: if the text is no Python source, or too short.
    """
    epochs, batch_size, lr = epochs or 6, batch_size or 32, lr or 4e-3
    _core.manual_seed(seed)
    if text is None:
        kept, held_out = library(MODULES[:-HELD_OUT]), library(MODULES[-HELD_OUT:])
    else:
        found = pieces(read_text(text))
        last = max(1, len(found) // 10)
        kept, held_out = found[:-last], found[-last:]
    if not kept or not held_out:
        raise ValueError(f"train: the text must have more than {LONGEST} characters")
    vocabulary = Vocabulary((character for piece, _ in kept for character in piece), min_count=2)
    batches = Batches(kept, vocabulary, batch_size, _core.Generator().manual_seed(seed))
    others = Batches(held_out, vocabulary, 128, _core.Generator().manual_seed(seed))
    model = SequenceLabeller(len(vocabulary), len(LABELS), 32, 128, layers, cell, dropout=0.1)

    def loss(batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        x, y, lengths = batch
        return model.loss(model(x, lengths), y)

    measured, seconds = common.fit(
        "labeller",
        model,
        lambda: iter(batches),
        len(batches),
        loss,
        lambda: {"accuracy": accuracy(model, others)},
        epochs,
        lr,
        progress,
    )
    characters, tested = (sum(len(piece) for piece, _ in part) for part in (kept, held_out))
    print(f"{characters} characters of source, {epochs} epochs, {seconds:.1f} s: {100 * measured['accuracy']:.2f}% of "
          f"the {tested} held-out characters are right")  # fmt: skip
    common.save(model, output, vocabulary=vocabulary, labels=list(LABELS))
    return model, measured["accuracy"]
