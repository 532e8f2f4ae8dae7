"""Pairs of texts: files, pycountry's names, splits and batches."""

import pytest

from dlcore import Generator
from dlcore.datasets import PairDataset, Vocabulary, characters, read_pairs, split_pairs, translated_names

PAIRS = [("a b", "x y z"), ("a", "x"), ("b c a", "y"), ("c", "z z"), ("a b c d", "x y z x")]


def test_files(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes("\ufeffGo.\tGeh.\tCC-BY\r\n\n  two words \t zwei Wörter\n".encode())
    assert read_pairs(path) == [("Go.", "Geh."), ("two words", "zwei Wörter")]
    for text, got in [("one\ttext\nalone", "line 2 .* but got 'alone'"), ("a\t \n", "line 1"), ("\tb", "line 1")]:
        path.write_text(text)
        with pytest.raises(ValueError, match="read_pairs: " + got):
            read_pairs(path)
    path.write_bytes(b"\xff\xfea\tb")
    with pytest.raises(ValueError, match="UTF-8"):
        read_pairs(path)
    with pytest.raises(OSError):
        read_pairs(tmp_path / "nothing")


def test_names():
    pytest.importorskip("pycountry", reason="it holds the names")
    pairs = translated_names()
    names = dict(pairs)
    assert len(names) == len(pairs) > 500 and sorted(pairs) == pairs
    assert names["Germany"] == "Deutschland" and names["Kingdom of Spain"] == "Königreich Spanien"
    assert names["French"] == "Französisch" and dict(translated_names("fr"))["Germany"] == "Allemagne"
    for locale in ("nonsense", "../..", ""):
        with pytest.raises(ValueError, match="translated_names: locale must be one of .*, de, "):
            translated_names(locale)
    with pytest.raises(ValueError, match="with translations, but 'ab' has none"):
        translated_names("ab")


def test_split():
    pairs = [(str(i // 2), str(i)) for i in range(40)]  # two translations of each
    train, held_out = split_pairs(pairs, 0.25, seed=3)
    assert sorted(train + held_out) == sorted(pairs) and len(held_out) == 10
    assert not {a for a, _ in train} & {a for a, _ in held_out}
    assert split_pairs(pairs, 0.25, seed=3) == (train, held_out) != split_pairs(pairs, 0.25, seed=4)
    assert split_pairs(pairs, 0.0) == (pairs, [])
    for held_out in (1, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"held_out must be in \[0, 1\)"):
            split_pairs(pairs, held_out)


def test_dataset():
    data = PairDataset(PAIRS, min_count=2, max_length=3)
    assert data.source.tokens[4:] == ["a", "b", "c"] and data.target.tokens[4:] == ["z", "x", "y"]
    assert data[4] == ([4, 5, 6, 2], [1, 5, 6, 4, 2])  # cut to three
    other = PairDataset([("d a", "x q")], data.source, data.target)
    assert other[0] == ([3, 4, 2], [1, 5, 3, 2]) and len(data) == 5 and len(other) == 1
    assert PairDataset([("ab", "c")], tokenize=characters).source.tokens[4:] == ["a", "b"]
    batch = data.collate([data[1], data[3]])
    assert batch.source.tolist() == [[4, 2], [6, 2]] and batch.lengths.tolist() == [2, 2]
    assert batch.target.tolist() == [[1, 5, 2, 0], [1, 4, 4, 2]] and batch.target_lengths.tolist() == [3, 4]


def test_batches():
    data = PairDataset([("a " * n, "b") for n in range(1, 9)] * 4)

    def drawn(seed):
        return [batch.lengths.tolist() for batch in data.batches(5, Generator().manual_seed(seed))]

    lengths = drawn(0)
    assert sorted(n for batch in lengths for n in batch) == sorted(list(range(2, 10)) * 4)
    assert max(max(batch) - min(batch) for batch in lengths) <= 2  # like length
    assert drawn(0) == lengths != drawn(1)


def test_errors():
    with pytest.raises(ValueError, match="pairs must be at least one"):
        PairDataset([])
    with pytest.raises(ValueError, match="max_length must be a positive int, but got 0"):
        PairDataset(PAIRS, max_length=0)
    with pytest.raises(ValueError, match="min_count must be a positive int"):
        PairDataset(PAIRS, min_count=0)
    assert PairDataset(PAIRS, Vocabulary([])).sources[1] == [3, 2]
