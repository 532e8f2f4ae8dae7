"""An encoder that is trained to fill in masked tokens."""

from __future__ import annotations

from ... import _core, nn
from ..._core import Tensor
from ...nn import functional as F
from ...nn.attention import KeyPadding
from ._model import SequenceModel, transformer
from .labeller import IGNORED


class BERT(SequenceModel):
    """Transformer layers over norm(token + position + segment embedding), each token attending to all.

    Layers are post-norm, with GELU and 4 d_model features in between. `masked_logits` and `next_logits` are the heads
    of the two tasks that it is trained on.

    Args:
        vocabulary_size: tokens.
        max_length: most tokens of a sequence. Default: 128.
        d_model: features; a multiple of num_heads. Default: 128.
        num_layers: Default: 2.
        num_heads: Default: 4.
        num_segments: parts of a sequence that have embeddings of their own. Default: 2.
        dropout: of embeddings, weights of attention and what joins a residual. Default: 0.1.

    Weights are drawn from N(0, 0.02^2); biases are zeros.

    Shapes: tokens (N, T), int64, segments (N, T) (None: all 0) and lengths (N,) of the sequences (None: all T; tokens
        beyond are attended to by none) to features (N, T, d_model).

    Raises:
        ValueError: for arguments that do not fit, tokens of another shape, positions beyond max_length, and lengths
            beyond T.
        IndexError: for tokens that are not in the vocabulary, and segments that there are not.

    Source: Devlin, Chang, Lee, Toutanova: BERT: Pre-training of deep bidirectional Transformers for language
    understanding, 2019.
    """

    def __init__(
        self,
        vocabulary_size: int,
        max_length: int = 128,
        d_model: int = 128,
        num_layers: int = 2,
        num_heads: int = 4,
        num_segments: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(
            vocabulary_size=vocabulary_size,
            max_length=max_length,
            d_model=d_model,
            num_layers=num_layers,
            num_heads=num_heads,
            num_segments=num_segments,
            dropout=dropout,
        )
        self.embedding = nn.Embedding(vocabulary_size, d_model)
        self.segments = nn.Embedding(num_segments, d_model)
        self.positions = nn.LearnedPositionalEncoding(d_model, max_length, dropout=0.0, batch_first=True)
        self.norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        self.transformer = transformer(d_model, num_heads, num_layers, dropout, pre_norm=False)
        self.transform = nn.Sequential(nn.Linear(d_model, d_model), nn.GELU(), nn.LayerNorm(d_model))
        self.masked = nn.Linear(d_model, vocabulary_size)
        self.pooler = nn.Linear(d_model, d_model)
        self.next = nn.Linear(d_model, 2)
        for module in (self.embedding, self.segments, self.transform[0], self.masked, self.pooler, self.next):
            nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        self.masked.weight = self.embedding.weight

    def forward(self, tokens: Tensor, segments: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        self.check_tokens(tokens)
        segments = _core.zeros_like(tokens) if segments is None else segments
        if tuple(segments.shape) != tuple(tokens.shape):
            raise ValueError(
                f"BERT: segments must have the shape of tokens, {tuple(tokens.shape)}, but got {tuple(segments.shape)}"
            )
        x = self.positions(self.embedding(tokens) + self.segments(segments))
        mask = None if lengths is None else KeyPadding(lengths)
        return self.transformer(self.dropout(self.norm(x)), mask)

    def masked_logits(self, features: Tensor) -> Tensor:
        """Which token it is, of features (..., d_model): E norm(gelu(W x + b)) + c, with E the table of embeddings."""
        return self.masked(self.transform(features))

    def pooled(self, features: Tensor) -> Tensor:
        """Features of the whole sequence, of its first token: tanh(W x_1 + b), (N, T, d_model) to (N, d_model)."""
        return self.pooler(features[:, 0]).tanh()

    def next_logits(self, features: Tensor) -> Tensor:
        """Whether the second segment follows on the first (1) or not (0), (N, T, d_model) to (N, 2)."""
        return self.next(self.pooled(features))

    def masked_loss(self, features: Tensor, labels: Tensor) -> Tensor:
        """Mean cross entropy of the tokens that `mask_tokens` chose; only their logits are computed."""
        chosen = labels.flatten() != IGNORED
        return F.cross_entropy(self.masked_logits(features.flatten(0, 1)[chosen]), labels.flatten()[chosen])


def mask_tokens(
    tokens: Tensor, mask: int, ordinary: tuple[int, int], p: float = 0.15, generator=None
) -> tuple[Tensor, Tensor]:
    """Tokens to fill in: each is chosen with probability p, and a chosen one is, with probability 0.8, replaced by
    `mask`, 0.1, by any ordinary token, and 0.1, left as it is.

    Args:
        tokens: of any shape, int64.
        mask: the token that stands for one to fill in.
        ordinary: (low, high): only tokens in [low, high) are chosen and drawn, not those that mark begin, end, padding.
        p: Default: 0.15.
        generator: draws all; the default generator where it is None.

    Returns:
        the tokens after that, and the labels: what the chosen ones were, and -100 elsewhere.

    Raises:
        ValueError: if there are no ordinary tokens, or p is not in [0, 1].

    Source: Devlin, Chang, Lee, Toutanova: BERT, 2019, section 3.1.
    """
    low, high = ordinary
    if not low < high:
        raise ValueError(f"mask_tokens: ordinary must be (low, high) with low < high, but got {ordinary}")
    if not 0 <= p <= 1:
        raise ValueError(f"mask_tokens: p must be in [0, 1], but got {p}")
    chance, fate = (_core.rand(tokens.shape, generator=generator) for _ in range(2))
    chosen = (low <= tokens) & (tokens < high) & (chance < p)
    drawn = _core.randint(low, high, tokens.shape, generator=generator)
    masked = tokens.masked_fill(chosen & (fate < 0.8), mask)
    return masked.where(~(chosen & (fate >= 0.9)), drawn), tokens.masked_fill(~chosen, IGNORED)
