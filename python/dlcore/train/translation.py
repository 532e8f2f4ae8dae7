"""Translation: recurrent, with and without attention, with Transformers, one token after the other or all at once."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from .. import _core
from .._core import Tensor
from ..datasets import PairDataset, characters, read_pairs, split_pairs, translated_names, words
from ..datasets.pairs import Pair, PairBatch
from ..models.sequence import NonAutoregressiveTranslator, Seq2Seq, TransformerTranslator
from . import common

LONGEST = 60  # tokens of a text
TOKENS = {"characters": (characters, ""), "words": (words, " ")}  # how to cut a text, and what stands between

Translator = Seq2Seq | TransformerTranslator | NonAutoregressiveTranslator


@dataclass(frozen=True)
class Recipe:
    """How a translator is trained where the user says nothing else.

    Attributes:
        build: called with the sizes of both vocabularies.
        epochs, batch_size, lr: of the training.
    """

    build: Callable[..., Translator]
    epochs: int
    batch_size: int
    lr: float


_recurrent = {"hidden_size": 256, "dropout": 0.1}
_attending = {"bidirectional": True, "attention": True, "dropout": 0.1}
_layers = {"norm_first": True, "max_length": LONGEST + 2}
RECIPES = {
    "seq2seq": Recipe(partial(Seq2Seq, **_recurrent), 60, 16, 3e-3),
    "seq2seq_attention": Recipe(partial(Seq2Seq, **_attending), 50, 16, 3e-3),
    "transformer": Recipe(partial(TransformerTranslator, **_layers), 80, 16, 2e-3),
    "nat": Recipe(partial(NonAutoregressiveTranslator, **_layers, dropout=0.0), 100, 16, 2e-3),
}
NAMES = tuple(RECIPES)


def add_options(parser: argparse.ArgumentParser, name: str) -> None:
    parser.description = (
        "Train a translator on pairs of texts, and measure BLEU on them and on the tenth of them that is held out."
    )
    common.add_options(parser)
    parser.add_argument("--pairs", metavar="FILE", help="two texts a line, with a tab between them; default: names of "
                        "countries and languages in English and another language, from pycountry")  # fmt: skip
    parser.add_argument("--locale", default="de", help="the other language; default: %(default)s")
    parser.add_argument("--tokens", choices=TOKENS, help="default: characters of names, words of --pairs")
    parser.add_argument("--min-count", type=common.positive, default=1, help="rarer tokens become <unk>; default: 1")
    parser.add_argument("--limit", type=common.positive, help="most pairs to train on; default: all")
    if name == "nat":
        parser.add_argument("--iterations", type=common.positive, default=1, help="of refinement; default: %(default)s")
    else:
        parser.add_argument("--beams", type=common.positive, default=4, help="of the search; default: %(default)s")
    if name.startswith("seq2seq"):
        help = "probability of scheduled sampling in the end, towards which it rises; default: %(default)s"
        parser.add_argument("--sampling", type=float, default=0.0, metavar="P", help=help)


def run(name: str, **options) -> None:
    train(name, **options)


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """The corpus BLEU of sacrebleu, of n-grams up to 4 or as long as there are any.

    Raises:
        ImportError: if sacrebleu is missing.

    Source: Papineni, Roukos, Ward, Zhu: BLEU: a method for automatic evaluation of machine translation, 2002; Post: A
    call for clarity in reporting BLEU scores, 2018.
    """
    return _metric().corpus_score(list(hypotheses), [list(references)]).score


def _metric():
    try:
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        raise ImportError(
            "dlcore train needs sacrebleu to measure translations; install it with pip install 'dlcore[examples]'"
        ) from error
    return BLEU(effective_order=True, force=True)


def translations(model: Translator, data: PairDataset, joined: str, **options) -> list[str]:
    """What a model makes of a set's sources, as texts; options are those of its `translate`."""
    model.eval()
    found: list[str] = []
    for start in range(0, len(data), 64):
        batch = data.collate([data[i] for i in range(start, min(start + 64, len(data)))])
        answers = model.translate(batch.source, batch.lengths, **options)
        found += [joined.join(data.target.decode(answer)) for answer in answers]
    return found


class Loss:
    """The loss of a batch; the probability of scheduled sampling rises from 0 in the first step to the last."""

    def __init__(self, model: Translator, sampling: float, steps: int) -> None:
        self.model, self.sampling, self.steps, self.step = model, sampling, steps, 0

    def __call__(self, batch: PairBatch) -> Tensor:
        source, lengths, target, target_lengths = batch
        if isinstance(self.model, NonAutoregressiveTranslator):
            return self.model.loss(source, target[:, 1:], lengths, target_lengths - 1)
        options = {"sampling": self.sampling * self.step / self.steps} if self.sampling else {}
        self.step += 1
        return self.model.loss(source, target, lengths, **options)


