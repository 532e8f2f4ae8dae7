"""Decoding against enumeration of all sequences, and against the distributions that it draws from."""

import itertools
import math

import numpy as np
import pytest

import dlcore
from dlcore import nn
from dlcore.models.sequence import beam_search, greedy, reorder, sample

EOS = 0


def tree(vocabulary, depth, sequences=1, seed=0, spread=2.0):
    """log p of the next token after every prefix, for each sequence: a table [sequence][prefix]."""
    rng = np.random.default_rng(seed)

    def row():
        x = spread * rng.standard_normal(vocabulary)
        return x - np.log(np.exp(x).sum())

    prefixes = [p for n in range(depth) for p in itertools.product(range(vocabulary), repeat=n)]
    return [{p: row() for p in prefixes} for _ in range(sequences)]


class Walk:
    """A decoder on such tables. Its state is a nest of everything that a state may be."""

    def __init__(self, tables):
        self.tables, self.calls = tables, 0

    def state(self):
        who = dlcore.arange(len(self.tables))
        return {"who": who, "rest": [(who.unsqueeze(1)[:, :0], Kept(list(range(len(self.tables)))), None)]}

    def __call__(self, tokens, state):
        self.calls += 1
        (prefix, kept, _), who = state["rest"][0], state["who"]
        assert kept.rows == who.tolist()
        prefix = dlcore.cat([prefix, tokens.unsqueeze(1)], 1)
        # The first token is bos, which is in no prefix of the table.
        rows = [self.tables[i].get(tuple(p[1:])) for i, p in zip(who.tolist(), prefix.tolist())]
        size = len(self.tables[0][()])
        logits = [np.full(size, -math.log(size)) if row is None else row for row in rows]  # None: ended before
        return dlcore.tensor(np.stack(logits) + 3.0), {"who": who, "rest": [(prefix, kept, None)]}


class Kept:
    def __init__(self, rows):
        self.rows = rows

    def reorder(self, index):
        self.rows = [self.rows[i] for i in index.tolist()]


def every(table, vocabulary, depth):
    """(log p, n, tokens) of every sequence that ends, or has depth tokens."""
    for n in range(1, depth + 1):
        for y in itertools.product(range(vocabulary), repeat=n):
            if EOS not in y[:-1] and (y[-1] == EOS or n == depth):
                p = sum(table[y[:i]][y[i]] for i in range(n))
                yield p, n, list(y[:-1] if y[-1] == EOS else y)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_wide_beams_are_exhaustive_search(alpha, seed):
    tables = tree(4, 4, sequences=3, seed=seed)
    walk = Walk(tables)
    got = beam_search(walk, walk.state(), 1, EOS, 4, beams=4**4, length_penalty=alpha)
    for table, y in zip(tables, got):
        best = max(every(table, 4, 4), key=lambda each: each[0] / ((5 + each[1]) / 6) ** alpha)
        assert y == best[2]


def test_without_an_end_beams_find_the_most_probable():
    tables = tree(3, 4, sequences=2)
    walk = Walk(tables)
    got = beam_search(walk, walk.state(), 1, None, 4, beams=81)
    for table, y in zip(tables, got):
        best = max(itertools.product(range(3), repeat=4), key=lambda y: sum(table[y[:i]][y[i]] for i in range(4)))
        assert y == list(best)


def test_narrow_beams():
    """Each sequence for itself; one beam goes the greedy way, and more find nothing worse in these trees."""
    tables = tree(6, 5, sequences=8, seed=3)
    # The end is improbable before the last step: with one beam, this is greedy search.
    for table in tables:
        for prefix, row in table.items():
            row[EOS] = 5.0 if len(prefix) == 4 else -50.0
    walk = Walk(tables)
    greedily = greedy(walk, walk.state(), 1, EOS, 5)
    assert beam_search(walk, walk.state(), 1, EOS, 5, beams=1) == greedily

    def log_p(table, y):
        return sum(table[tuple(y[:i])][y[i]] for i in range(len(y)))

    found = beam_search(walk, walk.state(), 1, EOS, 5, beams=3)
    assert found != greedily
    for table, wide, narrow in zip(tables, found, greedily):
        alone = Walk([table])
        assert beam_search(alone, alone.state(), 1, EOS, 5, beams=3) == [wide]
        assert log_p(table, wide) >= log_p(table, narrow)


def test_greedy():
    tables = tree(4, 6, sequences=5, seed=1)
    walk = Walk(tables)
    for table, y in zip(tables, greedy(walk, walk.state(), 1, EOS, 6)):
        want = []
        while len(want) < 6 and (token := int(table[tuple(want)].argmax())) != EOS:
            want.append(token)
        assert y == want
    assert greedy(walk, walk.state(), 1, EOS, 0) == beam_search(walk, walk.state(), 1, EOS, 0) == [[]] * 5


