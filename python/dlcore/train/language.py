"""Language models: recurrent ones on characters or words, of one direction or both, and GPT on characters."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .. import _core
from .._core import Tensor
from ..autograd import no_grad
from ..datasets import Vocabulary, characters, default_text, read_text, words
from ..models.sequence import GPT, BidirectionalLanguageModel, LanguageModel, sample
from ..nn import functional as F
from . import common


@dataclass(frozen=True)
class Recipe:
    """How a language model is trained where the user says nothing else.

    Attributes:
        tokens: what the text is cut into.
        tokenize, joined: cut a text, and what stands between its tokens.
        min_count: of a token in the text; others become <unk>.
        steps: tokens of a window, through which gradients go.
        layers, epochs, batch_size, lr: of the model and the training.
        prompt, length: tokens of the held-out text that the sample goes on from, and tokens of the sample; 0 for models
            that write nothing.
    """

    tokens: str
    tokenize: Callable[[str], list[str]]
    joined: str
    min_count: int
    steps: int
    layers: int
    epochs: int
    batch_size: int
    lr: float
    prompt: int
    length: int


RECIPES = {
    "char_lm": Recipe("characters", characters, "", 1, 64, 1, 12, 32, 4e-3, 40, 200),
    "word_lm": Recipe("words", words, " ", 2, 35, 1, 12, 32, 4e-3, 8, 40),
    "bidirectional_lm": Recipe("characters", characters, "", 1, 64, 1, 6, 32, 4e-3, 0, 0),
    "gpt": Recipe("characters", characters, "", 1, 128, 4, 6, 16, 3e-3, 28, 100),
}
NAMES = tuple(RECIPES)
Model = LanguageModel | BidirectionalLanguageModel | GPT


def add_options(parser: argparse.ArgumentParser, name: str) -> None:
    recipe = RECIPES[name]
    parser.description = (
        f"Train a language model on the {recipe.tokens} of a text; the last tenth of the text is held out."
    )
    common.add_options(parser)
    parser.add_argument("--text", metavar="FILE", help="in UTF-8; default: the reference that comes with Python")
    parser.add_argument("--layers", type=common.positive, help=f"default: {recipe.layers}")
    if name == "gpt":
        parser.add_argument("--positions", choices=("learned", "rotary"), default="learned")
    else:
        parser.add_argument("--cell", choices=("rnn", "gru", "lstm"), default="lstm")


def run(name: str, **options) -> None:
    train(name, **options)


def carried(ids: Tensor, count: int, steps: int) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Windows of `count` streams side by side, each of which goes on where the one before it ended.

    Yields (count, steps) tokens, those that follow each of them, and whether the window is the first one. Tokens that
    do not fill a column of all streams are left out.
    """
    length = (len(ids) - 1) // count
    x, y = (ids[i : i + count * length].reshape(count, length) for i in (0, 1))
    for i in range(0, length, steps):
        yield x[:, i : i + steps], y[:, i : i + steps], i == 0


def windows(ids: Tensor, count: int, steps: int, generator=None) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Windows that know nothing of each other: `count` at a time, shuffled by the generator, if there is one."""
    begin = 0 if generator is None else int(_core.randint(0, steps, (), generator=generator))
    places = _core.arange(begin, len(ids) - steps, steps)
    if generator is not None:
        places = places[_core.randperm(len(places), generator=generator)]
    for some in places.split(count):
        rows = ids[some.unsqueeze(1) + _core.arange(steps + 1)]
        yield rows[:, :-1], rows[:, 1:], True


class Reader:
    """The loss of a model's windows. What a recurrent model keeps goes from window to window, without its gradient."""

    def __init__(self, model: Model) -> None:
        self.model, self.state = model, None

    def __call__(self, window: tuple[Tensor, Tensor, bool]) -> Tensor:
        x, y, first = window
        if isinstance(self.model, GPT):
            logits = self.model(x)
        elif isinstance(self.model, BidirectionalLanguageModel):
            logits, y = self.model(x), x
        else:
            logits, state = self.model(x, None if first else self.state)
            self.state = tuple(part.detach() for part in state)
        return F.cross_entropy(logits.flatten(0, 1), y.flatten())


def perplexity(model: Model, ids: Tensor, count: int, steps: int) -> float:
    """exp(-mean log p) of the tokens of a text. Windows of a GPT begin without knowing what was before, and those of a
    model of both directions know nothing around them."""
    model.eval()
    loss, total, tokens = Reader(model), 0.0, 0
    with no_grad():
        for window in (carried if isinstance(model, LanguageModel) else windows)(ids, count, steps):
            total += loss(window).item() * window[1].numel()
            tokens += window[1].numel()
    return math.exp(total / tokens)


