"""A language model of attention alone."""

from __future__ import annotations

from ... import nn
from ..._core import Tensor
from ...nn.attention import Causal
from ._model import SequenceModel, choose, transformer

POSITIONS = ("learned", "rotary")


class GPT(SequenceModel):
    """p(x_{t+1} | x_1 ... x_t) = softmax(E norm(h_t)), with h_t of Transformer layers under a causal mask.

    Layers are pre-norm, with GELU and 4 d_model features in between; E is the table of the tokens' embeddings.
    Attention visits the blocks under the diagonal only.

    Args:
        vocabulary_size: tokens.
        max_length: most tokens of a sequence, where positions are learned. Default: 256.
        d_model: features; a multiple of num_heads. Default: 128.
        num_layers: Default: 4.
        num_heads: Default: 4.
        dropout: of embeddings, weights of attention and what joins a residual. Default: 0.1.
        positions: "learned", an embedding of each position; or "rotary", by which queries and keys are turned, and
            which sets no limit to the length. Default: "learned".

    Weights are drawn from N(0, 0.02^2), those that join a residual from N(0, 0.02^2 / (2 num_layers)), as GPT-2's;
    biases are zeros.

    Shapes: tokens (N, T), int64, to logits (N, T, V) of each next token.

    Raises:
        ValueError: for arguments that do not fit, tokens of another shape, and positions beyond max_length.
        IndexError: for tokens that are not in the vocabulary.

    Source: Radford, Wu, Child, Luan, Amodei, Sutskever: Language models are unsupervised multitask learners, 2019; Su
    et al.: RoFormer: Enhanced Transformer with rotary position embedding, 2021 (rotary).
    """

    def __init__(
        self,
        vocabulary_size: int,
        max_length: int = 256,
        d_model: int = 128,
        num_layers: int = 4,
        num_heads: int = 4,
        dropout: float = 0.1,
        positions: str = "learned",
    ) -> None:
        super().__init__(
            vocabulary_size=vocabulary_size,
            max_length=max_length,
            d_model=d_model,
            num_layers=num_layers,
            num_heads=num_heads,
            dropout=dropout,
            positions=positions,
        )
        choose("GPT", "positions", positions, POSITIONS)
        rotary = positions == "rotary"
        self.embedding = nn.Embedding(vocabulary_size, d_model)
        self.positions = (
            nn.Dropout(dropout)
            if rotary
            else nn.LearnedPositionalEncoding(d_model, max_length, dropout, batch_first=True)
        )
        self.transformer = transformer(d_model, num_heads, num_layers, dropout, pre_norm=True, rotary=rotary)
        self.output = nn.Linear(d_model, vocabulary_size, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.output.weight = self.embedding.weight

    def forward(self, tokens: Tensor, caches: list[nn.KeyValueCache] | None = None) -> Tensor:
        """The logits.

        Args:
            caches: of the tokens before these, one for each layer, to which they are added; without gradients.
        """
        self.check_tokens(tokens)
        x = self.embedding(tokens)
        if isinstance(self.positions, nn.Dropout):
            x = self.positions(x)
        else:
            x = self.positions(x, len(caches[0]) if caches else 0)
        return self.output(self.transformer(x, Causal() if caches is None else None, caches=caches))

    def read(self, tokens: Tensor) -> list[nn.KeyValueCache]:
        """The state after tokens (N, T), from which `step` goes on."""
        state = [nn.KeyValueCache() for _ in self.transformer.layers]
        self(tokens, state)
        return state

    def step(self, tokens: Tensor, state: list[nn.KeyValueCache] | None) -> tuple[Tensor, list[nn.KeyValueCache]]:
        """The logits (N, V) after one more token of each sequence, (N,), and the state: a decoder for `decoding`.

        Under no_grad(). A state of None is that before the first token.
        """
        state = [nn.KeyValueCache() for _ in self.transformer.layers] if state is None else state
        return self(tokens.unsqueeze(1), state).squeeze(1), state