def fixed(*rows):
    """A decoder whose logits are always the same; it counts its calls in its state."""
    logits = dlcore.tensor(rows)

    def step(tokens, state):
        assert not dlcore.is_grad_enabled()
        step.calls += 1
        return logits.expand(len(tokens), -1), state

    step.calls = 0
    return step


def test_all_stop_when_each_has_ended():
    ends = fixed([5.0, 0.0, 0.0])
    for search in (greedy, beam_search):
        ends.calls = 0
        assert search(ends, dlcore.zeros(3, 1), 1, EOS, 1000) == [[], [], []] and ends.calls <= 3
    ends.calls = 0
    assert sample(ends, None, 1, EOS, 1000, top_k=1) == [[]] and ends.calls == 1
    assert greedy(ends, None, dlcore.tensor([1, 2]), EOS, 9) == [[], []]
    assert greedy(ends, dlcore.zeros(0, 1), 1, EOS, 9) == beam_search(ends, dlcore.zeros(0, 1), 1, EOS, 9) == []
    only = fixed([0.0])
    assert beam_search(only, None, 0, EOS, 9) == [[]] and beam_search(only, None, 0, None, 3) == [[0, 0, 0]]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"temperature": 0.5}, [0, 1, 2, 3, 4]),
        ({"temperature": 3.0}, [0, 1, 2, 3, 4]),
        ({"top_k": 3}, [0, 1, 3]),
        ({"top_k": 99}, [0, 1, 2, 3, 4]),
        ({"top_p": 0.69}, [0, 3]),  # of 0.4 + 0.3
        ({"top_p": 0.71}, [0, 1, 3]),
        ({"top_p": 1.0}, [0, 1, 2, 3, 4]),
        ({"top_p": 1e-9}, [3]),
        ({"top_k": 3, "top_p": 0.7}, [0, 3]),  # (0.4 + 0.3) of 0.9
        ({"top_k": 4, "top_p": 0.8, "temperature": 0.5}, [0, 3]),  # (0.16 + 0.09) of 0.2936
    ],
)
def test_distribution(options, kept):
    p = np.array([0.3, 0.2 - 2**-20, 0.04, 0.4, 0.06 + 2**-20])
    draws = 20_000
    step = fixed(np.log(p).tolist())
    first = dlcore.zeros(draws, dtype=dlcore.int64)
    got = sample(step, None, first, None, 1, generator=dlcore.Generator().manual_seed(5), **options)
    counts = np.bincount([y[0] for y in got], minlength=5)
    q = np.zeros(5)
    q[kept] = p[kept] ** (1 / options.get("temperature", 1.0))
    expected = draws * q / q.sum()
    assert (counts[expected == 0] == 0).all()
    chi = ((counts - expected)[kept] ** 2 / expected[kept]).sum()
    assert chi < 25  # one in 20,000 for four degrees of freedom


def test_half_precision():
    """Sums of probabilities, and of their logarithms, are not taken in bfloat16, which keeps 8 bits of them."""
    logits = dlcore.zeros(1, 1000, dtype=dlcore.bfloat16)
    got = sample(lambda t, s: (logits.expand(len(t), -1), s), None, dlcore.zeros(20_000, dtype=dlcore.int64), None, 1,
                 top_p=0.5)  # fmt: skip
    assert len({y[0] for y in got}) == 500  # each is missed with probability (1 - 1 / 500)^20000 = 4e-18

    # After a token of 1000 that are equally probable, log p is near -7, where bfloat16 goes in steps of 1 / 32: it
    # cannot tell apart log p of the two tokens that may follow, of which the second is the more probable.
    second = dlcore.full((1, 1000), -100.0, dtype=dlcore.bfloat16)
    second[0, 5], second[0, 6] = 0.0, 1 / 128

    def step(tokens, n):
        return (logits if n[0] == 0 else second).expand(len(tokens), -1), n + 1

    for beams in (1, 3):
        (y,) = beam_search(step, dlcore.zeros(1, dtype=dlcore.int64), 1, None, 2, beams=beams)
        assert y[1] == 6


@pytest.mark.parametrize("decode", [greedy, sample, beam_search])
def test_logits_that_are_no_numbers(decode):
    logits = dlcore.zeros(3, 4)
    logits[1, 2] = float("nan")
    message = f"{decode.__name__}: step must return numbers, but got NaN in row 1"
    with pytest.raises(RuntimeError, match=message):
        decode(lambda tokens, state: (logits, state), logits, 1, EOS, 5)