def train(
    name: str = "seq2seq_attention",
    pairs: str | Sequence[Pair] | None = None,
    locale: str = "de",
    tokens: str | None = None,
    min_count: int = 1,
    limit: int | None = None,
    beams: int = 4,
    sampling: float = 0.0,
    iterations: int = 1,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    output: str | None = None,
    progress: bool = True,
) -> tuple[Translator, dict[str, float]]:
    """Train a translator on nine tenths of the pairs, and print BLEU on them and on the rest, and some translations.

    Args:
        name: one of `RECIPES`, from which what is None is taken.
        pairs: the file of the pairs, or the pairs; None (the default) for `datasets.translated_names`.
        locale: of these names. Default: de.
        tokens: "characters" or "words"; None (the default): characters of names, words of other pairs.
        min_count: rarer tokens than that become <unk>. Default: 1.
        limit: most pairs to train on; None (the default): all.
        beams: of the search for translations, where they are written one token after the other. Default: 4.
        sampling: of `Seq2Seq`: the probability of scheduled sampling in the last step. Default: 0.
        iterations: of `NonAutoregressiveTranslator`. Default: 1.
        epochs, batch_size, lr: of the training.
        seed: of the weights, the split and the order; the same seed gives the same model. Default: 0.
        output: the file for the model with its vocabularies ``source`` and ``target`` and its ``tokens``
            (`models.sequence.load_model` reads it); None (the default) saves nothing.
        progress: show a progress bar. Default: True.

    Returns:
        the model, and BLEU: ``train`` and ``held_out``.

    Raises:
        ImportError: if tqdm, sacrebleu or, for the names, pycountry is missing.
        OSError: if there is no such file.
        ValueError: for unknown names, files that hold no pairs, fewer than ten pairs.
    """
    common.check_name(name, NAMES)
    _metric()  # before the work
    if sampling and not name.startswith("seq2seq"):
        raise ValueError(f"train: sampling must be 0 for {name}, which has no scheduled sampling, but got {sampling}")
    recipe = RECIPES[name]
    epochs, batch_size, lr = epochs or recipe.epochs, batch_size or recipe.batch_size, lr or recipe.lr
    tokens = tokens or ("characters" if pairs is None else "words")
    if tokens not in TOKENS:
        raise ValueError(f"train: tokens must be one of {', '.join(TOKENS)}, but got {tokens}")
    tokenize, joined = TOKENS[tokens]
    if pairs is None:
        pairs = translated_names(locale)
    elif not isinstance(pairs, Sequence) or isinstance(pairs, str):
        pairs = read_pairs(pairs)
    known, held_out = split_pairs(pairs, seed=seed)
    if not held_out:
        raise ValueError(f"train: pairs must be at least ten, of which one is held out, but got {len(pairs)}")
    train_set = PairDataset(known[:limit], tokenize=tokenize, min_count=min_count, max_length=LONGEST)
    test_set = PairDataset(held_out, train_set.source, train_set.target, tokenize, max_length=LONGEST)

    _core.manual_seed(seed)
    options = {"iterations": iterations} if name == "nat" else {}
    model = recipe.build(len(train_set.source), len(train_set.target), **options)
    order, count = _core.Generator().manual_seed(seed), -(-len(train_set) // batch_size)
    _, seconds = common.fit(
        name,
        model,
        lambda: train_set.batches(batch_size, order),
        count,
        Loss(model, sampling, epochs * count),
        dict,
        epochs,
        lr,
        progress,
    )
    search = {} if name == "nat" else {"beams": beams, "max_length": LONGEST + 1}
    found = {part: translations(model, data, joined, **search)
             for part, data in (("train", train_set), ("held_out", test_set))}  # fmt: skip
    score = {part: bleu(found[part], [reference for _, reference in data.pairs])
             for part, data in (("train", train_set), ("held_out", test_set))}  # fmt: skip
    print(f"{len(train_set)} pairs, {epochs} epochs, {seconds:.1f} s: BLEU {score['train']:.1f} on them, "
          f"{score['held_out']:.1f} on the {len(test_set)} held-out pairs")  # fmt: skip
    for (source, reference), translation in list(zip(test_set.pairs, found["held_out"]))[:5]:
        print(f"  {source} -> {translation} ({reference})")
    common.save(model, output, source=train_set.source, target=train_set.target, tokens=tokens)
    return model, score
