"""Training of translators and the pointer network by name: small sizes of what the command line does."""

import pytest

import dlcore
from dlcore.cli import main
from dlcore.datasets import translated_names
from dlcore.models.sequence import PointerNetwork, Seq2Seq, load_model

pytest.importorskip("tqdm", reason="the progress bar")

from dlcore.train import pointer, translation  # noqa: E402

EXACT = [[0.5, 0.5], [0, 0], [1, 0], [0.5, 1], [0.4, 0.3], [0, 1], [1, 1]]


@pytest.fixture
def names():
    pytest.importorskip("pycountry", reason="it holds the names")
    pytest.importorskip("sacrebleu", reason="it measures translations")
    return translated_names()


def test_bleu():
    pytest.importorskip("sacrebleu", reason="it measures translations")
    assert translation.bleu(["the cat sat on the mat"], ["the cat sat on the mat"]) == pytest.approx(100)
    assert translation.bleu(["France"], ["France"]) == pytest.approx(100)  # no pair of words
    assert translation.bleu(["dog"], ["the cat sat on the mat"]) == pytest.approx(0, abs=1e-6)


def test_attention_memorises_names(names, capsys):
    """A hundred pairs of the country and language names of pycountry in German, word by word."""
    _, score = translation.train("seq2seq_attention", names[::5], epochs=30, progress=False)
    assert score["train"] >= 90 and 0 <= score["held_out"] < score["train"]
    text = capsys.readouterr().out
    assert text.startswith("110 pairs, 30 epochs, ") and f"{score['held_out']:.1f} on the 12 held-out pairs" in text
    assert text.count(" -> ") == 5


@pytest.mark.parametrize("name", translation.NAMES)
def test_command(name, names, tmp_path, capsys):
    """Each translator on a file of pairs; what it saves can be used."""
    lines = [f"{source}\t{target}\tnote" for source, target in names[:300:10]]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines), encoding="utf-8")
    options = ["--pairs", str(tmp_path / "pairs.tsv"), "--epochs", "2", "--batch-size", "8", "--seed", "3"]
    options += ["--limit", "20", "--min-count", "2"]
    options += {"nat": ["--iterations", "2"], "transformer": ["--beams", "2"]}.get(name, ["--sampling", "0.5"])
    assert main(["train", name, *options, "--output", str(tmp_path / "model")]) == 0
    text = capsys.readouterr().out
    assert text.startswith("20 pairs, 2 epochs, ") and "BLEU " in text and f"saved {tmp_path / 'model'}" in text
    model, extra = load_model(tmp_path / "model")
    assert extra["tokens"] == "words" and 4 < len(extra["source"]) < 20
    source = dlcore.tensor([extra["source"].encode("Kingdom of Spain".split())])
    assert all(isinstance(word, str) for word in extra["target"].decode(model.translate(source)[0]))


def test_same_seed_same_model(names):
    runs = [
        translation.train("seq2seq", names[:40], epochs=1, seed=seed, sampling=0.3, progress=False)[0].state_dict()
        for seed in (1, 1, 2)
    ]
    same, other = ([dlcore.equal(a, b) for a, b in zip(runs[0].values(), run.values())] for run in runs[1:])
    assert all(same) and not any(other[1:])


def test_sampling_rises():
    class Recorder:
        def loss(self, source, target, lengths, sampling=0.0):
            return sampling

    loss = translation.Loss(Recorder(), 0.8, 4)
    assert [loss((None,) * 4) for _ in range(4)] == pytest.approx([0, 0.2, 0.4, 0.6])


def test_options_that_a_model_does_not_take(capsys):
    for name, option in [("transformer", "--sampling"), ("nat", "--beams"), ("seq2seq", "--iterations")]:
        with pytest.raises(SystemExit):
            main(["train", name, option, "1"])
        assert f"unrecognized arguments: {option}" in capsys.readouterr().err