def test_sampling_is_repeatable():
    tables = tree(4, 6, sequences=20, seed=2)

    def draw(seed):
        walk = Walk(tables)
        return sample(walk, walk.state(), 1, EOS, 6, generator=dlcore.Generator().manual_seed(seed))

    assert draw(1) == draw(1) != draw(2)
    assert all(EOS not in y and len(y) <= 6 for y in draw(1))
    dlcore.manual_seed(3)
    step = fixed([0.0] * 9)
    a = sample(step, None, 1, None, 30)
    dlcore.manual_seed(3)
    assert sample(step, None, 1, None, 30) == a


def test_reorder():
    from collections import namedtuple

    cache = nn.KeyValueCache()
    rows = dlcore.arange(3.0).reshape(3, 1, 1, 1)
    cache.append(rows, rows)
    Pair = namedtuple("Pair", "a b")
    state = Pair([rows.flatten()], {"cache": cache, "nothing": None})
    moved = reorder(state, dlcore.tensor([2, 2, 0, 1]))
    assert isinstance(moved, Pair) and moved.a[0].tolist() == [2, 2, 0, 1]
    assert moved.b["cache"] is cache and cache.keys.flatten().tolist() == [2, 2, 0, 1]
    assert moved.b["nothing"] is None and state.a[0].tolist() == [0, 1, 2]


STEP = fixed([0.0, 1.0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: f(STEP, None, 1, 0, -1), ValueError, "max_length must be an int in"),
        (lambda f: f(STEP, None, 1, 0, 2**40), ValueError, "max_length must be an int in"),
        (lambda f: f(STEP, None, 1, 0, 2.0), ValueError, "max_length must be an int in"),
        (lambda f: f(STEP, None, 1, 2, 5), ValueError, "eos must be one of 2 tokens, but got 2"),
        (lambda f: f(STEP, None, 1, "end", 5), TypeError, "eos must be an int or None, but got str"),
        (lambda f: f(STEP, None, "begin", 0, 5), TypeError, "bos must be an int or a tensor, but got str"),
        (lambda f: f(STEP, None, dlcore.ones(2), 0, 5), ValueError, r"bos must .*\(2,\) of dlcore.float32"),
        (lambda f: f(lambda t, s: (t, s), None, 1, 0, 5), RuntimeError, r"logits of shape \(1, V\), but got \(1,\)"),
        (lambda f: f(lambda t, s: (0, s), None, 1, 0, 5), RuntimeError, "logits of shape .* but got int"),
    ],
)
@pytest.mark.parametrize("search", [greedy, sample, beam_search])
def test_wrong_arguments(search, call, error, message):
    with pytest.raises(error, match=f"{search.__name__}: .*{message}"):
        call(search)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sample(STEP, None, 1, 0, 5, temperature=0), ValueError, "temperature must be positive and finite"),
        (lambda: sample(STEP, None, 1, 0, 5, temperature=math.nan), ValueError, "but got nan"),
        (lambda: sample(STEP, None, 1, 0, 5, top_k=0), ValueError, "top_k must be a positive int, but got 0"),
        (lambda: sample(STEP, None, 1, 0, 5, top_p=0.0), ValueError, r"top_p must be in \(0, 1\] or None, but got 0.0"),
        (lambda: sample(STEP, None, 1, 0, 5, top_p=1.5), ValueError, "but got 1.5"),
        (lambda: beam_search(STEP, None, 1, 0, 5, beams=0), ValueError, "beams must be a positive int, but got 0"),
        (
            lambda: beam_search(STEP, None, 1, 0, 5, length_penalty=-1),
            ValueError,
            "finite and not negative, but got -1",
        ),
        (
            lambda: sample(STEP, None, 1, 0, 5, temperature="hot"),
            ValueError,
            "temperature must be .* got 'hot'",
        ),
        (
            lambda: sample(STEP, None, 1, 0, 5, top_k=True),
            ValueError,
            "top_k must be a positive int, but got True",
        ),
        (lambda: sample(STEP, None, 1, 0, 5, top_p="a"), ValueError, "top_p must be in .* got 'a'"),
        (
            lambda: beam_search(STEP, None, 1, 0, 5, beams=True),
            ValueError,
            "beams must be a positive int, but got True",
        ),
        (
            lambda: beam_search(STEP, None, 1, 0, 5, length_penalty="a"),
            ValueError,
            "beam_search: length_penalty must be",
        ),
        (lambda: beam_search(STEP, {"a": 3}, 1, 0, 5), TypeError, "reorder: state must hold tensors .* but got int"),
    ],
)
def test_wrong_options(call, error, message):
    with pytest.raises(error, match=message):
        call()
