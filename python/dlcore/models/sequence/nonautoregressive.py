"""Translation of all tokens at once."""

from __future__ import annotations

from ... import _core, nn
from ..._core import Tensor
from ...autograd import no_grad
from ...nn import functional as F
from ...nn.attention import KeyPadding
from ._translator import check_count, check_tokens, checked_lengths
from .transformer_translator import EncoderDecoder


class NonAutoregressiveTranslator(EncoderDecoder):
    """Predicts the target's length, and then all of its tokens at once:

        p(T | x) = softmax(W_l mean_j h_j + b_l)        p(y_t | x, T) = softmax(W_o d_t + b_o) for each t by itself

    with h the encoder's results and d the decoder's, which attends to all positions below T. Its input at t is the
    embedding of source token floor(t S / T) plus that of y_t where it is known, and a learned vector where it is not.
    (The copies of the source stay where tokens become known, for the other tokens are predicted from them too.)

    With iterations > 1 the first answer is refined: after iteration i of I the T (I - i) / I tokens of the least
    probability are hidden and predicted again from the others. A new token takes the place of the old one where it is
    more probable than that was (in the source it always does), so the product of these probabilities never falls.
    Training predicts all tokens at once, and with iterations > 1 then 1 to T of them, drawn for each target, from the
    others as the model itself has just predicted them, mistakes included, for that is what it is given later.

    Args:
        source_size, target_size: tokens of the two vocabularies.
        iterations: Default: 1.
        options: the other arguments of `TransformerTranslator`, by name.

    Attributes:
        hidden: (d_model), the vector that stands for a token that is not known.

    Shapes: source (N, S), target (N, T), int64, to logits (N, T, target_size). Targets have no `<bos>`, `<eos>`.

    Raises:
        TypeError: if tokens or lengths are no integers.
        ValueError: for sizes that are not positive, lengths that are not in [1, S] or [1, T], or more than max_length
            tokens.

    Source: Gu, Bradbury, Xiong, Li, Socher: Non-autoregressive neural machine translation, 2018 (uniform copies of the
    source; without its fertilities); Ghazvininejad, Levy, Liu, Zettlemoyer: Mask-predict: Parallel decoding of
    conditional masked language models, 2019 (iterations); Lee, Mansimov, Cho: Deterministic non-autoregressive neural
    sequence modeling by iterative refinement, 2018 (training on its own answers).
    """

    def __init__(self, source_size: int, target_size: int, *, iterations: int = 1, **options) -> None:
        check_count("NonAutoregressiveTranslator", iterations=iterations)
        super().__init__(source_size, target_size, iterations=iterations, **options)
        self.iterations = iterations
        d_model = self.source_embedding.embedding_dim
        self.length = nn.Linear(d_model, self.max_length + 1)
        self.hidden = nn.Parameter(nn.init.normal_(_core.empty(d_model), 0, d_model**-0.5))

    def _checked(self, source: Tensor, target: Tensor, target_lengths: Tensor | None) -> Tensor:
        name = type(self).__name__
        check_tokens(name, "target", target, len(source))
        if target.shape[1] > self.max_length:
            raise ValueError(f"{name}: target must have at most {self.max_length} tokens, but got {target.shape[1]}")
        return checked_lengths(name, "target_lengths", target_lengths, *target.shape)

    def lengths(self, state: dict) -> Tensor:
        """The logits (N, max_length + 1) of the targets' lengths; no length is 0."""
        memory = state["memories"][self.memory_layers[-1]]
        inside = (_core.arange(memory.shape[1]) < state["lengths"].unsqueeze(1)).unsqueeze(2)
        mean = memory.masked_fill(~inside, 0.0).sum(1) / state["lengths"].unsqueeze(1)
        logits = self.length(mean)
        return logits.masked_fill(_core.arange(logits.shape[1]) == 0, float("-inf"))

    def predict(self, source: Tensor, target: Tensor, target_lengths: Tensor, known: Tensor, state: dict) -> Tensor:
        """The logits (N, T, target_size), given those tokens of the target that are known, (N, T)."""
        places = _core.arange(target.shape[1]) * state["lengths"].unsqueeze(1) // target_lengths.unsqueeze(1)
        copies = self.source_embedding(source.gather(1, places.clamp(max=source.shape[1] - 1))) * self.scale
        shown = self.target_embedding(target) * self.scale
        x = copies + _core.where(known.unsqueeze(2), shown, self.hidden * self.scale)
        return self._decode(self.positions(x), state, KeyPadding(target_lengths))

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        lengths: Tensor | None = None,
        target_lengths: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """The logits (N, T, target_size).

        Args:
            source, lengths: those of `encode`.
            target: (N, T), of which only what is known is looked at.
            target_lengths: (N), in [1, T]; None: all are T.
            known: (N, T), bool; None: nothing is.
        """
        state = self.encode(source, lengths)
        target_lengths = self._checked(source, target, target_lengths)
        if known is None:
            known = _core.zeros(target.shape, dtype=_core.bool)
        elif not isinstance(known, Tensor) or known.dtype != _core.bool or known.shape != target.shape:
            raise ValueError(f"{type(self).__name__}: known must be a bool Tensor of shape {tuple(target.shape)}")
        return self.predict(source, target, target_lengths, known, state)

    def loss(
        self,
        source: Tensor,
        target: Tensor,
        lengths: Tensor | None = None,
        target_lengths: Tensor | None = None,
        generator=None,
    ) -> Tensor:
        """-log p(T | x) plus the mean of -log p(y_t | x, T); with iterations > 1 plus that of -log p(y_t | x, T, known)
        over the tokens that are hidden, where known are the most probable tokens at the other positions.

        Args:
            source, target, lengths, target_lengths: those of `forward`.
            generator: draws what is hidden; the default generator where it is None.
        """
        state = self.encode(source, lengths)
        target_lengths = self._checked(source, target, target_lengths)
        inside = _core.arange(target.shape[1]) < target_lengths.unsqueeze(1)
        logits = self.predict(source, target, target_lengths, ~inside, state)
        loss = F.cross_entropy(self.lengths(state), target_lengths) + F.cross_entropy(logits[inside], target[inside])
        if self.iterations > 1:
            share = _core.rand(len(target), 1, generator=generator)
            draws = _core.rand(target.shape, generator=generator).masked_fill(~inside, 2.0)
            hidden = (draws < share) | (draws == draws.amin(1, keepdim=True))
            logits = self.predict(source, logits.argmax(-1), target_lengths, ~hidden, state)
            loss = loss + F.cross_entropy(logits[hidden], target[hidden])
        return loss

    @no_grad()
    def translate(
        self, source: Tensor, lengths: Tensor | None = None, iterations: int | None = None
    ) -> list[list[int]]:
        """The translations: argmax of each token, of the most probable length.

        Args:
            source, lengths: those of `encode`.
            iterations: 1 for a single pass; None (the default): the model's.
        """
        iterations = self.iterations if iterations is None else iterations
        check_count(type(self).__name__, iterations=iterations)
        state = self.encode(source, lengths)
        target_lengths = self.lengths(state).argmax(1)
        size = int(target_lengths.max())
        inside = _core.arange(size) < target_lengths.unsqueeze(1)
        target = _core.zeros(inside.shape, dtype=_core.int64)
        p = _core.zeros(inside.shape)  # of each token
        hidden = inside
        for i in range(1, iterations + 1):
            new_p, new = self.predict(source, target, target_lengths, ~hidden, state).softmax(-1).max(-1)
            better = hidden & (new_p > p)
            target, p = _core.where(better, new, target), _core.where(better, new_p.to(p.dtype), p)
            forgotten = target_lengths * (iterations - i) // iterations
            if not forgotten.any():
                break
            rank = p.masked_fill(~inside, 2.0).argsort(1).argsort(1)
            hidden = rank < forgotten.unsqueeze(1)
        return [row[:length] for row, length in zip(target.tolist(), target_lengths.tolist())]
