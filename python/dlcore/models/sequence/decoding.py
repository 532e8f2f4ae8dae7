"""Decoding token by token: the most probable token, a drawn one, or the best of several hypotheses.

A decoder is a function ``step(tokens, state) -> (logits, state)``: of the last token of each sequence, (N,) int64, and
what it keeps of those before, the logits (N, V) of the next one. A state is any nest of tuples, lists and dicts of
tensors with the batch in dimension 0, and of objects that have ``reorder(index)``, such as `nn.KeyValueCache`.

Probabilities are computed in float64, whatever the logits are: sums of half precision stand still before they are 1.
All three functions work on N sequences at once, without gradients, until each has ended, and take

    step, state: the decoder, and its state before the first token.
    bos: the token to begin with: one number for all sequences of the state (one sequence, where the state holds no
        tensor yet), or that of each, a tensor (N,).
    eos: the token that ends a sequence; None: nothing does.
    max_length: most tokens of a sequence, with the one that ends it.

They return N lists of tokens, without `bos` and `eos`.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable

from ... import _core
from ..._core import Tensor
from ...autograd import no_grad

MOST_STEPS = 1_000_000  # a length beyond is a mistake

Step = Callable[[Tensor, object], tuple[Tensor, object]]


def reorder(state, index: Tensor):
    """The state in which sequence index[i] of the old one is the i-th.

    Args:
        state: a nest of tuples, lists and dicts of tensors (N, ...), None, and objects that have ``reorder(index)``,
            which are changed themselves.
        index: (M,), int64; sequences may be left out and repeated.

    Raises:
        TypeError: if the state holds something else.
    """
    if state is None:
        return None
    if isinstance(state, Tensor):
        return state.index_select(0, index)
    if isinstance(state, dict):
        return {name: reorder(value, index) for name, value in state.items()}
    if isinstance(state, (list, tuple)):
        values = [reorder(value, index) for value in state]
        return values if isinstance(state, list) else _tuple(type(state), values)
    if not callable(getattr(state, "reorder", None)):
        raise TypeError(f"reorder: state must hold tensors or what can be reordered, but got {type(state).__name__}")
    state.reorder(index)
    return state


def _tuple(kind: type, values: list) -> tuple:
    return kind(*values) if hasattr(kind, "_fields") else kind(values)


def _sequences(state) -> int | None:
    """N of the first tensor in a state."""
    if isinstance(state, Tensor):
        return len(state)
    if isinstance(state, dict):
        state = list(state.values())
    found = map(_sequences, state) if isinstance(state, (list, tuple)) else ()
    return next((count for count in found if count is not None), None)


def _count(name: str, which: str, value) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}: {which} must be a positive int, but got {value!r}")


def _number(name: str, which: str, value, fits: Callable[[float], bool], expected: str) -> None:
    if not isinstance(value, numbers.Real) or not fits(value):
        raise ValueError(f"{name}: {which} must be {expected}, but got {value!r}")


def _begin(name: str, state, bos: int | Tensor, eos: int | None, max_length: int) -> Tensor:
    """The first tokens, (N,)."""
    if not isinstance(max_length, int) or not 0 <= max_length <= MOST_STEPS:
        raise ValueError(f"{name}: max_length must be an int in [0, {MOST_STEPS}], but got {max_length!r}")
    if eos is not None and not isinstance(eos, int):
        raise TypeError(f"{name}: eos must be an int or None, but got {type(eos).__name__}")
    if isinstance(bos, Tensor):
        if bos.dim() != 1 or bos.dtype != _core.int64:
            raise ValueError(
                f"{name}: bos must be an int or have shape (N,) and int64, but got {tuple(bos.shape)} of {bos.dtype}"
            )
        return bos
    if not isinstance(bos, int):
        raise TypeError(f"{name}: bos must be an int or a tensor, but got {type(bos).__name__}")
    count = _sequences(state)
    return _core.full((1 if count is None else count,), bos, dtype=_core.int64)


def _logits(name: str, step: Step, tokens: Tensor, state, eos: int | None) -> tuple[Tensor, object]:
    logits, state = step(tokens, state)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(tokens) or not logits.shape[1]:
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise RuntimeError(f"{name}: step must return logits of shape ({len(tokens)}, V), but got {got}")
    if eos is not None and not 0 <= eos < logits.shape[1]:
        raise ValueError(f"{name}: eos must be one of {logits.shape[1]} tokens, but got {eos}")
    unclear = logits.isnan().any(1)
    if unclear.any():
        raise RuntimeError(f"{name}: step must return numbers, but got NaN in row {int(unclear.int().argmax())}")
    return logits, state


def _one_by_one(name: str, choose: Callable[[Tensor], Tensor], step: Step, state, bos, eos, max_length):
    tokens = _begin(name, state, bos, eos, max_length)
    chosen = [[] for _ in range(len(tokens))]
    going = set(range(len(tokens)))
    for _ in range(max_length):
        if not going:
            break
        logits, state = _logits(name, step, tokens, state, eos)
        tokens = choose(logits)
        for i, token in enumerate(tokens.tolist()):
            if token == eos:
                going.discard(i)
            elif i in going:
                chosen[i].append(token)
    return chosen


@no_grad()
def greedy(step: Step, state, bos: int | Tensor, eos: int | None, max_length: int) -> list[list[int]]:
    """The most probable token each time: y_t = argmax p(y | y_1 ... y_{t-1}). Arguments are those of the module."""
    return _one_by_one("greedy", lambda logits: logits.argmax(-1), step, state, bos, eos, max_length)


@no_grad()
def sample(
    step: Step,
    state,
    bos: int | Tensor,
    eos: int | None,
    max_length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator=None,
) -> list[list[int]]:
    """A token drawn each time from softmax(logits / temperature), of which the most probable may be all that is left.

    Args:
        step, state, bos, eos, max_length: those of the module.
        temperature: below 1 the probable gets more probable. Default: 1.
        top_k: draw from the k most probable tokens. Default: None, all.
        top_p: draw from the fewest most probable tokens whose probabilities sum to at least p. Default: None, all.
        generator: draws the tokens; the default generator where it is None.

    Raises:
        ValueError: if temperature or top_k is not positive, or top_p is not in (0, 1].

    Source: Fan, Lewis, Dauphin: Hierarchical neural story generation, 2018 (top_k); Holtzman, Buys, Du, Forbes, Choi:
    The curious case of neural text degeneration, 2020 (top_p).
    """
    _number("sample", "temperature", temperature, lambda t: 0 < t < float("inf"), "positive and finite")
    if top_k is not None:
        _count("sample", "top_k", top_k)
    if top_p is not None:
        _number("sample", "top_p", top_p, lambda p: 0 < p <= 1, "in (0, 1] or None")

    def choose(logits: Tensor) -> Tensor:
        # Sorted, so that both rules keep a beginning of the row.
        kept = logits.shape[1] if top_k is None else min(top_k, logits.shape[1])
        values, tokens = (logits.to(_core.float64) / temperature).topk(kept)
        p = values.softmax(-1)
        if top_p is not None:
            p = p.masked_fill(p.cumsum(-1) - p >= top_p, 0.0)
        return tokens.gather(1, p.multinomial(1, generator=generator)).squeeze(1)

    return _one_by_one("sample", choose, step, state, bos, eos, max_length)


@no_grad()
def beam_search(
    step: Step,
    state,
    bos: int | Tensor,
    eos: int | None,
    max_length: int,
    beams: int = 4,
    length_penalty: float = 0.6,
) -> list[list[int]]:
    """The best of the hypotheses that a search of some width finds.

        score(y) = log p(y) / ((5 + n) / 6)^length_penalty        n tokens, with the one that ends it

    Each of the `beams` unfinished hypotheses may end or go on in each step; the best that ended is kept, and so are the
    `beams` most probable that go on, until none of these can score more. Those that have max_length tokens count as
    they are. With as many beams as there are hypotheses, this is exhaustive search.

    Args:
        step, state, bos, eos, max_length: those of the module.
        beams: unfinished hypotheses of each sequence. Default: 4.
        length_penalty: 0 for the most probable hypothesis; more favours longer ones. Default: 0.6.

    Raises:
        ValueError: if beams is not positive, or length_penalty is negative.

    Source: Graves: Sequence transduction with recurrent neural networks, 2012; Wu et al.: Google's neural machine
    translation system, 2016, formula 14 (length_penalty).
    """
    _count("beam_search", "beams", beams)
    _number("beam_search", "length_penalty", length_penalty, lambda a: 0 <= a < float("inf"), "finite and not negative")
    last = _begin("beam_search", state, bos, eos, max_length)
    count = len(last)
    tokens = last.new_empty(count, 1, 0)  # of the live hypotheses, (N, K, n)
    scores = None  # log p of each, (N, K)
    best = [(float("-inf"), [])] * count

    def penalty(n: int) -> float:
        return ((5 + n) / 6) ** length_penalty

    def keep(scores: Tensor, n: int) -> None:
        for i, (score, j) in enumerate(zip(*(x.tolist() for x in (scores / penalty(n)).max(1)))):
            if score > best[i][0]:
                best[i] = (score, tokens[i, j].tolist())

    if not count:
        return []
    for n in range(1, max_length + 1):
        logits, state = _logits("beam_search", step, last, state, eos)
        size = logits.shape[1]
        new = logits.to(_core.float64).log_softmax(-1).reshape(count, -1, size)
        new = new if scores is None else new + scores.unsqueeze(2)
        live, possible = new.shape[1], size
        if eos is not None:
            keep(new[:, :, eos], n)
            new[:, :, eos], possible = float("-inf"), size - 1
        if not possible:
            return [found for _, found in best]
        scores, where = new.flatten(1).topk(min(beams, live * possible))
        parents, chosen = where // size, where % size
        rows = (parents + live * _core.arange(count).unsqueeze(1)).flatten()
        state, last = reorder(state, rows), chosen.flatten()
        tokens = _core.cat([tokens.flatten(0, 1)[rows].unflatten(0, (count, -1)), chosen.unsqueeze(2)], 2)
        ahead = (scores[:, 0] / penalty(max_length)).tolist()  # the most that a live hypothesis can get
        if all(score >= most for (score, _), most in zip(best, ahead)):
            break
    else:
        if max_length:
            keep(scores, max_length)
    return [found for _, found in best]
