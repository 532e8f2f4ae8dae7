"""What the models that translate have in common."""

from __future__ import annotations

import numbers

from ... import _core
from ..._core import Tensor
from ...autograd import no_grad
from ...nn import functional as F
from ._model import SequenceModel
from .decoding import beam_search, greedy

MOST = 2**31  # of a count: more is a mistake


def check_count(name: str, **counts: int) -> None:
    for which, value in counts.items():
        if not isinstance(value, int) or not 1 <= value <= MOST:
            raise ValueError(f"{name}: {which} must be an int in [1, {MOST}], but got {value!r}")


def check_probability(name: str, **probabilities: float) -> None:
    for which, value in probabilities.items():
        if not isinstance(value, numbers.Real) or not 0 <= value <= 1:
            raise ValueError(f"{name}: {which} must be a number in [0, 1], but got {value!r}")


def check_tokens(name: str, which: str, tokens: Tensor, batch: int | None = None) -> None:
    """Tokens must be (N, L) integers, with the batch's N."""
    if not isinstance(tokens, Tensor):
        raise TypeError(f"{name}: {which} must be a Tensor, but got {type(tokens).__name__}")
    if tokens.dtype not in (_core.int64, _core.int32):
        raise TypeError(f"{name}: {which} must be int64 or int32, but got {tokens.dtype}")
    if tokens.dim() != 2 or 0 in tokens.shape or (batch is not None and len(tokens) != batch):
        raise ValueError(
            f"{name}: {which} must have shape ({'N' if batch is None else batch}, length), with no size 0, but got "
            f"{tuple(tokens.shape)}"
        )


def checked_lengths(name: str, which: str, lengths, batch: int, longest: int) -> Tensor:
    """Lengths (N), int64, in [1, longest]; None: all are the longest."""
    if lengths is None:
        return _core.full((batch,), longest, dtype=_core.int64)
    lengths = _core.as_tensor(lengths)
    if lengths.is_floating_point() or lengths.dtype == _core.bool:
        raise TypeError(f"{name}: {which} must be integers, but got {lengths.dtype}")
    if tuple(lengths.shape) != (batch,):
        raise ValueError(f"{name}: {which} must have shape ({batch},), but got {tuple(lengths.shape)}")
    if not (lengths.min() >= 1 and lengths.max() <= longest):
        raise ValueError(
            f"{name}: {which} must be in [1, {longest}], but got {lengths.min().item()} to {lengths.max().item()}"
        )
    return lengths.to(_core.int64)


class Translator(SequenceModel):
    """A model with ``encode(source, lengths) -> state`` and ``step(tokens, state) -> (logits, state)``, which
    translates one token after the other; ``forward(source, target, lengths)`` gives all logits of a known target."""

    pad: int
    max_length = MOST  # tokens of a translation

    def loss(self, source: Tensor, target: Tensor, lengths: Tensor | None = None, **options) -> Tensor:
        """The mean of -log p(y_t | y_0 ... y_{t-1}, x) over the tokens that are not padding, the first one given.

        Args:
            source: (N, S).
            target: (N, T), each `<bos> y_1 ... <eos> <pad> ...`.
            lengths: of the sources, (N); None: all are S.
            options: those of `forward`.
        """
        check_tokens(type(self).__name__, "target", target)
        if target.shape[1] < 2:
            raise ValueError(f"{type(self).__name__}: target must have two tokens or more, but got one")
        logits = self(source, target[:, :-1], lengths, **options)
        return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].reshape(-1), ignore_index=self.pad)

    def translate(
        self,
        source: Tensor,
        lengths: Tensor | None = None,
        bos: int = 1,
        eos: int = 2,
        max_length: int = 100,
        beams: int = 1,
        length_penalty: float = 0.6,
    ) -> list[list[int]]:
        """The translations, without `bos` and `eos`: `greedy`, or by `beam_search` where there are more beams than one.

        Args:
            source: (N, S).
            lengths: of the sources, (N); None: all are S.
            bos, eos: the first token, and the one that ends a translation. Default: 1 and 2, as in a `Vocabulary`.
            max_length: most tokens of a translation, or the model's max_length where that is less. Default: 100.
            beams, length_penalty: those of `beam_search`. Default: 1, 0.6.
        """
        check_count(type(self).__name__, beams=beams)
        with no_grad():
            state = self.encode(source, lengths)
        max_length = min(max_length, self.max_length)
        if beams == 1:
            return greedy(self.step, state, bos, eos, max_length)
        return beam_search(self.step, state, bos, eos, max_length, beams, length_penalty)
