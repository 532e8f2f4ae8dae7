"""Text: vocabularies, tokenizers, files, padded batches, batches of like length."""

import sys

import pytest

import dlcore
from dlcore.datasets import BucketSampler, Vocabulary, characters, default_text, pad_batch, read_text, words
from dlcore.utils.data import DataLoader


def test_vocabulary():
    v = Vocabulary("c a b a <eos> b a".split())
    assert v.tokens == ["<pad>", "<bos>", "<eos>", "<unk>", "a", "b", "c"] and len(v) == 7
    assert (v.pad, v.bos, v.eos, v.unk) == (0, 1, 2, 3)
    assert v.encode(["b", "d", "<eos>", "c"]) == [5, 3, 2, 6]
    assert v.decode([1, 5, 3, 0, 4, 2, 6]) == ["b", "<unk>", "a"]
    assert v.decode(dlcore.tensor([1, 5, 0, 2, 6]), specials=True) == ["<bos>", "b", "<pad>", "<eos>", "c"]
    assert "b" in v and "d" not in v and repr(v) == "Vocabulary(7 tokens)"
    again = Vocabulary.from_tokens(v.tokens)
    assert again.tokens == v.tokens and again.encode("cab") == v.encode("cab")


def test_vocabulary_can_be_cut():
    tokens = list("aaabbbccd")
    assert Vocabulary(tokens, min_count=2).tokens[4:] == ["a", "b", "c"]
    assert Vocabulary(tokens, max_size=6).tokens[4:] == ["a", "b"]
    assert Vocabulary(tokens, max_size=4).tokens[4:] == Vocabulary([]).tokens[4:] == []


def test_tokenizers():
    assert characters("ab c") == ["a", "b", " ", "c"]
    assert words("It's a well-known f(x) – isn’t it?  Été_1.") == [
        *("It's", "a", "well-known", "f", "(", "x", ")", "–", "isn’t", "it", "?", "Été_1", "."),
    ]  # fmt: skip
    assert words(" \n") == []


def test_default_text(monkeypatch):
    text = default_text()
    assert len(text) > 300_000 and "Python" in text and text == default_text()
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(ImportError, match="comes without pydoc_data"):
        default_text()


def test_read_text(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("\ufeffÉté\n".encode())
    assert read_text(path) == "Été\n"
    for content, message in [(b"\xff\xfe", "must be text in UTF-8"), (b"", "is empty")]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{path} must .*{message.split()[-1]}"):
            read_text(str(path))
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "nothing")


def test_pad_batch():
    tokens, lengths = pad_batch([[5, 6, 7], [], [8]], pad=9)
    assert tokens.tolist() == [[5, 6, 7], [9, 9, 9], [8, 9, 9]] and lengths.tolist() == [3, 0, 1]
    assert tokens.dtype == lengths.dtype == dlcore.int64
    tokens, lengths = pad_batch([[5, 6, 7], [8]], 0, length=2)
    assert tokens.tolist() == [[5, 6], [8, 0]] and lengths.tolist() == [2, 1]
    assert pad_batch([[1]], 0, 3)[0].tolist() == [[1, 0, 0]]
    assert pad_batch([[], []], 0)[0].shape == (2, 0) and pad_batch([[1]], 0, 0)[1].tolist() == [0]


def test_bucket_sampler():
    lengths = dlcore.randint(1, 50, (203,), generator=dlcore.Generator().manual_seed(0)).tolist()

    def epochs(seed, **options):
        sampler = BucketSampler(lengths, 8, dlcore.Generator().manual_seed(seed), **options)
        assert len(sampler) == 26
        return [list(sampler), list(sampler)]

    first, second = epochs(1)
    assert [first, second] == epochs(1) and first != second and first != epochs(2)[0]
    for batches in (first, second, epochs(1, pool=3)[0]):
        assert sorted(i for batch in batches for i in batch) == list(range(203)) and len(batches) == 26
    spread = [max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in first]
    assert sum(spread) <= max(lengths)  # sorted as a whole: the ranges follow one another
    assert [lengths[batch[0]] for batch in first] != sorted(lengths[batch[0]] for batch in first)
    assert list(BucketSampler([], 3)) == [] and len(BucketSampler([], 3)) == 0
    loader = DataLoader(list(range(203)), batch_sampler=BucketSampler(lengths, 8))
    assert sorted(i for batch in loader for i in batch.tolist()) == list(range(203))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Vocabulary(["a", 1]), TypeError, "tokens must be strings, but got int"),
        (lambda: Vocabulary([], min_count=0), ValueError, "min_count must be a positive int, but got 0"),
        (lambda: Vocabulary([], max_size=3), ValueError, "max_size must be an int of at least 4, but got 3"),
        (lambda: Vocabulary([], max_size=5.0), ValueError, "max_size must be"),
        (lambda: Vocabulary.from_tokens(["a"]), ValueError, "must begin with <pad> <bos> <eos> <unk>"),
        (lambda: Vocabulary.from_tokens([*Vocabulary([]).tokens, "a", "a"]), ValueError, "none twice; got 6"),
        (lambda: Vocabulary([]).decode([4]), ValueError, r"ids must be in \[0, 4\), but got 4"),
        (lambda: Vocabulary([]).decode([-1]), ValueError, "ids must be in"),
        (lambda: pad_batch([], 0), ValueError, "sequences must be at least one"),
        (lambda: pad_batch([[1]], 0, -1), ValueError, "length must be an int that is not negative, but got -1"),
        (lambda: BucketSampler([1], 0), ValueError, "batch_size must be a positive int, but got 0"),
        (lambda: BucketSampler([1], 2, pool=1.5), ValueError, "pool must be a positive int, but got 1.5"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