def test_errors(names, tmp_path, capsys):
    with pytest.raises(ValueError, match="name must be one of seq2seq, seq2seq_attention, transformer, nat, but got x"):
        translation.train("x")
    with pytest.raises(ValueError, match="sampling must be 0 for nat"):
        translation.train("nat", sampling=0.5)
    with pytest.raises(ValueError, match=r"sampling must be a number in \[0, 1\]"):
        translation.train("seq2seq", names[:20], sampling=-1.0, epochs=1, progress=False)
    with pytest.raises(ValueError, match="tokens must be one of characters, words, but got bytes"):
        translation.train("seq2seq", tokens="bytes")
    with pytest.raises(ValueError, match="pairs must be at least ten, of which one is held out, but got 9"):
        translation.train("seq2seq", names[:9])
    assert main(["train", "seq2seq", "--pairs", str(tmp_path / "nothing")]) == 1
    (tmp_path / "bad").write_text("one text")
    assert main(["train", "seq2seq", "--pairs", str(tmp_path / "bad")]) == 1
    assert main(["train", "seq2seq", "--locale", "nonsense"]) == 1
    assert "must hold two texts" in capsys.readouterr().err


def test_convex_hull():
    assert pointer.convex_hull(EXACT) == [1, 2, 6, 5]
    assert pointer.convex_hull([[0, 0]]) == [0] and pointer.convex_hull([[1, 0], [0, 0]]) == [1, 0]
    generator = dlcore.Generator().manual_seed(0)
    for size in range(3, 12):
        points = dlcore.rand(size, 2, generator=generator).tolist()
        hull = pointer.convex_hull(points)
        assert points[hull[0]] == min(points)
        for (ax, ay), (bx, by) in zip((points[i] for i in hull), (points[i] for i in hull[1:] + hull[:1])):
            left = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for x, y in points]
            assert sum(value > 0 for value in left) == size - 2  # all others are on the left of each edge


def test_drawn_points():
    for task in pointer.TASKS.values():
        batch = pointer.draw(task, 50, 7, dlcore.Generator().manual_seed(0))
        assert batch.points.shape == (50, 7, task.features) and set(batch.lengths.tolist()) == {5, 6, 7}
        for row, answer, n in zip(batch.points.tolist(), batch.answers.tolist(), batch.lengths.tolist()):
            want = task.answer(row[:n]) + [7] * task.end
            assert answer == want + [-100] * (len(answer) - len(want))


def test_pointer_sorts(tmp_path, capsys):
    output = str(tmp_path / "model")
    options = ["--points", "5", "--epochs", "4", "--lr", "1e-2", "--output", output]
    assert main(["train", "pointer", *options]) == 0
    text = capsys.readouterr().out
    assert text.startswith("51200 inputs of up to 5 points, ")
    assert float(text.split("s: ")[1].split("%")[0]) >= 95
    model, extra = load_model(output)
    assert isinstance(model, PointerNetwork) and extra == {"task": "sort"}
    assert model.point(dlcore.tensor([[[0.9], [0.1], [0.5]]])) == [[1, 2, 0]]


def test_pointer_finds_hulls():
    _, exact = pointer.train(task="hull", points=5, epochs=2, batch_size=64, progress=False)
    assert exact > 0.3
    with pytest.raises(ValueError, match="task must be one of sort, hull, but got tour"):
        pointer.train(task="tour")


def test_a_missing_library_is_named(monkeypatch, capsys):
    import builtins

    there = builtins.__import__

    def missing(name, *args, **options):
        if name.split(".")[0] in gone:
            raise ImportError(name)
        return there(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    for gone in ({"sacrebleu"}, {"pycountry"}):
        if gone == {"pycountry"}:
            with pytest.raises(ImportError, match="pip install 'dlcore\\[examples\\]'"):
                translated_names()
        else:
            assert main(["train", "seq2seq"]) == 1
            assert "needs sacrebleu" in capsys.readouterr().err


def test_what_is_built_is_what_the_names_say():
    built = {name: recipe.build(9, 9) for name, recipe in translation.RECIPES.items()}
    assert isinstance(built["seq2seq"], Seq2Seq) and built["seq2seq"].attention is None
    assert built["seq2seq_attention"].attention is not None and built["nat"].iterations == 1