def continued(model: LanguageModel | GPT, prompt: list[int], length: int, seed: int) -> list[int]:
    """A prompt and what the model draws to go on with, a little colder than it believes."""
    *before, last = prompt
    with no_grad():
        state = model.read(_core.tensor([before])) if before else None
        generator = _core.Generator().manual_seed(seed)
        return prompt + sample(model.step, state, last, None, length, temperature=0.8, generator=generator)[0]


def train(
    name: str = "char_lm",
    text: str | None = None,
    layers: int | None = None,
    cell: str = "lstm",
    positions: str = "learned",
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    output: str | None = None,
    progress: bool = True,
) -> tuple[Model, float]:
    """Train a language model on nine tenths of a text, print its perplexity on the last one, and what it writes.

    Recurrent models read the text as `batch_size` streams side by side: gradients go through a window, states through
    all of the stream. GPT and models of both directions read windows by themselves.

    Args:
        name: one of `RECIPES`, from which what is None is taken.
        text: the file of the text; None (the default) for `datasets.default_text`.
        layers: of the model.
        cell: of a recurrent model: "rnn", "gru" or "lstm". Default: "lstm".
        positions: of GPT: "learned" or "rotary". Default: "learned".
        epochs, batch_size, lr: of the training.
        seed: of the weights, dropout, the order and the sample; the same seed gives the same model. Default: 0.
        output: the file for the model and its vocabulary, which `models.sequence.load_model` reads; None (the default)
            saves nothing.
        progress: show a progress bar. Default: True.

    Returns:
        the model, and its perplexity on what was held out.

    Raises:
        ImportError: if tqdm, or without a text Python's reference, is missing.
        OSError: if there is no such text.
        ValueError: for an unknown name, and a text that is too short.
    """
    common.check_name(name, NAMES)
    recipe = RECIPES[name]
    layers, epochs, lr = layers or recipe.layers, epochs or recipe.epochs, lr or recipe.lr
    batch_size, steps = batch_size or recipe.batch_size, recipe.steps
    _core.manual_seed(seed)

    tokens = recipe.tokenize(default_text() if text is None else read_text(text))
    kept = len(tokens) - len(tokens) // 10
    if len(tokens) // 10 <= steps:
        raise ValueError(
            f"train: the text must have more than {10 * (steps + 1)} {recipe.tokens}, but got {len(tokens)}"
        )
    vocabulary = Vocabulary(tokens[:kept], recipe.min_count)
    ids, held_out = (_core.tensor(vocabulary.encode(part)) for part in (tokens[:kept], tokens[kept:]))
    order = _core.Generator().manual_seed(seed)
    alone = name in ("gpt", "bidirectional_lm")
    if alone:
        model = (
            GPT(len(vocabulary), steps, 128, layers, 4, 0.1, positions)
            if name == "gpt"
            else BidirectionalLanguageModel(len(vocabulary), 64, 256, layers, cell, 0.1)
        )
        count = -(-((kept - 1) // steps) // batch_size)
    else:
        size, tied = (256, True) if name == "word_lm" else (64, False)
        model = LanguageModel(len(vocabulary), size, 256, layers, cell, 0.3 if tied else 0.1, tied)
        batch_size = min(batch_size, kept // steps)
        count = -(-((kept - 1) // batch_size) // steps)

    def batches():
        return windows(ids, batch_size, steps, order) if alone else carried(ids, batch_size, steps)

    def evaluate():
        return {"perplexity": perplexity(model, held_out, min(8, len(held_out) // steps), steps)}

    measured, seconds = common.fit(name, model, batches, count, Reader(model), evaluate, epochs, lr, progress)
    print(f"{kept} {recipe.tokens}, {len(vocabulary)} different, {epochs} epochs, {seconds:.1f} s: perplexity "
          f"{measured['perplexity']:.2f} of the {len(tokens) - kept} held-out {recipe.tokens}")  # fmt: skip
    if recipe.length:
        written = vocabulary.decode(
            continued(model, held_out[: recipe.prompt].tolist(), recipe.length, seed), specials=True
        )
        print(f"a sample, which goes on from {recipe.prompt} held-out {recipe.tokens}:\n{recipe.joined.join(written)}")
    common.save(model, output, vocabulary=vocabulary)
    return model, measured["perplexity"]
