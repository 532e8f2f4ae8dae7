"""Training of sequence models by name: what is printed, saved and read again, and what is refused."""

import math

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.cli import main
from dlcore.datasets import Vocabulary, characters, default_text, words
from dlcore.models.sequence import (
    BERT,
    GPT,
    BidirectionalLanguageModel,
    LanguageModel,
    SequenceLabeller,
    load_model,
)
from dlcore.nn import functional as F

pytest.importorskip("tqdm", reason="the progress bar")

from dlcore.train import common, encoder, labeller, language  # noqa: E402

TEXT = default_text()[:20_000]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("name", "options", "size", "bound", "kind"),
    [
        ("char_lm", ["--cell", "gru", "--batch-size", "16"], 20_000, 25, LanguageModel),
        ("word_lm", ["--cell", "rnn", "--layers", "2"], 20_000, 200, LanguageModel),
        ("bidirectional_lm", ["--cell", "gru"], 20_000, 25, BidirectionalLanguageModel),
        ("gpt", ["--positions", "rotary", "--layers", "2"], 8_000, 25, GPT),
    ],
)
def test_language_models(name, options, size, bound, kind, text, tmp_path, capsys):
    path, cut = str(tmp_path / "model"), words if name == "word_lm" else characters
    (tmp_path / "text").write_text(TEXT[:size], encoding="utf-8")
    options = ["--text", text, "--epochs", "2", "--batch-size", "4", "--output", path, *options]
    assert main(["train", name, *options]) == 0
    out, bar = capsys.readouterr()
    assert "perplexity=" in bar and f"saved {path}" in out and "2 epochs" in out
    printed = float(out.split("perplexity ")[1].split()[0])
    assert 1 < printed < bound
    model, extra = load_model(path)
    vocabulary, tokens = extra["vocabulary"], cut(TEXT[:size])
    held_out = tokens[len(tokens) - len(tokens) // 10 :]
    recipe = language.RECIPES[name]
    again = language.perplexity(
        model, dlcore.tensor(vocabulary.encode(held_out)), min(8, len(held_out) // recipe.steps), recipe.steps
    )
    assert isinstance(model, kind) and printed == pytest.approx(again, abs=0.006)
    if not recipe.length:
        assert "a sample" not in out
        return
    prompt = recipe.joined.join(vocabulary.decode(vocabulary.encode(held_out[: recipe.prompt]), specials=True))
    sampled = out.split(f"held-out {recipe.tokens}:\n")[1]
    assert sampled.startswith(prompt) and len(sampled) > len(prompt) + 40


def test_the_same_seed_gives_the_same_model(text, capsys):
    """For any number of threads."""
    options = {"name": "char_lm", "text": text, "epochs": 1, "progress": False}
    before = dlcore.get_num_threads()
    try:
        results = []
        for seed, threads in ((1, 1), (1, 3), (2, 1)):
            dlcore.set_num_threads(threads)
            results.append(language.train(seed=seed, **options))
    finally:
        dlcore.set_num_threads(before)
    (a, p), (b, q), (c, r) = results
    first, second, _ = capsys.readouterr().out.split("18000 characters")[1:]
    assert p == q != r and first.split("held-out")[1:] == second.split("held-out")[1:]
    assert all(dlcore.equal(x, y) for x, y in zip(a.parameters(), b.parameters()))
    assert not dlcore.equal(a.output.weight, c.output.weight)


def test_streams_are_read_to_their_end():
    ids = dlcore.arange(3 * 17 + 2)
    seen = list(language.carried(ids, 3, 5))
    assert [x.shape for x, _, _ in seen] == [(3, 5), (3, 5), (3, 5), (3, 2)]
    assert [first for _, _, first in seen] == [True, False, False, False]
    x, y = (dlcore.cat([window[i] for window in seen], 1) for i in (0, 1))
    assert dlcore.equal(x, dlcore.arange(51).reshape(3, 17)) and dlcore.equal(y, x + 1)


@pytest.mark.parametrize("seed", [None, 0])
def test_windows(seed):
    generator = None if seed is None else dlcore.Generator().manual_seed(seed)
    seen = list(language.windows(dlcore.arange(100), 4, 7, generator))
    x, y = (dlcore.cat([window[i] for window in seen]) for i in (0, 1))
    assert dlcore.equal(y, x + 1) and x.shape[1] == 7 and all(len(window[0]) <= 4 for window in seen)
    begins = sorted(x[:, 0].tolist())
    assert np.diff(begins).tolist() == [7] * (len(x) - 1) and begins[0] < 7 and begins[-1] > 100 - 2 * 7 - 1
    assert (x[:, 0].tolist() == begins) == (seed is None)


def test_states_are_carried_and_gradients_are_not():
    model = LanguageModel(9, 5, 6, 2).double()
    ids = dlcore.randint(9, (40,), generator=dlcore.Generator().manual_seed(0))
    reader = language.Reader(model)
    losses = [reader(window) * window[0].shape[1] for window in language.carried(ids, 1, 8)]
    whole = F.cross_entropy(model(ids[:-1].unsqueeze(0))[0][0], ids[1:])
    assert sum(losses).item() / 39 == pytest.approx(whole.item(), rel=1e-12)
    assert not any(part.requires_grad for part in reader.state)
    # The last window's gradient is that of a model which was given its state.
    state, last = model.read(ids[:32].unsqueeze(0)), ids[32:]
    logits, _ = model(last[:-1].unsqueeze(0), tuple(part.detach() for part in state))
    want = dlcore.autograd.grad(F.cross_entropy(logits[0], last[1:]), list(model.layers.parameters()))
    got = dlcore.autograd.grad(losses[-1] / 7, list(model.layers.parameters()))
    for a, b in zip(got, want):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-14)


def test_perplexity():
    model = LanguageModel(9, 5, 6).double()
    ids = dlcore.randint(9, (81,), generator=dlcore.Generator().manual_seed(1))
    p = model(ids[:-1].unsqueeze(0))[0][0].softmax(-1).gather(1, ids[1:].unsqueeze(1))
    assert language.perplexity(model, ids, 1, 9) == pytest.approx(math.exp(-p.log().mean().item()), rel=1e-12)
    gpt = GPT(9, 16, 8, 1, 1).double().eval()
    p = dlcore.cat([gpt(x).softmax(-1).gather(2, y.unsqueeze(2)) for x, y, _ in language.windows(ids, 3, 16)])
    assert p.numel() == 80
    assert language.perplexity(gpt, ids, 3, 16) == pytest.approx(math.exp(-p.log().mean().item()), rel=1e-12)


def test_fit():
    """The loss falls, the rate rises and falls, and the model is evaluated as such."""
    model, seen, rates = nn.Linear(1, 1), [], []
    target = dlcore.tensor([[5.0]])

    def loss(batch):
        assert model.training
        return ((model(batch) - target) ** 2).sum()

    def evaluate():
        assert not model.training and not dlcore.is_grad_enabled()
        rates.append(model.weight.item())
        seen.append(((model(dlcore.ones(1, 1)) - target) ** 2).item())
        return {"error": seen[-1]}

    batches = [dlcore.ones(1, 1)] * 10
    measured, seconds = common.fit("line", model, lambda: batches, 10, loss, evaluate, 20, 0.1, False, clip=1e9)
    assert len(seen) == 20 and measured == {"error": seen[-1]} and seconds > 0
    assert seen[-1] < 1e-2 * seen[0]
    moved = np.abs(np.diff(rates))
    assert moved[-1] < 0.1 * moved[1]  # the end of the cosine


# --- BERT


def test_sentences():
    text = "It is so. Is it?  Yes: see\nbelow\n\nHeading\n\n" + "word " * 40
    cut = [["It", "is", "so", "."], ["Is", "it", "?"], ["Yes", ":"], ["see", "below"], ["Heading"], ["word"] * 30]
    assert encoder.sentences(text) == cut


def test_pairs_of_sentences():
    vocabulary = Vocabulary.from_tokens([*Vocabulary([]).tokens, *(f"w{i}" for i in range(50)), "<mask>"])
    numbered = [[4 + i] * (1 + i % 7) for i in range(50)]
    generator = dlcore.Generator().manual_seed(0)
    pairs, after, count = encoder.Pairs(numbered, vocabulary, 8, generator), 0, 0
    for tokens, segments, lengths, labels, follows in [*pairs, *pairs]:
        original = dlcore.where(labels == -100, tokens, labels).tolist()
        rows = zip(original, segments.tolist(), lengths.tolist(), follows.tolist())
        for row, segment, length, follow in rows:
            middle = row.index(2)
            first, second = row[1:middle], row[middle + 1 : length - 1]
            assert row[0] == 1 and row[length - 1] == 2 and not any(row[length:])
            assert first == numbered[first[0] - 4] and second == numbered[second[0] - 4]
            assert follow == (second[0] == first[0] + 1)
            assert segment == [int(i > middle) for i in range(len(row))]
            after, count = after + follow, count + 1
        assert ((tokens != 54) | (labels != -100)).all()
    assert count == 98 and abs(after - 49) < 4 * math.sqrt(98 / 4)


def test_bert(text, tmp_path, capsys):
    path = str(tmp_path / "model")
    options = ["--text", text, "--epochs", "2", "--batch-size", "16", "--lr", "2e-3", "--layers", "1", "--output", path]
    assert main(["train", "bert", *options]) == 0
    out, bar = capsys.readouterr()
    assert "masked=" in bar and "next=" in bar and f"saved {path}" in out
    masked = float(out.split("s: ")[1].split("%")[0])
    model, extra = load_model(path)
    assert isinstance(model, BERT) and extra["vocabulary"].tokens[-1] == encoder.MASK
    assert masked > 2  # of some 400 words


# --- the labeller


def test_labels_of_source():
    source = 'def f(x):  # go\n    return "a\x0c" + 1.5\n'
    want = "kkk·nonoo··####·····kkkkkk·ssss·o·111·"  # · space, and the end of a line
    kinds = dict(zip("·nk1s#o", range(7)))
    assert len(source) == len(want) and labeller.label(source) == [kinds[c] for c in want]
    many = '"""two\nlines"""\nx = f"a{b}c"\n'
    names = [labeller.LABELS[i] for i in labeller.label(many)]
    assert names[:15] == ["string"] * 15 and names[16] == "name" and names[20] == "string"
    assert labeller.label("") == []
    for wrong in ("x = (", "'''", "if x:\n  y\n z\n"):
        with pytest.raises(ValueError, match="text must be Python source"):
            labeller.label(wrong)


def test_pieces_hold_the_whole_source():
    source = "".join(f"x{i} = {i ** (i % 40)}\n" for i in range(300)) + "y = '" + "a" * 300 + "'\n"
    cut = labeller.pieces(source)
    assert all(len(text) == len(labels) <= labeller.LONGEST for text, labels in cut)
    assert "".join(text for text, _ in cut) == source[: -(len(f"y = '{'a' * 300}'\n") - labeller.LONGEST)]
    assert sum((labels for _, labels in cut), []) == labeller.label(source)[: sum(len(text) for text, _ in cut)]


def test_labeller(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(labeller, "MODULES", ("bisect", "colorsys", "sched", "shelve", "no_such_module"))
    monkeypatch.setattr(labeller, "HELD_OUT", 2)
    path = str(tmp_path / "model")
    assert main(["train", "labeller", "--epochs", "2", "--batch-size", "8", "--cell", "gru", "--output", path]) == 0
    out, bar = capsys.readouterr()
    printed = float(out.split("s: ")[1].split("%")[0])
    assert "accuracy=" in bar and printed > 60
    model, extra = load_model(path)
    assert isinstance(model, SequenceLabeller) and extra["labels"] == list(labeller.LABELS)
    held_out = labeller.library(("shelve",))
    again = labeller.accuracy(model, labeller.Batches(held_out, extra["vocabulary"], 64, dlcore.Generator()))
    assert 100 * again == pytest.approx(printed, abs=0.006)
    source = tmp_path / "source.py"
    source.write_text("import this\nx = 1  # one\n" * 40)
    assert main(["train", "labeller", "--text", str(source), "--epochs", "1", "--output", path]) == 0
    monkeypatch.setattr(labeller, "MODULES", ("sys", "no_such_module"))
    with pytest.raises(FileNotFoundError, match="comes without the source"):
        labeller.library(labeller.MODULES)


# --- errors


@pytest.mark.parametrize(
    "arguments",
    [
        ["gpt", "--cell", "lstm"],
        ["char_lm", "--positions", "rotary"],
        ["char_lm", "--cell", "tcn"],
        ["bert", "--augment", "flip"],
        ["lenet", "--text", "x"],
        ["labeller", "--layers", "0"],
    ],
)
def test_options_that_a_model_does_not_take(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", *arguments])
    assert caught.value.code == 2 and "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("char_lm", "short", "must have more than 650 characters, but got 5"),
        ("gpt", "short" * 10, "must have more than 1290 characters, but got 50"),
        ("word_lm", "a word " * 10, "must have more than 360 words, but got 20"),
        ("bert", "One. Two.", "at least 20 sentences, but got 2"),
        ("bert", "\n\n".join(f"w{i}" for i in range(30)), "must repeat at least one word"),
        ("labeller", "x = 1\n", "must have more than 160 characters"),
        ("labeller", "x = (\n" * 100, "must be Python source"),
        ("char_lm", None, "No such file"),
    ],
)
def test_wrong_texts(name, content, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "text"
    if content is not None:
        path.write_text(content)
    assert main(["train", name, "--text", str(path), "--epochs", "1"]) == 1
    assert message in capsys.readouterr().err


def test_wrong_name():
    with pytest.raises(ValueError, match="name must be one of char_lm, word_lm, bidirectional_lm, gpt, but got bert"):
        language.train("bert")
